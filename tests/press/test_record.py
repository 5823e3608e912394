import json
import math

import nbformat
import numpy as np
import papermill
import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook

from gapbook.press import PressError, Record, read_records, record, recorded, tell
from gapbook.press.record import PREFIX


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
    record("test.plain", value)
    got = recorded()["test.plain"].value
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
    with pytest.raises(PressError, match=f"test.bad: .*{words}"):
        record("test.bad", value)


@pytest.mark.parametrize("key", ["", "two words", "a:b", "a`b"])
def test_malformed_keys_are_refused(key):
    with pytest.raises(PressError, match="a key is made of"):
        record(key, 1.0)


def test_a_tolerance_needs_its_reason():
    with pytest.raises(PressError, match=r"say why the tolerance is 0\.1"):
        record("test.tolerance", 1.0, tolerance=0.1)


def test_round_trip_through_papermill(tmp_path):
    code = """
        from gapbook.press import record
        import numpy as np
        record("a.gap", np.float32(0.5), "distance", spread=0.01, needs="clip-coco")
        record("a.name", "glyph")
        record("a.shape", [99, 768], "n x d", tolerance=1, why="a count")
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
        "a.gap": Record(0.5, "distance", "out", spread=0.01, needs="clip-coco"),
        "a.name": Record("glyph", "", "out"),
        "a.shape": Record([99, 768], "n x d", "out", tolerance=1, why="a count"),
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


def test_a_paragraph_is_told_where_its_source_is_at_hand_and_every_value_recorded() -> None:
    record("test.told", 0.8514, "distance")
    assert (
        tell("It is {test.told:.2f}, {test.told} in full; {{x}}.", "glyphclip").data
        == "It is 0.85, 0.8514 in full; {x}."
    )
    with pytest.raises(PressError, match=r"test\.tolt is told but not recorded in this notebook"):
        tell("It is {test.tolt:.2f}.", "glyphclip")
    assert tell("It is {test.tolt}.", "glyphclip, nowhere", missing="").data == ""
    assert (
        "`load_pairs('nowhere')` will fetch it"
        in tell("It is {test.tolt}.", "glyphclip, nowhere").data
    )
