"""One table of all measures of pairs, with intervals, and what a report needs beside it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from gapbook.checks.seeds import require_seed
from gapbook.exceptions import PairsError
from gapbook.geometry.arrays import Array
from gapbook.geometry.cosines import partner_cosine_counts
from gapbook.geometry.gap import linear_separability
from gapbook.geometry.intervals import (
    Estimate,
    bootstrap_intervals,
    covariance_intervals,
    group_hubness_intervals,
    group_wilson_interval,
    kernel_intervals,
    neighbor_intervals,
    wilson_interval,
)
from gapbook.geometry.measures import MEASURES
from gapbook.geometry.neighbors import default_neighbors
from gapbook.geometry.ranks import retrieval, retrieval_ranks
from gapbook.groups import rows_in_order, several_a_group
from gapbook.pairs import PairedEmbeddings, unit_pair

# Pairs that measures of all pairs of pairs rest on, where there are more.
SAMPLE_SIZE = 5000
# With fewer pairs than that, a bootstrap or a jackknife of 20 groups says little.
MIN_PAIRS_FOR_INTERVALS = 30


@dataclass(frozen=True, eq=False)
class Measured:
    """What measuring pairs gives, whether they lie in memory, in a file or in a folder.

    Parameters
    ----------
    table : pandas.DataFrame
        A row for each measure, with the columns metric, value, low, high and unit, as from
        ``gap_report``.
    pairs : PairedEmbeddings
        The pairs that figures and fits rest on: all, or a sample.
    partner_cosine_counts : numpy.ndarray (100,)
        How many of *all* pairs have a cosine of partners in each of 100 equal bins over [-1, 1].
    notes : list of str
        Sentences about the input: how many pairs there are, and what to mind about them.
    grouped : PairedEmbeddings or None
        Where groups have several pairs, all pairs of the groups that recalls and hubness rest on;
        ``pairs`` then has the first pair of each of these groups.
    n_groups : int or None
        How many groups there were before any were drawn; None where there are none.
    carries_scores : bool
        Whether the vectors, as they are stored, are known to carry a correction of scores, which
        unit length undoes.
    """

    table: pd.DataFrame
    pairs: PairedEmbeddings
    partner_cosine_counts: np.ndarray
    notes: list[str] = field(default_factory=list)
    grouped: PairedEmbeddings | None = None
    n_groups: int | None = None
    carries_scores: bool = False


def measure(
    pairs: PairedEmbeddings, seed: int = 0, replicates: int = 1000, sample: int = SAMPLE_SIZE
) -> Measured:
    """Measure pairs: every measure with its interval, the sample behind some of them, and notes.

    Parameters
    ----------
    pairs : PairedEmbeddings
        The pairs, at least 2.
    seed : int
        The seed of the sample, the bootstrap, the groups of the jackknife and the folds of the
        probe.
    replicates : int
        The number of redraws of the bootstrap.
    sample : int
        The largest number of pairs, at least 2, for measures that compare all pairs with all pairs
        or fit a probe. Where there are more, so many are drawn without replacement; of pairs in
        groups, so many groups.

    Returns
    -------
    Measured
        The table of ``gap_report``, and what a report needs beside it.

    Raises
    ------
    PairsError
        If pairs are not ``PairedEmbeddings``, or sample is not an integer of at least 2, replicates
        none of at least 1, or seed none from 0 to 4294967295.

    Examples
    --------
    >>> measured = measure(PairedEmbeddings([[4, 3], [4, -3], [5, 0]], [[4, 3], [4, -3], [0, 5]]))
    >>> measured.notes[0], len(measured.pairs), int(measured.partner_cosine_counts.sum())
    ('3 pairs.', 3, 3)
    """
    if not isinstance(pairs, PairedEmbeddings):
        advice = "use PairedEmbeddings.from_arrays(x, y)"
        if isinstance(pairs, str | os.PathLike):
            advice = (
                "a file is read by PairedEmbeddings.load(path), "
                "a folder measured by gapbook.shards.shard_report(folder)"
            )
        raise PairsError(f"Expected PairedEmbeddings; got {type(pairs).__name__}: {advice}")
    require_seed(seed)
    require_sample_size(sample)
    groups = several_a_group(pairs.groups)
    if groups is not None:
        return _measure_groups(pairs, groups, seed, replicates, sample)
    n, d = pairs.x.shape
    x, y = unit_pair(pairs.x, pairs.y)
    rows = {"n_pairs": Estimate(n), "dimension": Estimate(d)}
    rows |= bootstrap_intervals(x, y, seed, replicates)
    rows |= covariance_intervals(x, y, seed)
    counts = partner_cosine_counts(x, y)
    notes = [f"{n:,} pairs.", *input_notes(pairs)]
    if n > sample:
        chosen = np.sort(np.random.default_rng(seed).choice(n, int(sample), replace=False))
        x = x[chosen]
        y = y[chosen]
        pairs = pairs.subset(chosen)
        notes.append(f"Recalls and all that compares pairs with pairs: {sample:,} pairs of these.")
    rows["n_sampled"] = Estimate(len(x))
    rows |= _sampled(x, y, seed)
    return Measured(_table(rows), pairs, counts, notes)


def _measure_groups(
    pairs: PairedEmbeddings, groups: np.ndarray, seed: int, replicates: int, sample: int
) -> Measured:
    """Measure pairs in groups of several: see the notes of ``gap_report``."""
    n, d = pairs.x.shape
    rows = {"n_pairs": Estimate(n), "dimension": Estimate(d)}
    rows |= bootstrap_intervals(pairs.x, pairs.y, seed, replicates, groups)
    rows |= covariance_intervals(pairs.x, pairs.y, seed, groups)
    counts = partner_cosine_counts(pairs.x, pairs.y)
    n_groups = pairs.n_groups
    grouped = pairs
    of_these = ""
    if n_groups > sample:
        rng = np.random.default_rng(seed)
        chosen = np.sort(rng.choice(n_groups, int(sample), replace=False))
        grouped = pairs.subset(np.sort(rows_in_order(groups, chosen)))
        of_these = f" of {sample:,} of the groups"
    single = grouped.one_of_each_group()
    rows["n_sampled"] = Estimate(len(single))
    rows |= _sampled(single.x, single.y, seed)
    k = default_neighbors(len(single))
    numbers = np.asarray(grouped.groups)
    rows |= _recalls_in_groups(grouped.x, grouped.y, numbers)
    rows |= group_hubness_intervals(grouped.x, grouped.y, numbers, k, seed)
    notes = [*_group_notes(pairs.modalities, groups), *input_notes(single)]
    notes.append(
        f"Recalls, hubness and the comparison of mitigations rest on all pairs{of_these}; "
        "separability, neighbor agreement, debiased CKA, uniformity, MMD, figures, thresholds and "
        f"the landscape on the first pair of each{of_these or ' group'}."
    )
    table = _table(rows)
    table.attrs["n_effective"] = n**2 / float((np.bincount(groups) ** 2).sum())
    return Measured(table, single, counts, notes, grouped, n_groups)


def _recalls_in_groups(x: Array, y: Array, groups: np.ndarray) -> dict[str, Estimate]:
    """Return recalls where any row of y in the group is right, with intervals by group."""
    ranks = retrieval_ranks(x, y, groups)
    groups_of = {
        "image_to_text": np.arange(len(ranks["image_to_text"])),
        "text_to_image": groups,
    }
    rows = {}
    for direction, of_queries in ranks.items():
        for k in (1, 5, 10):
            hits = (of_queries < k).astype(float)
            rows[f"r{k}_{direction}"] = group_wilson_interval(hits, groups_of[direction])
    return rows


def _group_notes(modalities: tuple[str, str], groups: np.ndarray) -> list[str]:
    """Say how many pairs and groups there are, and what is right and redrawn."""
    first, second = modalities
    sizes = np.bincount(groups)
    fewest = int(sizes.min())
    most = int(sizes.max())
    each = f"{fewest:,}" if fewest == most else f"{fewest:,} to {most:,}"
    return [
        f"{len(groups):,} pairs in {len(sizes):,} groups: {each} rows of {second} for each row of "
        f"{first}.",
        f"Any {second} of its group is right for a row of {first}, which is there once; intervals "
        "are for a redraw of groups.",
    ]


def gap_report(
    pairs: PairedEmbeddings | Mapping[str, ArrayLike],
    seed: int = 0,
    replicates: int = 1000,
    sample: int = SAMPLE_SIZE,
) -> pd.DataFrame:
    """Return every measure of ``gapbook.geometry``, with intervals, as a tidy table.

    Parameters
    ----------
    pairs : PairedEmbeddings or mapping of str to array (n, d)
        The pairs, at least 2. A file is read by ``PairedEmbeddings.load``; a folder of files is
        measured by ``gapbook.shards.shard_report``. Or two or more modalities of the same items, an
        array by the name of each, in which row i is item i.
    seed : int
        The seed of the sample, the bootstrap, the groups of the jackknife and the folds of the
        probe.
    replicates : int
        The number of redraws of the bootstrap.
    sample : int
        The largest number of pairs, at least 2, for the rows from ``n_sampled`` on.

    Returns
    -------
    pandas.DataFrame
        A row for each of ``MEASURES``, with the columns ``metric``, ``value``, ``low``, ``high``
        (a 95 % interval for a redraw of the pairs) and ``unit``. Numbers of pairs and dimensions
        have no interval: NaN. Of pairs in groups, ``attrs["n_effective"]`` is the number of groups
        of one size in which as large a share of all rows of y is that of one's own group. Of a
        mapping, the table of ``gapbook.geometry.several_report``: the columns ``x`` and ``y``,
        names of modalities, come first, and below the rows of each pair stand those of all
        modalities together.

    Raises
    ------
    PairsError
        If pairs are not ``PairedEmbeddings`` or a mapping of at least two names to arrays of one
        shape, or sample is not an integer of at least 2, replicates none of at least 1, or seed
        none from 0 to 4294967295.

    Notes
    -----
    **Rows.** ``cosine_within_*`` are means over different rows of one side, ``cosine_paired`` is
    the mean of ``x_i . y_i`` and ``cosine_across`` that of all ``x_i . y_j``, i = j included.
    ``gap_share_top2`` is the share of the squared gap in its two largest dimensions. The other rows
    have the names of their functions, with k = 10 (n // 2 below 20 pairs). Rows from ``n_sampled``
    on rest on that many pairs: all, or ``sample`` of them drawn by ``seed``. Recalls, hubness and
    agreement depend on how many there are.

    **Intervals.** From gap to ``gap_share_top2``: percentiles of a bootstrap in which a pair drawn
    twice is never compared with its copy. Ranks, IsoScores, CKA, hubness and agreement: a jackknife
    of 20 groups of pairs. Uniformity and MMD: a jackknife of single pairs. Recalls (candidates held
    fixed) and separability: the binomial interval of Wilson with n trials. The intervals of
    separability, hubness and agreement are conservative: they cover about 98 %, not 95 %. So are
    those of MMD and CKA near zero.

    **Few pairs.** With few pairs, noise makes the gap look larger: its square is too high by the
    sum of variances over n, and its interval is that of the gap of *this many* pairs.
    ``squared_gap_unbiased`` leaves that sum out, and can be below 0: near zero, read it instead.
    Ranks, IsoScores, plain CKA and ``gap_share_top2`` are those of this many pairs too; more pairs
    move them.

    **Groups.** Where images have several captions each (``PairedEmbeddings.groups``), recall from
    image to text counts any caption of the image as right, and images are there once, as queries
    and as candidates. Averages over different rows are averages over rows of different groups.
    Redraws and the parts of the jackknife hold whole groups; the binomial intervals have as many
    trials as there are groups, and of recall from text to image as many independent ones as its
    variance over groups tells. Separability, agreement, debiased CKA, uniformity and MMD rest on
    the first pair of each group. ``n_sampled`` is the number of groups then, and ``sample`` draws
    groups.

    **Copies.** Equal rows tie, and ties count against recall (half a place each: recall at 1 misses
    a partner that is there three times). Intervals take rows as independent. So keep one caption
    for each image, or say which captions are of one image by groups.

    Examples
    --------
    >>> pairs = PairedEmbeddings([[4, 3], [4, -3], [5, 0]], [[-4, 3], [-4, -3], [-5, 0]])
    >>> across = gap_report(pairs).set_index("metric").loc["cosine_across"]
    >>> across[["value", "low", "high"]].astype(float).round(2).tolist()
    [-0.75, -0.79, -0.71]
    >>> table = gap_report({"image": pairs.x, "text": pairs.y, "sound": pairs.x}, replicates=20)
    >>> table.query("metric == 'modality_gap'")[["x", "y", "value"]].round(2).to_numpy().tolist()
    [['image', 'text', 1.73], ['image', 'sound', 0.0], ['text', 'sound', 1.73]]
    """
    if isinstance(pairs, Mapping):
        # That module measures each pair by this one.
        from gapbook.geometry.several import several_report

        return several_report(pairs, seed, replicates, sample)
    return measure(pairs, seed, replicates, sample).table


def require_sample_size(sample: object) -> None:
    """Raise ``PairsError`` unless ``sample`` is an integer of at least 2."""
    if isinstance(sample, bool) or not isinstance(sample, int | np.integer) or sample < 2:
        raise PairsError(f"Expected sample as an integer of at least 2; got {sample!r}")


def input_notes(pairs: PairedEmbeddings) -> list[str]:
    """Return what to mind about pairs: that they are few, or that rows are there more than once."""
    n = len(pairs)
    notes = []
    if n < MIN_PAIRS_FOR_INTERVALS:
        notes.append(f"With fewer than {MIN_PAIRS_FOR_INTERVALS} pairs the intervals mean little.")
    distinct = [_distinct_rows(pairs.x), _distinct_rows(pairs.y)]
    if min(distinct) < n:
        first, second = pairs.modalities
        fewest = pairs.modalities[int(np.argmin(distinct))]
        notes.append(
            f"{n:,} pairs hold {distinct[0]:,} distinct {first} rows and {distinct[1]:,} distinct "
            f"{second} rows. Copies tie, and ties count against recall (half a place each: recall "
            "at 1 misses a partner that is there three times), and intervals take rows as "
            f"independent. Keep one pair for each {fewest}, as one caption an image. "
            "Or say which rows are of one group (groups=, in the shell --groups)."
        )
    return notes


def _distinct_rows(rows: np.ndarray) -> int:
    """Count rows that differ, byte by byte."""
    return len({hash(row.tobytes()) for row in rows})


def _sampled(x: Array, y: Array, seed: int) -> dict[str, Estimate]:
    """Return estimates of what needs all pairs of pairs, or a fit."""
    n = len(x)
    rows = {}
    for direction, k, recall in retrieval(x, y).itertuples(index=False):
        rows[f"r{k}_{direction}"] = wilson_interval(recall, n)
    rows["linear_separability"] = wilson_interval(linear_separability(x, y, seed), n)
    rows |= neighbor_intervals(x, y, default_neighbors(n), seed)
    return rows | kernel_intervals(x, y)


def _table(estimates: dict[str, Estimate]) -> pd.DataFrame:
    rows = [(name, *estimate, MEASURES[name].unit) for name, estimate in estimates.items()]
    return pd.DataFrame(rows, columns=["metric", "value", "low", "high", "unit"])
