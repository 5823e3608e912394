"""JSON lines and CSV: vectors as text."""

import json

import numpy as np
import pandas as pd
import pytest
from helpers import sample

from gapbook.array_files import array_names, read_pairs, read_shape
from gapbook.exceptions import PairsError
from gapbook.pairs import PairedEmbeddings

X, Y = sample(12, 4)
PAIRS = PairedEmbeddings(X, Y)


def write_jsonl(path, columns):
    rows = zip(*columns.values(), strict=True)
    lines = [json.dumps(dict(zip(columns, row, strict=True))) for row in rows]
    path.write_text("\n\n".join(lines) + "\n")


def write_csv(path, columns):
    pd.DataFrame(columns).to_csv(path, index=False)


WRITERS = {".jsonl": write_jsonl, ".ndjson": write_jsonl, ".csv": write_csv}


@pytest.mark.parametrize("suffix", WRITERS)
def test_vectors_are_read_by_name(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    columns = {"id": list(range(12)), "v": X.tolist(), "t": Y.tolist(), "caption": ["a, b"] * 12}
    WRITERS[suffix](path, columns)
    loaded = PairedEmbeddings.load(path, columns=("v", "t"))
    np.testing.assert_allclose(loaded.x, PAIRS.x, atol=1e-6)
    np.testing.assert_allclose(loaded.y, PAIRS.y, atol=1e-6)
    assert array_names(path) == ["id", "v", "t", "caption"]
    assert read_shape(path, "v") == (12, 4)
    # As two files, each has one column of vectors.
    WRITERS[suffix](tmp_path / f"b{suffix}", {"caption": ["a"] * 12, "e": Y.tolist()})
    two = PairedEmbeddings.load(path, tmp_path / f"b{suffix}", columns=("v", "e"))
    np.testing.assert_array_equal(two.y, loaded.y)


def test_vectors_of_many_dimensions_are_read_from_csv(tmp_path):
    wide, _ = sample(3, 20_000)
    write_csv(tmp_path / "a.csv", {"x": wide.tolist(), "y": wide.tolist()})
    assert read_pairs(tmp_path / "a.csv")[1].shape == (3, 20_000)


NUMBERS = {
    "np.savetxt": lambda path: np.savetxt(path, Y),
    "np.savetxt with commas": lambda path: np.savetxt(path, Y, delimiter=","),
    "tabs": lambda path: np.savetxt(path, Y, delimiter="\t"),
    "pandas": lambda path: pd.DataFrame(Y).to_csv(path),
    "pandas without an index": lambda path: pd.DataFrame(Y).to_csv(path, index=False),
    "pandas without a header": lambda path: pd.DataFrame(Y).to_csv(path, index=False, header=False),
}


@pytest.mark.parametrize("write", NUMBERS.values(), ids=NUMBERS)
def test_numbers_alone_are_a_side(tmp_path, write):
    np.save(tmp_path / "x.npy", X)
    write(tmp_path / "y.csv")
    loaded = PairedEmbeddings.load(tmp_path / "x.npy", tmp_path / "y.csv")
    np.testing.assert_allclose(loaded.y, PAIRS.y, atol=1e-6)
    with pytest.raises(PairsError, match="that is one side, so give two files"):
        PairedEmbeddings.load(tmp_path / "y.csv")


WRONG = {
    "each line of .*; line 2 has another; got '{": ("a.jsonl", '{"x": [1], "y": [1]}\n{'),
    r"line 1 has another; got \[1, 2\]": ("a.jsonl", "[1, 2]"),
    "numbers under y in each line .*; line 2 has another; got None": (
        "a.jsonl",
        '{"x": [1], "y": [1]}\n{"x": [1]}',
    ),
    r"got \[1, None\]": ("a.jsonl", '{"x": [1, null], "y": [1, 2]}'),
    r"got \[True\]": ("a.jsonl", '{"x": [true], "y": [1, 2]}'),
    "a number that is too large": ("a.jsonl", f'{{"x": [{10**400}], "y": [1, 2]}}'),
    r"of one length; got lengths \[1, 2\]": (
        "a.jsonl",
        '{"x": [1], "y": [1]}\n{"x": [1, 2], "y": [1]}',
    ),
    "Expected the keys x and y in .*got none": ("a.jsonl", "\n\n"),
    "Expected text in UTF-8": ("a.jsonl", b'{"x": "\xff"}'),
    r"JSON text, such as \[0\.1, 0\.2\], .* that of line 2 has another; got '\[1 2\]'": (
        "a.csv",
        'x,y\n[1 2],"[1, 2]"\n',
    ),
    "Expected as many numbers in each row of .*got the number of columns changed": (
        "a.csv",
        "1,2\n3\n",
    ),
    "quotes that do not match": ("a.csv", 'x,y\n"[1, 2],3\n'),
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_no_vector_is_named_with_its_line(tmp_path, message):
    name, content = WRONG[message]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(PairsError, match=message) as error:
        read_pairs(tmp_path / name)
    assert "damaged" not in str(error.value)
