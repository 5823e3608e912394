"""The command ``compare``: measures of pairs before and after a change."""

import json

import numpy as np
import pandas as pd
import pytest

from gapbook.cli import main
from gapbook.pairs import PairedEmbeddings, load_pairs
from gapbook.report.compare import compare_pairs


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Pairs before and after their centers were moved into one place, and some of them."""
    monkeypatch.chdir(tmp_path)
    pairs = load_pairs("glyphclip").subset(slice(0, 60))
    pairs.save("before.npz")
    centered = PairedEmbeddings(pairs.x - pairs.x.mean(0), pairs.y - pairs.y.mean(0))
    centered.save("after.npz")
    pairs.subset(slice(0, 40)).save("less.npz")
    for name, side in (("x", pairs.x), ("y", pairs.y), ("cx", centered.x), ("cy", centered.y)):
        np.save(f"{name}.npy", side)
    return tmp_path


def test_every_format_has_the_table_of_the_package(folder, capsys):
    outputs = ["--out", "c.json", "--out", "c.csv", "--out", "c.md"]
    assert main(["compare", "before.npz", "after.npz", "--seed", "3", *outputs]) == 0
    assert capsys.readouterr().out == ""
    expected = compare_pairs(
        PairedEmbeddings.load("before.npz"), PairedEmbeddings.load("after.npz"), seed=3
    )
    document = json.loads((folder / "c.json").read_text())
    assert document["notes"] == expected.notes
    assert [row["metric"] for row in document["changes"]] == expected.table["metric"].tolist()
    changes = [row["change"] for row in document["changes"]]
    np.testing.assert_allclose(changes, expected.table["change"])
    hubness = [row for row in document["changes"] if row["metric"] == "hubness_image_to_text"]
    assert hubness[0]["low"] is None
    written = pd.read_csv(folder / "c.csv", keep_default_na=False, na_values={"low": [""]})
    np.testing.assert_allclose(written["low"], expected.table["low"])
    lines = (folder / "c.md").read_text().splitlines()
    assert lines[0].startswith("60 pairs; row i")
    assert sum(line.startswith("| Modality gap ") for line in lines) == 1


def test_files_with_a_side_each_are_four(folder, capsys):
    assert main(["compare", "before.npz", "after.npz"]) == 0
    of_two = capsys.readouterr().out
    assert main(["compare", "x.npy", "y.npy", "cx.npy", "cy.npy"]) == 0
    of_four = capsys.readouterr().out
    recalls = [line for line in of_two.splitlines() if line.startswith("| Recall")]
    assert recalls
    assert all(line in of_four for line in recalls)


def test_other_numbers_of_pairs_are_told_in_one_sentence(folder, capsys):
    assert main(["compare", "before.npz", "less.npz"]) == 0
    assert capsys.readouterr().out.startswith("There are 60 pairs before and 40 after: ")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["before.npz"], "Expected two files of pairs, before and after, or four files"),
        (["x.npy", "y.npy", "cx.npy"], "x and y after; got 3"),
        (["before.npz", "none.npz"], "none.npz does not exist"),
        (["before.npz", "x.npy"], "x.npy"),
        (["x.npy", "y.npy", "cx.npy", "before.npz"], "before.npz"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(folder, files, message, capsys):
    assert main(["compare", *files, "--out", "c.md"]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert not (folder / "c.md").exists()
