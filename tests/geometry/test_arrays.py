"""NumPy arrays and tensors give the same measures, each without becoming the other."""

import numpy as np
import pytest
import torch
from helpers import sample

from gapbook.geometry import arrays
from gapbook.geometry.intervals import (
    bootstrap_intervals,
    covariance_intervals,
    kernel_intervals,
    neighbor_intervals,
)
from gapbook.geometry.kernels import kernel_sums
from gapbook.geometry.neighbors import nearest_candidates, shares_of_places
from gapbook.geometry.sums import PairCosines, PairSums, WeightedSums
from gapbook.geometry.tiles import upper_tiles
from gapbook.pairs import unit_pair


def both_kinds(n, d):
    """Return the same unit rows twice, as arrays and as tensors."""
    tensors = [torch.as_tensor(side) for side in unit_pair(*sample(n, d))]
    return [side.numpy() for side in tensors], tensors


@pytest.mark.parametrize(("n", "d"), [(90, 7), (40, 200)])
def test_intervals_of_arrays_are_those_of_tensors(n, d):
    rows, tensors = both_kinds(n, d)
    for intervals in (
        lambda x, y: bootstrap_intervals(x, y, seed=0, replicates=50),
        lambda x, y: covariance_intervals(x, y, seed=0),
        lambda x, y: neighbor_intervals(x, y, k=5, seed=0),
        kernel_intervals,
    ):
        of_arrays = intervals(*rows)
        of_tensors = intervals(*tensors)
        assert list(of_arrays) == list(of_tensors)
        for name, estimate in of_arrays.items():
            np.testing.assert_allclose(estimate, of_tensors[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [np.ndarray, torch.Tensor])
def test_sums_stay_of_the_kind_of_their_rows(kind):
    rows, tensors = both_kinds(30, 5)
    x, y = rows if kind is np.ndarray else tensors
    sums = PairSums.of(x, y)
    results = [
        sums.xy,
        sums.without(x[:3], y[:3]).xx,
        PairCosines.of(x, y).without(np.arange(3)).xx,
        WeightedSums.of(x, y).cosines,
        kernel_sums(x, y, 2.0),
        shares_of_places(x, 2),
        next(upper_tiles(x, progress=False)),
    ]
    assert all(isinstance(result, kind) for result in results)


def test_places_of_largest_are_in_falling_order():
    rows = np.array([[0.1, 0.9, 0.5, 0.7], [4.0, 3.0, 2.0, 1.0]])
    for values in (rows, torch.as_tensor(rows)):
        assert arrays.places_of_largest(values, 3).tolist() == [[1, 3, 2], [0, 1, 2]]
        assert arrays.places_of_largest(values, 0).shape == (2, 0)
        assert arrays.kth_largest(values, 2).tolist() == [[0.7], [3.0]]


def test_counts_add_up_where_a_place_comes_twice():
    for counts in (np.zeros(3, np.int64), torch.zeros(3, dtype=torch.int64)):
        index = arrays.as_array(np.array([2, 0, 2], np.int32), like=counts)
        arrays.count_in_place(counts, index)
        assert counts.tolist() == [1, 0, 2]


def test_candidates_that_tie_come_in_the_order_of_their_indices():
    rows, _ = both_kinds(40, 6)
    noise = np.random.default_rng(1).normal(scale=1e-15, size=(120, 6))
    candidates = np.tile(rows[1], (3, 1)) + noise
    expected = np.argsort(-(rows[0] @ rows[1].T).astype(np.float64), axis=1)[:, :4]
    for queries, threefold in (
        (rows[0], candidates),
        (torch.as_tensor(rows[0]), torch.as_tensor(candidates)),
    ):
        nearest = nearest_candidates(queries, threefold, 12).reshape(40, 4, 3)
        assert (nearest == expected[:, :, None] + 40 * np.arange(3)).all()
