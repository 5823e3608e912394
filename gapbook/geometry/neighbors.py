"""Who is whose neighbor: hubs, and whether both modalities agree on neighbors."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from array_api_compat import array_namespace
from numpy.typing import ArrayLike

from gapbook.checks.parameters import require_integer
from gapbook.geometry.arrays import (
    Array,
    as_array,
    in_double,
    kth_largest,
    places_of_largest,
    to_numpy,
    zeros,
)
from gapbook.geometry.ranks import TIE
from gapbook.geometry.tiles import ROWS_PER_TILE
from gapbook.groups import checked_groups, first_rows
from gapbook.pairs import unit_pair

# Cosines that are held at once, 32 MB of them: the more candidates, the fewer queries at a time.
COSINES_AT_ONCE = 2**22


def default_neighbors(n: int) -> int:
    """Return the number of neighbors that reports on n pairs use: 10, or n // 2 below 20 pairs."""
    return min(10, n // 2)


def hubness(
    x: ArrayLike, y: ArrayLike, k: int = 10, groups: ArrayLike | None = None
) -> pd.DataFrame:
    """Return the skewness of k-occurrence: large where a few hubs answer many queries.

    Parameters
    ----------
    x, y : array (n, d)
        Pairs: row i of x belongs to row i of y. Rows are brought to unit length.
    k : int
        The number of nearest candidates of each query, from 1 to n.
    groups : array (n,), optional
        The group of each pair, such as the captions of one image: as in ``k_occurrence``.

    Returns
    -------
    pandas.DataFrame
        A row for each direction, with the columns ``direction``, ``k`` and ``skewness``.

    Raises
    ------
    PairsError
        If x and y are not pairs of embeddings, or k is not an integer from 1 to n.

    Notes
    -----
    The k-occurrence of a candidate is the number of queries that have it among their k nearest, as
    ``k_occurrence`` counts it. Skewness is ``m_3 / m_2^1.5`` of the central moments of its
    distribution over candidates, and 0 where all have the same. It is below 0 where there are
    candidates that few queries find. Identical modalities have the hubness of their own neighbors,
    collapsed ones have 0.

    References
    ----------
    Radovanovic et al. 2010.

    Examples
    --------
    >>> candidates = [[1, 0], [0, 1], [0, -1]]
    >>> hubness([[1, 0.1], [1, 0.2], [1, 0.3]], candidates, k=1)["skewness"].round(3).tolist()
    [0.707, 0.0]
    """
    counts = k_occurrence(x, y, k, groups)
    rows = [(direction, int(k), skewness(count)) for direction, count in counts.items()]
    return pd.DataFrame(rows, columns=["direction", "k", "skewness"])


def skewness(counts: np.ndarray) -> float:
    """Return ``m_3 / m_2^1.5`` of central moments, 0 for counts that differ by rounding only."""
    from scipy.stats import skew

    if counts.var() <= 1e-12:
        return 0.0
    return float(skew(counts))


def k_occurrence(
    x: ArrayLike, y: ArrayLike, k: int = 10, groups: ArrayLike | None = None
) -> dict[str, np.ndarray]:
    """Return how many queries have each candidate among their k nearest, in both directions.

    Parameters
    ----------
    x, y : array (n, d)
        Pairs: row i of x belongs to row i of y. Rows are brought to unit length.
    k : int
        The number of nearest candidates of each query, from 1 to n; with groups, to their number.
    groups : array (n,), optional
        The group of each pair, such as the captions of one image. All pairs of a group have the
        same row of x, which is there once, as a query and as a candidate.

    Returns
    -------
    dict
        Counts, float64 (n,) with mean k, by direction as in ``retrieval_ranks``: "image_to_text"
        counts how often each row of y is found. Candidates that tie for the last places (cosines
        within 1.2e-7) share them in equal parts. With G groups, "text_to_image" has G counts with
        mean k n / G, and the mean of "image_to_text" is k G / n.

    Raises
    ------
    PairsError
        If x and y are not pairs of embeddings, or k is not an integer from 1 to n.

    Examples
    --------
    >>> k_occurrence([[1, 0.1], [1, 0.2]], [[1, 0], [0, 1]], k=1)["image_to_text"].tolist()
    [2.0, 0.0]
    """
    a, b = unit_pair(x, y)
    if groups is not None:
        a = a[first_rows(checked_groups(groups, len(a)))]
    require_integer("k", k, low=1, high=len(a))
    return {"image_to_text": _occurrence(a, b, k), "text_to_image": _occurrence(b, a, k)}


def _occurrence(queries: Array, candidates: Array, k: int) -> np.ndarray:
    counts = zeros((len(candidates),), like=candidates)
    for _, cosines in cosines_with_all(queries, candidates):
        counts += shares_of_places(cosines, k).sum(0)
    return to_numpy(counts)


def neighbor_agreement(x: ArrayLike, y: ArrayLike, k: int = 10) -> float:
    """Return the mean share of a thing's k nearest neighbors that both modalities agree on.

    Parameters
    ----------
    x, y : array (n, d)
        Pairs: row i of x belongs to row i of y. Rows are brought to unit length.
    k : int
        The number of neighbors, from 1 to n - 1.

    Returns
    -------
    float
        The mean over i of the share of N_k(x_i) that is in N_k(y_i) too, where N_k(x_i) are the
        indices of the k other rows of x that are nearest to x_i: a fraction.

    Raises
    ------
    PairsError
        If x and y are not pairs of embeddings, or k is not an integer from 1 to n - 1.

    Notes
    -----
    Neighbors are sought within a modality and compared by index, so the gap and any rotation of one
    modality leave the value as it is. It is 1 for identical modalities; the chance level, that of
    independent ones, is k / (n - 1).

    References
    ----------
    Huh et al. 2024, mutual nearest neighbors.

    Examples
    --------
    >>> x = [[1, 0], [1, 0.1], [0, 1], [0.1, 1]]
    >>> neighbor_agreement(x, [[0, 1], [0.2, 1], [1, 0], [1, 0.2]], k=1)
    1.0
    """
    return float(neighbor_overlap(x, y, k).mean())


def neighbor_overlap(x: ArrayLike, y: ArrayLike, k: int = 10) -> np.ndarray:
    """Return for each pair the share of its k neighbors that both modalities agree on.

    Parameters
    ----------
    x, y : array (n, d)
        Pairs: row i of x belongs to row i of y. Rows are brought to unit length.
    k : int
        The number of neighbors, from 1 to n - 1.

    Returns
    -------
    numpy.ndarray (n,)
        Shares in float64. Neighbors that tie for the last places share them in equal parts, and the
        overlap sums the smaller of the two parts.

    Raises
    ------
    PairsError
        If x and y are not pairs of embeddings, or k is not an integer from 1 to n - 1.

    Examples
    --------
    >>> neighbor_overlap([[1, 0], [1, 0.1], [0, 1]], [[1, 0], [1, 0.1], [1, 0.3]], k=1).tolist()
    [1.0, 1.0, 1.0]
    """
    a, b = unit_pair(x, y)
    require_integer("k", k, low=1, high=len(a) - 1)
    overlap = zeros((len(a),), like=a)
    for rows, shares, _, _ in _overlaps(a, b, k):
        overlap[rows] = shares
    return to_numpy(overlap)


def _overlaps(x: Array, y: Array, k: int) -> Iterator[tuple[slice, Array, Array, Array]]:
    """Yield slices of pairs with the overlap of each, and the cosines of both sides with all."""
    both = zip(cosines_with_all(x, x), cosines_with_all(y, y), strict=True)
    for (rows, cosines_x), (_, cosines_y) in both:
        _leave_out_itself(cosines_x, rows)
        _leave_out_itself(cosines_y, rows)
        common = array_namespace(x).minimum(
            shares_of_places(cosines_x, k), shares_of_places(cosines_y, k)
        )
        yield rows, common.sum(1) / k, cosines_x, cosines_y


def nearest_candidates(queries: Array, candidates: Array, count: int) -> np.ndarray:
    """Return the indices of the nearest candidates of each query, nearest first: (n, count).

    Rows have unit length. There are fewer columns where there are fewer candidates. No row is its
    own neighbor where queries and candidates are the same array. Candidates whose cosines round to
    the same multiple of ``TIE`` come in the order of their indices, on any machine.
    """
    same = queries is candidates
    others = len(candidates) - same
    lists = []
    for rows, cosines in cosines_with_all(queries, candidates):
        if same:
            _leave_out_itself(cosines, rows)
        lists.append(places_of_largest(_without_ties(cosines), min(count, others)))
    return np.concatenate([to_numpy(part) for part in lists])


def occurrence_and_lists(
    queries: Array, candidates: Array, k: int, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return what ``k_occurrence`` counts and what ``nearest_candidates`` lists, in one pass.

    Queries and candidates are unit rows of different sides.
    """
    counts = zeros((len(candidates),), like=candidates)
    lists = []
    for _, cosines in cosines_with_all(queries, candidates):
        counts += shares_of_places(cosines, k).sum(0)
        lists.append(places_of_largest(_without_ties(cosines), min(count, len(candidates))))
    return to_numpy(counts), np.concatenate([to_numpy(part) for part in lists])


def overlap_and_lists(
    x: Array, y: Array, k: int, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return ``neighbor_overlap`` and both sides' ``nearest_candidates``, in one pass."""
    overlap = zeros((len(x),), like=x)
    lists_x = []
    lists_y = []
    width = min(count, len(x) - 1)
    for rows, shares, cosines_x, cosines_y in _overlaps(x, y, k):
        overlap[rows] = shares
        lists_x.append(to_numpy(places_of_largest(_without_ties(cosines_x), width)))
        lists_y.append(to_numpy(places_of_largest(_without_ties(cosines_y), width)))
    return to_numpy(overlap), np.concatenate(lists_x), np.concatenate(lists_y)


def cosines_with_all(
    queries: Array, candidates: Array, cosines_at_once: int = COSINES_AT_ONCE
) -> Iterator[tuple[slice, Array]]:
    """Yield slices of queries with their cosines with all candidates, float64: duplicates tie."""
    all_candidates = in_double(candidates)
    step = min(ROWS_PER_TILE, max(1, cosines_at_once // len(all_candidates)))
    for start in range(0, len(queries), step):
        rows = slice(start, start + step)
        yield rows, in_double(queries[rows]) @ all_candidates.T


def shares_of_places(cosines: Array, k: int) -> Array:
    """Return the share of one of the first k places that each candidate has.

    Parameters
    ----------
    cosines : array or tensor (q, n)
        The cosine of each query with each candidate.
    k : int
        The number of places.

    Returns
    -------
    array or tensor (q, n)
        Shares in float64, 1 for a place and 0 for none; those of a query sum to k. Cosines within
        1.2e-7 tie, and candidates that tie for the last places share them in equal parts.

    Examples
    --------
    >>> shares_of_places(np.array([[0.9, 0.5, 0.5, 0.1]]), k=2).tolist()
    [[1.0, 0.5, 0.5, 0.0]]
    """
    xp = array_namespace(cosines)
    last = kth_largest(cosines, k)
    better = cosines > last + TIE
    tied = (cosines >= last - TIE) & ~better
    left = in_double(k - xp.sum(better, axis=1, keepdims=True))
    return better + tied * (left / xp.sum(tied, axis=1, keepdims=True))


def _without_ties(cosines: Array) -> Array:
    """Return keys in the order of cosines on a grid of ``TIE``; of equal ones the first is largest.

    They are whole numbers in float64, exact for up to 2^29 candidates.
    """
    xp = array_namespace(cosines)
    count = cosines.shape[1]
    keys = xp.round(cosines / TIE)
    keys *= count
    keys -= as_array(np.arange(count, dtype=np.float64), like=cosines)
    return keys


def _leave_out_itself(cosines: Array, rows: slice) -> None:
    """Make no row its own neighbor; ``cosines`` are those of these rows with all rows."""
    own = np.arange(len(cosines))
    cosines[own, own + rows.start] = -np.inf
