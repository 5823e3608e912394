"""Losses over shifts and temperatures against the plain loss of the plain shift."""

import numpy as np
import pytest
import torch
from helpers import plain_shift, sample_pairs
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from gapbook.exceptions import PairsError
from gapbook.geometry import modality_gap
from gapbook.landscape import (
    DELTAS,
    best_shift,
    contrastive_loss,
    loss_at_temperatures,
    loss_landscape,
    shifted_distances,
)
from gapbook.landscape.contrastive import DIRECTIONS
from gapbook.pairs import load_pairs


def batched_loss(x: np.ndarray, y: np.ndarray, tau: float, size: int, direction: str) -> float:
    """Compute the one loss batch by batch, and its mean over all pairs."""
    total = 0.0
    for start in range(0, len(x), size):
        batch = slice(start, start + size)
        loss = contrastive_loss(x[batch], y[batch], tau, direction)
        total += float(loss) * len(x[batch])
    return total / len(x)


# --- against the definition


@settings(max_examples=80)
@given(
    n=st.integers(2, 40),
    d=st.integers(2, 9),
    seed=st.integers(0, 999),
    deltas=st.lists(st.floats(-5, 5), min_size=1, max_size=3),
    taus=st.lists(st.floats(0.005, 10), min_size=1, max_size=3),
    size=st.integers(2, 45),
    direction=st.sampled_from(DIRECTIONS),
)
@example(n=7, d=3, seed=1, deltas=[0.0, 0.5], taus=[0.01], size=3, direction="symmetric")
def test_every_cell_of_the_landscape_is_the_plain_loss_of_the_plain_shift(
    n: int, d: int, seed: int, deltas: list, taus: list, size: int, direction: str
) -> None:
    x, y = sample_pairs(n, d, seed)
    assume(modality_gap(x, y) > 0.01)
    try:
        table = loss_landscape(x, y, deltas, taus, size, direction)
    except PairsError as error:
        assert "to the origin" in str(error)
        return
    assert list(table) == ["delta", "tau", "distance", "loss"]
    cells = [[delta, tau] for delta in deltas for tau in taus]
    assert table[["delta", "tau"]].to_numpy().tolist() == cells
    for row in table.itertuples():
        a, b = plain_shift(x, y, row.delta)
        assert row.loss == pytest.approx(batched_loss(a, b, row.tau, size, direction), abs=1e-5)
    far = shifted_distances(x, y, deltas)
    assert far["distance"].tolist() == table["distance"].tolist()[:: len(taus)]


def test_rows_that_end_near_the_origin_keep_their_digits() -> None:
    # Two narrow cones; a shift by 2 * 0.707 takes both past the origin.
    rng = np.random.default_rng(0)
    x = np.array([1, 0, 0, 0]) + 1e-2 * rng.normal(size=(60, 4))
    x = (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)
    y = -x + np.array([0, 0, 1e-2, 0], np.float32)
    y /= np.linalg.norm(y, axis=1, keepdims=True)
    for delta in (1.9, 1.95, 2.1):
        a, b = plain_shift(x, y, delta)
        loss = loss_landscape(x, y, [delta], [0.01], 20)["loss"].item()
        assert loss == pytest.approx(batched_loss(a, b, 0.01, 20, "symmetric"), abs=1e-4)


@pytest.mark.parametrize(("n", "size"), [(700, 600), (2500, 60), (900, 300)])
def test_large_batches_and_many_batches_have_the_plain_loss(n: int, size: int) -> None:
    """More cosines than are worked on at once come in strips of a batch or groups of batches."""
    x, y = sample_pairs(n, 6)
    table = loss_landscape(x, y, [-1, 0.5], [0.01, 1], size, "all")
    for row in table.itertuples():
        a, b = plain_shift(x, y, row.delta)
        expected = batched_loss(a, b, row.tau, size, row.direction)
        assert row.loss == pytest.approx(expected, abs=1e-5)


# --- hand values and limits


def test_the_last_short_batch_counts_by_its_pairs() -> None:
    # In batches of 2: one of two orthogonal pairs, and one pair alone, whose loss is 0.
    x = np.array([[1, 0], [0, 1], [1, 0]])
    of_two = np.log(1 + np.exp(-1))
    loss = loss_at_temperatures(x, x, [1.0], batch_size=2)
    assert loss[0] == pytest.approx(2 * of_two / 3, abs=1e-7)


