"""The command ``report`` and the files that it writes, and what all commands share."""

import html
import json
import os
import pty
import re
import select
import shlex
import signal
import socket
import subprocess
import sys
import termios
import time
from contextlib import contextmanager
from pathlib import Path

import distributed
import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest

from gapbook import cli
from gapbook.exceptions import PairsError
from gapbook.geometry import gap_report
from gapbook.geometry.table import SAMPLE_SIZE
from gapbook.pairs import PairedEmbeddings, load_pairs
from gapbook.report.explain import explain
from gapbook.report.findings import CARRIES_SCORES
from gapbook.report.model import CLIP_TAU, mean_landscape
from gapbook.report.recommend import recommend_mitigations
from gapbook.report.tables import markdown_table

SUFFIXES = (".html", ".json", ".md", ".tex")


@pytest.fixture(scope="module")
def pairs():
    return load_pairs("glyphclip").subset(slice(0, 120))


@pytest.fixture(scope="module")
def table(pairs):
    return gap_report(pairs)


@pytest.fixture
def few_pairs(pairs):
    """So few that mitigations are not compared, which takes seconds."""
    return pairs.subset(slice(0, 24))


@pytest.fixture
def few_file(few_pairs, tmp_path):
    few_pairs.save(tmp_path / "mine.npz")
    return tmp_path / "mine.npz"


def run(*arguments):
    return cli.main(["report", "--quiet", *map(str, arguments)])


def strict_json(path):
    def refuse(word):
        raise ValueError(word)

    return json.loads(path.read_text(), parse_constant=refuse)


@pytest.fixture(scope="module")
def reported(pairs, tmp_path_factory):
    """The folder with a report on 120 pairs in every format."""
    folder = tmp_path_factory.mktemp("reported")
    pairs.save(folder / "mine.npz")
    options = ["--temperature", "0.05", "--modalities", "glyph", "name", "--name", "mine"]
    for suffix in SUFFIXES:
        options += ["--out", folder / f"report{suffix}"]
    assert run(folder / "mine.npz", *options) == 0
    return folder


def test_a_report_in_every_format_writes_these_files_and_no_others(reported):
    names = {path.name for path in reported.iterdir()}
    assert names == {"mine.npz", *(f"report{suffix}" for suffix in SUFFIXES)}
    assert (reported / "report.html").read_text().startswith("<!doctype html>")
    assert (reported / "report.tex").read_text().startswith("% needs \\usepackage{booktabs}")


def test_the_markdown_is_the_table_of_the_package(reported, table):
    expected = markdown_table(table, explain(table, ("glyph", "name")))
    assert f"\n\n{expected}\n" in (reported / "report.md").read_text()


def test_every_format_begins_with_the_same_lines_and_has_every_candidate(reported):
    content = strict_json(reported / "report.json")
    markdown = (reported / "report.md").read_text()
    latex = (reported / "report.tex").read_text()
    page = html.unescape((reported / "report.html").read_text())
    assert len(content["first_lines"]) == 11
    for line in content["first_lines"]:
        assert line in html.unescape(markdown)
        assert line in page
        assert line.replace("%", "\\%") in latex
    assert content["at_chance"] is False
    for row in content["candidates"]:
        assert row["words"] in html.unescape(markdown)
        assert row["words"] in latex
        assert row["words"] in page
        assert row["command"] in page


def test_commands_name_the_input_as_a_shell_takes_it(pairs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save("my images.npy", pairs.x)
    np.save("texts.npy", pairs.y)
    arguments = ["my images.npy", "texts.npy", "--modalities", "glyph", "full name"]
    assert run(*arguments, "--out", "report.json") == 0
    content = strict_json(tmp_path / "report.json")
    quoted = "gapbook fix 'my images.npy' texts.npy --modalities glyph 'full name' --with "
    assert "INPUT" not in (tmp_path / "report.json").read_text()
    assert any(quoted in line for line in content["first_lines"])
    for row in content["candidates"]:
        assert row["command"].startswith(quoted)
        fix = [
            word if word != "fix.safetensors" else "f.safetensors"
            for word in shlex.split(row["command"])
        ]
        if row["mitigation"] in ("Center", "ScoreScaling by all"):
            assert cli.main(fix[1:]) == 0
            assert (tmp_path / "f.safetensors").exists()


@pytest.mark.parametrize("name", ["ScoreScaling", "CSLS"])
def test_vectors_that_carry_scores_are_judged_elsewhere(pairs, tmp_path, monkeypatch, capsys, name):
    """Unit length hides CSLS: vectors are looked at as they are stored."""
    monkeypatch.chdir(tmp_path)
    pairs.save("pairs.npz")
    np.save("images.npy", pairs.x)
    np.save("texts.npy", pairs.y)
    assert cli.main(["fix", "pairs.npz", "--with", name, "--out", "f.safetensors"]) == 0
    first, second = pairs.modalities
    for file, side in (("images", first), ("texts", second)):
        moved = ["--side", side, "--out", f"moved_{file}.npy", "--quiet"]
        assert cli.main(["apply", "f.safetensors", f"{file}.npy", *moved]) == 0
    capsys.readouterr()
    files = ("moved_images.npy", "moved_texts.npy")
    assert run(*files, "--only", "measures") == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"* {CARRIES_SCORES}\n")
    assert "So one index" not in printed
    assert run("images.npy", "texts.npy", "--only", "measures") == 0
    printed = capsys.readouterr().out
    assert CARRIES_SCORES not in printed
    assert "So one index" in printed
    assert run(*files, "--out", "r.json") == 0
    content = strict_json(tmp_path / "r.json")
    assert content["carries_scores"] is True
    assert content["candidates"] == []


