"""The one door to files of arrays, whatever their kind."""

import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from gapbook.array_files.arrow_files import Arrow, DatasetFolder, is_dataset_folder
from gapbook.array_files.checks import UNSAFE, FileKind, damaged, name_text, names_text
from gapbook.array_files.csv_files import Csv
from gapbook.array_files.jsonl_files import Jsonl
from gapbook.array_files.numpy_files import Npy, Npz, read_npy, whole_header
from gapbook.array_files.parquet_files import Parquet
from gapbook.array_files.safetensors_files import Safetensors
from gapbook.array_files.torch_files import Torch
from gapbook.exceptions import ColumnsError, MissingPackageError, PairsError, quoted
from gapbook.files import path_text, require_file

KINDS: dict[str, FileKind] = {
    ".npz": Npz(),
    ".npy": Npy(),
    ".safetensors": Safetensors(),
    ".parquet": Parquet(),
    ".pt": Torch(),
    ".pth": Torch(),
    ".arrow": Arrow(),
    ".feather": Arrow(),
    ".jsonl": Jsonl(),
    ".ndjson": Jsonl(),
    ".csv": Csv(),
}
# What may be a shard; of a folder, other files with pairs in them are left alone.
SUFFIXES = (".npz", ".npy", ".safetensors", ".parquet")
# Names of the two arrays of a file, as ``PairedEmbeddings.save`` writes them.
DEFAULT_COLUMNS = ("x", "y")
# The text of metadata that is read: with more than that, it must not be larger than the arrays.
METADATA_BYTES = 2**26


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
    return suffix.lower() if suffix.lower() in KINDS else None


def read_pairs(path: Path, columns: Sequence[str] = DEFAULT_COLUMNS) -> tuple[Any, Any]:
    """Return two arrays of a file by name, not yet checked.

    Parameters
    ----------
    path : pathlib.Path
        A file of one of the ``KINDS``; an ``.npy`` file has one array of shape (2, n, d). The
        ending may be in capitals. Or a folder that ``save_to_disk`` of ``datasets`` wrote.
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
        If a Parquet or Arrow file needs pyarrow and it is not installed.
    """
    first, second = _two_names(columns)
    arrays = _read(path, lambda kind: kind.read(path, (first, second)))
    return arrays[0], arrays[1]


def read_two_files(
    first: Path, second: Path, columns: Sequence[str] | None = None
) -> tuple[Any, Any]:
    """Return one array of each of two files, a file a side, not yet checked.

    Parameters
    ----------
    first, second : pathlib.Path
        Files of the kinds that ``read_pairs`` takes, also of different ones. An ``.npy`` file has
        the shape (n, d), or (n, k, d) where each row of the other side has k partners.
    columns : sequence of two str, optional
        The name of the array in each file, which may be the same. By default each file has one
        array of shape (n, d), or else of shape (n, k, d), under any name.

    Returns
    -------
    tuple of two arrays or tensors
        The two arrays.

    Raises
    ------
    PairsError
        What ``read_pairs`` raises.
    """
    names: list[str | None] = [None, None]
    if columns is not None:
        names = list(_two_texts(columns))
    sides = []
    for path, name in zip((first, second), names, strict=True):
        sides.append(read_side(path, name, in_groups=True))
    return sides[0], sides[1]


def read_several(path: Path, columns: Sequence[str]) -> list[Any]:
    """Return arrays of one file by their names, not yet checked.

    Parameters
    ----------
    path : pathlib.Path
        A file of the kinds that ``read_pairs`` takes, but for ``.npy``, which has no names.
    columns : sequence of str
        The names of the arrays or columns, all different.

    Returns
    -------
    list of arrays or tensors
        One array for each name.

    Raises
    ------
    PairsError
        What ``read_pairs`` raises, and where the arrays of the file have no names.
    """
    arrays = [] if _is_npy(path) else _read(path, lambda kind: kind.read(path, columns))
    if len(arrays) != len(columns):
        raise PairsError(
            f"{path_text(path)} has one array without a name: give a file for each modality"
        )
    return arrays


