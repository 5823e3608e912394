"""Tests of two classifiers on the same images, and of several at once."""

from typing import Any, NamedTuple

import numpy as np

from gapbook.exceptions import PairsError
from gapbook.geometry import Z95


class PairedTest(NamedTuple):
    """Two answers for each image: how many the second got right and the first did not, and the reverse.

    ``difference`` in accuracy with its 95 % interval ``low`` to ``high``, ``p`` of McNemar's exact test, and
    ``p_unpaired`` of the chi-square test without correction, which takes the two as samples of different images.
    """

    gained: int
    lost: int
    difference: float
    low: float
    high: float
    p: float
    p_unpaired: float


def mcnemar(before: Any, after: Any, labels: Any) -> PairedTest:
    """Compare two lists of predicted classes (n,) for the same images, by McNemar's exact test.

    p = probability, if each changed answer is as likely to be gained as lost, of a split as uneven: binomial(gained +
    lost, 1/2), two-sided; 1 where nothing changed. The interval is Bonett and Price's (2012): one is added to each of
    gained and lost, two to n, so that it has a width at zero changes. Raises ``PairsError`` for lists of different
    lengths.

    >>> test = mcnemar([0, 1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0, 1])
    >>> test.gained, test.lost, round(test.p, 5)
    (5, 1, 0.21875)
    """
    from scipy.stats import binomtest, chi2_contingency

    lists = [np.asarray(side) for side in (before, after, labels)]
    if (
        lists[0].ndim != 1
        or not len(lists[0])
        or any(side.shape != lists[0].shape for side in lists)
    ):
        raise PairsError(
            f"Expected before, after and labels of one shape (n,); got {[side.shape for side in lists]}"
        )
    first, second = lists[0] == lists[2], lists[1] == lists[2]
    n, gained, lost = len(first), int((second & ~first).sum()), int((first & ~second).sum())
    p = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    table = np.array([[side.sum(), (~side).sum()] for side in (first, second)])
    unpaired = (
        float(chi2_contingency(table, correction=False).pvalue) if table.sum(0).all() else 1.0
    )
    up, down = (gained + 1) / (n + 2), (lost + 1) / (n + 2)
    middle, half = up - down, Z95 * ((up + down - (up - down) ** 2) / (n + 2)) ** 0.5
    low, high = max(middle - half, -1.0), min(middle + half, 1.0)
    return PairedTest(gained, lost, (gained - lost) / n, low, high, p, unpaired)


def paired_test(before: Any, after: Any, labels: Any, groups: Any) -> PairedTest:
    """Compare two lists of predicted classes (n,) for the same images: ``mcnemar``, or by groups where they are larger.

    With g < n groups, ``p``, ``low`` and ``high`` are those of a t-test of the groups' mean gains, g - 1 degrees of
    freedom, which generalizes to other groups (writers), not to other images of these. Groups should be about equally
    large. No changed answer: p = 1, an interval of no width. Raises ``PairsError`` as ``mcnemar``, and for one group.

    >>> test = paired_test([0] * 6, [1, 0, 1, 0, 1, 1], [1] * 6, [0, 0, 1, 1, 2, 2])
    >>> round(test.difference, 3), round(test.p, 3)
    (0.667, 0.057)
    """
    from scipy.stats import ttest_1samp

    test = mcnemar(before, after, labels)
    names, unit, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if len(unit) != len(labels) or len(names) < 2:
        raise PairsError(
            f"Expected groups for {len(labels)} images, at least 2; got {len(unit)} of {len(names)}"
        )
    if len(names) == len(unit):
        return test
    right = [np.asarray(side) == np.asarray(labels) for side in (after, before)]
    means = np.bincount(unit, right[0].astype(float) - right[1]) / sizes
    if not means.any():
        return test._replace(p=1.0, low=0.0, high=0.0)
    found = ttest_1samp(means, 0)
    low, high = found.confidence_interval()
    return test._replace(p=float(found.pvalue), low=float(low), high=float(high))


def holm(p: Any) -> np.ndarray:
    """Return Holm's adjusted p-values (m,): below 5 % where the test survives a correction for all m.

    The i-th smallest of m is multiplied by m - i + 1, no result being smaller than one before it, and at most 1.
    Never larger than Bonferroni's, at the same guarantee for any dependence.

    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, float)
    order = values.argsort(kind="stable")
    steps = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    return np.minimum(steps, 1.0)[order.argsort(kind="stable")]
