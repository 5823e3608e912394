"""Choices of the best shift: what they gain by chance, and tests that count them."""

import numpy as np
import pytest

from gapbook.exceptions import PairsError
from gapbook.zeroshot import (
    best_of_grid_p,
    choose_delta,
    mcnemar,
    redrawn_gains,
    split_gains,
)

DELTAS = np.arange(-5, 5, 0.25)
ZERO = 20  # the position of no shift


def noisy_hits(n: int, seed: int = 0, gain: float = 0.0) -> np.ndarray:
    """Each shift changes one image in ten, to right or wrong at random; no shift changes none."""
    rng = np.random.default_rng(seed)
    m = len(DELTAS)
    hits = np.tile(rng.random(n) < 0.6, (m, 1))
    changes = (rng.random((m, n)) < 0.1) & (np.arange(m) != ZERO)[:, None]
    return np.where(changes, rng.random((m, n)) < 0.6 + gain, hits)


def test_choosing_gains_where_it_was_chosen_and_nothing_elsewhere() -> None:
    tables = [
        split_gains(noisy_hits(400, seed), DELTAS, splits=50, seed=seed) for seed in range(20)
    ]
    chosen_on = np.array([table["chosen_on"].mean() for table in tables])
    other_half = np.array([table["other_half"].mean() for table in tables])
    assert chosen_on.mean() > 0.02
    assert abs(other_half.mean()) < 3 * other_half.std() / 20**0.5


def test_a_real_gain_is_found_on_the_other_half_too() -> None:
    hits = noisy_hits(2000, gain=0.4)
    table = split_gains(hits, DELTAS)
    assert list(table) == ["delta", "chosen_on", "other_half"]
    assert len(table) == 200
    assert table["other_half"].mean() == pytest.approx(0.04, abs=0.012)
    assert (table["delta"] != 0).all()
    assert (table["chosen_on"] >= 0).all()
    assert table.equals(split_gains(hits, DELTAS))


def test_a_split_is_two_halves() -> None:
    """Gains of both halves, weighted, are the gain of all images at the chosen shift."""
    hits = noisy_hits(41)
    gains = (hits.astype(float) - hits[ZERO]).sum(1)
    whole = dict(zip(DELTAS, gains, strict=True))
    for delta, chosen_on, other_half in split_gains(hits, DELTAS, splits=20).to_numpy():
        assert 20 * chosen_on + 21 * other_half == pytest.approx(whole[delta])


def test_the_permutation_test_counts_the_choice() -> None:
    """Under noise its 100 p-values are no smaller than they should be, by two standard errors."""
    p_values = np.array(
        [best_of_grid_p(noisy_hits(300, seed), DELTAS, draws=200) for seed in range(100)]
    )
    assert (p_values < 0.05).mean() <= 0.05 + 2 * (0.05 * 0.95 / 100) ** 0.5
    assert 0.2 < np.median(p_values) < 0.8


def test_the_best_single_test_of_a_grid_rejects_most_of_the_time() -> None:
    labels = np.zeros(300, int)
    smallest = []
    for seed in range(30):
        hits = noisy_hits(300, seed)
        smallest.append(min(mcnemar(~hits[ZERO], ~row, labels).p for row in hits))
    assert np.mean(np.array(smallest) < 0.05) > 0.5


def test_the_permutation_test_finds_a_real_gain_and_none_in_equal_rows() -> None:
    assert best_of_grid_p(noisy_hits(2000, gain=0.4), DELTAS) < 0.001
    assert best_of_grid_p(np.zeros((3, 9)), [-1, 0, 1], draws=50) == 1


def test_few_groups_are_swapped_in_all_patterns() -> None:
    """All nine groups gain: only one of 2^9 patterns does as well, whatever their size."""
    hits = np.stack([np.zeros(900), np.arange(900) % 10 == 0])
    groups = np.arange(900) // 100
    assert best_of_grid_p(hits, [0, 1], groups=groups) == 1 / 512
    assert best_of_grid_p(hits, [0, 1], draws=5000) == 1 / 5001


def test_choices_prefer_the_smallest_shift_of_equal_ones() -> None:
    assert choose_delta([-2, -1, 0, 1], [3, 5, 5, 5]) == 2
    assert choose_delta([-1, 0.5, 1], [1, 0, 1]) == 0


@pytest.mark.parametrize(
    ("hits", "deltas"),
    [(np.ones((2, 9)), [1, 2]), (np.ones((2, 9)), [0, 1, 2]), (np.ones(9), [0])],
    ids=["no 0", "another number of deltas", "one row"],
)
def test_choices_want_a_zero_and_matching_shapes(hits: np.ndarray, deltas: list[float]) -> None:
    with pytest.raises(PairsError, match=r"hits of shape \(m, n\) and m deltas with one 0"):
        best_of_grid_p(hits, deltas)


def test_groups_must_be_as_many_as_images() -> None:
    with pytest.raises(PairsError, match=r"groups of shape \(9,\)"):
        best_of_grid_p(np.ones((2, 9)), [0, 1], groups=[0, 1])


def test_three_images_are_too_few_to_split() -> None:
    with pytest.raises(PairsError, match="at least 4 images"):
        split_gains(np.ones((1, 3)), [0])


def test_redrawn_gains_scatter_like_new_data() -> None:
    """One shift gains on a share p of images: the standard error is that of p over all images."""
    hits = np.stack([np.zeros(400), np.arange(400) % 5 == 0])
    table = redrawn_gains(hits, [0, 1], redraws=400, splits=20)
    assert table["other_half"].mean() == pytest.approx(0.2, abs=0.005)
    assert table["other_half"].std() == pytest.approx((0.2 * 0.8 / 400) ** 0.5, rel=0.15)


def test_groups_that_gain_alike_scatter_little() -> None:
    hits = np.stack([np.zeros(400), np.arange(400) % 5 == 0])
    table = redrawn_gains(hits, [0, 1], groups=np.arange(400) // 40)
    assert table["other_half"].std() < 0.005  # a half that lost all copies gains 0
