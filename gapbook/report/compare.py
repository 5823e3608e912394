"""Compare the measures of one set of pairs before and after a change of its vectors."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from gapbook.checks.arrays import as_numpy
from gapbook.exceptions import PairsError
from gapbook.geometry.intervals import bootstrap
from gapbook.geometry.measures import MEASURES
from gapbook.geometry.ranks import retrieval_ranks
from gapbook.geometry.table import SAMPLE_SIZE, measure
from gapbook.mitigation.evaluation import NEIGHBORS
from gapbook.pairs import PairedEmbeddings, unit_pair
from gapbook.report.explain import explain, label_of
from gapbook.report.findings import DIRECTIONS, NAMED_SHARE, PLACES
from gapbook.report.recommend import MAX_PAIRS, draw_pairs
from gapbook.report.tables import format_value
from gapbook.report.thresholds import threshold_table
from gapbook.search_quality import search_quality

# Numbers of pairs, which no change of vectors changes.
COUNTS = ("n_pairs", "n_sampled")
# A share of a squared gap: where the gap all but closes, redraws lie beside the value.
WITHOUT_INTERVAL = "gap_share_top2"
COLUMNS = ["metric", "label", "unit", "before", "after", "change", "low", "high", "words"]
MIXED_SHARE = "mixed_share_of_other"
MIXED_RECALL = "mixed_recall_at_10"
KEPT = "kept_at_1_percent_false"
# What is not in the table of a report: unit, label, and the better direction.
EXTRA = {
    MIXED_SHARE: ("fraction", "Other modality in the top 10 of one index", None),
    MIXED_RECALL: ("fraction", "Recall at 10 in one index of both", "higher"),
    KEPT: ("fraction", "True matches kept at 1 % false ones", "higher"),
}


@dataclass(frozen=True, eq=False)
class Comparison:
    """Measures before and after.

    Parameters
    ----------
    table : DataFrame
        A row for each measure, with the columns metric, label, unit, before, after, change, low,
        high and words. ``change`` is after less before, ``low`` and ``high`` its 95 % interval, NaN
        where there is none.
    notes : list of str
        Sentences on what the table rests on.
    """

    table: pd.DataFrame
    notes: list[str]


@threadpool_limits.wrap(limits=1)
def compare_pairs(
    before: PairedEmbeddings,
    after: PairedEmbeddings,
    seed: int = 0,
    replicates: int = 1000,
    sample: int = SAMPLE_SIZE,
) -> Comparison:
    """Compare all measures of pairs before and after a change of their vectors.

    Parameters
    ----------
    before, after : PairedEmbeddings
        Embeddings of the same pairs in the same order, in any dimensions. Of pairs in groups the
        first of each is compared.
    seed : int
        The seed of the samples and of the redraws.
    replicates : int
        The number of redraws.
    sample : int
        The largest number of pairs for measures that compare all pairs with all pairs.

    Returns
    -------
    Comparison
        The measures of ``gap_report``, the share of the other modality and the recall in the top 10
        of one index of both, and the true matches that the cut at 1 % false ones keeps.

    Raises
    ------
    PairsError
        As ``gap_report`` does, and where x is before what y is after.

    Notes
    -----
    **Intervals** are percentiles of a bootstrap whose redraws take the same pairs on both sides, so
    that what makes a pair hard cancels. Gap, cosines and other means, recalls, and what is measured
    of one index have them; candidates and cuts are held fixed. The share of the gap in 2
    dimensions, ranks, IsoScores, CKA, separability, hubness, agreement, uniformity and MMD have
    none.

    **Other numbers of pairs.** Where there are not as many pairs before as after, rows cannot be
    paired and no change has an interval.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((60, 8))
    >>> apart = PairedEmbeddings(rows + 3, rows - 3)
    >>> closed = PairedEmbeddings(rows, rows)
    >>> table = compare_pairs(apart, closed, replicates=50).table.set_index("metric")
    >>> table.loc["r1_image_to_text", ["label", "words"]].tolist()
    ['Recall at 1, image to text', 'better']
    """
    _require_same_sides(before, after)
    of_groups = before.groups is not None or after.groups is not None
    before = before.one_of_each_group()
    after = after.one_of_each_group()
    is_paired = len(before) == len(after)
    notes = _notes(before, after, sample)
    if of_groups:
        notes.append(
            "Of pairs in groups, such as the captions of one image, the first is compared."
        )
    sides = [_measure_side(pairs, seed, sample) for pairs in (before, after)]
    intervals: dict[str, tuple[float, float]] = {}
    if is_paired:
        intervals = _intervals_of_means(before, after, seed, replicates)
        for name, hits in sides[0].by_row.items():
            differences = sides[1].by_row[name] - hits
            intervals[name] = _interval_of_mean(differences, seed, replicates)
    rows = []
    words = explain(sides[0].table, before.modalities)
    measures = [side.measures for side in sides]
    for name in _in_order(measures[0]):
        if name not in measures[1]:
            continue
        unit, label, better = _meaning(name, words)
        low, high = intervals.get(name, (np.nan, np.nan))
        value = measures[0][name]
        value_after = measures[1][name]
        change = value_after - value
        in_words = _in_words(low, high, better)
        rows.append((name, label, unit, value, value_after, change, low, high, in_words))
    return Comparison(pd.DataFrame(rows, columns=COLUMNS), notes)


def _require_same_sides(before: PairedEmbeddings, after: PairedEmbeddings) -> None:
    if after.modalities == before.modalities[::-1]:
        names = [" and ".join(pairs.modalities) for pairs in (before, after)]
        raise PairsError(
            f"Expected the same sides before and after; x and y are {names[0]} before and "
            f"{names[1]} after: swap x and y of one of them"
        )


@dataclass(frozen=True, eq=False)
class _Side:
    """What one side has: its measures by name, and of some of them a value for each row."""

    table: pd.DataFrame
    measures: dict[str, float]
    by_row: dict[str, np.ndarray]


def _measure_side(pairs: PairedEmbeddings, seed: int, sample: int) -> _Side:
    """Measure one side; of its own intervals none is used."""
    measured = measure(pairs, seed, replicates=2, sample=sample)
    values = dict(zip(measured.table["metric"], measured.table["value"], strict=True))
    by_row = _hits(measured.pairs) | _mixed(measured.pairs, seed) | _kept(measured.pairs, sample)
    for name in EXTRA:
        if name in by_row:
            values[name] = float(by_row[name].mean())
    return _Side(measured.table, values, by_row)


def _hits(pairs: PairedEmbeddings) -> dict[str, np.ndarray]:
    """Return for each recall which queries find their partner."""
    hits = {}
    ranks = retrieval_ranks(pairs.x, pairs.y)
    for direction in DIRECTIONS:
        for k in PLACES:
            hits[f"r{k}_{direction}"] = (ranks[direction] < k).astype(float)
    return hits


def _mixed(pairs: PairedEmbeddings, seed: int) -> dict[str, np.ndarray]:
    """Search one index of both with each of its rows; nothing for fewer rows than ten places."""
    if 2 * len(pairs) - 1 < NEIGHBORS:
        return {}
    drawn = draw_pairs(pairs, MAX_PAIRS, seed)
    n = len(drawn)
    rows = np.concatenate([as_numpy(side) for side in unit_pair(drawn.x, drawn.y)])
    queries = np.arange(2 * n)
    partners = np.roll(queries, n)
    found = search_quality(
        rows,
        rows,
        relevant=np.column_stack([queries, partners]),
        modalities=np.repeat(["x", "y"], n),
        k=NEIGHBORS,
        exclude=np.column_stack([queries, queries]),
    )
    other = np.concatenate([found["share", "y"][:n], found["share", "x"][n:]])
    recall = found["recall", "all"].to_numpy()
    # Both members of a pair are redrawn together.
    return {
        MIXED_SHARE: (other[:n] + other[n:]) / 2,
        MIXED_RECALL: (recall[:n] + recall[n:]) / 2,
    }


def _kept(pairs: PairedEmbeddings, sample: int) -> dict[str, np.ndarray]:
    """Return which partners lie above the cut that 1 % of unrelated pairs pass."""
    cut = threshold_table(pairs.x, pairs.y, [NAMED_SHARE], sample=sample)["threshold"][0]
    x, y = (as_numpy(side) for side in unit_pair(pairs.x, pairs.y))
    return {KEPT: ((x * y).sum(1) > cut).astype(float)}


def _intervals_of_means(
    before: PairedEmbeddings, after: PairedEmbeddings, seed: int, replicates: int
) -> dict[str, tuple[float, float]]:
    """Return percentiles of changes of the measures of first order, over the same redraws."""
    # One seed and one number of pairs draw the same pairs.
    redrawn = [
        bootstrap(*unit_pair(pairs.x, pairs.y), seed, replicates) for pairs in (before, after)
    ]
    intervals = {}
    for name in set(redrawn[0]) - {WITHOUT_INTERVAL}:
        low, high = np.nanpercentile(redrawn[1][name] - redrawn[0][name], [2.5, 97.5])
        intervals[name] = (float(low), float(high))
    return intervals


def _interval_of_mean(values: np.ndarray, seed: int, replicates: int) -> tuple[float, float]:
    """Return percentiles of the mean of values (n,) over redraws of them."""
    n = len(values)
    drawn = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), size=replicates)
    low, high = np.percentile(drawn @ values / n, [2.5, 97.5])
    return float(low), float(high)


def _in_order(names: Collection[str]) -> list[str]:
    """Return the names of measures: of search first, then the others; without numbers of pairs."""
    recalls = [f"r{k}_{direction}" for direction in DIRECTIONS for k in PLACES]
    first = [name for name in [*recalls, *EXTRA] if name in names]
    return first + [name for name in names if name not in (*first, *COUNTS)]


def _meaning(name: str, words: pd.DataFrame) -> tuple[str, str, str | None]:
    """Return the unit, the label and the better direction of a measure."""
    if name in EXTRA:
        return EXTRA[name]
    return MEASURES[name].unit, label_of(name, words), MEASURES[name].better


def _in_words(low: float, high: float, better: str | None) -> str:
    """Say what an interval of a change shows."""
    if np.isnan(low):
        return ""
    if low <= 0 <= high:
        return "no change shown"
    direction = "higher" if low > 0 else "lower"
    if better is None:
        return direction
    return "better" if direction == better else "worse"


def _notes(before: PairedEmbeddings, after: PairedEmbeddings, sample: int) -> list[str]:
    """Say what the comparison rests on."""
    notes = []
    if before.modalities != after.modalities:
        names = [" and ".join(pairs.modalities) for pairs in (before, after)]
        notes.append(
            f"x and y are named {names[0]} before and {names[1]} after; the names before are used."
        )
    if after.x.shape[1] == before.x.shape[1] + 1:
        notes.append(
            "There is one dimension more after than before, as a correction of scores adds one: "
            "its vectors rank by inner products, and cosines, which this compares, undo it. "
            "See gapbook judge."
        )
    if len(before) != len(after):
        return [
            *notes,
            f"There are {len(before):,} pairs before and {len(after):,} after: rows are not the "
            "same pairs, so no change has an interval, and recalls, ranks and hubness, which "
            "depend on the number of pairs, are not comparable.",
        ]
    notes.append(f"{len(before):,} pairs; row i before and row i after are taken as the same pair.")
    if len(before) > sample:
        notes.append(f"Recalls and all that compares pairs with pairs: {sample:,} pairs of these.")
    if min(len(before), sample) > MAX_PAIRS:
        notes.append(f"One index of both: {MAX_PAIRS:,} pairs of these.")
    return notes


def printed_comparison(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of a comparison in print.

    Parameters
    ----------
    table : DataFrame
        The table of a ``Comparison``.

    Returns
    -------
    DataFrame
        The columns measure, before, after, change, 95 % interval, unit and in words, all text.
    """
    intervals = []
    for low, high in zip(table["low"], table["high"], strict=True):
        interval = ""
        if np.isfinite(low):
            interval = f"{_signed(low)} to {_signed(high)}"
        intervals.append(interval)
    return pd.DataFrame(
        {
            "measure": table["label"],
            "before": table["before"].map(format_value),
            "after": table["after"].map(format_value),
            "change": table["change"].map(_signed),
            "95 % interval": intervals,
            "unit": table["unit"],
            "in words": table["words"],
        }
    )


def _signed(value: float) -> str:
    """Write a change with its sign."""
    text = format_value(value)
    return f"+{text}" if value > 0 else text
