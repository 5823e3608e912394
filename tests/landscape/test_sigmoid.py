"""The sigmoid loss of SigLIP."""

import numpy as np
import pytest
import torch
from scipy.special import log_expit

from gapbook.landscape.sigmoid import sigmoid_loss, threshold_margins


def rows(n, d=4, seed=0):
    unit = np.random.default_rng(seed).standard_normal((n, d))
    return unit / np.linalg.norm(unit, axis=1, keepdims=True)


def test_it_is_the_sum_of_log_likelihoods_of_all_questions():
    x = rows(5)
    y = rows(5, seed=1)
    logits = 7 * x @ y.T - 3
    right = 2 * np.eye(5) - 1
    expected = -log_expit(right * logits).sum() / 5
    assert sigmoid_loss(x, y, 7.0, -3.0).item() == pytest.approx(expected)


def test_its_gradient_is_that_of_finite_differences():
    x = torch.as_tensor(rows(3))
    y = torch.as_tensor(rows(3, seed=1))
    scale = torch.tensor(5.0, dtype=torch.float64, requires_grad=True)
    bias = torch.tensor(-2.0, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(lambda s, b: sigmoid_loss(x, y, s, b), (scale, bias))


def test_large_logits_stay_finite():
    x = torch.eye(3)
    assert sigmoid_loss(x, -x, 1e4, 0.0).isfinite()


def test_sides_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match="Expected as many images as texts; got"):
        sigmoid_loss(rows(3), rows(4), 1.0, 0.0)


def test_margins_are_those_of_a_plain_count_over_all_cosines():
    x = rows(300, d=16)
    y = rows(300, d=16, seed=1) + 2 * x
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    found = threshold_margins(x, y, threshold=0.613)
    cosines = x @ y.T
    own = np.eye(300, dtype=bool)
    assert found["partners_above"] == pytest.approx((cosines[own] >= 0.613).mean())
    assert found["others_below"] == pytest.approx((cosines[~own] <= 0.613).mean(), abs=1e-6)
    assert found["margin"] == pytest.approx((cosines[own].min() - cosines[~own].max()) / 2)
    others = np.where(own, -1, cosines)
    highest = np.maximum(others.max(axis=0), others.max(axis=1))
    apart = (cosines[own] >= 0.613) & (highest <= 0.613)
    assert found["items_apart"] == pytest.approx(apart.mean())
    of_rows = (cosines[own] >= 0.613) & (others.max(axis=1) <= 0.613)
    assert 0 < apart.mean() < of_rows.mean()


def test_the_best_threshold_beats_all_others_that_are_tried():
    x = rows(100)
    y = rows(100, seed=1) + 3 * x
    best = threshold_margins(x, y)
    assert best["threshold"] == best["best_threshold"]
    right = (best["partners_above"] + best["others_below"]) / 2
    assert best["best_accuracy"] == pytest.approx(right)
    for threshold in (-0.5, 0, 0.3, 0.6, 0.9):
        other = threshold_margins(x, y, threshold)
        assert (other["partners_above"] + other["others_below"]) / 2 <= right + 1e-12


def test_a_constellation_has_a_margin_and_a_wide_gap_may_be_one():
    # Images and texts on two parallel circles: partners are alike, and the gap is wide.
    angles = np.arange(6) * np.pi / 3
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    x = np.column_stack([circle, np.full(6, 2.0)])
    y = np.column_stack([circle, np.full(6, -2.0)])
    found = threshold_margins(x, y)
    assert found["margin"] > 0
    assert found["items_apart"] == 1
    assert found["best_accuracy"] == 1


def test_cosines_at_the_threshold_are_on_the_right_side():
    axes = np.eye(4)
    found = threshold_margins(axes[:2], axes[2:])
    assert found["best_threshold"] == found["margin"] == 0
    assert found["best_accuracy"] == found["items_apart"] == 1
