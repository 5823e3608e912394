"""The files of a folder of shards: their names, their widths from headers, and their unit rows."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gapbook.array_files import SUFFIXES, read_arrays, read_width
from gapbook.exceptions import PairsError
from gapbook.files import require_folder
from gapbook.pairs import two_arrays, unit_pair

if TYPE_CHECKING:
    import torch


def shard_names(folder: Path) -> list[str]:
    """Return the shards of a folder by name relative to it, sorted.

    Parameters
    ----------
    folder : pathlib.Path
        A folder with files of pairs, also in folders within. Names that start with a dot or an
        underscore are left out.

    Returns
    -------
    list of str
        The names, with forward slashes.

    Raises
    ------
    PairsError
        If there is no such folder, or no such file in it.
    """
    require_folder(folder, "a folder of shards")
    names = []
    for path in folder.rglob("*"):
        relative = path.relative_to(folder)
        hidden = any(part.startswith((".", "_")) for part in relative.parts)
        if path.suffix in SUFFIXES and not hidden and path.is_file():
            names.append(relative.as_posix())
    if not names:
        raise PairsError(
            f"Expected files ending in {', '.join(SUFFIXES)} in {folder}; there are none"
        )
    return sorted(names)


def shard_width(path: Path, columns: Sequence[str] = ("x", "y")) -> int | None:
    """Return the dimension of x that the header of a shard states, None for a damaged header.

    It is cheap, for no more than the header is read. What is wrong further on is found by
    ``unit_shard``.
    """
    name = "x" if path.suffix == ".npy" else columns[0]
    try:
        return read_width(path, name)
    # Each library has its own errors for a damaged header.
    except Exception:
        return None


def unit_shard(
    path: Path, columns: Sequence[str] = ("x", "y")
) -> tuple["torch.Tensor", "torch.Tensor"]:
    """Return the rows of both sides of a shard at unit length.

    Parameters
    ----------
    path : pathlib.Path
        A file of pairs, as ``PairedEmbeddings.load`` reads it. A single pair will do.
    columns : sequence of two str
        The names of the two arrays or columns.

    Returns
    -------
    tuple of two tensors (n, d)
        Float32 rows.

    Raises
    ------
    PairsError
        If the file is missing or damaged, or holds no pairs.
    """
    x, y = two_arrays(read_arrays(path, columns), path, columns)
    if np.shape(x)[:1] == np.shape(y)[:1] == (1,):
        # The gate wants two pairs: a copy of this one is the second.
        unit_x, unit_y = unit_pair(x[[0, 0]], y[[0, 0]])
        return unit_x[:1], unit_y[:1]
    return unit_pair(x, y)