def test_every_format_has_the_cuts_and_the_calibration(reported):
    content = strict_json(reported / "report.json")
    markdown = html.unescape((reported / "report.md").read_text())
    latex = (reported / "report.tex").read_text()
    page = html.unescape((reported / "report.html").read_text())
    assert [row["false_share"] for row in content["thresholds"]] == [0.1, 0.01, 0.001]
    for row in content["thresholds"]:
        kept = f"{100 * row['kept']:.1f} %"
        assert kept in markdown
        assert kept in page
        assert kept.replace("%", "\\%") in latex
    assert [row["direction"] for row in content["answer_present"]] == [
        "image_to_text",
        "text_to_image",
    ]
    scale = f"exp(-({content['calibration']['scale']:#.4g} c"
    assert scale in markdown
    assert scale in page
    assert scale in latex


def test_a_condition_that_holds_is_named_and_ends_with_1(few_file, tmp_path, capsys):
    options = [few_file, "--only", "measures", "--out", tmp_path / "r.json"]
    assert run(*options, "--fail-if", "r1<0", "--fail-if", "n_pairs>24") == 0
    assert capsys.readouterr().err == ""
    assert run(*options, "--fail-if", "r1<0", "--fail-if", "n_pairs>=24") == 1
    assert capsys.readouterr().err == "gapbook: failed, n_pairs >= 24: it is 24\n"
    assert (tmp_path / "r.json").exists()
    for text in ("r1=1", "recall<1"):
        assert run(*options, "--fail-if", text) == 2
        assert "Expected a " in capsys.readouterr().err


def test_only_measures_are_written_where_asked_for(few_file, tmp_path):
    assert run(few_file, "--only", "measures", "--out", tmp_path / "r.json") == 0
    content = strict_json(tmp_path / "r.json")
    assert content["landscape"] == content["candidates"] == []
    assert content["metrics"]


def test_the_json_has_the_measures_with_their_words(reported, table):
    content = strict_json(reported / "report.json")
    metrics = pd.DataFrame(content["metrics"])
    assert content["modalities"] == ["glyph", "name"]
    assert metrics["metric"].tolist() == table["metric"].tolist()
    for column in ("value", "low", "high"):
        np.testing.assert_allclose(metrics[column].astype(float), table[column], atol=1e-9)
    assert metrics["meaning"].all()


def test_the_json_has_landscape_recommendations_references_and_notes(reported, pairs):
    content = strict_json(reported / "report.json")
    written = pd.DataFrame(content["landscape"])
    landscape = mean_landscape(pairs, written["delta"], 0.05)
    for column in ("loss", "loss_std"):
        np.testing.assert_allclose(written[column], landscape[column], atol=1e-9)
    recommended = recommend_mitigations(pairs)
    pd.testing.assert_frame_equal(pd.DataFrame(content["recommendations"]), recommended)
    relative = content["references"]["clip-coco"]["relative_modality_gap"]
    assert relative == pytest.approx(0.5915, abs=5e-5)
    assert content["notes"][0] == "120 pairs."
    assert content["notes"][-1].startswith(
        "Landscape: the mean over 5 random orders of the rows, in batches of 50"
    )


def test_pairs_without_a_gap_get_a_report_and_a_note(tmp_path):
    rows = np.random.default_rng(0).normal(size=(24, 8))
    PairedEmbeddings(rows, rows).save(tmp_path / "same.npy")
    outputs = ["--out", tmp_path / "r.json", "--out", tmp_path / "r.html"]
    assert run(tmp_path / "same.npy", *outputs) == 0
    content = strict_json(tmp_path / "r.json")
    assert content["landscape"] == []
    notes = " ".join(content["notes"])
    assert "No loss landscape: Expected a gap" in notes
    assert (tmp_path / "r.html").read_text().count("<img") == 3


