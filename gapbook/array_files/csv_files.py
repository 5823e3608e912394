"""CSV files: columns with a vector as JSON text in each cell, or a number in each cell."""

import csv
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from gapbook.array_files.checks import (
    REASON_CHARACTERS,
    FileKind,
    name_text,
    require_both_sides,
    require_names,
)
from gapbook.array_files.vector_text import as_vector, from_json, stacked
from gapbook.exceptions import PairsError, one_line
from gapbook.files import path_text
from gapbook.files.csv_rows import read_rows

# A vector of 100,000 dimensions as text.
CELL_CHARACTERS = 2**22
HEADER_CHARACTERS = 2**22


class Csv(FileKind):
    """A table with names in its first line, or numbers alone, a row for each vector."""

    name = "a CSV"

    def read(self, path: Path, wanted: Sequence[str]) -> list[np.ndarray]:
        """Return the arrays of these names."""
        if _is_numbers(path):
            require_both_sides(path, _numbers(path).shape)
        require_names(path, wanted, self.names(path))
        with _long_cells():
            rows = read_rows(path, wanted)
        arrays = []
        for place, name in enumerate(wanted):
            expected = _expected(name, path)
            found = [
                _vector(row.cells[place], f"{expected}; that of line {row.line} has another")
                for row in rows
            ]
            arrays.append(stacked(found, expected))
        return arrays

    def read_one(self, path: Path, name: str | None, in_groups: bool = False) -> np.ndarray:
        """Return the vectors of a column or, of a file of numbers alone, its rows."""
        if name is None and _is_numbers(path):
            return _numbers(path)
        array: np.ndarray = super().read_one(path, name, in_groups)
        return array

    def cells(self, path: Path, name: str) -> list[str]:
        """Return the text in each cell of a column."""
        require_names(path, [name], self.names(path))
        with _long_cells():
            return [row.cells[0] for row in read_rows(path, [name])]

    def names(self, path: Path) -> list[str]:
        """Return the names of all columns."""
        return [name.strip() for name in next(_first_rows(path), [])]

    def ids(self, path: Path, name: str) -> list[Any]:
        """Return the ids of rows, a column by its name."""
        return self.cells(path, name)

    def vector_names(self, path: Path) -> list[str]:
        """Return the names of the columns whose first cell is a list."""
        rows = _first_rows(path)
        names = [name.strip() for name in next(rows, [])]
        cells = next(rows, [])
        both = zip(names, cells, strict=False)
        return [name for name, cell in both if cell.strip().startswith("[")]

    def shape(self, path: Path, name: str) -> tuple[int, ...]:
        """Return the shape of the vectors in a column."""
        return self.read(path, [name])[0].shape


def _expected(name: str, path: Path) -> str:
    return (
        f"Expected a vector as JSON text, such as [0.1, 0.2], in each cell of column "
        f"{name_text(name)} of {path_text(path)}"
    )


def _vector(cell: str, expected: str) -> np.ndarray:
    return as_vector(from_json(cell, expected), expected)


@contextmanager
def _long_cells() -> Iterator[None]:
    """Let the reader of CSV take cells as long as vectors are."""
    limit = csv.field_size_limit(CELL_CHARACTERS)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def _first_line(path: Path) -> str:
    with path.open("rb") as file:
        return file.readline(HEADER_CHARACTERS).decode("utf-8-sig", "replace").strip()


def _first_rows(path: Path) -> Iterator[list[str]]:
    """Yield the cells of the first rows."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file, _long_cells():
        try:
            yield from csv.reader(file)
        except csv.Error as error:
            raise PairsError(
                f"{path_text(path)} is no CSV file ({one_line(str(error), REASON_CHARACTERS)}): "
                "save vectors with np.save"
            ) from None


def _is_numbers(path: Path) -> bool:
    """Say whether a file holds numbers alone, as np.savetxt and pandas write them."""
    cells = re.split(r"[,;\s]+", _first_line(path).strip(", ;"))
    return all(_is_number(cell.strip("\"'")) for cell in cells)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _numbers(path: Path) -> np.ndarray:
    """Return the rows of a file of numbers, without the index and header that pandas writes."""
    first = _first_line(path)
    separator = next((mark for mark in (",", ";", "\t") if mark in first), None)
    cells = [cell.strip() for cell in first.split(separator)]
    # pandas numbers the columns in a header, which has an empty cell above the index.
    has_index = cells[0] == ""
    names = cells[1:] if has_index else cells
    has_header = has_index or (len(names) > 1 and names == [str(i) for i in range(len(names))])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array = np.loadtxt(
                path,
                delimiter=separator,
                skiprows=int(has_header),
                ndmin=2,
                encoding="utf-8-sig",
                comments=None,
            )
    except ValueError as error:
        raise PairsError(
            f"Expected as many numbers in each row of {path_text(path)}; "
            f"got {one_line(str(error).partition(';')[0], REASON_CHARACTERS)}: save vectors with "
            "np.save"
        ) from None
    return array[:, 1:] if has_index else array
