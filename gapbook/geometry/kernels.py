"""Comparisons of two clouds through a kernel: of their distributions and of their structure."""

import torch
from numpy.typing import ArrayLike

from gapbook.exceptions import PairsError
from gapbook.geometry.sums import PairSums
from gapbook.geometry.tiles import ROWS_PER_TILE
from gapbook.pairs import unit_pair


def mmd(x: ArrayLike, y: ArrayLike, t: float = 2.0) -> float:
    """Return the squared maximum mean discrepancy, unbiased: 0 for one distribution.

    Parameters
    ----------
    x, y : array (n, d)
        Pairs: row i of x belongs to row i of y. Rows are brought to unit length.
    t : float
        The sharpness of the Gaussian kernel, above 0. The default is a bandwidth of 1/2 for every
        source, which keeps sources comparable.

    Returns
    -------
    float
        The mean of ``k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(x_j, y_i)`` over i != j, so that
        partners never meet, with the kernel ``k(a, b) = exp(-t |a - b|^2)`` of ``uniformity``.

    Raises
    ------
    PairsError
        If x and y are not pairs of embeddings, or t is not above 0.

    Notes
    -----
    It is exact, in tiles, and takes O(n^2 d) time. It is 0 for identical modalities, about 0 (and
    as often below) for two samples of one distribution, and 2 - 2 exp(-4 t) for modalities
    collapsed to antipodes. A small t measures the gap: mmd / (2 t) tends to the squared gap without
    its bias.

    References
    ----------
    Gretton et al. 2012, equation 4.

    Examples
    --------
    >>> round(mmd([[1, 0], [1, 0]], [[-1, 0], [-1, 0]]), 4), mmd([[1, 0], [0, 1]], [[1, 0], [0, 1]])
    (1.9993, 0.0)
    """
    if not t > 0:
        raise PairsError(f"Expected t above 0; got {t!r}")
    a, b = unit_pair(x, y)
    n = len(a)
    return float(mmd_terms(a, b, t).sum()) / (n * (n - 1))


def mmd_terms(a: torch.Tensor, b: torch.Tensor, t: float) -> torch.Tensor:
    """Return for each i the sum over j != i of the terms of ``mmd``: float64 (n,)."""
    within = kernel_sums(a, a, t)[0] + kernel_sums(b, b, t)[0]
    return within - kernel_sums(a, b, t).sum(0)


def kernel_sums(
    a: torch.Tensor, b: torch.Tensor, t: float, rows_per_tile: int = ROWS_PER_TILE
) -> torch.Tensor:
    """Return the sums of the kernel over j != i for each i, float64 (2, n).

    The first row has the sums of ``exp(-t |a_i - b_j|^2)``, the second those of
    ``exp(-t |a_j - b_i|^2)``.
    """
    sums = torch.zeros(2, len(a), dtype=torch.float64, device=a.device)
    starts = range(0, len(a), rows_per_tile)
    for i in starts:
        rows = slice(i, i + rows_per_tile)
        for j in starts:
            columns = slice(j, j + rows_per_tile)
            cosines = (a[rows] @ b[columns].T).clamp_(-1, 1)
            # |a - b|^2 = 2 - 2 cos
            kernel = (cosines - 1).mul_(2 * t).exp_()
            if i == j:
                kernel.fill_diagonal_(0)
            sums[0, rows] += kernel.sum(1, dtype=torch.float64)
            sums[1, columns] += kernel.sum(0, dtype=torch.float64)
    return sums


def cka(x: ArrayLike, y: ArrayLike, debiased: bool = False) -> float:
    """Return linear centered kernel alignment: how alike both modalities arrange the things.

    Parameters
    ----------
    x, y : array (n, d)
        Pairs: row i of x belongs to row i of y. Rows are brought to unit length.
    debiased : bool
        Whether unbiased estimates take the place of the three squared norms. The value is then
        about 0 for unrelated modalities, and as often below.

    Returns
    -------
    float
        ``|Y^T X|^2 / (|X^T X| |Y^T Y|)`` of centered rows, with Frobenius norms of (d, d) matrices.
        NaN for collapsed rows, and for n < 4 where debiased.

    Raises
    ------
    PairsError
        If x and y are not pairs of embeddings.

    Notes
    -----
    It is 1 for identical modalities and where one is a rotation of the other. Independent isotropic
    ones have about d / (n + d), which is 0.5 at n = d and says nothing about them.

    References
    ----------
    Kornblith et al. 2019, section 3; the unbiased estimate is that of Song et al. 2012.

    Examples
    --------
    >>> round(cka([[1, 0], [0, 1], [-1, 0]], [[0, 1], [-1, 0], [0, -1]]), 6)
    1.0
    """
    return cka_of(PairSums.of(*unit_pair(x, y)), debiased)


def cka_of(sums: PairSums, debiased: bool = False) -> float:
    """Return linear CKA from sums over pairs."""
    dependence = _unbiased_dependence if debiased else _dependence
    xx = dependence(sums.xx, sums.x, sums.x, sums.n)
    yy = dependence(sums.yy, sums.y, sums.y, sums.n)
    if not (xx > 0 and yy > 0):
        return float("nan")
    return dependence(sums.xy, sums.x, sums.y, sums.n) / (xx * yy) ** 0.5


def _dependence(product: torch.Tensor, a: torch.Tensor, b: torch.Tensor, n: int) -> float:
    """Return ``|sum (a_i - mean)(b_i - mean)^T|^2`` from sums over pairs of unit rows."""
    centered = product - torch.outer(a, b) / n
    rounding = 1e-13 * float(n)
    if float(centered.abs().amax()) <= rounding:
        return 0.0
    return float(centered.square().sum())


def _unbiased_dependence(product: torch.Tensor, a: torch.Tensor, b: torch.Tensor, n: int) -> float:
    """Return the unbiased estimate of ``_dependence``, NaN for n < 4.

    With K_ij = a_i . a_j and L_ij = b_i . b_j for i != j and 0 on the diagonal, it is
    (tr KL + sum(K) sum(L) / ((n - 1) (n - 2)) - 2 sum(KL) / (n - 2)) n / (n - 3).
    """
    if n < 4:
        return float("nan")
    sum_k = float(a @ a) - n
    sum_l = float(b @ b) - n
    trace = float(product.square().sum()) - n
    both = float(a @ product @ b) - float(a @ a) - float(b @ b) + n
    return (trace + sum_k * sum_l / ((n - 1) * (n - 2)) - 2 * both / (n - 2)) * n / (n - 3)
