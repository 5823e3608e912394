"""Classify images by the nearest class text, and see what a shift along the gap does to the answers.

The shift itself, its signs and its one identity are in ``gapbook.shifts``: one product of matrices serves all shifts,
and in a row the length of the image cancels. All of it is float64 on float32 unit rows.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from gapbook.exceptions import PairsError
from gapbook.geometry import TIE
from gapbook.landscape.shifts import ROWS_PER_BLOCK as BLOCK
from gapbook.landscape.shifts import Sides
from gapbook.landscape.shifts import amounts_of_sides as moves
from gapbook.landscape.shifts import lengths_after_shift as lengths
from gapbook.landscape.shifts import unit_gap as unit_direction
from gapbook.pairs import unit_pair, unit_rows

TILE = 128  # rows and columns of a tile of retrieval, so small that one core's cache holds it


def shifted_predictions(
    images: Any,
    class_texts: Any,
    deltas: Sequence[float],
    sides: Sides = "both",
    direction: Any = None,
) -> np.ndarray:
    """Return the class nearest to each image after each shift: int64 (m, n) for m deltas, n images.

    ``images`` (n, d), ``class_texts`` (k, d), one row a class, k >= 2. ``direction`` (d,), of any length, replaces the
    gap vector of images and class texts. Of equal cosines the first class wins, in particular where two classes have
    the same text. A large shift of the images alone gives all of them one class; of both sides, the class
    of the largest S_ij - p_i q_j - q_j^2 / 2. Raises ``PairsError``, also for a shift that moves a row to the origin.

    >>> shifted_predictions([[4, 3], [3, 4]], [[1, 0], [0, 1]], [0, 1], "images", direction=[1, 0]).tolist()
    [[0, 1], [1, 1]]
    """
    x, t, g = _inputs(images, class_texts, direction)
    return _sweep(x, t, g, moves(deltas, sides, x.device))[0]


def shift_sweep(
    images: Any,
    class_texts: Any,
    labels: Any,
    deltas: Sequence[float],
    sides: Sides = "both",
    direction: Any = None,
) -> pd.DataFrame:
    """Return accuracy and distance of the means after each shift: a DataFrame with columns delta, distance, accuracy.

    accuracy = share of images whose nearest class text is that of their label, ``labels`` integers (n,) from 0 to
    k - 1; distance = ||mean(x') - mean(t')||, over images and over classes. The other arguments are those of
    ``shifted_predictions``. Chance is 1 / k where classes are equally frequent; a large shift sends all rows of a side
    to one point. Raises ``PairsError``, also for a class without images, which ``shifted_predictions`` allows.
    Source: Liang et al. 2022, section 5.1 and table 1.

    >>> shift_sweep([[4, 3], [3, 4]], [[1, 0], [0, 1]], [0, 1], [0, 1], "images", [1, 0])["accuracy"].tolist()
    [1.0, 0.5]
    """
    x, t, g = _inputs(images, class_texts, direction)
    wanted = _classes(labels, len(x), len(t))
    predicted, distance = _sweep(x, t, g, moves(deltas, sides, x.device))
    accuracy = (predicted == wanted).mean(1)
    return pd.DataFrame(
        {"delta": np.asarray(deltas, float), "distance": distance, "accuracy": accuracy}
    )


def accuracy_curve(
    images: Any, class_texts: Any, labels: Any, direction: Any = None
) -> pd.DataFrame:
    """Return the accuracy of every shift of the images alone, exactly: a DataFrame low, high, correct, accuracy.

    Between ``low`` and ``high`` (-inf and inf at the ends) the accuracy is constant; where two intervals meet, classes
    tie. The scores S_ij - delta q_j of an image are lines in delta, and the label's line is the highest one between
    max over q_j > q_l and min over q_j < q_l of (S_ij - S_il) / (q_j - q_l), l the label: one interval or none. O(n k)
    for all shifts. Arguments and errors as in ``shift_sweep``; a class with the text of an earlier one never wins.

    >>> accuracy_curve([[4, 3], [3, 4]], [[1, 0], [0, 1]], [0, 1], direction=[1, 0]).round(2).values.tolist()
    [[-inf, -0.2, 1.0, 0.5], [-0.2, 0.2, 2.0, 1.0], [0.2, inf, 1.0, 0.5]]
    """
    x, t, g = _inputs(images, class_texts, direction)
    wanted = torch.from_numpy(_classes(labels, len(x), len(t))).to(x.device)
    texts, twin = t.double(), _twins(t)
    q = (texts @ g)[twin]
    classes, reachable = (
        torch.arange(len(t), device=x.device),
        torch.ones_like(wanted, dtype=torch.bool),
    )
    ends = torch.empty(2, len(x), dtype=torch.float64, device=x.device)
    for start in range(0, len(x), BLOCK):
        part = slice(start, start + BLOCK)
        own = wanted[part, None]
        cosines = (x[part].double() @ texts.T)[:, twin]
        ahead, steeper = cosines - cosines.gather(1, own), q - q[own]
        meet = ahead / steeper
        ends[0, part] = meet.where(steeper > 0, -torch.inf).amax(1)
        ends[1, part] = meet.where(steeper < 0, torch.inf).amin(1)
        over = (ahead > 0) | (
            (ahead == 0) & (classes < own)
        )  # parallel lines: the higher one, else the first
        reachable[part] = ~((steeper == 0) & over).any(1)
    low, high = ends[:, reachable & (ends[0] < ends[1])].cpu().numpy()
    edges = np.unique(np.concatenate([[-np.inf], low, high, [np.inf]]))
    correct = np.searchsorted(np.sort(low), edges[:-1], "right") - np.searchsorted(
        np.sort(high), edges[:-1], "right"
    )
    return pd.DataFrame(
        {"low": edges[:-1], "high": edges[1:], "correct": correct, "accuracy": correct / len(x)}
    )


def retrieval_under_shift(
    x: Any,
    y: Any,
    deltas: Sequence[float],
    ks: Sequence[int] = (1, 5, 10),
    sides: Sides = "both",
    along: Any = None,
) -> pd.DataFrame:
    """Return recall at each k after each shift, in both directions: a DataFrame delta, direction, k, recall.

    ``x`` and ``y`` (n, d) are pairs; recall = share of queries whose partner has a rank below k, ranks as in
    ``shifted_ranks``; ``along`` (d,) replaces their gap vector. Delta 0 is ``geometry.retrieval``. Raises
    ``PairsError``. Source: Liang et al. 2022, code of section 5.1.

    >>> retrieval_under_shift([[1, 0], [0, 1]], [[1, 0.1], [0.9, 1]], [0, 0.5], ks=[1])["recall"].tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    if (
        np.ndim(ks) != 1
        or not len(ks)
        or not all(isinstance(k, int | np.integer) and k >= 1 for k in ks)
    ):
        raise PairsError(f"Expected ks as positive integers, such as (1, 5, 10); got {ks!r}")
    ranks = shifted_ranks(x, y, deltas, sides, along)
    rows = [
        (float(delta), direction, int(k), float((ranks[direction][i] < k).mean()))
        for i, delta in enumerate(deltas)
        for direction in ranks
        for k in ks
    ]
    return pd.DataFrame(rows, columns=["delta", "direction", "k", "recall"])