def test_few_pairs_get_a_report_and_a_note(few_file, tmp_path):
    assert run(few_file, "--out", tmp_path / "r.json", "--out", tmp_path / "r.html") == 0
    content = strict_json(tmp_path / "r.json")
    assert content["recommendations"] == []
    assert "With fewer than 30 pairs the intervals mean little." in content["notes"]
    assert "No comparison of mitigations: Expected at least 32 pairs; got 24." in content["notes"]
    assert "These pairs are too few" in (tmp_path / "r.html").read_text()


def test_rows_that_are_there_more_than_once_get_a_note(tmp_path, capsys):
    """Three captions an image: two others tie with each partner, so that recall at 1 is 0."""
    images, texts = np.random.default_rng(0).standard_normal((2, 24, 8))
    several = PairedEmbeddings(np.repeat(images[:8], 3, axis=0), texts)
    several.save(tmp_path / "several.npz")
    assert run(tmp_path / "several.npz") == 0
    printed = capsys.readouterr().out
    assert "24 pairs hold 8 distinct image rows and 24 distinct text rows" in printed
    assert "ties count against recall" in printed
    assert "Keep one pair for each image, as one caption an image." in printed


def test_a_name_that_a_terminal_would_obey_is_printed_as_text(few_file, tmp_path, capsys):
    out = tmp_path / "\x1b[31mred.md"
    assert run(few_file, "--out", out) == 0
    assert out.exists()
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert printed.splitlines()[-1].endswith(r"/\x1b[31mred.md'")


def test_without_out_notes_and_table_are_printed(few_file, capsys):
    assert run(few_file) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("* Recall at 1 among 24: ")
    assert "\n24 pairs.\n\n" in printed.out
    assert printed.err == ""
    assert "\n\nLandscape: " in printed.out
    assert "\n\nTemperature 0.01 is assumed" in printed.out
    assert "\n\n| measure " in printed.out


def test_the_file_of_the_other_side_may_stand_after_options(few_pairs, tmp_path, capsys):
    for name in ("x", "y"):
        np.save(tmp_path / f"{name}.npy", getattr(few_pairs, name))
    files = (tmp_path / "x.npy", tmp_path / "y.npy")
    options = ("--only", "measures", "--out", tmp_path / "r.json")
    assert run(files[0], *options, files[1]) == 0
    late = strict_json(tmp_path / "r.json")["metrics"]
    assert run(*files, *options) == 0
    assert late == strict_json(tmp_path / "r.json")["metrics"]
    with pytest.raises(SystemExit) as stop:
        run(*files, *options, "more.npy")
    assert stop.value.code == 2
    assert "more.npy: put all files before the options" in capsys.readouterr().err


def test_a_models_own_scale_and_bias_are_judged_in_a_note(few_file, tmp_path):
    options = ["--only", "measures", "--logit-scale", "50", "--logit-bias", "-12.5"]
    assert run(few_file, *options, "--out", tmp_path / "r.json") == 0
    notes = strict_json(tmp_path / "r.json")["notes"]
    assert notes[-1].startswith("The model's own probability of a match, 1 / (1 + exp(-(50.00 c -")


def test_a_progress_bar_is_on_stderr_only_and_on_a_terminal(few_file, capsys, monkeypatch):
    assert cli.main(["report", str(few_file)]) == 0
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert cli.main(["report", str(few_file)]) == 0
    printed = capsys.readouterr()
    assert "landscape: " in printed.err
    assert " left" in printed.err
    assert "landscape" not in printed.out


def test_columns_of_a_parquet_file_have_names(few_pairs, tmp_path):
    sides = {"v": list(few_pairs.x), "t": list(few_pairs.y)}
    pyarrow.parquet.write_table(pyarrow.table(sides), tmp_path / "p.parquet")
    assert run(tmp_path / "p.parquet", "--columns", "v", "t", "--out", tmp_path / "r.json") == 0
    metrics = pd.DataFrame(strict_json(tmp_path / "r.json")["metrics"]).set_index("metric")
    expected = gap_report(few_pairs, replicates=2).set_index("metric")
    gap = metrics.loc["modality_gap", "value"]
    assert gap == pytest.approx(expected.loc["modality_gap", "value"], abs=1e-9)


