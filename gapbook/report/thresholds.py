"""From which cosine on a pair is taken as a match, and what such a cut can and cannot do."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from gapbook.checks.arrays import as_numpy
from gapbook.checks.parameters import require_integer
from gapbook.exceptions import PairsError
from gapbook.geometry.intervals import wilson_interval
from gapbook.geometry.table import SAMPLE_SIZE
from gapbook.pairs import unit_pair
from gapbook.report.calibration import MIN_PAIRS_TO_CALIBRATE, Calibration, calibrate_cosines

FALSE_SHARES = (0.1, 0.01, 0.001)
# Of the histogram over [-1, 1], as for the cosines within a modality and of partners.
BINS = 100


@dataclass(frozen=True, eq=False)
class Cuts:
    """What cosines of partners and of unrelated pairs say about cuts.

    Parameters
    ----------
    table : DataFrame
        The table of ``threshold_table``.
    answer_present : DataFrame
        The table of ``answer_present_auc``.
    calibration : Calibration or None
        The probability of a match at a cosine, None for fewer than 20 pairs.
    unrelated_counts : ndarray (100,)
        How many unrelated pairs have a cosine in each of 100 equal bins over [-1, 1].
    n_pairs : int
        How many pairs all this rests on.
    """

    table: pd.DataFrame
    answer_present: pd.DataFrame
    calibration: Calibration | None
    unrelated_counts: np.ndarray
    n_pairs: int

    def at(self, false_share: float) -> "pd.Series[float]":
        """Return the cut whose share of false matches is nearest to one.

        Parameters
        ----------
        false_share : float
            A share of unrelated pairs.

        Returns
        -------
        Series
            The row of the table.
        """
        return self.table.iloc[int((self.table["false_share"] - false_share).abs().argmin())]


def measure_cuts(
    x: ArrayLike,
    y: ArrayLike,
    false_shares: Sequence[float] = FALSE_SHARES,
    seed: int = 0,
    sample: int = SAMPLE_SIZE,
) -> Cuts:
    """Measure all that a report says about cuts, from one matrix of cosines.

    Parameters
    ----------
    x, y : array_like or tensor of shape (n, d)
        Embeddings of at least 2 pairs.
    false_shares : sequence of float
        The shares of unrelated pairs that may pass, between 0 and 1.
    seed : int
        The seed of the sample and of the halves of the calibration.
    sample : int
        The largest number of pairs. Where there are more, so many are drawn.

    Returns
    -------
    Cuts
        The cuts, whether the answer is there, the calibration and the histogram.

    Raises
    ------
    PairsError
        As ``threshold_table`` does.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((100, 8))
    >>> cuts = measure_cuts(rows, rows)
    >>> cuts.n_pairs, int(cuts.unrelated_counts.sum()), cuts.table["kept"].tolist()
    (100, 9900, [1.0, 1.0, 1.0])
    """
    _require_shares(false_shares)
    cosines = _cosines(x, y, seed, sample)
    partners, unrelated = _split(cosines)
    calibration = None
    if len(partners) >= MIN_PAIRS_TO_CALIBRATE:
        calibration = calibrate_cosines(cosines, seed)
    counts, _ = np.histogram(unrelated.clip(-1, 1), BINS, (-1, 1))
    table = _threshold_table(partners, unrelated, false_shares)
    return Cuts(table, _answer_present(cosines), calibration, counts, len(partners))


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
    return _split(_cosines(x, y))


def threshold_table(
    x: ArrayLike,
    y: ArrayLike,
    false_shares: Sequence[float] | float = FALSE_SHARES,
    seed: int = 0,
    sample: int = SAMPLE_SIZE,
) -> pd.DataFrame:
    """Say how many true matches a cut keeps that lets few unrelated pairs pass.

    Parameters
    ----------
    x, y : array_like or tensor of shape (n, d)
        Embeddings of at least 2 pairs.
    false_shares : sequence of float or float
        The shares of unrelated pairs that may pass, between 0 and 1, or one of them.
    seed : int
        The seed of the sample.
    sample : int
        The largest number of pairs. Where there are more, so many are drawn.

    Returns
    -------
    DataFrame
        A row for each share, with the columns false_share, threshold (the cosine above which a pair
        counts as a match), kept (the share of partners above it), kept_low and kept_high (the 95 %
        interval of Wilson, the cut held fixed), n_unrelated, and n_passing: how many unrelated
        pairs lie above the cut, which rests on them.

    Raises
    ------
    PairsError
        For fewer than 2 pairs, bad input, a share that is not between 0 and 1, or a sample that is
        not an integer of at least 2.

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
    shares = np.atleast_1d(np.asarray(false_shares)).tolist()
    _require_shares(shares)
    partners, unrelated = _split(_cosines(x, y, seed, sample))
    return _threshold_table(partners, unrelated, shares)