def shifted_ranks(
    x: Any, y: Any, deltas: Sequence[float], sides: Sides = "both", along: Any = None
) -> dict[str, np.ndarray]:
    """Return the rank of each query's partner after each shift: {direction: float64 (m, n)}, as ``retrieval_ranks``.

    The number of strictly better candidates plus half the number of others that tie, where cosines of the shifted rows
    within 1.2e-7 tie. Shifts act on the float32 unit rows in float64: equal rows stay equal, whatever the shift.
    Never an n by n matrix. Raises ``PairsError``.

    >>> shifted_ranks([[1, 0], [0, 1]], [[1, 0], [1, 0]], [0, 0.5])["image_to_text"].tolist()
    [[0.5, 0.5], [0.5, 0.5]]
    """
    left, right = unit_pair(x, y)
    a, b, g = left.double(), right.double(), unit_direction(left, right, along)
    steps = moves(deltas, sides, a.device)
    over_x, over_y = (
        1 / lengths(a, a @ g, -steps[0], "x"),
        1 / lengths(b, b @ g, steps[1], "y"),
    )  # (m, n) each
    add_x = steps[1][:, None] * (a @ g)
    add_y = -steps[0][:, None] * (b @ g) - steps.prod(0)[:, None]
    partner = ((a * b).sum(1) + add_x + add_y) * over_x * over_y
    halves = torch.zeros(
        2, *partner.shape, dtype=torch.int64, device=a.device
    )  # 2 a better candidate, 1 a tie
    tiles = [(i, j) for i in range(0, len(a), TILE) for j in range(0, len(a), TILE)]
    for rows, columns in ((slice(i, i + TILE), slice(j, j + TILE)) for i, j in tiles):
        cosines = a[rows] @ b[columns].T
        for m in range(len(partner)):
            moved = (cosines + add_x[m, rows, None]).add_(add_y[m, columns])
            moved.mul_(over_x[m, rows, None]).mul_(over_y[m, columns])
            for side, own, dim, part in (
                (0, partner[m, rows, None], 1, rows),
                (1, partner[m, columns], 0, columns),
            ):
                halves[side, m, part] += (moved > own + TIE).sum(dim) + (moved >= own - TIE).sum(
                    dim
                )
    ranks = (halves - 1).cpu().numpy() / 2  # each partner ties with itself
    return {"image_to_text": ranks[0], "text_to_image": ranks[1]}


