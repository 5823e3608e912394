"""Files of JSON lines: an object in each line, with vectors under some of its keys."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gapbook.array_files.checks import FileKind, name_text, require_names
from gapbook.array_files.vector_text import as_vector, from_json, stacked
from gapbook.exceptions import PairsError, quoted
from gapbook.files import path_text


class Jsonl(FileKind):
    """An object in each line; blank lines are left out."""

    name = "a JSON lines"

    def read(self, path: Path, wanted: Sequence[str]) -> list[np.ndarray]:
        """Return the arrays of these names."""
        require_names(path, wanted, self.names(path))
        rows: dict[str, list[np.ndarray]] = {name: [] for name in wanted}
        for line, record in _records(path):
            for name in wanted:
                expected = f"{_expected(name, path)}; line {line} has another"
                rows[name].append(as_vector(record.get(name), expected))
        return [stacked(rows[name], _expected(name, path)) for name in wanted]

    def cells(self, path: Path, name: str) -> list[Any]:
        """Return what stands under one key in each line."""
        require_names(path, [name], self.names(path))
        return [record.get(name) for _, record in _records(path)]

    def names(self, path: Path) -> list[str]:
        """Return the keys of the first line."""
        return list(self._first(path))

    def ids(self, path: Path, name: str) -> list[Any]:
        """Return the ids of rows, a column by its name."""
        return self.cells(path, name)

    def vector_names(self, path: Path) -> list[str]:
        """Return the keys of the first line that hold lists."""
        return [name for name, value in self._first(path).items() if isinstance(value, list)]

    def shape(self, path: Path, name: str) -> tuple[int, ...]:
        """Return the shape of the vectors under a key."""
        return self.read(path, [name])[0].shape

    def _first(self, path: Path) -> dict[str, Any]:
        for _, record in _records(path):
            return record
        return {}


def _expected(name: str, path: Path) -> str:
    return f"Expected a list of numbers under {name_text(name)} in each line of {path_text(path)}"


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number of each line that is not blank, and the object in it."""
    expected = f"Expected a JSON object in each line of {path_text(path)}"
    with path.open(encoding="utf-8-sig") as file:
        for line, text in enumerate(_lines(file, path), start=1):
            if not text.strip():
                continue
            record = from_json(text, f"{expected}; line {line} has another")
            if not isinstance(record, dict):
                raise PairsError(f"{expected}; line {line} has another; got {quoted(record)}")
            yield line, record


def _lines(file: Iterator[str], path: Path) -> Iterator[str]:
    try:
        yield from file
    except UnicodeDecodeError:
        raise PairsError(
            f"Expected text in UTF-8 in {path_text(path)}; got other bytes: save it as UTF-8"
        ) from None
