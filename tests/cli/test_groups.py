"""The commands on images with several captions each."""

import json

import numpy as np
import pytest

from gapbook import cli
from gapbook.geometry import retrieval
from gapbook.mitigation import load_mitigation
from gapbook.pairs import PairedEmbeddings

N = 40
K = 5
RNG = np.random.default_rng(0)
IMAGES = RNG.standard_normal((N, 16)).astype(np.float32)
CAPTIONS = (IMAGES[:, None] + RNG.standard_normal((N, K, 16)) + 1).astype(np.float32)
FLAT = CAPTIONS.reshape(-1, 16)
ORDER = RNG.permutation(N * K)
IDS = np.arange(N) * 3
CAPTION_IDS = np.repeat(IDS, K)


def run(*arguments):
    return cli.main(["report", "--quiet", *map(str, arguments)])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder that commands run in, with files in every form."""
    monkeypatch.chdir(tmp_path)
    np.save("images.npy", IMAGES)
    np.save("captions.npy", CAPTIONS)
    np.save("mixed.npy", FLAT[ORDER])
    np.save("image_ids.npy", IDS)
    np.save("caption_ids.npy", CAPTION_IDS[ORDER].astype(str))
    np.savez("a.npz", v=IMAGES, id=IDS)
    np.savez("b.npz", w=FLAT[ORDER], id=CAPTION_IDS[ORDER])
    return tmp_path


def report_of(folder, *arguments):
    assert run(*arguments, "--only", "measures", "--out", "r.json") == 0
    return json.loads((folder / "r.json").read_text())


def values_of(report):
    return {row["metric"]: row["value"] for row in report["metrics"]}


FORMS = {
    "(n, k, d)": ["images.npy", "captions.npy"],
    "ids in files": [
        *["images.npy", "mixed.npy"],
        *["--groups", "image_ids.npy", "--groups", "caption_ids.npy"],
    ],
    "ids by name": ["a.npz", "b.npz", "--groups", "id"],
}


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_groups_has_the_usual_recall(folder, form):
    report = report_of(folder, *FORMS[form])
    values = values_of(report)
    x = np.repeat(IMAGES, K, axis=0)
    expected = retrieval(x, FLAT, groups=CAPTION_IDS)
    for direction, k, recall in expected.itertuples(index=False):
        assert values[f"r{k}_{direction}"] == recall
    assert 0.3 < values["r1_image_to_text"] < 1
    assert (values["n_pairs"], values["n_sampled"], report["groups"]) == (N * K, N, N)
    assert report["notes"][0] == "200 pairs in 40 groups: 5 rows of text for each row of image."
    assert "on the first pair of each group" in " ".join(report["notes"])
    assert report["first_lines"][0].startswith("Recall at 1 among 40: ")
    assert not report["at_chance"]


def test_all_of_a_report_is_there_for_groups(folder, capsys):
    names = ["r.html", "r.json", "r.md", "r.tex"]
    outputs = [part for name in names for part in ("--out", name)]
    assert run(*FORMS["ids by name"], *outputs) == 0
    report = json.loads((folder / "r.json").read_text())
    assert report["recommendations"]
    assert report["landscape"]
    assert 0 < report["share_of_other_in_top_10"] < 1
    assert all((folder / name).stat().st_size for name in names)
    assert "Any text of its group is right" in (folder / "r.html").read_text()
    assert capsys.readouterr().err == ""


def test_a_correction_is_fitted_on_all_captions(folder):
    assert cli.main(["fix", *FORMS["(n, k, d)"], "--with", "Center", "--out", "f.safetensors"]) == 0
    correction = load_mitigation("f.safetensors")
    pairs = PairedEmbeddings.from_groups(IMAGES, CAPTIONS)
    moved = correction.transform(pairs.x, pairs.y)[1]
    np.testing.assert_allclose(moved.mean(0), 0, atol=0.2)


# What is ambiguous: arrays of files, arguments and what the one line says.
BAD = {
    "as many groups in y (n, k, d) as rows in x (n, d); got (40, 16) and (39, 5, 16)": (
        {"y": CAPTIONS[1:]},
        [],
    ),
    "got (40, 5, 16) beside (40, 4, 16): give the side with one row in each group first": (
        {"x": CAPTIONS, "y": CAPTIONS[:, :4]},
        [],
    ),
    "got (40, 5, 16) beside (40, 16): give the side with one row in each group first": (
        {"x": CAPTIONS, "y": IMAGES},
        [],
    ),
    "(200, 16) and (200, 3)": ({"y": CAPTIONS[:, :, :3]}, []),
    "1 of 200 rows of y have an id without partner (first: '-1'): drop these rows or add": (
        {"y": FLAT, "i": IDS, "j": np.array([-1, *CAPTION_IDS[1:]])},
        ["i.npy", "j.npy"],
    ),
    "1 of 40 rows of x have an id without partner (first: '999')": (
        {"y": FLAT[:195], "i": np.array([*IDS[:-1], 999]), "j": CAPTION_IDS[:195]},
        ["i.npy", "j.npy"],
    ),
    "The id '0' comes more than once in x, whose ids are not those of y row by row": (
        {"y": FLAT, "i": np.array([0, 0, *IDS[2:]]), "j": CAPTION_IDS},
        ["i.npy", "j.npy"],
    ),
    "One array of ids is for pairs, and x has 40 rows and y 200: give ids for x and ids": (
        {"y": FLAT, "i": IDS},
        ["i.npy"],
    ),
    "Expected the ids of y for 200 rows, of shape (200,); got (40,)": (
        {"y": FLAT, "i": IDS},
        ["i.npy", "i.npy"],
    ),
    "Expected y of shape (n, d) beside ids; got (40, 5, 16): leave the ids out": (
        {"i": IDS, "j": CAPTION_IDS},
        ["i.npy", "j.npy"],
    ),
    "Expected one row of x in each group; row 1 is another than the first of its group": (
        {"y": IMAGES, "i": np.arange(N) // 2},
        ["i.npy"],
    ),
    "as a .npy file of ids or the name of an array of them, or two of these": (
        {"y": FLAT, "i": IDS},
        ["i.npy", "i.npy", "i.npy"],
    ),
    "y.npy has one array without a name": ({"y": FLAT, "i": IDS}, ["i.npy", "ids"]),
    "Expected a file; j.npy does not exist": ({"y": FLAT, "i": IDS}, ["i.npy", "j.npy"]),
    "as integers or strings; got dtype float64": (
        {"y": FLAT, "i": IDS / 2, "j": CAPTION_IDS / 2},
        ["i.npy", "j.npy"],
    ),
    "at least 2 groups are needed; got 1 for all 40 pairs": (
        {"y": IMAGES, "i": np.zeros(N, int)},
        ["i.npy"],
    ),
    "y has non-finite values in 1 row (first: 7)": (
        {"y": np.where(np.arange(200)[:, None] == 7, np.nan, FLAT).reshape(N, K, 16)},
        [],
    ),
}


@pytest.mark.parametrize("message", BAD)
def test_groups_that_are_ambiguous_are_one_line(tmp_path, monkeypatch, capsys, message):
    arrays, groups = BAD[message]
    monkeypatch.chdir(tmp_path)
    for name, array in ({"x": IMAGES, "y": CAPTIONS} | arrays).items():
        np.save(f"{name}.npy", array)
    options = [part for ids in groups for part in ("--groups", ids)]
    assert run("x.npy", "y.npy", *options, "--out", "r.md") == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert len(printed.err.splitlines()) == 1
    assert not (tmp_path / "r.md").exists()


def test_two_names_after_one_groups_are_told_apart(tmp_path, capsys):
    for name in "xyij":
        np.save(tmp_path / f"{name}.npy", IMAGES)
    paths = [tmp_path / f"{name}.npy" for name in "xyij"]
    with pytest.raises(SystemExit) as stop:
        run(*paths[:2], "--groups", *paths[2:])
    assert stop.value.code == 2
    assert "before the options, and --groups before each of its names" in capsys.readouterr().err


def test_help_says_how_groups_are_named(capsys):
    with pytest.raises(SystemExit):
        cli.main(["report", "--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert "captions.npy of shape (n, k, d)" in printed
    assert "--groups image_ids.npy --groups caption_ids.npy" in printed