def read_side(path: Path, name: str | None = None, in_groups: bool = False) -> Any:
    """Return one array of a file by its name, or the only one of shape (n, d).

    With ``in_groups`` it may also have the shape (n, k, d).
    """
    return _read(path, lambda kind: kind.read_one(path, name, in_groups))


def read_ids(
    names: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    path: Path,
    other_path: Path | None = None,
) -> list[Any]:
    """Return the ids of rows, not yet checked.

    Parameters
    ----------
    names : str, path, or sequence of one or two of them
        Each is a ``.npy`` file of ids or the name of an array or column. Two are for x and for y;
        one is a name in each of two files, or for pairs.
    path : pathlib.Path
        The file of both sides, or of x.
    other_path : pathlib.Path, optional
        The file of y.

    Returns
    -------
    list of one or two arrays
        Ids of pairs, or of the rows of x and of those of y.

    Raises
    ------
    PairsError
        If there are more than two, or what holds them cannot be read.
    """
    both = [names] if isinstance(names, str | os.PathLike) else list(names)
    if len(both) not in (1, 2) or not all(isinstance(name, str | os.PathLike) for name in both):
        raise PairsError(
            "Expected groups (--groups in the shell) as a .npy file of ids or the name of an array "
            f"of them, or two of these, for x and for y; got {quoted(both)}"
        )
    if len(both) == 1 and other_path is not None and not _is_npy(both[0]):
        both *= 2
    files = [path, other_path or path]
    return [_ids(file, os.fspath(name)) for file, name in zip(files, both, strict=False)]


def _is_npy(name: str | os.PathLike[str]) -> bool:
    return Path(name).suffix.lower() == ".npy"


def _ids(path: Path, name: str) -> Any:
    if _is_npy(name):
        return _read(Path(name), lambda kind: Npy().all_ids(Path(name)))
    if path.is_dir() and not is_dataset_folder(path):
        raise PairsError(
            f"{path_text(path)} is a folder, which has no array {name_text(name)}: give the ids as "
            "a file, ids.npy"
        )
    if path.suffix.lower() != ".npy":
        known = sorted(array_names(path))
        if name not in known:
            raise ColumnsError(
                f"Expected the key {name_text(name)} in {path_text(path)}; got "
                f"{names_text(known) or 'none'}: name one of them (groups=, in the shell --groups)"
            )
    return _read(path, lambda kind: kind.ids(path, name))


def read_array(path: Path, mapped: bool = False) -> Any:
    """Return the array of a ``.npy`` file, of any shape; errors are those of ``read_pairs``.

    A mapped one is read from the disk as it is asked for.
    """

    def read(kind: FileKind) -> Any:
        with path.open("rb") as file:
            if not mapped:
                return read_npy(path, file)
            whole_header(path, file)
        return np.load(path, mmap_mode="r", allow_pickle=False)

    return _read(path, read)


def read_cells(path: Path, name: str) -> list[Any]:
    """Return what is in each cell of a column of a table, such as text or numbers."""
    return _read(path, lambda kind: kind.cells(path, name))


def array_names(path: Path) -> list[str]:
    """Return the names of the arrays or columns of a file; errors are those of ``read_pairs``."""
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
    names = _two_texts(columns)
    if len({*names}) == 1:
        raise PairsError(f"Expected the names of two different arrays; got {quoted(names)}")
    return names


def _two_texts(columns: Sequence[str]) -> tuple[str, str]:
    names = (columns,) if isinstance(columns, str) else tuple(columns)
    if len(names) != 2 or not all(isinstance(name, str) for name in names):
        raise PairsError(f"Expected the names of two different arrays; got {quoted(names)}")
    return names


def _kind(path: Path) -> FileKind:
    if is_dataset_folder(path):
        return DatasetFolder()
    suffix = suffix_of(path)
    if suffix is None:
        raise PairsError(
            f"Expected a file ending in {', '.join(KINDS)}, since others may be pickled, "
            f"and {UNSAFE}; got {path_text(path)}"
        )
    return KINDS[suffix]


def _read(path: Path, read: Callable[[FileKind], Any]) -> Any:
    """Read from a file, and say in one sentence what is wrong with it."""
    if is_dataset_folder(path):
        return read(DatasetFolder())
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
        raise damaged(path, kind.name, error) from None
