import pytest
import yaml

from gapbook.press import PressError, compare, load_full
from gapbook.press.scoreboard import verdicts_by_scale

PART = {
    "date": "2026-12-01",
    "hardware": {"processor": "a CPU", "cores": 4, "gpus": ["one GPU"]},
    "versions": {"python": "3.12", "torch": "2.13.0"},
    "commit": "0123abcd",
}


@pytest.fixture
def write(tmp_path):
    """Write a file of values, with any of its parts changed."""

    def write(facts=None, **parts):
        path = tmp_path / "full.yml"
        content = {
            "parts": {"gap": PART, **parts},
            "facts": facts or {"fig3.gap_default": {"value": 0.8230, "part": "gap"}},
            "own": {},
        }
        path.write_text(yaml.safe_dump(content))
        return path

    return write


def test_without_the_file_there_are_no_values(tmp_path):
    assert load_full(tmp_path / "full.yml") is None


def test_values_are_compared_and_say_where_they_come_from(write):
    full = load_full(write())
    row = compare({}, full).set_index("id").loc["fig3.gap_default"]
    assert (row.verdict, row.scale, row.ours) == ("reproduced", "paper's scale", 0.8230)
    for word in ("2026-12-01", "a CPU", "one GPU", "torch 2.13.0", "0123abcd"):
        assert word in row.explanation
    assert verdicts_by_scale(compare({}, full)).loc["reproduced", "paper's scale"] == "1 (1)"


def test_a_value_far_off_differs(write):
    full = load_full(write({"fig3.gap_default": {"value": 0.7, "part": "gap"}}))
    assert compare({}, full).set_index("id").verdict["fig3.gap_default"] == "differs"


def test_a_value_brings_its_tolerance_where_the_fact_has_none(write):
    fact = "fig2a.random_real.resnet18.mean"
    entry = {"value": 0.99, "part": "gap", "tolerance": 0.01, "why": "seeds"}
    row = compare({}, load_full(write({fact: entry}))).set_index("id").loc[fact]
    assert (row.verdict, row.reason) == ("reproduced", "seeds")
    del entry["tolerance"], entry["why"]
    with pytest.raises(PressError, match="nothing states how far"):
        compare({}, load_full(write({fact: entry})))


def test_a_part_of_another_scale_settles_nothing(write):
    small = PART | {"not_as_in_paper": ["40 images of COCO instead of 5,000"]}
    full = load_full(write({"fig3.gap_default": {"value": 0.8230, "part": "small"}}, small=small))
    assert not full.records
    assert compare({}, full).set_index("id").verdict["fig3.gap_default"] == "needs data"


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"fig3.gap_defualt": {"value": 1, "part": "gap"}}, "did you mean 'fig3.gap_default'"),
        ({"fig3.gap_default": {"part": "gap"}}, "must have a value"),
        ({"fig3.gap_default": {"value": 1, "part": "gaps"}}, "one of gap"),
        ({"fig3.gap_default": 1}, "must have a value"),
    ],
)
def test_a_fact_that_is_none_is_named(write, facts, words):
    with pytest.raises(PressError, match=words):
        load_full(write(facts))


def test_a_part_that_does_not_say_where_it_ran_is_refused(write):
    with pytest.raises(PressError, match="part 'other' lacks hardware, versions, commit"):
        load_full(write(other={"date": "2026-12-01"}))


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "full.yml"
    path.write_text("facts: {}\n")
    with pytest.raises(PressError, match="must have a mapping 'parts'"):
        load_full(path)
