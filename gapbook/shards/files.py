"""Files of paired embeddings for a folder of shards: NumPy, safetensors, and Parquet with columns of vectors."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import numpy as np

from gapbook.exceptions import ColumnsError, MissingPackageError, PairsError
from gapbook.pairs import read_arrays, unit_pair

if TYPE_CHECKING:
    import torch

SUFFIXES = (".npy", ".npz", ".safetensors", ".parquet")
INSTALL = "python -m pip install distributed pyarrow"


def shard_names(folder: Path) -> list[str]:
    """Return the shards of a folder by name relative to it, sorted; raise ``PairsError`` where there are none."""
    if not folder.is_dir():
        raise PairsError(
            f"Expected a folder of shards; {folder} {'is a file' if folder.exists() else 'does not exist'}"
        )
    found = (
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.suffix in SUFFIXES and path.is_file()
    )
    names = sorted(
        path.as_posix()
        for path in found
        if not any(part.startswith((".", "_")) for part in path.parts)
    )
    if not names:
        raise PairsError(
            f"Expected files ending in {', '.join(SUFFIXES)} in {folder}; there are none"
        )
    return names


def read_pairs(path: Path, columns: Sequence[str] = ("x", "y")) -> tuple[Any, Any]:
    """Return the two arrays of one file of pairs, not yet checked; ``columns`` name them (an ``.npy`` has no names).

    Raises ``PairsError`` for a file that is missing, damaged or without these arrays.
    """
    if not path.is_file():
        raise PairsError(
            f"Expected a file; {path} {'is a folder' if path.is_dir() else 'does not exist'}"
        )
    names = ("x", "y") if path.suffix == ".npy" else tuple(columns)
    arrays = _read_parquet(path, names) if path.suffix == ".parquet" else read_arrays(path)
    if not set(names) <= arrays.keys():
        got = ", ".join(sorted(arrays)) or "none"
        raise ColumnsError(
            f"Expected {' and '.join(names)} in {path.name}; got {got}: name them by --columns X Y"
        )
    return arrays[names[0]], arrays[names[1]]


def width_of(path: Path, columns: Sequence[str] = ("x", "y")) -> int | None:
    """Return the dimension of x that a file's header states (Parquet: that its first row has), None for a damaged one.

    Cheap, for no more than that is read: what is wrong further on is found by ``unit_shard``.
    """
    try:
        return _width(path, columns[0])
    except Exception:  # a damaged header has many; ``unit_shard`` says what is wrong
        return None


def _width(path: Path, name: str) -> int:
    if path.suffix == ".parquet":
        import pyarrow.parquet

        with pyarrow.parquet.ParquetFile(
            path, buffer_size=2**16
        ) as file:  # a buffer, or a whole column is read
            return len(next(file.iter_batches(1, columns=[name])).column(0)[0])
    if path.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(path, framework="np") as file:
            return int(file.get_slice(name).get_shape()[-1])
    if path.suffix == ".npz":
        with ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
            return _npy_width(file)
    with path.open("rb") as file:
        return _npy_width(file)


def _npy_width(file: Any) -> int:
    form = np.lib.format
    read = (
        form.read_array_header_1_0
        if form.read_magic(file) == (1, 0)
        else form.read_array_header_2_0
    )
    return int(read(file)[0][-1])


def _read_parquet(path: Path, names: Sequence[str]) -> dict[str, Any]:
    """Return the wanted columns of vectors that a Parquet file has, as arrays (n, d), and others' names with None."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise MissingPackageError(
            f"Parquet files need pyarrow, which is not installed: {INSTALL}"
        ) from None
    if not path.stat().st_size:
        raise PairsError(f"{path} is empty: write it again")
    try:
        file = pyarrow.parquet.ParquetFile(path)
        there = file.schema_arrow.names
        table = file.read([name for name in names if name in there])
    except (pyarrow.ArrowException, OSError) as error:
        raise PairsError(f"{path} is damaged or not a Parquet file ({error})") from None
    return dict.fromkeys(there) | {
        name: _vectors(table.column(name), name, path) for name in table.column_names
    }


def _vectors(column: Any, name: str, path: Path) -> np.ndarray:
    """Return a column of lists of one length as an array (n, d)."""
    if (
        not hasattr(column.type, "value_field") or column.null_count
    ):  # value_type: dictionaries and tensors too
        got = f"{column.null_count} empty cells" if column.null_count else column.type
        raise PairsError(f"Expected a vector in every cell of column {name} of {path}; got {got}")
    chunks = [chunk for chunk in column.chunks if len(chunk)]
    lengths = {int(length) for chunk in chunks for length in np.unique(chunk.value_lengths())}
    if len(lengths) > 1:
        raise PairsError(
            f"Expected vectors of one length in column {name} of {path}; got {sorted(lengths)[:5]}"
        )
    width = lengths.pop() if lengths else 0
    values = [
        chunk.flatten().to_numpy(zero_copy_only=False).reshape(len(chunk), width)
        for chunk in chunks
    ]
    return np.concatenate(values) if values else np.empty((0, 0))


def unit_shard(
    path: Path, columns: Sequence[str] = ("x", "y")
) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Return the unit rows of one file of pairs; a shard may have a single pair."""
    x, y = read_pairs(path, columns)
    if np.shape(x)[:1] == np.shape(y)[:1] == (1,):
        first, second = unit_pair(np.repeat(np.asarray(x), 2, 0), np.repeat(np.asarray(y), 2, 0))
        return first[:1], second[:1]
    return unit_pair(x, y)
