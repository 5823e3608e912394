"""Sphere and nine points: published tables and closed forms; free embeddings: gradients, laws of the gap, limits."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from gapbook.press.paper import paper_value
from gapbook.simulation import (
    NINE_LABELS,
    best_logit_scale,
    free_embeddings,
    nine_point_loss,
    nine_points,
    sphere_loss,
    sphere_points,
    symmetric_loss,
)
from gapbook.simulation.free_vectors import _cones, _Flow, _Pairs, _Steps

DEGREES = np.arange(90, -91, -1)
HEIGHTS = np.linspace(-1, 1, 100)  # the authors' grid, which has no 0: z~0 is 1 / 99
scales = st.floats(0, 1000)


def torch_loss(logits: np.ndarray, labels: list[int]) -> float:
    """Compute the symmetric loss by PyTorch."""
    table, target = torch.from_numpy(logits), torch.tensor(labels)
    return float((cross_entropy(table, target) + cross_entropy(table.T, target)) / 2)


# ---- six pairs on a sphere


@pytest.mark.parametrize(
    ("scale", "least", "at", "closed", "matched"),
    [
        (1, 1.54774, 0, 1.54774, 1.52764),
        (5, 1.09522, 0, 1.09522, 0.99471),
        (35, 0.80953, 53, 0.88665, 0.18306),
        (50, 0.80952, 65, 1.08345, 0.07833),
        (100, 0.80961, 78, 2.01424, 0.00400),
    ],
)
def test_the_published_sphere(
    scale: int, least: float, at: int, closed: float, matched: float
) -> None:
    losses = sphere_loss(scale, DEGREES)
    assert losses.min() == pytest.approx(least, abs=1e-5)
    assert abs(DEGREES[losses.argmin()]) == at
    assert sphere_loss(scale, 0) == pytest.approx(closed, abs=1e-5)
    in_order = sphere_loss(scale, DEGREES, matched=True)
    assert in_order.min() == sphere_loss(scale, 0, matched=True) == pytest.approx(matched, abs=1e-5)


@pytest.mark.parametrize("matched", [True, False])
@pytest.mark.parametrize("spacing", [15, 20])
@given(scale=scales, angle=st.floats(-90, 90))
def test_closed_form_of_the_sphere(
    matched: bool, spacing: float, scale: float, angle: float
) -> None:
    images, texts = sphere_points(angle, matched, spacing)
    direct = torch_loss(scale * images @ texts.T, list(range(6)))
    assert sphere_loss(scale, angle, matched, spacing) == pytest.approx(
        direct, abs=1e-9 * (1 + scale)
    )


def test_points_of_the_sphere() -> None:
    for angle in (-40, 0, 90):
        images, texts = sphere_points(angle)
        assert np.allclose(np.linalg.norm([*images, *texts], axis=1), 1)
        assert np.allclose(images[:, 2], 0)
        assert np.allclose(texts[:, 2], -math.sin(math.radians(angle)))
    images, texts = sphere_points(0, matched=True, spacing=15)
    assert np.allclose(images, texts)
    assert np.allclose((images[:-1] * images[1:]).sum(1), math.cos(math.radians(15)))
    assert np.allclose(sphere_points(0)[1], sphere_points(0)[0][[1, 0, 2, 3, 4, 5]])


@pytest.mark.parametrize("scale", [0, 1, 35, 1000])
def test_without_contrast_the_loss_is_that_of_a_guess(scale: float) -> None:
    assert sphere_loss(scale, [-90, 90]) == pytest.approx(math.log(6), abs=1e-12)
    assert nine_point_loss(scale, [-1, 1], "swapped") == pytest.approx(math.log(9), abs=1e-12)
    assert sphere_loss(0, 10) == pytest.approx(math.log(6))


@pytest.mark.parametrize(("spacing", "minima"), [("code", [53, 65, 78]), ("paper", [0, 42, 68])])
def test_only_twenty_degrees_put_a_barrier_at_one_thirty_fifth(
    spacing: str, minima: list[int]
) -> None:
    apart = paper_value(f"sphere.spacing.{spacing}")
    found = [
        abs(DEGREES[sphere_loss(scale, DEGREES, spacing=apart).argmin()]) for scale in (35, 50, 100)
    ]
    assert found == minima


def test_one_scale_is_best_at_all_temperatures() -> None:
    best = best_logit_scale()
    assert best.scale == pytest.approx(21.216, abs=1e-3)
    assert best.loss == pytest.approx(0.80952, abs=1e-5)
    for scale, at in ((35, 52.69), (50, 64.89), (100, 77.75)):
        angle = math.degrees(math.acos(best.scale / scale))
        assert angle == pytest.approx(at, abs=0.005)
        assert sphere_loss(scale, angle) == pytest.approx(best.loss, abs=1e-12)
    assert best_logit_scale(15).scale > 35  # hence no barrier there at 1/35


def slope(scale: float, angle: float, matched: bool = False, step: float = 0.01) -> float:
    """Return dL / d angle of the points themselves, per radian, from a step of some degrees to both sides."""
    table = [
        scale * np.matmul(x, y.T)
        for x, y in (sphere_points(angle + h, matched) for h in (-step, step))
    ]
    losses = symmetric_loss(np.array(table))
    return float(losses[1] - losses[0]) / math.radians(2 * step)


def test_gradient_along_the_gap_vanishes_without_a_gap_and_at_the_best_scale() -> None:
    best = best_logit_scale().scale
    for scale in (35, 50, 100):
        assert slope(scale, 0) == pytest.approx(0, abs=1e-8)
        assert slope(scale, math.degrees(math.acos(best / scale))) == pytest.approx(0, abs=1e-4)
        assert slope(scale, 20) < -0.1  # between the two the gap widens
        assert slope(scale, 85) > 0.1
    assert slope(1, 20) > 0.01
    assert slope(100, 20, matched=True) > 0.01
    dying = [
        math.log(slope(scale, 20, matched=True, step=0.2) / scale) for scale in (200, 250, 300)
    ]
    margin = math.cos(math.radians(20)) * (
        1 - math.cos(math.radians(20))
    )  # of a pair over its neighbors
    assert np.diff(dying) == pytest.approx(-50 * margin, rel=1e-3)  # exp(-margin / tau)


# ---- nine points

NINE = {
    1: (1.44425, 1.44475, 0.01, 1.44475, 1.44524, 0.01, 1.44524),
    5: (0.53790, 0.54037, 0.01, 0.54037, 0.54283, 0.01, 0.54283),
    10: (0.25352, 0.25845, 0.01, 0.25845, 0.26338, 0.01, 0.26338),
    50: (0.13075, 0.15481, 0.556, 0.15540, 0.16836, 0.717, 0.18005),
    100: (0.11015, 0.15482, 0.818, 0.15946, 0.16855, 0.859, 0.20876),
    500: (0.02294, 0.15492, 0.960, 0.26947, 0.17070, 0.980, 0.51600),
    1000: (0.00261, 0.15494, 0.980, 0.49567, 0.17466, 0.980, 0.98874),
}


@pytest.mark.parametrize("scale", NINE)
def test_the_published_nine_points(scale: int) -> None:
    closed, low, at, middle, real_low, real_at, real_middle = NINE[scale]
    losses = nine_point_loss(scale, HEIGHTS)
    assert losses.min() == losses[49] == pytest.approx(closed, abs=1e-5)
    for labels, least, height, centre in (
        ("published", low, at, middle),
        ("swapped", real_low, real_at, real_middle),
    ):
        losses = nine_point_loss(scale, HEIGHTS, labels)
        assert losses.min() == pytest.approx(least, abs=1e-5)
        assert abs(HEIGHTS[losses.argmin()]) == pytest.approx(height, abs=1e-3)
        assert losses[49] == pytest.approx(centre, abs=1e-5)


@pytest.mark.parametrize("labels", NINE_LABELS)
@given(scale=scales, z=st.floats(-1, 1))
def test_closed_form_of_the_nine_points(labels: str, scale: float, z: float) -> None:
    images, texts = nine_points(z)
    direct = torch_loss(scale * images @ texts.T, NINE_LABELS[labels])
    assert nine_point_loss(scale, z, labels) == pytest.approx(direct, abs=1e-9 * (1 + scale))


def test_the_published_labels_come_from_views() -> None:
    labels = torch.arange(9)
    labels[3], labels[8] = labels[8], labels[3]
    assert labels.tolist() == NINE_LABELS["published"]
    assert sorted(NINE_LABELS["swapped"]) == NINE_LABELS["none"]


def test_arrays_broadcast_and_numbers_stay_numbers() -> None:
    assert isinstance(sphere_loss(1, 0), float)
    assert isinstance(nine_point_loss(1, 0), float)
    grid = sphere_loss([[1], [5]], DEGREES)
    assert grid.shape == (2, 181)
    assert grid[1, 90] == sphere_loss(5, 0)
    many = sphere_loss(35, np.linspace(-90, 90, 5000))  # more than one block
    assert many[4999] == sphere_loss(35, 90)
    assert sphere_loss(35, []).shape == (0,)


def test_bad_input_of_the_toys() -> None:
    with pytest.raises(ValueError, match=r"spacing above 0 and up to 60 degrees.*got 0"):
        sphere_points(0, spacing=0)
    with pytest.raises(ValueError, match=r"z in \[-1, 1\]; got 1.5"):
        nine_points(1.5)
    with pytest.raises(ValueError, match=r"heights z in \[-1, 1\]; got 0.0 to 2.0"):
        nine_point_loss(1, [0, 2])
    with pytest.raises(ValueError, match="none, published, swapped; got 'real'"):
        nine_point_loss(1, 0, "real")
    with pytest.raises(ValueError, match=r"shape \(..., n, n\); got \(2, 3\)"):
        symmetric_loss(np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"Expected 2 labels from 0 to 1; got \[0, 2\]"):
        symmetric_loss(np.zeros((2, 2)), [0, 2])


# ---- free embeddings


def targets(n: int, mismatched: float) -> torch.Tensor:
    """Return the expected share of each text among the partners of each image."""
    off = torch.full((n, n), mismatched / (n - 1), dtype=torch.float64)
    return off.fill_diagonal_(1 - mismatched)


def drawn(
    cosine: float = 0.5, angle: float = 90, n: int = 12, d: int = 5, scale: float = 7
) -> _Pairs:
    """Draw two seeds of pairs."""
    return _Pairs(*_cones(cosine, angle, n, d, [0, 1]), math.log(scale))


@pytest.mark.parametrize("mismatched", [0.0, 0.2])
def test_gradients_are_those_of_autograd(mismatched: float) -> None:
    pairs, target = drawn(), targets(12, mismatched)
    got = pairs.slope(target, 1.0)
    x, y, log_scale = (
        part.clone().requires_grad_() for part in (pairs.x, pairs.y, pairs.log_scale)
    )
    logits = log_scale.exp()[:, None, None] * x @ y.mT
    tables = torch.stack([logits, logits.mT]).reshape(48, 12)
    losses = (
        cross_entropy(tables, target.repeat(4, 1), reduction="none").reshape(2, 2, 12).mean(0)
    )  # (seed, pair)
    of_x, of_y, of_scale = torch.autograd.grad(losses.sum(), (x, y, log_scale))
    assert torch.allclose(got.loss, losses.detach().mean(1))
    for side, slope_of, gradient in ((pairs.x, got.x, of_x), (pairs.y, got.y, of_y)):
        radial = (gradient * side).sum(2, keepdim=True) * side
        assert torch.allclose(slope_of, gradient - radial, atol=1e-12)
    assert torch.allclose(got.log_scale, of_scale / 12, atol=1e-12)  # of the mean, not of the sum


def test_tiny_gradients_are_exact() -> None:
    pairs = _Pairs(
        torch.eye(4, dtype=torch.float64)[None],
        torch.eye(4, dtype=torch.float64)[None],
        math.log(100),
    )
    pull = pairs.slope(targets(4, 0), 1.0).log_scale
    assert float(pull) == pytest.approx(
        -100 * 3 * math.exp(-100), rel=1e-9
    )  # far below rounding of 1 - p


@pytest.mark.parametrize("optimizer", ["flow", "sgd", "adam"])
def test_vectors_stay_on_the_sphere(optimizer: str) -> None:
    pairs, target = drawn(), targets(12, 0)
    advance = _Flow() if optimizer == "flow" else _Steps(optimizer, pairs, 0.01)
    before = pairs.slope(target, 1.0).loss.clone()
    for _ in range(20):
        advance(pairs, pairs.slope(target, 1.0))
    for side in (pairs.x, pairs.y):
        assert torch.allclose(side.norm(dim=2), torch.ones(2, 12, dtype=torch.float64), atol=1e-12)
    assert (pairs.slope(target, 1.0).loss < before).all()


@pytest.mark.parametrize("mismatched", [0.0, 0.3])
def test_the_gap_of_parallel_modalities_follows_the_pull_on_the_scale(mismatched: float) -> None:
    flat, z = torch.eye(6, dtype=torch.float64), 0.4
    up, down = (
        torch.cat([math.sqrt(1 - z**2) * flat, torch.full((6, 1), h)], 1)[None] for h in (z, -z)
    )
    pairs, target = _Pairs(up.double(), down.double(), math.log(10)), targets(6, mismatched)
    slope_of, advance = (
        pairs.slope(target, 1.0),
        _Flow(1e-4),
    )  # a step so short that it is a derivative
    gap = [float((pairs.x.mean(1) - pairs.y.mean(1)).norm())]
    advance(pairs, slope_of)
    gap.append(float((pairs.x.mean(1) - pairs.y.mean(1)).norm()))
    growth = math.log(gap[1] / gap[0]) / float(advance.time)
    assert growth == pytest.approx(float(slope_of.log_scale), rel=1e-3)
    assert (growth > 0) == (mismatched > 0)


@pytest.mark.parametrize("scale_rate", [0.5, 1.0, 2.0])
def test_a_learned_temperature_ties_the_gap_to_itself(scale_rate: float) -> None:
    run = free_embeddings(steps=400, n=32, seeds=[0], scale_rate=scale_rate)
    late = run[(run["recall"] == 1) & (run["step"] > 40)]
    power = np.polyfit(np.log(late["tau"]), np.log(late["gap"]), 1)[0]
    assert power == pytest.approx(1 / scale_rate, rel=0.05)
    assert late["tau"].iloc[-1] < 0.07


def test_same_seed_same_run_whatever_runs_beside_it() -> None:
    run = free_embeddings(steps=30, n=16, seeds=[3, 4], optimizer="adam")
    pd.testing.assert_frame_equal(
        run, free_embeddings(steps=30, n=16, seeds=[3, 4], optimizer="adam")
    )
    alone = free_embeddings(steps=30, n=16, seeds=[4], optimizer="adam")
    beside = run[run["seed"] == 4].reset_index(drop=True)
    pd.testing.assert_frame_equal(beside, alone, rtol=1e-9)
    assert run.groupby("seed")["gap"].last().nunique() == 2


@pytest.mark.parametrize("optimizer", ["flow", "sgd", "adam"])
def test_a_fixed_temperature_stays_and_a_learned_one_moves(optimizer: str) -> None:
    how = {"steps": 30, "n": 16, "seeds": [0], "optimizer": optimizer}
    assert free_embeddings(temperature=0.1, **how)["tau"].to_numpy() == pytest.approx(
        0.1, abs=1e-15
    )  # type: ignore[arg-type]
    learned = free_embeddings(**how)["tau"]  # type: ignore[arg-type]
    assert learned[0] == pytest.approx(0.07)
    assert abs(learned.iloc[-1] / 0.07 - 1) > 0.005


@pytest.mark.parametrize(
    ("cosine", "angle", "gap"), [(0.5, 90, 1.0), (0.8, 60, math.sqrt(0.8)), (0.5, 0, 0), (0, 90, 0)]
)
def test_starts(cosine: float, angle: float, gap: float) -> None:
    start = free_embeddings(cosine, angle, steps=1, n=2000, d=64, seeds=[0]).iloc[0]
    assert start["gap"] == pytest.approx(gap, abs=0.05)
    assert start["paired"] == pytest.approx(cosine * math.cos(math.radians(angle)), abs=0.02)
    assert start["recall"] < 0.01


def test_limits() -> None:
    warm = free_embeddings(temperature=0.1, steps=600, n=16, seeds=[0, 1]).groupby("seed").last()
    assert (warm["gap"] < 1e-3).all()  # it closes
    assert (warm["paired"] > 0.999).all()
    cold = free_embeddings(temperature=0.01, steps=150, n=16, seeds=[0, 1]).groupby("seed").last()
    assert (cold["recall"] == 1).all()
    assert (cold["gap"] > 0.9).all()  # all pairs are found, and it has hardly moved
    noise = free_embeddings(temperature=0.1, mismatched=0.5, steps=300, n=2, d=3, seeds=[0]).iloc[
        -1
    ]
    assert noise["loss"] == pytest.approx(math.log(2), abs=1e-6)  # nothing to learn


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"optimizer": "lbfgs"}, "'flow', 'sgd' or 'adam'; got 'lbfgs'"),
        ({"temperature": 0.0}, "at least 0.002, or None for a learned one; got 0.0"),
        ({"temperature": math.nan}, "got nan"),
        ({"cosine": 1.0}, r"in \[0, 1\); got 1.0, 0.0"),
        ({"mismatched": -0.1}, r"got 0.5, -0.1"),
        ({"n": 1}, "n > 1, d > 2"),
        ({"seeds": []}, "at least 1 step and seed"),
        ({"rate": 0.0}, "rate and scale_rate above 0"),
    ],
)
def test_bad_settings(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        free_embeddings(**settings)  # type: ignore[arg-type]
