"""What to read first in a report: recall against chance, mixed search, and the zero of scores."""

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from gapbook.mitigation.evaluation import NEIGHBORS, mixed_search
from gapbook.pairs import PairedEmbeddings
from gapbook.report.recommend import (
    MAX_PAIRS,
    USE_OF_MEASURE,
    change_in_words,
    draw_pairs,
    is_useful_gain,
    scalings_for,
    score_candidates,
)
from gapbook.report.tables import format_value
from gapbook.report.thresholds import Cuts

# Chance reaches a recall as high as one that is taken as more than chance in one of 1,000 reports;
# six recalls are looked at.
CHANCE_LEVEL = 0.001 / 6
# Of the other modality in the top 10: with less, one index hardly serves both.
FEW = 0.25
# The cut that the first lines name: one unrelated pair in a hundred passes.
NAMED_SHARE = 0.01
# AUCs from which on something can be told in part, and can be told.
TOLD_HARDLY = 0.6
TOLD_IN_PART = 0.75
TOLD = 0.95
DIRECTIONS = ("image_to_text", "text_to_image")
PLACES = (1, 5, 10)
# Rows that are looked at for a correction of scores: all of them carry it, or none.
MAX_ROWS = 1000
# With fewer, one dimension may seem constant by chance.
MIN_ROWS = 10
# What one dimension spreads beside others, where rounding is all that spreads it.
ROUNDING_SHARE = 0.01
# What lengths without the last dimension spread beside lengths, where it alone spreads them.
LENGTH_SHARE = 0.1
CARRIES_SCORES = (
    "These vectors seem to carry a correction of scores in their last dimension, which holds for "
    "inner products: cosines, which this report measures, undo it, so judge it with gapbook judge."
)


def is_at_chance(table: pd.DataFrame) -> bool:
    """Say whether no recall can be told from what unrelated rows would have.

    Parameters
    ----------
    table : DataFrame
        The table of a ``gap_report``.

    Returns
    -------
    bool
        True where none of the recalls at 1, 5 and 10, in both directions, is above chance by a
        binomial test at a level of 0.001 for all six.

    Examples
    --------
    >>> from gapbook.geometry import gap_report
    >>> import numpy as np
    >>> rows = np.random.default_rng(0).standard_normal((50, 8))
    >>> is_at_chance(gap_report(PairedEmbeddings(rows, rows + 1)))
    False
    >>> is_at_chance(gap_report(PairedEmbeddings(rows, rows[::-1] + 1)))
    True
    """
    from scipy.stats import binom

    values = table.set_index("metric")["value"]
    n = int(values["n_sampled"])
    for k in PLACES:
        for direction in DIRECTIONS:
            found = round(n * float(values[f"r{k}_{direction}"]))
            by_chance = min(1.0, k / n)
            if binom.sf(found - 1, n, by_chance) < CHANCE_LEVEL:
                return False
    return True


def zero_of_scores(table: pd.DataFrame) -> float:
    """Return the mean cosine of unrelated pairs across the modalities.

    Parameters
    ----------
    table : DataFrame
        The table of a ``gap_report``.

    Returns
    -------
    float
        ``cosine_across`` without the partners that it includes, and without all rows of the same
        group, where pairs are in groups.

    Examples
    --------
    >>> names = ["n_pairs", "cosine_across", "cosine_paired"]
    >>> round(zero_of_scores(pd.DataFrame({"metric": names, "value": [5, 0.28, 0.6]})), 3)
    0.2
    """
    values = table.set_index("metric")["value"]
    n = float(table.attrs.get("n_effective", values["n_pairs"]))
    return float((n * values["cosine_across"] - values["cosine_paired"]) / (n - 1))


def share_of_other_modality(pairs: PairedEmbeddings, seed: int = 0) -> float | None:
    """Return the share of the other modality in the top 10 of one index that holds all rows.

    Parameters
    ----------
    pairs : PairedEmbeddings
        The pairs.
    seed : int
        The seed of the 2,000 pairs that are drawn where there are more.

    Returns
    -------
    float or None
        The mean over queries of both modalities: about 0.5 where there is no preference. None for
        fewer pairs than fill ten places.
    """
    drawn = draw_pairs(pairs, MAX_PAIRS, seed)
    # A query is not among its own results, and a caption not among those of its own image.
    largest = 1 if drawn.groups is None else int(np.bincount(drawn.groups).max())
    if drawn.n_groups + len(drawn) - largest < NEIGHBORS:
        return None
    return float(mixed_search(drawn.x, drawn.y, NEIGHBORS, drawn.groups)["other"].mean())


