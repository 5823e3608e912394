"""Pairs in groups: several texts of one image, as ids or as an array (n, k, d)."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from gapbook.checks.arrays import plain_matrix
from gapbook.exceptions import PairsError, quoted

# A NumPy array or a torch tensor.
Array = Any

KINDS_OF_IDS = "iuUS"


def flat_pairs(
    x: Any, y: Any, ids: Sequence[ArrayLike] | None = None
) -> tuple[Any, Any, np.ndarray | None]:
    """Return pairs row by row, with the group of each: a row of x is repeated for each of y.

    Parameters
    ----------
    x : array (n, d)
        One row for each group, such as the images.
    y : array (n, k, d) or (m, d)
        The k rows of each group, such as the captions of the image; with ids also (m, d).
    ids : sequence of one or two arrays, optional
        Integers or strings. Two arrays hold the ids of the rows of x (n,) and of y (m,): rows of
        one id belong together, and groups may differ in size. One array holds the ids of pairs
        that are already row by row.

    Returns
    -------
    tuple
        x and y, both (m, d), in the order of y, and the groups, integers (m,) from 0 in the order
        in which they come; None where there are none.

    Raises
    ------
    PairsError
        If it is not clear which rows belong together: an id without a partner, an id that x has
        more than once, groups in x, or other numbers of groups.

    Examples
    --------
    >>> x = [[1, 0], [0, 1]]
    >>> y = [[0, 2], [1, 1], [3, 0]]
    >>> rows, _, groups = flat_pairs(x, y, (["a", "b"], ["b", "a", "a"]))
    >>> rows.tolist(), groups.tolist()
    ([[0, 1], [1, 0], [1, 0]], [0, 1, 1])
    >>> flat_pairs(x, [[[1, 1], [1, 2]], [[2, 1], [3, 1]]])[2].tolist()
    [0, 0, 1, 1]
    """
    if ids is None:
        return _of_stacked(x, y)
    if len(ids) not in (1, 2):
        raise PairsError(
            f"Expected ids as a sequence of one or two arrays, such as (ids_x, ids_y); got "
            f"{len(ids)} of them"
        )
    _require_flat(x, y)
    x = plain_matrix(x, "x")
    y = plain_matrix(y, "y")
    if len(ids) == 1:
        labels = _labels(ids[0], "groups", len(x))
        if len(y) != len(labels):
            raise PairsError(
                f"One array of ids is for pairs, and x has {len(x)} rows and y {len(y)}: give ids "
                "for x and ids for y"
            )
        return x, y, numbered(labels)
    labels_x = _labels(ids[0], "the ids of x", len(x))
    labels_y = _labels(ids[1], "the ids of y", len(y))
    if labels_x.dtype != labels_y.dtype:
        # Integers of different types would be compared as floats.
        labels_x = labels_x.astype(str)
        labels_y = labels_y.astype(str)
    if np.array_equal(labels_x, labels_y):
        return x, y, numbered(labels_x)
    rows = _partners(labels_x, labels_y)
    return x[rows], y, numbered(labels_y)


def numbered(labels: np.ndarray) -> np.ndarray:
    """Return labels as integers from 0, in the order in which they come.

    Examples
    --------
    >>> numbered(np.array(["b", "a", "b"])).tolist()
    [0, 1, 0]
    """
    return pd.factorize(labels)[0].astype(np.int64)


def checked_groups(groups: ArrayLike, n: int) -> np.ndarray:
    """Return the groups of n pairs as integers from 0, read-only.

    Parameters
    ----------
    groups : array (n,)
        Integers or strings: the same one for pairs of one group.
    n : int
        The number of pairs.

    Returns
    -------
    numpy.ndarray (n,)
        Integers in the order in which the groups come.

    Raises
    ------
    PairsError
        If there is not one for each pair, or they are of another type, or all the same.

    Examples
    --------
    >>> checked_groups([7, 7, 3], 3).tolist()
    [0, 0, 1]
    """
    numbers = numbered(_labels(groups, "groups", n))
    if numbers.max() < 1:
        raise PairsError(f"at least 2 groups are needed; got 1 for all {n} pairs")
    numbers.flags.writeable = False
    return numbers


def group_labels(ids: ArrayLike, n: int) -> np.ndarray:
    """Return the ids of the groups of n pairs as integers or strings, as they are.

    Raises ``PairsError`` as ``checked_groups`` does, but one group will do.

    Examples
    --------
    >>> group_labels([7, 7, 3], 3).tolist()
    [7, 7, 3]
    """
    return _labels(ids, "groups", n)


def first_rows(groups: np.ndarray) -> np.ndarray:
    """Return the index of the first row of each group, for groups that are ``numbered``.

    Examples
    --------
    >>> first_rows(np.array([0, 0, 1, 0, 2])).tolist()
    [0, 2, 4]
    """
    return np.unique(groups, return_index=True)[1]


def several_a_group(groups: np.ndarray | None) -> np.ndarray | None:
    """Return the groups, or None where no group has more than one row: these are plain pairs.

    Examples
    --------
    >>> several_a_group(np.array([0, 1, 2])), several_a_group(np.array([0, 1, 1])).tolist()
    (None, [0, 1, 1])
    """
    if groups is None or int(groups.max()) + 1 == len(groups):
        return None
    return groups


def rows_in_order(groups: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """Return the rows of the chosen groups, one group after the other.

    Examples
    --------
    >>> rows_in_order(np.array([0, 1, 0, 2]), np.array([2, 0])).tolist()
    [3, 0, 2]
    """
    places = np.full(int(groups.max()) + 1, len(chosen))
    places[chosen] = np.arange(len(chosen))
    of_rows = places[groups]
    order = np.argsort(of_rows, kind="stable")
    return order[: int((of_rows < len(chosen)).sum())]


def drawn_rows(
    n: int, groups: np.ndarray | None, count: int, rng: np.random.Generator
) -> np.ndarray:
    """Draw at most ``count`` of n rows without replacement, in their order.

    Groups are drawn whole, so that there may be a few rows less; there are two groups at least.

    Examples
    --------
    >>> rows = drawn_rows(6, np.array([0, 0, 1, 1, 2, 2]), 5, np.random.default_rng(0))
    >>> rows[::2].tolist() == (rows[1::2] - 1).tolist(), len(rows)
    (True, 4)
    """
    groups = several_a_group(groups)
    if groups is None:
        return np.sort(rng.choice(n, count, replace=False))
    sizes = np.bincount(groups)
    order = rng.permutation(len(sizes))
    fitting = int(np.searchsorted(np.cumsum(sizes[order]), count, side="right"))
    return np.sort(rows_in_order(groups, order[: max(fitting, 2)]))


def _of_stacked(x: Any, y: Any) -> tuple[Any, Any, np.ndarray | None]:
    """Return pairs of x (n, d) and y (n, k, d), and anything else as it is."""
    if _dimensions(x) != 3 and _dimensions(y) != 3:
        return x, y, None
    shape_x = _shape(x)
    shape_y = _shape(y)
    for name, shape, other in (("x", shape_x, shape_y), ("y", shape_y, shape_x)):
        if len(shape) == 3 and shape[0] == 2 and len(other) == 2 and other[0] != 2:
            raise PairsError(
                f"Expected {name} of shape (n, d) or (n, k, d); got {shape}: that is both sides "
                "of pairs, so give this file alone"
            )
    if len(shape_x) != 2:
        raise PairsError(
            f"Expected x of shape (n, d), one row for each group; got {shape_x} beside {shape_y}: "
            "give the side with one row in each group first, and of the other one (n, k, d)"
        )
    if shape_x[0] != shape_y[0]:
        raise PairsError(
            f"Expected as many groups in y (n, k, d) as rows in x (n, d); got {shape_x} and "
            f"{shape_y}: give the ids of rows instead (groups=, in the shell --groups)"
        )
    n, k, d = shape_y
    if not k or not d:
        raise PairsError(f"Expected at least one row in each group of y; got {shape_y}")
    groups = np.repeat(np.arange(n), k)
    x = plain_matrix(x, "x")
    rows = y if hasattr(y, "reshape") else np.asarray(y)
    return x[groups], rows.reshape(n * k, d), groups


def _require_flat(x: Any, y: Any) -> None:
    for name, side in (("x", x), ("y", y)):
        if _dimensions(side) == 3:
            raise PairsError(
                f"Expected {name} of shape (n, d) beside ids; got {_shape(side)}: leave the ids "
                f"out, or give {name}.reshape(-1, d) and an id for each of its rows"
            )


def _dimensions(side: Any) -> int:
    try:
        return int(getattr(side, "ndim", None) or np.ndim(side))
    # Lists of different lengths: what embeddings may be is checked elsewhere.
    except (TypeError, ValueError):
        return 0


def _shape(side: Any) -> tuple[int, ...]:
    return tuple(int(size) for size in np.shape(side))


def _labels(ids: Any, name: str, n: int) -> np.ndarray:
    """Return n ids as an array of integers or strings."""
    if isinstance(ids, str | bytes):
        raise PairsError(f"Expected {name} as an array of integers or strings; got {quoted(ids)}")
    array = ids.detach().cpu().numpy() if hasattr(ids, "detach") else np.asarray(ids)
    if array.dtype == object:
        array = np.array([_text_of_id(value, name, row) for row, value in enumerate(array.flat)])
        array = array.astype(str)
    if array.dtype.kind not in KINDS_OF_IDS:
        advice = ": convert them, such as with .astype(int)" if array.dtype.kind == "f" else ""
        raise PairsError(f"Expected {name} as integers or strings; got dtype {array.dtype}{advice}")
    if array.shape != (n,):
        raise PairsError(f"Expected {name} for {n} rows, of shape ({n},); got {array.shape}")
    if array.dtype.kind == "S":
        array = np.char.decode(array, "utf-8", "replace")
    if array.dtype.kind != "U":
        return array
    # Four bytes a character, of which a damaged file may have any.
    codes = np.array(array, array.dtype.newbyteorder("="), ndmin=1).view(np.uint32)
    if codes.max(initial=0) > sys.maxunicode:
        raise PairsError(f"Expected {name} as integers or strings; got what is no text")
    empty = np.flatnonzero(array == "")
    if len(empty):
        raise PairsError(f"Expected {name} for each row; row {empty[0]} has none: fill it in")
    return array


def _text_of_id(value: Any, name: str, row: int) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise PairsError(
            f"Expected {name} as integers or strings; row {row} has {quoted(value)}: fill it in "
            "or drop the row"
        )
    return str(value)


def _partners(labels_x: np.ndarray, labels_y: np.ndarray) -> np.ndarray:
    """Return the row of x for each row of y, by their ids."""
    rows = pd.Series(np.arange(len(labels_x)), index=labels_x)
    repeated = rows.index[rows.index.duplicated()]
    if len(repeated):
        raise PairsError(
            f"The id {quoted(str(repeated[0]))} comes more than once in x, whose ids are not those "
            "of y row by row: keep one row of x for each id"
        )
    for name, labels, other in (("x", labels_x, labels_y), ("y", labels_y, labels_x)):
        alone = labels[~np.isin(labels, other)]
        if len(alone):
            raise PairsError(
                f"{len(alone)} of {len(labels)} rows of {name} have an id without partner "
                f"(first: {quoted(str(alone[0]))}): drop these rows or add their partners"
            )
    return np.array(rows[labels_y])
