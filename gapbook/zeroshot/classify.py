"""Classify images by the nearest class text, and see what a shift along the gap changes.

The shift, its signs and the identity that makes it cheap stand in ``gapbook.landscape.shifts``. One
product of matrices serves all shifts, and within a row the length of the moved image cancels. All
arithmetic is float64 on float32 unit rows.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from array_api_compat import array_namespace, device, is_torch_array
from numpy.typing import ArrayLike

from gapbook.exceptions import PairsError
from gapbook.geometry.arrays import Array, as_array, in_double, to_numpy, zeros
from gapbook.landscape.shifts import (
    Sides,
    amounts_of_sides,
    lengths_after_shift,
    row_blocks,
    unit_gap,
)
from gapbook.pairs import unit_rows


def shifted_predictions(
    images: ArrayLike,
    class_texts: ArrayLike,
    deltas: Sequence[float],
    sides: Sides = "both",
    along: ArrayLike | None = None,
) -> np.ndarray:
    """Return the class that is nearest to each image after each shift.

    Parameters
    ----------
    images : array_like or tensor of shape (n, d)
        Embeddings of the images.
    class_texts : array_like or tensor of shape (k, d)
        Embeddings of the class texts, one row a class, with k >= 2.
    deltas : sequence of m floats
        Amounts of shift, as distances. Positive amounts close the gap.
    sides : {"both", "images", "texts"}
        The side that moves. With "both", each side moves by half of delta.
    along : array_like of shape (d,), optional
        The vector to move along, of any length. By default, it is the gap vector of the images and
        the class texts.

    Returns
    -------
    ndarray of int64, shape (m, n)
        The position of the nearest class text. Of equal cosines the first class wins, in
        particular where two classes have the same text.

    Raises
    ------
    PairsError
        If the input is no array of embeddings, or if a shift moves a row to the origin.

    Notes
    -----
    A large shift of the images alone gives all of them one class. A large shift of both sides gives
    image i the class j with the largest S_ij - p_i q_j - q_j^2 / 2, where S_ij = x_i . t_j and p
    and q are the components of images and texts along the unit vector.

    Examples
    --------
    >>> images, texts = [[4, 3], [3, 4]], [[1, 0], [0, 1]]
    >>> shifted_predictions(images, texts, [0, 1], "images", along=[1, 0]).tolist()
    [[0, 1], [1, 1]]
    """
    x, t, g = _inputs(images, class_texts, along)
    predicted, _ = _sweep(x, t, g, amounts_of_sides(deltas, sides, like=x))
    return predicted


def shift_sweep(
    images: ArrayLike,
    class_texts: ArrayLike,
    labels: ArrayLike,
    deltas: Sequence[float],
    sides: Sides = "both",
    along: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return the accuracy and the distance of the means after each shift.

    Parameters
    ----------
    images, class_texts, deltas, sides, along
        As in ``shifted_predictions``.
    labels : array_like of integers, shape (n,)
        The class of each image, from 0 to k - 1. Each class needs an image.

    Returns
    -------
    DataFrame
        One row a shift, with the columns delta, distance and accuracy. The distance is that of the
        mean moved image from the mean moved class text. The accuracy is the share of images whose
        nearest class text is that of their label.

    Raises
    ------
    PairsError
        As in ``shifted_predictions``, and for a class without images, which that function allows.

    Notes
    -----
    Chance is 1 / k where all classes are equally frequent. A large shift sends all rows of a side
    to one point.

    References
    ----------
    Liang et al. 2022, section 5.1 and table 1.

    Examples
    --------
    >>> images, texts = [[4, 3], [3, 4]], [[1, 0], [0, 1]]
    >>> shift_sweep(images, texts, [0, 1], [0, 1], "images", along=[1, 0])["accuracy"].tolist()
    [1.0, 0.5]
    """
    x, t, g = _inputs(images, class_texts, along)
    classes = _checked_labels(labels, len(x), len(t))
    predicted, distance = _sweep(x, t, g, amounts_of_sides(deltas, sides, like=x))
    accuracy = (predicted == classes).mean(1)
    return pd.DataFrame(
        {"delta": np.asarray(deltas, float), "distance": distance, "accuracy": accuracy}
    )


