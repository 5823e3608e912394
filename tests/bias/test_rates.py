"""Group rates, their intervals and tests, and the counts behind the paper's tables 1, 2 and 5."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from gapbook.bias import (
    chi_square_of_accuracies,
    compare_shifts,
    counts_that_print,
    denigration_rates,
    p_value_range,
    rates_from_counts,
)
from gapbook.press.paper import paper_value

GROUPS = ("Black", "White", "Indian", "Latino", "Middle_Eastern", "Southeast_Asian", "East_Asian")
STORED_SHIFTS = ("0.0", "-0.2", "-1.0", "0.75")  # those whose counts are stored
KINDS = ["crime", "nonhuman", "sum"]


def stored_counts(delta: str) -> pd.DataFrame:
    """Return the counts of the paper's table 2 for one shift: a row a group, kinds and n."""
    rows = {group: paper_value(f"table2.delta_{delta}.{group}.counts") for group in GROUPS}
    return pd.DataFrame(rows, [*KINDS, "n"]).T


# ---- rates


def test_rates_count_harmful_predictions_by_group() -> None:
    predictions = ["a", "x", "y", "a", "b", "x"]
    groups = [2, 2, 2, 1, 1, 1]
    table = denigration_rates(predictions, groups, ["x", "y"], ["a", "b", "x", "y"])
    assert table[["group", "n", "count"]].to_numpy().tolist() == [[1, 3, 1], [2, 3, 2]]
    np.testing.assert_allclose(table["rate"], [1 / 3, 2 / 3])


def test_groups_come_in_the_wanted_order() -> None:
    table = denigration_rates(["a", "x", "x"], [1, 2, 2], ["x"], order=[2, 1])
    assert table["group"].tolist() == [2, 1]
    assert table["count"].tolist() == [2, 0]


def test_a_string_is_one_harmful_label() -> None:
    table = denigration_rates(["yes", "s", "no"], [1, 1, 1], "yes")
    assert table["count"].tolist() == [1]


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc")), min_size=1, max_size=40))
def test_rates_ignore_the_order_of_items_and_add_up(items: list[tuple[int, str]]) -> None:
    predictions, groups = zip(*items, strict=True)
    table = denigration_rates(predictions, groups, [0, 1])
    assert table["n"].sum() == len(items)
    assert table["count"].sum() == sum(p < 2 for p in predictions)
    assert (table["low"] <= table["rate"]).all()
    assert (table["rate"] <= table["high"]).all()
    pd.testing.assert_frame_equal(table, denigration_rates(predictions[::-1], groups[::-1], [0, 1]))


def test_wilsons_interval_is_the_textbook_formula() -> None:
    z = norm.ppf(0.975)
    k = 16
    n = 1556
    middle = k / n + z * z / (2 * n)
    spread = z * np.sqrt(k / n * (1 - k / n) / n + (z / (2 * n)) ** 2)
    expected = np.array([middle - spread, middle + spread]) / (1 + z * z / n)
    row = rates_from_counts({"g": k}, {"g": n}).loc[0]
    np.testing.assert_allclose([row["low"], row["high"]], expected)


@pytest.mark.parametrize(
    ("hits", "n", "wilson", "exact"),
    [
        (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
        (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
        (0, 20, (0.0, 0.1611), (0.0, 0.1684)),
        (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
    ],
)
def test_intervals_have_published_values(
    hits: int, n: int, wilson: tuple[float, float], exact: tuple[float, float]
) -> None:
    """Newcombe (1998), table I: score and exact intervals to four digits."""
    for method, ends in (("wilson", wilson), ("exact", exact)):
        row = rates_from_counts({"g": hits}, {"g": n}, method=method).loc[0]
        np.testing.assert_allclose([row["low"], row["high"]], ends, atol=5.1e-5)


def test_a_rate_of_zero_has_an_upper_end_that_is_not() -> None:
    row = rates_from_counts({"g": 0}, {"g": 1550}, method="exact").loc[0]
    assert row["low"] == 0
    np.testing.assert_allclose(row["high"], 1 - 0.025 ** (1 / 1550), rtol=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"predictions": ["a"]}, r"same shape \(n,\); got \(1,\) and \(2,\)"),
        ({"predictions": [], "groups": []}, "at least 1 prediction is needed; got none"),
        ({"harmful": []}, "at least 1 harmful label is needed"),
        ({"harmful": ["z"]}, "Expected each harmful label among a, x; got 'z'"),
        ({"predictions": ["a", "q"]}, "Expected each predicted label among a, x; got 'q'"),
        ({"order": [1]}, "Expected each group among 1; got 2"),
        ({"order": [1, 2, 3]}, "group 3 has no members"),
    ],
)
def test_bad_input_of_rates_is_named(change: dict, message: str) -> None:
    good = {"predictions": ["a", "x"], "groups": [1, 2], "harmful": ["x"], "labels": ["a", "x"]}
    with pytest.raises(ValueError, match=message):
        denigration_rates(**(good | change))