def damaged_files(folder):
    """Yield names, contents and a part of the message."""
    good = PairedEmbeddings(np.eye(8), np.eye(8))
    for suffix in (".npz", ".npy", ".safetensors"):
        good.save(folder / f"good{suffix}")
        content = (folder / f"good{suffix}").read_bytes()
        yield f"cut{suffix}", content[: len(content) // 2], "damaged"
        yield f"empty{suffix}", b"", "is empty: write it again"
        yield f"noise{suffix}", bytes(range(256)), "damaged"
    yield "cut.parquet", b"PAR1 and no more", "damaged"
    yield "none.npz", b"", "none.npz is empty"
    yield "pickled.npy", b"\x80\x04N.", "pickled"
    yield "model.pt", b"\x80\x04N.", "unpickling can run any code"
    yield "table.csv", b"a,b\n", "Expected the keys x and y"
    yield "words.txt", b"a,b\n", "Expected a file ending in .npz, .npy, .safetensors, .parquet"


def unfit_files(folder):
    """Write files that are sound and hold no pairs; yield names and a part of the message."""
    np.save(folder / "shape.npy", np.ones((3, 4, 5)))
    yield "shape.npy", "(3, 4, 5)"
    np.savez(folder / "rows.npz", x=np.ones((4, 5)), y=np.ones((3, 5)))
    yield "rows.npz", "(4, 5) and (3, 5)"
    np.savez(folder / "objects.npz", x=np.array([{}, {}], object), y=np.ones((2, 5)))
    yield "objects.npz", "pickled"
    np.savez(folder / "named.npz", image=np.ones((4, 5)), text=np.ones((4, 5)))
    yield "named.npz", "got image, text"
    yield "named.npz", "in the shell --columns"
    (folder / "folder").mkdir()
    yield "folder", "there are none"
    yield "no.npz", "does not exist"


def test_files_that_cannot_be_read_are_refused_in_one_line(tmp_path, capsys):
    messages = []
    for name, content, message in damaged_files(tmp_path):
        (tmp_path / name).write_bytes(content)
        messages.append((name, message))
    messages += unfit_files(tmp_path)
    for name, message in messages:
        status = cli.main(["report", str(tmp_path / name), "--out", str(tmp_path / "r.html")])
        assert status == 2, name
        printed = capsys.readouterr()
        assert printed.err.startswith("gapbook: "), name
        assert printed.err.count("\n") == 1, printed.err
        assert message in printed.err
        assert "Traceback" not in printed.err
        assert printed.out == ""
        assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required"),
        (["report"], "input"),
        (
            ["report", "a.npz", "--out", "r.pdf"],
            "expected a path ending in .html, .json, .md, .tex; got 'r.pdf'",
        ),
        (["report", "a.npz", "--out", "no/where/r.html"], "the folder 'no/where' does not exist"),
        (["report", "a.npz", "--out", ""], "ending in .html, .json, .md, .tex; got ''"),
        (["report", "a.npz", "--out", "{folder}.html"], "expected a file to write; "),
        (["report", ""], "expected a file or a folder; got an empty path"),
        (["report", "a.npz", "--temperature", "0"], "expected a number from 1e-6 to 1e6; got '0'"),
        (["report", "a.npz", "--temperature", "nan"], "1e-6 to 1e6; got 'nan'"),
        (["report", "a.npz", "--seed", "-1"], "expected an integer from 0 to 4294967295; got '-1'"),
        (["report", "a.npz", "--seed", "4294967296"], "0 to 4294967295; got '4294967296'"),
        (["report", "a.npz", "--seed", "9" * 10_000], "0 to 4294967295; got '9999"),
        (["report", "a.npz", "--sample", "1.5"], "expected an integer of at least 0; got '1.5'"),
        (["report", "a.npz", "--sample", "9" * 10_000], "an integer of at least 0; got '9999"),
        (["report", "a.npz", "--name", ""], "argument --name: expected a name; got ''"),
        (["report", "a.npz", "--scheduler", ""], "--scheduler: expected a name; got ''"),
        (
            ["report", "a.npz", "--modalities", " ", "text"],
            "--modalities: expected a name; got ' '",
        ),
        (["report", "a.npz", "--columns", "x", ""], "--columns: expected a name; got ''"),
        (["list", "more"], "unrecognized"),
        (["list", "\x1b[31mred"], "unrecognized arguments: \\x1b[31mred"),
        (["list", "x" * 100_000], "unrecognized"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(arguments, message, tmp_path, capsys):
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(SystemExit) as stop:
        cli.main([argument.format(folder=tmp_path / "folder") for argument in arguments])
    printed = capsys.readouterr().err
    assert stop.value.code == 2
    assert message in printed
    assert printed.count("\n") == 1
    assert len(printed) < 1100


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--sample", "5"], "--scheduler, --sample and --skip-bad are for a folder of shards"),
        (["--skip-bad"], "--scheduler, --sample and --skip-bad are for a folder of shards"),
        (["--modalities", "a", "a"], "two different names for --modalities; got 'a' twice"),
        (["--logit-scale", "100"], "--logit-scale and --logit-bias together"),
        (["--columns", "x", "x"], "two different names for --columns; got 'x' twice"),
    ],
)
def test_options_that_do_not_fit_are_refused(few_file, options, message, capsys):
    assert run(few_file, *options) == 2
    assert message in capsys.readouterr().err


