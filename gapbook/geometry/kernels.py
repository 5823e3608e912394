"""Comparisons of two clouds through a kernel: of their distributions and of their structure."""

from array_api_compat import array_namespace
from numpy.typing import ArrayLike

from gapbook.exceptions import PairsError
from gapbook.geometry.arrays import (
    Array,
    clip_in_place,
    exp_in_place,
    outer,
    products_of_rows,
    zeros,
)
from gapbook.geometry.sums import (
    PairCosines,
    PairSums,
    centered_cosines,
    is_over_pairs,
    require_room,
)
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


def mmd_terms(a: Array, b: Array, t: float) -> Array:
    """Return for each i the sum over j != i of the terms of ``mmd``: float64 (n,)."""
    within = kernel_sums(a, a, t)[0] + kernel_sums(b, b, t)[0]
    return within - kernel_sums(a, b, t).sum(0)


def kernel_sums(a: Array, b: Array, t: float, rows_per_tile: int = ROWS_PER_TILE) -> Array:
    """Return the sums of the kernel over j != i for each i, float64 (2, n).

    The first row has the sums of ``exp(-t |a_i - b_j|^2)``, the second those of
    ``exp(-t |a_j - b_i|^2)``.
    """
    sums = zeros((2, len(a)), like=a)
    double = array_namespace(a).float64
    starts = range(0, len(a), rows_per_tile)
    for i in starts:
        rows = slice(i, i + rows_per_tile)
        for j in starts:
            columns = slice(j, j + rows_per_tile)
            kernel = clip_in_place(products_of_rows(a[rows], b[columns]), -1, 1)
            # |a - b|^2 = 2 - 2 cos
            kernel -= 1
            kernel *= 2 * t
            exp_in_place(kernel)
            if i == j:
                kernel[range(len(kernel)), range(len(kernel))] = 0
            sums[0, rows] += kernel.sum(1, dtype=double)
            sums[1, columns] += kernel.sum(0, dtype=double)
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
        ``|Y^T X|^2 / (|X^T X| |Y^T Y|)`` of centered rows, with Frobenius norms of (d, d) matrices,
        or the same from (n, n) matrices where these are smaller. NaN for collapsed rows, and for
        n < 4 where debiased.

    Raises
    ------
    PairsError
        If x and y are not pairs of embeddings, or both n and d are above 8,192.

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
    return cka_of(covariance_sums(*unit_pair(x, y)), debiased)


def covariance_sums(x: Array, y: Array) -> PairSums | PairCosines:
    """Return what covariances of unit rows (n, d) follow from, over dimensions or over pairs.

    Raises ``PairsError`` where both are too many.
    """
    n, d = x.shape
    require_room(n, d)
    if is_over_pairs(n, d):
        return PairCosines.of(x, y)
    return PairSums.of(x, y)


def cka_of(sums: PairSums | PairCosines, debiased: bool = False) -> float:
    """Return linear CKA from sums over pairs, or from cosines."""
    xx, yy, xy = _dependences(sums, debiased=False)
    if not (xx > 0 and yy > 0):
        return float("nan")
    if debiased:
        # Of collapsed rows, which are out by now, an estimate would be rounding.
        xx, yy, xy = _dependences(sums, debiased=True)
    if not (xx > 0 and yy > 0):
        return float("nan")
    return xy / (xx * yy) ** 0.5


def _dependences(sums: PairSums | PairCosines, debiased: bool) -> list[float]:
    """Return ``|X^T X|^2``, ``|Y^T Y|^2`` and ``|X^T Y|^2`` of centered rows, or estimates."""
    if isinstance(sums, PairCosines):
        x = sums.xx
        y = sums.yy
        if debiased:
            return [_unbiased_dependence_of_cosines(a, b) for a, b in ((x, x), (y, y), (x, y))]
        x = centered_cosines(x)
        y = centered_cosines(y)
        return [float((a * b).sum()) for a, b in ((x, x), (y, y), (x, y))]
    dependence = _unbiased_dependence if debiased else _dependence
    return [
        dependence(sums.xx, sums.x, sums.x, sums.n),
        dependence(sums.yy, sums.y, sums.y, sums.n),
        dependence(sums.xy, sums.x, sums.y, sums.n),
    ]


def _dependence(product: Array, a: Array, b: Array, n: int) -> float:
    """Return ``|sum (a_i - mean)(b_i - mean)^T|^2`` from sums over pairs of unit rows."""
    centered = product - outer(a, b) / n
    rounding = 1e-13 * float(n)
    if float(abs(centered).max()) <= rounding:
        return 0.0
    return float((centered**2).sum())


def _unbiased_dependence(product: Array, a: Array, b: Array, n: int) -> float:
    """Return the unbiased estimate of ``_dependence``, NaN for n < 4.

    With K_ij = a_i . a_j and M_ij = b_i . b_j for i != j and 0 on the diagonal, it is
    (tr KM + sum(K) sum(M) / ((n - 1) (n - 2)) - 2 sum(KM) / (n - 2)) n / (n - 3).
    """
    if n < 4:
        return float("nan")
    return _unbiased(
        n,
        sum_k=float(a @ a),
        sum_m=float(b @ b),
        trace=float((product**2).sum()),
        both=float(a @ product @ b),
    )


def _unbiased_dependence_of_cosines(k: Array, m: Array) -> float:
    """Return what ``_unbiased_dependence`` does, from the cosines of both sides (n, n)."""
    n = len(k)
    if n < 4:
        return float("nan")
    return _unbiased(
        n,
        sum_k=float(k.sum()),
        sum_m=float(m.sum()),
        trace=float((k * m).sum()),
        both=float(k.sum(0) @ m.sum(0)),
    )


def _unbiased(n: int, sum_k: float, sum_m: float, trace: float, both: float) -> float:
    """Return the unbiased dependence from sums over all i and j, i = j included.

    The arguments are the sums of K and of M, tr(KM) and the sum of KM, with 1 on the diagonals.
    """
    without_both = both - sum_k - sum_m + n
    sum_k -= n
    sum_m -= n
    trace -= n
    return (trace + sum_k * sum_m / ((n - 1) * (n - 2)) - 2 * without_both / (n - 2)) * n / (n - 3)
