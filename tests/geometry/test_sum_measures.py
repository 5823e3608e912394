"""Measures from sums against those of rows, and redraws against sums over originals."""

import numpy as np
import pytest
import torch
from helpers import SIZES, sample
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
from gapbook.geometry.sums import PairSums, WeightedSums
from gapbook.pairs import unit_pair


def redraw(x, y, counts, dtype=torch.float64):
    weights = torch.tensor(counts[None]).to(dtype)
    return weighted_measures([WeightedSums.of(x, y, weights)])


@settings(max_examples=25)
@given(identical=st.booleans(), **SIZES)
def test_values_from_sums_are_those_of_rows(identical, n, d, shift, seed):
    x, y = unit_pair(*sample(n, d, min(shift, 3), seed))
    if identical:
        y = x
    for name, value in exact_measures(PairSums.of(x, y)).items():
        expected = MEASURES[name].function(x, y)
        assert value == pytest.approx(expected, abs=1e-6, nan_ok=True), name


def test_a_redraw_is_the_measure_of_the_redrawn_pairs_without_copies():
    """Weights of 0, 1 and 2 against plain sums over different originals."""
    x, y = unit_pair(*sample(9, 4, falling=True))
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
    x, y = unit_pair(*sample(9, 4, falling=True))
    counts = np.array([2, 0, 1, 1, 1, 0, 2, 1, 1])
    single = redraw(x, y, counts, torch.float32)
    for name, value in redraw(x, y, counts).items():
        assert single[name][0] == pytest.approx(value[0], abs=1e-6)


def test_one_pair_drawn_every_time_has_no_different_pairs():
    x, y = unit_pair(*sample(4, 3))
    redrawn = redraw(x, y, np.array([0, 4, 0, 0]))
    assert np.isnan(redrawn["cosine_within_x"]).all()
    assert redrawn["cosine_paired"][0] == pytest.approx(float(x[1] @ y[1]))


def test_the_gap_from_sums_keeps_its_digits_near_zero():
    x, y = unit_pair(*sample(500, 16, shift=0))
    y[:] = x
    assert first_order_value("modality_gap", x, y) == 0
    y[0] = -y[0]
    assert first_order_value("modality_gap", x, y) == pytest.approx(modality_gap(x, y), rel=1e-12)


def test_covariances_of_parts_give_the_measures_of_the_whole():
    x, y = unit_pair(*sample(90, 7))
    merged = PairSums.of(x[30:], y[30:]) + PairSums.of(x[:30], y[:30])
    assert cka_of(merged, debiased=True) == pytest.approx(cka(x, y, debiased=True), abs=1e-12)
    assert covariance_measures(merged) == pytest.approx(covariance_measures(PairSums.of(x, y)))
