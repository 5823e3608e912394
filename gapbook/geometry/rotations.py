"""Rotations of one modality towards the other: in the plane of two vectors, and the best of all."""

import numpy as np


def turn_onto(rows: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Rotate rows in the plane of two unit vectors, so that the first comes to lie on the second.

    Parameters
    ----------
    rows : numpy.ndarray of shape (n, d)
        What is rotated, of any float type.
    start, end : numpy.ndarray of shape (d,)
        Unit vectors that are not antipodal.

    Returns
    -------
    numpy.ndarray of shape (n, d)
        The rotated rows, of the type of ``rows``.

    Notes
    -----
    With c = ``start``, m = ``end`` and s = c + m, a row z becomes
    ``z - (z . s) s / (1 + c . m) + 2 (z . c) m``. What is orthogonal to the plane stays where it
    is, and so do all cosines of rows. Equal vectors give the identity. Two antipodal vectors span
    no plane, and the formula divides by 0.

    Examples
    --------
    >>> turn_onto(np.eye(2), np.array([1.0, 0.0]), np.array([0.0, 1.0])).tolist()
    [[0.0, 1.0], [-1.0, 0.0]]
    """
    both = start + end
    onto_both = np.outer(
        rows @ both.astype(rows.dtype), (both / (1 + start @ end)).astype(rows.dtype)
    )
    onto_end = np.outer(rows @ start.astype(rows.dtype), end.astype(rows.dtype))
    return rows - onto_both + 2 * onto_end


def turn_to_gap(x: np.ndarray, y: np.ndarray, gap: float) -> np.ndarray:
    """Find the rotation in the plane of both means that puts y at a wanted gap from x.

    Parameters
    ----------
    x, y : numpy.ndarray of shape (n, d)
        Rows of both modalities, whose means are not parallel.
    gap : float
        The wanted distance of the means.

    Returns
    -------
    numpy.ndarray of shape (d, d)
        A rotation R, float64: y R lies ``gap`` from x. What is orthogonal to the plane of the
        means stays where it is.

    Raises
    ------
    ValueError
        Where no angle gives that gap: it must lie between a - b and a + b.

    Notes
    -----
    With lengths a and b of the means, ``gap^2 = a^2 + b^2 - 2 a b cos(angle)`` fixes the angle
    between them. The mean of y stays on its side of the mean of x.

    Examples
    --------
    >>> x, y = np.array([[1.0, 0.0, 0.0]]), np.array([[0.6, 0.8, 0.0]])
    >>> float((y @ turn_to_gap(x, y, 2**0.5))[0, 1].round(6))
    1.0
    """
    mean_x = x.mean(axis=0, dtype=np.float64)
    mean_y = y.mean(axis=0, dtype=np.float64)
    a = np.linalg.norm(mean_x)
    b = np.linalg.norm(mean_y)
    cosine = (a**2 + b**2 - gap**2) / (2 * a * b)
    if not -1 <= cosine <= 1:
        raise ValueError(f"Expected a gap between {abs(a - b):.3f} and {a + b:.3f}; got {gap:.3f}")
    first = mean_x / a
    second = mean_y - (mean_y @ first) * first
    second /= np.linalg.norm(second)
    end = cosine * first + np.sqrt(1 - cosine**2) * second
    return turn_onto(np.eye(len(first)), mean_y / b, end)


def procrustes(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Find the orthogonal matrix that brings y nearest to x, with no centering.

    Parameters
    ----------
    x, y : numpy.ndarray of shape (n, d)
        Rows that belong together, n pairs.

    Returns
    -------
    numpy.ndarray of shape (d, d)
        The orthogonal matrix W, float64; it may hold a reflection.

    Notes
    -----
    W = U V^T from the singular value decomposition y^T x = U S V^T minimizes the sum of
    ``||x_i - y_i W||^2``. Identical modalities give the identity, where they span the space.

    References
    ----------
    Liang et al. 2022, section 4.4.

    Examples
    --------
    >>> x = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> procrustes(x, x[::-1]).round(6).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """
    from scipy.linalg import orthogonal_procrustes

    return orthogonal_procrustes(y.astype(np.float64), x.astype(np.float64))[0]