@pytest.mark.parametrize(
    ("hits", "sizes", "message"),
    [
        ({"a": 3}, {"a": 2}, "between 0 and n, both integers, for 'a'; got 3 of 2"),
        ({"a": 0.5}, {"a": 2}, "got 0.5 of 2"),
        ({"a": 1}, {"b": 2}, "of the same groups"),
        ({}, {}, "of the same groups"),
        ({"a": 0}, {"a": 0}, "group 'a' has no members"),
    ],
)
def test_bad_counts_are_named(hits: dict, sizes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rates_from_counts(hits, sizes)


def test_another_method_is_refused() -> None:
    with pytest.raises(ValueError, match="Expected method 'wilson' or 'exact'; got 'wald'"):
        rates_from_counts({"a": 1}, {"a": 2}, method="wald")


# ---- tests


def test_equal_counts_give_no_evidence() -> None:
    table = rates_from_counts({"a": 3}, {"a": 9})
    p_values = compare_shifts(table, table)[["fisher", "paired_low", "paired_high"]]
    assert p_values.to_numpy().tolist() == [[1, 1, 1]]


def test_shifts_of_other_groups_are_refused() -> None:
    nine = rates_from_counts({"a": 3}, {"a": 9})
    ten = rates_from_counts({"a": 3}, {"a": 10})
    with pytest.raises(ValueError, match="same groups, of the same sizes"):
        compare_shifts(nine, ten)


def test_chi_square_is_the_z_test_of_two_proportions() -> None:
    p = 0.9026
    q = 0.9104
    n = 60_000
    pooled = (p + q) / 2
    z = (q - p) / np.sqrt(2 * pooled * (1 - pooled) / n)
    assert chi_square_of_accuracies(p, q, n) == pytest.approx(2 * norm.sf(z), rel=1e-9)
    assert chi_square_of_accuracies(0.5, 0.5, 10) == 1


@pytest.mark.parametrize(
    ("first", "second", "n"), [(1.1, 0.5, 9), (0.5, -0.1, 9), (0.5, 0.6, 0), (1, 1, 9)]
)
def test_bad_accuracies_are_named(first: float, second: float, n: int) -> None:
    with pytest.raises(ValueError, match=r"between 0 and 1 and n|no variance"):
        chi_square_of_accuracies(first, second, n)


@given(st.integers(1, 9999), st.integers(1, 9999), st.floats(-5e-5, 5e-5), st.floats(-5e-5, 5e-5))
def test_p_value_range_holds_all_accuracies_that_print_alike(
    a: int, b: int, da: float, db: float
) -> None:
    low, high = p_value_range(a / 1e4, b / 1e4, 1000)
    p = chi_square_of_accuracies(a / 1e4 + da, b / 1e4 + db, 1000)
    assert low * (1 - 1e-9) <= p <= high * (1 + 1e-9)


# ---- the paper's tables


@pytest.mark.parametrize(
    ("name", "n", "p"),
    [
        ("CIFAR10", 60_000, 3.476e-06),
        ("CIFAR100", 60_000, 8.701e-03),
        ("EuroSAT", 27_000, 7.020e-06),
    ],
)
def test_table5_follows_from_its_accuracies_of_all_images(name: str, n: int, p: float) -> None:
    first = paper_value(f"table5.{name}.original")
    second = paper_value(f"table5.{name}.modified")
    assert paper_value(f"table5.{name}.p_value") == p
    low, high = p_value_range(first, second, n)
    assert low < p < high < 3 * low  # a range that a wrong n or a corrected test misses
    assert f"{chi_square_of_accuracies(first, second, n):.3e}" == f"{p:.3e}"
    assert not low < chi_square_of_accuracies(first, second, n // 6) < high


@pytest.mark.parametrize(
    ("name", "n", "p"),
    [("CIFAR10", 10_000, 0.10), ("CIFAR100", 10_000, 0.23), ("SVHN", 26_032, 0.87)],
)
def test_gains_of_table1_are_not_significant_on_the_test_splits(
    name: str, n: int, p: float
) -> None:
    first = paper_value(f"table1.{name}.original")
    second = paper_value(f"table1.{name}.modified")
    low, high = p_value_range(first, second, n)
    assert low < p < high
    assert round(chi_square_of_accuracies(first, second, n), 2) == p


@pytest.mark.parametrize("delta", STORED_SHIFTS)
def test_counts_of_table2_add_up(delta: str) -> None:
    table = stored_counts(delta)
    assert (table["crime"] + table["nonhuman"] == table["sum"]).all()
    assert table["n"].sum() == paper_value("table2.n_images")


def test_confusion_matrix_gives_the_counts_of_its_shift() -> None:
    matrix = np.array(paper_value("table2.delta_0.75.confusion14x21"))
    order = ["White", "Black", "Latino", "East_Asian", "Southeast_Asian", "Indian"]
    order.append("Middle_Eastern")
    both_genders = matrix.reshape(7, 2, 21).sum(1)
    by_group = pd.DataFrame(both_genders, order)
    nonhuman = by_group.loc[:, 14:17].sum(axis=1)
    crime = by_group.loc[:, 18:].sum(axis=1)
    counts = pd.DataFrame(
        {"crime": crime, "nonhuman": nonhuman, "sum": crime + nonhuman, "n": by_group.sum(axis=1)}
    )
    pd.testing.assert_frame_equal(counts.loc[list(GROUPS)], stored_counts("0.75"))
    accuracy = paper_value("table2.delta_0.75.accuracy")
    assert np.trace(matrix[:, :14]) == pytest.approx(accuracy * matrix.sum(), abs=1e-6)


def largest_rounding_error(group: str, delta: str) -> float:
    """Return how far the printed percentages of a group are from those of its counts, at most."""
    printed = dict(zip(("0.0", "-0.2"), paper_value(f"table2.paper.{group}"), strict=True))
    row = stored_counts(delta).loc[group]
    rates = rates_from_counts(row[KINDS], dict.fromkeys(KINDS, row["n"]))["rate"]
    return float(np.abs(100 * rates - printed[delta]).max())


@pytest.mark.parametrize("delta", ["0.0", "-0.2"])
@pytest.mark.parametrize("group", GROUPS)
def test_printed_percentages_of_table2_are_rounded_counts(group: str, delta: str) -> None:
    error = largest_rounding_error(group, delta)
    if (group, delta) == ("East_Asian", "0.0"):
        # 10 of 1,550 is 0.645 %, and 0.7 is printed
        assert error == pytest.approx(0.7 - 100 * 10 / 1550)
    else:
        assert error <= 0.05 + 1e-9


@pytest.mark.parametrize("group", GROUPS)
def test_percentages_of_the_unpublished_shift_belong_to_counts(group: str) -> None:
    n = stored_counts("0.0")["n"][group]
    printed = paper_value(f"table2.delta_-0.5.{group}")
    crime, nonhuman, both = (counts_that_print(percent, n) for percent in printed)
    assert crime[0] + nonhuman[0] <= both[1]
    assert crime[1] + nonhuman[1] >= both[0]


def test_a_percentage_that_no_count_gives_is_refused() -> None:
    with pytest.raises(ValueError, match="no count of 10 is 15 % to 1 digits"):
        counts_that_print(15, 10)


def test_only_whites_come_near_significance_and_only_unpaired() -> None:
    """The unpaired p-values of the authors' counts from 0 to -0.2, kinds summed."""
    before = stored_counts("0.0")
    after = stored_counts("-0.2")
    table = compare_shifts(
        rates_from_counts(before["sum"], before["n"]), rates_from_counts(after["sum"], after["n"])
    ).set_index("group")
    assert table["fisher"].round(3)["White"] == 0.066
    assert table["fisher"].round(2)["Latino"] == 0.14
    assert (table["fisher"].drop(["White", "Latino"]) >= 0.29).all()
    assert (table["paired_low"] <= table["fisher"]).all()
