"""Cosines of all different rows of one modality, how narrow its cone is, and of partners."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import ArrayLike

from gapbook.exceptions import PairsError
from gapbook.geometry.arrays import (
    Array,
    as_array,
    clip_in_place,
    count_in_place,
    in_double,
    to_numpy,
)
from gapbook.geometry.tiles import ROWS_PER_TILE, mean_cosine, upper_tiles
from gapbook.pairs import unit_rows

# Quartiles come from counts in so many bins over [-1, 1], each 4.8e-7 wide.
QUANTILE_BINS = 2**22
# The cosines of partners are counted in so many bins over [-1, 1].
PARTNER_COSINE_BINS = 100


class Histogram(NamedTuple):
    """Counts (bins,) and edges (bins + 1,) over [-1, 1], as from ``numpy.histogram``."""

    counts: np.ndarray
    edges: np.ndarray


@dataclass(frozen=True, eq=False)
class CosineStats:
    """Statistics of the cosines of all ordered pairs of different rows of one modality.

    Parameters
    ----------
    mean, std, min, q25, median, q75, max : float
        The mean, the standard deviation (of the population), the ends and the quartiles.
    n_pairs : int
        The number of ordered pairs of n rows, n (n - 1).
    histogram : Histogram
        Counts of the cosines in equal bins over [-1, 1].
    """

    mean: float
    std: float
    min: float
    q25: float
    median: float
    q75: float
    max: float
    n_pairs: int
    histogram: Histogram


def cosine_stats(x: ArrayLike, bins: int = 100, progress: bool = False) -> CosineStats:
    """Return statistics and a histogram of the cosines of all different rows of one modality.

    Parameters
    ----------
    x : array (n, d)
        One modality. Rows are brought to unit length.
    bins : int
        The number of bins of the histogram over [-1, 1].
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    CosineStats
        The mean, standard deviation, minimum, quartiles, maximum and histogram of ``x_i . x_j``
        over all i != j, and how many there are. No n by n matrix is held in memory.

    Raises
    ------
    PairsError
        If x is not an array of embeddings, or bins is not a positive integer.

    Notes
    -----
    The mean is ``(|sum x_i|^2 - sum |x_i|^2) / (n (n - 1))`` in float64. The rest comes from
    float32 tiles of the upper triangle. Quartiles are interpolated as ``numpy.percentile`` does,
    from counts in bins 4.8e-7 wide, so that they are right to 1e-6. A cosine on an edge of the
    histogram, to float32 rounding, may fall on either side of it.

    Collapsed rows have mean 1 and standard deviation 0. Isotropic rows have mean 0 and standard
    deviation 1 / sqrt(d).

    References
    ----------
    Liang et al. 2022, section 3 and figure 2a.

    Examples
    --------
    >>> stats = cosine_stats([[1, 0], [0, 1], [0, -1]])
    >>> stats.mean, stats.min, stats.median, stats.n_pairs
    (-0.333..., -1.0, 0.0, 6)
    """
    if isinstance(bins, bool) or not isinstance(bins, int | np.integer) or bins < 1:
        raise PairsError(f"Expected bins as a positive integer; got {bins!r}")
    unit = unit_rows(x)
    n_pairs = len(unit) * (len(unit) - 1)
    mean = mean_cosine(unit)
    # Each bin of the histogram is a whole number of fine bins.
    fine_per_bin = -(-QUANTILE_BINS // bins)
    fine_per_unit = bins * fine_per_bin / 2
    # NumPy leaves the pages of memory that no cosine falls into untouched, PyTorch does not.
    counts = as_array(np.zeros(bins * fine_per_bin, np.int64), like=unit)
    xp = array_namespace(unit)
    low = 1.0
    high = -1.0
    squares = 0.0
    for cosines in upper_tiles(unit, progress):
        low = min(low, float(cosines.min()))
        high = max(high, float(cosines.max()))
        deviations = in_double(cosines - mean)
        squares += float(deviations @ deviations)
        cosines *= fine_per_unit
        cosines += fine_per_unit
        index = clip_in_place(xp.astype(cosines, xp.int32), 0, len(counts) - 1)
        count_in_place(counts, index)
    fine = to_numpy(counts)
    quartiles = np.clip(_quantiles(fine, fine_per_unit, (0.25, 0.5, 0.75)), low, high)
    # The upper triangle has each pair of rows once, and n_pairs counts it twice.
    coarse = 2 * fine.reshape(bins, fine_per_bin).sum(1)
    q25, median, q75 = quartiles.tolist()
    return CosineStats(
        mean=mean,
        std=(2 * squares / n_pairs) ** 0.5,
        min=low,
        q25=q25,
        median=median,
        q75=q75,
        max=high,
        n_pairs=n_pairs,
        histogram=Histogram(coarse, np.linspace(-1, 1, bins + 1)),
    )


def _quantiles(fine: np.ndarray, fine_per_unit: float, levels: Sequence[float]) -> list[float]:
    """Interpolate quantiles from counts in fine bins; each value stands for two equal ones."""
    cumulative = np.cumsum(fine)
    count = int(cumulative[-1])

    def value(rank: int) -> float:
        """Return the value with this rank, as if values were evenly spread within their bin."""
        place = int(np.searchsorted(cumulative, rank, side="right"))
        before = cumulative[place] - fine[place]
        inside = (rank - before + 0.5) / fine[place]
        return float((place + inside) / fine_per_unit - 1)

    quantiles = []
    for level in levels:
        rank, fraction = divmod(level * (2 * count - 1), 1)
        lower = value(int(rank) // 2)
        upper = value(min(int(rank) + 1, 2 * count - 1) // 2)
        quantiles.append(lower + fraction * (upper - lower))
    return quantiles


def partner_cosine_counts(x: Array, y: Array, bins: int = PARTNER_COSINE_BINS) -> np.ndarray:
    """Count the cosines of partners in equal bins over [-1, 1].

    Parameters
    ----------
    x, y : array or tensor (n, d)
        Rows of unit length: row i of x belongs to row i of y. A single pair will do.
    bins : int
        The number of bins.

    Returns
    -------
    numpy.ndarray (bins,)
        How many of the n cosines ``x_i . y_i`` fall into each bin. Counts over different pairs add.

    Examples
    --------
    >>> rows = np.eye(2)
    >>> partner_cosine_counts(rows, rows[[0, 0]], bins=4).tolist()
    [0, 0, 1, 1]
    """
    counts = np.zeros(bins, np.int64)
    for start in range(0, len(x), ROWS_PER_TILE):
        rows = slice(start, start + ROWS_PER_TILE)
        cosines = to_numpy((in_double(x[rows]) * in_double(y[rows])).sum(1))
        counts += np.histogram(cosines.clip(-1, 1), bins, (-1, 1))[0]
    return counts
