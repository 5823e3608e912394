"""Classify images by the nearest class text, and see what a shift along the gap changes.

The shift, its signs and the identity that makes it cheap stand in ``gapbook.landscape.shifts``. One
product of matrices serves all shifts, and within a row the length of the moved image cancels. All
arithmetic is float64 on float32 unit rows.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike

from gapbook.exceptions import PairsError
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
    predicted, _ = _sweep(x, t, g, amounts_of_sides(deltas, sides, x.device))
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
    predicted, distance = _sweep(x, t, g, amounts_of_sides(deltas, sides, x.device))
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
    classes = torch.from_numpy(_checked_labels(labels, len(x), len(t))).to(x.device)
    texts = t.double()
    first_equal = _first_equal_text(t)
    q = (texts @ g)[first_equal]
    low = torch.empty(len(x), dtype=torch.float64, device=x.device)
    high = torch.empty_like(low)
    for part in row_blocks(len(x)):
        cosines = (x[part].double() @ texts.T)[:, first_equal]
        low[part], high[part] = _winning_interval(cosines, q, classes[part, None])
    somewhere = low < high
    return _count_intervals(low[somewhere].cpu().numpy(), high[somewhere].cpu().numpy(), len(x))


def _winning_interval(
    cosines: torch.Tensor, q: torch.Tensor, label: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the shifts low and high (n,) between which the label's line is the highest."""
    ahead = cosines - cosines.gather(1, label)
    steeper = q - q[label]
    crossing = ahead / steeper
    low = crossing.where(steeper > 0, -torch.inf).amax(1)
    high = crossing.where(steeper < 0, torch.inf).amin(1)
    # of parallel lines the higher one wins everywhere, and of equal ones that of the first class
    earlier = torch.arange(len(q), device=q.device) < label
    above = (ahead > 0) | ((ahead == 0) & earlier)
    never = ((steeper == 0) & above).any(1)
    return low.masked_fill(never, torch.inf), high


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
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return unit rows of both and the unit vector (float64), on the device of the images."""
    x = torch.as_tensor(unit_rows(images, "images"))
    t = torch.as_tensor(unit_rows(class_texts, "class_texts"))
    if x.shape[1] != t.shape[1]:
        raise PairsError(
            f"Expected images and class_texts of one dimension; "
            f"got {tuple(x.shape)} and {tuple(t.shape)}"
        )
    t = t.to(x.device)
    return x, t, unit_gap(x, t, along)


def _checked_labels(labels: ArrayLike, n: int, k: int) -> np.ndarray:
    """Return the labels as int64, checked: n of them, in k classes that all have an image."""
    if isinstance(labels, torch.Tensor):
        labels = labels.cpu()
    classes = np.asarray(labels)
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


def _first_equal_text(t: torch.Tensor) -> torch.Tensor:
    """Return for each class the first one of equal text, so that copies tie despite rounding."""
    _, group = torch.unique(t, dim=0, return_inverse=True)
    classes = torch.arange(len(t), device=t.device)
    first = torch.full_like(classes, len(t)).scatter_reduce(0, group, classes, "amin")
    return first[group]


def _first_best(scores: torch.Tensor) -> torch.Tensor:
    """Return the column of the largest score in each row, the first of equal ones."""
    if scores.device.type == "cpu":
        # NumPy is twice as fast at it
        return torch.from_numpy(scores.numpy().argmax(1))
    return scores.max(1).indices


def _sum_of_moved(
    rows: torch.Tensor, g: torch.Tensor, steps: torch.Tensor, inverse_lengths: torch.Tensor
) -> torch.Tensor:
    """Return the sum of N(row + step g) over all rows, for each of m steps: (m, d)."""
    return inverse_lengths @ rows + (steps * inverse_lengths.sum(1))[:, None] * g


def _sweep(
    x: torch.Tensor, t: torch.Tensor, g: torch.Tensor, steps: torch.Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """Return the predictions (m, n) and the distances of the means (m,) for m shifts."""
    step_x, step_t = steps
    texts = t.double()
    first_equal = _first_equal_text(t)
    q = texts @ g
    scale = 1 / lengths_after_shift(t, q, step_t, "class_texts")
    mean_text = _sum_of_moved(texts, g, step_t, scale) / len(t)
    # what a shift adds to the score of each class, whichever the image
    bias = (-step_x[:, None] * q - (step_x * step_t)[:, None])[:, first_equal]
    scale = scale[:, first_equal]

    predicted = torch.empty(len(bias), len(x), dtype=torch.int64, device=x.device)
    total = torch.zeros_like(mean_text)
    for part in row_blocks(len(x)):
        rows = x[part].double()
        p = rows @ g
        lengths = lengths_after_shift(rows, p, -step_x, "images")
        total += _sum_of_moved(rows, g, -step_x, 1 / lengths)
        cosines = (rows @ texts.T)[:, first_equal]
        scores = torch.empty_like(cosines)
        for m, step in enumerate(step_t.tolist()):
            torch.add(cosines, bias[m], out=scores)
            if step:
                scores.add_((step * p)[:, None]).mul_(scale[m])
            predicted[m, part] = _first_best(scores)
    distance = torch.linalg.vector_norm(total / len(x) - mean_text, dim=1)
    return predicted.cpu().numpy(), distance.cpu().numpy()
