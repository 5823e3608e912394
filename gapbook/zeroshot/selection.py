"""Selection bias in choosing the best of many shifts: sample splitting and a permutation test.

In all functions ``hits`` (m, n) says which of n images are classified rightly after which of m
shifts, and ``deltas`` (m,) holds the amounts of these shifts, exactly one of them 0. ``groups``
(n,) says which images are not independent, such as those of one writer: a group is redrawn, swapped
and split as a whole. Without it, each image is a group.
"""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from gapbook.exceptions import PairsError

EXACT_UP_TO_GROUPS = 14  # all 2^14 sign patterns are counted; with more groups they are drawn
PATTERNS_PER_BLOCK = 2000  # sign patterns that are held in memory at once


def choose_delta(deltas: Sequence[float], accuracy: ArrayLike) -> int:
    """Return the position of the most accurate shift.

    Parameters
    ----------
    deltas : sequence of m floats
        The amounts of shift.
    accuracy : array_like of shape (m,)
        The accuracy, or the number of hits, after each shift.

    Returns
    -------
    int
        A position in ``deltas``. Of equally accurate shifts it is the one nearest to 0, because no
        shift is simpler.

    Examples
    --------
    >>> choose_delta([-1, 0, 1, 2], [0.5, 0.6, 0.7, 0.7])
    2
    """
    return int(_choose(deltas, np.asarray(accuracy)[None])[0])


