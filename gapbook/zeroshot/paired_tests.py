"""Tests of two classifiers on the same images, from answers or counts, and of several at once."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from gapbook.exceptions import PairsError
from gapbook.geometry import Z95


class PairedTest(NamedTuple):
    """A comparison of two answers for each image.

    Attributes
    ----------
    gained : int
        How many images the second classifier got right and the first one did not.
    lost : int
        How many images the first classifier got right and the second one did not.
    difference : float
        The accuracy of the second classifier less that of the first, a fraction.
    low, high : float
        The ends of the 95 % interval of the difference.
    p : float
        The p-value of McNemar's exact test.
    p_unpaired : float
        The p-value of the chi-square test without correction, which takes the two lists of answers
        as samples of different images.
    """

    gained: int
    lost: int
    difference: float
    low: float
    high: float
    p: float
    p_unpaired: float


def mcnemar(before: ArrayLike, after: ArrayLike, labels: ArrayLike) -> PairedTest:
    """Compare two lists of predicted classes for the same images by McNemar's exact test.

    Parameters
    ----------
    before, after : array_like of shape (n,)
        The classes that the two classifiers predict.
    labels : array_like of shape (n,)
        The true classes.

    Returns
    -------
    PairedTest
        The counts, the difference with its interval, and the p-values.

    Raises
    ------
    PairsError
        If the three lists are empty or of different lengths.

    Notes
    -----
    If each changed answer is as likely to be gained as lost, the number of gained ones is
    binomial(gained + lost, 1/2). The p-value is the two-sided probability of a split as uneven as
    the observed one, and 1 where nothing changed. The interval is that of Bonett and Price: one is
    added to gained and to lost, two to n, so that it has a width even where nothing changed.

    References
    ----------
    Bonett and Price 2012 for the interval.

    Examples
    --------
    >>> test = mcnemar([0, 1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1])
    >>> test.gained, test.lost, round(test.p, 5)
    (5, 1, 0.21875)
    """
    right_before, right_after = _right_answers(before, after, labels)
    n = len(right_before)
    gained = int((right_after & ~right_before).sum())
    lost = int((right_before & ~right_after).sum())
    low, high = _bonett_price_interval(gained, lost, n)
    return PairedTest(
        gained,
        lost,
        (gained - lost) / n,
        low,
        high,
        float(_exact_p(min(gained, lost), gained + lost)),
        _unpaired_p(right_before, right_after),
    )


def paired_p_values(before: int, after: int, n: int) -> pd.DataFrame:
    """Return McNemar's exact p-value for each number of items that may have changed sides.

    Parameters
    ----------
    before, after : int
        How many of the n items were hits before, and how many are hits after a change.
    n : int
        The number of items.

    Returns
    -------
    DataFrame
        One row a possible number of changes, with the columns changed and p.

    Raises
    ------
    ValueError
        If a count is not between 0 and n.

    Notes
    -----
    The two counts fix the difference of gained and lost hits but not their sum, ``changed``. It can
    be any number of the parity of ``|after - before|``, from ``|after - before|``, where p = 2^(1 -
    changed), to min(before + after, 2 n - before - after). The p-value is 2 P(at most the fewer of
    the two | binomial(changed, 1/2)), at most 1. For equal counts it is always 1.

    Examples
    --------
    >>> paired_p_values(8, 3, 10).round(4).to_numpy().tolist()
    [[5.0, 0.0625], [7.0, 0.125], [9.0, 0.1797]]
    """
    if not (0 <= before <= n and 0 <= after <= n):
        raise ValueError(f"Expected counts between 0 and n; got {before} and {after} of {n}")
    net = abs(after - before)
    most = min(before + after, 2 * n - before - after)
    changed = np.arange(net, most + 1, 2)
    return pd.DataFrame({"changed": changed, "p": _exact_p((changed - net) // 2, changed)})


def paired_test(
    before: ArrayLike, after: ArrayLike, labels: ArrayLike, groups: ArrayLike
) -> PairedTest:
    """Compare two lists of predicted classes for the same images, where images come in groups.

    Parameters
    ----------
    before, after, labels : array_like of shape (n,)
        As in ``mcnemar``.
    groups : array_like of shape (n,)
        The group of each image, for example its writer. Groups should be of about equal size.

    Returns
    -------
    PairedTest
        The result of ``mcnemar`` if each image is a group of its own. Otherwise ``p``, ``low`` and
        ``high`` are those of a t-test of the groups' mean gains.

    Raises
    ------
    PairsError
        As in ``mcnemar``, and if there is only one group.

    Notes
    -----
    With g < n groups the t-test has g - 1 degrees of freedom. It generalizes to other groups
    (writers), not to other images of these groups. If no answer changed, p is 1 and the interval
    has no width.

    Examples
    --------
    >>> test = paired_test([0] * 6, [1, 0, 1, 0, 1, 1], [1] * 6, [0, 0, 1, 1, 2, 2])
    >>> round(test.difference, 3), round(test.p, 3)
    (0.667, 0.057)
    """
    from scipy.stats import ttest_1samp

    test = mcnemar(before, after, labels)
    right_before, right_after = _right_answers(before, after, labels)
    names, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(group) != len(right_before) or len(names) < 2:
        raise PairsError(
            f"Expected groups for {len(right_before)} images, at least 2; "
            f"got {len(group)} of {len(names)}"
        )
    if len(names) == len(group):
        return test
    gains = np.bincount(group, right_after.astype(float) - right_before) / sizes
    if not gains.any():
        return test._replace(p=1.0, low=0.0, high=0.0)
    of_groups = ttest_1samp(gains, 0)
    low, high = of_groups.confidence_interval()
    return test._replace(p=float(of_groups.pvalue), low=float(low), high=float(high))


def holm(p: Sequence[float] | np.ndarray | pd.Series) -> np.ndarray:
    """Return the p-values of several tests, adjusted by Holm's method.

    Parameters
    ----------
    p : sequence of m floats
        The p-values of the single tests.

    Returns
    -------
    ndarray of shape (m,)
        The adjusted p-values, in the order of the input. A value below 5 % means that the test
        survives a correction for all m.

    Notes
    -----
    The i-th smallest of m p-values is multiplied by m - i + 1. No result is smaller than an earlier
    one, and none exceeds 1. The result is never larger than Bonferroni's and gives the same
    guarantee, however the tests depend on each other.

    References
    ----------
    Holm 1979.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, float)
    order = values.argsort(kind="stable")
    factors = np.arange(len(values), 0, -1)
    adjusted = np.maximum.accumulate(values[order] * factors)
    back = order.argsort(kind="stable")
    return np.minimum(adjusted, 1.0)[back]


