"""Recommend a mitigation for each use of a model, judged on pairs that it has not seen."""

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from gapbook.exceptions import PairsError
from gapbook.mitigation.evaluation import evaluate_on_held_out, summarize_splits
from gapbook.mitigation.transformers import (
    Center,
    Mitigation,
    NearestNeighborNormalization,
    ProcrustesAlign,
    RotateTogether,
    ShiftAlongGap,
)
from gapbook.pairs import PairedEmbeddings

# The measure of ``evaluate_on_held_out`` that judges candidates for a use: the higher, the better.
USE_OF_MEASURE = {
    "recall": "search of one modality by the other (recall at 1)",
    "mixed": "search in one index of both modalities (recall at 1)",
    "together": "clusters that hold both modalities (partners together)",
    "noisy": "search with noisy embeddings (recall at 1)",
}
COLUMNS = ["use", "before", "verdict", "mitigation", "after", "change", "change_low", "change_high"]
# Half of them are fitted on, and NearestNeighborNormalization looks for 16 neighbors there.
MIN_PAIRS = 32
# Half of them are judged: with 1,000 queries a recall has a standard error of at most 0.016.
MAX_PAIRS = 2000
# Halvings of the pairs: the spread over fewer is too uncertain for intervals at this level.
SPLITS = 20
# One query in a hundred: a smaller gain is hardly worth one more step in a pipeline.
MIN_USEFUL_GAIN = 0.01


def candidates() -> dict[str, Mitigation]:
    """Return the mitigations that are tried.

    Returns
    -------
    dict of str to Mitigation
        The mitigations by name; the first, "none", changes nothing.

    Examples
    --------
    >>> list(candidates())[:3]
    ['none', 'Center', 'ShiftAlongGap']
    """
    return {
        "none": ShiftAlongGap(0.0),
        "Center": Center(),
        "ShiftAlongGap": ShiftAlongGap(),
        "RotateTogether": RotateTogether(),
        "ProcrustesAlign": ProcrustesAlign(),
        "NearestNeighborNormalization": NearestNeighborNormalization(),
    }


N_CANDIDATES = len(candidates()) - 1
# Of each interval, so that those of all candidates hold together in 95 % (Bonferroni).
CONFIDENCE = 1 - 0.05 / N_CANDIDATES


def recommend_mitigations(
    pairs: PairedEmbeddings,
    splits: int = SPLITS,
    seed: int = 0,
    max_pairs: int = MAX_PAIRS,
) -> pd.DataFrame:
    """Say for each use of a model whether a mitigation pays, and which one.

    Each mitigation is fitted on a random half of the pairs and judged on the other, many times.

    Parameters
    ----------
    pairs : PairedEmbeddings
        At least 32 pairs.
    splits : int
        How often the pairs are halved.
    seed : int
        The seed of the halvings, and of the pairs that are drawn where there are more than
        ``max_pairs``.
    max_pairs : int
        How many pairs are used at most.

    Returns
    -------
    DataFrame
        The verdicts of ``judge_mitigations``.

    Raises
    ------
    PairsError
        For fewer than 32 pairs.
    """
    if len(pairs) < MIN_PAIRS:
        raise PairsError(f"Expected at least {MIN_PAIRS} pairs; got {len(pairs)}")
    if len(pairs) > max_pairs:
        rng = np.random.default_rng(seed)
        pairs = pairs.subset(np.sort(rng.choice(len(pairs), max_pairs, replace=False)))
    measures = list(USE_OF_MEASURE)
    # There are many small fits, whose threads would wait for each other.
    with threadpool_limits(1):
        evaluated = evaluate_on_held_out(pairs, candidates(), splits, seed=seed, measures=measures)
    return judge_mitigations(evaluated)


def judge_mitigations(evaluated: pd.DataFrame) -> pd.DataFrame:
    """Judge candidates by what they changed on held-out pairs.

    Parameters
    ----------
    evaluated : DataFrame
        A table of ``evaluate_on_held_out``: the columns split and mitigation, "none" among the
        mitigations, and the measures of ``USE_OF_MEASURE``.

    Returns
    -------
    DataFrame
        A row for each use, with the columns use, before, verdict, mitigation, after, change,
        change_low and change_high. ``mitigation`` is the best candidate whatever the verdict, and
        ``after`` and the change belong to it.

    Notes
    -----
    A verdict goes by the intervals of the changes (``summarize_splits``) at a level of
    ``1 - 0.05 / 5``, since five candidates are looked at (Bonferroni). It is

    * "none" where no interval reaches beyond the smallest useful gain of 0.01;
    * the name of a candidate whose interval does and lies above 0 as well, of several the one with
      the largest change;
    * "undecided" otherwise: more pairs would tell.
    """
    summary = summarize_splits(evaluated, level=CONFIDENCE)
    rows = []
    for measure, use in USE_OF_MEASURE.items():
        of_measure = summary[summary["measure"] == measure].set_index("mitigation")
        before = float(of_measure["mean"]["none"])
        tried = of_measure.drop("none")
        useful = tried[tried["change_high"] > MIN_USEFUL_GAIN]
        paying = useful[useful["change_low"] > 0]
        if len(paying):
            best = str(paying["change"].idxmax())
            verdict = best
        elif len(useful):
            best = str(useful["change"].idxmax())
            verdict = "undecided"
        else:
            best = str(tried["change"].idxmax())
            verdict = "none"
        after = tried["mean"][best]
        change = [tried[column][best] for column in ("change", "change_low", "change_high")]
        rows.append([use, before, verdict, best, after, *change])
    return pd.DataFrame(rows, columns=COLUMNS)
