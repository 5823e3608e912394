"""Arrays in files that others wrote: NumPy, safetensors and Parquet, read without unpickling.

Only what is asked for is opened. The size that a header states is compared with that of the file
before memory is taken.
"""

import math
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import numpy as np

from gapbook.arrays import BITS
from gapbook.exceptions import ColumnsError, MissingPackageError, PairsError, one_line, quoted
from gapbook.files import path_text, require_file
from gapbook.memory import require_memory, size_text

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

SUFFIXES = (".npz", ".npy", ".safetensors", ".parquet")
UNSAFE = "unpickling can run any code"
INSTALL = "python -m pip install distributed pyarrow cryptography"
# Of foreign text in a message, as much as helps.
REASON_CHARACTERS = 200
# Names of arrays that a message lists.
NAMES_SHOWN = 10
# Of a header of NumPy, whose default it is: evaluating a longer one could take long.
HEADER_CHARACTERS = 10_000
# Arrays that are compressed more than that, and are large, hold one number again and again: files
# of a few bytes may unpack to more than there is memory. DEFLATE reaches 1032.
MAX_COMPRESSION = 500
LARGE_BYTES = 2**28
# The text of metadata that is read: with more than that, it must not be larger than the arrays.
METADATA_BYTES = 2**26
# Of a number in a column.
LARGEST_VALUE_BYTES = 8


class ArrayHeader(NamedTuple):
    """What the header of an array states: its shape and its type."""

    shape: tuple[int, ...]
    is_in_columns: bool
    dtype: np.dtype


# ---- any kind of file


def suffix_of(path: Path) -> str | None:
    """Return the ending of a file of arrays in small letters, None for another file.

    Examples
    --------
    >>> suffix_of(Path("a.npz")), suffix_of(Path("B.NPZ")), suffix_of(Path("c.txt"))
    ('.npz', '.npz', None)
    """
    suffix = path.suffix
    # An ending that mixes both is no file that somebody's camera or old system has named.
    if suffix not in (suffix.lower(), suffix.upper()):
        return None
    return suffix.lower() if suffix.lower() in SUFFIXES else None


def read_pairs(path: Path, columns: Sequence[str] = ("x", "y")) -> tuple[Any, Any]:
    """Return two arrays of a file by name, not yet checked.

    Parameters
    ----------
    path : pathlib.Path
        A ``.npz``, ``.safetensors`` or ``.parquet`` file, or an ``.npy`` file of one array of shape
        (2, n, d). The ending may be in capitals.
    columns : sequence of two str
        The names of the two arrays or columns, which an ``.npy`` file does not have.

    Returns
    -------
    tuple of two arrays or tensors
        The two arrays. Nothing else in the file is opened.

    Raises
    ------
    PairsError
        If the file is missing, empty, damaged, pickled or of another kind.
    ColumnsError
        If the file does not have these arrays: a ``PairsError``.
    MissingPackageError
        If a Parquet file needs pyarrow and it is not installed.
    """
    first, second = _two_names(columns)
    arrays = _read(path, lambda kind: kind.read(path, (first, second)))
    return arrays[0], arrays[1]


def array_names(path: Path) -> list[str]:
    """Return the names of the arrays or columns of a file, in its order; errors as ``read_pairs``."""
    return _read(path, lambda kind: kind.names(path))


def read_metadata(path: Path, arrays_bytes: int = 0) -> str | None:
    """Return the text under the name ``meta`` that ``PairedEmbeddings.save`` writes.

    Parameters
    ----------
    path : pathlib.Path
        A file that ``read_pairs`` has read.
    arrays_bytes : int
        How many bytes its arrays have. Metadata that is both larger and large is not read.

    Returns
    -------
    str or None
        Text, which may be any, since others may use this name; None where there is none.
    """
    try:
        return _kind(path).metadata(path, max(METADATA_BYTES, arrays_bytes))
    # The arrays are what counts: text beside them that cannot be read is left alone.
    except Exception:
        return None


def read_shape(path: Path, name: str) -> tuple[int, ...]:
    """Return the shape of an array (n, d) or column of vectors, as the header states it.

    No more than the header is read (of Parquet: the first row). A damaged header raises whatever
    its library raises.
    """
    return _kind(path).shape(path, name)


