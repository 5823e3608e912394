"""Recommend a mitigation for each use of a model, judged on pairs that it has not seen."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from gapbook.exceptions import PairsError
from gapbook.groups import drawn_rows
from gapbook.mitigation.evaluation import evaluate_on_held_out, summarize_splits
from gapbook.mitigation.scores import ScoreScaling
from gapbook.mitigation.transformers import (
    Center,
    Mitigation,
    NearestNeighborNormalization,
    ProcrustesAlign,
    RotateTogether,
    ShiftAlongGap,
    Standardize,
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
# The columns of ``judge_candidates``.
CANDIDATE_COLUMNS = [
    "use",
    "mitigation",
    "before",
    "after",
    "change",
    "change_low",
    "change_high",
    "words",
    "python",
    "command",
]
# A use in which fewer than one query in four, or one pair in four, succeeds is still poor.
POOR = 0.25
# Half of them are fitted on, and NearestNeighborNormalization looks for 16 neighbors there.
MIN_PAIRS = 32
# Half of them are judged: with 1,000 queries a recall has a standard error of at most 0.016.
MAX_PAIRS = 2000
# Halvings of the pairs: the spread over fewer is too uncertain for intervals at this level.
SPLITS = 20
# With more pairs each half says more, and each halving takes longer.
MANY_PAIRS = 1000
SPLITS_OF_MANY = 10
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
        "Standardize": Standardize(),
    }


def score_candidates() -> dict[str, ScoreScaling]:
    """Return the scalings of scores that are tried for one index of both modalities.

    Returns
    -------
    dict of str to ScoreScaling
        The scalings by name.

    Examples
    --------
    >>> list(score_candidates())
    ['ScoreScaling by all', 'ScoreScaling by pseudo-positives']
    """
    return {
        "ScoreScaling by all": ScoreScaling(by="all"),
        "ScoreScaling by pseudo-positives": ScoreScaling(by="pseudo_positives"),
    }


N_CANDIDATES = len(candidates()) - 1
# Of each interval, so that those of all candidates hold together in 95 % (Bonferroni).
CONFIDENCE = 1 - 0.05 / N_CANDIDATES


def default_splits(n: int) -> int:
    """Return how often n pairs are halved: 20 times, and 10 times beyond 1,000 pairs.

    Parameters
    ----------
    n : int
        The number of pairs.

    Returns
    -------
    int
        The number of halvings.

    Examples
    --------
    >>> default_splits(500), default_splits(5000)
    (20, 10)
    """
    return SPLITS if n <= MANY_PAIRS else SPLITS_OF_MANY


def recommend_mitigations(
    pairs: PairedEmbeddings,
    splits: int | None = None,
    seed: int = 0,
    max_pairs: int = MAX_PAIRS,
) -> pd.DataFrame:
    """Say for each use of a model whether a mitigation pays, and which one.

    Each mitigation is fitted on a random half of the pairs and judged on the other, many times.

    Parameters
    ----------
    pairs : PairedEmbeddings
        At least 32 pairs.
    splits : int, optional
        How often the pairs are halved, by default ``default_splits``.
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
    return judge_mitigations(compare_mitigations(pairs, splits, seed, max_pairs))


def compare_mitigations(
    pairs: PairedEmbeddings,
    splits: int | None = None,
    seed: int = 0,
    max_pairs: int = MAX_PAIRS,
) -> pd.DataFrame:
    """Measure every candidate on held-out halves, for ``judge_mitigations`` to judge.

    Parameters
    ----------
    pairs, splits, seed, max_pairs
        As in ``recommend_mitigations``.

    Returns
    -------
    DataFrame
        The table of ``evaluate_on_held_out`` for ``candidates()`` and ``score_candidates()``.

    Raises
    ------
    PairsError
        For fewer than 32 pairs.
    """
    if pairs.n_groups < MIN_PAIRS:
        things = "pairs" if pairs.groups is None else "groups"
        raise PairsError(f"Expected at least {MIN_PAIRS} {things}; got {pairs.n_groups}")
    if splits is None:
        splits = default_splits(pairs.n_groups)
    pairs = draw_pairs(pairs, max_pairs, seed)
    measures = list(USE_OF_MEASURE)
    # There are many small fits, whose threads would wait for each other.
    with threadpool_limits(1):
        return evaluate_on_held_out(
            pairs,
            candidates(),
            splits,
            seed=seed,
            measures=measures,
            scalings=score_candidates(),
        )


