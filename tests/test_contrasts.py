"""Comparisons of runs: contrasts paired by seed, and what a fit explains of their ends."""

import numpy as np
import pandas as pd
import pytest

from gapbook.contrasts import contrast_runs, explain_runs
from gapbook.exceptions import PairsError
from gapbook.geometry import t_interval

FACTORS = {
    "first": {"both": 0.5, "first": 0.5, "second": -0.5, "neither": -0.5},
    "interaction": {"both": 1, "first": -1, "second": -1, "neither": 1},
}


def ends_of(gaps, epochs=30):
    rows = [
        {"run": run, "epochs": epochs, "seed": seed, "gap": gap}
        for run, of_run in gaps.items()
        for seed, gap in enumerate(of_run)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def ends():
    start = np.array([0.2, 0.3, 0.1])
    gaps = {"neither": start, "first": start + 0.4, "second": start + 0.1, "both": start + 0.7}
    return ends_of(gaps)


def test_effects_of_two_factors_are_those_that_were_put_in(ends):
    found = contrast_runs(ends, FACTORS)
    assert found["mean"].to_numpy() == pytest.approx([0.5, 0.2])
    # what all runs of a seed share cancels
    assert found["half_width"].to_numpy() == pytest.approx([0, 0], abs=1e-12)


def test_interval_is_students_over_seeds():
    ends = ends_of({"a": [1.0, 2.0, 4.0], "b": [0.5, 0.5, 0.5]})
    row = contrast_runs(ends, {"a - b": {"a": 1, "b": -1}}).iloc[0]
    expected = t_interval([0.5, 1.5, 3.5])
    assert (row["low"], row["high"]) == pytest.approx((expected.low, expected.high))


def test_lengths_have_rows_of_their_own_and_few_seeds_no_interval():
    ends = pd.concat([ends_of({"a": [1.0, 2, 3]}), ends_of({"a": [0.5]}, epochs=300)])
    found = contrast_runs(ends, {"a": {"a": 1}})
    assert found.index.tolist() == [("a", 30), ("a", 300)]
    assert found["seeds"].tolist() == [3, 1]
    assert np.isnan(found.loc[("a", 300), "low"])


def test_seeds_that_lack_a_run_are_left_out():
    ends = ends_of({"a": [1.0, 2, 3], "b": [0.0, 1]})
    found = contrast_runs(ends, {"a - b": {"a": 1, "b": -1}})
    assert found["seeds"].tolist() == [2]


def test_runs_that_are_missing_or_there_twice_are_an_error():
    ends = ends_of({"a": [1.0]})
    with pytest.raises(PairsError, match="got c"):
        contrast_runs(ends, {"a - c": {"a": 1, "c": -1}})
    with pytest.raises(PairsError, match="twice"):
        contrast_runs(pd.concat([ends, ends]), {"a": {"a": 1}})


def made_runs(noise=0.0, n=60):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"tau": rng.normal(size=n), "loss": rng.normal(size=n)})
    table["variant"] = np.arange(n) % 6
    table["gap"] = 0.5 - 0.3 * table["tau"] + 0.1 * table["loss"] + noise * rng.normal(size=n)
    return table


def test_a_fit_finds_the_law_that_was_put_in():
    fit = explain_runs(made_runs(), "gap", ["tau", "loss"])
    expected = {"intercept": 0.5, "tau": -0.3, "loss": 0.1}
    assert fit.coefficients.to_dict() == pytest.approx(expected)
    assert fit.r2 == pytest.approx(1)
    assert fit.residuals.to_numpy() == pytest.approx(0, abs=1e-12)


def test_noise_lowers_what_is_explained_as_it_should():
    # A variance of 0.1 beside one of noise: R squared is about a half.
    runs = made_runs(noise=0.1**0.5, n=600)
    fit = explain_runs(runs, "gap", ["tau", "loss"])
    assert fit.r2 == pytest.approx(0.5, abs=0.1)
    assert fit.low < fit.r2 < fit.high
    assert fit.left_out < fit.r2
    values = runs["gap"].to_numpy()
    assert fit.r2 == pytest.approx(1 - fit.residuals.var(ddof=0) / values.var())


def test_the_interval_is_that_of_whole_groups_drawn_anew():
    runs = made_runs(noise=0.5)
    groups = [rows for _, rows in runs.groupby("variant")]
    rng = np.random.default_rng(5)
    shares = []
    for _ in range(1000):
        drawn = pd.concat([groups[i] for i in rng.integers(6, size=6)])
        x = np.column_stack([np.ones(len(drawn)), drawn[["tau", "loss"]]])
        residuals = np.linalg.lstsq(x, drawn["gap"])[1].item()
        shares.append(1 - residuals / len(drawn) / drawn["gap"].var(ddof=0))
    fit = explain_runs(runs, "gap", ["tau", "loss"])
    assert (fit.low, fit.high) == pytest.approx(np.quantile(shares, [0.025, 0.975]), abs=0.02)


def test_a_variant_with_a_level_of_its_own_is_not_predicted_by_the_others():
    runs = made_runs()[::-1]
    runs.loc[runs["variant"] == 0, "gap"] += 5
    fit = explain_runs(runs, "gap", ["tau", "loss"])
    assert fit.left_out < 0.1
    assert fit.residuals[runs["variant"] == 0].mean() > 3


def test_one_variant_or_a_missing_value_is_an_error():
    runs = made_runs()
    with pytest.raises(PairsError, match="two groups"):
        explain_runs(runs.assign(variant="a"), "gap", ["tau"])
    with pytest.raises(PairsError, match="finite"):
        explain_runs(runs.assign(tau=np.nan), "gap", ["tau"])
    with pytest.raises(PairsError, match="3 runs; got 2 and 2"):
        explain_runs(runs[:2], "gap", ["tau", "loss"])
