"""What the choice of the best of many shifts brings by itself: honest halves and tests that count the choice.

``hits`` (m, n) says which of n images are classified rightly after which of m shifts, ``deltas`` (m,) with one 0.
``groups`` (n,) says which images are not independent, such as those of one writer: a group is redrawn, swapped and
split as a whole. Without it each image is a group.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from gapbook.exceptions import PairsError

FEW = 14  # groups whose 2^14 sign patterns are all counted
BLOCK = 2000  # sign patterns at once


def choose_delta(deltas: Sequence[float], accuracy: Any) -> int:
    """Return the position of the most accurate shift, of equal ones that nearest to 0, as no shift is simpler.

    >>> choose_delta([-1, 0, 1, 2], [0.5, 0.6, 0.7, 0.7])
    2
    """
    return int(_choose(deltas, np.asarray(accuracy)[None])[0])


def split_gains(
    hits: Any, deltas: Sequence[float], splits: int = 200, seed: int = 0, groups: Any = None
) -> pd.DataFrame:
    """Choose a shift on a random half of the images, measure on the other: a DataFrame delta, chosen_on, other_half.

    Both columns are gains over no shift, as fractions: ``chosen_on`` is never negative, because 0 is among the choices;
    it exceeds ``other_half`` on average by what the choice alone brings. One row a split. Splits overlap, so their
    scatter is no confidence interval: see ``redrawn_gains``. Raises ``PairsError``, also for fewer than 4 groups.

    >>> hits = [[1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0]]
    >>> split_gains(hits, [0, 1, 2], splits=2).values.tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    gained, sizes = _gains(hits, deltas, groups)
    return _halve(gained, sizes, deltas, np.ones((splits, len(sizes))), np.random.default_rng(seed))


def redrawn_gains(
    hits: Any,
    deltas: Sequence[float],
    redraws: int = 200,
    splits: int = 5,
    seed: int = 0,
    groups: Any = None,
) -> pd.DataFrame:
    """Return mean gains of ``split_gains`` for bootstrap samples of the groups: a DataFrame chosen_on, other_half.

    One row a redraw; the standard deviation over rows is a bootstrap standard error. The mean is biased: a redraw is
    noisier than the data, which inflates what a choice brings. All copies of an image are in one half, else the choice
    would see the images that it is measured on. Two calls with the same seed and number of groups redraw the
    same ones, so models are compared on equal images. Errors as in ``split_gains``.

    >>> redrawn_gains([[1, 1, 1, 1], [0, 0, 0, 0]], [0, 1], redraws=1).values.tolist()
    [[0.0, 0.0]]
    """
    gained, sizes = _gains(hits, deltas, groups)
    rng, n = np.random.default_rng(seed), len(sizes)
    weights = rng.multinomial(n, np.full(n, 1 / n), redraws).repeat(splits, axis=0)
    table = _halve(gained, sizes, deltas, weights, rng)[["chosen_on", "other_half"]]
    return table.groupby(np.arange(len(table)) // splits).mean()


def best_of_grid_p(
    hits: Any, deltas: Sequence[float], draws: int = 20000, seed: int = 0, groups: Any = None
) -> float:
    """Return the p-value of the best of all shifts, the choice included: a permutation test over images or groups.

    The statistic is the largest z = (gained - lost) / sqrt(gained + lost) over shifts (of group totals, their sum over
    the root of the sum of squares): the best z, not the best accuracy. The null hypothesis is joint symmetry: for each
    group "shifted" and "not shifted" may be swapped, for all shifts at once. Up to 14 groups all patterns are counted:
    p is at least 1 / 2^groups, else 1 / (draws + 1). 1 where no shift gains more than it loses. Errors as in
    ``split_gains``.

    >>> best_of_grid_p([[0] * 10, [1] * 10], [0, 1]) < 0.005
    True
    """
    gained, sizes = _gains(hits, deltas, groups)
    scaled = gained / np.sqrt(np.maximum((gained**2).sum(1, keepdims=True), 1))
    best = scaled.sum(1).max() - 1e-9
    if len(sizes) <= FEW:
        signs = np.array(list(product([-1.0, 1.0], repeat=len(sizes))))
        return float(((signs @ scaled.T).max(1) >= best).mean())
    rng, reached = np.random.default_rng(seed), 0
    for start in range(0, draws, BLOCK):
        bits = rng.integers(0, 2, (min(BLOCK, draws - start), len(sizes)), dtype=np.int8)
        reached += int((((2.0 * bits - 1) @ scaled.T).max(1) >= best).sum())
    return (1 + reached) / (1 + draws)


def _choose(deltas: Sequence[float], accuracies: np.ndarray) -> np.ndarray:
    """Return the position of the most accurate shift in each row (r, m), of equal ones that nearest to 0."""
    nearest = np.argsort(np.abs(deltas), kind="stable")
    return nearest[accuracies[:, nearest].argmax(1)]


def _halve(
    gained: np.ndarray,
    sizes: np.ndarray,
    deltas: Sequence[float],
    weights: np.ndarray,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Split the groups at random once for each row of weights (r, groups), choose on one half, measure on both."""
    n = len(sizes)
    if n < 4:
        raise PairsError(f"at least 4 images or groups are needed to split them; got {n}")
    half = rng.random(weights.shape).argsort(1) < n // 2
    sides = [part * weights for part in (half, ~half)]
    # a half of which a redraw left nothing gains 0
    here, other = (side @ gained.T / np.maximum(side @ sizes, 1)[:, None] for side in sides)
    chosen, rows = _choose(deltas, here), np.arange(len(weights))
    columns = {"delta": np.asarray(deltas, float)[chosen], "chosen_on": here[rows, chosen]}
    return pd.DataFrame(columns | {"other_half": other[rows, chosen]})


def _gains(hits: Any, deltas: Sequence[float], groups: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return what each shift gains less what it loses in each group against delta 0 (m, groups), and sizes."""
    right = np.asarray(hits, float)
    origin = np.flatnonzero(np.asarray(deltas) == 0)
    if right.ndim != 2 or len(right) != len(deltas) or len(origin) != 1:
        raise PairsError(
            f"Expected hits of shape (m, n) and m deltas with one 0; got {right.shape}, {len(deltas)} deltas"
        )
    gained = right - right[origin]
    if groups is None:
        return gained, np.ones(gained.shape[1])
    if np.shape(groups) != gained.shape[1:]:
        raise PairsError(
            f"Expected groups of shape ({gained.shape[1]},), one an image; got {np.shape(groups)}"
        )
    unit, sizes = np.unique(groups, return_inverse=True, return_counts=True)[1:]
    return np.stack([np.bincount(unit, row) for row in gained]), sizes.astype(float)