def split_gains(
    hits: ArrayLike,
    deltas: Sequence[float],
    splits: int = 200,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> pd.DataFrame:
    """Choose a shift on a random half of the images and measure its gain on the other half.

    Parameters
    ----------
    hits : array_like of booleans, shape (m, n)
        Whether each image is classified rightly after each shift.
    deltas : sequence of m floats
        The amounts of shift, exactly one of them 0.
    splits : int
        The number of random splits.
    seed : int
        The seed of the splits.
    groups : array_like of shape (n,), optional
        The group of each image. A group stays together.

    Returns
    -------
    DataFrame
        One row a split, with the columns delta, chosen_on and other_half. The latter two are gains
        over no shift, as fractions.

    Raises
    ------
    PairsError
        If the shapes do not match, if the deltas do not hold exactly one 0, or for fewer than 4
        groups.

    Notes
    -----
    ``chosen_on`` is never negative, because 0 is among the choices. On average it exceeds
    ``other_half`` by what the choice alone brings. Splits overlap, so their scatter is no
    confidence interval: see ``redrawn_gains``.

    Examples
    --------
    >>> hits = [[1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 0, 0]]
    >>> split_gains(hits, [0, 1, 2], splits=2).values.tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    gains, sizes = _gains_by_group(hits, deltas, groups)
    once_each = np.ones((splits, len(sizes)))
    return _split_in_halves(gains, sizes, deltas, once_each, np.random.default_rng(seed))


def redrawn_gains(
    hits: ArrayLike,
    deltas: Sequence[float],
    redraws: int = 200,
    splits: int = 5,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> pd.DataFrame:
    """Return the mean gains of ``split_gains`` for bootstrap samples of the groups.

    Parameters
    ----------
    hits, deltas, groups
        As in ``split_gains``.
    redraws : int
        The number of bootstrap samples.
    splits : int
        The number of random splits of each sample.
    seed : int
        The seed of the samples and the splits.

    Returns
    -------
    DataFrame
        One row a bootstrap sample, with the columns chosen_on and other_half. The standard
        deviation over rows is a bootstrap standard error.

    Raises
    ------
    PairsError
        As in ``split_gains``.

    Notes
    -----
    The mean over rows is biased: a bootstrap sample is noisier than the data, which inflates what a
    choice brings. All copies of an image are in one half, because otherwise the choice would see
    the images that it is measured on. Two calls with the same seed and the same number of groups
    draw the same samples, so that models are compared on equal images.

    Examples
    --------
    >>> redrawn_gains([[1, 1, 1, 1], [0, 0, 0, 0]], [0, 1], redraws=1).values.tolist()
    [[0.0, 0.0]]
    """
    gains, sizes = _gains_by_group(hits, deltas, groups)
    rng = np.random.default_rng(seed)
    n = len(sizes)
    copies = rng.multinomial(n, np.full(n, 1 / n), redraws).repeat(splits, axis=0)
    table = _split_in_halves(gains, sizes, deltas, copies, rng)[["chosen_on", "other_half"]]
    return table.groupby(np.arange(len(table)) // splits).mean()


def best_of_grid_p(
    hits: ArrayLike,
    deltas: Sequence[float],
    draws: int = 20000,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> float:
    """Return the p-value of the best of all shifts, with the choice counted, by a permutation test.

    Parameters
    ----------
    hits, deltas, groups
        As in ``split_gains``.
    draws : int
        The number of random sign patterns, used with more than 14 groups.
    seed : int
        The seed of these patterns.

    Returns
    -------
    float
        The p-value. It is 1 where no shift gains more than it loses.

    Raises
    ------
    PairsError
        If the shapes do not match, or if the deltas do not hold exactly one 0.

    Notes
    -----
    The statistic is the largest z = (gained - lost) / sqrt(gained + lost) over all shifts. For
    groups, z is the sum of the groups' net gains over the root of the sum of their squares. So the
    test judges the best z, not the best accuracy. The null hypothesis is joint symmetry: for each
    group, "shifted" and "not shifted" may be swapped, for all shifts at once. Up to 14 groups all
    patterns of swaps are counted, so that the smallest possible p-value is 1 / 2^groups. With more
    groups it is 1 / (draws + 1).

    Examples
    --------
    >>> best_of_grid_p([[0] * 10, [1] * 10], [0, 1]) < 0.005
    True
    """
    gains, sizes = _gains_by_group(hits, deltas, groups)
    root_of_squares = np.sqrt(np.maximum((gains**2).sum(1, keepdims=True), 1))
    scaled = (gains / root_of_squares).T
    # equal sums in another order differ by rounding
    best = scaled.sum(0).max() - 1e-9
    if len(sizes) <= EXACT_UP_TO_GROUPS:
        signs = np.array(list(product([-1.0, 1.0], repeat=len(sizes))))
        return float(((signs @ scaled).max(1) >= best).mean())
    rng = np.random.default_rng(seed)
    as_good = 0
    for start in range(0, draws, PATTERNS_PER_BLOCK):
        shape = (min(PATTERNS_PER_BLOCK, draws - start), len(sizes))
        signs = 2.0 * rng.integers(0, 2, shape, dtype=np.int8) - 1
        as_good += int(((signs @ scaled).max(1) >= best).sum())
    return (1 + as_good) / (1 + draws)


def _choose(deltas: Sequence[float], accuracies: np.ndarray) -> np.ndarray:
    """Return the most accurate shift of each row (r, m), of equal ones the smallest: positions."""
    smallest_first = np.argsort(np.abs(deltas), kind="stable")
    return smallest_first[accuracies[:, smallest_first].argmax(1)]


def _split_in_halves(
    gains: np.ndarray,
    sizes: np.ndarray,
    deltas: Sequence[float],
    copies: np.ndarray,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Halve the groups for each row of copies (r, groups); choose on one half, measure both."""
    n = len(sizes)
    if n < 4:
        raise PairsError(f"at least 4 images or groups are needed to split them; got {n}")
    half = rng.random(copies.shape).argsort(1) < n // 2
    chosen_on = _mean_gains(gains, sizes, half * copies)
    other_half = _mean_gains(gains, sizes, ~half * copies)
    chosen = _choose(deltas, chosen_on)
    rows = np.arange(len(copies))
    return pd.DataFrame(
        {
            "delta": np.asarray(deltas, float)[chosen],
            "chosen_on": chosen_on[rows, chosen],
            "other_half": other_half[rows, chosen],
        }
    )


def _mean_gains(gains: np.ndarray, sizes: np.ndarray, copies: np.ndarray) -> np.ndarray:
    """Return the mean gain of each shift over each row of copies (r, groups): (r, m)."""
    # a half without any copy gains 0
    images = np.maximum(copies @ sizes, 1)
    return copies @ gains.T / images[:, None]


def _gains_by_group(
    hits: ArrayLike, deltas: Sequence[float], groups: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the net gain of each group by each shift over none (m, groups), and group sizes."""
    right = np.asarray(hits, float)
    origin = np.flatnonzero(np.asarray(deltas) == 0)
    if right.ndim != 2 or len(right) != len(deltas) or len(origin) != 1:
        raise PairsError(
            f"Expected hits of shape (m, n) and m deltas with one 0; "
            f"got {right.shape}, {len(deltas)} deltas"
        )
    gains = right - right[origin]
    n = gains.shape[1]
    if groups is None:
        return gains, np.ones(n)
    if np.shape(groups) != (n,):
        raise PairsError(f"Expected groups of shape ({n},), one an image; got {np.shape(groups)}")
    _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return np.stack([np.bincount(group, row) for row in gains]), sizes.astype(float)
