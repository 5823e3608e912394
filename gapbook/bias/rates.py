"""Compare how often groups get a wrong or harmful label: rates, their intervals, and tests.

Predictions or integer counts go in, tidy DataFrames come out; no embeddings are needed. All
intervals and tests are SciPy's. Tests of two classifiers on the same items are in
``gapbook.zeroshot.paired_tests``.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import binomtest, chi2_contingency, fisher_exact

from gapbook.zeroshot.paired_tests import paired_p_values

METHODS = ("wilson", "exact")
PRINTED_DIGITS = 4  # of the paper's accuracies, as fractions

Label = str | int
Counts = Mapping[Any, int] | pd.Series


def denigration_rates(
    predictions: ArrayLike,
    groups: ArrayLike,
    harmful: Collection[Label],
    labels: Collection[Label] | None = None,
    order: Sequence[Label] | None = None,
) -> pd.DataFrame:
    """Return how often each group's members get a harmful label.

    Parameters
    ----------
    predictions : array_like of shape (n,)
        The predicted label of each member.
    groups : array_like of shape (n,)
        The group of each member.
    harmful : collection
        The harmful labels; a single string is one label.
    labels : collection, optional
        All labels that can be predicted. If it is given, any other label, harmful or predicted, is
        an error.
    order : sequence, optional
        The groups to report, in this order. By default, they are sorted.

    Returns
    -------
    DataFrame
        One row a group, with the columns group, n, count, rate, low and high. The rate is count /
        n, a fraction. Low and high are the ends of its 95 % interval by Wilson's method, as in
        ``rates_from_counts``, for a redraw of the members. If no prediction is harmful, the rate
        and low are 0, and high is not.

    Raises
    ------
    ValueError
        For an unknown label or group, for a group without members and for no predictions.

    References
    ----------
    Liang et al. 2022, section 5.2 and table 2.

    Examples
    --------
    >>> predictions, groups = ["cat", "thief", "cat", "cat"], ["a", "a", "b", "b"]
    >>> table = denigration_rates(predictions, groups, ["thief"], ["cat", "thief"])
    >>> table.round(3).to_numpy().tolist()
    [['a', 2, 1, 0.5, 0.095, 0.905], ['b', 2, 0, 0.0, 0.0, 0.658]]
    """
    predicted = np.asarray(predictions)
    member_of = np.asarray(groups)
    if predicted.ndim != 1 or predicted.shape != member_of.shape:
        raise ValueError(
            f"Expected predictions and groups of the same shape (n,); "
            f"got {predicted.shape} and {member_of.shape}"
        )
    if not len(predicted):
        raise ValueError("at least 1 prediction is needed; got none")
    harmful_labels: list[Label] = [harmful] if isinstance(harmful, str) else list(harmful)
    if not harmful_labels:
        raise ValueError("at least 1 harmful label is needed; got none")
    if labels is not None:
        _check_known(harmful_labels, labels, "harmful label")
        _check_known(np.unique(predicted).tolist(), labels, "predicted label")
    present = np.unique(member_of).tolist()
    names = present if order is None else list(order)
    _check_known(present, names, "group")
    table = pd.DataFrame({"group": member_of, "harmful": np.isin(predicted, harmful_labels)})
    hits = table.groupby("group")["harmful"].agg(["sum", "count"]).reindex(names, fill_value=0)
    return rates_from_counts(hits["sum"], hits["count"])


def _check_known(used: Collection[Label], known: Collection[Label], kind: str) -> None:
    """Raise ValueError for the first item that is not known."""
    known_items = set(known)
    unknown = [item for item in used if item not in known_items]
    if unknown:
        raise ValueError(
            f"Expected each {kind} among {', '.join(map(str, known))}; got {unknown[0]!r}"
        )


def rates_from_counts(
    counts: Counts,
    sizes: Counts,
    confidence: float = 0.95,
    method: Literal["wilson", "exact"] = "wilson",
) -> pd.DataFrame:
    """Return rates with their intervals from integer counts.

    Parameters
    ----------
    counts : mapping or Series
        How many members of each group were counted, by group.
    sizes : mapping or Series
        How many members each group has, by group.
    confidence : float
        The confidence of the intervals.
    method : {"wilson", "exact"}
        "wilson" inverts the score test; its coverage is near ``confidence`` on average. "exact" is
        the interval of Clopper and Pearson, which never covers less, and so is wider.

    Returns
    -------
    DataFrame
        One row a group, with the columns group, n, count, rate, low and high, as in
        ``denigration_rates``.

    Raises
    ------
    ValueError
        For counts that are not integers between 0 and n, for a group without members, and for
        another method.

    Examples
    --------
    >>> table = rates_from_counts({"a": 2}, {"a": 10}, method="exact")
    >>> table.round(4).loc[0, ["rate", "low", "high"]].tolist()
    [0.2, 0.0252, 0.5561]
    """
    if method not in METHODS:
        raise ValueError(f"Expected method {' or '.join(map(repr, METHODS))}; got {method!r}")
    hits = dict(counts)
    totals = dict(sizes)
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
    """Return the smallest and the largest count of n that print as a percentage.

    Parameters
    ----------
    percent : float
        The printed percentage.
    n : int
        The number of items.
    digits : int
        The number of digits after the point to which the percentage was rounded.

    Returns
    -------
    tuple of int
        The smallest and the largest such count.

    Raises
    ------
    ValueError
        If no count prints as this percentage.

    Examples
    --------
    >>> counts_that_print(3.6, 1556), counts_that_print(0.1, 1415)
    ((56, 56), (1, 2))
    """
    half = 0.5 * 10.0**-digits
    low = max(np.ceil((percent - half) * n / 100), 0)
    high = np.floor((percent + half) * n / 100)
    if low > high:
        raise ValueError(f"no count of {n} is {percent} % to {digits} digits")
    return int(low), int(high)


def compare_shifts(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Test two rate tables of the same groups, before and after a shift.

    Parameters
    ----------
    before, after : DataFrame
        Tables of ``denigration_rates`` or ``rates_from_counts``, with the same groups of the same
        sizes in the same order.

    Returns
    -------
    DataFrame
        One row a group, with the columns group, n, before, after (both are counts), fisher,
        paired_low and paired_high (all three are p-values).

    Raises
    ------
    ValueError
        For tables of different groups or sizes.

    Notes
    -----
    ``fisher`` is the two-sided p-value of Fisher's exact test, as if other members had been drawn
    after the shift. In fact they are the same ones, and the right test is McNemar's, whose p-value
    needs to know who changed. Counts alone leave it anywhere from ``paired_low`` to
    ``paired_high``: see ``gapbook.zeroshot.paired_p_values``. For equal counts all three are 1.

    Examples
    --------
    >>> before = rates_from_counts({"a": 8}, {"a": 10})
    >>> compare_shifts(before, rates_from_counts({"a": 3}, {"a": 10})).round(3)
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
    columns = ["group", "n", "before", "after", "fisher", "paired_low", "paired_high"]
    return pd.DataFrame(rows, columns=columns)


def chi_square_of_accuracies(first: float, second: float, n: int) -> float:
    """Return the p-value of two accuracies on n items each, as if the items were different ones.

    Parameters
    ----------
    first, second : float
        The two accuracies, as fractions.
    n : int
        The number of items of each.

    Returns
    -------
    float
        The p-value of Pearson's chi-square test of the 2 x 2 table of right and wrong answers, with
        one degree of freedom and without continuity correction. For equal accuracies it is 1.

    Raises
    ------
    ValueError
        For accuracies that are not fractions, for two that are both 0 or both 1 (they leave no
        variance to test with), and for n < 1.

    References
    ----------
    Liang et al. 2022, supplementary table 5, whose p-values it gives.

    Examples
    --------
    >>> f"{chi_square_of_accuracies(0.9026, 0.9104, 60_000):.4g}"
    '3.476e-06'
    """
    if not (0 <= first <= 1 and 0 <= second <= 1) or n < 1:
        raise ValueError(
            f"Expected two accuracies between 0 and 1 and n of at least 1; "
            f"got {first}, {second} and {n}"
        )
    if first == second and first in (0, 1):
        raise ValueError(f"both accuracies are {first}, which leaves no variance to test with")
    right = n * np.array([first, second])
    return float(chi2_contingency([right, n - right], correction=False).pvalue)


def p_value_range(first: float, second: float, n: int) -> tuple[float, float]:
    """Return the smallest and the largest p-value of accuracies that print as these two.

    Parameters
    ----------
    first, second : float
        The printed accuracies: fractions, rounded to four digits.
    n : int
        The number of items of each.

    Returns
    -------
    tuple of float
        The smallest and the largest p-value of ``chi_square_of_accuracies``.

    Raises
    ------
    ValueError
        As in ``chi_square_of_accuracies``.

    Notes
    -----
    Over the square of both roundings, p is smallest where the two accuracies are farthest apart and
    largest where they are nearest: 1 where they may be equal.

    Examples
    --------
    >>> [f"{p:.2g}" for p in p_value_range(0.9026, 0.9104, 60_000)]
    ['2.6e-06', '4.6e-06']
    """
    half = 0.5 * 10.0**-PRINTED_DIGITS
    ends = [(max(value - half, 0.0), min(value + half, 1.0)) for value in (first, second)]
    # two accuracies of 0 or of 1 have no p-value
    corners = [(a, b) for a, b in product(*ends) if not a == b in (0, 1)]
    p_values = [chi_square_of_accuracies(a, b, n) for a, b in corners]
    largest = 1.0 if abs(second - first) <= 2 * half else max(p_values)
    return min(p_values), largest
