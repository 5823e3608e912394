"""The first lines of a report."""

import numpy as np
import pandas as pd
import pytest

from gapbook.geometry.table import measure
from gapbook.pairs import PairedEmbeddings
from gapbook.report.findings import (
    answer_told_in_words,
    cut_lines,
    first_lines,
    is_at_chance,
    share_of_other_modality,
    zero_of_scores,
)
from gapbook.report.model import report_on


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
    rows = [
        ("one index", "ProcrustesAlign", 0.6, "0.00 → 0.50: a gain"),
        ("one index", "ScoreScaling by all", 0.7, "0.00 → 0.60: a gain"),
        ("search", "ProcrustesAlign", -0.1, "0.90 → 0.70: a loss"),
        ("search", "Center", -0.1, "0.90 → 0.80: a loss"),
        ("clusters", "ProcrustesAlign", 0.1, "0.50 → 0.50: no change shown"),
    ]
    tried = pd.DataFrame(rows, columns=["use", "mitigation", "change_high", "words"])
    lines = first_lines(measured.table, ("image", "text"), 0.5, verdicts, candidates=tried)
    assert lines[-1] == (
        "For one index: ProcrustesAlign pays, 0.00 → 0.50: a gain; but it loses in search, "
        "0.90 → 0.70: a loss; ScoreScaling by all, 0.00 → 0.60: a gain."
    )


def test_the_advice_names_the_input(measured):
    lines = first_lines(measured.table, ("image", "text"), 0.0, None, input_text="'my a.npy' b.npy")
    assert any("gapbook fix 'my a.npy' b.npy --with ScoreScaling" in line for line in lines)