def answer_present_auc(
    x: ArrayLike, y: ArrayLike, seed: int = 0, sample: int = SAMPLE_SIZE
) -> pd.DataFrame:
    """Say whether the best cosine tells that the answer to a query is in the index at all.

    Parameters
    ----------
    x, y : array_like or tensor of shape (n, d)
        Embeddings of at least 2 pairs.
    seed : int
        The seed of the sample.
    sample : int
        The largest number of pairs, and so the size of the index. Where there are more, so many are
        drawn.

    Returns
    -------
    DataFrame
        One row a direction, with the columns direction and auc: the chance that the best cosine of
        a query whose partner is in the index exceeds that of a query whose partner is not.

    Raises
    ------
    PairsError
        For fewer than 2 pairs, bad input, or a sample that is not an integer of at least 2.

    Notes
    -----
    0.5 where nothing can be told, 1 where any answer beats all others of any query. Each query is
    asked twice, with and without its partner. The larger the index, the harder it is to tell.

    Examples
    --------
    >>> answer_present_auc([[1, 0], [0, 1]], [[1, 0], [0, 1]])["auc"].tolist()
    [1.0, 1.0]
    """
    return _answer_present(_cosines(x, y, seed, sample))


def _require_shares(false_shares: Sequence[float]) -> None:
    if not all(0 < share < 1 for share in false_shares):
        raise PairsError(f"Expected shares between 0 and 1; got {list(false_shares)}")


def _cosines(x: ArrayLike, y: ArrayLike, seed: int = 0, sample: int | None = None) -> np.ndarray:
    """Return all cosines across the modalities, (n, n), of at most ``sample`` pairs."""
    a, b = (as_numpy(rows) for rows in unit_pair(x, y))
    if sample is not None:
        require_integer("sample", sample, low=2)
    if sample is not None and len(a) > sample:
        chosen = np.sort(np.random.default_rng(seed).choice(len(a), sample, replace=False))
        a = a[chosen]
        b = b[chosen]
    return a @ b.T


def _split(cosines: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the diagonal (n,) of cosines (n, n), and the rest (n, n - 1)."""
    n = len(cosines)
    # Without the first of n^2 entries, each n + 1 end with one of the diagonal.
    unrelated = cosines.ravel()[1:].reshape(n - 1, n + 1)[:, :-1].reshape(n, n - 1)
    return cosines.diagonal().copy(), unrelated


def _threshold_table(
    partners: np.ndarray, unrelated: np.ndarray, false_shares: Sequence[float]
) -> pd.DataFrame:
    levels = 1 - np.asarray(false_shares, dtype=np.float64)
    thresholds = np.quantile(unrelated, levels, method="higher")
    rows = []
    for share, threshold in zip(false_shares, thresholds.tolist(), strict=True):
        kept = float((partners > threshold).mean())
        interval = wilson_interval(kept, len(partners))
        passing = int((unrelated > threshold).sum())
        ends = (interval.low, interval.high)
        rows.append((share, threshold, kept, *ends, unrelated.size, passing))
    columns = ["false_share", "threshold", "kept", "kept_low", "kept_high"]
    return pd.DataFrame(rows, columns=[*columns, "n_unrelated", "n_passing"])


def _answer_present(cosines: np.ndarray) -> pd.DataFrame:
    from sklearn.metrics import roc_auc_score

    n = len(cosines)
    is_present = np.repeat([True, False], n)
    partners = cosines.diagonal()
    others = cosines.copy()
    np.fill_diagonal(others, -2)
    rows = []
    for direction, axis in (("image_to_text", 1), ("text_to_image", 0)):
        absent = others.max(axis)
        best = np.concatenate([np.maximum(absent, partners), absent])
        rows.append((direction, float(roc_auc_score(is_present, best))))
    return pd.DataFrame(rows, columns=["direction", "auc"])
