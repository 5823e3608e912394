"""Sums over pairs of unit rows, which add up over parts of the data, and cosines of few rows."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from array_api_compat import array_namespace

from gapbook.checks.memory import require_memory, size_text
from gapbook.exceptions import PairsError
from gapbook.geometry.arrays import Array, as_array, in_double, places_of_largest, zeros
from gapbook.geometry.tiles import (
    ROUNDING,
    ROWS_PER_TILE,
    all_cosines,
    gram,
    mean_row,
    sum_of_rows,
)

# Up to that many dimensions, matrices over dimensions are small whatever the number of pairs.
FEW_DIMENSIONS = 1024
# The sums of longer rows for each of a thousand redraws are taken for some dimensions at a time.
LONG_ROW = 2048
DIMENSIONS_PER_PART = 256
# Of a side of the matrices that covariances need. Their eigenvalues take n^3, an hour at the limit.
MAX_SIDE = 8192
# Matrices of float64 that are there at once, at most.
MATRICES = 10


def is_over_pairs(n: int, d: int) -> bool:
    """Say whether covariances of n rows (d,) come from an (n, n) matrix, not from a (d, d) one.

    Both give the same numbers, and that over pairs is the smaller one where n < d.

    Examples
    --------
    >>> is_over_pairs(100, 20_000), is_over_pairs(5000, 512), is_over_pairs(500, 512)
    (True, False, False)
    """
    return n < d and (2 * n < d or d > FEW_DIMENSIONS)


def require_room(n: int, d: int) -> None:
    """Raise ``PairsError`` if the matrices that covariances of n rows (d,) need are too large."""
    side = n if is_over_pairs(n, d) else d
    needed = MATRICES * 8 * side**2
    what = f"what covariances of {n:,} pairs in {d:,} dimensions say"
    if side > MAX_SIDE:
        raise PairsError(
            f"{what} (ranks, IsoScores, CKA) needs matrices of {side:,} x {side:,} numbers, "
            f"{size_text(needed)} of memory; the limit is {MAX_SIDE:,} x {MAX_SIDE:,}: "
            f"take at most {MAX_SIDE:,} pairs or dimensions"
        )
    require_memory(needed, what)


@dataclass(frozen=True, eq=False)
class PairSums:
    """Sums over n pairs of unit rows x_i and y_i, in float64: of rows and of their products.

    Sums over different pairs can be added, in any order, and sums over some of the pairs can be
    taken away again.

    Parameters
    ----------
    n : int
        The number of pairs.
    x, y : tensor (d,)
        The sums of x_i and of y_i.
    xx, yy, xy : tensor (d, d) or (d,)
        The sums of ``x_i x_i^T``, ``y_i y_i^T`` and ``x_i y_i^T``, or no more than their diagonals.
    """

    n: int
    x: Array
    y: Array
    xx: Array
    yy: Array
    xy: Array

    @classmethod
    def of(cls, x: Array, y: Array, diagonals_only: bool = False) -> "PairSums":
        """Sum over unit rows x and y, both (n, d), and over their products or the diagonals."""
        products = _diagonal_of_gram if diagonals_only else gram
        return cls(
            len(x),
            sum_of_rows(x),
            sum_of_rows(y),
            products(x, x),
            products(y, y),
            products(x, y),
        )

    @property
    def has_products(self) -> bool:
        """Whether sums of products are there, and not only their diagonals."""
        return self.xx.ndim == 2

    def without(self, x: Array, y: Array) -> "PairSums":
        """Return the sums over the pairs that are left without these rows of both sides."""
        rest = PairSums.of(x, y)
        for name in ("x", "y", "xx", "yy", "xy"):
            # In the place of those that are left out, since each may be large.
            total = getattr(rest, name)
            total *= -1
            total += getattr(self, name)
        return replace(rest, n=self.n - rest.n)

    def __add__(self, other: "PairSums") -> "PairSums":
        return PairSums(
            self.n + other.n,
            self.x + other.x,
            self.y + other.y,
            self.xx + other.xx,
            self.yy + other.yy,
            self.xy + other.xy,
        )


def _diagonal_of_gram(a: Array, b: Array) -> Array:
    """Return the diagonal of ``gram``, (d,) in float64."""
    total = zeros((a.shape[1],), like=a)
    for start in range(0, len(a), ROWS_PER_TILE):
        rows = slice(start, start + ROWS_PER_TILE)
        total += (in_double(a[rows]) * in_double(b[rows])).sum(0)
    return total


@dataclass(frozen=True, eq=False)
class PairCosines:
    """Cosines of n unit rows x_i, and of n unit rows y_i, in float64: for n below d.

    Covariances have the same eigenvalues and norms as centered cosines, so that these take the
    place of sums of products (d, d).

    Parameters
    ----------
    d : int
        The number of dimensions.
    xx, yy : tensor (n, n)
        The cosines ``x_i . x_j`` and ``y_i . y_j``.
    """

    d: int
    xx: Array
    yy: Array

    @classmethod
    def of(cls, x: Array, y: Array) -> "PairCosines":
        """Compute the cosines of unit rows x and y, both (n, d)."""
        return cls(x.shape[1], all_cosines(x), all_cosines(y))

    @property
    def n(self) -> int:
        """The number of pairs."""
        return len(self.xx)

    def without(self, group: np.ndarray) -> "PairCosines":
        """Return the cosines of the pairs that are left without those of these indices."""
        remaining = np.ones(self.n, dtype=bool)
        remaining[group] = False
        stays = as_array(remaining, like=self.xx)
        return PairCosines(self.d, self.xx[stays][:, stays], self.yy[stays][:, stays])


def centered_cosines(cosines: Array) -> Array:
    """Return the dot products ``(x_i - mean) . (x_j - mean)`` from those of n rows, (n, n).

    They are zero where only rounding is left. Their eigenvalues above 0, and so their trace and
    norm, are those of the sum of ``(x_i - mean)(x_i - mean)^T``.
    """
    means = cosines.mean(0)
    products = cosines - means - means[:, None] + means.mean()
    if float(products.trace()) > ROUNDING * float(cosines.trace()):
        return products
    return zeros(products.shape, like=products)


@dataclass(frozen=True, eq=False)
class WeightedSums:
    """Sums over n pairs of unit rows x_i and y_i for r weightings at once, in float64.

    A weight says how often a pair was drawn: once each for the sample itself, any number of times
    in a bootstrap replicate. The weights of each of the r weightings sum to n.

    Parameters
    ----------
    n : int
        The number of pairs, and of draws.
    squared_weights : tensor (r,)
        The sum of ``w_i^2``; n where each pair is drawn once.
    x, y : tensor (r, d)
        The sums of ``w_i x_i`` and of ``w_i y_i``.
    cosines, distances : tensor (r,)
        The sums of ``w_i x_i . y_i`` and of ``w_i |x_i - y_i|^2``.
    own_cosines, own_distances, own_x, own_y : tensor (r,)
        The sums of ``w_i^2`` times ``x_i . y_i``, ``|x_i - y_i|^2``, ``|x_i|^2`` and ``|y_i|^2``:
        what a product of two sums holds of pairs that meet themselves or a copy of themselves.
    squared_differences : tensor (d,)
        The sums of ``(x_i - y_i)^2`` in each dimension, every pair once.
    largest : tensor (2,)
        The two dimensions with the largest share of the gap, every pair once (one where d = 1); of
        a part of the dimensions, those that are in it.
    """

    n: int
    squared_weights: Array
    x: Array
    y: Array
    cosines: Array
    distances: Array
    own_cosines: Array
    own_distances: Array
    own_x: Array
    own_y: Array
    squared_differences: Array
    largest: Array

    @classmethod
    def of(
        cls,
        x: Array,
        y: Array,
        weights: Array | None = None,
        largest: Array | None = None,
    ) -> "WeightedSums":
        """Sum over unit rows x and y (n, d) with ``weights`` (r, n), by default each pair once.

        Products with the weights are computed in their own float type, and summed up in float64.
        ``largest`` are dimensions to take in the place of the two with the largest share.
        """
        if largest is None:
            largest = _two_largest(mean_row(x) - mean_row(y))
        n, d = x.shape
        if weights is None:
            weights = zeros((1, n), like=x) + 1
        r = len(weights)
        xp = array_namespace(x)
        sum_x = zeros((r, d), like=x)
        sum_y = zeros((r, d), like=x)
        once = zeros((r, 2), like=x)
        own = zeros((r, 4), like=x)
        squared_differences = zeros((d,), like=x)
        for start in range(0, n, ROWS_PER_TILE):
            rows = slice(start, start + ROWS_PER_TILE)
            a = in_double(x[rows])
            b = in_double(y[rows])
            w = weights[:, rows]
            squares = (a - b) ** 2
            of_pairs = [(a * b).sum(1), squares.sum(1), (a**2).sum(1), (b**2).sum(1)]
            products = xp.astype(xp.stack(of_pairs, axis=1), w.dtype)
            sum_x += w @ xp.astype(a, w.dtype)
            sum_y += w @ xp.astype(b, w.dtype)
            once += w @ products[:, :2]
            own += w**2 @ products
            squared_differences += squares.sum(0)
        return cls(
            n=n,
            squared_weights=(weights**2).sum(1, dtype=xp.float64),
            x=sum_x,
            y=sum_y,
            cosines=once[:, 0],
            distances=once[:, 1],
            own_cosines=own[:, 0],
            own_distances=own[:, 1],
            own_x=own[:, 2],
            own_y=own[:, 3],
            squared_differences=squared_differences,
            largest=largest,
        )

    @classmethod
    def in_parts(cls, x: Array, y: Array, weights: Array | None = None) -> "Iterator[WeightedSums]":
        """Sum as ``of`` does, over some dimensions at a time where there are very many.

        Yields
        ------
        WeightedSums
            The sums over a part of the dimensions: a single part for ordinary rows.
        """
        d = x.shape[1]
        largest = _two_largest(mean_row(x) - mean_row(y))
        step = d if d <= LONG_ROW else DIMENSIONS_PER_PART
        for start in range(0, d, step):
            part = slice(start, start + step)
            inside = largest[(largest >= start) & (largest < start + step)]
            yield cls.of(x[:, part], y[:, part], weights, inside - start)

    @classmethod
    def of_sums(cls, sums: PairSums) -> "WeightedSums":
        """Return one weighting with each pair once, from sums over the pairs.

        Differences of sums leave rounding where x_i and y_i agree, so what cannot be below 0 is
        cut off there.
        """
        xx = _diagonal(sums.xx)
        yy = _diagonal(sums.yy)
        xy = _diagonal(sums.xy)
        squared_differences = array_namespace(xx).clip(xx + yy - 2 * xy, min=0)
        cosines = xy.sum()[None]
        distances = squared_differences.sum()[None]
        return cls(
            n=sums.n,
            squared_weights=zeros((1,), like=sums.x) + sums.n,
            x=sums.x[None],
            y=sums.y[None],
            cosines=cosines,
            distances=distances,
            own_cosines=cosines,
            own_distances=distances,
            own_x=xx.sum()[None],
            own_y=yy.sum()[None],
            squared_differences=squared_differences,
            largest=_two_largest(sums.x - sums.y),
        )


def _diagonal(products: Array) -> Array:
    """Return the diagonal of sums of products, of which no more may be there."""
    return products.diagonal() if products.ndim == 2 else products


def _two_largest(gap: Array) -> Array:
    return places_of_largest(abs(gap)[None], min(2, len(gap)))[0]
