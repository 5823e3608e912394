import numpy as np
import pandas as pd
import pytest

from gapbook.exceptions import PairsError
from gapbook.mitigation.evaluation import evaluate_on_held_out
from gapbook.pairs import PairedEmbeddings
from gapbook.report.recommend import (
    USE_OF_MEASURE,
    candidates,
    change_in_words,
    compare_mitigations,
    default_splits,
    judge_candidates,
    judge_mitigations,
    recommend_mitigations,
    score_candidates,
)


def test_recommendations_are_about_the_means_over_held_out_halves(pairs):
    recommended = recommend_mitigations(pairs, splits=3, seed=1).set_index("use")
    evaluated = evaluate_on_held_out(pairs, candidates(), splits=3, seed=1)
    means = evaluated.groupby("mitigation").mean(numeric_only=True)
    for measure, use in USE_OF_MEASURE.items():
        row = recommended.loc[use]
        assert row["before"] == pytest.approx(means.loc["none", measure])
        assert row["after"] == pytest.approx(means.loc[row["mitigation"], measure])
        assert row["change"] == pytest.approx(row["after"] - row["before"], abs=1e-12)
        pays = row["change_low"] > 0 and row["change_high"] > 0.01
        assert (row["verdict"] == row["mitigation"]) == pays


def test_nothing_is_recommended_for_search_among_unrelated_pairs():
    noise = np.random.default_rng(0).normal(size=(2, 60, 8))
    apart = 0.3 * np.array([[[1]], [[-1]]])
    unrelated = PairedEmbeddings(*(noise + apart))
    recommended = recommend_mitigations(unrelated, splits=3).set_index("use")
    assert recommended.loc[USE_OF_MEASURE["recall"], "verdict"] in ("none", "undecided")


def test_no_more_pairs_are_used_than_asked_for(pairs):
    recommended = recommend_mitigations(pairs, splits=3, max_pairs=50, seed=2)
    chosen = np.sort(np.random.default_rng(2).choice(len(pairs), 50, replace=False))
    alone = recommend_mitigations(pairs.subset(chosen), splits=3, seed=2)
    pd.testing.assert_frame_equal(recommended, alone)


def test_too_few_pairs_are_refused():
    with pytest.raises(PairsError, match="Expected at least 32 pairs; got 8"):
        recommend_mitigations(PairedEmbeddings(np.eye(8), np.eye(8)))


def evaluation(gains, swings):
    """A table of held-out recalls: gains over "none" on four splits, up and down by ``swings``."""
    names = list(candidates())
    gains = [0.0, *gains]
    swings = [0.0, *np.broadcast_to(swings, len(names) - 1)]
    rows = []
    for split in range(4):
        sign = (-1) ** split
        for name, gain, swing in zip(names, gains, swings, strict=True):
            values = dict.fromkeys(USE_OF_MEASURE, 0.5 + gain + sign * swing)
            rows.append({"split": split, "mitigation": name} | values)
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("gains", "swings", "verdict", "best"),
    [
        pytest.param(
            (0.1, 0.3, 0.2, -0.4, 0.0, -0.9),
            0.001,
            "ShiftAlongGap",
            "ShiftAlongGap",
            id="the best pays",
        ),
        pytest.param(
            (0.1, 0.3, 0.2, -0.4, 0.0, -0.9), 0.2, "undecided", "ShiftAlongGap", id="too uncertain"
        ),
        pytest.param(
            (-0.1, -0.3, -0.2, -0.05, -0.5, -0.9),
            0.001,
            "none",
            "ProcrustesAlign",
            id="all are worse",
        ),
        pytest.param(
            (0.004, 0.005, 0.003, -0.4, -0.1, -0.9),
            0.0001,
            "none",
            "ShiftAlongGap",
            id="sure, and too small to be of use",
        ),
        pytest.param(
            (0.004, -0.3, 0.02, -0.4, -0.1, -0.9),
            0.004,
            "undecided",
            "RotateTogether",
            id="one that may be of use",
        ),
        pytest.param(
            (0.1, 0.3, -0.1, -0.1, -0.1, -0.9),
            (0.001, 0.2, 0, 0, 0, 0),
            "Center",
            "Center",
            id="the best of those that surely pay",
        ),
    ],
)
def test_verdicts_go_by_intervals_that_hold_together(gains, swings, verdict, best):
    judged = judge_mitigations(evaluation(gains, swings))
    assert judged["verdict"].tolist() == [verdict] * len(USE_OF_MEASURE)
    assert judged["mitigation"].tolist() == [best] * len(USE_OF_MEASURE)
    place = list(candidates()).index(best) - 1
    gain = gains[place]
    swing = np.broadcast_to(swings, len(gains))[place]
    assert judged["before"].to_numpy() == pytest.approx(0.5)
    assert judged["change"].to_numpy() == pytest.approx(gain)
    # The quantile of t with 3 degrees of freedom for 5 % / 6 in two tails.
    quantile = 6.231543473367
    half_width = quantile * (1 + 1 / 4) ** 0.5 * swing * (4 / 3) ** 0.5
    assert judged["change_low"].to_numpy() == pytest.approx(gain - half_width, rel=1e-6)
    assert judged["change_high"].to_numpy() == pytest.approx(gain + half_width, rel=1e-6)