def carries_scores(x: np.ndarray, y: np.ndarray) -> bool:
    """Say whether both sides look as if they were moved by a correction of scores.

    Parameters
    ----------
    x, y : ndarray of shape (n, d)
        Vectors as they are stored, or at unit length, which hides ``CSLS``.

    Returns
    -------
    bool
        True where the last dimension of each side is a constant other than 0 for each direction, as
        of ``ScoreScaling`` and of queries, or where it alone makes lengths differ, as of ``CSLS``.
        False for fewer than 10 rows or 3 dimensions.

    Examples
    --------
    >>> from gapbook.mitigation import ScoreScaling
    >>> texts, images = np.random.default_rng(0).standard_normal((2, 50, 8))
    >>> scaling = ScoreScaling().fit(texts, {"image": images, "text": texts})
    >>> moved = scaling.documents(images, "image"), scaling.documents(texts, "text")
    >>> carries_scores(images, texts), carries_scores(*moved)
    (False, True)
    """
    return all(_carries_scores(np.asarray(rows[:MAX_ROWS], np.float64)) for rows in (x, y))


# Lengths beyond the range of float64 are no sign of a correction.
@np.errstate(all="ignore")
def _carries_scores(rows: np.ndarray) -> bool:
    if rows.ndim != 2 or len(rows) < MIN_ROWS or rows.shape[1] < 3:
        return False
    lengths = np.linalg.norm(rows, axis=1)
    unit = rows / lengths[:, None]
    spreads = np.ptp(unit, axis=0)
    is_constant = spreads[-1] <= ROUNDING_SHARE * np.median(spreads[:-1])
    # A last dimension of zeros only fills up.
    if is_constant and np.abs(unit[:, -1]).min() > 0:
        return True
    inner = np.linalg.norm(rows[:, :-1], axis=1)
    return bool(inner.std() < LENGTH_SHARE * lengths.std())


def first_lines(
    table: pd.DataFrame,
    modalities: tuple[str, str],
    share_of_other: float | None,
    recommendations: pd.DataFrame | None,
    cuts: Cuts | None = None,
    candidates: pd.DataFrame | None = None,
    *,
    input_text: str | None = "INPUT",
) -> list[str]:
    """Write the first lines of a report.

    Parameters
    ----------
    table : DataFrame
        The table of a ``gap_report``.
    modalities : tuple of two str
        What x and y are.
    share_of_other : float or None
        What ``share_of_other_modality`` returns.
    recommendations : DataFrame or None
        The verdicts of ``judge_mitigations``.
    cuts : Cuts, optional
        What ``gapbook.report.thresholds.measure_cuts`` returns.
    candidates : DataFrame, optional
        The table of ``gapbook.report.recommend.judge_candidates``: what a mitigation loses
        elsewhere, and what scaled scores change in one index, then stand beside its verdict, and
        the advice for one index names what gains most there.
    input_text : str or None
        What commands call the input. None leaves out the advice for one index.

    Returns
    -------
    list of str
        A sentence each: recall against chance, one index of both (and what helps where one
        modality is hardly found), the zero of scores, what a cut does and whether the best cosine
        tells that the answer is there, the gap, and a verdict for each use. At chance there is a
        warning instead of advice, cuts and verdicts.
    """
    rows = table.set_index("metric")
    first, second = modalities
    sampled = float(rows["value"]["n_sampled"])
    forward = float(rows["value"]["r1_image_to_text"])
    backward = float(rows["value"]["r1_text_to_image"])
    lines = [
        f"Recall at 1 among {sampled:,.0f}: {forward:.1%} from {first} to {second}, "
        f"{backward:.1%} from {second} to {first}; by chance {1 / sampled:.2%}."
    ]
    at_chance = is_at_chance(table)
    # Not even partners that all come first would show.
    if at_chance and sampled**-sampled >= CHANCE_LEVEL:
        lines.append(
            "Recall cannot be told from chance among so few pairs: measure more of them; until "
            "then nothing below means anything."
        )
    elif at_chance:
        lines.append(
            "Recall cannot be told from chance: your rows look misaligned. Check that row i of "
            f"{first} belongs to row i of {second}; until then nothing below means anything."
        )
    if share_of_other is not None:
        lines.append(
            f"In one index of both, {share_of_other:.1%} of the {NEIGHBORS} nearest rows are of "
            "the other modality (50% is no preference)."
        )
        if share_of_other < FEW and not at_chance and input_text is not None:
            lines.append(_advice_for_one_index(candidates, input_text))
    zero = format_value(zero_of_scores(table))
    lines.append(
        f"The zero of scores: unrelated {first} and {second} have a mean cosine of {zero}, "
        f"partners {format_value(rows['value']['cosine_paired'])}."
    )
    if cuts is not None and not at_chance:
        lines.extend(cut_lines(cuts, modalities))
    gap, low, high = (float(rows[column]["modality_gap"]) for column in ("value", "low", "high"))
    lines.append(
        f"Modality gap: {format_value(gap)} ({format_value(low)} to {format_value(high)})."
    )
    if recommendations is not None and not at_chance:
        for row in recommendations.to_dict("records"):
            lines.append(f"For {row['use']}: {'; '.join(_verdict_parts(row, candidates))}.")
    return lines