# ---- the gate


def _inputs(
    images: Any, class_texts: Any, direction: Any
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return unit rows of both and the unit direction (float64), on the device of the images."""
    x, t = unit_rows(images, "images"), unit_rows(class_texts, "class_texts")
    if x.shape[1] != t.shape[1]:
        raise PairsError(
            f"Expected images and class_texts of one dimension; got {tuple(x.shape)} and {tuple(t.shape)}"
        )
    t = t.to(x.device)
    return x, t, unit_direction(x, t, direction)


def _classes(labels: Any, n: int, k: int) -> np.ndarray:
    """Check the labels of n images in k classes, each of which has an image."""
    wanted = np.asarray(labels.cpu() if isinstance(labels, torch.Tensor) else labels)
    if wanted.shape != (n,) or wanted.dtype.kind not in "iu":
        raise PairsError(
            f"Expected labels as {n} integers, one an image; got {wanted.dtype} {wanted.shape}"
        )
    unknown = np.flatnonzero((wanted < 0) | (wanted >= k))
    if len(unknown):
        raise PairsError(
            f"Expected labels from 0 to {k - 1}; got {wanted[unknown[0]]} at image {unknown[0]}"
        )
    empty = np.setdiff1d(np.arange(k), wanted)
    if len(empty):
        raise PairsError(
            f"class {empty[0]} has no images: leave its text out, or use shifted_predictions"
        )
    return wanted.astype(np.int64)


# ---- the arithmetic


def _twins(t: torch.Tensor) -> torch.Tensor:
    """Return for each class the first one with the same text: copies of one column tie whatever the rounding."""
    _, group = torch.unique(t, dim=0, return_inverse=True)
    k = torch.arange(len(t), device=t.device)
    return torch.full_like(k, len(t)).scatter_reduce(0, group, k, "amin")[group]


def _first_best(scores: torch.Tensor) -> torch.Tensor:
    """Return the column of the largest score in each row, the first of equal ones; NumPy is twice as fast at it."""
    return (
        torch.from_numpy(scores.numpy().argmax(1))
        if scores.device.type == "cpu"
        else scores.max(1).indices
    )


def _sweep(
    x: torch.Tensor, t: torch.Tensor, g: torch.Tensor, steps: torch.Tensor
) -> tuple[np.ndarray, np.ndarray]:
    """Return predictions (m, n) and distances of the means (m,)."""
    (move_x, move_t), texts, twin = steps, t.double(), _twins(t)
    q = texts @ g
    length = lengths(t, q, move_t, "class_texts")
    mean_t = ((1 / length) @ texts + (move_t * (1 / length).sum(1))[:, None] * g) / len(t)
    add, scale = (-move_x[:, None] * q - (move_x * move_t)[:, None])[:, twin], (1 / length)[:, twin]
    predicted = torch.empty(len(add), len(x), dtype=torch.int64, device=x.device)
    total = torch.zeros_like(mean_t)
    for start in range(0, len(x), BLOCK):
        part, rows = slice(start, start + BLOCK), x[start : start + BLOCK].double()
        p = rows @ g
        weight = 1 / lengths(rows, p, -move_x, "images")
        total += weight @ rows - (move_x * weight.sum(1))[:, None] * g
        cosines = (rows @ texts.T)[:, twin]
        scores = torch.empty_like(cosines)
        for m, shift in enumerate(move_t.tolist()):
            torch.add(cosines, add[m], out=scores)
            if shift:
                scores.add_((shift * p)[:, None]).mul_(scale[m])
            predicted[m, part] = _first_best(scores)
    distance = torch.linalg.vector_norm(total / len(x) - mean_t, dim=1)
    return predicted.cpu().numpy(), distance.cpu().numpy()
