"""Sums over pairs of unit rows, which add up over parts of the data."""

from dataclasses import dataclass

import torch

from gapbook.geometry.tiles import ROWS_PER_TILE, gram, mean_row, sum_of_rows


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
    xx, yy, xy : tensor (d, d)
        The sums of ``x_i x_i^T``, ``y_i y_i^T`` and ``x_i y_i^T``.
    """

    n: int
    x: torch.Tensor
    y: torch.Tensor
    xx: torch.Tensor
    yy: torch.Tensor
    xy: torch.Tensor

    @classmethod
    def of(cls, x: torch.Tensor, y: torch.Tensor) -> "PairSums":
        """Sum over unit rows x and y, both (n, d)."""
        return cls(len(x), sum_of_rows(x), sum_of_rows(y), gram(x, x), gram(y, y), gram(x, y))

    def __add__(self, other: "PairSums") -> "PairSums":
        return PairSums(
            self.n + other.n,
            self.x + other.x,
            self.y + other.y,
            self.xx + other.xx,
            self.yy + other.yy,
            self.xy + other.xy,
        )

    def __sub__(self, other: "PairSums") -> "PairSums":
        return PairSums(
            self.n - other.n,
            self.x - other.x,
            self.y - other.y,
            self.xx - other.xx,
            self.yy - other.yy,
            self.xy - other.xy,
        )


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
        The two dimensions with the largest share of the gap, every pair once (one where d = 1).
    """

    n: int
    squared_weights: torch.Tensor
    x: torch.Tensor
    y: torch.Tensor
    cosines: torch.Tensor
    distances: torch.Tensor
    own_cosines: torch.Tensor
    own_distances: torch.Tensor
    own_x: torch.Tensor
    own_y: torch.Tensor
    squared_differences: torch.Tensor
    largest: torch.Tensor

    @classmethod
    def of(
        cls, x: torch.Tensor, y: torch.Tensor, weights: torch.Tensor | None = None
    ) -> "WeightedSums":
        """Sum over unit rows x and y (n, d) with ``weights`` (r, n), by default each pair once.

        Products with the weights are computed in their own float type, and summed up in float64.
        """
        n, d = x.shape
        if weights is None:
            weights = x.new_ones(1, n, dtype=torch.float64)
        r = len(weights)
        sum_x = x.new_zeros(r, d, dtype=torch.float64)
        sum_y = x.new_zeros(r, d, dtype=torch.float64)
        once = x.new_zeros(r, 2, dtype=torch.float64)
        own = x.new_zeros(r, 4, dtype=torch.float64)
        squared_differences = x.new_zeros(d, dtype=torch.float64)
        for start in range(0, n, ROWS_PER_TILE):
            rows = slice(start, start + ROWS_PER_TILE)
            a = x[rows].double()
            b = y[rows].double()
            w = weights[:, rows]
            squares = (a - b).square()
            of_pairs = [(a * b).sum(1), squares.sum(1), a.square().sum(1), b.square().sum(1)]
            products = torch.stack(of_pairs, 1).to(w.dtype)
            sum_x += w @ a.to(w.dtype)
            sum_y += w @ b.to(w.dtype)
            once += w @ products[:, :2]
            own += w.square() @ products
            squared_differences += squares.sum(0)
        return cls(
            n=n,
            squared_weights=weights.square().sum(1, dtype=torch.float64),
            x=sum_x,
            y=sum_y,
            cosines=once[:, 0],
            distances=once[:, 1],
            own_cosines=own[:, 0],
            own_distances=own[:, 1],
            own_x=own[:, 2],
            own_y=own[:, 3],
            squared_differences=squared_differences,
            largest=_two_largest(mean_row(x) - mean_row(y)),
        )

    @classmethod
    def of_sums(cls, sums: PairSums) -> "WeightedSums":
        """Return one weighting with each pair once, from sums over the pairs.

        Differences of sums leave rounding where x_i and y_i agree, so what cannot be below 0 is
        cut off there.
        """
        squared_differences = (sums.xx + sums.yy - 2 * sums.xy).diagonal().clamp(min=0)
        cosines = sums.xy.trace()[None]
        distances = squared_differences.sum()[None]
        return cls(
            n=sums.n,
            squared_weights=sums.x.new_full((1,), float(sums.n)),
            x=sums.x[None],
            y=sums.y[None],
            cosines=cosines,
            distances=distances,
            own_cosines=cosines,
            own_distances=distances,
            own_x=sums.xx.trace()[None],
            own_y=sums.yy.trace()[None],
            squared_differences=squared_differences,
            largest=_two_largest(sums.x - sums.y),
        )


def _two_largest(gap: torch.Tensor) -> torch.Tensor:
    return gap.abs().topk(min(2, len(gap))).indices
