import json
import math

import nbformat
import numpy as np
import pandas as pd
import papermill
import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook

from gapbook.press import (
    PressError,
    Record,
    Tolerance,
    read_records,
    record,
    record_table,
    recorded,
    slug,
)
from gapbook.press.records import PREFIX


def stored(key, value, unit=""):
    """Notebook that holds one record, as an execution leaves it."""
    meta = {
        "scrapbook": {"name": key, "mime_prefix": PREFIX},
        "gapbook": {"value": value, "unit": unit},
    }
    output = {
        "output_type": "display_data",
        "data": {PREFIX + "text/plain": repr(value)},
        "metadata": meta,
    }
    return {"cells": [{"cell_type": "code", "outputs": [output]}]}


def write(path, *notebooks):
    path.write_text(
        json.dumps({"cells": [cell for notebook in notebooks for cell in notebook["cells"]]})
    )
    return path


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (0.25, 0.25),
        (7, 7),
        (True, True),
        ("up", "up"),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array(2.0), 2.0),
        (torch.tensor(1.5), 1.5),
        ([99, np.int64(768)], [99, 768]),
        ([[1.0, 2.0], 42], [[1.0, 2.0], 42]),
    ],
)
def test_scalars_become_plain(value, plain):
    record("ch01.test.plain", value)
    got = recorded()["ch01.test.plain"].value
    assert got == plain and type(got) is type(plain)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (math.nan, "finite; got nan"),
        (np.float32("inf"), "finite; got inf"),
        ([1.0, math.nan], "finite; got nan"),
        (np.ones(3), r"one number, .* or .tolist\(\) can be recorded; got ndarray \(3,\)"),
        (torch.ones(2, 2), r"got Tensor .*\[2, 2\]"),
        ({"a": 1}, "got dict"),
        (1j, "got complex"),
    ],
)
def test_what_is_no_number_is_refused(value, words):
    with pytest.raises(PressError, match=f"ch01.test.bad: .*{words}"):
        record("ch01.test.bad", value)


@pytest.mark.parametrize(
    "key",
    [
        "ch01.gaps.clip-coco",
        "ch09.report.gap.ci95_low",
        "ch04.train.1_100.gap.sd",
        "ch04.close.center.se",
        "errata.e17.CIFAR100.at_most",
        "run.seconds",
        "fig2a.n_pairs",
        "fig2a.random_noise.clip_image.std",
        "curve.fig2b.nobias_c6.Tanh",
    ],
)
def test_keys_of_chapters_errata_runs_and_facts_are_taken(key):
    record(key, 1.0)
    assert recorded()[key].value == 1.0


@pytest.mark.parametrize(
    "key",
    [
        "",
        "two words",
        "a:b",
        "a`b",
        "ch1.gaps.clip",
        "ch01",
        "ch01.gap",
        "ch01..gap",
        "ch01.Gaps.clip",
        "ch01.gaps.clip.",
        "ch01.gaps.größe",
        "fig1.clip.gap",
        "fig2a.n_pair",
        "runs.seconds",
    ],
)
def test_other_keys_are_refused_with_the_rule(key):
    with pytest.raises(PressError, match=r"a key is chNN\.section\.what .* the id of a fact"):
        record(key, 1.0)


@pytest.mark.parametrize(
    "last",
    [
        "std",
        "sem",
        "half",
        "half_width",
        "interval",
        "low",
        "high",
        "ci95",
        "gap_sd",
        "gap_ci95_low",
    ],
)
@pytest.mark.parametrize("page", ["ch01.gaps", "errata.e1"])
def test_uncertainty_has_one_set_of_suffixes(page, last):
    with pytest.raises(PressError, match=r"ends with \.sd, \.se, \.ci95_low, \.ci95_high and with"):
        record(f"{page}.{last}", 1.0)


