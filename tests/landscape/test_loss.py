"""Shifts and losses against plain float64 arithmetic, hand values, symmetries and the published pairs."""

import numpy as np
import pytest
import torch
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp

from gapbook.exceptions import PairsError
from gapbook.geometry import gap_vector, modality_gap
from gapbook.landscape import (
    DELTAS,
    best_shift,
    contrastive_loss,
    loss_landscape,
    shift,
    shifted_distances,
)
from gapbook.landscape import loss as module
from gapbook.pairs import load_pairs, unit_rows
from gapbook.published import locate

SCALES = (100, 50, 30, 20, 10, 1)
SHARES = {"both": (0.5, 0.5), "images": (1, 0), "texts": (0, 1)}
DIRECTIONS = ("image_to_text", "text_to_image", "symmetric")


def sample(n, d, seed=0, shift=0.5):
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, d))
    x, y = (shared + rng.normal(size=(n, d)) + sign * shift for sign in (1, -1))
    return unit_rows(x).numpy(), unit_rows(y).numpy()


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def plain_shift(x, y, delta, sides="both"):
    """Shift in float64, as the definition says."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    g = x.mean(0) - y.mean(0)
    g /= np.linalg.norm(g)
    a, b = (share * delta for share in SHARES[sides])
    return unit(x - a * g), unit(y + b * g)


def plain_loss(x, y, tau, size, direction):
    """Sum each pair's own loss, batch by batch, and divide by the number of pairs."""
    total = 0.0
    for start in range(0, len(x), size):
        logits = x[start : start + size] @ y[start : start + size].T / tau
        both = [(logsumexp(logits, axis=axis) - np.diag(logits)).sum() for axis in (1, 0)]
        total += {"image_to_text": both[0], "text_to_image": both[1], "symmetric": np.mean(both)}[
            direction
        ]
    return total / len(x)


# --- against brute force -----------------------------------------------------------------------------------------


@settings(max_examples=80)
@given(
    n=st.integers(2, 40),
    d=st.integers(2, 9),
    seed=st.integers(0, 999),
    deltas=st.lists(st.floats(-5, 5), min_size=1, max_size=3),
    taus=st.lists(st.floats(0.005, 10), min_size=1, max_size=3),
    size=st.integers(2, 45),
    direction=st.sampled_from(DIRECTIONS),
    sides=st.sampled_from(sorted(SHARES)),
)
@example(
    n=7, d=3, seed=1, deltas=[0.0, 0.5], taus=[0.01], size=3, direction="symmetric", sides="both"
)
def test_every_cell_of_the_landscape_is_the_plain_loss_of_the_plain_shift(
    n, d, seed, deltas, taus, size, direction, sides
):
    x, y = sample(n, d, seed)
    assume(modality_gap(x, y) > 0.01)
    try:
        table = loss_landscape(x, y, deltas, taus, size, direction, sides=sides)
    except PairsError as error:
        assert "to the origin" in str(error)
        return
    assert list(table) == ["delta", "tau", "distance", "loss"]
    assert table[["delta", "tau"]].to_numpy().tolist() == [
        [delta, tau] for delta in deltas for tau in taus
    ]
    for row in table.itertuples():
        a, b = plain_shift(x, y, row.delta, sides)
        assert row.loss == pytest.approx(plain_loss(a, b, row.tau, size, direction), abs=1e-5)
        assert row.distance == pytest.approx(np.linalg.norm(a.mean(0) - b.mean(0)), abs=1e-9)
    far = shifted_distances(x, y, deltas, sides)
    assert far["distance"].tolist() == table["distance"].tolist()[:: len(taus)]
    for delta, distance, signed in far.to_numpy():
        a, b = plain_shift(x, y, delta, sides)
        along = (a.mean(0) - b.mean(0)) @ gap_vector(x, y)
        assert abs(along) < 1e-9 or signed == np.copysign(distance, along)


def test_rows_that_end_near_the_origin_keep_their_digits():
    x = unit_rows(
        np.array([1, 0, 0, 0]) + 1e-2 * np.random.default_rng(0).normal(size=(60, 4))
    ).numpy()
    y = np.roll(x, 2, axis=1)  # two narrow cones; a shift by 1.41 moves one of them past the origin
    for delta in (1.3, 1.4, 1.5):
        a, b = plain_shift(x, y, delta, "images")
        got = loss_landscape(x, y, [delta], [0.01], 20, "image_to_text", sides="images")[
            "loss"
        ].item()
        assert got == pytest.approx(plain_loss(a, b, 0.01, 20, "image_to_text"), abs=1e-5)