def _right_answers(
    before: ArrayLike, after: ArrayLike, labels: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Return which answers are right, before and after: two arrays of booleans (n,)."""
    first = np.asarray(before)
    second = np.asarray(after)
    truth = np.asarray(labels)
    shapes = [side.shape for side in (first, second, truth)]
    if truth.ndim != 1 or not len(truth) or len(set(shapes)) > 1:
        raise PairsError(f"Expected before, after and labels of one shape (n,); got {shapes}")
    return first == truth, second == truth


def _exact_p(fewer: int | np.ndarray, changed: int | np.ndarray) -> np.ndarray:
    """Return the two-sided p-value of ``fewer`` of ``changed`` coin tosses on the rarer side."""
    from scipy.stats import binom

    return np.minimum(1.0, 2 * binom.cdf(fewer, changed, 0.5))


def _unpaired_p(right_before: np.ndarray, right_after: np.ndarray) -> float:
    """Return the p-value of Pearson's chi-square test, 1 where all answers or none are right."""
    from scipy.stats import chi2_contingency

    table = np.array([[side.sum(), (~side).sum()] for side in (right_before, right_after)])
    if not table.sum(0).all():
        return 1.0
    return float(chi2_contingency(table, correction=False).pvalue)


def _bonett_price_interval(gained: int, lost: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of the difference of two accuracies on the same n images."""
    up = (gained + 1) / (n + 2)
    down = (lost + 1) / (n + 2)
    middle = up - down
    half_width = Z95 * ((up + down - (up - down) ** 2) / (n + 2)) ** 0.5
    return max(middle - half_width, -1.0), min(middle + half_width, 1.0)
