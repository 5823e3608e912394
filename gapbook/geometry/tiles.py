"""Sums over rows and cosines of rows, one tile at a time."""

from collections.abc import Iterator

import numpy as np
from array_api_compat import array_namespace

from gapbook.geometry.arrays import Array, as_array, clip_in_place, in_double, zeros

# Rows and columns of a tile of cosines.
ROWS_PER_TILE = 512
# Rows that are converted to float64 at once, for sums of rows and for sums of their products.
ROWS_PER_SUM = 1024
ROWS_PER_PRODUCT = 4096
# Columns that are converted to float64 at once, for sums over them.
COLUMNS_PER_PRODUCT = 1024
# Of float32 rows: variance below this share of their squared length is rounding.
ROUNDING = 1e-13


def sum_of_rows(rows: Array) -> Array:
    """Return the sum of the rows, (d,) in float64.

    Blocks of rows are converted and summed in turn, which takes a tenth of the time of
    a sum of float32 rows in float64.
    """
    starts = range(0, len(rows), ROWS_PER_SUM)
    blocks = [in_double(rows[start : start + ROWS_PER_SUM]).sum(0) for start in starts]
    return array_namespace(rows).stack(blocks).sum(0)


def mean_row(rows: Array) -> Array:
    """Return the mean of the rows, (d,) in float64."""
    return sum_of_rows(rows) / len(rows)


def squared_lengths(unit: Array) -> Array:
    """Return ``|x_i|^2``, (n,) in float64: 1 but for the rounding of float32."""
    starts = range(0, len(unit), ROWS_PER_SUM)
    blocks = [(in_double(unit[start : start + ROWS_PER_SUM]) ** 2).sum(1) for start in starts]
    return array_namespace(unit).concat(blocks)


def mean_cosine(unit: Array) -> float:
    """Return the mean of ``x_i . x_j`` over all i != j, computed in float64.

    It is ``(|sum x_i|^2 - sum |x_i|^2) / (n (n - 1))``, without any cosine.
    """
    n = len(unit)
    total = sum_of_rows(unit)
    return float(total @ total - squared_lengths(unit).sum()) / (n * (n - 1))


def gram(a: Array, b: Array) -> Array:
    """Return the sum of ``a_i b_i^T`` over rows, (d, d) in float64."""
    total = zeros((a.shape[1], b.shape[1]), like=a)
    for start in range(0, len(a), ROWS_PER_PRODUCT):
        rows = slice(start, start + ROWS_PER_PRODUCT)
        total += in_double(a[rows]).T @ in_double(b[rows])
    return total


def all_cosines(unit: Array) -> Array:
    """Return the cosines of all rows with all rows, (n, n) in float64: for few long rows."""
    n, d = unit.shape
    cosines = zeros((n, n), like=unit)
    for start in range(0, d, COLUMNS_PER_PRODUCT):
        part = in_double(unit[:, start : start + COLUMNS_PER_PRODUCT])
        cosines += part @ part.T
    return cosines


def upper_tiles(unit: Array, progress: bool, rows_per_tile: int = ROWS_PER_TILE) -> Iterator[Array]:
    """Yield the cosines of all rows i < j, one flat tile at a time; ``progress`` shows a bar."""
    from tqdm import tqdm

    starts = range(0, len(unit), rows_per_tile)
    size = (rows_per_tile, rows_per_tile)
    above = as_array(np.triu(np.ones(size, dtype=bool), 1), like=unit)
    tiles = []
    for i in starts:
        for j in starts:
            # The last row alone has no pair on the diagonal tile.
            if i < j or (i == j and i + 1 < len(unit)):
                tiles.append((i, j))
    for i, j in tqdm(tiles, desc="cosines", unit="tile", disable=not progress):
        cosines = unit[i : i + rows_per_tile] @ unit[j : j + rows_per_tile].T
        clip_in_place(cosines, -1, 1)
        if i < j:
            yield cosines.reshape(-1)
        else:
            rows = len(cosines)
            yield cosines[above[:rows, :rows]]
