"""Measures of first order of pairs in groups, against plain arithmetic and against pairs."""

import numpy as np
import pytest
from helpers import exact, sample

from gapbook.geometry.group_sums import GroupSums, group_measures
from gapbook.geometry.sum_measures import weighted_measures
from gapbook.geometry.sums import WeightedSums
from gapbook.pairs import unit_pair

SIZES = [1, 4, 2, 3, 1, 2]
GROUPS = np.random.default_rng(0).permutation(np.repeat(np.arange(6), SIZES))
# Numbered in the order in which they come.
GROUPS = np.unique(GROUPS, return_index=True)[1].argsort().argsort()[GROUPS]


def grouped_rows(noise=1.0):
    images, _ = sample(6, 5, seed=1)
    x = images[GROUPS]
    y = x + noise * np.random.default_rng(2).normal(size=x.shape) - 1
    return unit_pair(x, y.astype(np.float32))


def plain_measures(x, y, labels, groups, f):
    """Measure drawn rows; ``groups`` are those of the rows, drawn as often as they are there."""
    x = exact(x)
    y = exact(y)
    other = groups[:, None] != groups[None]
    # Draws of one group are never compared.
    own = labels[:, None] == labels[None]

    def average(products):
        return (1 - f) * products[other].mean() + f * products[own].mean()

    gap = x - y
    return {
        "cosine_within_x": (x @ x.T)[other].mean(),
        "cosine_within_y": (y @ y.T)[other].mean(),
        "cosine_paired": (x * y).sum(1).mean(),
        "cosine_across": average(x @ y.T),
        "alignment": (gap**2).sum(1).mean(),
        "squared_gap_unbiased": (gap @ gap.T)[other].mean(),
        "modality_gap": average(gap @ gap.T) ** 0.5,
    }


def test_measures_of_the_sample_by_plain_arithmetic():
    x, y = grouped_rows()
    measures = group_measures(GroupSums.of(x, y, GROUPS))
    f = (np.bincount(GROUPS) ** 2).sum() / len(x) ** 2
    expected = plain_measures(x, y, GROUPS, GROUPS, f)
    for name, value in expected.items():
        assert measures[name][0] == pytest.approx(value, abs=1e-7), name
    # These are plain averages over all rows.
    gap = exact(x).mean(0) - exact(y).mean(0)
    assert measures["modality_gap"][0] == pytest.approx(np.linalg.norm(gap), abs=1e-7)
    assert measures["cosine_across"][0] == pytest.approx((exact(x) @ exact(y).T).mean(), abs=1e-7)
    shares = np.sort(gap**2)[::-1]
    expected_share = shares[:2].sum() / shares.sum()
    assert measures["gap_share_top2"][0] == pytest.approx(expected_share, abs=1e-7)


@pytest.mark.parametrize("seed", range(5))
def test_measures_of_a_redraw_are_those_of_the_rows_that_it_draws(seed):
    x, y = grouped_rows()
    drawn = np.random.default_rng(seed).integers(6, size=6)
    weights = np.bincount(drawn, minlength=6)[None]
    measures = group_measures(GroupSums.of(x, y, GROUPS), weights)
    rows = []
    draws = []
    for number, group in enumerate(drawn):
        for row in np.flatnonzero(group == GROUPS):
            rows.append(row)
            draws.append(number)
    f = (np.bincount(GROUPS) ** 2).sum() / len(x) ** 2
    expected = plain_measures(x[rows], y[rows], np.array(draws), GROUPS[rows], f)
    for name, value in expected.items():
        assert measures[name][0] == pytest.approx(value, abs=1e-7), name


def test_groups_of_one_pair_have_the_measures_of_pairs():
    x, y = unit_pair(*sample(40, 7))
    rng = np.random.default_rng(0)
    draws = [np.bincount(rng.integers(40, size=40), minlength=40) for _ in range(9)]
    weights = np.array([np.ones(40), *draws])
    plain = weighted_measures([WeightedSums.of(x, y, weights)])
    grouped = group_measures(GroupSums.of(x, y, np.arange(40)), weights)
    assert list(grouped) == list(plain)
    for name, values in plain.items():
        np.testing.assert_allclose(grouped[name], values, rtol=1e-9, atol=1e-12, err_msg=name)


def test_one_group_drawn_alone_has_no_other():
    x, y = grouped_rows()
    measures = group_measures(GroupSums.of(x, y, GROUPS), np.array([[6, 0, 0, 0, 0, 0]]))
    assert np.isnan(measures["cosine_within_x"]).all()
    assert np.isfinite(measures["cosine_paired"]).all()
