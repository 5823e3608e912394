"""The files of a folder of shards: their names, their widths from headers, and their unit rows."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gapbook.array_files import SUFFIXES, read_pairs, read_shape, suffix_of
from gapbook.exceptions import PairsError
from gapbook.files import path_text, require_folder
from gapbook.geometry.arrays import to_numpy
from gapbook.pairs import unit_pair

# Of what is left out, so many are named.
NAMES_SHOWN = 10


class FolderOfShards(NamedTuple):
    """What a folder holds, by names relative to it, sorted, with forward slashes."""

    shards: list[str]
    left_out: list[str]


def list_shards(folder: Path) -> FolderOfShards:
    """Return the shards of a folder, and what looks like shards and is left out.

    Parameters
    ----------
    folder : pathlib.Path
        A folder with files of pairs, also in folders within.

    Returns
    -------
    FolderOfShards
        ``shards`` are the files that end in ``SUFFIXES``, in small letters or in capitals.
        ``left_out`` are such files whose ending mixes both, or whose name, or that of a folder on
        the way, starts with an underscore (as Spark marks what is not finished), and links to
        folders. What starts with a dot is hidden, and in neither.

    Raises
    ------
    PairsError
        If there is no such folder, if a folder in it cannot be read, or if it has no shards.
    """
    require_folder(folder, "a folder of shards")
    shards: list[str] = []
    left_out: list[str] = []
    for place, folders, files in os.walk(folder, onerror=_cannot_be_read):
        folders[:] = [name for name in folders if not name.startswith(".")]
        relative = Path(place).relative_to(folder)
        for name in files:
            path = relative / name
            if name.startswith(".") or path.suffix.lower() not in SUFFIXES:
                continue
            is_marked = any(part.startswith("_") for part in path.parts)
            chosen = left_out if is_marked or suffix_of(path) is None else shards
            chosen.append(path.as_posix())
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        left_out += [f"{(relative / name).as_posix()}/" for name in links]
    if not shards:
        raise PairsError(
            f"Expected files ending in {', '.join(SUFFIXES)} in {path_text(folder)}; "
            f"there are none{left_out_text(sorted(left_out))}"
        )
    return FolderOfShards(sorted(shards), sorted(left_out))


def _cannot_be_read(error: OSError) -> None:
    raise PairsError(
        f"Expected a folder of shards; {path_text(error.filename)} cannot be read "
        f"({error.strerror})"
    )


def left_out_text(left_out: Sequence[str]) -> str:
    """Return a part of a sentence that names what is left out, nothing where that is nothing.

    Examples
    --------
    >>> left_out_text(["_a.npz", "b.Npz"])
    '; left out for their names: 2 (_a.npz, b.Npz)'
    """
    if not left_out:
        return ""
    return f"; left out for their names: {names_text(left_out)}"


def names_text(names: Sequence[str]) -> str:
    """Return how many names there are, and the first of them.

    Examples
    --------
    >>> names_text(["a.npz", "b.npz"])
    '2 (a.npz, b.npz)'
    """
    shown = [path_text(name) for name in names[:NAMES_SHOWN]]
    if len(names) > NAMES_SHOWN:
        shown.append("...")
    return f"{len(names):,} ({', '.join(shown)})"


def shard_names(folder: Path) -> list[str]:
    """Return the shards of a folder by name relative to it, sorted; see ``list_shards``."""
    return list_shards(folder).shards


def shard_shape(path: Path, columns: Sequence[str] = ("x", "y")) -> tuple[int, int] | None:
    """Return the shape (n, d) of x that the header of a shard states, None for a damaged header.

    It is cheap, for no more than the header is read. What is wrong further on is found by
    ``unit_shard``.
    """
    try:
        n, d = read_shape(path, columns[0])
    # Each library has its own errors for a damaged header.
    except Exception:
        return None
    return n, d


def unit_shard(path: Path, columns: Sequence[str] = ("x", "y")) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of both sides of a shard at unit length.

    Parameters
    ----------
    path : pathlib.Path
        A file of pairs, as ``PairedEmbeddings.load`` reads it. A single pair will do, and so will
        none, of which filters and partitions leave some.
    columns : sequence of two str
        The names of the two arrays or columns.

    Returns
    -------
    tuple of two arrays (n, d)
        Float32 rows. Without a pair they have the shape (0, 0).

    Raises
    ------
    PairsError
        If the file is missing or damaged, or what it holds is not pairs.
    """
    x, y = read_pairs(path, columns)
    if tuple(x.shape[:1]) == tuple(y.shape[:1]) == (0,):
        return np.empty((0, 0), np.float32), np.empty((0, 0), np.float32)
    unit_x, unit_y = unit_pair(x, y, at_least=1)
    # Some formats give tensors, and sums over all shards are of one kind.
    return to_numpy(unit_x), to_numpy(unit_y)
