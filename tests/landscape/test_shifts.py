"""Shifts along the gap against plain float64 arithmetic."""

import numpy as np
import pytest
import torch
from helpers import plain_shift, sample_pairs
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gapbook.exceptions import PairsError
from gapbook.geometry import gap_vector, modality_gap
from gapbook.landscape import shift, shifted_distances
from gapbook.landscape.shifts import SHARES


@pytest.mark.parametrize("sides", SHARES)
def test_shift_moves_each_side_by_its_amount(sides: str) -> None:
    x, y = sample_pairs(30, 5)
    amount = 0.2
    moved = shift(x, y, amount, sides)
    expected = plain_shift(x, y, 2 * amount if sides == "both" else amount, sides)
    for rows, wanted in zip(moved, expected, strict=True):
        assert rows.dtype == np.float32
        assert np.abs(rows - wanted).max() < 1e-7
    assert modality_gap(*moved) < modality_gap(x, y)  # positive closes


@pytest.mark.parametrize("sides", SHARES)
def test_amount_0_changes_nothing_and_copies(sides: str) -> None:
    pairs = sample_pairs(30, 5)
    for new, old in zip(shift(*pairs, 0.0, sides), pairs, strict=True):
        assert new is not old
        assert (new == old).all()


@pytest.mark.parametrize("amount", [0.0, 0.3])
def test_moved_rows_are_of_the_kind_of_the_pairs(amount: float) -> None:
    pairs = sample_pairs(30, 5)
    tensors = [torch.as_tensor(side) for side in pairs]
    along = torch.ones(5)
    for arguments in ((amount,), (amount, "both", along), (amount, "both", along.numpy())):
        moved = shift(*pairs, *arguments)
        for rows, there in zip(moved, shift(*tensors, *arguments), strict=True):
            assert isinstance(rows, np.ndarray)
            assert isinstance(there, torch.Tensor)
            np.testing.assert_allclose(rows, there, atol=1e-6)


def test_more_rows_than_a_block_are_shifted_alike() -> None:
    x, y = sample_pairs(2500, 4)
    for rows, wanted in zip(shift(x, y, 0.3), plain_shift(x, y, 0.6), strict=True):
        assert np.abs(rows - wanted).max() < 1e-6


def test_distances_of_very_long_rows_are_those_of_short_ones() -> None:
    x, y = sample_pairs(30, 5)
    deltas = [-1.0, 0.0, 0.3, 4.0]
    expected = shifted_distances(x, y, deltas)["signed"]
    padded = [np.pad(side, ((0, 0), (4094, 9000))) for side in (x, y)]
    found = shifted_distances(*padded, deltas)["signed"]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@settings(max_examples=50)
@given(
    n=st.integers(2, 40),
    d=st.integers(2, 9),
    seed=st.integers(0, 999),
    deltas=st.lists(st.floats(-5, 5), min_size=1, max_size=3),
    sides=st.sampled_from(sorted(SHARES)),
)
def test_distances_are_those_of_the_plain_shift(
    n: int, d: int, seed: int, deltas: list[float], sides: str
) -> None:
    x, y = sample_pairs(n, d, seed)
    assume(modality_gap(x, y) > 0.01)
    try:
        table = shifted_distances(x, y, deltas, sides)
    except PairsError as error:
        assert "to the origin" in str(error)
        return
    assert table["delta"].tolist() == deltas
    for delta, distance, signed in table.to_numpy():
        a, b = plain_shift(x, y, delta, sides)
        gap = a.mean(0) - b.mean(0)
        assert distance == pytest.approx(np.linalg.norm(gap), abs=1e-9)
        along_gap = gap @ gap_vector(x, y)
        assert abs(along_gap) < 1e-9 or signed == np.copysign(distance, along_gap)


def test_another_vector_can_be_given() -> None:
    x, y = sample_pairs(30, 5)
    g = gap_vector(x, y)
    usual = np.stack(shift(x, y, 0.3))
    assert np.allclose(usual, shift(x, y, 0.3, along=3 * g), atol=1e-7)
    assert not np.allclose(usual, shift(x, y, 0.3, along=np.eye(5)[0]), atol=1e-3)
    far = shifted_distances(x, y, [0.5])["distance"]
    assert np.allclose(far, shifted_distances(x, y, [0.5], along=3 * g)["distance"])
    assert not np.allclose(far, shifted_distances(x, y, [0.5], along=np.eye(5)[0])["distance"])


def test_the_input_stays_as_it_was() -> None:
    x, y = sample_pairs(60, 6)
    before = (x.copy(), y.copy())
    moved = shift(x, y, 0.3)
    of_tensors = shift(torch.from_numpy(x), torch.from_numpy(y), 0.3)
    assert (x == before[0]).all()
    assert (y == before[1]).all()
    assert (np.stack(moved) == np.stack(of_tensors)).all()


X, Y = sample_pairs(20, 4)
BAD = {
    "no shifts": ({"deltas": []}, "Expected deltas as a list of finite numbers; got []"),
    "a number": ({"deltas": 0.5}, "Expected deltas as a list of finite numbers; got 0.5"),
    "an infinite shift": ({"deltas": [0, np.inf]}, "Expected deltas as a list of finite numbers"),
    "sides": ({"sides": "first"}, "Expected sides as one of both, images, texts; got 'first'"),
    "another dimension": ({"along": np.ones(3)}, "Expected along of shape (4,); got (3,)"),
    "no direction": (
        {"along": np.zeros(4)},
        "Expected along of positive, finite length; got 0: give another vector",
    ),
    "no gap": ({"y": X}, "the two means agree, so there is no gap to move along"),
    "other lengths": (
        {"y": Y[1:]},
        "Expected x and y of the same shape (n, d); got (20, 4) and (19, 4)",
    ),
    "not finite": ({"x": X * np.nan}, "x has non-finite values in 20 rows"),
}


@pytest.mark.parametrize(("changes", "sentence"), BAD.values(), ids=BAD)
def test_bad_input_gets_one_sentence(changes: dict, sentence: str) -> None:
    arguments = {"x": X, "y": Y, "deltas": [0.0]} | changes
    with pytest.raises(PairsError) as error:
        shifted_distances(**arguments)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_a_shift_onto_the_origin_is_refused() -> None:
    x = np.eye(2)[[0, 0]]
    with pytest.raises(PairsError, match="a move of 1 takes a row of x to the origin"):
        shift(x, -x, 1.0)
    with pytest.raises(PairsError, match="a move of 1 takes a row of x to the origin"):
        shifted_distances(x, -x, [0, 2.0])
