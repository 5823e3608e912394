"""Contrasts of runs: paired by seed, with intervals where there are enough of them."""

import numpy as np
import pandas as pd
import pytest

from gapbook.contrasts import contrast_runs
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
