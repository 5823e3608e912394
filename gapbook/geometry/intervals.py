"""95 % intervals for a redraw of the pairs, from sums that are reweighted or lose a part."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import norm
from scipy.stats import t as student_t

from gapbook.checks.parameters import require_integer
from gapbook.exceptions import PairsError
from gapbook.geometry.arrays import Array, as_array, to_numpy
from gapbook.geometry.group_sums import GroupSums, group_measures
from gapbook.geometry.kernels import covariance_sums, kernel_sums, mmd_terms
from gapbook.geometry.neighbors import (
    k_occurrence,
    nearest_candidates,
    occurrence_and_lists,
    overlap_and_lists,
    skewness,
)
from gapbook.geometry.sum_measures import covariance_measures, weighted_measures
from gapbook.geometry.sums import PairCosines, PairSums, WeightedSums
from gapbook.groups import first_rows, rows_in_order

# Half the width of a 95 % interval in standard errors, where a value is normally distributed.
Z95 = float(norm.ppf(0.975))
# Groups of pairs that are left out one at a time, where each costs a decomposition.
JACKKNIFE_GROUPS = 20
# Weights of a bootstrap that are held at once: 32 MB as float32.
WEIGHTS_AT_ONCE = 2**23


class Estimate(NamedTuple):
    """The value of a measure and both ends of its 95 % interval, NaN where there is none."""

    value: float
    low: float = np.nan
    high: float = np.nan


def bootstrap_intervals(
    x: Array, y: Array, seed: int, replicates: int, groups: np.ndarray | None = None
) -> dict[str, Estimate]:
    """Estimate the measures of first order of unit rows (n, d), by percentiles of a bootstrap.

    With ``groups`` (n,), numbered from 0, whole groups are drawn.
    """
    if groups is None:
        values = weighted_measures(WeightedSums.in_parts(x, y))
        redrawn = bootstrap(x, y, seed, replicates)
    else:
        sums = GroupSums.of(x, y, groups)
        values = group_measures(sums)
        redrawn = group_bootstrap(sums, seed, replicates)
    return _by_percentiles(values, redrawn)


def _by_percentiles(
    values: Mapping[str, np.ndarray], redrawn: Mapping[str, np.ndarray]
) -> dict[str, Estimate]:
    """Estimate by the percentiles 2.5 and 97.5 of redraws."""
    estimates = {}
    for name, value in values.items():
        # A redraw may be one pair n times, which has no different pairs.
        known = redrawn[name][~np.isnan(redrawn[name])]
        estimates[name] = Estimate(float(value[0]))
        if len(known):
            low, high = np.percentile(known, [2.5, 97.5])
            estimates[name] = Estimate(float(value[0]), float(low), float(high))
    return estimates


def bootstrap(x: Array, y: Array, seed: int, replicates: int) -> dict[str, np.ndarray]:
    """Measure redraws of the pairs with replacement to first order: {name: (replicates,)}."""
    parts = []
    step = max(1, WEIGHTS_AT_ONCE // len(x))
    for weights in _redraws(len(x), seed, replicates, step):
        # Products in float32 take half the time; the sums over tiles are float64.
        of_redraws = as_array(weights.astype(np.float32), like=x)
        parts.append(weighted_measures(WeightedSums.in_parts(x, y, of_redraws)))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def group_bootstrap(sums: GroupSums, seed: int, replicates: int) -> dict[str, np.ndarray]:
    """Measure redraws of whole groups with replacement to first order: {name: (replicates,)}."""
    parts = []
    # Sums over all dimensions are as many numbers as weights, where there are few groups.
    step = max(1, WEIGHTS_AT_ONCE // max(sums.x.shape))
    for weights in _redraws(len(sums.sizes), seed, replicates, step):
        parts.append(group_measures(sums, weights))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _redraws(n: int, seed: int, replicates: int, step: int) -> Iterator[np.ndarray]:
    """Yield how often each of n things is drawn in ``step`` redraws at a time: (step, n)."""
    rng = np.random.default_rng(seed)
    require_integer("replicates", replicates, low=1)
    for start in range(0, replicates, step):
        count = min(step, replicates - start)
        # Each replicate has n counters of its own.
        drawn = rng.integers(n, size=(count, n)) + n * np.arange(count)[:, None]
        yield np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)


def covariance_intervals(
    x: Array, y: Array, seed: int, groups: np.ndarray | None = None
) -> dict[str, Estimate]:
    """Estimate the measures of covariances of unit rows (n, d), by a jackknife of groups of pairs.

    A redraw with replacement repeats pairs, which by itself lowers the rank of n rows that are not
    far more than d. With ``groups`` (n,), numbered from 0, each part of the jackknife holds whole
    groups. Debiased CKA, which takes pairs as independent, then rests on the first of each.
    """
    whole = covariance_sums(x, y)
    left_out = []
    for group in jackknife_groups(len(x), seed, groups):
        if isinstance(whole, PairCosines):
            rest: PairSums | PairCosines = whole.without(group)
        else:
            rest = whole.without(x[group], y[group])
        left_out.append(covariance_measures(rest))
    estimates = jackknife(covariance_measures(whole), left_out)
    if groups is not None:
        first = first_rows(groups)
        of_first = covariance_intervals(x[first], y[first], seed)
        estimates["cka_debiased"] = of_first["cka_debiased"]
    return estimates


def neighbor_intervals(x: Array, y: Array, k: int, seed: int) -> dict[str, Estimate]:
    """Estimate hubness and neighbor agreement of unit rows (n, d), by a jackknife of groups.

    Lists of 2 k neighbors lose those of the group, and what is left is cut off at k.
    """
    # Values and lists share the cosines, which take most of the time.
    counts_y, x_to_y = occurrence_and_lists(x, y, k, 2 * k)
    counts_x, y_to_x = occurrence_and_lists(y, x, k, 2 * k)
    overlap, x_to_x, y_to_y = overlap_and_lists(x, y, k, 2 * k)
    values = {
        "hubness_image_to_text": skewness(counts_y),
        "hubness_text_to_image": skewness(counts_x),
        "neighbor_agreement": float(overlap.mean()),
    }
    lists = _NeighborLists(x_to_y, y_to_x, x_to_x, y_to_y)
    left_out = []
    for group in jackknife_groups(len(x), seed):
        stays = np.ones(len(x), dtype=bool)
        stays[group] = False
        left_out.append(_neighbor_measures(lists, stays, k))
    return jackknife(values, left_out)


def group_hubness_intervals(
    x: Array, y: Array, groups: np.ndarray, k: int, seed: int
) -> dict[str, Estimate]:
    """Estimate hubness of unit rows (n, d) in groups, by a jackknife of parts of the groups.

    A row of x is there once for its group, as in ``k_occurrence``.
    """
    occurrence = k_occurrence(x, y, k, groups)
    values = {f"hubness_{direction}": skewness(counts) for direction, counts in occurrence.items()}
    images = x[first_rows(groups)]
    # Rows of a group are often neighbors together, and are left out together.
    mean_size = -(-len(y) // len(images))
    x_to_y = nearest_candidates(images, y, 2 * k * mean_size)
    y_to_x = nearest_candidates(y, images, 2 * k)
    left_out = []
    for rows in jackknife_groups(len(x), seed, groups):
        stays_y = np.ones(len(y), dtype=bool)
        stays_y[rows] = False
        stays_x = np.ones(len(images), dtype=bool)
        stays_x[groups[rows]] = False
        left_out.append(
            {
                "hubness_image_to_text": _hubness_of_rest(x_to_y[stays_x], stays_y, k),
                "hubness_text_to_image": _hubness_of_rest(y_to_x[stays_y], stays_x, k),
            }
        )
    return jackknife(values, left_out)


def _hubness_of_rest(neighbors: np.ndarray, stays: np.ndarray, k: int) -> float:
    """Return the hubness of candidates that stay, ``neighbors`` (q, m) being those of queries."""
    chosen = _first_of_rest(neighbors, stays, k)
    return skewness(np.bincount(neighbors[chosen], minlength=len(stays))[stays])


def _first_of_rest(neighbors: np.ndarray, stays: np.ndarray, k: int) -> np.ndarray:
    """Return a mask of the k nearest of the neighbors that stay, (q, m)."""
    there = stays[neighbors]
    return there & (there.cumsum(1) <= k)


class _NeighborLists(NamedTuple):
    """Indices of the nearest rows, nearest first, (n, m) each: of y for rows of x, and so on."""

    x_to_y: np.ndarray
    y_to_x: np.ndarray
    x_to_x: np.ndarray
    y_to_y: np.ndarray


def _neighbor_measures(lists: _NeighborLists, stays: np.ndarray, k: int) -> dict[str, float]:
    """Return hubness and agreement of the pairs that stay, ``stays`` (n,) boolean."""

    def first_k(neighbors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the lists of rows that stay, and a mask of their k nearest entries that stay."""
        rows = neighbors[stays]
        return rows, _first_of_rest(rows, stays, k)

    rows_x, chosen_x = first_k(lists.x_to_x)
    rows_y, chosen_y = first_k(lists.y_to_y)
    same = rows_x[:, :, None] == rows_y[:, None]
    common = same & chosen_x[:, :, None] & chosen_y[:, None]
    return {
        "hubness_image_to_text": _hubness_of_rest(lists.x_to_y[stays], stays, k),
        "hubness_text_to_image": _hubness_of_rest(lists.y_to_x[stays], stays, k),
        "neighbor_agreement": float(common.sum() / (k * stays.sum())),
    }


