"""Cross-modal retrieval: the rank of each partner, where a tie counts half a place, and recall."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from array_api_compat import array_namespace
from numpy.typing import ArrayLike

from gapbook.exceptions import PairsError
from gapbook.geometry.arrays import Array, as_array, in_double, to_numpy
from gapbook.geometry.tiles import ROWS_PER_TILE
from gapbook.groups import checked_groups, first_rows
from gapbook.pairs import unit_pair

# Cosines of float32 rows that differ by no more than this are equal: they tie.
TIE = float(np.finfo(np.float32).eps)


def ranks_from_cosines(cosines: Array, own: Array) -> Array:
    """Return the rank of each query's partner, from 0, with half a place for each tie.

    Parameters
    ----------
    cosines : array or tensor (q, n)
        The cosine of each query with each candidate, in float64. The partner is one of the
        candidates.
    own : array or tensor (q,)
        The cosine of each query with its partner.

    Returns
    -------
    array or tensor (q,)
        The number of candidates that are strictly better than the partner, plus half the number of
        other candidates that tie with it: float64. Cosines within ``TIE``, 1.2e-7, tie.

    Examples
    --------
    >>> ranks_from_cosines(np.array([[0.9, 0.5, 0.5, 0.1]]), np.array([0.5])).tolist()
    [1.5]
    """
    # Each partner ties with itself.
    return in_double(half_places(cosines, own[:, None], axis=1) - 1) / 2


def half_places(cosines: Array, own: Array, axis: int) -> Array:
    """Count two for each candidate that is better than the partner, and one for each that ties.

    ``axis`` is the one of the candidates, which is summed over. Counts of tiles add up to
    twice the rank, plus one where the partner itself is among them. ``own`` are the cosines of
    partners, in a shape that broadcasts.
    """
    return (cosines > own + TIE).sum(axis) + (cosines >= own - TIE).sum(axis)


def retrieval_ranks(
    x: ArrayLike, y: ArrayLike, groups: ArrayLike | None = None
) -> dict[str, np.ndarray]:
    """Return the rank of each query's partner in both directions.

    Parameters
    ----------
    x, y : array (n, d)
        Pairs: row i of x belongs to row i of y. Rows are brought to unit length.
    groups : array (n,), optional
        The group of each pair, such as the captions of one image. All pairs of a group have the
        same row of x.

    Returns
    -------
    dict
        Ranks from 0, float64 (n,), for "image_to_text", where rows of x are queries and rows of y
        are candidates, and for "text_to_image", the reverse, whatever the modalities. With groups,
        "image_to_text" has one rank for each of them, in the order in which they come.

    Raises
    ------
    PairsError
        If x and y are not pairs of embeddings, or groups are not one integer or string for each.

    Notes
    -----
    The rank is the number of strictly better candidates plus half the number of other candidates
    that tie, where cosines within 1.2e-7 (the rounding of float32 rows) tie. Cosines are float64,
    so that duplicates tie in every tile. For identical modalities with different rows all ranks are
    0; for collapsed ones they are (n - 1) / 2.

    With groups, any row of y of its group is the right answer to a query from x: the rank is that
    of the nearest of them among the rows of other groups. A query from y looks for the row of x of
    its group among those of all groups, each of which is there once. So recall is that of the usual
    protocol for images with five captions.

    Examples
    --------
    >>> retrieval_ranks([[1, 0], [0, 1]], [[1, 0], [1, 0]])["image_to_text"].tolist()
    [0.5, 0.5]
    >>> ranks = retrieval_ranks(np.eye(2)[[0, 0, 1]], [[0, 1], [3, 1], [1, 3]], groups=[0, 0, 1])
    >>> ranks["image_to_text"].tolist(), ranks["text_to_image"].tolist()
    ([0.0, 1.0], [1.0, 0.0, 0.0])
    """
    a, b = unit_pair(x, y)
    n = len(a)
    if groups is not None:
        return _ranks_in_groups(to_numpy(a), to_numpy(b), checked_groups(groups, n))
    tiles = [slice(start, start + ROWS_PER_TILE) for start in range(0, n, ROWS_PER_TILE)]
    own_of_tiles = [(in_double(a[rows]) * in_double(b[rows])).sum(1) for rows in tiles]
    own = array_namespace(a).concat(own_of_tiles)
    of_rows = as_array(np.zeros(n, np.int64), like=a)
    of_columns = as_array(np.zeros(n, np.int64), like=a)
    for rows in tiles:
        queries = in_double(a[rows])
        for columns in tiles:
            cosines = queries @ in_double(b[columns]).T
            of_rows[rows] += half_places(cosines, own[rows, None], axis=1)
            of_columns[columns] += half_places(cosines, own[None, columns], axis=0)
    # Each partner ties with itself.
    return {
        "image_to_text": to_numpy(of_rows - 1) / 2,
        "text_to_image": to_numpy(of_columns - 1) / 2,
    }


def _ranks_in_groups(x: np.ndarray, y: np.ndarray, groups: np.ndarray) -> dict[str, np.ndarray]:
    """Return ranks where any row of y in the group of a query from x is right."""
    first = first_rows(groups)
    own = (in_double(x[first])[groups] * in_double(y)).sum(1)
    best = np.full(len(first), -np.inf)
    np.maximum.at(best, groups, own)
    of_x = np.zeros(len(first), np.int64)
    of_y = np.zeros(len(y), np.int64)
    for start in range(0, len(first), ROWS_PER_TILE):
        rows = slice(start, start + ROWS_PER_TILE)
        queries = in_double(x[first[rows]])
        numbers = np.arange(start, start + len(queries))
        for begin in range(0, len(y), ROWS_PER_TILE):
            columns = slice(begin, begin + ROWS_PER_TILE)
            cosines = queries @ in_double(y[columns]).T
            of_y[columns] += half_places(cosines, own[None, columns], axis=0)
            # No row of the own group stands before the best of them.
            cosines[numbers[:, None] == groups[columns]] = -np.inf
            of_x[rows] += half_places(cosines, best[rows, None], axis=1)
    # The row of x of each y ties with itself.
    return {"image_to_text": of_x / 2, "text_to_image": (of_y - 1) / 2}


def retrieval(
    x: ArrayLike,
    y: ArrayLike,
    ks: Sequence[int] = (1, 5, 10),
    groups: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return recall at each k in both directions.

    Parameters
    ----------
    x, y : array (n, d)
        Pairs: row i of x belongs to row i of y. Rows are brought to unit length.
    ks : sequence of int
        The numbers of places, each at least 1.
    groups : array (n,), optional
        The group of each pair, as in ``retrieval_ranks``: with them any row of y of its group is
        the right answer to a row of x.

    Returns
    -------
    pandas.DataFrame
        A row for each direction and k, with the columns ``direction`` ("image_to_text" or
        "text_to_image"), ``k`` and ``recall``: the share of queries whose partner has a rank below
        k, with the ranks of ``retrieval_ranks`` (ties count half).

    Raises
    ------
    PairsError
        If x and y are not pairs of embeddings, or if ks are not positive integers.

    Notes
    -----
    Recall is 1 for identical modalities with different rows, k / n for independent ones, and 0 for
    collapsed ones while 2 k < n.

    Examples
    --------
    >>> retrieval([[1, 0], [0, 1]], [[1, 0.1], [0.9, 1]], ks=[1])["recall"].tolist()
    [1.0, 1.0]
    """
    if np.ndim(ks) != 1 or not len(ks) or not all(_is_place(k) for k in ks):
        raise PairsError(f"Expected ks as positive integers, such as (1, 5, 10); got {ks!r}")
    rows = []
    for direction, ranks in retrieval_ranks(x, y, groups).items():
        for k in ks:
            rows.append((direction, int(k), float((ranks < k).mean())))
    return pd.DataFrame(rows, columns=["direction", "k", "recall"])


def _is_place(k: object) -> bool:
    return isinstance(k, int | np.integer) and int(k) >= 1
