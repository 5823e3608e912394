"""The first lines of a report."""

import numpy as np
import pandas as pd
import pytest

from gapbook.geometry.table import measure
from gapbook.mitigation import CSLS, ScoreScaling
from gapbook.pairs import PairedEmbeddings
from gapbook.report.findings import (
    CARRIES_SCORES,
    answer_told_in_words,
    carries_scores,
    cut_lines,
    first_lines,
    is_at_chance,
    share_of_other_modality,
    zero_of_scores,
)
from gapbook.report.model import report_on
from gapbook.report.page import to_html


def shuffled(pairs, seed=0):
    order = np.random.default_rng(seed).permutation(len(pairs))
    return PairedEmbeddings(pairs.x, pairs.y[order])


def test_the_zero_of_scores_is_the_mean_cosine_of_unrelated_pairs(pairs, measured):
    cosines = pairs.x.astype(float) @ pairs.y.T
    unrelated = cosines[~np.eye(len(pairs), dtype=bool)]
    assert zero_of_scores(measured.table) == pytest.approx(unrelated.mean(), abs=1e-5)


def test_the_share_of_the_other_modality_by_brute_force(pairs):
    rows = np.concatenate([pairs.x, pairs.y]).astype(float)
    n = len(pairs)
    nearest = np.argsort(-(rows @ rows.T - 3 * np.eye(2 * n)), axis=1)[:, :10]
    other = (nearest < n) != (np.arange(2 * n) < n)[:, None]
    assert share_of_other_modality(pairs) == pytest.approx(other.mean(), abs=1e-6)


def test_few_rows_have_no_ten_nearest():
    assert share_of_other_modality(PairedEmbeddings(np.eye(4), np.eye(4))) is None


def test_rows_in_order_are_above_chance_and_shuffled_rows_are_not(pairs, measured):
    assert not is_at_chance(measured.table)
    for seed in range(10):
        assert is_at_chance(measure(shuffled(pairs, seed), replicates=2).table)


def test_at_chance_there_is_a_warning_and_no_verdict(pairs):
    report = report_on(measure(shuffled(pairs), replicates=2), "shuffled", splits=2)
    assert report.is_at_chance
    assert "your rows look misaligned" in report.first_lines[1]
    assert not any(line.startswith(("A cut", "Whether")) for line in report.first_lines)
    assert not any(line.startswith("For ") for line in report.first_lines)
    assert report.recommendations is None
    assert report.candidates is None
    assert "No comparison of mitigations: recall is at chance." in report.notes


@pytest.mark.parametrize(("n", "words"), [(5, "among so few pairs"), (6, "your rows look")])
def test_few_pairs_are_no_sign_of_misaligned_rows(pairs, n, words):
    few = pairs.subset(slice(0, n))
    backward = PairedEmbeddings(few.x, few.x[::-1])
    table = measure(backward, replicates=2).table
    assert words in first_lines(table, ("image", "text"), None, None)[1]
    aligned = measure(PairedEmbeddings(few.x, few.x), replicates=2).table
    assert is_at_chance(aligned) == (n == 5)


def test_verdicts_stand_in_the_first_lines_with_what_changes(measured):
    row = ("one index", 0.004, "Center", "Center", 0.06, 0.056, 0.03, 0.08)
    columns = ["use", "before", "verdict", "mitigation", "after", "change"]
    columns += ["change_low", "change_high"]
    verdicts = pd.DataFrame([row], columns=columns)
    lines = first_lines(measured.table, ("image", "text"), 0.0312, verdicts)
    assert lines[-1] == "For one index: Center pays, 0.00 → 0.06: a gain, still poor."
    assert any("3.1% of the 10 nearest" in line for line in lines)
    assert any(line.startswith("The zero of scores: ") for line in lines)


def test_only_measures_leaves_out_what_takes_long(measured):
    stages = []
    report = report_on(measured, "mine", on_stage=stages.append, only_measures=True)
    assert stages == []
    assert report.landscape is None
    assert report.recommendations is None
    starts = ["Recall at 1", "In one index", "So one index", "The zero", "A cut at a cosine"]
    starts += ["Whether the answer is in an index of 120", "Modality gap"]
    lines = report.first_lines
    assert [line.startswith(start) for line, start in zip(lines, starts, strict=True)] == [True] * 7