def _two_names(columns: Sequence[str]) -> tuple[str, str]:
    names = (columns,) if isinstance(columns, str) else tuple(columns)
    if len(names) != 2 or not all(isinstance(name, str) for name in names) or len({*names}) == 1:
        raise PairsError(f"Expected the names of two different arrays; got {quoted(names)}")
    return names


def _kind(path: Path) -> "_Npz | _Npy | _Safetensors | _Parquet":
    suffix = suffix_of(path)
    if suffix is None:
        raise PairsError(
            f"Expected a file ending in {', '.join(SUFFIXES)}, since others may be pickled, "
            f"and {UNSAFE}; got {path_text(path)}"
        )
    return KINDS[suffix]()


def _read(path: Path, read: Callable[[Any], Any]) -> Any:
    """Read from a file, and say in one sentence what is wrong with it."""
    require_file(path)
    kind = _kind(path)
    if not path.stat().st_size:
        raise PairsError(f"{path_text(path)} is empty: write it again")
    try:
        # NumPy warns of headers that Python 2 wrote.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return read(kind)
    except (PairsError, MissingPackageError):
        raise
    # NumPy, zipfile, zlib, safetensors and pyarrow each have their own errors for a damaged file.
    except Exception as error:
        raise _damaged(path, kind.name, error) from None


def _damaged(path: Path, name: str, error: Exception) -> PairsError:
    """Return what to raise for a file that a library cannot read, for the reason that it gives."""
    reason = one_line(str(error), REASON_CHARACTERS)
    if isinstance(error, MemoryError):
        return PairsError(f"{path_text(path)} needs more memory than there is ({reason})")
    # pyarrow has errors of this class without a number, for what is damaged.
    if isinstance(error, OSError) and error.errno:
        return PairsError(f"{path_text(path)} cannot be read ({error.strerror})")
    with path.open("rb") as file:
        start = file.read(8)
    if start[:1] == b"\x80":
        return _pickled(path_text(path))
    # NumPy advises to load what may be pickled all the same.
    shown = "" if "pickle" in reason else f" ({reason})"
    return PairsError(
        f"{path_text(path)} is damaged or not {name} file: it starts with {start!r}{shown}"
    )


def _pickled(what: str) -> PairsError:
    return PairsError(
        f"{what} holds pickled objects, and {UNSAFE}: save plain numbers with np.savez"
    )


def _require_names(path: Path, wanted: Sequence[str], names: Sequence[str]) -> None:
    """Raise ``ColumnsError`` unless a file has each of the wanted names, once."""
    counts = Counter(names)
    if any(name not in counts for name in wanted):
        shown = sorted(counts)[:NAMES_SHOWN]
        got = ", ".join(_name_text(name) for name in shown) or "none"
        if len(counts) > NAMES_SHOWN:
            got = f"{got} and {len(counts) - NAMES_SHOWN} more"
        raise ColumnsError(
            f"Expected the keys {' and '.join(map(_name_text, wanted))} in {path_text(path)}; "
            f"got {got}: name two of them (columns=, in the shell --columns)"
        )
    for name in wanted:
        if counts[name] > 1:
            raise ColumnsError(
                f"Expected one {_name_text(name)} in {path_text(path)}; "
                f"it is there {counts[name]} times: rename or drop the others"
            )


def _name_text(name: str) -> str:
    """Return the name of an array as a message shows it: quoted where it is not a plain word."""
    if name.isprintable() and name.strip() == name and 0 < len(name) <= 40:
        return name
    return quoted(name)


def _require_sane_size(path: Path, name: str, unpacked: int, packed: int) -> None:
    """Refuse what unpacks to far more than it takes in its file, or than there is memory."""
    if unpacked > LARGE_BYTES and unpacked > MAX_COMPRESSION * packed:
        raise PairsError(
            f"{_name_text(name)} in {path_text(path)} takes {size_text(unpacked)} unpacked from "
            f"{size_text(packed)}: embeddings are never so much alike; write it without compression"
        )
    require_memory(unpacked, f"{_name_text(name)} in {path_text(path)}")


# ---- each kind of file: read(path, names), names(path), metadata(path, limit), shape(path, name)


