"""Free vectors: gradients against autograd of the one loss, laws of the gap, and limits."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.functional import cross_entropy

from gapbook.landscape import contrastive_loss
from gapbook.simulation import free_embeddings
from gapbook.simulation.free_vectors import (
    AdamSteps,
    FreePairs,
    GradientFlow,
    draw_cones,
    partner_shares,
)


def drawn_pairs(n: int = 12, d: int = 5, tau: float = 1 / 7) -> FreePairs:
    """Draw the pairs of two seeds."""
    return FreePairs(*draw_cones(0.5, 90, n, d, [0, 1]), tau)


def loss_of_shares(
    x: torch.Tensor, y: torch.Tensor, scale: torch.Tensor, shares: torch.Tensor
) -> torch.Tensor:
    """Compute the loss where partners are known by their shares, by PyTorch."""
    logits = scale * x @ y.mT
    return (cross_entropy(logits, shares) + cross_entropy(logits.mT, shares)) / 2


def test_the_loss_of_right_pairs_is_the_contrastive_loss() -> None:
    pairs = drawn_pairs()
    losses = pairs.slope(partner_shares(12, 0), 1.0).loss
    for seed in (0, 1):
        expected = float(contrastive_loss(pairs.x[seed], pairs.y[seed], 1 / 7))
        assert float(losses[seed]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("mismatched", [0.0, 0.2])
def test_gradients_are_those_of_autograd(mismatched: float) -> None:
    pairs = drawn_pairs()
    shares = partner_shares(12, mismatched)
    slope = pairs.slope(shares, 1.0)
    for seed in (0, 1):
        x = pairs.x[seed].clone().requires_grad_()
        y = pairs.y[seed].clone().requires_grad_()
        log_scale = pairs.log_scale[seed].clone().requires_grad_()
        loss = loss_of_shares(x, y, log_scale.exp(), shares)
        of_x, of_y, of_scale = torch.autograd.grad(loss, (x, y, log_scale))
        assert float(slope.loss[seed]) == pytest.approx(loss.item(), abs=1e-12)
        assert float(slope.log_scale[seed]) == pytest.approx(float(of_scale), abs=1e-12)
        for side, found, gradient in (
            (pairs.x[seed], slope.x[seed], of_x),
            (pairs.y[seed], slope.y[seed], of_y),
        ):
            radial = (gradient * side).sum(1, keepdim=True) * side
            # Vectors follow the sum over the 12 pairs, not the mean.
            assert torch.allclose(found, 12 * (gradient - radial), atol=1e-12)


def test_tiny_gradients_are_exact() -> None:
    identity = torch.eye(4, dtype=torch.float64)[None]
    pull = FreePairs(identity, identity.clone(), 0.01).slope(partner_shares(4, 0), 1.0).log_scale
    # Far below the rounding of 1 - p, where autograd finds 0.
    assert float(pull) == pytest.approx(-100 * 3 * math.exp(-100), rel=1e-9)


@pytest.mark.parametrize("optimizer", ["flow", "adam"])
def test_vectors_stay_on_the_sphere_and_the_loss_falls(optimizer: str) -> None:
    pairs = drawn_pairs()
    shares = partner_shares(12, 0)
    advance = GradientFlow() if optimizer == "flow" else AdamSteps(pairs)
    before = pairs.slope(shares, 1.0).loss.clone()
    for _ in range(20):
        advance(pairs, pairs.slope(shares, 1.0))
    for side in (pairs.x, pairs.y):
        assert side.norm(dim=2).numpy() == pytest.approx(1, abs=1e-12)
    assert (pairs.slope(shares, 1.0).loss < before).all()


@pytest.mark.parametrize("mismatched", [0.0, 0.3])
def test_the_gap_of_parallel_modalities_follows_the_pull_on_the_scale(mismatched: float) -> None:
    z = 0.4
    flat = math.sqrt(1 - z**2) * torch.eye(6, dtype=torch.float64)
    height = torch.full((6, 1), z, dtype=torch.float64)
    x = torch.cat([flat, height], 1)[None]
    y = torch.cat([flat, -height], 1)[None]
    pairs = FreePairs(x, y, 0.1)

    def gap() -> float:
        return float((pairs.x.mean(1) - pairs.y.mean(1)).norm())

    slope = pairs.slope(partner_shares(6, mismatched), 1.0)
    before = gap()
    advance = GradientFlow(step_fraction=1e-4)  # so short that it is a derivative
    advance(pairs, slope)
    growth = math.log(gap() / before) / float(advance.time)
    assert growth == pytest.approx(float(slope.log_scale), rel=1e-3)
    assert (growth > 0) == (mismatched > 0)


@pytest.mark.parametrize("scale_rate", [0.5, 1.0, 2.0])
def test_a_learned_temperature_ties_the_gap_to_itself(scale_rate: float) -> None:
    run = free_embeddings(steps=400, n=32, seeds=[0], scale_rate=scale_rate)
    late = run[(run["recall"] == 1) & (run["step"] > 40)]
    power = np.polyfit(np.log(late["tau"]), np.log(late["gap"]), 1)[0]
    assert power == pytest.approx(1 / scale_rate, rel=0.05)
    assert late["tau"].iloc[-1] < 0.07


def test_same_seed_same_run_whatever_runs_beside_it() -> None:
    settings: dict[str, Any] = {"steps": 30, "n": 16, "optimizer": "adam"}
    run = free_embeddings(seeds=[3, 4], **settings)
    pd.testing.assert_frame_equal(run, free_embeddings(seeds=[3, 4], **settings))
    alone = free_embeddings(seeds=[4], **settings)
    beside = run[run["seed"] == 4].reset_index(drop=True)
    pd.testing.assert_frame_equal(beside, alone, rtol=1e-9)
    assert run.groupby("seed")["gap"].last().nunique() == 2


@pytest.mark.parametrize("optimizer", ["flow", "adam"])
def test_a_fixed_temperature_stays_and_a_learned_one_moves(optimizer: Any) -> None:
    settings: dict[str, Any] = {"steps": 30, "n": 16, "seeds": [0], "optimizer": optimizer}
    fixed = free_embeddings(tau=0.1, **settings)["tau"]
    assert fixed.to_numpy() == pytest.approx(0.1, abs=1e-15)
    learned = free_embeddings(**settings)["tau"]
    assert learned[0] == pytest.approx(0.07)
    assert abs(learned.iloc[-1] / 0.07 - 1) > 0.005


@pytest.mark.parametrize(
    ("cosine", "angle", "gap"), [(0.5, 90, 1.0), (0.8, 60, math.sqrt(0.8)), (0.5, 0, 0), (0, 90, 0)]
)
def test_starts_have_the_gap_of_their_cones(cosine: float, angle: float, gap: float) -> None:
    x, y = draw_cones(cosine, angle, 2000, 64, [0])
    assert float((x.mean(1) - y.mean(1)).norm()) == pytest.approx(gap, abs=0.05)
    partner_cosine = float((x * y).sum(2).mean())
    assert partner_cosine == pytest.approx(cosine * math.cos(math.radians(angle)), abs=0.02)


def test_a_warm_run_closes_the_gap() -> None:
    end = free_embeddings(tau=0.1, steps=600, n=16, seeds=[0, 1]).groupby("seed").last()
    assert (end["gap"] < 1e-3).all()
    assert (end["partner_cosine"] > 0.999).all()


def test_a_cold_run_finds_all_pairs_and_keeps_the_gap() -> None:
    end = free_embeddings(tau=0.01, steps=150, n=16, seeds=[0, 1]).groupby("seed").last()
    assert (end["recall"] == 1).all()
    assert (end["gap"] > 0.9).all()


def test_from_noise_nothing_is_learned() -> None:
    run = free_embeddings(tau=0.1, mismatched=0.5, steps=300, n=2, d=3, seeds=[0])
    assert run["loss"].iloc[-1] == pytest.approx(math.log(2), abs=1e-6)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"optimizer": "lbfgs"}, "'flow' or 'adam'; got 'lbfgs'"),
        ({"tau": 0.0}, "at least 0.002, or None for a learned one; got 0.0"),
        ({"tau": math.nan}, "got nan"),
        ({"cosine": 1.0}, r"in \[0, 1\); got 1.0, 0.0"),
        ({"mismatched": -0.1}, r"got 0.5, -0.1"),
        ({"n": 1}, "n > 1, d > 2"),
        ({"seeds": []}, "at least 1 step and seed"),
        ({"scale_rate": 0.0}, "scale_rate above 0"),
    ],
)
def test_bad_settings_get_one_sentence(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        free_embeddings(**settings)
