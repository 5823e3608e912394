"""Sums over rows and cosines of rows, one tile at a time: no n by n matrix exists at any time."""

from collections.abc import Iterator

import torch

TILE = 512  # rows and columns of one tile of cosines


def squares(unit: torch.Tensor) -> torch.Tensor:
    """Return ||x_i||^2 (n,), which is 1 but for the rounding of float32."""
    return torch.linalg.vector_norm(unit, dim=1, dtype=torch.float64) ** 2


def mean_cosine(unit: torch.Tensor) -> float:
    """Return the mean of x_i . x_j over i != j, (||sum x_i||^2 - sum ||x_i||^2) / (n (n - 1)), in float64."""
    total = unit.sum(0, dtype=torch.float64)
    return float(total @ total - squares(unit).sum()) / (len(unit) * (len(unit) - 1))


def gram(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Return sum a_i b_i^T over rows, (d, d) in float64."""
    total = a.new_zeros(a.shape[1], b.shape[1], dtype=torch.float64)
    for i in range(0, len(a), 8 * TILE):
        total += a[i : i + 8 * TILE].double().T @ b[i : i + 8 * TILE].double()
    return total


def upper_tiles(unit: torch.Tensor, progress: bool) -> Iterator[torch.Tensor]:
    """Yield the cosines of all i < j, one flat tile at a time."""
    from tqdm import tqdm

    starts = range(0, len(unit), TILE)
    above = torch.ones(TILE, TILE, dtype=torch.bool, device=unit.device).triu_(1)
    tiles = [(i, j) for i in starts for j in starts if i < j or (i == j and i + 1 < len(unit))]
    for i, j in tqdm(tiles, desc="cosines", unit="tile", disable=not progress):
        cosines = (unit[i : i + TILE] @ unit[j : j + TILE].T).clamp_(-1, 1)
        rows = len(cosines)
        yield cosines.reshape(-1) if i < j else cosines[above[:rows, :rows]]