def test_the_cut_and_whether_the_answer_is_there_are_told_in_words(measured):
    report = report_on(measured, "mine", only_measures=True)
    cut, told = cut_lines(report.cuts, ("sound", "score"))
    row = report.cuts.table.set_index("false_share").loc[0.01]
    assert f"cosine of {row['threshold']:.3f} lets 1% of unrelated pairs pass" in cut
    assert f"keeps {row['kept']:.1%} of partners" in cut
    auc = report.cuts.answer_present["auc"]
    assert f"AUC {auc[0]:.2f} from sound to score, {auc[1]:.2f} from score to sound" in told
    assert answer_told_in_words(auc.min()) in told


@pytest.mark.parametrize(("share", "advised"), [(0.03, True), (0.24, True), (0.25, False)])
def test_one_scale_is_advised_where_one_index_returns_one_modality(measured, share, advised):
    lines = first_lines(measured.table, ("image", "text"), share, None)
    assert any("--with ScoreScaling" in line for line in lines) == advised


def test_nothing_is_advised_for_rows_that_look_misaligned(pairs):
    table = measure(shuffled(pairs), replicates=2).table
    lines = first_lines(table, ("image", "text"), 0.0, None)
    assert not any("--with ScoreScaling" in line for line in lines)


def test_what_the_best_loses_elsewhere_stands_beside_its_gain(measured):
    columns = ["use", "before", "verdict", "mitigation", "after", "change"]
    columns += ["change_low", "change_high"]
    gain = ("one index", 0.0, "ProcrustesAlign", "ProcrustesAlign", 0.5, 0.5, 0.4, 0.6)
    verdicts = pd.DataFrame([gain], columns=columns)
    tried = judged(
        ("one index", "ProcrustesAlign", 0.5, "0.00 → 0.50: a gain"),
        ("one index", "ScoreScaling by all", 0.6, "0.00 → 0.60: a gain"),
        ("search", "ProcrustesAlign", -0.2, "0.90 → 0.70: a loss"),
        ("search", "Center", -0.1, "0.90 → 0.80: a loss"),
        ("clusters", "ProcrustesAlign", 0.0, "0.50 → 0.50: no change shown"),
    )
    lines = first_lines(measured.table, ("image", "text"), 0.5, verdicts, candidates=tried)
    assert lines[-1] == (
        "For one index: ProcrustesAlign pays, 0.00 → 0.50: a gain; but it loses in search, "
        "0.90 → 0.70: a loss; ScoreScaling by all pays more, 0.00 → 0.60: a gain."
    )


def test_where_only_a_scale_of_scores_pays_the_verdict_says_of_vectors(measured):
    none = ("one index", 0.0, "none", "Center", 0.0, 0.0, -0.01, 0.01)
    columns = ["use", "before", "verdict", "mitigation", "after", "change"]
    verdicts = pd.DataFrame([none], columns=[*columns, "change_low", "change_high"])
    scaling = "ScoreScaling by all"
    for change, words in (
        (0.6, "no mitigation of vectors pays; ScoreScaling by all pays, it"),
        (0.0, "none pays; ScoreScaling by all, it"),
    ):
        tried = judged(("one index", scaling, change, "it"))
        lines = first_lines(measured.table, ("image", "text"), 0.5, verdicts, candidates=tried)
        assert lines[-1] == f"For one index: {words}."


def judged(*rows):
    """A table of candidates whose intervals reach 0.05 to either side of the change."""
    table = pd.DataFrame(rows, columns=["use", "mitigation", "change", "words"])
    command = "gapbook fix INPUT --with " + table["mitigation"].str.partition(" ")[0]
    return table.assign(
        change_low=table["change"] - 0.05, change_high=table["change"] + 0.05, command=command
    )


ONE_INDEX = "search in one index of both modalities (recall at 1)"


