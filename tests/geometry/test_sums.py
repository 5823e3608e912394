"""Sums over pairs: they add up over parts, and weights count how often a pair was drawn."""

import numpy as np
import pytest
import torch
from helpers import sample

from gapbook.geometry.sums import PairSums, WeightedSums
from gapbook.pairs import unit_pair


def test_sums_of_parts_add_up_in_any_order_and_can_be_taken_away():
    x, y = unit_pair(*sample(90, 7))
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
    x, y = unit_pair(*sample(n, 5))
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
    x, y = unit_pair(*sample(50, 6))
    weighted = WeightedSums.of(x, y)
    of_sums = WeightedSums.of_sums(PairSums.of(x, y))
    assert of_sums.n == weighted.n == 50
    for name, expected in vars(weighted).items():
        if name not in ("n", "largest"):
            torch.testing.assert_close(getattr(of_sums, name), expected, atol=1e-12, rtol=0)
    assert of_sums.largest.tolist() == weighted.largest.tolist()
    gap = (x.double() - y.double()).mean(0).abs()
    assert set(weighted.largest.tolist()) == set(gap.argsort()[-2:].tolist())
