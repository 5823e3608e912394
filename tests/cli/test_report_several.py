"""The command ``report`` for three or more modalities of the same items."""

import json

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from gapbook import cli
from gapbook.geometry import gap_report

NAMES = ("image", "text", "sound")
FILES = ("images.npy", "texts.npy", "sounds.npy")
COLUMNS = ["x", "y", "metric", "value", "low", "high", "unit"]


@pytest.fixture
def sides():
    """Three modalities of 40 items, each about a center of its own."""
    rng = np.random.default_rng(0)
    items = rng.standard_normal((40, 6))
    sides = {}
    for name in NAMES:
        center = rng.standard_normal(6)
        rows = items + center + rng.standard_normal((40, 6))
        sides[name] = rows.astype(np.float32)
    return sides


@pytest.fixture
def folder(sides, tmp_path, monkeypatch):
    """A folder with a file for each modality, files of all three, and files that do not fit."""
    monkeypatch.chdir(tmp_path)
    for file, rows in zip(FILES, sides.values(), strict=True):
        np.save(file, rows)
    np.savez("all.npz", **sides)
    save_file(sides, "all.safetensors")
    np.save("few.npy", sides["sound"][:30])
    np.save("wide.npy", np.ones((40, 9)))
    broken = sides["sound"].copy()
    broken[7, 2] = np.nan
    np.save("broken.npy", broken)
    return tmp_path


@pytest.fixture
def table(sides):
    return gap_report(sides)


def run(*arguments):
    return cli.main(["report", "--quiet", *arguments])


def measures(path):
    """Return the table that a JSON file holds."""
    content = json.loads(path.read_text())
    return pd.DataFrame(content["metrics"])[COLUMNS].fillna(np.nan)


def test_the_json_has_the_table_of_the_package(folder, table):
    assert run(*FILES, "--modalities", *NAMES, "--out", "k.json") == 0
    found = measures(folder / "k.json").astype({"low": float, "high": float})
    pd.testing.assert_frame_equal(found, table)
    content = json.loads((folder / "k.json").read_text())
    assert content["modalities"] == list(NAMES)
    assert content["source"] == "images.npy, texts.npy, sounds.npy"
    assert content["notes"] == ["40 items in 3 modalities."]


@pytest.mark.parametrize("file", ["all.npz", "all.safetensors"])
def test_columns_of_one_file_are_modalities(folder, table, file):
    assert run(file, "--columns", *NAMES, "--name", "mine", "--out", "k.json") == 0
    found = measures(folder / "k.json").astype({"low": float, "high": float})
    pd.testing.assert_frame_equal(found, table)
    assert json.loads((folder / "k.json").read_text())["name"] == "mine"


def test_first_lines_tell_of_each_pair_and_of_what_one_index_returns(folder, table, capsys):
    outputs = ["--out", "k.md", "--out", "k.json"]
    assert run(*FILES, "--modalities", *NAMES, *outputs) == 0
    lines = capsys.readouterr().out.splitlines()
    first_lines = json.loads((folder / "k.json").read_text())["first_lines"]
    assert lines == [*first_lines, "", "k.md", "k.json"]
    values = table.set_index(["x", "y", "metric"])["value"].sort_index()
    last_pair = values["text", "sound"]
    assert lines[2] == (
        f"text and sound: gap {last_pair['modality_gap']:.3f}; recall at 1 is "
        f"{last_pair['r1_image_to_text']:.3f} from text to sound and "
        f"{last_pair['r1_text_to_image']:.3f} back, at 10 {last_pair['r10_image_to_text']:.3f} and "
        f"{last_pair['r10_text_to_image']:.3f}."
    )
    assert f"{values['all', 'all', 'variance_between']:.3f} (" in lines[3]
    own = values["sound", "sound", "share_of_results"]
    assert lines[6].startswith("One index of all modalities returns for sound: ")
    assert lines[6].endswith(f" {100 * own:.0f} % sound.")
    markdown = (folder / "k.md").read_text()
    for line in first_lines:
        assert f"* {line}\n" in markdown


def test_without_a_file_to_write_the_tables_are_printed(folder, capsys):
    assert run(*FILES) == 0
    printed = capsys.readouterr().out
    for heading in ("images and texts", "images and sounds", "texts and sounds"):
        assert f"\n## {heading}\n" in printed
    assert "\n## All modalities\n" in printed
    assert printed.endswith("40 items in 3 modalities.\n")


