import pytest

from gapbook.press import PressError, Record, compare, reproduction_table
from gapbook.press.paper import paper_curve, reported
from gapbook.press.scoreboard import (
    accept,
    check,
    load_expected,
    run_machine,
    run_summary,
    scoreboard_html,
)

BASE = Record(0.5, "distance", "01_a", tolerance=0.1, why="seeds")


def judged(key, value, **other):
    return compare({key: Record(value, notebook="01_a", **other)}).set_index("id").loc[key]


def test_every_fact_stands_there_once():
    table = compare({})
    assert table.id.tolist() == list(reported())
    assert set(table.verdict) == {"erratum", "planned", "context"}
    assert not table[
        table.verdict.isin(["planned", "context", "erratum"]) & (table.explanation == "")
    ].id.tolist()


@pytest.mark.parametrize(
    ("key", "value", "verdict"),
    [
        ("fig1.clip_random.i2t_r1", 0.003, "reproduced"),
        ("fig1.clip_random.i2t_r1", 0.0031, "differs"),
        ("fig1.clasp.feature_shape", [99, 768], "reproduced"),
        ("fig1.clasp.feature_shape", [99, 769], "differs"),
        ("fig1.clasp.feature_shape", [99], "differs"),
        ("fig1.clasp.feature_shape", "99", "differs"),
        ("paper.cone.3d_fraction", 0.058405, "erratum"),
        ("paper.cone.3d_fraction", 0.0334, "differs"),  # then the proof of the erratum is wrong
    ],
)
def test_verdict_of_a_recorded_fact(key, value, verdict):
    assert judged(key, value).verdict == verdict


def test_strings_are_compared_exactly():
    assert (
        judged("table1.CIFAR10.direction", "up", tolerance=0, why="exact").verdict == "reproduced"
    )
    assert judged("table1.CIFAR10.direction", "down", tolerance=0, why="exact").verdict == "differs"


def test_difference_of_a_list_is_the_largest():
    counts = judged("table2.delta_0.0.Black.counts", [16, 3, 16, 1556], tolerance=0, why="counts")
    assert counts.difference == 2 and counts.verdict == "differs"


def test_a_written_chapter_without_its_data_says_how_to_get_it():
    row = (
        compare({"other": Record(1, notebook="01_modality_gap")})
        .set_index("id")
        .loc["fig1.clip_random.i2t_r1"]
    )
    assert row.verdict == "needs data" and "gapbook fetch clip-coco-random" in row.explanation


def test_the_seed_spread_is_the_tolerance_where_the_fact_has_none():
    assert judged("fig2b.bias.relu.L01", 0.32, spread=0.001).verdict == "reproduced"
    with pytest.raises(
        PressError, match=r"fig2b.bias.relu.L01 is compared, but nothing states how far"
    ):
        judged("fig2b.bias.relu.L01", 0.32)


def test_reproduction_table_sets_paper_and_ours_side_by_side():
    records = {
        "fig1.clip_random.i2t_r1": Record(0.002, "fraction", spread=0.0005),
        "ours.gap": Record(0.85, "distance"),
    }
    table = reproduction_table(
        records, ["fig1.clip_random.i2t_r1", "ours.gap", "fig1.clasp.feature_shape"]
    )
    assert (
        table.index.tolist()[:2] == ["image->text top-1 retrieval accuracy", "ours.gap"]
        and table.index.name is None
    )
    assert table.columns.tolist() == ["unit", "paper", "ours", "seed spread", "verdict"]
    assert table.iloc[0].tolist() == ["fraction", "0.002", "0.002", "0.0005", "reproduced"]
    assert table.iloc[1].tolist() == ["distance", "not reported", "0.85", "", "not reported"]
    assert table.iloc[2].verdict == "needs data"
    assert len(reproduction_table(records)) == 1


def test_html_has_every_fact_and_scrolls():
    page = scoreboard_html(compare({}))
    assert all(f"<td>{key}</td>" in page for key in reported())
    figures = {fact.figure for fact in reported().values()}
    assert page.count("<details>") == page.count("overflow:auto") == len(figures)


@pytest.mark.parametrize(
    ("got", "words"),
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
def test_what_leaves_the_baseline_fails(got, words):
    with pytest.raises(PressError, match=words):
        check(got, {"a.gap": BASE})


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


def test_accept_on_a_full_disk_keeps_the_old_baseline(tmp_path, monkeypatch):
    path = tmp_path / "expected.yml"
    accept({"a": Record(1)}, path)
    before = path.read_text()
    monkeypatch.setattr(
        type(path),
        "write_bytes",
        lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left")),
    )
    with pytest.raises(OSError, match="No space left"):
        accept({"a": Record(2)}, path)
    assert path.read_text() == before


def test_an_incomplete_baseline_is_refused(tmp_path):
    path = tmp_path / "expected.yml"
    path.write_text("a: {value: 1, tolerance: 0}")
    with pytest.raises(PressError, match=r"expected.yml: a lacks why"):
        load_expected(path)


def test_the_run_is_summarized(tmp_path):
    run = '{"machine": {"Python": "3.11.7"}, "chapters": {"01_a": {"seconds": 2.5, "memory_mb": 300}}}'
    (tmp_path / "run.json").write_text(run)
    assert run_summary(tmp_path).loc["01_a"].tolist() == [2.5, 300]
    assert run_machine(tmp_path)["Python"] == "3.11.7"


def test_a_curve_is_judged_point_by_point_with_a_tolerance_for_each() -> None:
    key, y = "curve.fig2b.bias_c6.Sigmoid", paper_curve("curve.fig2b.bias_c6.Sigmoid").y
    off = [y[0] + 0.04, *y[1:]]

    def verdict(value: list[float], tolerance: list[float]) -> str:
        record = Record(value, notebook="03_initialization", tolerance=tolerance, why="seeds")
        return compare({key: record}).set_index("id").verdict[key]

    assert verdict(off, [0.05] + [0.001] * 9) == "reproduced"
    assert verdict(off, [0.03] + [0.05] * 9) == "differs"
    assert verdict(y[:-1], [0.05] * 9) == "differs"
