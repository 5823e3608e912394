"""Sums over pairs: they add up over parts, and weights count how often a pair was drawn."""

import numpy as np
import pytest
import torch
from helpers import sample, tensor_pair

from gapbook.checks.memory import total_memory
from gapbook.exceptions import PairsError
from gapbook.geometry.sums import (
    PairCosines,
    PairSums,
    WeightedSums,
    centered_cosines,
    is_over_pairs,
    require_room,
)


def test_sums_of_parts_add_up_in_any_order_and_can_be_taken_away():
    x, y = tensor_pair(*sample(90, 7))
    first, second, third = (PairSums.of(x[i : i + 30], y[i : i + 30]) for i in (0, 30, 60))
    whole = PairSums.of(x, y)
    for merged in (first + second + third, third + (first + second)):
        assert merged.n == 90
        for name in ("x", "y", "xx", "yy", "xy"):
            expected = getattr(whole, name)
            torch.testing.assert_close(getattr(merged, name), expected, atol=1e-12, rtol=0)
    rest = whole.without(x[30:60], y[30:60])
    assert rest.n == 60
    torch.testing.assert_close(rest.xy, (first + third).xy, atol=1e-12, rtol=0)
    torch.testing.assert_close(rest.x, (first + third).x, atol=1e-12, rtol=0)


@pytest.mark.parametrize("n", [9, 700])
def test_weighted_sums_are_those_of_rows_that_are_repeated(n):
    x, y = tensor_pair(*sample(n, 5))
    weights = torch.from_numpy(np.random.default_rng(0).integers(0, 3, (2, n))).double()
    sums = WeightedSums.of(x, y, weights)
    a = x.double()
    b = y.double()
    for r, w in enumerate(weights):
        torch.testing.assert_close(sums.x[r], w @ a)
        torch.testing.assert_close(sums.y[r], w @ b)
        torch.testing.assert_close(sums.cosines[r], w @ (a * b).sum(1))
        torch.testing.assert_close(sums.distances[r], w @ (a - b).square().sum(1))
        torch.testing.assert_close(sums.own_cosines[r], w.square() @ (a * b).sum(1))
        torch.testing.assert_close(sums.own_x[r], w.square() @ a.square().sum(1))
        torch.testing.assert_close(sums.squared_weights[r], w @ w)
    torch.testing.assert_close(sums.squared_differences, (a - b).square().sum(0))


def test_sums_of_pairs_are_weighted_sums_with_each_pair_once():
    x, y = tensor_pair(*sample(50, 6))
    weighted = WeightedSums.of(x, y)
    of_sums = WeightedSums.of_sums(PairSums.of(x, y))
    assert of_sums.n == weighted.n == 50
    for name, expected in vars(weighted).items():
        if name not in ("n", "largest"):
            torch.testing.assert_close(getattr(of_sums, name), expected, atol=1e-12, rtol=0)
    assert of_sums.largest.tolist() == weighted.largest.tolist()
    gap = (x.double() - y.double()).mean(0).abs()
    assert set(weighted.largest.tolist()) == set(gap.argsort()[-2:].tolist())


def test_diagonals_are_those_of_products():
    x, y = tensor_pair(*sample(1100, 7))
    whole = PairSums.of(x, y)
    diagonals = PairSums.of(x, y, diagonals_only=True)
    assert whole.has_products and not diagonals.has_products
    for name in ("xx", "yy", "xy"):
        expected = getattr(whole, name).diagonal()
        torch.testing.assert_close(getattr(diagonals, name), expected, atol=1e-12, rtol=0)
    expected = WeightedSums.of_sums(whole)
    for name, value in vars(WeightedSums.of_sums(diagonals)).items():
        torch.testing.assert_close(value, getattr(expected, name))


def test_sums_over_parts_of_very_long_rows_make_up_those_of_all():
    x, y = tensor_pair(*sample(6, 3000))
    weights = torch.from_numpy(np.random.default_rng(0).integers(0, 3, (4, 6))).double()
    whole = WeightedSums.of(x, y, weights)
    parts = list(WeightedSums.in_parts(x, y, weights))
    assert len(parts) > 1
    for name in ("x", "y"):
        joined = torch.cat([getattr(part, name) for part in parts], 1)
        torch.testing.assert_close(joined, getattr(whole, name))
    for name in ("cosines", "distances", "own_cosines", "own_distances", "own_x", "own_y"):
        total = sum(getattr(part, name) for part in parts)
        torch.testing.assert_close(total, getattr(whole, name))
    found = []
    before = 0
    for part in parts:
        found += (part.largest + before).tolist()
        before += part.x.shape[1]
    assert sorted(found) == sorted(whole.largest.tolist())
    assert len(list(WeightedSums.in_parts(x[:, :2000], y[:, :2000]))) == 1


def test_cosines_are_those_of_all_rows_and_lose_a_group():
    x, y = tensor_pair(*sample(9, 2500))
    cosines = PairCosines.of(x, y)
    assert (cosines.n, cosines.d) == (9, 2500)
    torch.testing.assert_close(cosines.xx, x.double() @ x.double().T)
    left = [0, 2, 3, 4, 6, 7, 8]
    rest = cosines.without(np.array([1, 5]))
    torch.testing.assert_close(rest.yy, y.double()[left] @ y.double()[left].T)
    centered = x.double() - x.double().mean(0)
    torch.testing.assert_close(centered_cosines(cosines.xx), centered @ centered.T)
    equal = x[[0, 0, 0]].double() @ x[[0, 0, 0]].double().T
    assert not centered_cosines(equal).any()


@pytest.mark.parametrize(
    ("n", "d", "over_pairs"),
    [
        (100, 20_000, True),
        (1000, 4096, True),
        (2, 5, True),
        (500, 512, False),
        (512, 512, False),
        (5000, 4096, False),
    ],
)
def test_the_smaller_matrix_is_taken_where_it_is_far_smaller(n, d, over_pairs):
    assert is_over_pairs(n, d) == over_pairs


def test_matrices_that_are_too_large_are_refused_before_memory_is_taken():
    require_room(100, 10**6)
    require_room(10**9, 1024)
    with pytest.raises(PairsError) as error:
        require_room(20_000, 12_288)
    assert str(error.value) == (
        "what covariances of 20,000 pairs in 12,288 dimensions say (ranks, IsoScores, CKA) needs "
        "matrices of 12,288 x 12,288 numbers, 12.1 GB of memory; the limit is 8,192 x 8,192: "
        "take at most 8,192 pairs or dimensions"
    )
    if total_memory() < 10 * 8 * 8192**2:
        with pytest.raises(PairsError, match=r"needs 5\.4 GB of memory; this machine has"):
            require_room(8192, 8192)