class _Npz:
    """A ZIP archive with a member ``x.npy`` for each array x."""

    name = "a .npz"

    def read(self, path: Path, wanted: Sequence[str]) -> list[np.ndarray]:
        with ZipFile(path) as archive:
            _require_names(path, wanted, _npz_names(archive))
            return [self._member(path, archive, name) for name in wanted]

    def names(self, path: Path) -> list[str]:
        with ZipFile(path) as archive:
            return _npz_names(archive)

    def metadata(self, path: Path, limit: int) -> str | None:
        with ZipFile(path) as archive:
            info = archive.getinfo("meta.npy")
            if info.file_size > limit:
                return None
            array = self._member(path, archive, "meta")
        return str(array.item()) if array.dtype.kind == "U" else None

    def shape(self, path: Path, name: str) -> tuple[int, ...]:
        with ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
            return _npy_header(member).shape

    def _member(self, path: Path, archive: ZipFile, name: str) -> np.ndarray:
        info = archive.getinfo(f"{name}.npy")
        _require_known_compression(path, info)
        with archive.open(info) as member:
            header = _npy_header(member)
            if header.dtype.hasobject:
                raise _pickled(f"{_name_text(name)} in {path_text(path)}")
            size = _array_bytes(header)
            there = info.file_size - member.tell()
            _require_bytes(path, name, size, there)
            packed = min(info.compress_size, path.stat().st_size)
            _require_sane_size(path, name, size, packed)
            return _npy_content(member, header)


def _npz_names(archive: ZipFile) -> list[str]:
    return [name[: -len(".npy")] for name in archive.namelist() if name.endswith(".npy")]


def _require_known_compression(path: Path, info: ZipInfo) -> None:
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise PairsError(
            f"{path_text(path)} is compressed in another way than np.savez_compressed does: "
            "write it with that"
        )


class _Npy:
    """One array of both sides, (2, n, d)."""

    name = "a .npy"

    def read(self, path: Path, wanted: Sequence[str]) -> list[np.ndarray]:
        with path.open("rb") as file:
            header = _npy_header(file)
            if header.dtype.hasobject:
                raise _pickled(path_text(path))
            # Two sides without a single row.
            is_empty = header.shape == (2, 0)
            if not is_empty and (len(header.shape) != 3 or header.shape[0] != 2):
                raise PairsError(
                    f"Expected one array of shape (2, n, d) in {path_text(path)}; "
                    f"got {quoted(header.shape)}"
                )
            size = _array_bytes(header)
            _require_bytes(path, "the array", size, path.stat().st_size - file.tell())
            require_memory(size, f"the array in {path_text(path)}")
            both = _npy_content(file, header)
        return [both[0], both[1]]

    def names(self, path: Path) -> list[str]:
        return ["x", "y"]

    def metadata(self, path: Path, limit: int) -> None:
        return None

    def shape(self, path: Path, name: str) -> tuple[int, ...]:
        with path.open("rb") as file:
            return _npy_header(file).shape[1:]