def kernel_intervals(x: Array, y: Array) -> dict[str, Estimate]:
    """Estimate uniformity and MMD of unit rows (n, d), t = 2, by a jackknife of single pairs."""
    sharpness = 2.0
    terms_x = to_numpy(kernel_sums(x, x, sharpness)[0])
    terms_y = to_numpy(kernel_sums(y, y, sharpness)[0])
    terms_mmd = to_numpy(mmd_terms(x, y, sharpness))
    return {
        "uniformity_x": _without_single_pairs(terms_x, np.log),
        "uniformity_y": _without_single_pairs(terms_y, np.log),
        "mmd": _without_single_pairs(terms_mmd, np.asarray),
    }


def _without_single_pairs(terms: np.ndarray, scale: Callable[[ArrayLike], np.ndarray]) -> Estimate:
    """Estimate the scaled mean over different pairs; ``terms`` (n,) are the sums for each pair."""
    n = len(terms)
    value = float(scale(terms.sum() / (n * (n - 1))))
    if n == 2:
        return Estimate(value)
    # A pair has two places in the sum over ordered pairs of pairs.
    left_out = scale((terms.sum() - 2 * terms) / ((n - 1) * (n - 2)))
    half_width = Z95 * jackknife_error(left_out)
    return Estimate(value, value - half_width, value + half_width)