def draw_pairs(pairs: PairedEmbeddings, max_pairs: int, seed: int) -> PairedEmbeddings:
    """Return at most ``max_pairs`` pairs, in their order; of more, so many are drawn by ``seed``.

    Pairs in groups are drawn by whole groups.

    Parameters
    ----------
    pairs : PairedEmbeddings
        The pairs.
    max_pairs : int
        How many there are at most.
    seed : int
        The seed of the draw.

    Returns
    -------
    PairedEmbeddings
        The pairs themselves where they are no more.

    Examples
    --------
    >>> len(draw_pairs(PairedEmbeddings(np.eye(5), np.eye(5)), 3, seed=0))
    3
    """
    if len(pairs) <= max_pairs:
        return pairs
    rng = np.random.default_rng(seed)
    return pairs.subset(drawn_rows(len(pairs), pairs.groups, max_pairs, rng))


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
    ``1 - 0.05 / 6``, since six candidates are looked at (Bonferroni). It is

    * "none" where no interval reaches beyond the smallest useful gain of 0.01;
    * the name of a candidate whose interval does and lies above 0 as well, of several the one with
      the largest change;
    * "undecided" otherwise: more pairs would tell.

    Verdicts are on mitigations, which move vectors; scalings of scores, ``score_candidates``, serve
    one index alone and are in ``judge_candidates``.
    """
    evaluated = evaluated[~evaluated["mitigation"].isin(list(score_candidates()))]
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


def judge_candidates(evaluated: pd.DataFrame, input_text: str = "INPUT") -> pd.DataFrame:
    """Say what every candidate gains and loses for every use.

    Parameters
    ----------
    evaluated : DataFrame
        A table of ``compare_mitigations``.
    input_text : str
        What commands call the input: arguments of a shell, quoted.

    Returns
    -------
    DataFrame
        A row for each use and candidate, and for scalings of scores one for one index of both
        modalities alone, since they change nothing elsewhere; with the columns use, mitigation,
        before, after, change, change_low, change_high, words (``change_in_words``), python (what
        imports the candidate) and command (what fits and saves it). Intervals are those of
        ``judge_mitigations``.
    """
    summary = summarize_splits(evaluated, level=CONFIDENCE)
    scalings = score_candidates()
    rows = []
    for measure, use in USE_OF_MEASURE.items():
        of_measure = summary[summary["measure"] == measure].set_index("mitigation")
        before = float(of_measure["mean"]["none"])
        for name, row in of_measure.drop("none").dropna(subset="mean").iterrows():
            change = [float(row[column]) for column in ("change", "change_low", "change_high")]
            after = float(row["mean"])
            words = change_in_words(before, after, change[1], change[2])
            class_name = name
            setting = ""
            if name in scalings:
                class_name = ScoreScaling.__name__
                setting = f"--set by={scalings[name].by} --queries y "
            python = f"from gapbook.mitigation import {class_name}"
            command = f"gapbook fix {input_text} --with {class_name} {setting}--out fix.safetensors"
            rows.append([use, name, before, after, *change, words, python, command])
    return pd.DataFrame(rows, columns=CANDIDATE_COLUMNS)


def verdict_on(row: Mapping[Hashable, Any]) -> str:
    """Return the verdict on one candidate alone, by the rules of ``judge_mitigations``.

    Parameters
    ----------
    row : dict
        A row of the table of ``judge_candidates``.

    Returns
    -------
    str
        Its name, "undecided" or "none".

    Examples
    --------
    >>> verdict_on({"mitigation": "all scores", "change_low": 0.1, "change_high": 0.3})
    'all scores'
    >>> verdict_on({"mitigation": "all scores", "change_low": -0.1, "change_high": 0.3})
    'undecided'
    """
    if is_useful_gain(row):
        return str(row["mitigation"])
    return "undecided" if row["change_high"] > MIN_USEFUL_GAIN else "none"


def is_useful_gain(row: Mapping[Hashable, Any]) -> bool:
    """Say whether a candidate pays: its interval lies above 0 and reaches a useful gain.

    Parameters
    ----------
    row : dict
        A row of the table of ``judge_candidates``.

    Returns
    -------
    bool
        What makes ``judge_mitigations`` name a candidate.

    Examples
    --------
    >>> is_useful_gain({"change_low": 0.1, "change_high": 0.3})
    True
    >>> is_useful_gain({"change_low": 0.001, "change_high": 0.009})
    False
    """
    return bool(row["change_low"] > 0 and row["change_high"] > MIN_USEFUL_GAIN)


def scalings_for(use: str, judged: pd.DataFrame | None) -> list[dict[Hashable, Any]]:
    """Return the scalings of scores that were judged for a use.

    Parameters
    ----------
    use : str
        A value of ``USE_OF_MEASURE``.
    judged : DataFrame or None
        The table of ``judge_candidates``.

    Returns
    -------
    list of dict
        Rows of the table; none for other uses than one index of both modalities.

    Examples
    --------
    >>> scalings_for("one index", None)
    []
    """
    if judged is None:
        return []
    is_scaling = judged["mitigation"].isin(list(score_candidates()))
    return judged[is_scaling & (judged["use"] == use)].to_dict("records")


def change_in_words(before: float, after: float, low: float, high: float) -> str:
    """Put a change of a share into words.

    Parameters
    ----------
    before, after : float
        The share without and with a candidate.
    low, high : float
        The ends of the interval of the change.

    Returns
    -------
    str
        Both shares, and whether this is a gain, a loss or neither; "still poor" below 0.25.

    Examples
    --------
    >>> change_in_words(0.004, 0.06, 0.03, 0.08)
    '0.00 → 0.06: a gain, still poor'
    >>> change_in_words(0.6, 0.5, -0.2, -0.05)
    '0.60 → 0.50: a loss'
    """
    if low > 0:
        judgment = "a gain"
        if high < MIN_USEFUL_GAIN:
            judgment = "a gain too small to be of use"
    elif high < 0:
        judgment = "a loss"
    else:
        judgment = "no change shown"
    if after < POOR:
        judgment += ", still poor" if before < POOR else ", now poor"
    return f"{before:.2f} → {after:.2f}: {judgment}"
