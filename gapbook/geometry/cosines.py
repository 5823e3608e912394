"""Cosines of all different rows of one modality: how narrow its cone is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from gapbook.exceptions import PairsError
from gapbook.geometry.tiles import mean_cosine, upper_tiles
from gapbook.pairs import unit_rows

FINE = 2**22  # bins that [-1, 1] is cut into to find quartiles: 4.8e-7 wide


class Histogram(NamedTuple):
    """Counts (bins,) and edges (bins + 1,) over [-1, 1], as from ``numpy.histogram``."""

    counts: np.ndarray
    edges: np.ndarray


@dataclass(frozen=True, eq=False)
class CosineStats:
    """Statistics of the cosines of all n (n - 1) ordered pairs of different rows; ``std`` is the population's."""

    mean: float
    std: float
    min: float
    q25: float
    median: float
    q75: float
    max: float
    n_pairs: int
    histogram: Histogram


def cosine_stats(x: Any, bins: int = 100, progress: bool = False) -> CosineStats:
    """Return mean, std, min, quartiles, max and histogram of x_i . x_j over all i != j: x (n, d), no n by n memory.

    The mean is (||sum x_i||^2 - sum ||x_i||^2) / (n (n - 1)) in float64. The rest comes from float32 tiles of the
    upper triangle: quartiles, interpolated as ``numpy.percentile`` does, from counts in bins 4.8e-7 wide, so that they
    are right to 1e-6; a cosine on an edge of the histogram, to float32 rounding, may fall on either side of it.
    Collapsed rows: mean 1, std 0. Isotropic rows: mean 0, std 1 / sqrt(d). ``progress`` shows a bar.
    Raises ``PairsError``. Source: Liang et al. 2022, section 3 and figure 2a.

    >>> stats = cosine_stats([[1, 0], [0, 1], [0, -1]])
    >>> stats.mean, stats.min, stats.median, stats.n_pairs
    (-0.333..., -1.0, 0.0, 6)
    """
    if isinstance(bins, bool) or not isinstance(bins, int | np.integer) or bins < 1:
        raise PairsError(f"Expected bins as a positive integer; got {bins!r}")
    unit = unit_rows(x)
    n_pairs = len(unit) * (len(unit) - 1)
    mean = mean_cosine(unit)
    per_bin = -(-FINE // bins)
    half = bins * per_bin / 2  # fine bins to one unit of cosine
    counts = torch.from_numpy(np.zeros(bins * per_bin, np.int64)).to(
        unit.device
    )  # NumPy leaves empty pages untouched
    one = counts.new_ones(1)
    low, high, spread = 1.0, -1.0, 0.0
    for cosines in upper_tiles(unit, progress):
        least, most = cosines.aminmax()
        low, high = min(low, float(least)), max(high, float(most))
        spread += float(torch.linalg.vector_norm(cosines - mean, dtype=torch.float64)) ** 2
        index = cosines.mul_(half).add_(half).int().clamp_(max=len(counts) - 1)
        counts.index_add_(0, index, one.expand(len(index)))
    fine = counts.cpu().numpy()
    q25, median, q75 = (min(max(q, low), high) for q in _quantiles(fine, half, (0.25, 0.5, 0.75)))
    histogram = Histogram(2 * fine.reshape(bins, per_bin).sum(1), np.linspace(-1, 1, bins + 1))
    return CosineStats(
        mean, (2 * spread / n_pairs) ** 0.5, low, q25, median, q75, high, n_pairs, histogram
    )


def _quantiles(fine: np.ndarray, half: float, levels: Sequence[float]) -> list[float]:
    """Interpolate quantiles of values that each stand for two equal ones, from their counts in fine bins."""
    upto = np.cumsum(fine)
    count = int(upto[-1])

    def value(rank: int) -> float:  # of the sorted values, taken as evenly spread within their bin
        place = int(np.searchsorted(upto, rank, side="right"))
        inside = (rank - (upto[place] - fine[place]) + 0.5) / fine[place]
        return float((place + inside) / half - 1)

    found = []
    for level in levels:
        rank, rest = divmod(level * (2 * count - 1), 1)
        lower, upper = value(int(rank) // 2), value(min(int(rank) + 1, 2 * count - 1) // 2)
        found.append(lower + rest * (upper - lower))
    return found
