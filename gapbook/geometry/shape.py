"""The shape of a cloud on the sphere: how evenly it spreads, and over how many directions."""

import math

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import ArrayLike

from gapbook.exceptions import PairsError
from gapbook.geometry.arrays import Array, in_double, outer, to_numpy, zeros
from gapbook.geometry.kernels import kernel_sums
from gapbook.geometry.sums import centered_cosines, is_over_pairs, require_room
from gapbook.geometry.tiles import ROUNDING, ROWS_PER_TILE, all_cosines, gram, sum_of_rows
from gapbook.pairs import unit_pair, unit_rows


def alignment(x: ArrayLike, y: ArrayLike, alpha: float = 2.0) -> float:
    """Return how far partners lie apart on average: lower is closer.

    Parameters
    ----------
    x, y : array (n, d)
        Pairs: row i of x belongs to row i of y. Rows are brought to unit length.
    alpha : float
        The exponent of the distance, above 0.

    Returns
    -------
    float
        The mean of ``|x_i - y_i|^alpha`` over pairs.

    Raises
    ------
    PairsError
        If x and y are not pairs of embeddings, or alpha is not above 0.

    Notes
    -----
    With alpha = 2 it is 2 - 2 cos on average: 0 for identical modalities, 2 for independent
    isotropic ones, 4 for antipodal ones.

    References
    ----------
    Wang and Isola 2020, section 4.1.

    Examples
    --------
    >>> alignment([[1, 0], [0, 1]], [[1, 0], [0, -1]])
    2.0
    """
    _require_positive(alpha=alpha)
    a, b = unit_pair(x, y)
    total = 0.0
    for start in range(0, len(a), ROWS_PER_TILE):
        rows = slice(start, start + ROWS_PER_TILE)
        squares = ((in_double(a[rows]) - in_double(b[rows])) ** 2).sum(1)
        total += float((squares ** (alpha / 2)).sum())
    return total / len(a)


def uniformity(x: ArrayLike, t: float = 2.0) -> float:
    """Return how unevenly the rows of one modality spread over the sphere: lower is more even.

    Parameters
    ----------
    x : array (n, d)
        One modality. Rows are brought to unit length.
    t : float
        The sharpness of the Gaussian kernel, above 0.

    Returns
    -------
    float
        The log of the mean of ``exp(-t |x_i - x_j|^2)`` over all i != j.

    Raises
    ------
    PairsError
        If x is not an array of embeddings, or t is not above 0.

    Notes
    -----
    It is exact, in tiles of float32 cosines with float64 sums, and takes O(n^2 d) time. Collapsed
    rows have 0. Isotropic rows have about -2 t + 2 t^2 / d, which is the minimum for many rows. Two
    antipodes have -4 t. Unlike IsoScore, it sees the cone. Where t is so large that every term
    underflows, it is minus infinity.

    References
    ----------
    Wang and Isola 2020, section 4.1.

    Examples
    --------
    >>> round(uniformity([[1, 0], [-1, 0]]), 6), uniformity([[1, 0], [2, 0]])
    (-8.0, 0.0)
    """
    _require_positive(t=t)
    unit = unit_rows(x)
    n = len(unit)
    total = float(kernel_sums(unit, unit, t)[0].sum())
    if total == 0:
        return -math.inf
    return math.log(total / (n * (n - 1)))


def effective_rank(x: ArrayLike, center: bool = True) -> float:
    """Return the effective rank, the number of directions that one modality spreads over.

    Parameters
    ----------
    x : array (n, d)
        One modality. Rows are brought to unit length.
    center : bool
        Whether the mean is taken away first. Without that the mean is a direction too, and a cone
        lowers the rank.

    Returns
    -------
    float
        ``exp(-sum p_k log p_k)``, where p_k is the k-th singular value of the rows over the sum of
        all: a number of dimensions.

    Raises
    ------
    PairsError
        If x is not an array of embeddings, or both n and d are above 8,192.

    Notes
    -----
    Singular values are roots of the eigenvalues of a matrix in float64, (d, d) or (n, n), whichever
    is the smaller: at most 8,192 of a side. The rank lies
    between 1 (one direction) and min(n - 1, d) (all directions alike), and is low for n not far
    above d. Collapsed rows have 1, centered or not.

    References
    ----------
    Roy and Vetterli 2007.

    Examples
    --------
    >>> rows = [[1, 0], [0, 1], [-1, 0], [0, -1]]
    >>> round(effective_rank(rows), 6), round(effective_rank([[1, 0], [1, 0]]), 6)
    (2.0, 1.0)
    """
    return effective_rank_of(_scatter(unit_rows(x), center))


def isoscore(x: ArrayLike) -> float:
    """Return IsoScore, the fraction of dimensions that one modality uses evenly.

    Parameters
    ----------
    x : array (n, d)
        One modality. Rows are brought to unit length.

    Returns
    -------
    float
        A fraction: 1 for isotropic rows, 0 for variance along one direction.

    Raises
    ------
    PairsError
        If x is not an array of embeddings, or both n and d are above 8,192.

    Notes
    -----
    With C the covariance, ``q = (tr C)^2 / tr C^2`` is the number of directions that share the
    variance (the participation ratio). The published steps reduce to (q - 1) / (d - 1), so that no
    eigenvalues are needed. It is 0 for collapsed rows, by convention, and NaN for d = 1. The mean
    is taken away first: IsoScore is blind to where the cloud lies, and so to the cone.

    References
    ----------
    Rudman et al. 2022.

    Examples
    --------
    >>> round(isoscore([[1, 0], [0, 1], [-1, 0], [0, -1]]), 6), isoscore([[1, 1], [1, -1]])
    (1.0, 0.0)
    """
    unit = unit_rows(x)
    return isoscore_of(_scatter(unit), unit.shape[1])


def effective_rank_of(scatter: Array) -> float:
    """Return the effective rank of rows with these sums of products (d, d), or cosines (n, n)."""
    values = to_numpy(array_namespace(scatter).linalg.eigvalsh(scatter))
    largest = values[-1]
    if largest <= 0:
        return 1.0
    roots = np.sqrt(values[values > ROUNDING * largest])
    shares = roots / roots.sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def isoscore_of(scatter: Array, d: int) -> float:
    """Return the IsoScore of rows (d,) with centered sums of products (d, d), or cosines (n, n)."""
    trace = float(scatter.trace())
    if d == 1:
        return math.nan
    if trace <= 0:
        return 0.0
    directions = (trace / float((scatter**2).sum()) ** 0.5) ** 2
    return max(0.0, directions - 1) / (d - 1)


def centered(gram: Array, total: Array, n: int) -> Array:
    """Return ``sum (x_i - mean)(x_i - mean)^T`` from sums of n rows.

    It is zero where only rounding is left. ``gram`` is the sum of ``x_i x_i^T``, (d, d), and
    ``total`` that of x_i, (d,).
    """
    scatter = gram - outer(total, total) / n
    if float(scatter.trace()) > ROUNDING * float(gram.trace()):
        return scatter
    return zeros(scatter.shape, like=scatter)


def _scatter(unit: Array, center: bool = True) -> Array:
    """Return sums of products (d, d), or cosines (n, n) where these are fewer."""
    n, d = unit.shape
    require_room(n, d)
    if is_over_pairs(n, d):
        cosines = all_cosines(unit)
        return centered_cosines(cosines) if center else cosines
    products = gram(unit, unit)
    return centered(products, sum_of_rows(unit), n) if center else products


def _require_positive(**options: float) -> None:
    for name, value in options.items():
        if not value > 0:
            raise PairsError(f"Expected {name} above 0; got {value!r}")
