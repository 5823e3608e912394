"""Parquet files: columns with a vector in each cell."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gapbook.array_files.checks import (
    REASON_CHARACTERS,
    FileKind,
    name_text,
    require_names,
    require_sane_size,
)
from gapbook.checks.arrays import BITS
from gapbook.exceptions import PairsError, one_line
from gapbook.extras import from_extra
from gapbook.files import path_text

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet


class Parquet(FileKind):
    """Columns with a vector in each cell."""

    name = "a Parquet"

    def read(self, path: Path, wanted: Sequence[str]) -> list[np.ndarray]:
        """Return the arrays of these names, and open no others."""
        with _open_parquet(path) as file:
            require_names(path, wanted, file.schema_arrow.names)
            _require_sane_columns(path, file, wanted)
            table = file.read(list(wanted))
        return [_vectors(table.column(name), name, path) for name in wanted]

    def names(self, path: Path) -> list[str]:
        """Return the names of all arrays."""
        with _open_parquet(path) as file:
            return list(file.schema_arrow.names)

    def shape(self, path: Path, name: str) -> tuple[int, ...]:
        """Return the shape that the header of an array states."""
        # Without a buffer the whole column would be read.
        with _open_parquet(path, buffer_size=2**16) as file:
            n = int(file.metadata.num_rows)
            if not n:
                return (0, 0)
            first_row = next(file.iter_batches(1, columns=[name]))
            return (n, _vectors(first_row.column(0), name, path).shape[1])


def _open_parquet(path: Path, **options: Any) -> "pyarrow.parquet.ParquetFile":
    with from_extra("large", "a Parquet file"):
        import pyarrow.parquet
    try:
        return pyarrow.parquet.ParquetFile(path, **options)
    except UnicodeDecodeError:
        raise PairsError(
            f"{path_text(path)} has a column whose name is not UTF-8, as Parquet asks: rename it"
        ) from None


def _require_sane_columns(
    path: Path, file: "pyarrow.parquet.ParquetFile", wanted: Sequence[str]
) -> None:
    """Refuse columns that unpack to far more than the file has bytes.

    The first row is read, for its size. The metadata of a column have it too, but where they are
    damaged, asking pyarrow for them ends the process.
    """
    packed = path.stat().st_size
    for name in wanted:
        for first_row in file.iter_batches(1, columns=[name]):
            require_sane_size(path, name, file.metadata.num_rows * first_row.nbytes, packed)
            break


def _vectors(column: "pyarrow.ChunkedArray | pyarrow.Array", name: str, path: Path) -> np.ndarray:
    """Return a column with a vector in each cell as an array (n, d)."""
    expected = f"Expected a vector in every cell of column {name_text(name)} of {path_text(path)}"
    if column.null_count:
        raise PairsError(f"{expected}; got {column.null_count} empty cells")
    chunks = [chunk for chunk in getattr(column, "chunks", [column]) if len(chunk)]
    arrays = [_cells(chunk, expected) for chunk in chunks]
    if not arrays:
        return np.empty((0, 0))
    shapes = sorted({array.shape[1:] for array in arrays})
    if len(shapes) > 1:
        raise _several_lengths(expected, [math.prod(shape) for shape in shapes])
    cell = shapes[0]
    # A cell may be a list with one list, or a tensor of one row.
    if not cell or sum(size != 1 for size in cell) > 1:
        got = f"arrays of shape {cell}" if cell else _type_text(column)
        raise PairsError(f"{expected}; got {got}")
    return np.concatenate(arrays).reshape(-1, math.prod(cell))


def _cells(values: "pyarrow.Array", expected: str) -> np.ndarray:
    """Return numbers, lists of one length, lists of such lists or tensors as an array (n, ...)."""
    import pyarrow

    kind = pyarrow.types
    if isinstance(values, pyarrow.ExtensionArray):
        cell = tuple(getattr(values.type, "shape", ()))
        array = _cells(values.storage, expected)
        return array.reshape(-1, *cell) if cell else array
    if kind.is_floating(values.type) or kind.is_integer(values.type):
        if values.type.bit_width == 8:
            raise PairsError(f"{expected}; got {values.type}: {BITS}")
        return values.to_numpy(zero_copy_only=False)
    # A type of lists has a value_field; dictionaries and tensors have a value_type too.
    if not hasattr(values.type, "value_field") or kind.is_map(values.type):
        raise PairsError(f"{expected}; got {_type_text(values)}")
    if values.null_count:
        raise PairsError(f"{expected}; got {values.null_count} empty lists in its cells")
    widths = np.unique(values.value_lengths())
    if len(widths) > 1:
        raise _several_lengths(expected, widths.tolist())
    inner = _cells(values.flatten(), expected)
    return inner.reshape(len(values), int(widths[0]), *inner.shape[1:])


def _several_lengths(expected: str, widths: Sequence[int]) -> PairsError:
    return PairsError(f"{expected}, of one length; got lengths {sorted(widths)[:5]}")


def _type_text(values: "pyarrow.ChunkedArray | pyarrow.Array") -> str:
    return one_line(str(values.type), REASON_CHARACTERS)
