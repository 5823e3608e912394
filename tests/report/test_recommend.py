import numpy as np
import pandas as pd
import pytest

from gapbook.exceptions import PairsError
from gapbook.mitigation.evaluation import evaluate_on_held_out
from gapbook.pairs import PairedEmbeddings
from gapbook.report.recommend import (
    USE_OF_MEASURE,
    candidates,
    judge_mitigations,
    recommend_mitigations,
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
            (0.1, 0.3, 0.2, -0.4, 0.0), 0.001, "ShiftAlongGap", "ShiftAlongGap", id="the best pays"
        ),
        pytest.param(
            (0.1, 0.3, 0.2, -0.4, 0.0), 0.2, "undecided", "ShiftAlongGap", id="too uncertain"
        ),
        pytest.param(
            (-0.1, -0.3, -0.2, -0.05, -0.5), 0.001, "none", "ProcrustesAlign", id="all are worse"
        ),
        pytest.param(
            (0.004, 0.005, 0.003, -0.4, -0.1),
            0.0001,
            "none",
            "ShiftAlongGap",
            id="sure, and too small to be of use",
        ),
        pytest.param(
            (0.004, -0.3, 0.02, -0.4, -0.1),
            0.004,
            "undecided",
            "RotateTogether",
            id="one that may be of use",
        ),
        pytest.param(
            (0.1, 0.3, -0.1, -0.1, -0.1),
            (0.001, 0.2, 0, 0, 0),
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
    # The quantile of t with 3 degrees of freedom for 5 % / 5 in two tails.
    quantile = 5.840909309733
    half_width = quantile * (1 + 1 / 4) ** 0.5 * swing * (4 / 3) ** 0.5
    assert judged["change_low"].to_numpy() == pytest.approx(gain - half_width, rel=1e-6)
    assert judged["change_high"].to_numpy() == pytest.approx(gain + half_width, rel=1e-6)