@pytest.mark.parametrize(
    ("changes", "advice"),
    [
        (
            {"Center": 1.0, "Standardize": 0.3, "ScoreScaling by all": 0.96},
            ": Center is shown to help most (partner first of all: +1.0), with gapbook fix INPUT "
            "--with Center; "
            "ScoreScaling by all, +0.96 (chapter 10 of the book).",
        ),
        (
            {"Center": 0.2, "Standardize": 0.3, "ScoreScaling by all": 0.96},
            ": ScoreScaling by all is shown to help most (partner first of all: +0.96), with "
            "gapbook fix INPUT --with ScoreScaling; Standardize, +0.3 (chapter 10 of the book).",
        ),
        (
            {"Center": 0.01, "ScoreScaling by all": -0.2},
            ", and no candidate is shown to mend that; the best, Center, +0.01: search each "
            "modality by itself (chapter 10 of the book).",
        ),
    ],
)
def test_the_advice_for_one_index_is_what_was_measured_to_gain_most(measured, changes, advice):
    rows = [(ONE_INDEX, name, change, f"+{change}") for name, change in changes.items()]
    tried = judged(*rows, ("clusters", "RotateTogether", 2.0, "elsewhere"))
    lines = first_lines(measured.table, ("image", "text"), 0.01, None, candidates=tried)
    assert [line for line in lines if line.startswith("So one index")] == [
        f"So one index favors the modality of the query{advice}"
    ]


def test_the_advice_agrees_with_the_verdict_and_the_candidates(pairs):
    report = report_on(measure(pairs, replicates=2), "mine", splits=3)
    advice = next(line for line in report.first_lines if line.startswith("So one index"))
    of_use = report.candidates[report.candidates["use"] == ONE_INDEX]
    gains = of_use[(of_use["change_low"] > 0) & (of_use["change_high"] > 0.01)]
    best = gains.loc[gains["change"].idxmax()]
    name = best["mitigation"]
    gain = f"(partner first of all: {best['words']})"
    expected = f": {name} is shown to help most {gain}, with {best['command']};"
    assert expected in advice
    verdict = next(line for line in report.first_lines if line.startswith(f"For {ONE_INDEX}"))
    assert f"{name} pays" in verdict


def carrying(name, dtype=np.float32):
    """Stored vectors of both sides that a correction of scores moved, and their queries."""
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((60, 24))
    x = shared + rng.standard_normal((60, 24)) + 0.4
    y = shared + rng.standard_normal((60, 24)) - 0.2
    fix = {"CSLS": CSLS(5), "ScoreScaling": ScoreScaling()}[name].fit(y, {"image": x, "text": y})
    moved = (fix.documents(x, "image"), fix.documents(y, "text"), fix.queries(y))
    return [rows.astype(dtype) for rows in moved]


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("name", ["ScoreScaling", "CSLS"])
def test_a_correction_of_scores_is_seen_in_stored_vectors(name, dtype):
    images, texts, queries = carrying(name, dtype)
    assert carries_scores(images, texts)
    assert carries_scores(images, queries)
    bare = images[:, :-1]
    assert not carries_scores(bare, texts)
    assert not carries_scores(images, texts[:, :-1])
    assert not carries_scores(images[:9], texts[:9])


def test_vectors_as_models_give_them_carry_no_scores(pairs):
    rng = np.random.default_rng(0)
    free = rng.standard_normal((2, 200, 16)) * rng.uniform(1, 9, (2, 200, 1))
    zeros = np.pad(free, ((0, 0), (0, 0), (0, 1)))
    layer = free / free.std(axis=2, keepdims=True)
    cone = 50 + rng.standard_normal((2, 200, 16))
    for x, y in (free, zeros, layer, cone, (pairs.x, pairs.y)):
        assert not carries_scores(x, y)
        assert not carries_scores(x.astype(np.float16), y.astype(np.float16))


def test_a_report_on_vectors_with_scores_says_so_and_advises_none():
    images, texts, _ = carrying("ScoreScaling")
    report = report_on(measure(PairedEmbeddings(images, texts), replicates=2), "moved", splits=2)
    assert report.first_lines[0] == CARRIES_SCORES
    assert CARRIES_SCORES.count(".") == 1
    assert "gapbook judge" in CARRIES_SCORES
    assert not any(line.startswith(("So one", "For ")) for line in report.first_lines)
    assert report.candidates is None
    assert "No comparison of mitigations: cosines undo a correction of scores." in report.notes
    assert "Cosines undo the correction of scores" in to_html(report)


def test_the_advice_names_the_input(measured):
    lines = first_lines(measured.table, ("image", "text"), 0.0, None, input_text="'my a.npy' b.npy")
    assert any("gapbook fix 'my a.npy' b.npy --with ScoreScaling" in line for line in lines)
