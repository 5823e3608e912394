"""Values at the paper's scale: plain, finite, and in one file with where they come from."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from gapbook.exceptions import PairsError
from gapbook.full_scale.cannot_be_had import CANNOT_BE_HAD
from gapbook.full_scale.provenance import provenance
from gapbook.full_scale.results import (
    Outcome,
    Result,
    collect,
    one_more,
    plain,
    read_results,
    write_part,
    write_results,
)


def test_parts_are_gathered_into_one_file(tmp_path: Path) -> None:
    gap = Result(np.float32(0.5), "Euclidean", 0.01, "a reason")
    write_part(tmp_path, "first", Outcome({"fig3.gap_default": gap}), {"date": "today"})
    counts = Outcome({"b": Result(np.array([1, 2]))}, {"c": Result("up")}, ["40 images"])
    write_part(tmp_path, "second", counts, {"date": "tomorrow"})
    path = tmp_path / "out" / "full.yml"
    write_results(path, collect(tmp_path))
    content = read_results(path)
    assert content["facts"]["fig3.gap_default"] == {
        "value": 0.5,
        "unit": "Euclidean",
        "tolerance": 0.01,
        "why": "a reason",
        "part": "first",
    }
    assert content["facts"]["b"] == {"value": [1, 2], "part": "second"}
    assert content["own"] == {"c": {"value": "up", "part": "second"}}
    assert content["parts"]["second"] == {"date": "tomorrow", "not_as_in_paper": ["40 images"]}


def test_a_zero_tolerance_is_kept(tmp_path: Path) -> None:
    write_part(tmp_path, "a", Outcome({"n": Result(0, "", 0, "a count")}), {})
    stated = collect(tmp_path)["facts"]["n"]
    assert (stated["value"], stated["tolerance"]) == (0, 0)


@pytest.mark.parametrize("value", [np.nan, [1.0, np.inf], np.array([[np.nan]])])
def test_what_is_not_finite_is_refused(value: object) -> None:
    with pytest.raises(PairsError, match=r"^gap is (nan|inf): the embeddings"):
        plain("gap", value)


@pytest.mark.parametrize("text", ["", "a: b", "- 1", "{", "parts: {}"])
def test_another_file_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = tmp_path / "full.yml"
    path.write_text(text)
    with pytest.raises(PairsError, match=r"Expected a file of results of gapbook\.full_scale"):
        read_results(path)


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    write_part(tmp_path, "first", Outcome({}), {})
    (tmp_path / "parts" / "first.json").write_text("{")
    with pytest.raises(PairsError, match=r"first\.json is damaged"):
        collect(tmp_path)


def test_the_interval_of_one_more_run_holds_95_percent() -> None:
    rng = np.random.default_rng(0)
    runs = rng.normal(size=(4000, 6))
    inside = []
    for row in runs:
        mean, half_width, _ = one_more(row[:5])
        inside.append(abs(row[5] - mean) < half_width)
    assert np.mean(inside) == pytest.approx(0.95, abs=0.01)
    with pytest.raises(PairsError, match="Expected at least 2 runs"):
        one_more([1.0])


def test_provenance_is_plain() -> None:
    described = provenance()
    assert yaml.safe_load(yaml.safe_dump(described)) == described
    assert described["hardware"]["cores"] >= 1
    assert {"torch", "transformers", "numpy", "gapbook"} <= set(described["versions"])


def test_what_cannot_be_had_says_why() -> None:
    assert set(CANNOT_BE_HAD) == {
        f"table1.HatefulMemes.{name}" for name in ("original", "modified", "direction")
    }
    assert all("license" in reason for reason in CANNOT_BE_HAD.values())