def test_every_candidate_is_judged_for_every_use_losses_too(pairs):
    evaluated = compare_mitigations(pairs, splits=3)
    judged = judge_candidates(evaluated)
    mitigations = list(candidates())[1:]
    assert "Standardize" in mitigations
    assert len(judged) == len(mitigations) * len(USE_OF_MEASURE) + len(score_candidates())
    means = evaluated.groupby("mitigation").mean(numeric_only=True)
    for measure, use in USE_OF_MEASURE.items():
        rows = judged[judged["use"] == use].set_index("mitigation")
        tried = [*mitigations, *score_candidates()] if measure == "mixed" else mitigations
        assert rows.index.tolist() == tried
        for name in tried:
            after = means.loc[name, measure]
            before = means.loc["none", measure]
            assert rows.loc[name, "change"] == pytest.approx(after - before, abs=1e-12)
            assert rows.loc[name, "words"].startswith(f"{before:.2f} → {after:.2f}: ")
    assert judged.loc[judged["change_high"] < 0, "words"].str.contains("a loss").all()


def test_what_imports_a_candidate_does_so(pairs):
    judged = judge_candidates(compare_mitigations(pairs, splits=2))
    for row in judged.drop_duplicates("mitigation").itertuples():
        names = {}
        exec(row.python, names)
        candidate = (candidates() | score_candidates())[row.mitigation]
        name = type(candidate).__name__
        assert type(candidate) is names[name]
        assert f"--with {name} " in row.command
        assert (
            f"--set by={getattr(candidate, 'by', None)} " in row.command or name == row.mitigation
        )


def test_scaled_scores_win_one_index_where_modalities_lie_apart(pairs):
    judged = judge_candidates(compare_mitigations(pairs, splits=3))
    one_index = judged[judged["use"] == USE_OF_MEASURE["mixed"]].set_index("mitigation")
    for name in score_candidates():
        assert one_index.loc[name, "change"] > 0.05
        assert one_index.loc[name, "before"] == one_index.loc["Center", "before"]


def test_verdicts_on_mitigations_do_not_depend_on_scaled_scores(pairs):
    evaluated = compare_mitigations(pairs, splits=3)
    alone = evaluated[evaluated["mitigation"].isin(list(candidates()))]
    pd.testing.assert_frame_equal(judge_mitigations(evaluated), judge_mitigations(alone))


@pytest.mark.parametrize(
    ("numbers", "words"),
    [
        ((0.001, 0.06, 0.02, 0.1), "0.00 → 0.06: a gain, still poor"),
        ((0.5, 0.6, 0.05, 0.15), "0.50 → 0.60: a gain"),
        ((0.5, 0.505, 0.001, 0.009), "0.50 → 0.51: a gain too small to be of use"),
        ((0.4, 0.2, -0.3, -0.1), "0.40 → 0.20: a loss, now poor"),
        ((0.5, 0.5, -0.1, 0.1), "0.50 → 0.50: no change shown"),
    ],
)
def test_changes_in_words(numbers, words):
    assert change_in_words(*numbers) == words


def test_many_pairs_are_halved_less_often():
    assert default_splits(1000) == 20
    assert default_splits(1001) == 10