def test_an_output_that_cannot_be_written_leaves_files_as_they_were(few_file, tmp_path, capsys):
    """The limit on the size of files stands for a full disk: a part of the file is written."""
    resource = pytest.importorskip("resource")
    (tmp_path / "r.json").write_text("before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        status = run(few_file, "--out", tmp_path / "r.json")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert status == 2
    message = capsys.readouterr().err
    assert "cannot write" in message
    assert "an earlier file there is unchanged" in message
    assert (tmp_path / "r.json").read_text() == "before"
    assert {path.name for path in tmp_path.iterdir()} == {"mine.npz", "r.json"}


def test_of_two_outputs_none_is_written_where_one_cannot_be(few_file, tmp_path, capsys):
    resource = pytest.importorskip("resource")
    (tmp_path / "r.tex").write_text("before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The table is smaller, the page larger.
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        outputs = ["--out", tmp_path / "r.tex", "--out", tmp_path / "r.html"]
        status = run(few_file, *outputs)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert status == 2
    assert re.search(r"cannot write .*r\.html", capsys.readouterr().err)
    assert (tmp_path / "r.tex").read_text() == "before"
    assert {path.name for path in tmp_path.iterdir()} == {"mine.npz", "r.tex"}


def test_an_output_ends_as_it_likes_in_capitals(few_file, tmp_path):
    assert run(few_file, "--out", tmp_path / "R.JSON", "--out", tmp_path / "R.Tex") == 0
    assert strict_json(tmp_path / "R.JSON")["name"] == "mine"
    assert (tmp_path / "R.Tex").read_text().startswith("% needs")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("pipe.npz", "is a named pipe"),
        ("loop.npz", "is a link that leads back to itself"),
        ("dangling.npz", "is a link to what does not exist"),
        ("\x1b[31m.npz", "/\\x1b[31m.npz' does not exist"),
        ("caf\udce9.npz", "/caf\\udce9.npz' does not exist"),
    ],
)
def test_what_is_no_file_is_named_as_what_it_is(tmp_path, name, problem, capsys):
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "loop.npz").symlink_to(tmp_path / "loop.npz")
    (tmp_path / "dangling.npz").symlink_to(tmp_path / "nowhere")
    assert run(tmp_path / name) == 2
    printed = capsys.readouterr().err
    assert printed.endswith(f"{problem}\n")
    assert printed[:-1].isprintable()


@pytest.fixture
def failing(monkeypatch):
    """Let the reading of pairs raise an error."""

    def fail_with(error):
        def load(*_, **__):
            raise error

        monkeypatch.setattr(PairedEmbeddings, "from_groups", load)

    return fail_with


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (
            NotImplementedError("copy_"),
            "unexpected NotImplementedError: copy_ (--debug shows where)",
        ),
        (RecursionError(), "unexpected RecursionError (--debug shows where)"),
        (KeyError("x\x1b[31m\ny"), r"unexpected KeyError: 'x\x1b[31m\ny' (--debug shows where)"),
        (MemoryError(), "not enough memory"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: 28800000000 bytes"),
            "not enough memory: DefaultCPUAllocator: can't allocate memory: 28800000000 bytes",
        ),
        (ValueError("two\nlines\x1b[31m"), r"unexpected ValueError: two lines\x1b[31m (--debug"),
        (OSError(5, "Input/output error"), "[Errno 5] Input/output error"),
        (ValueError("x" * 100_000), "unexpected ValueError: xxx"),
    ],
)
def test_any_error_is_one_line(few_file, failing, error, line, capsys):
    failing(error)
    assert run(few_file) == 2
    printed = capsys.readouterr().err
    assert printed.startswith(f"gapbook: {line}")
    assert printed.count("\n") == 1
    assert printed[:-1].isprintable()
    assert len(printed) < 1100


def test_debug_shows_where_an_error_happened_and_what_it_hides(few_file, monkeypatch, capsys):
    def load(*_, **__):
        try:
            raise NotImplementedError("copy_")
        except NotImplementedError:
            raise PairsError("Expected numbers") from None

    monkeypatch.setattr(PairedEmbeddings, "from_groups", load)
    assert run(few_file, "--debug") == 2
    printed = capsys.readouterr().err
    assert "NotImplementedError: copy_" in printed
    assert "Traceback" in printed
    assert printed.endswith("gapbook: Expected numbers\n")