def _advice_for_one_index(candidates: pd.DataFrame | None, input_text: str) -> str:
    """Name what gains most in one index, and the best of the other kind; unmeasured, a scale."""
    start = "So one index favors the modality of the query"
    if candidates is not None:
        tried = candidates[candidates["use"] == USE_OF_MEASURE["mixed"]]
        if len(tried):
            return f"{start}{_best_for_one_index(tried)}."
    return (
        f"{start}: put the scores of both on one scale with gapbook fix {input_text} --with "
        "ScoreScaling --out fix.safetensors, which adds one dimension to each vector (chapter 10 "
        "of the book)."
    )


def _best_for_one_index(tried: pd.DataFrame) -> str:
    """Return half a sentence on the candidates that were measured in one index."""
    by_change = tried.sort_values("change", ascending=False, kind="stable").to_dict("records")
    gains = [row for row in by_change if is_useful_gain(row)]
    if not gains:
        best = by_change[0]
        return (
            f", and no candidate is shown to mend that; the best, {best['mitigation']}, "
            f"{best['words']}: search each modality by itself (chapter 10 of the book)"
        )
    best = gains[0]
    gain = f"(partner first of all: {best['words']})"
    text = f": {best['mitigation']} is shown to help most {gain}, with {best['command']}"
    scalings = score_candidates()
    for row in by_change:
        # The best of the other kind: it moves vectors where the best scales scores.
        if (row["mitigation"] in scalings) != (best["mitigation"] in scalings):
            text += f"; {row['mitigation']}, {row['words']}"
            break
    return f"{text} (chapter 10 of the book)"


def _verdict_parts(row: Mapping[Hashable, Any], candidates: pd.DataFrame | None) -> list[str]:
    """Return a verdict, what the mitigation loses elsewhere, and what scaled scores change here."""
    verdict = verdict_in_words(row)
    if candidates is None:
        return [verdict]
    scalings = scalings_for(str(row["use"]), candidates)
    if row["verdict"] == "none" and any(map(is_useful_gain, scalings)):
        verdict = "no mitigation of vectors pays"
    parts = [verdict]
    is_loss = (candidates["mitigation"] == row["verdict"]) & (candidates["change_high"] < 0)
    for loss in candidates[is_loss].to_dict("records"):
        parts.append(f"but it loses in {loss['use']}, {loss['words']}")
    for scaling in scalings:
        parts.append(f"{scaling['mitigation']}{_pays(scaling, row)}, {scaling['words']}")
    return parts


def _pays(scaling: Mapping[Hashable, Any], row: Mapping[Hashable, Any]) -> str:
    """Say whether a scaling of scores pays, and more than a mitigation that does."""
    if not is_useful_gain(scaling):
        return ""
    if row["verdict"] == row["mitigation"] and scaling["change"] > row["change"]:
        return " pays more"
    return " pays"


def cut_lines(cuts: Cuts, modalities: tuple[str, str]) -> list[str]:
    """Say what a cut does, and whether the best cosine tells that the answer is in the index.

    Parameters
    ----------
    cuts : Cuts
        What ``gapbook.report.thresholds.measure_cuts`` returns.
    modalities : tuple of two str
        What x and y are.

    Returns
    -------
    list of str
        Two sentences.
    """
    first, second = modalities
    row = cuts.at(NAMED_SHARE)
    auc = cuts.answer_present.set_index("direction")["auc"]
    told = answer_told_in_words(float(auc.min()))
    return [
        f"A cut at a cosine of {format_value(row['threshold'])} lets "
        f"{100 * row['false_share']:g}% of unrelated pairs pass and keeps {row['kept']:.1%} of "
        f"partners ({row['kept_low']:.1%} to {row['kept_high']:.1%}).",
        f"Whether the answer is in an index of {cuts.n_pairs:,} at all {told} by the best cosine: "
        f"AUC {auc['image_to_text']:.2f} from {first} to {second}, {auc['text_to_image']:.2f} from "
        f"{second} to {first} (0.5 is chance, 1 certain).",
    ]


def answer_told_in_words(auc: float) -> str:
    """Put into words what an AUC says on whether something can be told.

    Parameters
    ----------
    auc : float
        The area under the curve: 0.5 is chance.

    Returns
    -------
    str
        The verb of a sentence.

    Examples
    --------
    >>> answer_told_in_words(0.55), answer_told_in_words(0.99)
    ('cannot be told', 'can be told')
    """
    if auc < TOLD_HARDLY:
        return "cannot be told"
    if auc < TOLD_IN_PART:
        return "can hardly be told"
    if auc < TOLD:
        return "can be told in part"
    return "can be told"


def verdict_in_words(row: Mapping[Hashable, Any]) -> str:
    """Return a verdict of ``judge_mitigations`` in words, with what it would change.

    Parameters
    ----------
    row : dict
        A row of the table of ``judge_mitigations``.

    Returns
    -------
    str
        "none pays", "undecided", or the name of the mitigation that pays.

    Examples
    --------
    >>> verdict_in_words({"verdict": "none"})
    'none pays'
    """
    verdict = str(row["verdict"])
    if verdict == "none":
        return "none pays"
    if verdict == "undecided":
        return verdict
    columns = ("before", "after", "change_low", "change_high")
    words = change_in_words(*(float(row[column]) for column in columns))
    return f"{verdict} pays, {words}"