def test_a_batch_larger_than_the_pairs_is_one_batch() -> None:
    x = np.array([[1, 0], [0, 1], [1, 0]])
    assert loss_at_temperatures(x, x, [1.0], 50) == loss_at_temperatures(x, x, [1.0], 3)


def test_chance_and_certainty() -> None:
    same = np.tile([1.0, 2.0], (100, 1))
    chance = [np.log(50)] * 2
    assert loss_at_temperatures(same, same, [0.01, 1.0]) == pytest.approx(chance, abs=1e-6)
    certain = loss_at_temperatures(np.eye(50), np.eye(50), [0.01])
    assert certain == pytest.approx([0.0], abs=1e-9)
    x, y = sample_pairs(100, 8)
    ends = loss_landscape(x, y, [-1e4, 1e4], [0.01])  # each side is at one point
    assert ends["loss"].to_numpy() == pytest.approx(np.log(50), abs=0.02)
    assert ends["distance"].to_numpy() == pytest.approx(2, abs=1e-3)


def test_all_directions_come_with_their_names() -> None:
    x, y = sample_pairs(60, 6)
    table = loss_landscape(x, y, [0, 0.5], [0.1, 1], direction="all")
    assert list(table) == ["direction", "delta", "tau", "distance", "loss"]
    for name, part in table.groupby("direction"):
        single = loss_landscape(x, y, [0, 0.5], [0.1, 1], direction=name)
        assert part.drop(columns="direction").to_numpy().tolist() == single.to_numpy().tolist()


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_pairs_as_they_are_have_the_loss_of_delta_0(direction: str) -> None:
    x, y = sample_pairs(60, 6)
    landscape = loss_landscape(x, y, [0], [0.1, 1], direction=direction)["loss"].tolist()
    losses = loss_at_temperatures(x, y, [0.1, 1], direction=direction)
    assert losses == pytest.approx(landscape, abs=1e-6)  # lengths are 1 but for rounding


# --- symmetries


@settings(max_examples=30)
@given(seed=st.integers(0, 999), delta=st.floats(-4, 4), direction=st.sampled_from(DIRECTIONS))
def test_swapped_sides_and_joint_rotations_change_nothing(
    seed: int, delta: float, direction: str
) -> None:
    x, y = sample_pairs(40, 6, seed)
    other_way = {"image_to_text": "text_to_image", "text_to_image": "image_to_text"}
    turned = np.linalg.qr(np.random.default_rng(seed).normal(size=(6, 6)))[0]
    table = loss_landscape(x, y, [delta], [0.02, 1], 15, direction)
    swapped = other_way.get(direction, direction)
    for other in (
        loss_landscape(y, x, [delta], [0.02, 1], 15, swapped),
        loss_landscape(x @ turned, y @ turned, [delta], [0.02, 1], 15, direction),
    ):
        assert np.abs(table - other).max().max() < 1e-5


def test_arrays_and_tensors_of_any_type_give_the_same_and_stay_as_they_were() -> None:
    x, y = sample_pairs(60, 6)
    before = (x.copy(), y.copy())
    expected = loss_landscape(x, y, [0, 0.5], [0.01])["loss"]
    for form in (
        torch.tensor,
        lambda a: torch.tensor(a.astype(np.float64), requires_grad=True),
        np.asfortranarray,
    ):
        losses = loss_landscape(form(x), form(y), [0, 0.5], [0.01])["loss"]
        assert np.abs(losses - expected).max() < 1e-6
    assert (x == before[0]).all()
    assert (y == before[1]).all()


@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no GPU on this machine: the same call on its tensors"
)
def test_a_gpu_gives_the_same() -> None:
    x, y = sample_pairs(500, 16)
    there = loss_landscape(torch.tensor(x).cuda(), torch.tensor(y).cuda(), DELTAS, [0.01, 1])
    assert np.abs(there - loss_landscape(x, y, DELTAS, [0.01, 1])).max().max() < 1e-5


