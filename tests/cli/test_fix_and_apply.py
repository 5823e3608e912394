"""The commands ``fix`` and ``apply``, from two arrays to one query."""

import sys

import numpy as np
import pytest
from helpers import cones
from safetensors.numpy import load_file

from gapbook import cli
from gapbook.mitigation import load_mitigation
from gapbook.pairs import PairedEmbeddings

X, Y = cones(n=200)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with pairs, in which commands run."""
    monkeypatch.chdir(tmp_path)
    PairedEmbeddings(X, Y).save("pairs.npz")
    np.save("stored.npy", X.astype(np.float16))
    return tmp_path


def run(*arguments):
    return cli.main([str(argument) for argument in arguments])


def printed_recipe(text, side):
    """Return what is printed for one side, as code."""
    lines = [line.strip() for line in text.split("\n")]
    start = next(number for number, line in enumerate(lines) if line.startswith(f"# {side}"))
    imports = next(line for line in lines if line.startswith("import numpy"))
    return "\n".join([imports, *lines[start + 1 : start + 4]])


@pytest.mark.parametrize(
    ("name", "documents", "queries"),
    [
        ("center", "x", "y"),
        ("Standardize", "x", "y"),
        ("NearestNeighborNormalization", "x", "y"),
        ("ScoreScaling", "image", "queries"),
        ("CSLS", "image", "queries"),
    ],
)
def test_a_query_by_the_printed_recipe_gets_the_same_ten(
    folder, capsys, name: str, documents: str, queries: str
) -> None:
    assert run("fix", "pairs.npz", "--with", name, "--out", "fix.safetensors") == 0
    text = capsys.readouterr().out
    assert "fitted on 200 pairs of image and text in 12 dimensions" in text
    arguments = ["fix.safetensors", "stored.npy", "--side", documents, "--out", "moved.npy"]
    assert run("apply", *arguments, "--quiet") == 0
    assert "200 vectors moved into 1 file: moved.npy" in capsys.readouterr().out
    moved = np.load("moved.npy")
    assert moved.dtype == np.float16
    names = {"v": Y[5]}
    exec(printed_recipe(text, queries), names)
    fix = load_mitigation("fix.safetensors")
    if queries == "y":
        expected = fix.transform_x(X) @ fix.transform_y(Y[5])
    else:
        expected = fix.documents(X, "image") @ fix.queries(Y[5])
    scores = moved.astype(float) @ names["v"]
    best = np.argsort(-expected)[:10]
    # float16 moves scores by a thousandth.
    assert scores[best].min() > np.sort(scores)[-11] - 4e-3 * np.abs(expected).max()


def test_parameters_are_set(folder, capsys) -> None:
    settings = ["--set", "k=3", "--set", "by=gap"]
    assert run("fix", "pairs.npz", "--with", "ProjectOut", *settings, "--out", "f.safetensors") == 0
    assert load_file("f.safetensors")["removed_"].shape == (3, 12)
    assert "ProjectOut(by='gap', k=3)" in capsys.readouterr().out


@pytest.mark.parametrize("side", ["x", "y", "image", "text"])
def test_the_side_of_queries_is_chosen(folder, side: str) -> None:
    arguments = ["--with", "QueryCenter", "--queries", side, "--out", "f.safetensors"]
    assert run("fix", "pairs.npz", *arguments) == 0
    expected = {"x": X, "y": Y, "image": X, "text": Y}[side].mean(0)
    np.testing.assert_allclose(load_file("f.safetensors")["query_mean_"], expected, atol=1e-6)


def test_a_scale_is_fitted_to_queries_of_a_file(folder, capsys) -> None:
    asked = Y[:37] + 0.3 * X[:37]
    np.save("asked.npy", asked)
    arguments = ["--with", "ScoreScaling", "--set", "by=all", "--queries", "asked.npy"]
    assert run("fix", "pairs.npz", *arguments, "--out", "f.safetensors") == 0
    assert "37 queries of 'asked.npy' and 200 pairs" in capsys.readouterr().out
    scaling = load_mitigation("f.safetensors")
    asked = asked / np.linalg.norm(asked, axis=1, keepdims=True)
    for modality, rows in (("image", X), ("text", Y)):
        scores = asked @ (rows / np.linalg.norm(rows, axis=1, keepdims=True)).T
        assert scaling.scale_[modality] == pytest.approx(1 / scores.std(), rel=1e-4)
        assert scaling.offset_[modality] == pytest.approx(-scores.mean() / scores.std(), rel=1e-4)


@pytest.fixture
def corpus(folder):
    """A corpus as it is: more images than texts, none of which belongs to another, and queries."""
    rng = np.random.default_rng(3)
    drawn = {"images": 600, "texts": 400, "queries": 50, "new": 7}
    rows = {name: rng.normal(size=(n, 12)) + 0.5 for name, n in drawn.items()}
    rows["texts"][:, 0] += 3
    for name in rows:
        np.save(f"{name}.npy", rows[name])
    return {name: each / np.linalg.norm(each, axis=1, keepdims=True) for name, each in rows.items()}


def standardized(scores, chosen):
    return (scores - chosen.mean()) / chosen.std()


@pytest.mark.parametrize("by", ["all", "pseudo_positives", "pseudo-positives", None])
def test_a_corpus_without_pairs_is_put_on_one_scale(corpus, capsys, by) -> None:
    settings = ["--set", f"by={by}"] if by else []
    arguments = ["images.npy", "texts.npy", "--with", "ScoreScaling", *settings]
    assert run("fix", *arguments, "--queries", "queries.npy", "--out", "f.safetensors") == 0
    by = (by or "all").replace("-", "_")
    printed = capsys.readouterr().out
    assert printed.startswith(f"ScoreScaling(by='{by}'), fitted on ")
    assert "50 queries of 'queries.npy' and 600 rows of image and 400 of text in 12" in printed
    scaling = load_mitigation("f.safetensors")
    moved = {}
    for side, name in (("image", "images"), ("text", "texts"), ("queries", "new")):
        out = f"moved_{side}.npy"
        where = ["--side", side, "--out", out, "--quiet"]
        assert run("apply", "f.safetensors", f"{name}.npy", *where) == 0
        moved[side] = np.load(out)
    for side, name in (("image", "images"), ("text", "texts")):
        chosen = corpus["queries"] @ corpus[name].T
        if by == "pseudo_positives":
            chosen = chosen.max(axis=1)
        assert 1 / scaling.scale_[side] == pytest.approx(chosen.std(), rel=1e-5)
        mean = -scaling.offset_[side] / scaling.scale_[side]
        assert mean == pytest.approx(chosen.mean(), rel=1e-5)
        expected = standardized(corpus["new"] @ corpus[name].T, chosen)
        np.testing.assert_allclose(moved["queries"] @ moved[side].T, expected, atol=1e-4)


def test_a_side_of_a_corpus_without_pairs_serves_as_queries_but_for_themselves(corpus) -> None:
    arguments = ["images.npy", "texts.npy", "--with", "ScoreScaling", "--queries", "text"]
    assert run("fix", *arguments, "--out", "f.safetensors") == 0
    scaling = load_mitigation("f.safetensors")
    across = corpus["texts"] @ corpus["images"].T
    within = corpus["texts"] @ corpus["texts"].T
    others = within[~np.eye(400, dtype=bool)]
    assert 1 / scaling.scale_["image"] == pytest.approx(across.std(), rel=1e-5)
    assert 1 / scaling.scale_["text"] == pytest.approx(others.std(), rel=1e-5)
    assert 1 / scaling.scale_["text"] != pytest.approx(within.std(), rel=1e-4)


@pytest.mark.parametrize("name", ["QueryCenter", "CSLS"])
def test_other_corrections_of_scores_need_no_pairs(corpus, name: str) -> None:
    arguments = ["images.npy", "texts.npy", "--with", name, "--queries", "queries.npy"]
    assert run("fix", *arguments, "--out", "f.safetensors") == 0
    fitted = load_mitigation("f.safetensors")
    scores = fitted.queries(corpus["new"]) @ fitted.documents(corpus["texts"], "text").T
    if name == "CSLS":
        near = np.sort(corpus["texts"] @ corpus["queries"].T, axis=1)[:, -10:].mean(axis=1)
        expected = 2 * corpus["new"] @ corpus["texts"].T - near
    else:
        asked = corpus["new"] - corpus["queries"].mean(axis=0)
        stored = corpus["texts"] - corpus["texts"].mean(axis=0)
        lengths = np.outer(*(np.linalg.norm(rows, axis=1) for rows in (asked, stored)))
        expected = asked @ stored.T / lengths
    np.testing.assert_allclose(scores, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--with", "Center"], "Center() is fitted on pairs, row i of image and row i of text; "),
        (["--with", "NearestNeighborNormalization"], "got 600 and 400 rows: bring both sides"),
        (
            ["--with", "ScoreScaling", "--set", "by=positives"],
            "ScoreScaling(by='positives') is fitted on pairs",
        ),
    ],
)
def test_what_needs_pairs_says_so_in_one_line(corpus, folder, capsys, arguments, message) -> None:
    assert run("fix", "images.npy", "texts.npy", *arguments, "--out", "f.safetensors") == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (folder / "f.safetensors").exists()


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("ScoreScaling", ["--queries", "few.npy"], "'few.npy' has 5"),
        ("Center", ["--queries", "asked.npy"], "Center moves both sides"),
        (
            "ScoreScaling",
            ["--queries", "asked.npy", "--set", "by=positives"],
            "for by='positives'; take by='all'",
        ),
        ("ScoreScaling", ["--queries", "none.npy"], "a file of query vectors"),
    ],
)
def test_queries_that_do_not_fit_are_one_line(folder, capsys, name, arguments, message) -> None:
    np.save("few.npy", np.ones((3, 5)))
    np.save("asked.npy", Y[:7])
    assert run("fix", "pairs.npz", "--with", name, *arguments, "--out", "f.safetensors") == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (folder / "f.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--with", "Centre"], "did you mean 'Center'"),
        (["--with", "Center", "--set", "k=3"], "a parameter of Center (amount); got 'k=3'"),
        (["--with", "Center", "--set", "amount=much"], "amount as a finite number; got 'much'"),
        (["--with", "CSLS", "--set", "k=200"], "k as an integer from 1 to 199"),
        (["--with", "ScoreScaling", "--set", "by=positives"], "not the queries themselves"),
        (["--with", "ScoreScaling", "--queries", "sound"], "image, text, x, y; got 'sound'"),
    ],
)
def test_bad_fixes_are_one_line(folder, capsys, arguments: list[str], message: str) -> None:
    assert run("fix", "pairs.npz", *arguments, "--out", "fix.safetensors") == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (folder / "fix.safetensors").exists()


def test_bad_applications_are_one_line(folder, capsys) -> None:
    assert run("fix", "pairs.npz", "--with", "Center", "--out", "fix.safetensors") == 0
    np.save("other.npy", np.ones((3, 7)))
    (folder / "bad.safetensors").write_bytes(b"1234")
    capsys.readouterr()
    for fix, vectors, side, message in (
        ("fix.safetensors", "other.npy", "x", "7 dimensions; the correction is for 12"),
        ("fix.safetensors", "none.npy", "x", "none.npy does not exist"),
        ("fix.safetensors", "stored.npy", "image", "got 'image': x is the first side of"),
        ("bad.safetensors", "stored.npy", "x", "is damaged or no safetensors file"),
        ("stored.npy", "stored.npy", "x", "is damaged or no safetensors file"),
        ("pairs.npz", "stored.npy", "x", "is damaged or no safetensors file"),
    ):
        assert run("apply", fix, vectors, "--side", side, "--out", "moved.npy", "--quiet") == 2
        error = capsys.readouterr().err
        assert message in error
        assert error.count("\n") == 1
    assert not (folder / "moved.npy").exists()


@pytest.mark.parametrize("stored", ["stored.npy", "shards"])
def test_a_progress_bar_is_for_a_terminal(folder, capsys, monkeypatch, stored: str) -> None:
    (folder / "shards").mkdir()
    for name in ("one", "two"):
        np.save(f"shards/{name}.npy", X)
    assert run("fix", "pairs.npz", "--with", "Center", "--out", "f.safetensors") == 0
    arguments = ["f.safetensors", stored, "--side", "x", "--out"]
    assert run("apply", *arguments, f"a_{stored}") == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert run("apply", *arguments, f"b_{stored}") == 0
    assert "0/2" in capsys.readouterr().err or stored != "shards"
    assert run("apply", *arguments, f"c_{stored}", "--quiet") == 0
    assert capsys.readouterr().err == ""


def test_what_is_skipped_is_named_on_stderr(folder, capsys) -> None:
    assert run("fix", "pairs.npz", "--with", "Center", "--out", "fix.safetensors") == 0
    shards = folder / "shards"
    shards.mkdir()
    rows = X.copy()
    rows[3] = 0
    np.save(shards / "a.npy", rows)
    (shards / "b.npy").write_bytes(b"no such thing")
    arguments = ["fix.safetensors", "shards", "--side", "x", "--out", "moved", "--quiet"]
    assert run("apply", *arguments) == 2
    assert "row 3 has no direction" in capsys.readouterr().err
    assert run("apply", *arguments, "--skip-bad") == 0
    captured = capsys.readouterr()
    assert "left out b.npy" in captured.err
    assert "1 rows without direction are zeros (first: " in captured.err
    assert "shards/a.npy row 3)" in captured.err
    assert "200 vectors moved into 1 file" in captured.out
