"""Rows of CSV files that others wrote, each with its line, and never with another row in it."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from gapbook.exceptions import PairsError, quoted
from gapbook.files import path_text, require_file

# What separates columns where it is not the comma.
OTHER_DELIMITERS = (";", "\t", "|")

HOW_TO_QUOTE = (
    "a cell that holds a comma, a quote or a line break stands in double quotes, and a quote in it "
    'is written twice ("") rather than with a backslash'
)


class CsvRow(NamedTuple):
    """A row of a CSV file.

    Attributes
    ----------
    line : int
        The line of the file in which the row begins, the first being 1.
    cells : tuple of str
        The wanted cells, without blanks around them.
    continued : tuple of tuple of str
        For each line of the file that the row holds besides its first: the cells that it would have
        in the wanted columns if it were a row itself; empty where it would have too few.
    """

    line: int
    cells: tuple[str, ...]
    continued: tuple[tuple[str, ...], ...]


def read_rows(path: Path, columns: Sequence[str]) -> list[CsvRow]:
    r"""Read columns of a CSV file as text.

    Parameters
    ----------
    path : pathlib.Path
        A file in UTF-8, with or without a byte order mark, whose first line names the columns.
        Cells are separated by commas; one that holds a comma, a quote or a line break stands in
        double quotes, in which a quote is written twice.
    columns : sequence of str
        The names of the wanted columns.

    Returns
    -------
    list of CsvRow
        The rows in the order of the file. Blank lines are left out, and cells that a row lacks at
        its end are empty.

    Raises
    ------
    PairsError
        If the file is missing or not in UTF-8, if a column is missing or there twice, if a row has
        too many cells, or if quotes do not match, which would draw the rows below into one cell.
        The message names the line.
    """
    require_file(path, "a CSV file")
    lines = list(io.StringIO(_text(path), newline=""))
    records = _records(lines, path)
    if not records:
        raise PairsError(
            f"Expected a CSV file with the columns {' and '.join(columns)} in its first line; "
            f"{path_text(path)} is empty"
        )
    header = [name.strip() for name in records[0][1]]
    places = _places(header, columns, path)
    ends = [start for start, _ in records[1:]] + [len(lines) + 1]
    rows = []
    for (start, cells), end in zip(records[1:], ends[1:], strict=True):
        if len(cells) > len(header):
            raise PairsError(
                f"Expected {len(header)} cells in each row of {path_text(path)}, as in its header; "
                f"that of line {start} has {len(cells)}; {HOW_TO_QUOTE}"
            )
        continued = [_cells_at(places, _as_row(line)) for line in lines[start : end - 1]]
        padded = cells + [""] * (len(header) - len(cells))
        rows.append(CsvRow(start, _cells_at(places, padded), tuple(continued)))
    return rows


def _text(path: Path) -> str:
    """Return the content of a file in UTF-8."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise PairsError(
            f"Expected a CSV file in UTF-8; line {line} of {path_text(path)} has the byte "
            f"{content[error.start : error.start + 1]!r}, which is none; save it as UTF-8"
        ) from None


def _records(lines: list[str], path: Path) -> list[tuple[int, list[str]]]:
    """Return the cells of each row that is not blank, with the line in which it begins."""
    records: list[tuple[int, list[str]]] = []
    # Unless it is strict, it ends a cell in quotes wherever it likes, and takes an open end.
    reader = csv.reader(lines, strict=True)
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return records
        except csv.Error:
            raise PairsError(
                f"{path_text(path)} has quotes that do not match in the row that begins in line "
                f"{start}, as far as line {reader.line_num}: {HOW_TO_QUOTE}"
            ) from None
        if len(cells) > 1 or "".join(cells).strip():
            records.append((start, cells))


def _places(header: list[str], columns: Sequence[str], path: Path) -> list[int]:
    """Return where the wanted columns stand in the header."""
    absent = [name for name in columns if name not in header]
    if absent:
        hint = ""
        for delimiter in OTHER_DELIMITERS:
            if len(header) == 1 and delimiter in header[0]:
                hint = f"; its columns seem to be separated by {delimiter!r}: save it with commas"
        raise PairsError(
            f"Expected the columns {' and '.join(columns)} in the first line of {path_text(path)}; "
            f"it has {quoted(', '.join(header))}, without {absent[0]}{hint}"
        )
    twice = [name for name in columns if header.count(name) > 1]
    if twice:
        raise PairsError(
            f"Expected one column {twice[0]} in {path_text(path)}; its first line names "
            f"{header.count(twice[0])}; rename or remove the others"
        )
    return [header.index(name) for name in columns]


def _as_row(line: str) -> list[str]:
    """Return the cells that a single line would have as a row, whatever its quotes are."""
    try:
        return next(csv.reader([line]), [])
    except csv.Error:
        return []


def _cells_at(places: Sequence[int], cells: Sequence[str]) -> tuple[str, ...]:
    """Return the cells at some places without blanks around them; none if a place is missing."""
    if len(cells) <= max(places):
        return ()
    return tuple(cells[place].strip() for place in places)
