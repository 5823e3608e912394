"""Measures from sums against those of rows, and redraws against sums over originals."""

import numpy as np
import pytest
import torch
from helpers import SIZES, sample, tensor_pair
from hypothesis import given, settings
from hypothesis import strategies as st

from gapbook.geometry import MEASURES, cka, modality_gap
from gapbook.geometry.kernels import cka_of
from gapbook.geometry.sum_measures import (
    covariance_measures,
    exact_measures,
    first_order_value,
    weighted_measures,
)
from gapbook.geometry.sums import PairCosines, PairSums, WeightedSums


def redraw(x, y, counts, dtype=torch.float64):
    weights = torch.tensor(counts[None]).to(dtype)
    return weighted_measures([WeightedSums.of(x, y, weights)])


@settings(max_examples=25)
@given(identical=st.booleans(), **SIZES)
def test_values_from_sums_are_those_of_rows(identical, n, d, shift, seed):
    x, y = tensor_pair(*sample(n, d, min(shift, 3), seed))
    if identical:
        y = x
    for name, value in exact_measures(PairSums.of(x, y)).items():
        expected = MEASURES[name].function(x, y)
        assert value == pytest.approx(expected, abs=1e-6, nan_ok=True), name


def test_a_redraw_is_the_measure_of_the_redrawn_pairs_without_copies():
    """Weights of 0, 1 and 2 against plain sums over different originals."""
    x, y = tensor_pair(*sample(9, 4, falling=True))
    counts = np.array([2, 0, 1, 1, 1, 0, 2, 1, 1])
    redrawn = redraw(x, y, counts)
    a = x.double().numpy()
    b = y.double().numpy()
    different = np.outer(counts, counts) - np.diag(counts**2)

    def mean(products):
        return (different * products).sum() / different.sum()

    paired = (counts * (a * b).sum(1)).sum() / 9
    distance = (counts * ((a - b) ** 2).sum(1)).sum() / 9
    squared_gap = mean((a - b) @ (a - b).T)
    assert redrawn["cosine_within_x"][0] == pytest.approx(mean(a @ a.T))
    assert redrawn["cosine_within_y"][0] == pytest.approx(mean(b @ b.T))
    assert redrawn["cosine_paired"][0] == pytest.approx(paired)
    assert redrawn["cosine_across"][0] == pytest.approx((8 * mean(a @ b.T) + paired) / 9)
    assert redrawn["alignment"][0] == pytest.approx(distance)
    assert redrawn["squared_gap_unbiased"][0] == pytest.approx(squared_gap)
    assert redrawn["modality_gap"][0] ** 2 == pytest.approx((8 * squared_gap + distance) / 9)
    within = 2 - mean(a @ a.T) - mean(b @ b.T)
    assert redrawn["relative_modality_gap"][0] == pytest.approx(distance / (distance + within))


def test_products_in_single_precision_are_good_enough_for_intervals():
    x, y = tensor_pair(*sample(9, 4, falling=True))
    counts = np.array([2, 0, 1, 1, 1, 0, 2, 1, 1])
    single = redraw(x, y, counts, torch.float32)
    for name, value in redraw(x, y, counts).items():
        assert single[name][0] == pytest.approx(value[0], abs=1e-6)


def test_one_pair_drawn_every_time_has_no_different_pairs():
    x, y = tensor_pair(*sample(4, 3))
    redrawn = redraw(x, y, np.array([0, 4, 0, 0]))
    assert np.isnan(redrawn["cosine_within_x"]).all()
    assert redrawn["cosine_paired"][0] == pytest.approx(float(x[1] @ y[1]))


def test_the_gap_from_sums_keeps_its_digits_near_zero():
    x, y = tensor_pair(*sample(500, 16, shift=0))
    y[:] = x
    assert first_order_value("modality_gap", x, y) == 0
    y[0] = -y[0]
    assert first_order_value("modality_gap", x, y) == pytest.approx(modality_gap(x, y), rel=1e-12)


def test_covariances_of_parts_give_the_measures_of_the_whole():
    x, y = tensor_pair(*sample(90, 7))
    merged = PairSums.of(x[30:], y[30:]) + PairSums.of(x[:30], y[:30])
    assert cka_of(merged, debiased=True) == pytest.approx(cka(x, y, debiased=True), abs=1e-12)
    assert covariance_measures(merged) == pytest.approx(covariance_measures(PairSums.of(x, y)))


@settings(max_examples=40, deadline=None)
@given(**SIZES)
def test_cosines_give_the_measures_of_covariances(n, d, shift, seed):
    """Over pairs or over dimensions, whichever is more: the same numbers."""
    x, y = tensor_pair(*sample(n, d, min(shift, 3), seed))
    # What is left of a direction after rounding counts in the rank where it is above 1e-13.
    over_dimensions = covariance_measures(PairSums.of(x, y))
    over_pairs = covariance_measures(PairCosines.of(x, y))
    assert over_pairs == pytest.approx(over_dimensions, rel=1e-9, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("collapsed", [(True, True), (True, False)])
def test_cosines_of_collapsed_rows_give_the_measures_of_covariances(collapsed):
    rows = tensor_pair(*sample(12, 40))
    x, y = (side[[0] * 12] if same else side for side, same in zip(rows, collapsed, strict=True))
    over_pairs = covariance_measures(PairCosines.of(x, y))
    expected = covariance_measures(PairSums.of(x, y))
    assert over_pairs == pytest.approx(expected, abs=1e-9, nan_ok=True)
    assert (over_pairs["effective_rank_x"], over_pairs["isoscore_x"]) == (1, 0)
    assert np.isnan(over_pairs["cka"])


def test_measures_over_parts_of_very_long_rows_are_those_of_all():
    x, y = tensor_pair(*sample(6, 3000))
    weights = torch.tensor([[1, 1, 1, 1, 1, 1], [2, 0, 1, 3, 0, 0], [0, 6, 0, 0, 0, 0]]).double()
    whole = weighted_measures([WeightedSums.of(x, y, weights)])
    in_parts = weighted_measures(WeightedSums.in_parts(x, y, weights))
    for name, value in whole.items():
        np.testing.assert_allclose(in_parts[name], value, rtol=1e-9, err_msg=name)


def test_sums_without_products_give_all_but_the_measures_of_covariances():
    x, y = tensor_pair(*sample(30, 7))
    exact = exact_measures(PairSums.of(x, y))
    some = exact_measures(PairSums.of(x, y, diagonals_only=True))
    assert set(exact) - set(some) == set(covariance_measures(PairSums.of(x, y)))
    for name, value in some.items():
        assert value == pytest.approx(exact[name], abs=1e-12), name
