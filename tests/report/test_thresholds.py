"""Cuts of cosines, against counts by hand."""

import numpy as np
import pandas as pd
import pytest

from gapbook.exceptions import PairsError
from gapbook.report.thresholds import (
    answer_present_auc,
    cross_cosines,
    measure_cuts,
    threshold_table,
)


def test_cosines_of_partners_and_of_unrelated_pairs_by_hand(pairs):
    partners, unrelated = cross_cosines(pairs.x, pairs.y)
    assert unrelated.shape == (len(pairs), len(pairs) - 1)
    assert partners[3] == pytest.approx(float(pairs.x[3] @ pairs.y[3]), abs=1e-6)
    assert unrelated[3, 2] == pytest.approx(float(pairs.x[3] @ pairs.y[2]), abs=1e-6)
    assert unrelated[3, 3] == pytest.approx(float(pairs.x[3] @ pairs.y[4]), abs=1e-6)


def test_a_cut_lets_no_more_unrelated_pairs_pass_than_it_says(pairs):
    partners, unrelated = cross_cosines(pairs.x, pairs.y)
    table = threshold_table(pairs.x, pairs.y)
    assert table["threshold"].is_monotonic_increasing
    assert table["kept"].is_monotonic_decreasing
    for row in table.itertuples():
        passing = (unrelated > row.threshold).mean()
        assert row.false_share - 2 / unrelated.size <= passing <= row.false_share
        assert row.n_passing == round(passing * row.n_unrelated)
        assert row.kept == (partners > row.threshold).mean()
        assert row.kept_low <= row.kept <= row.kept_high
    assert table["kept"].iloc[0] > 0.5


def test_unrelated_rows_keep_as_much_as_passes():
    x, y = np.random.default_rng(0).standard_normal((2, 600, 16))
    table = threshold_table(x, y)
    np.testing.assert_allclose(table["kept"], table["false_share"], atol=0.03)
    np.testing.assert_allclose(answer_present_auc(x, y)["auc"], 0.5, atol=0.03)


def test_whether_the_answer_is_there_by_counting(pairs):
    few = pairs.subset(slice(0, 30))
    cosines = few.x @ few.y.T
    present = cosines.max(1)
    absent = (cosines - 3 * np.eye(30)).max(1)
    wins = present[:, None] > absent
    ties = present[:, None] == absent
    auc = answer_present_auc(few.x, few.y).set_index("direction")["auc"]
    assert auc["image_to_text"] == pytest.approx((wins + ties / 2).mean(), abs=2e-3)


def test_all_about_cuts_is_what_its_parts_say(pairs):
    cuts = measure_cuts(pairs.x, pairs.y, [0.2, 0.01])
    _, unrelated = cross_cosines(pairs.x, pairs.y)
    expected = threshold_table(pairs.x, pairs.y, [0.2, 0.01])
    pd.testing.assert_frame_equal(cuts.table, expected)
    pd.testing.assert_frame_equal(cuts.answer_present, answer_present_auc(pairs.x, pairs.y))
    assert cuts.at(0.012)["false_share"] == 0.01
    assert cuts.unrelated_counts.sum() == unrelated.size
    edges = np.linspace(-1, 1, 101)
    middle = (edges[1:] + edges[:-1]) / 2
    mean = (cuts.unrelated_counts * middle).sum() / unrelated.size
    assert mean == pytest.approx(unrelated.mean(), abs=0.01)


def test_of_many_pairs_some_are_drawn_for_cuts(pairs):
    some = measure_cuts(pairs.x, pairs.y, seed=1, sample=40)
    again = measure_cuts(pairs.x, pairs.y, seed=1, sample=40)
    other = measure_cuts(pairs.x, pairs.y, seed=2, sample=40)
    assert some.n_pairs == 40
    assert set(some.table["n_unrelated"]) == {40 * 39}
    pd.testing.assert_frame_equal(some.table, again.table)
    assert not some.table.equals(other.table)


def test_few_pairs_have_cuts_and_no_calibration():
    cuts = measure_cuts(np.eye(3), np.eye(3))
    assert cuts.calibration is None
    assert cuts.table["kept"].tolist() == [1, 1, 1]


def test_shares_lie_between_none_and_all(pairs):
    with pytest.raises(PairsError, match="Expected shares between 0 and 1; got"):
        threshold_table(pairs.x, pairs.y, [1.0])
    with pytest.raises(PairsError, match="at least 2 pairs are needed; got 1"):
        threshold_table([[1, 0]], [[1, 0]])


@pytest.mark.parametrize("function", [threshold_table, answer_present_auc, measure_cuts])
def test_a_sample_of_no_pairs_is_refused(function):
    with pytest.raises(PairsError, match="Expected sample as an integer from 2; got 0"):
        function(np.eye(4), np.eye(4), sample=0)


def test_one_share_may_stand_alone(pairs):
    alone = threshold_table(pairs.x, pairs.y, 0.1)
    pd.testing.assert_frame_equal(alone, threshold_table(pairs.x, pairs.y, [0.1]))