@pytest.mark.parametrize("becomes", [KeyboardInterrupt, ImportError])
def test_an_interruption_counts_even_if_a_library_makes_it_an_error(
    few_file, monkeypatch, becomes, capsys
):
    def load(*_, **__):
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            raise becomes from None

    monkeypatch.setattr(PairedEmbeddings, "from_groups", load)
    assert run(few_file) == 130
    assert capsys.readouterr().err == "gapbook: interrupted; nothing was written\n"


def test_an_interruption_has_a_line_of_its_own_where_a_bar_could_not_be_closed(
    few_file, monkeypatch, capsys
):
    """The signal comes after the bar is drawn and before anyone can close it."""

    def load(*_, **__):
        print("measures:   0%|    |", end="", file=sys.stderr)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(PairedEmbeddings, "from_groups", load)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert run(few_file) == 130
    lines = capsys.readouterr().err.split("\r")
    assert lines[-1] == "gapbook: interrupted; nothing was written\n"
    # Blanks over the bar.
    assert len(lines[-2]) > 40
    assert lines[-2].isspace()


@pytest.mark.parametrize("kind", ["constant", "few", "narrow"])
def test_libraries_do_not_flood_the_terminal(tmp_path, kind, capfd):
    """Where fits do not converge and densities are those of a point."""
    rows = np.random.default_rng(0).normal(size=(2, 40, 1 if kind == "narrow" else 8))
    if kind == "constant":
        rows[:] = rows[:, :1]
    elif kind == "few":
        rows = rows[:, np.arange(40) % 3]
    np.save(tmp_path / "a.npy", rows)
    assert run(tmp_path / "a.npy", "--out", tmp_path / "r.html") == 0
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    "names",
    [
        ("US$ image", "US$ text"),
        ("a$x_{$", r"$\frac$"),
        ("_image", "_text"),
        ("\u56fe\u50cf", "\u0635\u0648\u0631\u0629"),
        ("x" * 80, "\U0001f600"),
        ("<b>&", "{{ 7 * 7 }} \\input"),
    ],
)
def test_any_names_of_the_sides_make_a_page(few_file, tmp_path, names, capfd):
    assert run(few_file, "--modalities", *names, "--out", tmp_path / "r.html") == 0
    assert capfd.readouterr().err == ""
    page = (tmp_path / "r.html").read_text()
    for name in names:
        assert html.escape(f"{name} and ", quote=False)[:200] in page or name == names[1]
    assert page.count("<img") == 4


def test_escapes_in_names_do_not_reach_the_terminal(few_pairs, tmp_path, capsys):
    np.savez(
        tmp_path / "a.npz",
        x=few_pairs.x,
        y=few_pairs.y,
        meta=json.dumps({"modalities": ["\x1b[31mred", "text"]}),
    )
    run(tmp_path / "a.npz")
    printed = capsys.readouterr()
    assert "\x1b" not in printed.out + printed.err


def run_process(*arguments, redirections="", **variables):
    """Run the command as a process of a shell."""
    command = [sys.executable, "-m", "gapbook", "report", "--quiet", *arguments]
    line = f'exec "$@" {redirections}'
    return subprocess.run(
        ["sh", "-c", line, "sh", *map(os.fsencode, command)],
        capture_output=True,
        env=os.environ | variables,
        timeout=120,
    )


@pytest.mark.slow
@pytest.mark.parametrize("redirections", ["2>&-", "<&- >&- 2>&-"])
def test_standard_streams_may_be_closed(few_file, tmp_path, redirections):
    done = run_process(few_file, "--out", tmp_path / "r.json", redirections=redirections)
    assert done.returncode == 0
    assert strict_json(tmp_path / "r.json")["notes"]
    done = run_process(few_file, "--seed", "x", redirections=redirections)
    assert done.returncode == 2


@pytest.mark.slow
def test_figures_need_no_screen_and_no_notebook(few_file, tmp_path):
    variables = {
        "MPLBACKEND": "module://no_such_package.backend_inline",
        "DISPLAY": ":99",
    }
    done = run_process(few_file, "--out", tmp_path / "r.html", **variables)
    assert done.returncode == 0
    assert done.stderr == b""
    assert (tmp_path / "r.html").read_text().count("<img") == 4


