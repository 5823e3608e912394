"""What the choice of the best of many shifts brings by itself: honest halves and a test that counts the choice.

``hits`` (m, n) says which of n images are classified rightly after which of m shifts, ``deltas`` (m,) with one 0.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from gapbook.pairs import PairsError


def choose_delta(deltas: Sequence[float], accuracy: Any) -> int:
    """Return the position of the most accurate shift, of equal ones that nearest to 0, as no shift is simpler.

    >>> choose_delta([-1, 0, 1, 2], [0.5, 0.6, 0.7, 0.7])
    2
    """
    nearest = np.argsort(np.abs(deltas), kind="stable")
    return int(nearest[np.asarray(accuracy)[nearest].argmax()])


def split_gains(hits: Any, deltas: Sequence[float], splits: int = 200, seed: int = 0) -> pd.DataFrame:
    """Choose a shift on a random half of the images, measure on the other: a DataFrame delta, chosen_on, other_half.

    ``hits`` (m, n) says which images are right after which shift; ``deltas`` (m,) holds 0. Both columns are gains over
    no shift, as fractions: ``chosen_on`` is never negative, because 0 is among the choices; it exceeds ``other_half``
    on average by what the choice alone brings. One row a split. Raises ``PairsError``.

    >>> hits = [[1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0]]
    >>> split_gains(hits, [0, 1, 2], splits=2).values.tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    gained = _gains(hits, deltas)
    n = gained.shape[1]
    if n < 4:
        raise PairsError(f"at least 4 images are needed to split them; got {n}")
    half = np.random.default_rng(seed).random((splits, n)).argsort(1) < n // 2
    here = half.astype(float) @ gained.T
    other = (gained.sum(1) - here) / (n - n // 2)
    chosen = np.array([choose_delta(deltas, row) for row in here])
    rows = np.arange(splits)
    columns = {"delta": np.asarray(deltas)[chosen], "chosen_on": here[rows, chosen] / (n // 2)}
    return pd.DataFrame(columns | {"other_half": other[rows, chosen]})


def best_of_grid_p(hits: Any, deltas: Sequence[float], draws: int = 2000, seed: int = 0) -> float:
    """Return the p-value of the best of all shifts, the choice included: a permutation test over images.

    The statistic is the largest (gained - lost) / sqrt(gained + lost) over shifts. Under the null hypothesis no shift
    helps or harms, and for each image "shifted" and "not shifted" may be swapped, for all shifts at once. 1 where no
    shift gains more than it loses. Arguments and errors as in ``split_gains``.

    >>> best_of_grid_p([[0] * 10, [1] * 10], [0, 1]) < 0.005
    True
    """
    gained = _gains(hits, deltas)
    scaled = gained / np.sqrt(np.maximum((gained**2).sum(1, keepdims=True), 1))
    best = scaled.sum(1).max()
    swaps = np.random.default_rng(seed).choice([-1.0, 1.0], (draws, gained.shape[1]))
    return float((1 + ((swaps @ scaled.T).max(1) >= best - 1e-9).sum()) / (1 + draws))


def _gains(hits: Any, deltas: Sequence[float]) -> np.ndarray:
    """Return what each shift gains (1) or loses (-1) on each image against delta 0: float64 (m, n)."""
    right = np.asarray(hits, float)
    origin = np.flatnonzero(np.asarray(deltas) == 0)
    if right.ndim != 2 or len(right) != len(deltas) or len(origin) != 1:
        raise PairsError(
            f"Expected hits of shape (m, n) and m deltas with one 0; got {right.shape}, {len(deltas)} deltas"
        )
    return right - right[origin]
