"""What differs between two modalities when their means are equal: variance by direction."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gapbook.checks.arrays import as_numpy
from gapbook.exceptions import PairsError
from gapbook.pairs import unit_pair

# Directions of a smaller share of the largest variance hold rounding alone.
SMALLEST_SHARE = 1e-9

# Directions that hold nearly all variance of the bundled GlyphCLIP models.
DIRECTIONS = 16

# What is added to all variances before covariances are made equal, as a share of their mean.
SHRINKAGE = 0.1


class VarianceWithin(NamedTuple):
    """Shares of the variance of one modality; see ``variance_within``."""

    own: float
    other: float


def variance_within(
    x: ArrayLike, y: ArrayLike, directions: int = DIRECTIONS, seed: int = 0
) -> VarianceWithin:
    """Return how much of x's variance lies within its own top directions, and within those of y.

    Parameters
    ----------
    x, y : array (n, d)
        Embeddings of n pairs. Rows are brought to unit length.
    directions : int
        How many principal directions are taken of each modality: from 1 to d.
    seed : int
        What draws the two halves of the pairs.

    Returns
    -------
    VarianceWithin
        ``own``, the share within the top directions of x, and ``other``, that within those of y:
        both from 0 to 1, and nearly equal where the modalities spread along the same directions.

    Raises
    ------
    PairsError
        If x and y are not pairs of embeddings, or directions are fewer than 1 or more than d.

    Notes
    -----
    Directions are learned on a random half of the pairs, and the variance of x is that of the other
    half, so that nothing is fitted to the rows that are measured. Each half has its own means
    subtracted. Nothing is tuned but the number of directions.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((90, 4)) * [9, 9, 1, 1]
    >>> share = variance_within(rows, rows[:, ::-1], directions=2)
    >>> bool(share.own > 0.9), bool(share.other < 0.1)
    (True, True)
    """
    a, b = _unit_rows_of(x, y)
    d = a.shape[1]
    if not 1 <= directions <= d:
        raise PairsError(f"Expected directions from 1 to {d}; got {directions!r}")
    order = np.random.default_rng(seed).permutation(len(a))
    seen, new = np.array_split(order, 2)
    measured = a[new] - a[new].mean(axis=0)
    total = (measured**2).sum()
    shares = []
    for side in (a, b):
        learned = side[seen] - side[seen].mean(axis=0)
        top = np.linalg.svd(learned, full_matrices=False)[2][:directions]
        shares.append(float(((measured @ top.T) ** 2).sum() / total))
    return VarianceWithin(*shares)


Sides = tuple[ArrayLike, ArrayLike]


def equalize_variances(
    x: ArrayLike, y: ArrayLike, seen: Sides | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Center both modalities, and scale each direction by the ratio that makes variances equal.

    Parameters
    ----------
    x, y : array (n, d)
        Embeddings of n pairs. Rows are brought to unit length.
    seen : tuple of two arrays (m, d), optional
        Pairs from which means, directions and variances are learned. By default x and y.

    Returns
    -------
    x, y : array (n, d)
        Rows, not of unit length. On the pairs that were seen, their variances along the principal
        directions of both together are the mean of both before; on other pairs they are so about,
        and along other directions they may still differ.

    Raises
    ------
    PairsError
        If x and y, or what is seen, are not pairs of embeddings.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x, y = equalize_variances(rng.standard_normal((90, 3)), rng.standard_normal((90, 3)) + 1)
    >>> bool(np.allclose(x.var(axis=0).sum(), y.var(axis=0).sum()))
    True
    """
    seen = (x, y) if seen is None else seen
    a, b, along = _centered_along(*seen)
    of_x = ((a @ along) ** 2).mean(axis=0)
    of_y = ((b @ along) ** 2).mean(axis=0)
    both = (of_x + of_y) / 2
    tiny = np.finfo(float).tiny
    in_x, in_y = _less_means(x, y, seen)
    scaled_x = in_x @ along * np.sqrt(both / np.maximum(of_x, tiny))
    scaled_y = in_y @ along * np.sqrt(both / np.maximum(of_y, tiny))
    return scaled_x @ along.T, scaled_y @ along.T


def equalize_covariances(
    x: ArrayLike, y: ArrayLike, seen: Sides | None = None, shrinkage: float = SHRINKAGE
) -> tuple[np.ndarray, np.ndarray]:
    """Center both modalities, and bring their covariances together.

    Parameters
    ----------
    x, y : array (n, d)
        Embeddings of n pairs. Rows are brought to unit length.
    seen : tuple of two arrays (m, d), optional
        Pairs from which means and covariances are learned. By default x and y.
    shrinkage : float
        What is added to all variances, as a share of their mean: 0 or more. With fewer pairs than
        dimensions it should not be 0.

    Returns
    -------
    x, y : array (n, d)
        Rows, not of unit length. They have the same covariance on the pairs that were seen and
        without shrinkage alone; with it, and on other pairs, covariances are closer than before.

    Raises
    ------
    PairsError
        If x and y, or what is seen, are not pairs of embeddings, or shrinkage is below 0.

    Notes
    -----
    With covariances A of x and B of y and their mean C, all shrunk, a centered row of x becomes
    ``x A^(-1/2) C^(1/2)``, and one of y ``y B^(-1/2) C^(1/2)``. Without shrinkage, both have the
    covariance C on the pairs that were seen.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> rows = rng.standard_normal((90, 3))
    >>> x, y = equalize_covariances(rows * [1, 2, 3], rows[:, ::-1] + 1, shrinkage=0)
    >>> bool(np.allclose(x.T @ x, y.T @ y))
    True
    """
    if not shrinkage >= 0:
        raise PairsError(f"Expected shrinkage of 0 or more; got {shrinkage!r}")
    seen = (x, y) if seen is None else seen
    a, b = _less_means(*seen, seen)
    of_x = _shrunk(a.T @ a / len(a), shrinkage)
    of_y = _shrunk(b.T @ b / len(b), shrinkage)
    color = _power((of_x + of_y) / 2, 0.5)
    in_x, in_y = _less_means(x, y, seen)
    return in_x @ _power(of_x, -0.5) @ color, in_y @ _power(of_y, -0.5) @ color


def _less_means(x: ArrayLike, y: ArrayLike, seen: Sides) -> tuple[np.ndarray, np.ndarray]:
    """Return unit rows less the means of those that were seen."""
    in_x, in_y = _unit_rows_of(x, y)
    seen_x, seen_y = _unit_rows_of(*seen)
    return in_x - seen_x.mean(axis=0), in_y - seen_y.mean(axis=0)


def _unit_rows_of(x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return pairs at unit length, float64."""
    a, b = unit_pair(x, y)
    return as_numpy(a).astype(float), as_numpy(b).astype(float)


def _shrunk(covariance: np.ndarray, shrinkage: float) -> np.ndarray:
    d = len(covariance)
    return covariance + shrinkage * covariance.trace() / d * np.eye(d)


def _power(covariance: np.ndarray, exponent: float) -> np.ndarray:
    """Return a power of a symmetric matrix, on the directions that hold variance."""
    variances, along = np.linalg.eigh(covariance)
    held = variances > SMALLEST_SHARE * variances.max()
    return along[:, held] * variances[held] ** exponent @ along[:, held].T


def _centered_along(x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return both sides less their means, and the directions (d, k) that hold variance."""
    a, b = _less_means(x, y, (x, y))
    variances, along = np.linalg.eigh(a.T @ a + b.T @ b)
    held = variances > SMALLEST_SHARE * variances.max()
    return a, b, along[:, held][:, ::-1]