@pytest.mark.parametrize("tolerance", [0.1, Tolerance(0.1, "")])
def test_a_tolerance_needs_its_reason(tolerance):
    with pytest.raises(PressError, match=r"ch01.test.tolerance: a tolerance says how far and why"):
        record("ch01.test.tolerance", 1.0, tolerance=tolerance)


@pytest.mark.parametrize(
    ("label", "part"),
    [
        ("1/100", "1_100"),
        ("CLIP, images", "clip_images"),
        ("clip-coco", "clip-coco"),
        ("norms √512", "norms_512"),
        ("linear+batchnorm+relu", "linear_batchnorm_relu"),
        ("(a) b", "a_b"),
        (0.5, "0_5"),
        (-2, "-2"),
        (np.int64(30), "30"),
        (True, "true"),
    ],
)
def test_a_label_becomes_a_part_of_a_key(label, part):
    assert slug(label) == part


@pytest.mark.parametrize("label", ["", "±", " / "])
def test_a_label_without_letters_and_digits_is_refused(label):
    with pytest.raises(PressError, match="has none: rename the label"):
        slug(label)


def records_of(prefix):
    return {key: entry for key, entry in recorded().items() if key.startswith(f"{prefix}.")}


def test_a_table_is_recorded_cell_by_cell():
    table = pd.DataFrame(
        {"gap": [0.74, 0.1], "pairs": [3, 4]}, index=["temperature 1/100", "temperature 1/10"]
    )
    exact = Tolerance(0, "counts")
    record_table("ch01.grid", table, {"gap": "distance"}, tolerance={"pairs": exact}, needs="x")
    assert records_of("ch01.grid") == {
        "ch01.grid.temperature_1_100.gap": Record(0.74, "distance", needs="x"),
        "ch01.grid.temperature_1_10.gap": Record(0.1, "distance", needs="x"),
        "ch01.grid.temperature_1_100.pairs": Record(3, tolerance=0, why="counts", needs="x"),
        "ch01.grid.temperature_1_10.pairs": Record(4, tolerance=0, why="counts", needs="x"),
    }
    assert type(recorded()["ch01.grid.temperature_1_10.pairs"].value) is int


def test_levels_of_labels_become_parts_of_keys():
    ends = pd.DataFrame(
        {"tau": ["1/10", "1/10", "1"], "start": ["one", "one", "two"], "gap": [0.0, 1.0, 2.0]}
    )
    table = ends.groupby(["tau", "start"])[["gap"]].agg(["mean", "max"])
    record_table("ch01.levels", table, "distance")
    assert {key: entry.value for key, entry in records_of("ch01.levels").items()} == {
        "ch01.levels.1.two.gap.mean": 2.0,
        "ch01.levels.1.two.gap.max": 2.0,
        "ch01.levels.1_10.one.gap.mean": 0.5,
        "ch01.levels.1_10.one.gap.max": 1.0,
    }


def test_a_spread_stands_in_a_table_of_the_same_labels():
    table = pd.DataFrame({"gap": [0.7, 0.1], "tau": [0.01, 0.1]}, index=["low", "high"])
    spread = pd.DataFrame({"gap": [0.02, np.nan]}, index=["low", "high"])
    record_table("ch01.spread", table, spread=spread)
    spreads = {key: entry.spread for key, entry in records_of("ch01.spread").items()}
    assert spreads == dict.fromkeys(spreads) | {"ch01.spread.low.gap": 0.02}


def test_a_series_is_a_table_of_rows():
    values = pd.Series({"image": 0.9, "text": 0.4})
    spread = pd.Series({"text": 0.01})
    record_table("ch01.series", values, "cosine", spread=spread, needs={"image": "clip-coco"})
    assert records_of("ch01.series") == {
        "ch01.series.image": Record(0.9, "cosine", needs="clip-coco"),
        "ch01.series.text": Record(0.4, "cosine", spread=0.01),
    }


