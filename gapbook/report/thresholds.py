"""From which cosine on a pair is taken as a match, and what such a cut can and cannot do."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from gapbook.checks.arrays import as_numpy
from gapbook.exceptions import PairsError
from gapbook.geometry.intervals import wilson_interval
from gapbook.pairs import unit_pair

FALSE_SHARES = (0.1, 0.01, 0.001)


def cross_cosines(x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosines of partners, and those of all unrelated pairs across the modalities.

    Parameters
    ----------
    x, y : array_like or tensor of shape (n, d)
        Embeddings of at least 2 pairs.

    Returns
    -------
    tuple of ndarray
        Shapes (n,) and (n, n - 1); row i of the second belongs to row i of x.

    Examples
    --------
    >>> partners, unrelated = cross_cosines([[1, 0], [0, 1]], [[1, 0], [3, 4]])
    >>> partners.astype(float).round(2).tolist(), unrelated.astype(float).round(2).tolist()
    ([1.0, 0.8], [[0.6], [0.0]])
    """
    cosines = _cosines(x, y)
    n = len(cosines)
    unrelated = cosines[~np.eye(n, dtype=bool)].reshape(n, n - 1)
    return cosines.diagonal().copy(), unrelated


def threshold_table(
    x: ArrayLike, y: ArrayLike, false_shares: Sequence[float] = FALSE_SHARES
) -> pd.DataFrame:
    """Say how many true matches a cut keeps that lets few unrelated pairs pass.

    Parameters
    ----------
    x, y : array_like or tensor of shape (n, d)
        Embeddings of at least 2 pairs.
    false_shares : sequence of float
        The shares of unrelated pairs that may pass, between 0 and 1.

    Returns
    -------
    DataFrame
        A row for each share, with the columns false_share, threshold (the cosine above which a pair
        counts as a match), kept (the share of partners above it), kept_low and kept_high (the 95 %
        interval of Wilson, the cut held fixed), and n_unrelated.

    Raises
    ------
    PairsError
        For fewer than 2 pairs, bad input, or a share that is not between 0 and 1.

    Notes
    -----
    Partners and unrelated pairs of one distribution keep as much as passes. A cut is that of this
    model and these data, and one unrelated pair in 1,000 is many in an index of millions.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((100, 8))
    >>> threshold_table(rows, rows)["kept"].tolist()
    [1.0, 1.0, 1.0]
    """
    if not all(0 < share < 1 for share in false_shares):
        raise PairsError(f"Expected shares between 0 and 1; got {list(false_shares)}")
    partners, unrelated = cross_cosines(x, y)
    rows = []
    for share in false_shares:
        threshold = float(np.quantile(unrelated, 1 - share, method="higher"))
        kept = float((partners > threshold).mean())
        interval = wilson_interval(kept, len(partners))
        rows.append((share, threshold, kept, interval.low, interval.high, unrelated.size))
    columns = ["false_share", "threshold", "kept", "kept_low", "kept_high", "n_unrelated"]
    return pd.DataFrame(rows, columns=columns)


def answer_present_auc(x: ArrayLike, y: ArrayLike) -> pd.DataFrame:
    """Say whether the best cosine tells that the answer to a query is in the index at all.

    Parameters
    ----------
    x, y : array_like or tensor of shape (n, d)
        Embeddings of at least 2 pairs.

    Returns
    -------
    DataFrame
        One row a direction, with the columns direction and auc: the chance that the best cosine of
        a query whose partner is in the index exceeds that of a query whose partner is not.

    Raises
    ------
    PairsError
        For fewer than 2 pairs, or bad input.

    Notes
    -----
    0.5 where nothing can be told, 1 where any answer beats all others of any query. Each query is
    asked twice, with and without its partner.

    Examples
    --------
    >>> answer_present_auc([[1, 0], [0, 1]], [[1, 0], [0, 1]])["auc"].tolist()
    [1.0, 1.0]
    """
    from sklearn.metrics import roc_auc_score

    cosines = _cosines(x, y)
    n = len(cosines)
    is_present = np.repeat([True, False], n)
    rows = []
    for direction, scores in (("image_to_text", cosines), ("text_to_image", cosines.T)):
        present = scores.max(1)
        others = scores.copy()
        np.fill_diagonal(others, -2)
        best = np.concatenate([present, others.max(1)])
        rows.append((direction, float(roc_auc_score(is_present, best))))
    return pd.DataFrame(rows, columns=["direction", "auc"])


def _cosines(x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Return all cosines across the modalities, (n, n)."""
    a, b = unit_pair(x, y)
    return as_numpy(a) @ as_numpy(b).T