@pytest.mark.parametrize("sides", SHARES)
def test_shift_moves_each_side_by_its_amount(sides):
    x, y = sample(30, 5)
    amount = 0.2
    a, b = shift(x, y, amount, sides)
    wanted = plain_shift(x, y, 2 * amount if sides == "both" else amount, sides)
    assert a.dtype == b.dtype == np.float32
    assert np.abs(a - wanted[0]).max() < 1e-7 and np.abs(b - wanted[1]).max() < 1e-7
    assert modality_gap(a, b) < modality_gap(x, y)  # positive closes
    assert all(
        (new is not old and (new == old).all())
        for new, old in zip(shift(x, y, 0.0, sides), (x, y), strict=True)
    )


def test_a_direction_can_be_given():
    x, y = sample(30, 5)
    g = gap_vector(x, y)
    for how in (
        lambda along: loss_landscape(x, y, [0.5], [0.1], along=along)["loss"],
        lambda a: shift(x, y, 0.3, along=a),
    ):
        assert np.allclose(how(None), how(3 * g), atol=1e-7)
        assert not np.allclose(how(None), how(np.eye(5)[0]), atol=1e-3)


def test_a_large_batch_comes_in_strips_and_small_ones_in_groups(monkeypatch):
    x, y = sample(130, 6)
    whole = loss_landscape(x, y, [-1, 0, 0.5], [0.01, 1], 60, "all")
    for cells in (1, 100, 500, 4000):
        monkeypatch.setattr(module, "CELLS", cells)
        parts = loss_landscape(x, y, [-1, 0, 0.5], [0.01, 1], 60, "all")
        assert np.abs(parts["loss"] - whole["loss"]).max() < 1e-6


# --- hand values and limits --------------------------------------------------------------------------------------


def test_the_last_short_batch_counts_by_its_pairs():
    x = np.array(
        [[1, 0], [0, 1], [1, 0]]
    )  # batches of 2: one of two orthogonal pairs, and one pair alone
    alone, two = 0.0, np.log(1 + np.exp(-1))
    assert contrastive_loss(x, x, [1.0], batch_size=2)[0] == pytest.approx(
        (2 * two + alone) / 3, abs=1e-7
    )
    assert (
        contrastive_loss(x, x, [1.0], 50)[0] == contrastive_loss(x, x, [1.0], 3)[0]
    )  # fewer pairs than a batch


def test_chance_and_certainty():
    same = np.tile([1.0, 2.0], (100, 1))
    assert contrastive_loss(same, same, [0.01, 1.0]) == pytest.approx([np.log(50)] * 2, abs=1e-6)
    assert contrastive_loss(np.eye(50), np.eye(50), [0.01]) == pytest.approx([0.0], abs=1e-9)
    x, y = sample(100, 8)
    ends = loss_landscape(x, y, [-1e4, 1e4], [0.01])
    assert ends["loss"].to_numpy() == pytest.approx(np.log(50), abs=0.02)  # all at one point
    assert ends["distance"].to_numpy() == pytest.approx(2, abs=1e-3)


def test_all_directions_come_with_their_names():
    x, y = sample(60, 6)
    table = loss_landscape(x, y, [0, 0.5], [0.1, 1], direction="all")
    assert list(table) == ["direction", "delta", "tau", "distance", "loss"]
    for name, part in table.groupby("direction"):
        single = loss_landscape(x, y, [0, 0.5], [0.1, 1], direction=name)
        assert part.drop(columns="direction").to_numpy().tolist() == single.to_numpy().tolist()
    symmetric = table.query("direction == 'symmetric' and delta == 0")["loss"].tolist()
    assert contrastive_loss(x, y, [0.1, 1]) == pytest.approx(
        symmetric, abs=1e-6
    )  # lengths are 1 but for rounding


# --- symmetries --------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(seed=st.integers(0, 999), delta=st.floats(-4, 4), direction=st.sampled_from(DIRECTIONS))
def test_swapped_sides_and_joint_rotations_change_nothing(seed, delta, direction):
    x, y = sample(40, 6, seed)
    swapped = {"image_to_text": "text_to_image", "text_to_image": "image_to_text"}.get(
        direction, direction
    )
    turned = np.linalg.qr(np.random.default_rng(seed).normal(size=(6, 6)))[0]
    table = loss_landscape(x, y, [delta], [0.02, 1], 15, direction)
    for other in (
        loss_landscape(y, x, [delta], [0.02, 1], 15, swapped),
        loss_landscape(x @ turned, y @ turned, [delta], [0.02, 1], 15, direction),
    ):
        assert np.abs(table - other).max().max() < 1e-5


def test_arrays_and_tensors_of_any_type_give_the_same_and_stay_as_they_were():
    x, y = sample(60, 6)
    wanted = loss_landscape(x, y, [0, 0.5], [0.01])["loss"]
    kept = x.copy(), y.copy()
    for form in (
        torch.tensor,
        lambda a: torch.tensor(a.astype(np.float64), requires_grad=True),
        np.asfortranarray,
    ):
        assert (
            np.abs(loss_landscape(form(x), form(y), [0, 0.5], [0.01])["loss"] - wanted).max() < 1e-6
        )
    shift(x, y, 0.3), shift(torch.from_numpy(x), torch.from_numpy(y), 0.3)
    assert (x == kept[0]).all() and (y == kept[1]).all()


