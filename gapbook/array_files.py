"""Arrays in files that others wrote: NumPy, safetensors and Parquet, read without unpickling."""

from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from zipfile import ZipFile

import numpy as np

from gapbook.exceptions import MissingPackageError, PairsError
from gapbook.files import require_file

if TYPE_CHECKING:
    import pyarrow

SUFFIXES = (".npz", ".npy", ".safetensors", ".parquet")
UNSAFE = "unpickling can run any code"
INSTALL = "python -m pip install distributed pyarrow cryptography"


def read_arrays(path: Path, columns: Sequence[str] | None = None) -> dict[str, Any]:
    """Return what a file holds by name: arrays, tensors, and text of its metadata.

    Parameters
    ----------
    path : pathlib.Path
        A ``.npz``, ``.safetensors`` or ``.parquet`` file, or an ``.npy`` file of one array of shape
        (2, n, d), which becomes x and y.
    columns : sequence of str, optional
        The columns of a Parquet file that are wanted, since reading others takes time. Others are
        there by name with the value None. By default all columns are read.

    Returns
    -------
    dict
        Arrays and tensors by name, not yet checked.

    Raises
    ------
    PairsError
        If the file is missing, empty, damaged, pickled or of another kind.
    MissingPackageError
        If a Parquet file needs pyarrow and it is not installed.
    """
    require_file(path)
    if path.suffix not in SUFFIXES:
        raise PairsError(
            f"Expected a file ending in {', '.join(SUFFIXES)}, since others may be pickled, "
            f"and {UNSAFE}; got {path}"
        )
    if not path.stat().st_size:
        raise PairsError(f"{path} is empty: write it again")
    if path.suffix == ".parquet":
        return _read_parquet(path, columns)
    try:
        if path.suffix == ".safetensors":
            return _read_safetensors(path)
        content = np.load(path, allow_pickle=False)
        if path.suffix == ".npz":
            return dict(content)
    # NumPy, zipfile, zlib and safetensors each have their own errors for a damaged file.
    except Exception as error:
        start = path.read_bytes()[:8]
        if start[:1] == b"\x80" or "Object arrays" in str(error):
            raise PairsError(
                f"{path} holds pickled objects, and {UNSAFE}: save plain numbers with np.savez"
            ) from None
        raise PairsError(
            f"{path} is damaged or not a {path.suffix} file: it starts with {start!r} ({error})"
        ) from None
    if np.ndim(content) != 3 or len(content) != 2:
        shape = np.shape(content)
        raise PairsError(f"Expected one array of shape (2, n, d) in {path}; got {shape}")
    return {"x": content[0], "y": content[1]}


def _read_safetensors(path: Path) -> dict[str, Any]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        return (file.metadata() or {}) | tensors


def _read_parquet(path: Path, columns: Sequence[str] | None) -> dict[str, Any]:
    """Return the wanted columns of vectors as arrays (n, d), and the names of others with None."""
    try:
        import pyarrow.parquet
    except ImportError:
        raise MissingPackageError(
            f"Parquet files need pyarrow, which is not installed: {INSTALL}"
        ) from None
    try:
        file = pyarrow.parquet.ParquetFile(path)
        names = file.schema_arrow.names
        wanted = names if columns is None else [name for name in columns if name in names]
        table = file.read(wanted)
    except (pyarrow.ArrowException, OSError) as error:
        raise PairsError(f"{path} is damaged or not a Parquet file ({error})") from None
    arrays = {name: _vectors(table.column(name), name, path) for name in wanted}
    return dict.fromkeys(names) | arrays


def _vectors(column: "pyarrow.ChunkedArray", name: str, path: Path) -> np.ndarray:
    """Return a column of lists of one length as an array (n, d)."""
    expected = f"Expected a vector in every cell of column {name} of {path}"
    # A type of lists has a value_field; dictionaries and tensors have a value_type too.
    if not hasattr(column.type, "value_field"):
        raise PairsError(f"{expected}; got {column.type}")
    if column.null_count:
        raise PairsError(f"{expected}; got {column.null_count} empty cells")
    chunks = [chunk for chunk in column.chunks if len(chunk)]
    if not chunks:
        return np.empty((0, 0))
    widths = {int(width) for chunk in chunks for width in np.unique(chunk.value_lengths())}
    if len(widths) > 1:
        raise PairsError(
            f"Expected vectors of one length in column {name} of {path}; got {sorted(widths)[:5]}"
        )
    width = widths.pop()
    arrays = []
    for chunk in chunks:
        values = chunk.flatten().to_numpy(zero_copy_only=False)
        arrays.append(values.reshape(len(chunk), width))
    return np.concatenate(arrays)


def read_width(path: Path, name: str) -> int:
    """Return the dimension d of an array (n, d) or column of vectors, as the header states it.

    No more than the header is read (of Parquet: the first row). A damaged header raises whatever
    its library raises.
    """
    if path.suffix == ".parquet":
        import pyarrow.parquet

        # Without a buffer the whole column would be read.
        with pyarrow.parquet.ParquetFile(path, buffer_size=2**16) as file:
            first_row = next(file.iter_batches(1, columns=[name]))
            return len(first_row.column(0)[0])
    if path.suffix == ".safetensors":
        from safetensors import safe_open

        with safe_open(path, framework="np") as tensors:
            return int(tensors.get_slice(name).get_shape()[-1])
    if path.suffix == ".npz":
        with ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
            return _npy_width(member)
    with path.open("rb") as array:
        return _npy_width(array)


def _npy_width(file: IO[bytes]) -> int:
    if np.lib.format.read_magic(file) == (1, 0):
        shape, _, _ = np.lib.format.read_array_header_1_0(file)
    else:
        shape, _, _ = np.lib.format.read_array_header_2_0(file)
    return int(shape[-1])
