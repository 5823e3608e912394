"""Shifts along the gap: their direction, how far each side moves, and the lengths after the move.

A shift by ``delta`` moves unit rows along the unit gap vector g and brings them back to unit
length: on both sides x' = N(x - delta/2 g) and y' = N(y + delta/2 g), or on one,
x' = N(x - delta g) ("images") or y' = N(y + delta g) ("texts"). Positive closes the gap.

With S_ij = x_i . y_j, p_i = x_i . g, q_j = y_j . g and amounts a of x and b of y,
``x'_i . y'_j = (S_ij + b p_i - a q_j - a b) / (|x_i - a g| |y_j + b g|)``: cosines that are
computed once serve all shifts.
"""

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from array_api_compat import array_namespace
from numpy.typing import ArrayLike

from gapbook.exceptions import PairsError
from gapbook.geometry.arrays import Array, as_array, in_double, to_numpy, zeros
from gapbook.geometry.tiles import mean_row, squared_lengths
from gapbook.pairs import unit_pair

Sides = Literal["both", "images", "texts"]

# How much of delta each side moves: images, texts.
SHARES: dict[str, tuple[float, float]] = {
    "both": (0.5, 0.5),
    "images": (1.0, 0.0),
    "texts": (0.0, 1.0),
}

# Rows that are held in float64 at once: few enough for the processor's cache.
ROWS_PER_BLOCK = 1024
# Columns of very long rows that are worked on at once.
COLUMNS_PER_BLOCK = 4096

# A row whose squared length is smaller has no direction: what is left of it is the rounding of
# float32.
MIN_SQUARED_LENGTH = 1e-6

# Means that are closer than this coincide to the rounding of float32 rows.
MIN_GAP = 1e-7


class ShiftedPairs(NamedTuple):
    """Checked pairs and all that their shifts need: n pairs, m deltas; float64 but for the rows.

    All are NumPy arrays, or tensors on one device.
    """

    x: Array  # unit rows (n, d), float32
    y: Array
    g: Array  # the unit vector along which rows move (d,)
    p: Array  # x . g (n,)
    q: Array  # y . g (n,)
    amounts: Array  # how far x moves against g and y along it (2, m)
    lengths_x: Array  # of the rows after the move (m, n)
    lengths_y: Array


def shift(
    x: ArrayLike,
    y: ArrayLike,
    amount: float,
    sides: Sides = "both",
    along: ArrayLike | None = None,
) -> tuple[Array, Array]:
    """Move pairs along their gap and bring the rows back to unit length.

    Parameters
    ----------
    x, y : array or torch.Tensor of shape (n, d)
        Embeddings of images and texts, a pair a row.
    amount : float
        How far *each* row moves before its length is brought back to 1: half of the authors'
        delta where both sides move, all of it where one does. Positive closes the gap.
    sides : {"both", "images", "texts"}
        Which rows move: all, x, or y. The other side stays as it is.
    along : array of shape (d,), optional
        The vector along which rows move, of any length. By default the gap vector.

    Returns
    -------
    x, y : numpy.ndarray or torch.Tensor of shape (n, d)
        New unit rows, float32: tensors on the device of x where x or y is a tensor.

    Raises
    ------
    PairsError
        For bad input; where the means agree, so that there is no gap to move along; and for an
        amount that takes a row to the origin.

    Notes
    -----
    x' = N(x - amount g) and y' = N(y + amount g), where N brings rows to unit length and g is the
    unit gap vector. Amount 0 changes nothing; a large one sends all images to -g and all texts
    to g.

    References
    ----------
    Liang et al. 2022, section 4.2.

    Examples
    --------
    >>> x, y = shift([[3, 4], [3, -4]], [[-3, 4], [-3, -4]], amount=0.5)
    >>> expected = np.array([[0.1, 0.8], [0.1, -0.8]]) / 0.65**0.5
    >>> bool(np.allclose(x, expected))
    True
    """
    delta = 2 * amount if sides == "both" else amount
    pairs = shifted_pairs(x, y, [delta], sides, along)
    amount_x, amount_y = pairs.amounts[:, 0]
    return (
        _moved(pairs.x, -1, amount_x, pairs.g, pairs.lengths_x[0]),
        _moved(pairs.y, 1, amount_y, pairs.g, pairs.lengths_y[0]),
    )


def _moved(rows: Array, sign: int, amount: Array, g: Array, lengths: Array) -> Array:
    """Return (row + sign * amount * g) / length in float32; rows that do not move as they are."""
    if not amount:
        return rows
    xp = array_namespace(rows)
    blocks = [
        (in_double(rows[block]) + sign * amount * g) / lengths[block, None]
        for block in row_blocks(len(rows))
    ]
    return xp.astype(xp.concat(blocks), xp.float32)