def jackknife_groups(n: int, seed: int, groups: np.ndarray | None = None) -> list[np.ndarray]:
    """Return the indices of n pairs in random parts of about the same size.

    With ``groups`` (n,), numbered from 0, each part holds whole groups.
    """
    if groups is not None:
        parts = jackknife_groups(int(groups.max()) + 1, seed)
        return [rows_in_order(groups, part) for part in parts]
    order = np.random.default_rng(seed).permutation(n)
    return np.array_split(order, min(JACKKNIFE_GROUPS, n))


def jackknife(
    values: Mapping[str, float], left_out: Iterable[Mapping[str, float]]
) -> dict[str, Estimate]:
    """Estimate by Student's t, of groups - 1 degrees, from the values without each group."""
    table = pd.DataFrame(list(left_out))
    quantile = float(student_t.ppf(0.975, len(table) - 1))
    estimates = {}
    for name, value in values.items():
        half_width = quantile * jackknife_error(table[name].to_numpy())
        estimates[name] = Estimate(value, value - half_width, value + half_width)
    return estimates


def jackknife_error(left_out: np.ndarray) -> float:
    """Return the standard error of a measure from its values with each part left out in turn."""
    parts = len(left_out)
    squares = (left_out - left_out.mean()) ** 2
    return float(((parts - 1) / parts * squares.sum()) ** 0.5)


