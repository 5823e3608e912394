"""The sigmoid loss of SigLIP."""

import numpy as np
import pytest
import torch
from scipy.special import log_expit

from gapbook.landscape.sigmoid import sigmoid_loss


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
