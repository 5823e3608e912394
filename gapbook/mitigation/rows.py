"""Rows that a fitted correction is applied to: any number of them from one on, at unit length."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gapbook.checks.arrays import as_numpy, plain_matrix
from gapbook.exceptions import PairsError
from gapbook.pairs import unit_rows

MIN_LENGTH = 1e-6  # float32 rows that are shorter hold nothing but rounding
# Of rows that are named in a message.
ROWS_SHOWN = 5


class UnitRows(NamedTuple):
    """Rows at unit length, float32 (m, d), and which of the n rows of the input they are, (n,)."""

    rows: np.ndarray
    kept: np.ndarray


def directions(rows: ArrayLike, name: str, d: int, skip: bool = False) -> UnitRows:
    """Return rows at unit length, from one row on.

    Parameters
    ----------
    rows : array_like or tensor of shape (n, d) or (d,)
        What ``unit_rows`` takes, or one vector.
    name : str
        What error messages call the rows.
    d : int
        The number of dimensions that they must have.
    skip : bool
        Whether to leave rows without direction out.

    Returns
    -------
    UnitRows
        The rows that have a direction, and where they are.

    Raises
    ------
    PairsError
        If the rows are no array of real numbers, have other dimensions, or, without ``skip``, one
        of them has no direction: it is zero or not finite.

    Examples
    --------
    >>> directions([[3, 4], [0, 0]], "x", 2, skip=True).kept.tolist()
    [True, False]
    >>> directions([[3, 4], [0, 0]], "x", 2)
    Traceback (most recent call last):
    gapbook.exceptions.PairsError: 1 of 2 rows of x has no direction (zero or not finite): row 1...
    """
    array = as_numpy(plain_matrix(as_matrix(rows), name))
    if array.shape[1] != d:
        raise PairsError(f"Expected {name} of {d} dimensions, as in fit; got {array.shape[1]}")
    with np.errstate(invalid="ignore"):
        largest = np.abs(array).max(axis=1) if len(array) else np.zeros(0)
    kept = np.isfinite(largest) & (largest > 0)
    if not kept.all():
        if not skip:
            raise PairsError(_without_direction(name, np.flatnonzero(~kept), len(kept)))
        array = array[kept]
    return UnitRows(at_unit_length(array, name), kept)


def move_rows(
    rows: ArrayLike,
    name: str,
    d: int,
    move: Callable[[np.ndarray], np.ndarray],
    *,
    skip: bool,
    owner: str,
) -> UnitRows:
    """Return rows as a correction moves them, at unit length, with zeros for those skipped.

    Parameters
    ----------
    rows : array_like or tensor of shape (n, d) or (d,)
        What ``unit_rows`` takes, or one vector.
    name : str
        What error messages call the rows.
    d : int
        The number of dimensions that they must have.
    move : callable
        What maps unit rows (m, d), float32, to moved rows (m, e) of any length.
    skip : bool
        Whether to skip rows without direction, before the move or after it.
    owner : str
        What error messages call the correction.

    Returns
    -------
    UnitRows
        All n rows, those skipped as zeros, and which of them were moved.

    Raises
    ------
    PairsError
        As ``directions``, and for a row of which nothing is left, without ``skip``.

    Examples
    --------
    >>> move_rows([[3, 4], [0, 0]], "x", 2, lambda z: -z, skip=True, owner="Mirror").rows.tolist()
    [[-0.6..., -0.8...], [0.0, 0.0]]
    """
    unit, kept = directions(rows, name, d, skip)
    moved, is_left = move_unit_rows(unit, name, move, skip=skip, owner=owner)
    kept[kept] = is_left
    return UnitRows(at_their_places(moved, kept), kept)


def move_unit_rows(
    unit: np.ndarray,
    name: str,
    move: Callable[[np.ndarray], np.ndarray],
    *,
    skip: bool,
    owner: str,
) -> UnitRows:
    """Return unit rows as a correction moves them, at unit length, without those skipped.

    Parameters
    ----------
    unit : numpy.ndarray (m, d)
        Rows of unit length, float32, that were checked before.
    name, move, skip, owner
        As in ``move_rows``.

    Returns
    -------
    UnitRows
        The moved rows of which something is left, and which of the m rows they are.

    Raises
    ------
    PairsError
        For a row of which nothing is left, without ``skip``.

    Examples
    --------
    >>> rows = np.eye(2, dtype=np.float32)
    >>> move_unit_rows(rows, "x", lambda z: 3 * z, skip=False, owner="Longer").rows.tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    moved = move(unit)
    is_left = np.linalg.norm(moved, axis=1) >= MIN_LENGTH
    if not is_left.all():
        if not skip:
            first = int(np.flatnonzero(~is_left)[0])
            raise PairsError(f"{owner} leaves nothing of row {first} of {name}; drop this row")
        moved = moved[is_left]
    return UnitRows(at_unit_length(moved, name), is_left)


def at_their_places(rows: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Return the kept rows where they were among all rows, and zeros for the others."""
    if kept.all():
        return rows
    all_rows = np.zeros((len(kept), rows.shape[1]), np.float32)
    all_rows[kept] = rows
    return all_rows


def at_unit_length(array: np.ndarray, name: str) -> np.ndarray:
    """Return rows that have a direction at unit length, float32; none and one will do."""
    if not len(array):
        return np.zeros(array.shape, np.float32)
    if len(array) == 1:
        # A single row beside itself, since a set of embeddings has two.
        return as_numpy(unit_rows(np.concatenate([array, array]), name))[:1]
    return as_numpy(unit_rows(array, name))


def as_matrix(rows: Any) -> Any:
    """Return one vector as a matrix of one row, and anything else as it is."""
    if hasattr(rows, "ndim"):
        # A column with a vector in each cell is one-dimensional too.
        is_vector = rows.ndim == 1 and str(rows.dtype) != "object"
        return rows[None] if is_vector and not hasattr(rows, "iloc") else rows
    is_list = isinstance(rows, list | tuple)
    if is_list and rows and not any(hasattr(item, "__len__") for item in rows):
        return [rows]
    return rows


def is_one_vector(rows: Any) -> bool:
    """Say whether something is one vector (d,) and no matrix."""
    return as_matrix(rows) is not rows


def _without_direction(name: str, places: np.ndarray, n: int) -> str:
    shown = ", ".join(str(place) for place in places[:ROWS_SHOWN])
    more = ", ..." if len(places) > ROWS_SHOWN else ""
    verb = "has" if len(places) == 1 else "have"
    word = "row" if len(places) == 1 else "rows"
    return (
        f"{len(places)} of {n} rows of {name} {verb} no direction (zero or not finite): "
        f"{word} {shown}{more}; drop or recompute them, or skip them (skip=True)"
    )