def wilson_interval(share: float, n: float) -> Estimate:
    """Return a share among n trials with its score interval, that of Wilson.

    ``scipy.stats.binomtest`` gives the same for whole numbers of hits. Here a trial may count half:
    separability is a mean over both members of a pair. It begins at 0 where the share is 0, and
    ends at 1 where it is 1.

    Examples
    --------
    >>> [round(end, 4) for end in wilson_interval(0.5, 10)]
    [0.5, 0.2366, 0.7634]
    """
    shrinkage = 1 + Z95**2 / n
    center = (share + Z95**2 / (2 * n)) / shrinkage
    half_width = Z95 * (share * (1 - share) / n + (Z95 / (2 * n)) ** 2) ** 0.5 / shrinkage
    # Exactly so, where rounding leaves the ends beside 0 and 1.
    low = max(center - half_width, 0.0) if share > 0 else 0.0
    high = min(center + half_width, 1.0) if share < 1 else 1.0
    return Estimate(share, low, high)


def group_wilson_interval(hits: np.ndarray, groups: np.ndarray) -> Estimate:
    """Return the share of hits with the score interval for trials that come in groups.

    ``hits`` (n,) are 0 or 1, and ``groups`` (n,) numbered from 0. The interval is that of Wilson
    with the number of independent trials that has the variance of this share, which is ``r``: the
    variance is ``sum_g (h_g - r k_g)^2 / n^2`` with the hits h_g and trials k_g of each group. It
    is n where each group has one trial, about the number of groups where trials of a group are all
    alike, and taken as the number of groups where all trials are hits or none is.

    Examples
    --------
    >>> alike = group_wilson_interval(np.array([1, 1, 0, 0]), np.array([0, 0, 1, 1]))
    >>> [round(end, 4) for end in alike] == [round(end, 4) for end in wilson_interval(0.5, 2)]
    True
    """
    n = len(hits)
    share = float(hits.mean())
    sizes = np.bincount(groups)
    deviations = np.bincount(groups, hits) - share * sizes
    variance = float((deviations**2).sum()) / n**2
    trials = float(len(sizes))
    if 0 < share < 1:
        trials = float(n)
        if variance > 0:
            trials = min(trials, share * (1 - share) / variance)
    return wilson_interval(share, trials)


class MeanInterval(NamedTuple):
    """A mean with its t-interval, and the standard deviation of the values behind it."""

    mean: float
    low: float
    high: float
    sd: float
    half_width: float


def t_interval(values: ArrayLike, confidence: float = 0.95) -> MeanInterval:
    """Return the mean of independent values, such as those of seeds, with Student's t-interval.

    Parameters
    ----------
    values
        At least two independent, finite numbers, one a run: an array, a list or a pandas Series.
    confidence
        The share of such intervals that hold the true mean, between 0 and 1.

    Returns
    -------
    MeanInterval
        ``mean``, the ends ``low`` and ``high`` of the interval, ``sd``, the standard deviation of
        the values with n - 1 in its denominator, and ``half_width``, half of the length of the
        interval. All in the unit of the values.

    Raises
    ------
    PairsError
        Where there are fewer than two values, where one of them is not finite, and for a
        confidence that is not between 0 and 1.

    Notes
    -----
    ``half_width = t * sd / sqrt(n)``, with t the quantile ``(1 + confidence) / 2`` of Student's
    distribution with n - 1 degrees of freedom: 4.30 for three values, 2.78 for five, and 1.96 for
    very many. It is exact for normal values. With three values it is wide, and its width is itself
    a matter of chance.

    References
    ----------
    Student, The probable error of a mean, Biometrika 6 (1908).

    Examples
    --------
    >>> interval = t_interval([0.70, 0.72, 0.74])
    >>> round(interval.mean, 4), round(interval.half_width, 4)
    (0.72, 0.0497)
    """
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
