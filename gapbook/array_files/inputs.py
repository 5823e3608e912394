"""What people have on their disk, recognized: a file of pairs, two files, or a known folder."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import ArrayLike

from gapbook.array_files.arrow_files import is_dataset_folder
from gapbook.array_files.clip_retrieval import is_clip_retrieval, read_clip_retrieval
from gapbook.array_files.dequantize import dequantized_sides
from gapbook.array_files.long_tables import read_long_table
from gapbook.array_files.read import (
    DEFAULT_COLUMNS,
    read_ids,
    read_metadata,
    read_pairs,
    read_two_files,
)
from gapbook.checks.metadata import GROUPS, states_groups, valid_metadata
from gapbook.exceptions import PairsError


class Input(NamedTuple):
    """Two arrays, not yet checked, what is stated about them, and the ids of rows in groups."""

    x: Any
    y: Any
    metadata: dict[str, Any]
    ids: Sequence[Any] | None = None


def is_known_folder(path: Path) -> bool:
    """Say whether a folder is one that ``read_input`` takes, and no folder of shards."""
    return is_clip_retrieval(path) or is_dataset_folder(path)


def read_input(
    path: Path,
    other_path: Path | None = None,
    columns: Sequence[str] | None = None,
    long_table: Sequence[str] | None = None,
    modalities: Sequence[str] | None = None,
    groups: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None = None,
    dequantize: Sequence[ArrayLike] | Mapping[str, Sequence[ArrayLike]] | None = None,
) -> Input:
    """Return both sides of pairs, not yet checked, with the metadata that are valid.

    Parameters
    ----------
    path : pathlib.Path
        A file of both sides, as ``read_pairs`` takes it, or a folder that clip-retrieval wrote.
    other_path : pathlib.Path, optional
        Where it is there, each file holds one side, as ``read_two_files`` takes them.
    columns : sequence of two str, optional
        The names of the two arrays. By default x and y, and of two files the only array of each.
    long_table : sequence of three str, optional
        The names of three columns, as ``read_long_table`` takes them.
    modalities : sequence of two str, optional
        Of a long table, which modality is x and which is y.
    groups : str, path, or sequence of two of them, optional
        Where the ids of rows in groups are, as ``read_ids`` or ``read_long_table`` takes them.
    dequantize : (low, high), or mapping of "x" and "y" to (low, high), optional
        The range that integers of 8 bits stand for, as ``dequantized_sides`` takes it.

    Returns
    -------
    Input
        The arrays and metadata, of which ``source`` is always there, and with ``groups`` one or
        two arrays of ids.

    Raises
    ------
    PairsError
        If what is there cannot be read. The message says what to do.
    """
    stored = _stored(path, other_path, columns, long_table, modalities, groups)
    if dequantize is None:
        return stored
    x, y = dequantized_sides(stored.x, stored.y, dequantize)
    return stored._replace(x=x, y=y)


def _stored(
    path: Path,
    other_path: Path | None,
    columns: Sequence[str] | None,
    long_table: Sequence[str] | None,
    modalities: Sequence[str] | None,
    groups: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None,
) -> Input:
    """Return both sides as they are stored, as ``read_input`` does."""
    if other_path is not None:
        if long_table is not None:
            raise PairsError("A long table is one file; got two: give the one that has all rows")
        x, y = read_two_files(path, other_path, columns)
        ids = _ids(groups, path, other_path)
        return Input(x, y, {"source": f"{path.name} and {other_path.name}"}, ids)
    # This folder's path has no name of its own.
    source = path.name or path.resolve().name
    if long_table is not None:
        rows = read_long_table(path, long_table, modalities, groups)
        return Input(rows.x, rows.y, {"source": source, "modalities": rows.modalities}, rows.ids)
    if is_clip_retrieval(path):
        x, y, captions = read_clip_retrieval(path)
        return Input(x, y, {"source": source, "captions": captions}, _ids(groups, path))
    x, y = read_pairs(path, columns or DEFAULT_COLUMNS)
    n = len(x) if x.ndim else 0
    text = read_metadata(path, x.nbytes + y.nbytes)
    metadata = {"source": source} | valid_metadata(text, n)
    # Others may call anything groups.
    if states_groups(text):
        metadata[GROUPS] = read_ids(GROUPS, path)[0]
    return Input(x, y, metadata, _ids(groups, path))


def _ids(
    groups: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] | None,
    path: Path,
    other_path: Path | None = None,
) -> list[Any] | None:
    return None if groups is None else read_ids(groups, path, other_path)
