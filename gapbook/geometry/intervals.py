"""95 % intervals for a redraw of the pairs, from sums that are reweighted or have a part taken away."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike

from gapbook.exceptions import PairsError
from gapbook.geometry.kernels import cka_of, discrepancies, potentials
from gapbook.geometry.neighbors import k_occurrence, nearest, neighbor_agreement, skewness
from gapbook.geometry.shape import centered, isoscore_of, rank_of
from gapbook.geometry.sums import Sums
from gapbook.geometry.tiles import TILE

Z95 = 1.959964  # standard normal quantile of a 95 % interval
GROUPS = 20  # parts that are left out one at a time, where each costs a decomposition


def moments(x: torch.Tensor, y: torch.Tensor, weights: torch.Tensor) -> dict[str, np.ndarray]:
    """Return what follows from sums over pairs for each row of weights (r, n), which count how often a pair was drawn.

    Weights sum to n. Gap and cosine_across are averages of terms of two different pairs, n - 1 parts of n, and of terms
    of a pair with itself, one part. Copies of a pair never count as two different ones, so that redraws scatter about
    the value of the sample without bias.
    """
    n, d = x.shape
    sum_x, sum_y, once, copies, moved = _weighted(x, y, weights)
    repeats = weights.square().sum(1, dtype=torch.float64)
    others = n**2 - repeats
    others[others == 0] = torch.nan  # one pair drawn n times
    products = (sum_x * sum_y, (sum_x - sum_y).square(), sum_x.square(), sum_y.square())
    means = (torch.stack([product.sum(1) for product in products], 1) - copies) / others[:, None]
    (cross, squared_gap, within_x, within_y), (paired, length) = means.T, once.T / n
    shares = (
        (n - 1) * (products[1] - torch.outer(repeats / n, moved)) / others[:, None] + moved / n
    ).clamp(min=0)
    largest = (
        (x.mean(0, dtype=torch.float64) - y.mean(0, dtype=torch.float64)).abs().topk(min(2, d))[1]
    )
    values = {
        "modality_gap": (((n - 1) * squared_gap + length) / n).clamp(min=0).sqrt(),
        "cosine_within_x": within_x,
        "cosine_within_y": within_y,
        "cosine_paired": paired,
        "cosine_across": ((n - 1) * cross + paired) / n,
        "squared_gap_unbiased": squared_gap,
        "relative_modality_gap": torch.where(
            length > 0, length / (length + 2 - within_x - within_y), 0.0
        ),
        "alignment": length,
        "gap_share_top2": shares[:, largest].sum(1) / shares.sum(1),
    }
    return {name: value.numpy() for name, value in values.items()}


def _weighted(x: torch.Tensor, y: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Return sums over pairs in float64, from products of w in its own float type.

    They are those of w x_i and of w y_i (r, d); of w (r, 2) and of w^2 (r, 4) times x_i . y_i, ||x_i - y_i||^2,
    ||x_i||^2 and ||y_i||^2; and of (x_i - y_i)^2 (d,).
    """
    (d, r), kind = (x.shape[1], len(weights)), weights.dtype
    sum_x, sum_y, once, copies = (
        torch.zeros(r, size, dtype=torch.float64) for size in (d, d, 2, 4)
    )
    moved = torch.zeros(d, dtype=torch.float64)
    for i in range(0, len(x), TILE):
        a, b = x[i : i + TILE].double(), y[i : i + TILE].double()
        drawn, apart = weights[:, i : i + TILE], (a - b).square()
        own = torch.stack(
            [(a * b).sum(1), apart.sum(1), a.square().sum(1), b.square().sum(1)], 1
        ).to(kind)
        sum_x += drawn @ a.to(kind)
        sum_y += drawn @ b.to(kind)
        once += drawn @ own[:, :2]
        copies += drawn.square() @ own
        moved += apart.sum(0)
    return sum_x, sum_y, once, copies, moved