def test_names_are_escaped_in_markdown(folder):
    assert run(*FILES, "--modalities", "<i>", "a|b", "{x}", "--out", "k.md") == 0
    markdown = (folder / "k.md").read_text()
    assert "<i>" not in markdown
    assert "\n## &lt;i&gt; and a\\|b\n" in markdown
    assert "{x} among the nearest rows of {x}" in markdown


def test_a_condition_holds_where_it_holds_for_any_pair(folder, table, capsys):
    gaps = table[table["metric"] == "modality_gap"].sort_values("value")
    largest = gaps.iloc[-1]
    limit = (gaps["value"].iloc[-2] + largest["value"]) / 2
    condition = f"modality_gap>{limit:.6f}"
    assert run(*FILES, "--modalities", *NAMES, "--fail-if", condition, "--out", "k.md") == 1
    held = capsys.readouterr().err.splitlines()
    assert len(held) == 1
    assert held[0].startswith(f"gapbook: failed, {largest['x']} and {largest['y']}: modality_gap >")
    assert run(*FILES, "--fail-if", "modality_gap>2", "--out", "k.md") == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["images.npy", "texts.npy", "few.npy"], "one shape (n, d); got images (40, 6)"),
        (["images.npy", "texts.npy", "wide.npy"], "wide (40, 9)"),
        (["images.npy", "texts.npy", "broken.npy"], "broken has non-finite values in 1 row"),
        (["images.npy", "images.npy", "texts.npy"], "name what they hold by --modalities"),
        (["images.npy", "texts.npy", "none.npy"], "none.npy does not exist"),
        (["images.npy", "texts.npy", "all.npz"], "name one for each file"),
        (["images.npy", "texts.npy", "."], "Expected a file; . is a folder"),
        ([".", "--columns", "a", "b", "c"], "Expected a file; . is a folder"),
        (["images.npy", "--columns", "a", "b", "c"], "give a file for each modality"),
        (["all.npz", "--columns", "image", "text", "other"], "name 3 of them"),
        (["all.npz", "--columns", "image", "text", "text"], "got 'text' twice"),
        (["all.npz", "--modalities", *NAMES], "name the arrays of one file by --columns"),
        (["all.npz", "--columns", "image"], "Expected two names for --columns"),
        (["images.npy", "--modalities", "a", "b", "texts.npy"], "all files before the options"),
        ([*FILES, "--modalities", "a", "b"], "Expected 3 names for --modalities"),
        ([*FILES, "--modalities", "a", "b", "a"], "3 different names for --modalities; got 'a'"),
        ([*FILES, "--modalities", "a", "b", "all"], "not 'all'; got 'all'"),
        ([*FILES, "--out", "k.html"], "written as .json or .md; got 'k.html'"),
        ([*FILES, "--out", "k.tex"], "written as .json or .md; got 'k.tex'"),
        ([*FILES, "--fail-if", "own_share>1"], "there is no 'own_share'"),
        ([*FILES, "--groups", "ids.npy"], "--groups is for pairs of two modalities"),
        ([*FILES, "--long-table", "v", "m", "i"], "--long-table is for pairs"),
        ([*FILES, "--dequantize", "0", "1"], "--dequantize is for pairs"),
        ([*FILES, "--temperature", "0.1"], "--temperature is for pairs"),
        ([*FILES, "--logit-scale", "100"], "--logit-scale is for pairs"),
        ([*FILES, "--logit-bias", "0"], "--logit-bias is for pairs"),
        ([*FILES, "--scheduler", "tcp://x"], "--scheduler is for pairs"),
        ([*FILES, "--sample", "0"], "--sample is for pairs"),
        ([*FILES, "--skip-bad"], "--skip-bad is for pairs"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(folder, arguments, message, capsys):
    assert run(*arguments, "--out", "k.json") == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert not list(folder.glob("k.*"))


def test_files_that_follow_names_are_told_to_come_first(capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(["report", "--modalities", "image", "text", "images.npy", "texts.npy"])
    assert stop.value.code == 2
    assert "required: input, before all options" in capsys.readouterr().err