def shifted_distances(
    x: ArrayLike,
    y: ArrayLike,
    deltas: Sequence[float],
    sides: Sides = "both",
    along: ArrayLike | None = None,
) -> pd.DataFrame:
    """Compute the distance of the means after each shift.

    Parameters
    ----------
    x, y : array or torch.Tensor of shape (n, d)
        Embeddings of images and texts, a pair a row.
    deltas : sequence of float, of length m
        Shifts: where both sides move, each moves by delta / 2; where one does, by delta.
    sides : {"both", "images", "texts"}
        Which rows move: all, x, or y.
    along : array of shape (d,), optional
        The vector along which rows move, of any length. By default the gap vector.

    Returns
    -------
    pandas.DataFrame
        Columns delta, distance, signed; m rows. ``distance`` is ``||mean(x') - mean(y')||``.
        ``signed`` is negative where the modalities have passed each other:
        ``(mean(x') - mean(y')) . g < 0``.

    Raises
    ------
    PairsError
        As in ``shift``, and for deltas that are no list of finite numbers.

    Notes
    -----
    All shifts come from one pass: with weights ``w_i = 1 / |x_i - a g|``,
    ``mean(x') = (sum_i w_i x_i - a g sum_i w_i) / n``. At delta 0 the signed distance is the gap,
    at the ends it is near 2 and -2.

    References
    ----------
    Liang et al. 2022, code of section 4.2.

    Examples
    --------
    >>> far = shifted_distances([[1, 1], [1, -1]], [[-1, 1], [-1, -1]], [0, 2 * 2**0.5])
    >>> far.round(3).values.tolist()
    [[0.0, 1.414, 1.414], [2.828, 1.414, -1.414]]
    """
    signed = signed_distances(shifted_pairs(x, y, deltas, sides, along))
    return pd.DataFrame(
        {"delta": np.asarray(deltas, float), "distance": np.abs(signed), "signed": signed}
    )


def shifted_pairs(
    x: ArrayLike,
    y: ArrayLike,
    deltas: Sequence[float],
    sides: Sides = "both",
    along: ArrayLike | None = None,
) -> ShiftedPairs:
    """Check pairs and shifts, and compute what all shifts share.

    Parameters
    ----------
    x, y, deltas, sides, along
        As in ``shifted_distances``.

    Returns
    -------
    ShiftedPairs
        The unit rows, the vector along which they move, and their lengths after each shift.

    Raises
    ------
    PairsError
        As in ``shifted_distances``.
    """
    unit_x, unit_y = unit_pair(x, y)
    amounts = amounts_of_sides(deltas, sides, like=unit_x)
    g = unit_gap(unit_x, unit_y, along)
    p = _projections(unit_x, g)
    q = _projections(unit_y, g)
    lengths_x = lengths_after_shift(unit_x, p, -amounts[0], "x")
    lengths_y = lengths_after_shift(unit_y, q, amounts[1], "y")
    return ShiftedPairs(unit_x, unit_y, g, p, q, amounts, lengths_x, lengths_y)


def unshifted_pairs(x: ArrayLike, y: ArrayLike) -> ShiftedPairs:
    """Check pairs that stay where they are, and that need no gap.

    Parameters
    ----------
    x, y : array or torch.Tensor of shape (n, d)
        Embeddings of images and texts, a pair a row.

    Returns
    -------
    ShiftedPairs
        The unit rows, with one shift by 0 along no vector.

    Raises
    ------
    PairsError
        For bad input.
    """
    unit_x, unit_y = unit_pair(x, y)
    n, d = unit_x.shape
    no_direction = zeros((d,), like=unit_x)
    projections = zeros((n,), like=unit_x)
    amounts = zeros((2, 1), like=unit_x)
    lengths = zeros((1, n), like=unit_x) + 1
    return ShiftedPairs(
        unit_x, unit_y, no_direction, projections, projections, amounts, lengths, lengths
    )


def signed_distances(pairs: ShiftedPairs) -> np.ndarray:
    """Compute the distances of the means.

    Parameters
    ----------
    pairs : ShiftedPairs
        Pairs and their m shifts.

    Returns
    -------
    numpy.ndarray of shape (m,)
        The distances, negative where the modalities have passed each other.
    """
    xp = array_namespace(pairs.x)
    amounts_x, amounts_y = pairs.amounts
    lengths = []
    along = xp.zeros_like(amounts_x)
    for start in range(0, len(pairs.g), COLUMNS_PER_BLOCK):
        columns = slice(start, start + COLUMNS_PER_BLOCK)
        g = pairs.g[columns]
        total = zeros((len(amounts_x), len(g)), like=g)
        for block in row_blocks(len(pairs.x)):
            weights_x = 1 / pairs.lengths_x[:, block]
            weights_y = 1 / pairs.lengths_y[:, block]
            sum_x = weights_x @ in_double(pairs.x[block, columns])
            sum_y = weights_y @ in_double(pairs.y[block, columns])
            total += sum_x - sum_y
            moved = (amounts_x * weights_x.sum(1)) + (amounts_y * weights_y.sum(1))
            total -= moved[:, None] * g
        lengths.append(xp.linalg.vector_norm(total, axis=1))
        along += total @ g
    signed = xp.copysign(reduce(xp.hypot, lengths), along) / len(pairs.x)
    return to_numpy(signed)


