"""Rotations in the plane of two means and of all pairs, against what they promise."""

import numpy as np
import pytest

from gapbook.geometry.rotations import procrustes, turn_onto, turn_to_gap


def unit_vectors(count: int, d: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, d))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_turn_is_a_rotation_in_one_plane_that_takes_start_to_end(dtype: type) -> None:
    start, end = unit_vectors(2, 7)
    room = 1e-6 if dtype == np.float32 else 1e-12
    matrix = turn_onto(np.eye(7, dtype=dtype), start, end)
    assert matrix.dtype == dtype
    turn = matrix.astype(np.float64)
    assert turn @ turn.T == pytest.approx(np.eye(7), abs=room)
    assert np.linalg.det(turn) == pytest.approx(1, abs=room)
    assert start @ turn == pytest.approx(end, abs=room)
    assert np.linalg.matrix_rank(turn - np.eye(7), tol=1e-4) == 2


def test_equal_vectors_turn_nothing() -> None:
    rows = unit_vectors(5, 4)
    start = unit_vectors(1, 4, seed=1)[0]
    assert turn_onto(rows, start, start) == pytest.approx(rows, abs=1e-12)


@pytest.mark.parametrize("gap", [0.1, 0.6, 1.2])
def test_the_wanted_gap_is_there_after_the_turn(gap: float) -> None:
    rng = np.random.default_rng(0)
    x = unit_vectors(50, 6) * 0.3 + 0.7 * np.eye(6)[0]
    y = unit_vectors(50, 6, seed=1) * 0.3 + 0.7 * np.eye(6)[1] + rng.normal(size=(50, 6)) / 50
    turn = turn_to_gap(x, y, gap)
    assert np.linalg.norm(x.mean(0) - (y @ turn).mean(0)) == pytest.approx(gap, abs=1e-12)
    assert turn @ turn.T == pytest.approx(np.eye(6), abs=1e-12)
    assert np.linalg.matrix_rank(turn - np.eye(6), tol=1e-9) == 2


def test_a_gap_that_no_angle_gives_is_refused() -> None:
    x = np.array([[1.0, 0.0, 0.0]])
    y = np.array([[0.6, 0.8, 0.0]])
    with pytest.raises(ValueError, match=r"gap between 0\.000 and 2\.000; got 2\.500"):
        turn_to_gap(x, y, 2.5)


def test_procrustes_finds_the_rotation_that_was_applied() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 8))
    turn = np.linalg.qr(rng.normal(size=(8, 8)))[0]
    assert procrustes(x, x @ turn.T) == pytest.approx(turn, abs=1e-10)
