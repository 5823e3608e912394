"""Measures of first order of pairs in groups, from the sums of each group, for many redraws."""

from dataclasses import dataclass

import numpy as np

from gapbook.geometry.arrays import in_double
from gapbook.groups import first_rows

# Rows that are summed at once: 32 MB of 512 dimensions in float64.
ROWS_AT_ONCE = 2**13


@dataclass(frozen=True, eq=False)
class GroupSums:
    """Sums over the pairs of each of G groups of unit rows, in float64.

    Parameters
    ----------
    sizes : array (G,)
        The numbers of pairs.
    x, y : array (G, d)
        The sums of x_i and of y_i.
    cosines, distances : array (G,)
        The sums of ``x_i . y_i`` and of ``|x_i - y_i|^2``.
    """

    sizes: np.ndarray
    x: np.ndarray
    y: np.ndarray
    cosines: np.ndarray
    distances: np.ndarray

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray, groups: np.ndarray) -> "GroupSums":
        """Sum over unit rows (n, d) of groups that are numbered from 0."""
        sizes = np.bincount(groups).astype(float)
        # A group has one row of x, as often as it has rows.
        sums_x = in_double(x[first_rows(groups)]) * sizes[:, None]
        sums_y = np.zeros_like(sums_x)
        cosines = np.empty(len(x))
        distances = np.empty(len(x))
        for start in range(0, len(x), ROWS_AT_ONCE):
            rows = slice(start, start + ROWS_AT_ONCE)
            a = in_double(x[rows])
            b = in_double(y[rows])
            np.add.at(sums_y, groups[rows], b)
            cosines[rows] = (a * b).sum(1)
            distances[rows] = ((a - b) ** 2).sum(1)
        return cls(
            sizes,
            sums_x,
            sums_y,
            np.bincount(groups, cosines),
            np.bincount(groups, distances),
        )


# Where partners agree or one group alone was drawn, a share is 0 / 0: NaN.
@np.errstate(divide="ignore", invalid="ignore")
def group_measures(sums: GroupSums, weights: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """Return the measures of first order for each of r weightings of groups.

    Parameters
    ----------
    sums : GroupSums
        The sums of at least 2 groups.
    weights : array (r, G), optional
        How often each group was drawn, by default each once.

    Returns
    -------
    dict
        float64 (r,) by the names of ``MEASURES``, as ``weighted_measures`` gives them for pairs;
        the same numbers where each group has one pair.

    Notes
    -----
    Averages over two different pairs are averages over pairs of two different groups: a row of x
    is never compared with its copies, nor a caption with the others of its image. The gap and
    ``cosine_across`` of the sample are plain averages over all rows, and so hold the share
    ``f = sum k_g^2 / n^2`` of products within a group, k_g being the sizes of groups. In a redraw
    the share is that of the sample too, so that redraws scatter about its value without bias.

    Examples
    --------
    >>> x = np.eye(2)[[0, 0, 1]]
    >>> y = np.array([[0.6, 0.8], [0.8, 0.6], [0.0, 1.0]])
    >>> measures = group_measures(GroupSums.of(x, y, np.array([0, 0, 1])))
    >>> float(measures["cosine_within_x"][0]), float(measures["cosine_within_y"][0].round(3))
    (0.0, 0.7)
    """
    if weights is None:
        weights = np.ones((1, len(sums.sizes)))
    weights = in_double(weights)
    within = _Within.of(sums, weights)
    paired = weights @ sums.cosines / within.n
    alignment = weights @ sums.distances / within.n

    sum_x = weights @ sums.x
    sum_y = weights @ sums.y
    cosine_within_x = within.different((sum_x**2).sum(1), _products(sums.x, sums.x))
    cosine_within_y = within.different((sum_y**2).sum(1), _products(sums.y, sums.y))
    across = within.average((sum_x * sum_y).sum(1), _products(sums.x, sums.y))

    gaps = sums.x - sums.y
    squares = (sum_x - sum_y) ** 2
    lengths = _products(gaps, gaps)
    squared_gap = within.average(squares.sum(1), lengths)
    shares = np.clip(within.average_by_dimension(squares, (gaps**2).sum(0)), 0, None)
    largest = np.argsort(-np.abs(gaps.sum(0)), kind="stable")[:2]

    relative = alignment / (alignment + 2 - cosine_within_x - cosine_within_y)
    return {
        "modality_gap": np.sqrt(np.clip(squared_gap, 0, None)),
        "cosine_within_x": cosine_within_x,
        "cosine_within_y": cosine_within_y,
        "cosine_paired": paired,
        "cosine_across": across,
        "squared_gap_unbiased": within.different(squares.sum(1), lengths),
        "relative_modality_gap": np.where(alignment > 0, relative, 0.0),
        "alignment": alignment,
        "gap_share_top2": shares[:, largest].sum(1) / shares.sum(1),
    }


def _products(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the dot product of each row of a with that of b."""
    return np.einsum("ij,ij->i", a, b)


@dataclass(frozen=True, eq=False)
class _Within:
    """What of a product of two weighted sums over pairs lies within groups.

    ``n`` (r,) are the numbers of pairs drawn, ``once`` and ``squared`` (r,) the sums of
    ``w_g k_g^2`` and of ``w_g^2 k_g^2``, and ``others`` (r,) the ordered draws of two pairs of
    different groups (NaN for none). ``total`` is the sum of ``k_g^2``, ``fraction`` its share of
    ``n^2``.
    """

    weights: np.ndarray
    n: np.ndarray
    once: np.ndarray
    squared: np.ndarray
    others: np.ndarray
    total: float
    fraction: float

    @classmethod
    def of(cls, sums: GroupSums, weights: np.ndarray) -> "_Within":
        squares = sums.sizes**2
        n = weights @ sums.sizes
        squared = weights**2 @ squares
        others = n**2 - squared
        others[others == 0] = np.nan
        total = float(squares.sum())
        fraction = total / float(sums.sizes.sum()) ** 2
        return cls(weights, n, weights @ squares, squared, others, total, fraction)

    def different(self, product: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Return the average over pairs of two groups; ``own`` (G,) are products within them."""
        return (product - self.weights**2 @ own) / self.others

    def average(self, product: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Return the average over all pairs of pairs, as in the sample."""
        of_others = self.different(product, own)
        of_own = self.weights @ own / self.once
        return (1 - self.fraction) * of_others + self.fraction * of_own

    def average_by_dimension(self, products: np.ndarray, own: np.ndarray) -> np.ndarray:
        """Return what ``average`` does for each dimension, (r, d).

        ``own`` (d,) are products within groups, of the sample: those of redraws would cost much.
        """
        own = own / self.total
        of_others = (products - np.outer(self.squared, own)) / self.others[:, None]
        return (1 - self.fraction) * of_others + self.fraction * own