def row_blocks(n: int) -> Iterator[slice]:
    """Yield slices that cover some rows, block by block.

    Parameters
    ----------
    n : int
        How many rows there are.

    Yields
    ------
    slice
        At most 1,024 rows.
    """
    return (slice(i, i + ROWS_PER_BLOCK) for i in range(0, n, ROWS_PER_BLOCK))


def _projections(rows: Array, g: Array) -> Array:
    parts = [in_double(rows[block]) @ g for block in row_blocks(len(rows))]
    return array_namespace(rows).concat(parts)


def unit_gap(x: Array, y: Array, along: ArrayLike | None = None) -> Array:
    """Compute the unit vector along which rows move.

    Parameters
    ----------
    x, y : array or torch.Tensor of shape (n, d) and (k, d)
        Unit rows of both sides.
    along : array of shape (d,), optional
        A vector of any length that takes the place of the gap vector.

    Returns
    -------
    array or torch.Tensor of shape (d,)
        The gap vector, or ``along``, at unit length; float64, of the kind and on the device of x.

    Raises
    ------
    PairsError
        Where the means agree, so that there is no gap to move along, or for a bad vector.
    """
    if along is None:
        vector = mean_row(x) - mean_row(y)
        name = "a gap"
        advice = "the two means agree, so there is no gap to move along: give one (along=)"
    else:
        vector = in_double(as_array(to_numpy(along), like=x))
        name = "along"
        advice = "give another vector"
    if vector.shape != x.shape[1:]:
        raise PairsError(f"Expected along of shape ({x.shape[1]},); got {tuple(vector.shape)}")
    length = float(array_namespace(vector).linalg.vector_norm(vector))
    if not MIN_GAP < length < float("inf"):
        raise PairsError(f"Expected {name} of positive, finite length; got {length:.3g}: {advice}")
    return vector / length


def amounts_of_sides(deltas: Sequence[float], sides: Sides, like: Array) -> Array:
    """Compute how far x moves against g, and y along it, at each delta.

    Parameters
    ----------
    deltas : sequence of float, of length m
        Shifts.
    sides : {"both", "images", "texts"}
        Which rows move.
    like : array or torch.Tensor
        The result is of its kind and on its device.

    Returns
    -------
    array or torch.Tensor of shape (2, m)
        The amounts of x and of y, float64.

    Raises
    ------
    PairsError
        For other sides, or deltas that are no list of finite numbers.
    """
    if sides not in SHARES:
        raise PairsError(f"Expected sides as one of {', '.join(SHARES)}; got {sides!r}")
    numbers = np.asarray(deltas, float)
    if numbers.ndim != 1 or not len(numbers) or not np.isfinite(numbers).all():
        raise PairsError(f"Expected deltas as a list of finite numbers; got {deltas!r}")
    return as_array(np.outer(SHARES[sides], numbers), like=like)


def lengths_after_shift(rows: Array, projections: Array, amounts: Array, name: str) -> Array:
    """Compute the lengths of unit rows after each shift, before they are brought back to 1.

    Parameters
    ----------
    rows : array or torch.Tensor of shape (n, d)
        Unit rows z, float32.
    projections : array or torch.Tensor of shape (n,)
        z . g, float64.
    amounts : array or torch.Tensor of shape (m,)
        How far the rows move along g, float64; negative against it.
    name : str
        What error messages call the rows.

    Returns
    -------
    array or torch.Tensor of shape (m, n)
        ``|z + amount g|``, float64.

    Raises
    ------
    PairsError
        For an amount that takes a row to the origin.

    Notes
    -----
    The squared length is ``z . z + 2 amount z . g + amount^2``. z . z is 1 but for the rounding
    of float32, which counts near the origin.
    """
    step = amounts[:, None]
    squares = squared_lengths(rows) + 2 * step * projections + step**2
    if float(squares.min()) < MIN_SQUARED_LENGTH:
        shortest = int(squares.argmin()) // len(rows)
        amount = abs(float(amounts[shortest]))
        raise PairsError(
            f"a move of {amount:g} takes a row of {name} to the origin, where it has no "
            "direction: leave that shift out"
        )
    return squares**0.5
