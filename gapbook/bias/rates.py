"""Compare how often groups get a wrong or harmful label: rates with intervals, and tests for counts (chapter 5).

Predictions or integer counts in, tidy DataFrames out; no embeddings are needed. All intervals and tests are SciPy's.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binom, binomtest, chi2_contingency, fisher_exact

METHODS = ("wilson", "exact")


def denigration_rates(
    predictions: Sequence[Any] | np.ndarray,
    groups: Sequence[Any] | np.ndarray,
    harmful: Collection[Any],
    labels: Collection[Any] | None = None,
    order: Sequence[Any] | None = None,
    confidence: float = 0.95,
    method: str = "wilson",
) -> pd.DataFrame:
    """Return how often each group's members get a harmful label: columns group, n, count, rate, low, high.

    rate = (members of the group whose prediction is in ``harmful``) / n, a fraction; low and high bound it at
    ``confidence`` for a redraw of the members, as in ``rates_from_counts``. ``predictions`` and ``groups`` are (n,).
    ``labels``, where given, are all that can be predicted: anything else, harmful or predicted, is an error.
    ``order`` names the groups to report; without it they are sorted. No harmful prediction: 0, with low 0 and a high
    that is not. ValueError for an unknown label or group, a group with no members and for no predictions.
    Source: Liang et al. 2022, section 5.2 and table 2.

    >>> table = denigration_rates(["cat", "thief", "cat", "cat"], ["a", "a", "b", "b"], ["thief"], ["cat", "thief"])
    >>> table.round(3).to_numpy().tolist()
    [['a', 2, 1, 0.5, 0.095, 0.905], ['b', 2, 0, 0.0, 0.0, 0.658]]
    """
    predicted, member = np.asarray(predictions), np.asarray(groups)
    if predicted.ndim != 1 or predicted.shape != member.shape:
        raise ValueError(
            f"Expected predictions and groups of the same shape (n,); got {predicted.shape} and {member.shape}"
        )
    if not len(predicted):
        raise ValueError("at least 1 prediction is needed; got none")
    wanted = [harmful] if isinstance(harmful, str) else list(harmful)
    if not wanted:
        raise ValueError("at least 1 harmful label is needed; got none")
    if labels is not None:
        _all_known(wanted, labels, "harmful label")
        _all_known(np.unique(predicted).tolist(), labels, "predicted label")
    found = np.unique(member).tolist()
    names = found if order is None else list(order)
    _all_known(found, names, "group")
    hits = pd.Series(np.isin(predicted, wanted)).groupby(member).agg(["sum", "count"])
    hits = hits.reindex(names, fill_value=0)
    return rates_from_counts(hits["sum"], hits["count"], confidence, method)


def _all_known(used: Collection[Any], known: Collection[Any], kind: str) -> None:
    if unknown := [item for item in used if item not in set(known)]:
        raise ValueError(
            f"Expected each {kind} among {', '.join(map(str, known))}; got {unknown[0]!r}"
        )


def rates_from_counts(
    counts: Mapping[Any, int] | pd.Series,
    sizes: Mapping[Any, int] | pd.Series,
    confidence: float = 0.95,
    method: str = "wilson",
) -> pd.DataFrame:
    """Return the same table from integer counts: ``counts`` of ``sizes`` members, both by group.

    ``method`` "wilson" inverts the score test, with coverage near ``confidence`` on average; "exact" is Clopper and
    Pearson's interval, which never covers less, and so is wider. ValueError for counts that are not between 0 and n,
    for a group with no members, and for another method.

    >>> rates_from_counts({"a": 2}, {"a": 10}, method="exact").round(4).loc[0, ["rate", "low", "high"]].tolist()
    [0.2, 0.0252, 0.5561]
    """
    if method not in METHODS:
        raise ValueError(f"Expected method {' or '.join(map(repr, METHODS))}; got {method!r}")
    hits, totals = dict(counts), dict(sizes)
    if hits.keys() != totals.keys() or not hits:
        raise ValueError(
            f"Expected counts and sizes of the same groups; got {list(hits)} and {list(totals)}"
        )
    rows: list[tuple] = []
    for group, hit in hits.items():
        n = totals[group]
        if n == 0:
            raise ValueError(f"group {group!r} has no members, and so no rate; leave it out")
        if int(hit) != hit or int(n) != n or not 0 <= hit <= n:
            raise ValueError(
                f"Expected a count between 0 and n, both integers, for {group!r}; got {hit} of {n}"
            )
        test = binomtest(int(hit), int(n))
        interval = test.proportion_ci(confidence, method)
        rows.append((group, int(n), int(hit), test.statistic, interval.low, interval.high))
    return pd.DataFrame(rows, columns=["group", "n", "count", "rate", "low", "high"])


def counts_that_print(percent: float, n: int, digits: int = 1) -> tuple[int, int]:
    """Return the least and the most of n that print as this percentage, rounded to ``digits``.

    ValueError where no count does.

    >>> counts_that_print(3.6, 1556), counts_that_print(0.1, 1415)
    ((56, 56), (1, 2))
    """
    half = 0.5 * 10.0**-digits
    low, high = np.ceil((percent - half) * n / 100), np.floor((percent + half) * n / 100)
    low = max(low, 0)
    if low > high:
        raise ValueError(f"no count of {n} is {percent} % to {digits} digits")
    return int(low), int(high)


def compare_shifts(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Test two rate tables of the same groups: columns group, n, before, after, fisher, paired_low, paired_high.

    before and after are counts. ``fisher`` is Fisher's exact p, two-sided, as if other members had been drawn after
    the shift. They are the same ones: the right test is McNemar's, whose p needs to know who changed. Counts alone
    leave it anywhere from ``paired_low`` to ``paired_high``, see ``paired_p_values``. Equal counts: all three 1.
    ValueError for tables of different groups or sizes.

    >>> compare_shifts(rates_from_counts({"a": 8}, {"a": 10}), rates_from_counts({"a": 3}, {"a": 10})).round(3)
      group   n  before  after  fisher  paired_low  paired_high
    0     a  10       8      3    0.07       0.062         0.18
    """
    if before[["group", "n"]].to_numpy().tolist() != after[["group", "n"]].to_numpy().tolist():
        raise ValueError(
            "Expected two rate tables with the same groups, of the same sizes and in the same order"
        )
    rows: list[tuple] = []
    for group, n, first, second in zip(
        before["group"], before["n"], before["count"], after["count"], strict=True
    ):
        unpaired = fisher_exact([[first, n - first], [second, n - second]]).pvalue
        paired = paired_p_values(first, second, n)["p"]
        rows.append((group, n, first, second, unpaired, paired.min(), paired.max()))
    return pd.DataFrame(
        rows, columns=["group", "n", "before", "after", "fisher", "paired_low", "paired_high"]
    )