def test_a_progress_bar_counts_pairs(capfd: pytest.CaptureFixture) -> None:
    x, y = sample_pairs(120, 6)
    loss_landscape(x, y, [0], [1.0], progress=True)
    shown = capfd.readouterr().err
    assert "loss landscape: 100%" in shown
    assert "120/120" in shown
    loss_landscape(x, y, [0], [1.0])
    assert capfd.readouterr().err == ""


# --- the best shift


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_refined_minimum_is_that_of_a_dense_grid(direction: str) -> None:
    x, y = sample_pairs(200, 6, shift=0.7)
    grid = np.arange(-2, 2, 0.25)
    mixed = np.random.default_rng(0).permutation(grid)
    best = best_shift(x, y, [0.05, 1.0], mixed, direction=direction)
    for row in best.itertuples():
        coarse = loss_landscape(x, y, grid, [row.tau], direction=direction)
        least = coarse.loc[coarse["loss"].idxmin()]
        assert [row.grid_delta, row.grid_distance, row.grid_loss] == pytest.approx(
            least[["delta", "distance", "loss"]].tolist(), abs=1e-6
        )
        dense = loss_landscape(x, y, np.arange(-2, 2, 0.002), [row.tau], direction=direction)
        least = dense.loc[dense["loss"].idxmin()]
        assert abs(row.delta - least["delta"]) < 0.004
        assert row.loss == pytest.approx(least["loss"], abs=1e-5)
        assert row.loss <= row.grid_loss
        distance = shifted_distances(x, y, [row.delta])["distance"].item()
        assert row.distance == pytest.approx(distance, abs=1e-9)


# --- the published pairs


def test_losses_of_the_published_pairs() -> None:
    pairs = load_pairs("clip-coco")
    for direction, loss, digits in zip(
        DIRECTIONS, (0.523165, 0.6089, 0.5660), (6, 4, 4), strict=True
    ):
        got = loss_at_temperatures(pairs.x, pairs.y, [0.01], direction=direction)[0]
        assert got == pytest.approx(loss, abs=0.5 * 10**-digits + 1e-7)


def test_best_shifts_of_the_published_pairs() -> None:
    pairs = load_pairs("clip-coco")
    best = best_shift(pairs.x, pairs.y, [1 / scale for scale in (100, 50, 30, 20, 10, 1)])
    read_off = [0.85, 0.72, 0.58, 0.43, 0.22, 0.01]  # from a grid, so only about right
    assert best["distance"].to_numpy() == pytest.approx(read_off, abs=0.02)
    assert best["grid_delta"].tolist() == [0, 0.25, 0.25, 0.5, 0.75, 0.75]


# --- errors

X, Y = sample_pairs(20, 4)
BAD = {
    "no shifts": ({"deltas": []}, "Expected deltas as a list of finite numbers; got []"),
    "no temperatures": (
        {"taus": []},
        "Expected taus as a list of numbers from 1e-6 to 1e6; got []",
    ),
    "a scale of infinity": (
        {"taus": [0.0]},
        "Expected taus as a list of numbers from 1e-6 to 1e6; got [0.0]",
    ),
    "not a number": ({"taus": [np.nan]}, "Expected taus as a list of numbers"),
    "one pair a batch": (
        {"batch_size": 1},
        "Expected batch_size as an integer of at least 2; got 1",
    ),
    "half a batch": (
        {"batch_size": 2.5},
        "Expected batch_size as an integer of at least 2; got 2.5",
    ),
    "direction": (
        {"direction": "both"},
        "Expected direction as one of image_to_text, text_to_image, symmetric, all",
    ),
    "no gap": ({"y": X}, "the two means agree, so there is no gap to move along"),
}


@pytest.mark.parametrize(("changes", "sentence"), BAD.values(), ids=BAD)
def test_bad_input_gets_one_sentence(changes: dict, sentence: str) -> None:
    arguments = {"x": X, "y": Y, "deltas": [0.0], "taus": [0.1]} | changes
    with pytest.raises(PairsError) as error:
        loss_landscape(**arguments)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_a_loss_as_it_is_has_one_direction() -> None:
    with pytest.raises(PairsError, match="image_to_text, text_to_image, symmetric; got 'all'"):
        loss_at_temperatures(X, Y, [0.1], direction="all")  # type: ignore[arg-type]