@pytest.mark.skipif(
    not torch.cuda.is_available(), reason="no GPU on this machine: the same call on its tensors"
)
def test_a_gpu_gives_the_same():
    x, y = sample(500, 16)
    there = loss_landscape(torch.tensor(x).cuda(), torch.tensor(y).cuda(), DELTAS, [0.01, 1])
    assert np.abs(there - loss_landscape(x, y, DELTAS, [0.01, 1])).max().max() < 1e-5


def test_a_progress_bar_counts_pairs(capfd):
    x, y = sample(120, 6)
    loss_landscape(x, y, [0], [1.0], progress=True)
    assert "loss landscape: 100%" in (told := capfd.readouterr().err) and "120/120" in told
    loss_landscape(x, y, [0], [1.0])
    assert capfd.readouterr().err == ""


# --- the best shift ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_refined_minimum_is_that_of_a_dense_grid(direction):
    x, y = sample(200, 6, shift=0.7)
    grid = np.arange(-2, 2, 0.25)
    best = best_shift(
        x, y, [0.05, 1.0], np.random.default_rng(0).permutation(grid), direction=direction
    )
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
        assert row.distance == pytest.approx(
            shifted_distances(x, y, [row.delta])["distance"].item(), abs=1e-9
        )


# --- the published pairs -----------------------------------------------------------------------------------------

PUBLISHED = pytest.mark.skipif(
    locate("clip-coco") is None, reason="clip-coco is not at hand: set GAPBOOK_DATA"
)


@PUBLISHED
def test_losses_of_the_published_pairs():
    pairs = load_pairs("clip-coco")
    for direction, loss, digits in zip(
        DIRECTIONS, (0.523165, 0.6089, 0.5660), (6, 4, 4), strict=True
    ):
        got = contrastive_loss(pairs.x, pairs.y, [0.01], direction=direction)[0]
        assert got == pytest.approx(loss, abs=0.5 * 10**-digits + 1e-7)


@PUBLISHED
def test_best_shifts_of_the_published_pairs():
    pairs = load_pairs("clip-coco")
    best = best_shift(pairs.x, pairs.y, [1 / scale for scale in SCALES])
    near = [0.85, 0.72, 0.58, 0.43, 0.22, 0.01]  # read off a grid, so only about right
    assert best["distance"].to_numpy() == pytest.approx(near, abs=0.02)
    assert best["grid_delta"].tolist() == [0, 0.25, 0.25, 0.5, 0.75, 0.75]


# --- errors ------------------------------------------------------------------------------------------------------

X, Y = sample(20, 4)
BAD = {
    "no shifts": ({"deltas": []}, "Expected deltas as a list of finite numbers; got []"),
    "a number": ({"deltas": 0.5}, "Expected deltas as a list of finite numbers; got 0.5"),
    "an infinite shift": ({"deltas": [0, np.inf]}, "Expected deltas as a list of finite numbers"),
    "no temperatures": (
        {"temperatures": []},
        "Expected temperatures as a list of numbers from 1e-6 to 1e6; got []",
    ),
    "a scale": (
        {"temperatures": [0.0]},
        "Expected temperatures as a list of numbers from 1e-6 to 1e6; got [0.0]",
    ),
    "not a number": ({"temperatures": [np.nan]}, "Expected temperatures as a list of numbers"),
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
    "sides": ({"sides": "first"}, "Expected sides as one of both, images, texts; got 'first'"),
    "another dimension": ({"along": np.ones(3)}, "Expected a direction of shape (4,); got (3,)"),
    "no direction": (
        {"along": np.zeros(4)},
        "Expected a direction of positive, finite length; got 0: give another",
    ),
    "no gap": ({"y": X}, "the two means agree, so there is no gap to move along"),
    "other lengths": (
        {"y": Y[1:]},
        "Expected x and y of the same shape (n, d); got (20, 4) and (19, 4)",
    ),
    "not finite": ({"x": X * np.nan}, "x has non-finite values in 20 rows"),
}


@pytest.mark.parametrize(("changes", "sentence"), BAD.values(), ids=BAD)
def test_bad_input_gets_one_sentence(changes, sentence):
    with pytest.raises(PairsError) as error:
        loss_landscape(**({"x": X, "y": Y, "deltas": [0.0], "temperatures": [0.1]} | changes))
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_a_shift_onto_the_origin_is_refused():
    x, y = np.eye(2)[[0, 0]], -np.eye(2)[[0, 0]]
    for call in (lambda: shift(x, y, 1.0), lambda: loss_landscape(x, y, [0, 2.0], [0.1])):
        with pytest.raises(PairsError, match="a move of 1 takes a row of x to the origin"):
            call()