@pytest.mark.slow
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_names_are_those_of_the_user_in_any_locale(few_file, tmp_path, locale):
    variables = {"LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    # Latin-1, as old archives have it.
    odd = few_file.rename(few_file.with_name("caf\udce9.npz"))
    outputs = ["--out", tmp_path / "gr\u00f6\u00dfe.html", "--out", tmp_path / "r.json"]
    done = run_process(
        odd, "--modalities", "gr\u00f6\u00dfe", "\u56fe\u50cf", *outputs, **variables
    )
    assert done.returncode == 0
    assert done.stderr == b""
    content = strict_json(tmp_path / "r.json")
    assert content["modalities"] == ["gr\u00f6\u00dfe", "\u56fe\u50cf"]
    assert content["name"] == "caf\ufffd"
    page = (tmp_path / "gr\u00f6\u00dfe.html").read_text()
    assert "gr\u00f6\u00dfe and \u56fe\u50cf lie" in page or "Gr\u00f6\u00dfe" in page


@pytest.mark.slow
def test_the_table_prints_in_an_encoding_without_dashes(tmp_path):
    rows = np.random.default_rng(0).normal(size=(24, 8))
    np.save(tmp_path / "same.npy", np.stack([rows, rows]))
    names = ["--modalities", "gr\u00f6\u00dfe", "text"]
    done = run_process(tmp_path / "same.npy", *names, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert done.stderr == b""
    assert b" - |" in done.stdout
    assert b"gr\\xf6\\xdfe" in done.stdout


@contextmanager
def on_a_terminal(arguments):
    """Run the command with a terminal for stderr, and yield it with a function that reads there.

    The function returns what is printed until a pattern comes, or until the command ends.
    """
    command = Path(sys.executable).with_name("gapbook")
    shown, terminal = pty.openpty()
    # In a terminal without a size nothing is shown.
    termios.tcsetwinsize(terminal, (24, 80))
    process = subprocess.Popen([command, "report", *map(str, arguments)], stderr=terminal)
    os.close(terminal)

    def read(until=None):
        printed = ""
        while until is None or not re.search(until, printed):
            if not select.select([shown], [], [], 120)[0]:
                pytest.fail(printed)
            try:
                letter = os.read(shown, 1)
            # A terminal that no process has open any more cannot be read.
            except OSError:
                letter = b""
            if not letter:
                break
            printed += letter.decode(errors="replace")
        if until is None:
            process.wait(120)
        else:
            assert re.search(until, printed), printed
        return printed

    try:
        yield process, read
    finally:
        process.kill()
        process.wait()
        os.close(shown)


@pytest.mark.parametrize("stage", ["loading", "landscape"])
def test_an_interruption_leaves_files_as_they_were(few_file, tmp_path, stage):
    """The command itself, since Python may see an interruption in a library of its own."""
    (tmp_path / "r.html").write_text("before")
    outputs = ["--out", tmp_path / "r.html", "--out", tmp_path / "r.json"]
    with on_a_terminal([few_file, *outputs]) as (process, read):
        read(stage)
        process.send_signal(signal.SIGINT)
        printed = read()
    assert process.returncode == 130
    assert printed.endswith("gapbook: interrupted; nothing was written\r\n")
    assert "Traceback" not in printed
    assert {path.name for path in tmp_path.iterdir()} == {"mine.npz", "r.html"}
    assert (tmp_path / "r.html").read_text() == "before"


@pytest.fixture(scope="module")
def scheduler():
    """The address of a scheduler with one worker, in this process."""
    with distributed.LocalCluster(
        processes=False,
        n_workers=1,
        threads_per_worker=1,
        dashboard_address="127.0.0.1:0",
        protocol="tcp",
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def folder_of_shards(pairs, tmp_path):
    """Three sound shards of 40 pairs and a damaged one."""
    folder = tmp_path / "shards"
    folder.mkdir()
    for i in range(3):
        pairs.subset(slice(40 * i, 40 * i + 40)).save(folder / f"{i}.npy")
    (folder / "bad.npy").write_bytes(b"x")
    return folder


def test_a_damaged_shard_stops_the_command(folder_of_shards, scheduler, tmp_path, capsys):
    out = tmp_path / "r.json"
    assert run(folder_of_shards, "--scheduler", scheduler, "--out", out) == 2
    assert not out.exists()
    assert re.match(r"gapbook: shard bad.npy: .*--skip-bad\n$", capsys.readouterr().err)


def test_a_folder_is_measured_without_its_damaged_shards(
    folder_of_shards, scheduler, table, tmp_path, capsys
):
    out = tmp_path / "r.json"
    options = ["--scheduler", scheduler, "--skip-bad", "--sample", "24", "--out", out]
    assert run(folder_of_shards, *options, "--out", tmp_path / "r.html") == 0
    skipped = r"^gapbook: Bad, and left out: 1 \(bad.npy\) of 4 shards\.$"
    assert re.search(skipped, capsys.readouterr().err, re.MULTILINE)
    content = strict_json(out)
    assert content["notes"][0] == "120 pairs in 3 shards."
    assert "bad.npy" in " ".join(content["notes"])
    assert list(content["skipped"]) == ["bad.npy"]
    metrics = pd.DataFrame(content["metrics"]).set_index("metric")
    expected = table.set_index("metric").loc["modality_gap", "value"]
    assert metrics.loc["modality_gap", "value"] == pytest.approx(expected, abs=1e-9)
    assert metrics.loc["n_sampled", "value"] == 24
    assert metrics.loc["mmd", "pairs"] == 24
    assert metrics.loc["cka", "pairs"] == 120
    assert "24 candidates" in metrics.loc["r5_image_to_text", "meaning"]


@pytest.mark.slow
def test_a_folder_is_measured_on_this_machine_without_a_scheduler(few_pairs, tmp_path):
    few_pairs.save(tmp_path / "a.npy")
    assert run(tmp_path, "--out", tmp_path / "r.json") == 0
    assert strict_json(tmp_path / "r.json")["notes"][0] == "24 pairs in 1 shards."


@pytest.mark.parametrize(
    "address",
    [
        "unknown://127.0.0.1:1",
        # It is asked again and again for ten seconds.
        pytest.param("tcp://127.0.0.1:1", marks=pytest.mark.slow),
    ],
)
def test_no_scheduler_at_the_address_is_one_line(few_pairs, tmp_path, address, capsys):
    few_pairs.save(tmp_path / "a.npy")
    assert run(tmp_path, "--scheduler", address) == 2
    assert f"Expected a Dask scheduler at '{address}'" in capsys.readouterr().err


@pytest.fixture(scope="module")
def many_shards(tmp_path_factory):
    """A folder whose shards take some time."""
    folder = tmp_path_factory.mktemp("many")
    rows = np.random.default_rng(0).normal(size=(2, 40, 64)).astype(np.float32)
    for number in range(1500):
        np.save(folder / f"{number:04}.npy", rows)
    return folder


def run_until(stage, arguments, then):
    """Run the command until a stage, do something; return its status and what else it prints."""
    with on_a_terminal(arguments) as (process, read):
        printed = read(stage)
        start = time.monotonic()
        then(process)
        printed += read()
    # Half of it, on a machine that does nothing else.
    assert time.monotonic() - start < 60
    # The progress bar goes back to the start of its line, which is read as an end of a line.
    lines = [line for line in printed.splitlines() if line.strip() and "shards: " not in line]
    return process.returncode, lines


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["shards: +0%", "shards: +[1-9]"])
def test_an_interruption_while_shards_are_measured_is_one_line(many_shards, stage):
    status, lines = run_until(stage, [many_shards], interrupt)
    assert status == 130
    assert lines == ["gapbook: interrupted; nothing was written"]


def interrupt(process):
    process.send_signal(signal.SIGINT)


@pytest.fixture
def scheduler_process(tmp_path):
    """A scheduler in a process of its own, with a worker in another; its address."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    dask = [Path(sys.executable).with_name("dask")]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    place = ["--host", "127.0.0.1", "--port", str(port), "--dashboard-address", "127.0.0.1:0"]
    one = ["--nworkers", "1", "--nthreads", "1", "--no-dashboard", "--local-directory", tmp_path]
    scheduler = subprocess.Popen([*dask, "scheduler", *place], **quiet)
    worker = subprocess.Popen([*dask, "worker", address, *one], **quiet)
    yield address, scheduler, worker
    for process in (worker, scheduler):
        process.terminate()
        process.wait(60)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lost", "message"),
    [
        (0, "the Dask scheduler was lost"),
        (1, "the Dask scheduler has had no workers for 15 seconds: "),
    ],
)
def test_the_loss_of_scheduler_or_workers_is_one_line(
    many_shards, scheduler_process, lost, message
):
    address, *processes = scheduler_process
    arguments = [many_shards, "--scheduler", address]
    status, lines = run_until("shards: +[1-9]", arguments, lambda _: processes[lost].terminate())
    assert status == 2
    assert len(lines) == 1
    assert lines[0].startswith(f"gapbook: {message}")


@pytest.mark.parametrize(
    ("arguments", "example"),
    [
        (["--help"], "gapbook fetch clasp-uniprot"),
        (["report", "--help"], "--scheduler tcp://"),
    ],
)
def test_help_shows_examples_and_exit_codes(arguments, example, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(arguments)
    printed = capsys.readouterr().out
    assert stop.value.code == 0
    assert example in printed
    assert "  130  interrupted" in printed
    assert max(map(len, printed.splitlines())) <= 110


def test_help_names_the_defaults_of_the_package(capsys):
    with pytest.raises(SystemExit):
        cli.main(["report", "--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert f"(default: {CLIP_TAU:g}, CLIP's)" in printed
    assert f"pairs for what sums cannot give (default: {SAMPLE_SIZE})" in printed
