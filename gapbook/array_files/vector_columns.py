"""Columns of Arrow tables with a vector in each cell, as arrays (n, d)."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gapbook.array_files.checks import REASON_CHARACTERS, name_text
from gapbook.exceptions import PairsError, one_line
from gapbook.files import path_text

if TYPE_CHECKING:
    import pyarrow


def holds_vectors(kind: "pyarrow.DataType") -> bool:
    """Say whether a column of this type may have a vector in each cell."""
    import pyarrow

    storage = getattr(kind, "storage_type", kind)
    return hasattr(storage, "value_field") and not pyarrow.types.is_map(storage)


def vectors(column: "pyarrow.ChunkedArray | pyarrow.Array", name: str, path: Path) -> np.ndarray:
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