def bootstrap(
    x: torch.Tensor, y: torch.Tensor, seed: int, replicates: int
) -> dict[str, np.ndarray]:
    """Return the moments of redraws of the pairs with replacement, some at a time to bound memory."""
    rng, n, parts = np.random.default_rng(seed), len(x), []
    step = max(1, 2**23 // n)
    for start in range(0, replicates, step):
        count = min(step, replicates - start)
        drawn = rng.integers(n, size=(count, n)) + n * np.arange(count)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
        parts.append(moments(x, y, torch.from_numpy(weights).float()))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def second_order(sums: Sums) -> dict[str, float]:
    """Return what follows from the covariances of the two modalities."""
    scatters = (centered(sums.xx, sums.x, sums.n), centered(sums.yy, sums.y, sums.n))
    ranks, scores = map(rank_of, scatters), map(isoscore_of, scatters)
    names = ("effective_rank_x", "effective_rank_y", "isoscore_x", "isoscore_y")
    return dict(zip(names, (*ranks, *scores), strict=True)) | {
        "cka": cka_of(sums),
        "cka_debiased": cka_of(sums, True),
    }


def second_order_intervals(x: torch.Tensor, y: torch.Tensor, seed: int) -> dict[str, tuple]:
    """Return value, low and high of the second-order measures, from sums that leave out one of 20 groups at a time.

    A redraw with replacement repeats pairs, which by itself lowers the rank of n rows that are not far more than d.
    """
    whole = Sums.of(x, y)
    parts = (second_order(whole - Sums.of(x[group], y[group])) for group in _groups(len(x), seed))
    return _jackknife(second_order(whole), parts)


def neighbor_intervals(x: torch.Tensor, y: torch.Tensor, k: int, seed: int) -> dict[str, tuple]:
    """Return value, low and high of hubness and agreement, from lists of 2 k neighbors that lose one of 20 groups."""
    values = {
        f"hubness_{direction}": skewness(counts)
        for direction, counts in k_occurrence(x, y, k).items()
    }
    values["neighbor_agreement"] = neighbor_agreement(x, y, k)
    lists = [nearest(*sides, 2 * k) for sides in ((x, y), (y, x), (x, x), (y, y))]

    def without(group: np.ndarray) -> dict[str, float]:
        stay = np.ones(len(x), dtype=bool)
        stay[group] = False
        near = [rows[stay] for rows in lists]
        left = [
            stay[rows] & (stay[rows].cumsum(1) <= k) for rows in near
        ]  # the k nearest of those that stay
        hubs = [skewness(np.bincount(near[i][left[i]], minlength=len(x))[stay]) for i in (0, 1)]
        same = (near[2][:, :, None] == near[3][:, None]) & left[2][:, :, None] & left[3][:, None]
        return dict(zip(values, (*hubs, float(same.sum() / (k * stay.sum()))), strict=True))

    return _jackknife(values, map(without, _groups(len(x), seed)))


def kernel_intervals(x: torch.Tensor, y: torch.Tensor, t: float = 2.0) -> dict[str, tuple]:
    """Return value, low and high of uniformity and MMD: each pair's part of the sum is taken away in turn."""
    found = {}
    sides = {"uniformity_x": potentials(x, x, t)[0], "uniformity_y": potentials(y, y, t)[0]}
    for name, sums in (sides | {"mmd": discrepancies(x, y, t)}).items():
        part, n = sums.cpu().numpy(), len(x)
        scale = np.asarray if name == "mmd" else np.log
        value = float(scale(part.sum() / (n * (n - 1))))
        error = (
            jackknife_error(scale((part.sum() - 2 * part) / ((n - 1) * (n - 2))))
            if n > 2
            else np.nan
        )
        found[name] = (value, value - Z95 * error, value + Z95 * error)
    return found


def _groups(n: int, seed: int) -> list[np.ndarray]:
    return np.array_split(np.random.default_rng(seed).permutation(n), min(GROUPS, n))


def _jackknife(values: dict[str, float], parts: Iterable[dict[str, float]]) -> dict[str, tuple]:
    """Return value, low and high of each measure from what it is without each group: Student's t on groups - 1."""
    from scipy.stats import t

    table = pd.DataFrame(list(parts))
    width = float(t.ppf(0.975, len(table) - 1)) * table.apply(jackknife_error)
    return {
        name: (value, value - width[name], value + width[name]) for name, value in values.items()
    }


def jackknife_error(left_out: np.ndarray) -> float:
    """Return the standard error of a measure from its values with each part left out in turn."""
    g = len(left_out)
    return float(((g - 1) / g * ((left_out - left_out.mean()) ** 2).sum()) ** 0.5)


def wilson(share: float, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % score interval of a share among n trials."""
    middle, spread = (
        share + Z95**2 / (2 * n),
        Z95 * (share * (1 - share) / n + (Z95 / (2 * n)) ** 2) ** 0.5,
    )
    low, high = (middle - spread) / (1 + Z95**2 / n), (middle + spread) / (1 + Z95**2 / n)
    return max(low, 0.0), min(high, 1.0)


class MeanInterval(NamedTuple):
    """A mean with its t-interval, and the standard deviation of the values behind it."""

    mean: float
    low: float
    high: float
    sd: float
    half_width: float


def t_interval(values: ArrayLike, confidence: float = 0.95) -> MeanInterval:
    """Return the mean of independent values with Student's t-interval, as over the seeds of a training.

    Parameters
    ----------
    values
        At least two independent, finite numbers, one a run: an array, a list or a pandas Series.
    confidence
        The share of such intervals that hold the true mean, between 0 and 1.

    Returns
    -------
    MeanInterval
        ``mean``, the ends ``low`` and ``high`` of the interval, ``sd``, the standard deviation of the values
        with n - 1 in its denominator, and ``half_width``, half of the length of the interval. All in the unit of
        the values.

    Raises
    ------
    PairsError
        Where there are fewer than two values, where one of them is not finite, and for a confidence that is not
        between 0 and 1.

    Notes
    -----
    ``half_width = t * sd / sqrt(n)``, with t the quantile ``(1 + confidence) / 2`` of Student's distribution with
    n - 1 degrees of freedom: 4.30 for three values, 2.78 for five, and 1.96 for very many. It is exact for normal
    values. With three values it is wide, and its width is itself a matter of chance.

    References
    ----------
    Student, The probable error of a mean, Biometrika 6 (1908).

    Examples
    --------
    >>> interval = t_interval([0.70, 0.72, 0.74])
    >>> round(interval.mean, 4), round(interval.half_width, 4)
    (0.72, 0.0497)
    """
    from scipy.stats import t as student_t

    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or len(array) < 2 or not np.isfinite(array).all():
        raise PairsError(
            "a t-interval needs a row of at least two finite numbers, one a run; "
            f"got {array.tolist() if array.size < 10 else f'an array of shape {array.shape}'}"
        )
    if not 0 < confidence < 1:
        raise PairsError(f"a confidence lies between 0 and 1, such as 0.95; got {confidence!r}")
    n = len(array)
    mean = float(array.mean())
    sd = float(array.std(ddof=1))
    half_width = float(student_t.ppf((1 + confidence) / 2, n - 1)) * sd / n**0.5
    return MeanInterval(mean, mean - half_width, mean + half_width, sd, half_width)
