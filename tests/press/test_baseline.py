import resource

import pytest

from gapbook.press import PressError, Record, load_expected
from gapbook.press.baseline import accept, check

BASE = Record(0.5, "distance", "01_a", tolerance=0.1, why="seeds")


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ({}, "a.gap has a baseline, but 01_a did not record it"),
        (
            {"a.gap": Record(0.61, "distance", "01_a")},
            r"a.gap = 0.61 distance \(01_a\); expected 0.5 distance within 0.1",
        ),
        (
            {"a.gap": Record(0.5, "cosine", "01_a")},
            r"a.gap = 0.5 cosine \(01_a\); expected 0.5 distance",
        ),
        ({"a.gap": BASE, "a.new": Record(1, "", "01_a")}, r"a.new = 1 \(01_a\) has no baseline"),
        ({"a.gap": Record("0.5", "distance", "01_a")}, "a.gap = '0.5'"),
        ({"a.gap": Record([0.5, 0.5], "distance", "01_a")}, "a.gap = "),
    ],
)
def test_what_leaves_the_baseline_fails(records, words):
    with pytest.raises(PressError, match=words):
        check(records, {"a.gap": BASE})


def test_all_failures_come_in_one_message():
    with pytest.raises(
        PressError, match=r"2 records(.|\n)*a.gap(.|\n)*b.new(.|\n)*gapbook.press accept"
    ):
        check({"b.new": Record(1)}, {"a.gap": BASE})


def test_what_agrees_passes():
    check({"a.gap": Record(0.6, "distance"), "run.seconds": Record(3.0, "s")}, {"a.gap": BASE})


def test_a_key_may_be_missing_only_with_its_source():
    expected = {"a.gap": Record(0.5, "", "01_a", tolerance=0.1, why="seeds", needs="clip-coco")}
    check({}, expected, available={"glyphclip"})
    with pytest.raises(PressError, match="did not record it"):
        check({}, expected, available={"glyphclip", "clip-coco"})


def test_accept_takes_tolerances_from_the_notebook(tmp_path):
    path = tmp_path / "expected.yml"
    records = {
        "spread": Record(0.5, "distance", "01_a", spread=0.0123),
        "stated": Record(2.0, "", "01_a", tolerance=0.5, why="half a hit", needs="clip-coco"),
        "exact": Record(0.25, "", "01_a"),
        "count": Record([99, 768], "n x d", "01_a"),
        "run.seconds": Record(3.0, "s", "01_a"),
    }
    changes = accept(records, path)
    assert len(changes) == 4 and "spread: none -> 0.5 distance" in changes
    stored = load_expected(path)
    assert stored["spread"].tolerance == 0.037 and "3 standard deviations" in stored["spread"].why
    stated = stored["stated"]
    assert (stated.tolerance, stated.why, stated.needs) == (0.5, "half a hit", "clip-coco")
    assert stored["exact"].tolerance == 2.5e-5 and stored["count"].tolerance == 0
    check(records, stored)
    assert accept(records, path) == []


def test_accept_keeps_what_holds_and_prints_old_and_new(tmp_path):
    path = tmp_path / "expected.yml"
    accept({"a": Record(0.5, spread=0.1), "b": Record(1), "c": Record(1, needs="clip-coco")}, path)
    assert accept({"a": Record(0.6), "b": Record(2)}, path) == ["b: 1 -> 2"]
    stored = load_expected(path)
    assert stored["a"].value == 0.5 and stored["a"].tolerance == 0.3 and "c" in stored
    changes = accept({"a": Record(9.0)}, path, {"clip-coco"})
    assert changes == ["a: 0.5 -> 9.0", "b: 2 -> none", "c: 1 -> none"]
    assert load_expected(path)["a"].tolerance == 0.3


def test_accept_on_a_full_disk_keeps_the_old_baseline(tmp_path):
    path = tmp_path / "expected.yml"
    accept({"a": Record(1)}, path)
    before = path.read_text()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        with pytest.raises(OSError, match="cannot write"):
            accept({"a": Record(2)}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text() == before and list(tmp_path.iterdir()) == [path]


def test_an_incomplete_baseline_is_refused(tmp_path):
    path = tmp_path / "expected.yml"
    path.write_text("a: {value: 1, tolerance: 0}")
    with pytest.raises(PressError, match=r"expected.yml: a lacks why"):
        load_expected(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [", "expected.yml, line 1 cannot be read as YAML: expected the node"),
        ("- a", "expected.yml must hold a mapping of names; got ['a']"),
        ("1: {}", "expected.yml must hold a mapping of names; got {1: {}}"),
        ("a: 5", "expected.yml: a must have tolerance, value, why; got 5"),
        ("a: {value: 1}", "expected.yml: a lacks tolerance, why"),
        (
            "a: {value: 1, tolerance: 0, why: x, unti: m}",
            "expected.yml: a has no field 'unti'; did you mean 'unit'?",
        ),
        (
            "a: {value: 1, tolerance: some, why: x}",
            "expected.yml: a needs a number as its tolerance; got 'some'",
        ),
    ],
)
def test_a_damaged_baseline_is_named(tmp_path, text, message):
    path = tmp_path / "expected.yml"
    path.write_text(text)
    with pytest.raises(PressError) as caught:
        load_expected(path)
    assert message in str(caught.value)


def test_a_baseline_that_is_no_text_is_named(tmp_path):
    path = tmp_path / "expected.yml"
    path.write_bytes(b"\xff")
    with pytest.raises(PressError, match=r"expected.yml cannot be read as YAML: 'utf-8' codec"):
        load_expected(path)


def test_floats_of_a_list_may_differ_by_rounding_like_one_alone(tmp_path):
    path = tmp_path / "expected.yml"
    accept({"ch01.list.heights": Record([0.5, 0.25]), "ch01.list.counts": Record([2, 3])}, path)
    expected = load_expected(path)
    rounded = {"ch01.list.heights": Record([0.5 + 1e-12, 0.25])}
    check(rounded | {"ch01.list.counts": Record([2, 3])}, expected)
    with pytest.raises(PressError, match="counts"):
        check(rounded | {"ch01.list.counts": Record([2, 4])}, expected)
