import pytest

from gapbook.press import (
    VERDICTS,
    PressError,
    Record,
    compare,
    experiment_of,
    load_expected,
    paper_curve,
    reproduction_table,
    scoreboard_html,
    verdicts_by_scale,
)
from gapbook.press.paper import reported


def judged(key, value, **other):
    return compare({key: Record(value, notebook="01_a", **other)}).set_index("id").loc[key]


def test_every_fact_stands_there_once_and_explains_itself():
    table = compare({})
    assert table.id.tolist() == list(reported())
    assert set(table.verdict) <= set(VERDICTS)
    assert (table.explanation != "").all()


def test_a_fact_that_is_not_recorded_names_its_chapter():
    row = compare({}).set_index("id").loc["fig2b.bias.relu.L01"]
    assert row.verdict == "not recorded" and "chapter 03" in row.explanation


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
        # then the proof of the erratum is wrong
        ("paper.cone.3d_fraction", 0.0334, "differs"),
    ],
)
def test_verdict_of_a_recorded_fact(key, value, verdict):
    assert judged(key, value).verdict == verdict


@pytest.mark.parametrize(
    ("key", "value", "source"),
    [
        ("amend.ratio", 0.574, "three seeds"),
        ("table2.paper.Indian", [[1.2, 0.0, 1.2], [1.1, 0.0, 1.1]], "counts"),
        ("table5.CIFAR10.p_value", 3.476e-06, "accuracies"),
        ("paper.cone.2d_fraction", 0.1554, "cosine"),
        ("fig2a.n_pairs", 24_995_000, "number of items"),
    ],
)
def test_arithmetic_on_printed_numbers_is_consistent_and_no_reproduction(key, value, source):
    row = judged(key, value)
    assert (row.verdict, row.scale) == ("consistent", "printed numbers")
    assert "follows from" in row.explanation and source in row.explanation
    assert judged(key, 0.0 if isinstance(value, float) else None).verdict == "differs"


def test_a_stored_run_is_a_reproduction_and_says_how_to_repeat_it():
    row = judged("fig2a.random_noise.resnet18.mean", 0.9993, tolerance=0.001, why="seeds")
    assert (row.verdict, row.scale) == ("reproduced", "paper's scale")
    assert "python -m gapbook.precomputed noise_cosines" in row.explanation


def test_a_theorem_is_judged_by_the_record_that_answers_it():
    record = Record(0.999, notebook="03_a")
    row = compare({"ch03.theorem1.least": record}).set_index("id").loc["theorem1.probability"]
    assert (row.verdict, row.ours) == ("reproduced", 0.999)


def test_every_open_fact_names_a_command_or_the_reason_why_it_cannot_be_had():
    table = compare(load_expected())
    open_facts = table[table.ours.isna() & ~table.verdict.isin(["context", "erratum"])]
    assert set(open_facts.verdict) <= {"needs data", "cannot be had"}
    for row in open_facts.itertuples():
        settled = reported()[row.id].cannot_be_had or experiment_of(row.id).command
        assert settled and row.explanation.endswith(settled), row.id


def test_a_fact_that_cannot_be_had_says_why():
    row = compare({}).set_index("id").loc["table1.HatefulMemes.original"]
    assert row.verdict == "cannot be had" and "by hand" in row.explanation


def test_experiments_are_counted_beside_rows():
    depths = {f"fig2b.bias.relu.L{depth:02}": 0.0 for depth in (3, 4, 5)}
    records = {key: Record(value, notebook="03_a") for key, value in depths.items()}
    counts = verdicts_by_scale(compare(records))
    assert counts.loc["differs", "paper's scale"] == counts.loc["differs", "all"] == "3 (1)"
    assert counts.index.tolist() == [name for name in VERDICTS if name in counts.index]


def test_strings_are_compared_exactly():
    assert (
        judged("table1.CIFAR10.direction", "up", tolerance=0, why="exact").verdict == "reproduced"
    )
    assert judged("table1.CIFAR10.direction", "down", tolerance=0, why="exact").verdict == "differs"


def test_difference_of_a_list_is_the_largest():
    counts = judged("table2.delta_0.0.Black.counts", [16, 3, 16, 1556], tolerance=0, why="counts")
    assert counts.difference == 2 and counts.verdict == "differs"


def test_a_fact_that_needs_data_says_how_to_get_it():
    row = compare({}).set_index("id").loc["fig1.clasp.feature_shape"]
    assert row.verdict == "needs data" and "gapbook fetch clasp-uniprot" in row.explanation


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
    assert table.index.tolist()[:2] == ["image->text top-1 retrieval accuracy", "ours.gap"]
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


def test_a_curve_is_judged_point_by_point_with_a_tolerance_for_each() -> None:
    key, y = "curve.fig2b.bias_c6.Sigmoid", paper_curve("curve.fig2b.bias_c6.Sigmoid").y
    off = [y[0] + 0.04, *y[1:]]

    def verdict(value: list[float], tolerance: list[float]) -> str:
        record = Record(value, notebook="03_initialization", tolerance=tolerance, why="seeds")
        return compare({key: record}).set_index("id").verdict[key]

    assert verdict(off, [0.05] + [0.001] * 9) == "reproduced"
    assert verdict(off, [0.03] + [0.05] * 9) == "differs"
    assert verdict(y[:-1], [0.05] * 9) == "differs"
