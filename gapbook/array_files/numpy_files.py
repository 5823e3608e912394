"""The files of NumPy, read without unpickling: archives of arrays, and one array of both sides."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

import numpy as np

from gapbook.array_files.checks import (
    FileKind,
    name_text,
    pickled,
    require_both_sides,
    require_ids,
    require_names,
    require_one_side,
    require_sane_size,
    require_side_or_groups,
)
from gapbook.checks.memory import require_memory
from gapbook.exceptions import PairsError, quoted
from gapbook.files import path_text

# Of a header, whose default it is in NumPy: evaluating a longer one could take long.
HEADER_CHARACTERS = 10_000
# Bytes that are read at once.
BLOCK_BYTES = 2**24


class ArrayHeader(NamedTuple):
    """What the header of an array states: its shape and its type."""

    shape: tuple[int, ...]
    is_in_columns: bool
    dtype: np.dtype


class Npz(FileKind):
    """A ZIP archive with a member ``x.npy`` for each array x."""

    name = "a .npz"

    def read(self, path: Path, wanted: Sequence[str]) -> list[np.ndarray]:
        """Return the arrays of these names, and open no others."""
        with ZipFile(path) as archive:
            require_names(path, wanted, _npz_names(archive))
            return [self._member(path, archive, name) for name in wanted]

    def names(self, path: Path) -> list[str]:
        """Return the names of all arrays."""
        with ZipFile(path) as archive:
            return _npz_names(archive)

    def metadata(self, path: Path, limit: int) -> str | None:
        """Return the text under the name ``meta``, None where it is too long or no text."""
        with ZipFile(path) as archive:
            info = archive.getinfo("meta.npy")
            if info.file_size > limit:
                return None
            array = self._member(path, archive, "meta")
        return str(array.item()) if array.dtype.kind == "U" else None

    def shape(self, path: Path, name: str) -> tuple[int, ...]:
        """Return the shape that the header of an array states."""
        with ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
            return _npy_header(member).shape

    def _member(self, path: Path, archive: ZipFile, name: str) -> np.ndarray:
        info = archive.getinfo(f"{name}.npy")
        _require_known_compression(path, info)
        with archive.open(info) as member:
            header = _npy_header(member)
            if header.dtype.hasobject:
                raise pickled(f"{name_text(name)} in {path_text(path)}")
            size = _array_bytes(header)
            there = info.file_size - member.tell()
            _require_bytes(path, name, size, there)
            packed = min(info.compress_size, path.stat().st_size)
            require_sane_size(path, name, size, packed)
            return _npy_content(member, header)


def _npz_names(archive: ZipFile) -> list[str]:
    return [name[: -len(".npy")] for name in archive.namelist() if name.endswith(".npy")]


def _require_known_compression(path: Path, info: ZipInfo) -> None:
    if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise PairsError(
            f"{path_text(path)} is compressed in another way than np.savez_compressed does: "
            "write it with that"
        )


class Npy(FileKind):
    """One array of both sides, (2, n, d)."""

    name = "a .npy"

    def read(self, path: Path, wanted: Sequence[str]) -> list[np.ndarray]:
        """Return the arrays of these names, and open no others."""
        both = self._array(path, require_both_sides)
        return [both[0], both[1]]

    def read_one(self, path: Path, name: str | None, in_groups: bool = False) -> np.ndarray:
        """Return the array, which has no name."""
        return self._array(path, require_side_or_groups if in_groups else require_one_side)

    def ids(self, path: Path, name: str) -> np.ndarray:
        """Raise ``PairsError``: there are no names."""
        raise PairsError(
            f"{path_text(path)} has one array without a name, and so no {name_text(name)}: "
            "give the ids as a file, ids.npy"
        )

    def all_ids(self, path: Path) -> np.ndarray:
        """Return the array (n,), an id for each row."""
        return self._array(path, require_ids)

    def names(self, path: Path) -> list[str]:
        """Return the names of all arrays."""
        return ["x", "y"]

    def shape(self, path: Path, name: str) -> tuple[int, ...]:
        """Return the shape that the header of an array states."""
        with path.open("rb") as file:
            return _npy_header(file).shape[1:]

    def _array(self, path: Path, require_shape: Callable[[Path, Any], None]) -> np.ndarray:
        with path.open("rb") as file:
            return read_npy(path, file, require_shape)


def read_npy(
    path: Path, file: IO[bytes], require_shape: Callable[[Path, Any], None] | None = None
) -> np.ndarray:
    """Return the array of an open ``.npy`` file, of any shape unless one is required.

    Parameters
    ----------
    path : pathlib.Path
        Where the file lies.
    file : binary file
        The file at its start.
    require_shape : callable, optional
        What raises ``PairsError`` for a path and a shape that will not do.

    Returns
    -------
    ndarray
        The array, of plain numbers or text.

    Raises
    ------
    PairsError
        If the file holds pickled objects, or fewer bytes than its header states.
    ValueError
        If it does not start as a ``.npy`` file does.
    """
    header = whole_header(path, file)
    if require_shape is not None:
        require_shape(path, header.shape)
    require_memory(_array_bytes(header), f"the array in {path_text(path)}")
    return _npy_content(file, header)


def whole_header(path: Path, file: IO[bytes]) -> ArrayHeader:
    """Read the header of a ``.npy`` file whose content is there and needs no unpickling.

    The file is left where its content starts; errors are those of ``read_npy``.
    """
    header = _npy_header(file)
    if header.dtype.hasobject:
        raise pickled(path_text(path))
    size = _array_bytes(header)
    _require_bytes(path, "the array", size, path.stat().st_size - file.tell())
    return header


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
            f"{path_text(path)} is damaged or cut off: the header of {name_text(name)} states "
            f"{stated} bytes, and there are {max(there, 0)}"
        )


def _npy_content(file: IO[bytes], header: ArrayHeader) -> np.ndarray:
    """Read the numbers of an array after its header, block by block into their place."""
    array = np.empty(math.prod(header.shape), header.dtype)
    if array.nbytes:
        content = array.view(np.uint8).reshape(-1)
        filled = 0
        while filled < len(content):
            block = file.read(min(BLOCK_BYTES, len(content) - filled))
            if not block:
                raise ValueError("it ends too early")
            content[filled : filled + len(block)] = np.frombuffer(block, np.uint8)
            filled += len(block)
    order: Any = "F" if header.is_in_columns else "C"
    return array.reshape(header.shape, order=order)