def _npy_header(file: IO[bytes]) -> ArrayHeader:
    """Read the header of an array, and leave the file where its content starts."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        read = np.lib.format.read_array_header_1_0
    elif version in ((2, 0), (3, 0)):
        # The third only has its text in UTF-8, which a header of plain numbers does not need.
        read = np.lib.format.read_array_header_2_0
    else:
        raise ValueError(f"version {version} of the format is unknown")
    return ArrayHeader(*read(file, max_header_size=HEADER_CHARACTERS))


def _array_bytes(header: ArrayHeader) -> int:
    if any(isinstance(size, bool) or size < 0 for size in header.shape):
        raise ValueError(f"its header states the shape {quoted(header.shape)}")
    return math.prod(header.shape) * header.dtype.itemsize


def _require_bytes(path: Path, name: str, stated: int, there: int) -> None:
    if stated > there:
        raise PairsError(
            f"{path_text(path)} is damaged or cut off: the header of {_name_text(name)} states "
            f"{stated} bytes, and there are {max(there, 0)}"
        )


def _npy_content(file: IO[bytes], header: ArrayHeader) -> np.ndarray:
    """Read the numbers of an array after its header, block by block into their place."""
    array = np.empty(math.prod(header.shape), header.dtype)
    if array.nbytes:
        content = memoryview(array.view(np.uint8).reshape(-1))
        filled = 0
        while filled < len(content):
            block = file.read(min(2**24, len(content) - filled))
            if not block:
                raise ValueError("it ends too early")
            content[filled : filled + len(block)] = block
            filled += len(block)
    order: Any = "F" if header.is_in_columns else "C"
    return array.reshape(header.shape, order=order)


class _Safetensors:
    """Named tensors, and text."""

    name = "a .safetensors"

    def read(self, path: Path, wanted: Sequence[str]) -> list[Any]:
        from safetensors import safe_open

        with safe_open(path, framework="pt") as file:
            _require_names(path, wanted, list(file.keys()))
            return [self._tensor(path, file, name) for name in wanted]

    def names(self, path: Path) -> list[str]:
        from safetensors import safe_open

        with safe_open(path, framework="pt") as file:
            return list(file.keys())

    def metadata(self, path: Path, limit: int) -> str | None:
        from safetensors import safe_open

        with safe_open(path, framework="pt") as file:
            text: str | None = (file.metadata() or {}).get("meta")
        return text if text is not None and len(text) <= limit else None

    def shape(self, path: Path, name: str) -> tuple[int, ...]:
        from safetensors import safe_open

        with safe_open(path, framework="np") as file:
            return tuple(file.get_slice(name).get_shape())

    def _tensor(self, path: Path, file: Any, name: str) -> Any:
        try:
            return file.get_tensor(name)
        # Types that PyTorch knows by name only, as of 4 and 6 bits.
        except (NotImplementedError, TypeError, AttributeError, KeyError):
            dtype = file.get_slice(name).get_dtype()
            raise PairsError(
                f"{_name_text(name)} in {path_text(path)} has numbers of type {dtype}, "
                "which PyTorch cannot convert: save float32"
            ) from None


class _Parquet:
    """Columns with a vector in each cell."""

    name = "a Parquet"

    def read(self, path: Path, wanted: Sequence[str]) -> list[np.ndarray]:
        with _open_parquet(path) as file:
            _require_names(path, wanted, file.schema_arrow.names)
            _require_sane_columns(path, file, wanted)
            table = file.read(list(wanted))
        return [_vectors(table.column(name), name, path) for name in wanted]

    def names(self, path: Path) -> list[str]:
        with _open_parquet(path) as file:
            return list(file.schema_arrow.names)

    def metadata(self, path: Path, limit: int) -> None:
        return None

    def shape(self, path: Path, name: str) -> tuple[int, ...]:
        # Without a buffer the whole column would be read.
        with _open_parquet(path, buffer_size=2**16) as file:
            n = int(file.metadata.num_rows)
            if not n:
                return (0, 0)
            first_row = next(file.iter_batches(1, columns=[name]))
            return (n, _vectors(first_row.column(0), name, path).shape[1])


def _open_parquet(path: Path, **options: Any) -> "pyarrow.parquet.ParquetFile":
    try:
        import pyarrow.parquet
    except ImportError:
        raise MissingPackageError(
            f"Parquet files need pyarrow, which is not installed: {INSTALL}"
        ) from None
    try:
        return pyarrow.parquet.ParquetFile(path, **options)
    except UnicodeDecodeError:
        raise PairsError(
            f"{path_text(path)} has a column whose name is not UTF-8, as Parquet asks: rename it"
        ) from None


def _require_sane_columns(
    path: Path, file: "pyarrow.parquet.ParquetFile", wanted: Sequence[str]
) -> None:
    for name in wanted:
        # Leaves of the schema: "x.list.element" is that of the column x.
        leaves = [
            leaf
            for leaf in range(len(file.schema))
            if f"{file.schema.column(leaf).path}.".startswith(f"{name}.")
        ]
        packed = 0
        values = 0
        for group in range(file.metadata.num_row_groups):
            for leaf in leaves:
                chunk = file.metadata.row_group(group).column(leaf)
                packed += max(0, chunk.total_compressed_size)
                values += max(0, chunk.num_values)
        _require_sane_size(path, name, LARGEST_VALUE_BYTES * values, packed)


def _vectors(column: "pyarrow.ChunkedArray | pyarrow.Array", name: str, path: Path) -> np.ndarray:
    """Return a column with a vector in each cell as an array (n, d)."""
    expected = f"Expected a vector in every cell of column {_name_text(name)} of {path_text(path)}"
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


KINDS = {".npz": _Npz, ".npy": _Npy, ".safetensors": _Safetensors, ".parquet": _Parquet}
