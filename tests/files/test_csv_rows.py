"""Rows of CSV files: which lines they have, how they are quoted, and what is refused."""

import re
from pathlib import Path

import pytest

from gapbook.exceptions import PairsError
from gapbook.files.csv_rows import CsvRow, read_rows

COLUMNS = ("image", "caption")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "captions.csv"


def cells(path: Path, content: str | bytes) -> list[tuple[str, ...]]:
    """Write a file and return the cells of its rows."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return [row.cells for row in read_rows(path, COLUMNS)]


GOOD = {
    "in order": ("image,caption\na,A\nb,B\n", [("a", "A"), ("b", "B")]),
    "no last line break": ("image,caption\na,A", [("a", "A")]),
    "another order, and others": ("n,caption,image\n1,A,a\n", [("a", "A")]),
    "line breaks of Windows": ("image,caption\r\na,A\r\n", [("a", "A")]),
    "line breaks of old Macs": ("image,caption\ra,A\r", [("a", "A")]),
    "blanks": (" image , caption \n a , A \n", [("a", "A")]),
    "byte order mark": ("\ufeffimage,caption\na,A\n", [("a", "A")]),
    "byte order mark and quotes": ('\ufeff"image","caption"\na,A\n', [("a", "A")]),
    "blank lines": ("\nimage,caption\n\n   \na,A\n\n", [("a", "A")]),
    "what looks like no text": ("image,caption\n1,NA\n2,\n", [("1", "NA"), ("2", "")]),
    "missing at the end": ("image,caption\na\n", [("a", "")]),
    "comma in quotes": ('image,caption\na,"A, or B"\n', [("a", "A, or B")]),
    "doubled quotes": ('image,caption\na,"a ""big"", dog"\n', [("a", 'a "big", dog')]),
    "quotes in the middle": ('image,caption\na,a "big" dog\n', [("a", 'a "big" dog')]),
    "several lines": ('image,caption\na,"A\nB"\nb,B\n', [("a", "A\nB"), ("b", "B")]),
    "other line separators": ("image,caption\na,A\u2028B\x0bC\n", [("a", "A\u2028B\x0bC")]),
    "no rows": ("image,caption\n", []),
}


@pytest.mark.parametrize(("content", "expected"), GOOD.values(), ids=GOOD)
def test_cells_are_text_without_blanks_around_them(
    path: Path, content: str, expected: list
) -> None:
    assert cells(path, content) == expected


def test_rows_know_their_line_and_what_lies_on_their_other_lines(path: Path) -> None:
    path.write_text('image,caption\n\na,"A\nb,B\nand C"\n\nc,C\n')
    assert read_rows(path, COLUMNS) == [
        CsvRow(3, ("a", "A\nb,B\nand C"), (("b", "B"), (), ())),
        CsvRow(7, ("c", "C"), ()),
    ]


OPEN = "has quotes that do not match in the row that begins in line"
BAD = {
    "no end": ('image,caption\na,A\nb,"B\nc,C\n', f"{OPEN} 3, as far as line 4"),
    "closed by the next": ('image,caption\na,"A\nb,"B" and C\n', f"{OPEN} 2, as far as line 3"),
    "inches": ('image,caption\na,"5 inch\nb,B\nc,7" screen\n', f"{OPEN} 2, as far as line 4"),
    "quoted word": ('image,caption\na,"Go" sign\n', f"{OPEN} 2, as far as line 2"),
    "backslashes": ('image,caption\na,"say \\"hi\\""\n', f"{OPEN} 2, as far as line 2"),
    "comma outside": ("image,caption\na,A\n\nb,B, or C\n", "that of line 4 has 3; a cell that"),
    "empty": ("", "in its first line; .*captions.csv is empty"),
    "blank": ("\n \n", "in its first line; .*captions.csv is empty"),
    "not UTF-8": (b"image,caption\na,A\nb,\xff\n", r"line 3 of .*csv has the byte b'\\xff'"),
    "UTF-16": ("image,caption\na,A\n".encode("utf-16"), "in UTF-8; line 1 of .*; save it as UTF-8"),
    "other columns": ("file,caption\na,A\n", "it has 'file, caption', without image"),
    "semicolons": ("image;caption\na;A\n", "seem to be separated by ';': save it with commas"),
    "tabs": ("image\tcaption\na\tA\n", r"seem to be separated by '\\t': save it with commas"),
    "column twice": (
        "image,caption,image\na,A,b\n",
        "one column image in .*; its first line names 2",
    ),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_a_bad_file_is_one_sentence_that_names_the_line(
    path: Path, content: str | bytes, message: str
) -> None:
    with pytest.raises(PairsError, match=message) as error:
        cells(path, content)
    assert str(error.value).isprintable()


def test_foreign_names_of_columns_are_shown_in_short(path: Path) -> None:
    with pytest.raises(PairsError) as error:
        cells(path, "\x1b[31m" + "x" * 10**5 + "\na\n")
    assert len(str(error.value)) < 500 + len(str(path))
    assert str(error.value).isprintable()


def test_a_missing_file_is_named(path: Path) -> None:
    with pytest.raises(PairsError, match=re.escape(f"Expected a CSV file; {path} does not exist")):
        read_rows(path, COLUMNS)