def test_missing_values_are_not_recorded():
    table = pd.DataFrame({"a": [1.0, np.nan], "b": [None, "text"]}, index=["one", "two"])
    record_table("ch01.missing", table)
    assert list(records_of("ch01.missing")) == ["ch01.missing.one.a", "ch01.missing.two.b"]


def test_two_labels_that_make_one_key_are_refused():
    table = pd.DataFrame({"gap": [1.0, 2.0]}, index=["1/10", "1 10"])
    with pytest.raises(PressError, match=r"both make the key ch01\.test\.1_10\.gap: rename one"):
        record_table("ch01.test", table)


def test_a_table_keeps_to_the_rules_of_keys():
    table = pd.DataFrame({"std": [1.0]}, index=["one"])
    with pytest.raises(PressError, match=r"got 'ch01\.test\.one\.std'"):
        record_table("ch01.test", table)


def test_round_trip_through_papermill(tmp_path):
    code = """
        from gapbook.press import Tolerance, record
        import numpy as np
        record("ch01.a.gap", np.float32(0.5), "distance", spread=0.01, needs="clip-coco")
        record("ch01.a.name", "glyph")
        record("ch01.a.shape", [99, 768], "n x d", tolerance=Tolerance(1, "a count"))
    """
    cell = new_code_cell("\n".join(line.strip() for line in code.strip().splitlines()))
    nbformat.write(new_notebook(cells=[cell]), tmp_path / "in.ipynb")
    papermill.execute_notebook(
        tmp_path / "in.ipynb",
        tmp_path / "out.ipynb",
        kernel_name="python3",
        progress_bar=False,
        execution_timeout=60,
    )
    assert read_records(tmp_path / "out.ipynb") == {
        "ch01.a.gap": Record(0.5, "distance", "out", spread=0.01, needs="clip-coco"),
        "ch01.a.name": Record("glyph", "", "out"),
        "ch01.a.shape": Record([99, 768], "n x d", "out", tolerance=1, why="a count"),
    }
    outputs = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells[0].outputs
    assert [list(out.data) for out in outputs] == [
        [f"{PREFIX}text/plain"]
    ] * 3  # shows nothing in place


def test_myst_nb_reads_and_formats_the_records(tmp_path):
    from myst_nb.core.variables import format_plain_text
    from myst_nb.ext.glue import extract_glue_data_cell

    ((key, output),) = extract_glue_data_cell(
        nbformat.from_dict(stored("a.gap", 0.8514)["cells"][0])
    )
    assert key == "a.gap" and format_plain_text(output["data"]["text/plain"], ".2f") == "0.85"


def test_a_folder_is_read_by_notebook(tmp_path):
    (tmp_path / "appendix").mkdir()
    write(tmp_path / "01_a.ipynb", stored("x", 1), stored("y", 2))
    write(
        tmp_path / "appendix" / "b.ipynb", stored("x", 1), stored("z", 3)
    )  # the same value twice is no conflict
    found = read_records(tmp_path)
    assert {key: (entry.value, entry.notebook) for key, entry in found.items()} == {
        "x": (1, "01_a"),
        "y": (2, "01_a"),
        "z": (3, "appendix/b"),
    }


def test_two_values_of_a_key_are_an_error_that_names_both(tmp_path):
    write(tmp_path / "01_a.ipynb", stored("x", 1))
    write(tmp_path / "02_b.ipynb", stored("x", 2))
    with pytest.raises(PressError, match="x is 1 in 01_a and 2 in 02_b"):
        read_records(tmp_path)


def test_a_key_twice_in_a_notebook_is_an_error(tmp_path):
    with pytest.raises(PressError, match="x is 1 in a and 1 in a"):
        read_records(write(tmp_path / "a.ipynb", stored("x", 1), stored("x", 1)))


def test_what_is_no_notebook_is_refused(tmp_path):
    (tmp_path / "a.ipynb").write_text("text")
    with pytest.raises(PressError, match=r"a.ipynb is not a notebook"):
        read_records(tmp_path)