def accuracy_curve(
    images: ArrayLike,
    class_texts: ArrayLike,
    labels: ArrayLike,
    along: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return the accuracy after every shift of the images alone, exactly and without a grid.

    Parameters
    ----------
    images, class_texts, labels, along
        As in ``shift_sweep``.

    Returns
    -------
    DataFrame
        One row an interval of shifts, with the columns low, high, correct and accuracy. Within an
        interval the accuracy is constant. Where two intervals meet, classes tie. The first interval
        begins at -inf and the last one ends at inf.

    Raises
    ------
    PairsError
        As in ``shift_sweep``.

    Notes
    -----
    The scores S_ij - delta q_j of image i are lines in delta. With l the label of the image, its
    line is the highest one between the maximum over q_j > q_l and the minimum over q_j < q_l of
    (S_ij - S_il) / (q_j - q_l): in one interval or nowhere. The cost for all shifts is O(n k). A
    class with the text of an earlier one never wins.

    Examples
    --------
    >>> images, texts = [[4, 3], [3, 4]], [[1, 0], [0, 1]]
    >>> accuracy_curve(images, texts, [0, 1], along=[1, 0]).round(2).values.tolist()
    [[-inf, -0.2, 1.0, 0.5], [-0.2, 0.2, 2.0, 1.0], [0.2, inf, 1.0, 0.5]]
    """
    x, t, g = _inputs(images, class_texts, along)
    classes = as_array(_checked_labels(labels, len(x), len(t)), like=x)
    texts = in_double(t)
    first_equal = _first_equal_text(t)
    q = (texts @ g)[first_equal]
    low = zeros((len(x),), like=x)
    high = zeros((len(x),), like=x)
    for part in row_blocks(len(x)):
        cosines = (in_double(x[part]) @ texts.T)[:, first_equal]
        low[part], high[part] = _winning_interval(cosines, q, classes[part, None])
    somewhere = low < high
    return _count_intervals(to_numpy(low[somewhere]), to_numpy(high[somewhere]), len(x))


def _winning_interval(cosines: Array, q: Array, label: Array) -> tuple[Array, Array]:
    """Return the shifts low and high (n,) between which the label's line is the highest."""
    xp = array_namespace(cosines)
    rows = xp.arange(len(cosines), device=device(cosines))
    ahead = cosines - cosines[rows, label[:, 0]][:, None]
    steeper = q - q[label]
    # lines that are parallel to that of the label meet it nowhere
    crossing = ahead / xp.where(steeper == 0, xp.nan, steeper)
    low = xp.max(xp.where(steeper > 0, crossing, -xp.inf), axis=1)
    high = xp.min(xp.where(steeper < 0, crossing, xp.inf), axis=1)
    # of parallel lines the higher one wins everywhere, and of equal ones that of the first class
    earlier = xp.arange(len(q), device=device(q)) < label
    above = (ahead > 0) | ((ahead == 0) & earlier)
    never = xp.any((steeper == 0) & above, axis=1)
    return xp.where(never, xp.inf, low), high


def _count_intervals(low: np.ndarray, high: np.ndarray, n: int) -> pd.DataFrame:
    """Count how many of the intervals (low, high) hold each shift, and divide by n images."""
    edges = np.unique(np.concatenate([[-np.inf], low, high, [np.inf]]))
    begun = np.searchsorted(np.sort(low), edges[:-1], "right")
    ended = np.searchsorted(np.sort(high), edges[:-1], "right")
    correct = begun - ended
    return pd.DataFrame(
        {"low": edges[:-1], "high": edges[1:], "correct": correct, "accuracy": correct / n}
    )


# ---- the gate


def _inputs(
    images: ArrayLike, class_texts: ArrayLike, along: ArrayLike | None
) -> tuple[Array, Array, Array]:
    """Return unit rows of both and the unit vector (float64), of the kind of the images."""
    x = unit_rows(images, "images")
    t = unit_rows(class_texts, "class_texts")
    if x.shape[1] != t.shape[1]:
        raise PairsError(
            f"Expected images and class_texts of one dimension; "
            f"got {tuple(x.shape)} and {tuple(t.shape)}"
        )
    t = as_array(to_numpy(t), like=x)
    return x, t, unit_gap(x, t, along)


def _checked_labels(labels: ArrayLike, n: int, k: int) -> np.ndarray:
    """Return the labels as int64, checked: n of them, in k classes that all have an image."""
    classes = to_numpy(labels)
    if classes.shape != (n,) or classes.dtype.kind not in "iu":
        raise PairsError(
            f"Expected labels as {n} integers, one an image; got {classes.dtype} {classes.shape}"
        )
    unknown = np.flatnonzero((classes < 0) | (classes >= k))
    if len(unknown):
        raise PairsError(
            f"Expected labels from 0 to {k - 1}; got {classes[unknown[0]]} at image {unknown[0]}"
        )
    empty = np.setdiff1d(np.arange(k), classes)
    if len(empty):
        raise PairsError(
            f"class {empty[0]} has no images: leave its text out, or use shifted_predictions"
        )
    return classes.astype(np.int64)


# ---- the arithmetic


def _first_equal_text(t: Array) -> Array:
    """Return for each class the first one of equal text, so that copies tie despite rounding."""
    _, first, group = np.unique(to_numpy(t), axis=0, return_index=True, return_inverse=True)
    return as_array(first[group.ravel()], like=t)


def _first_best(scores: Array) -> Array:
    """Return the column of the largest score in each row, the first of equal ones."""
    if is_torch_array(scores) and scores.device.type != "cpu":
        return scores.max(1).indices
    # on the processor NumPy is twice as fast at it as torch
    return as_array(to_numpy(scores).argmax(1), like=scores)


def _sum_of_moved(rows: Array, g: Array, steps: Array, inverse_lengths: Array) -> Array:
    """Return the sum of N(row + step g) over all rows, for each of m steps: (m, d)."""
    return inverse_lengths @ rows + (steps * inverse_lengths.sum(1))[:, None] * g


def _sweep(x: Array, t: Array, g: Array, steps: Array) -> tuple[np.ndarray, np.ndarray]:
    """Return the predictions (m, n) and the distances of the means (m,) for m shifts."""
    xp = array_namespace(x)
    step_x, step_t = steps
    texts = in_double(t)
    first_equal = _first_equal_text(t)
    q = texts @ g
    scale = 1 / lengths_after_shift(t, q, step_t, "class_texts")
    mean_text = _sum_of_moved(texts, g, step_t, scale) / len(t)
    # what a shift adds to the score of each class, whichever the image
    bias = (-step_x[:, None] * q - (step_x * step_t)[:, None])[:, first_equal]
    scale = scale[:, first_equal]

    predicted = xp.empty((len(bias), len(x)), dtype=xp.int64, device=device(x))
    total = xp.zeros_like(mean_text)
    for part in row_blocks(len(x)):
        rows = in_double(x[part])
        p = rows @ g
        lengths = lengths_after_shift(rows, p, -step_x, "images")
        total += _sum_of_moved(rows, g, -step_x, 1 / lengths)
        cosines = (rows @ texts.T)[:, first_equal]
        scores = xp.empty_like(cosines)
        for m, step in enumerate(step_t.tolist()):
            xp.add(cosines, bias[m], out=scores)
            if step:
                scores += (step * p)[:, None]
                scores *= scale[m]
            predicted[m, part] = _first_best(scores)
    distance = xp.linalg.vector_norm(total / len(x) - mean_text, axis=1)
    return to_numpy(predicted), to_numpy(distance)
