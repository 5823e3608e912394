"""The shape of a cloud on the sphere: how close partners are, how evenly it spreads and over how many directions."""

import math
from typing import Any

import numpy as np
import torch

from gapbook.exceptions import PairsError
from gapbook.geometry.kernels import potentials
from gapbook.geometry.tiles import TILE, gram
from gapbook.pairs import unit_pair, unit_rows

ROUNDING = 1e-13  # of float32 rows: variance below this share of their squared length is none


def alignment(x: Any, y: Any, alpha: float = 2.0) -> float:
    """Return the mean of ||x_i - y_i||^alpha over pairs of unit rows: lower is closer.

    With alpha = 2 it is 2 - 2 cos on average, from 0 for identical modalities over 2 for independent isotropic ones to
    4 for antipodal ones. Raises ``PairsError``, also for alpha <= 0. Source: Wang and Isola 2020, section 4.1.

    >>> alignment([[1, 0], [0, 1]], [[1, 0], [0, -1]])
    2.0
    """
    _positive(alpha=alpha)
    a, b = unit_pair(x, y)
    total = 0.0
    for i in range(0, len(a), TILE):
        apart = torch.linalg.vector_norm(a[i : i + TILE].double() - b[i : i + TILE].double(), dim=1)
        total += float((apart**alpha).sum())
    return total / len(a)


def uniformity(x: Any, t: float = 2.0) -> float:
    """Return log of the mean of exp(-t ||x_i - x_j||^2) over all i != j: lower is more even.

    Exact, in tiles of float32 cosines with float64 sums; O(n^2 d) time. Collapsed rows: 0. Isotropic rows: about
    -2 t + 2 t^2 / d, the minimum for many rows; two antipodes: -4 t. It sees the cone. Raises ``PairsError``, also for
    t <= 0. Source: Wang and Isola 2020, section 4.1.

    >>> round(uniformity([[1, 0], [-1, 0]]), 6), uniformity([[1, 0], [2, 0]])
    (-8.0, 0.0)
    """
    _positive(t=t)
    unit = unit_rows(x)
    total = float(potentials(unit, unit, t)[0].sum())
    return (
        math.log(total / (len(unit) * (len(unit) - 1))) if total > 0 else -math.inf
    )  # a large t underflows


def effective_rank(x: Any, center: bool = True) -> float:
    """Return exp(-sum p_k log p_k), p_k the k-th singular value of the rows over their sum: a number of dimensions.

    The rows have unit length and, with ``center``, their mean taken away; singular values are roots of the eigenvalues
    of a (d, d) matrix in float64. From 1 (one direction, or collapsed) to min(n - 1, d) (all directions alike), and low
    for n not far above d. Without ``center`` the mean is a direction too, and a cone lowers the rank; collapsed rows
    have 1 either way. Raises ``PairsError``. Source: Roy and Vetterli 2007.

    >>> rows = [[1, 0], [0, 1], [-1, 0], [0, -1]]
    >>> round(effective_rank(rows), 6), round(effective_rank([[1, 0], [1, 0]]), 6)
    (2.0, 1.0)
    """
    unit = unit_rows(x)
    return rank_of(_scatter(unit) if center else gram(unit, unit))


def isoscore(x: Any) -> float:
    """Return IsoScore, the fraction of dimensions that the centered unit rows use evenly: 0 to 1.

    With C the covariance, q = (tr C)^2 / tr C^2 is the number of directions that share the variance (participation
    ratio), and the published steps reduce to (q - 1) / (d - 1): no eigenvalues are needed. 1 for isotropic rows, 0 for
    variance along one direction; 0 for collapsed rows too, by convention; NaN for d = 1. The mean is taken away first:
    blind to where the cloud lies, and so to the cone. Raises ``PairsError``. Source: Rudman et al. 2022.

    >>> round(isoscore([[1, 0], [0, 1], [-1, 0], [0, -1]]), 6), isoscore([[1, 1], [1, -1]])
    (1.0, 0.0)
    """
    return isoscore_of(_scatter(unit_rows(x)))


def rank_of(scatter: torch.Tensor) -> float:
    """Return the effective rank of rows with this sum of squares and products (d, d)."""
    values = torch.linalg.eigvalsh(scatter).cpu().numpy()
    roots = np.sqrt(values[values > ROUNDING * values[-1]]) if values[-1] > 0 else np.ones(1)
    shares = roots / roots.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def isoscore_of(scatter: torch.Tensor) -> float:
    """Return the IsoScore of rows with this centered sum of squares and products (d, d)."""
    d, trace = len(scatter), float(scatter.trace())
    ratio = (trace / float(torch.linalg.matrix_norm(scatter))) ** 2 if trace > 0 else 1.0
    return max(0.0, ratio - 1) / (d - 1) if d > 1 else math.nan


def centered(gram: torch.Tensor, total: torch.Tensor, n: int) -> torch.Tensor:
    """Return sum (x_i - mean)(x_i - mean)^T from sum x_i x_i^T and sum x_i; zero where only rounding is left."""
    scatter = gram - torch.outer(total, total) / n
    return (
        scatter
        if float(scatter.trace()) > ROUNDING * float(gram.trace())
        else torch.zeros_like(scatter)
    )


def _scatter(unit: torch.Tensor) -> torch.Tensor:
    return centered(gram(unit, unit), unit.sum(0, dtype=torch.float64), len(unit))


def _positive(**given: float) -> None:
    for name, value in given.items():
        if not value > 0:
            raise PairsError(f"Expected {name} above 0; got {value!r}")