def paired_p_values(before: int, after: int, n: int) -> pd.DataFrame:
    """Return McNemar's exact p for each number of items that may have changed sides: columns changed, p.

    Of n items, ``before`` were hits and ``after`` are, which fixes the difference of gained and lost hits but not their
    sum, ``changed``: any number of its parity from |after - before| (p = 2^(1 - changed)) to
    min(before + after, 2 n - before - after). p = 2 P(at most the fewer of the two | binomial(changed, 1/2)), at most
    1. Equal counts: always 1. ValueError for counts that are not between 0 and n.

    >>> paired_p_values(8, 3, 10).round(4).to_numpy().tolist()
    [[5.0, 0.0625], [7.0, 0.125], [9.0, 0.1797]]
    """
    if not (0 <= before <= n and 0 <= after <= n):
        raise ValueError(f"Expected counts between 0 and n; got {before} and {after} of {n}")
    net = abs(after - before)
    changed = np.arange(net, min(before + after, 2 * n - before - after) + 1, 2)
    p = np.minimum(1, 2 * binom.cdf((changed - net) // 2, changed, 0.5))
    return pd.DataFrame({"changed": changed, "p": p})


def chi_square_of_accuracies(first: float, second: float, n: int) -> float:
    """Return the p-value of two accuracies on n items each, as if the items were different ones.

    Pearson's chi-square of the 2 x 2 table of right and wrong, without continuity correction, one degree of freedom.
    Equal accuracies: 1. ValueError for accuracies that are not fractions, for both 0 or both 1 (no variance to test
    with) and for n < 1. Source: Liang et al. 2022, supplementary table 5, whose p-values it gives.

    >>> f"{chi_square_of_accuracies(0.9026, 0.9104, 60_000):.4g}"
    '3.476e-06'
    """
    if not (0 <= first <= 1 and 0 <= second <= 1) or n < 1:
        raise ValueError(
            f"Expected two accuracies between 0 and 1 and n of at least 1; got {first}, {second} and {n}"
        )
    if first == second and first in (0, 1):
        raise ValueError(f"both accuracies are {first}, which leaves no variance to test with")
    right = n * np.array([first, second])
    return float(chi2_contingency([right, n - right], correction=False).pvalue)


def p_value_range(first: float, second: float, n: int, digits: int = 4) -> tuple[float, float]:
    """Return the least and the largest p-value of accuracies that print as these two, rounded to ``digits``.

    Over the square of both roundings p is least where the two are farthest apart and largest where they are nearest:
    1 where they may be equal. ValueError as for ``chi_square_of_accuracies``.

    >>> [f"{p:.2g}" for p in p_value_range(0.9026, 0.9104, 60_000)]
    ['2.6e-06', '4.6e-06']
    """
    half = 0.5 * 10.0**-digits
    ends = [(max(value - half, 0.0), min(value + half, 1.0)) for value in (first, second)]
    corners = [chi_square_of_accuracies(a, b, n) for a, b in product(*ends) if not a == b in (0, 1)]
    return min(corners), 1.0 if abs(second - first) <= 2 * half else max(corners)
