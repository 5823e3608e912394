"""Comparisons of two clouds through a kernel: whether they have one distribution, and one structure."""

from typing import Any

import torch

from gapbook.exceptions import PairsError
from gapbook.geometry.sums import Sums
from gapbook.geometry.tiles import TILE
from gapbook.pairs import unit_pair


def mmd(x: Any, y: Any, t: float = 2.0) -> float:
    """Return the squared maximum mean discrepancy of two modalities, unbiased: 0 for one distribution.

    The mean of k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(x_j, y_i) over i != j, so that partners never meet, with the
    Gaussian kernel k(a, b) = exp(-t ||a - b||^2) of ``uniformity``: t = 2 is a bandwidth of 1/2 for every source, which
    keeps them comparable. Exact, in tiles; O(n^2 d) time. 0 for identical modalities, about 0 (and as often below) for
    two samples of one distribution, 2 - 2 exp(-4 t) for modalities collapsed to antipodes. A small t measures the gap:
    mmd / (2 t) tends to the squared gap without its bias. Raises ``PairsError``, also for t <= 0.
    Source: Gretton et al. 2012, equation 4.

    >>> round(mmd([[1, 0], [1, 0]], [[-1, 0], [-1, 0]]), 4), mmd([[1, 0], [0, 1]], [[1, 0], [0, 1]])
    (1.9993, 0.0)
    """
    if not t > 0:
        raise PairsError(f"Expected t above 0; got {t!r}")
    a, b = unit_pair(x, y)
    return float(discrepancies(a, b, t).sum()) / (len(a) * (len(a) - 1))


def discrepancies(a: torch.Tensor, b: torch.Tensor, t: float) -> torch.Tensor:
    """Return the sum over j != i of the terms of ``mmd``, for each i: float64 (n,)."""
    return potentials(a, a, t)[0] + potentials(b, b, t)[0] - potentials(a, b, t).sum(0)


def potentials(a: torch.Tensor, b: torch.Tensor, t: float) -> torch.Tensor:
    """Return the sums over j != i of exp(-t ||a_i - b_j||^2) and of exp(-t ||a_j - b_i||^2): float64 (2, n)."""
    sums = torch.zeros(2, len(a), dtype=torch.float64, device=a.device)
    for i in range(0, len(a), TILE):
        for j in range(0, len(a), TILE):
            kernel = ((a[i : i + TILE] @ b[j : j + TILE].T).clamp_(-1, 1) - 1).mul_(2 * t).exp_()
            if i == j:
                kernel.fill_diagonal_(0)
            sums[0, i : i + TILE] += kernel.sum(1, dtype=torch.float64)
            sums[1, j : j + TILE] += kernel.sum(0, dtype=torch.float64)
    return sums


def cka(x: Any, y: Any, debiased: bool = False) -> float:
    """Return linear centered kernel alignment: how alike the two modalities arrange the same things.

    ||Y^T X||^2 / (||X^T X|| ||Y^T Y||) of centered unit rows, Frobenius norms of (d, d) matrices: 1 for identical
    modalities and where one is a rotation of the other. Independent isotropic ones have about d / (n + d), which is 0.5
    at n = d and says nothing of them. ``debiased`` puts unbiased estimates in the place of the three squared norms
    (NaN for n < 4): about 0 then, and as often below. NaN for collapsed rows. Raises ``PairsError``.
    Source: Kornblith et al. 2019, section 3; the unbiased estimate of Song et al. 2012.

    >>> round(cka([[1, 0], [0, 1], [-1, 0]], [[0, 1], [-1, 0], [0, -1]]), 6)
    1.0
    """
    return cka_of(Sums.of(*unit_pair(x, y)), debiased)


def cka_of(sums: Sums, debiased: bool = False) -> float:
    """Return linear CKA from sums over pairs."""
    sides = ((sums.xx, sums.x, sums.x), (sums.yy, sums.y, sums.y), (sums.xy, sums.x, sums.y))
    xx, yy, xy = (_dependence(*side, sums.n, debiased) for side in sides)
    return xy / (xx * yy) ** 0.5 if xx > 0 and yy > 0 else float("nan")


def _dependence(
    product: torch.Tensor, a: torch.Tensor, b: torch.Tensor, n: int, debiased: bool
) -> float:
    """Return ||sum (a_i - mean)(b_i - mean)^T||^2 from sums over pairs of unit rows, or without its bias.

    With K_ij = a_i . a_j and L_ij = b_i . b_j for i != j and 0 on the diagonal, the unbiased estimate is
    (tr KL + sum(K) sum(L) / ((n - 1) (n - 2)) - 2 sum(KL) / (n - 2)) n / (n - 3).
    """
    if not debiased:
        centered = product - torch.outer(a, b) / n
        rounding = 1e-13 * float(n)
        return float(centered.square().sum()) if float(centered.abs().amax()) > rounding else 0.0
    if n < 4:
        return float("nan")
    sum_k, sum_l = float(a @ a) - n, float(b @ b) - n
    trace = float(product.square().sum()) - n
    both = float(a @ product @ b) - float(a @ a) - float(b @ b) + n
    return (trace + sum_k * sum_l / ((n - 1) * (n - 2)) - 2 * both / (n - 2)) * n / (n - 3)
