"""The report on three or more modalities."""

import numpy as np
import pytest

from gapbook.geometry import several_report
from gapbook.report.conditions import Condition
from gapbook.report.several import SeveralReport, report_on_several


def clouds(n=40):
    """Return two aligned modalities, and one whose rows belong to nothing."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((n, 6))
    return {"image": rows + 0.2, "text": rows - 0.2, "noise": rng.standard_normal((n, 6))}


@pytest.fixture(scope="module")
def report():
    return report_on_several(clouds(), "mine", seed=3)


def test_tables_of_pairs_and_of_all_hold_every_row_once(report):
    assert list(report.pair_tables) == [("image", "text"), ("image", "noise"), ("text", "noise")]
    rows = sum(len(table) for table in report.pair_tables.values())
    assert rows + len(report.together) == len(report.table)
    labels = report.together.set_index(["x", "y"])["label"]
    assert labels.is_unique
    expected = "text among the nearest rows of image in one index of all"
    assert labels["image", "text"] == expected


def test_recall_at_chance_is_told_of_the_pairs_that_have_it(report):
    told = ["no more than chance" in line for line in report.first_lines[:3]]
    assert told == [False, True, True]


def test_conditions_are_those_of_each_pair_by_itself(report):
    recall = report.pair_tables["image", "text"].set_index("metric")["value"]
    assert recall[["r1_image_to_text", "r1_text_to_image"]].min() > 0.2
    held = report.held([Condition("r1", "<", 0.2)])
    assert [phrase.partition(":")[0] for phrase in held] == ["image and noise", "text and noise"]


def test_notes_tell_of_few_items_and_of_a_sample():
    few = report_on_several(clouds(n=20), "mine")
    assert few.notes == [
        "20 items in 3 modalities.",
        "With fewer than 30 items the intervals mean little.",
    ]
    sampled = SeveralReport("mine", tuple(clouds()), several_report(clouds(), 0, 20, sample=30))
    assert sampled.notes[1] == "Recalls and all that compares rows with rows: 30 items of these."
