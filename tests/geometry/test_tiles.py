"""Sums over blocks of rows against sums over all rows at once."""

import numpy as np
import pytest
import torch
from helpers import sample

from gapbook.geometry.tiles import gram, mean_cosine, mean_row, sum_of_rows, upper_tiles
from gapbook.pairs import unit_rows

# Around the ends of blocks of 512, 1024 and 4096 rows.
EDGES = [2, 511, 512, 513, 1024, 1025, 4097]


@pytest.mark.parametrize("n", EDGES)
def test_sums_over_blocks_are_sums_over_all_rows(n):
    x, y = (torch.as_tensor(unit_rows(side)) for side in sample(n, 6))
    a = x.double().numpy()
    np.testing.assert_allclose(sum_of_rows(x), a.sum(0), rtol=1e-12)
    np.testing.assert_allclose(mean_row(x), a.mean(0), rtol=1e-12)
    np.testing.assert_allclose(gram(x, y), a.T @ y.double().numpy(), rtol=1e-11, atol=1e-12)
    cosines = a @ a.T
    expected = (cosines.sum() - np.trace(cosines)) / (n * (n - 1))
    assert mean_cosine(x) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("rows_per_tile", [1, 3, 10, 30, 64])
def test_tiles_hold_the_cosines_of_each_two_rows_once(rows_per_tile):
    x = torch.as_tensor(unit_rows(sample(30, 5)[0]))
    tiles = list(upper_tiles(x, progress=False, rows_per_tile=rows_per_tile))
    assert all(len(tile) <= rows_per_tile**2 for tile in tiles)
    expected = (x @ x.T)[np.triu_indices(30, 1)]
    torch.testing.assert_close(torch.cat(tiles).sort().values, expected.sort().values)
