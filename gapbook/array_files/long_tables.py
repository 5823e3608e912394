"""Long tables: a vector in each row, with its modality and the id of the thing it stands for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gapbook.array_files.checks import name_text, names_text
from gapbook.array_files.read import read_cells, read_side
from gapbook.exceptions import PairsError, quoted
from gapbook.files import path_text

USUAL_MODALITIES = ("image", "text")


class LongTable(NamedTuple):
    """The names of three columns: of vectors, of their modalities and of their ids."""

    vector: str
    modality: str
    id: str


def read_long_table(
    path: Path, columns: Sequence[str], modalities: Sequence[str] | None = None
) -> tuple[Any, Any, tuple[str, str]]:
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

    Returns
    -------
    tuple
        Arrays (n, d) of x and y, and the two modalities.

    Raises
    ------
    PairsError
        If a column or a modality is missing, or an id has no partner or comes twice.
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
    rows_x = _rows_by_id(path, names, first, labels, ids)
    rows_y = _rows_by_id(path, names, second, labels, ids)
    _require_partners(path, names, {first: rows_x, second: rows_y})
    x = vectors[list(rows_x.values())]
    y = vectors[[rows_y[key] for key in rows_x]]
    return x, y, (first, second)


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
                f"{name_text(modality)} of {path_text(path)}: keep one row for each id, or give a "
                "file for each side and groups (--groups in the shell)"
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
