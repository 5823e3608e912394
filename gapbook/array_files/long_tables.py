"""Long tables: a vector in each row, with its modality and the id of the thing it stands for."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gapbook.array_files.checks import name_text, names_text
from gapbook.array_files.read import read_cells, read_ids, read_side
from gapbook.exceptions import PairsError, quoted
from gapbook.files import path_text

USUAL_MODALITIES = ("image", "text")

# The name of a column, or a file.
Groups = str | os.PathLike[str]


class LongTable(NamedTuple):
    """The names of three columns: of vectors, of their modalities and of their ids."""

    vector: str
    modality: str
    id: str


class LongTableRows(NamedTuple):
    """The rows of both sides, the two modalities, and with groups the ids of both sides."""

    x: Any
    y: Any
    modalities: tuple[str, str]
    ids: tuple[list[Any], list[Any]] | None = None


def read_long_table(
    path: Path,
    columns: Sequence[str],
    modalities: Sequence[str] | None = None,
    groups: Groups | Sequence[Groups] | None = None,
) -> LongTableRows:
    """Return the rows of two modalities, paired by their ids in the order of the first.

    Parameters
    ----------
    path : pathlib.Path
        A Parquet, Arrow, Feather, JSON lines or CSV file, or a folder of ``datasets``.
    columns : sequence of three str
        The names of the columns of vectors, modalities and ids.
    modalities : sequence of two str, optional
        Which modality is x and which is y. By default image and text, where these two are there
        alone, or the two that are there, in the order in which they come.
    groups : str or path, optional
        The name of a column, such as that of ids, or a ``.npy`` file with an integer or a string
        for each row of the table: rows with one value are a group. Then x has one row of each
        group and y any number, and nothing is paired here.

    Returns
    -------
    LongTableRows
        Arrays (n, d) of x and (m, d) of y, the two modalities, and with ``groups`` the ids (n,) and
        (m,) of groups. Without, m is n.

    Raises
    ------
    PairsError
        If a column or a modality is missing, or an id has no partner or comes twice; with
        ``groups`` if they are not one for each row of the table.
    """
    if isinstance(columns, str) or len(columns) != 3:
        raise PairsError(
            "Expected the names of three columns, of vectors, modalities and ids; "
            f"got {quoted(columns)}"
        )
    names = LongTable(*columns)
    vectors = read_side(path, names.vector)
    labels = [str(label) for label in read_cells(path, names.modality)]
    ids = read_cells(path, names.id)
    first, second = _two_modalities(path, names, labels, modalities)
    if groups is not None:
        return _in_groups(path, names, labels, vectors, (first, second), groups)
    rows_x = _rows_by_id(path, names, first, labels, ids)
    rows_y = _rows_by_id(path, names, second, labels, ids)
    _require_partners(path, names, {first: rows_x, second: rows_y})
    x = vectors[list(rows_x.values())]
    y = vectors[[rows_y[key] for key in rows_x]]
    return LongTableRows(x, y, (first, second))


def _in_groups(
    path: Path,
    names: LongTable,
    labels: Sequence[str],
    vectors: Any,
    modalities: tuple[str, str],
    groups: Groups | Sequence[Groups],
) -> LongTableRows:
    """Return the rows of both modalities as they come, with the ids of their groups."""
    column, ids = _ids_of_groups(path, names, groups, len(labels))
    rows = {
        modality: [row for row, label in enumerate(labels) if label == modality]
        for modality in modalities
    }
    sides = [[ids[row] for row in rows[modality]] for modality in modalities]
    for modality, side in zip(modalities, sides, strict=True):
        for row, key in zip(rows[modality], side, strict=True):
            # NaN is the only number that is not itself.
            if key is None or key == "" or key != key:
                raise PairsError(
                    f"Expected the group of each row in {column}; row {row} has none: fill it in "
                    "or drop the row"
                )
    first, second = modalities
    several = [len(set(map(str, side))) < len(side) for side in sides]
    if several == [True, False]:
        raise PairsError(
            f"Expected one row of modality {name_text(first)} for each value of {column}, and any "
            f"number of {name_text(second)}; it is the other way round: name {name_text(second)} "
            "first (modalities=, in the shell --modalities)"
        )
    x, y = (vectors[rows[modality]] for modality in modalities)
    return LongTableRows(x, y, modalities, (sides[0], sides[1]))


def _ids_of_groups(
    path: Path, names: LongTable, groups: Groups | Sequence[Groups], n: int
) -> tuple[str, list[Any]]:
    """Return what to call the ids of groups in a message, and one for each row of the table."""
    both = [groups] if isinstance(groups, str | os.PathLike) else list(groups)
    if len(both) != 1:
        raise PairsError(
            "Expected groups of a long table (--groups in the shell) once, as the name of a column "
            f"such as {name_text(names.id)} or a .npy file; got {len(both)} of them"
        )
    name = os.fspath(both[0])
    ids = list(read_ids(name, path)[0])
    is_file = Path(name).suffix.lower() == ".npy"
    column = path_text(name) if is_file else f"column {name_text(name)} of {path_text(path)}"
    if len(ids) != n:
        raise PairsError(
            f"Expected the group of each of the {n} rows of {path_text(path)} in {column}; got "
            f"{len(ids)}: write one for each row, of both modalities"
        )
    return column, ids


def _two_modalities(
    path: Path, names: LongTable, labels: Sequence[str], modalities: Sequence[str] | None
) -> tuple[str, str]:
    there = list(dict.fromkeys(labels))
    column = f"column {name_text(names.modality)} of {path_text(path)}"
    if modalities is None:
        if set(there) == set(USUAL_MODALITIES):
            return USUAL_MODALITIES
        if len(there) != 2:
            raise PairsError(
                f"Expected two modalities in {column}; got {names_text(there) or 'none'}: "
                "name two of them (modalities=, in the shell --modalities)"
            )
        return there[0], there[1]
    first, second = modalities
    for modality in (first, second):
        if modality not in there:
            raise PairsError(
                f"Expected rows of modality {name_text(modality)} in {column}; got "
                f"{names_text(there) or 'none'}: name two of these "
                "(modalities=, in the shell --modalities)"
            )
    return first, second


def _rows_by_id(
    path: Path, names: LongTable, modality: str, labels: Sequence[str], ids: Sequence[Any]
) -> dict[str, int]:
    """Return the row of each id among those of one modality."""
    rows: dict[str, int] = {}
    for row, (label, key) in enumerate(zip(labels, ids, strict=True)):
        if label != modality:
            continue
        text = "" if key is None else str(key)
        if not text:
            raise PairsError(
                f"Expected an id in each row of column {name_text(names.id)} of {path_text(path)}; "
                f"row {row} has none: fill it in or drop the row"
            )
        if text in rows:
            raise PairsError(
                f"The id {quoted(text)} comes more than once among the rows of modality "
                f"{name_text(modality)} of {path_text(path)}: keep one row for each id, or say "
                "that rows of one id are a group (groups=, in the shell --groups "
                f"{name_text(names.id)})"
            )
        rows[text] = row
    return rows


def _require_partners(path: Path, names: LongTable, sides: dict[str, dict[str, int]]) -> None:
    (first, rows_x), (second, rows_y) = sides.items()
    for modality, rows, others in ((first, rows_x, rows_y), (second, rows_y, rows_x)):
        alone = [key for key in rows if key not in others]
        if alone:
            raise PairsError(
                f"{len(alone)} of {len(rows)} ids of modality {name_text(modality)} in column "
                f"{name_text(names.id)} of {path_text(path)} have no partner of the other modality "
                f"(first: {quoted(alone[0])}): drop these rows or add their partners"
            )
