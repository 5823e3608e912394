"""Conditions under which a report fails."""

import pytest

from gapbook.exceptions import PairsError
from gapbook.report.conditions import Condition, held_conditions, parse_condition, value_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("r1<0.3", Condition("r1", "<", 0.3)),
        (" mmd >= 1e-3 ", Condition("mmd", ">=", 0.001)),
        ("cosine_across<=-.5", Condition("cosine_across", "<=", -0.5)),
    ],
)
def test_conditions_are_read(text, expected):
    assert parse_condition(text) == expected


@pytest.mark.parametrize("text", ["", "r1", "r1=0.3", "r1<", "<0.3", "r1<0.3.1", "r1<0.3 or 1"])
def test_what_is_no_condition_is_refused(text):
    with pytest.raises(PairsError, match=r"Expected a condition such as r1<0\.3; got"):
        parse_condition(text)


def test_a_recall_without_direction_is_the_smaller(measured):
    values = measured.table.set_index("metric")["value"]
    smaller = min(values["r5_image_to_text"], values["r5_text_to_image"])
    assert value_of("r5", measured.table) == smaller


def test_limits_count_with_the_equals_sign_alone(measured):
    n = float(len(measured.pairs))
    conditions = [Condition("n_pairs", sign, n) for sign in ("<", "<=", ">", ">=")]
    held = held_conditions(conditions, measured.table)
    assert held == [f"n_pairs <= {n:g}: it is {n:.4g}", f"n_pairs >= {n:g}: it is {n:.4g}"]


def test_an_unknown_measure_is_named(measured):
    with pytest.raises(PairsError, match="there is no 'recall'"):
        value_of("recall", measured.table)
