"""The command line and the pages that it writes."""

import contextlib
import json
import re
import signal
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import distributed
import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest

from gapbook import cli
from gapbook.geometry import gap_report
from gapbook.landscape import loss_landscape
from gapbook.pairs import PairedEmbeddings, load_pairs
from gapbook.published import locate
from gapbook.report import model, references
from gapbook.report.explain import MEANINGS, explain
from gapbook.report.model import report_on
from gapbook.report.page import to_html
from gapbook.report.paste import latex_table, markdown_table
from gapbook.report.payoff import USES, candidates, payoff
from gapbook.shards import cluster
from gapbook.tradeoffs import held_out


@pytest.fixture(scope="module")
def pairs():
    return load_pairs("glyphclip").subset(slice(0, 120))


@pytest.fixture
def file(pairs, tmp_path):
    pairs.save(tmp_path / "mine.npz")
    return tmp_path / "mine.npz"


def run(*arguments):
    return cli.main(["report", "--quiet", *map(str, arguments)])


def strict_json(path):
    def refuse(word):
        raise ValueError(word)

    return json.loads(path.read_text(), parse_constant=refuse)


class Page(HTMLParser):
    """Collects every element with its attributes, and checks that elements close in order."""

    def __init__(self, text):
        super().__init__()
        self.found, self.open, self.text = [], [], []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def test_a_report_in_every_format(file, pairs, tmp_path):
    outs = [tmp_path / f"report{suffix}" for suffix in cli.FORMATS]
    given = ["--temperature", "0.05", "--modalities", "glyph", "name", "--name", "mine"]
    assert run(file, *given, *(part for out in outs for part in ("--out", out))) == 0
    table = gap_report(pairs)
    content = strict_json(outs[1])
    assert content["modalities"] == ["glyph", "name"] and content["notes"] == ["120 pairs."]
    assert [row["metric"] for row in content["metrics"]] == table["metric"].tolist()
    for column in ("value", "low", "high"):
        found = np.array([row[column] for row in content["metrics"]], float)
        np.testing.assert_allclose(found, table[column], atol=1e-9)
    assert all(row["meaning"] for row in content["metrics"])
    assert content["references"]["clip-coco"]["relative_modality_gap"] == pytest.approx(0.5915, abs=5e-5)
    expected = payoff(pairs)
    assert [row["mitigation"] for row in content["payoff"]] == expected["mitigation"].tolist()
    deltas = [row["delta"] for row in content["landscape"]]
    curve = loss_landscape(pairs.x, pairs.y, deltas, [0.05])
    np.testing.assert_allclose([row["loss"] for row in content["landscape"]], curve["loss"], atol=1e-9)
    assert outs[2].read_text() == markdown_table(table, explain(table, ("glyph", "name")))
    assert outs[3].read_text().startswith("% needs \\usepackage{booktabs}")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([file.name, *(out.name for out in outs)])


def test_the_page_needs_nothing_else_and_is_readable(pairs):
    report = report_on(pairs, "<script>alert('mine')</script>")
    text = to_html(report)
    page, said = Page(text), " ".join(Page(text).text)
    tags = [tag for tag, _ in page.found]
    assert "script" not in tags and "link" not in tags and "<script>alert('mine')</script>" in said
    images = [attrs for tag, attrs in page.found if tag == "img"]
    assert len(images) == 4 and all(image["src"].startswith("data:image/png;base64,") for image in images)
    gap = report.value("modality_gap")
    assert f"{gap:.3f}" in images[0]["alt"] and all(re.search(r"\d", image["alt"]) for image in images)
    assert not re.search(r"(?:src|href)=\"(?!data:)|url\(|@import|https?://", text)
    assert "prefers-color-scheme: dark" in text and ("html", {"lang": "en"}) in page.found
    for row in report.explained.itertuples():
        assert row.label in said and row.meaning in said and row.advice in said
    assert all(use in said for use in USES.values()) and "ProcrustesAlign" in said
    assert "\\toprule" in said and "| :-- |" in said and "glyphclip-init" in said
    assert len(text) < 400_000


def test_every_measure_is_explained_and_has_references(pairs):
    metrics = gap_report(pairs, replicates=2)["metric"].tolist()
    said = explain(gap_report(pairs, replicates=2), ("sound", "score"))
    assert said["metric"].tolist() == metrics
    words = " ".join(said[["label", "meaning", "advice"]].to_numpy().ravel())
    assert "{" not in words and "image" not in words and said["label"].is_unique
    assert said.set_index("metric").loc["cosine_within_y", "label"] == "Cosine within, score"
    assert said.set_index("metric").loc["hubness_text_to_image", "label"] == "Hubness, score to sound"
    kept = references.references()
    assert {*kept["source"]} == {*references.SOURCES}
    assert all(part["metric"].tolist() == metrics for _, part in kept.groupby("source"))
    for label, meaning, advice in MEANINGS.values():
        assert label and meaning and advice[-1][0] is None
        assert [most for most, _ in advice[:-1]] == sorted(most for most, _ in advice[:-1])


@pytest.mark.parametrize("name", ["glyphclip-learnt", "clip-coco"])
def test_reference_models_measure_what_the_package_says(name):
    if locate(name) is None:
        pytest.skip(f"{name} is not at hand")
    kept = references.references().query("source == @name").reset_index(drop=True)
    found = references.measure_references([name])
    for column in ("value", "low", "high"):
        np.testing.assert_allclose(found[column], kept[column], rtol=1e-4, atol=1e-5, err_msg=column)


def test_advice_follows_the_value():
    narrow, wide = (explain(gap_report(PairedEmbeddings(x, y), replicates=2)).set_index("metric") for x, y in TWO)
    assert narrow.loc["modality_gap", "advice"].startswith("Small")
    assert wide.loc["modality_gap", "advice"].startswith("A mixed index")
    assert wide.loc["cosine_within_x", "advice"].startswith("Nearly collapsed")


TWO = [
    (np.eye(4), np.roll(np.eye(4), 1, axis=1)),
    (np.eye(4) * 0.1 + [1, 0, 0, 0], np.eye(4) * 0.1 - [1, 0, 0, 0]),
]


def test_the_mitigation_that_pays_most(pairs):
    found = payoff(pairs, splits=3, seed=1).set_index("use")
    means = held_out(pairs, candidates(), splits=3, seed=1).groupby("mitigation").mean(numeric_only=True)
    for measure, use in USES.items():
        row = found.loc[use]
        assert row["before"] == pytest.approx(means.loc["none", measure])
        assert row["after"] == pytest.approx(means.loc[row["mitigation"], measure])
        assert row["change"] == pytest.approx(row["after"] - row["before"], abs=1e-12)
        assert (row["mitigation"] == "none") == (row["change_low"] <= 0)
    noise = np.random.default_rng(0).normal(size=(2, 60, 8))  # unrelated pairs: nothing helps to find partners
    unrelated = payoff(PairedEmbeddings(*(noise + 0.3 * np.array([[[1]], [[-1]]]))), splits=3).set_index("use")
    assert unrelated.loc[USES["recall"], "mitigation"] == "none"


def test_tables_to_paste():
    columns = ["metric", "value", "low", "high", "unit"]
    table = pd.DataFrame([("a_b", 0.00042, np.nan, np.nan, "50 % | x")], columns=columns)
    labels = pd.DataFrame({"metric": [], "label": []})
    assert markdown_table(table, labels).splitlines()[2] == "| a b | 0.00042 |  | 50 % \\| x |"
    tex = latex_table(table, labels, "R&D_1 {x} \\y ~")
    assert r"\caption{R\&D\_1 \{x\} \textbackslash{}y \~{}}" in tex and r"a b & 0.00042 &  & 50 \% | x \\" in tex


def test_pairs_without_a_gap_get_a_report_and_a_note(tmp_path):
    rows = np.random.default_rng(0).normal(size=(40, 8))
    PairedEmbeddings(rows, rows).save(tmp_path / "same.npy")
    assert run(tmp_path / "same.npy", "--out", tmp_path / "r.json", "--out", tmp_path / "r.html") == 0
    content = strict_json(tmp_path / "r.json")
    assert content["landscape"] == [] and content["notes"][1].startswith("No loss landscape: Expected a direction")
    assert {row["mitigation"] for row in content["payoff"]} == {"none"}
    assert (tmp_path / "r.html").read_text().count("<img") == 3


def test_few_pairs_get_a_report_and_a_note(pairs, tmp_path):
    pairs.subset(slice(0, 8)).save(tmp_path / "few.npy")
    assert run(tmp_path / "few.npy", "--out", tmp_path / "r.json", "--out", tmp_path / "r.html") == 0
    content = strict_json(tmp_path / "r.json")
    assert content["payoff"] == [] and content["notes"][1].startswith("No comparison of mitigations: Expected")
    assert "These pairs are too few" in (tmp_path / "r.html").read_text()


def test_without_out_the_table_comes_here(file, capsys):
    assert run(file) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("120 pairs.\n\n| measure | value |") and printed.err == ""


def test_a_progress_bar_on_stderr(file, capsys):
    assert cli.main(["report", str(file)]) == 0
    printed = capsys.readouterr()
    assert "landscape" in printed.err and "landscape" not in printed.out


def test_columns_of_a_parquet_file(pairs, tmp_path):
    sides = {"v": list(pairs.x), "t": list(pairs.y)}
    pyarrow.parquet.write_table(pyarrow.table(sides), tmp_path / "p.parquet")
    assert run(tmp_path / "p.parquet", "--columns", "v", "t", "--out", tmp_path / "r.json") == 0
    found = {row["metric"]: row["value"] for row in strict_json(tmp_path / "r.json")["metrics"]}
    assert found["modality_gap"] == pytest.approx(gap_report(pairs, replicates=2)["value"][2], abs=1e-9)


def damaged(folder):
    """Yield what a name holds and a part of the message."""
    good = PairedEmbeddings(np.eye(8), np.eye(8))
    for suffix in (".npz", ".npy", ".safetensors"):
        good.save(folder / f"good{suffix}")
        content = (folder / f"good{suffix}").read_bytes()
        yield f"cut{suffix}", content[: len(content) // 2], "damaged"
        yield f"empty{suffix}", b"", "damaged"
        yield f"noise{suffix}", bytes(range(256)), "damaged"
    yield "cut.parquet", b"PAR1 and no more", "damaged"
    yield "pickled.npy", b"\x80\x04N.", "pickled"
    yield "model.pt", b"\x80\x04N.", "unpickling can run any code"


def test_files_that_cannot_be_read(tmp_path, capsys):
    bad = list(damaged(tmp_path))
    for name, content, _ in bad:
        (tmp_path / name).write_bytes(content)
    np.save(tmp_path / "shape.npy", np.ones((3, 4, 5)))
    np.savez(tmp_path / "keys.npz", a=np.ones((4, 5)))
    np.savez(tmp_path / "rows.npz", x=np.ones((4, 5)), y=np.ones((3, 5)))
    np.savez(tmp_path / "objects.npz", x=np.array([{}, {}], object), y=np.ones((2, 5)))
    (tmp_path / "folder").mkdir()
    others = {"shape.npy": "(3, 4, 5)", "keys.npz": "keys x and y", "rows.npz": "(4, 5) and (3, 5)"}
    others |= {"objects.npz": "pickled", "no.npz": "does not exist", "folder": "there are none"}
    for name, message in {**{name: message for name, _, message in bad}, **others}.items():
        assert cli.main(["report", str(tmp_path / name), "--out", str(tmp_path / "r.html")]) == 2, name
        printed = capsys.readouterr()
        assert printed.err.startswith("gapbook: ") and printed.err.count("\n") == 1, printed.err
        assert message in printed.err and "Traceback" not in printed.err and printed.out == ""
        assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "required"),
        (["report"], "input"),
        (["report", "a.npz", "--out", "r.pdf"], "expected a path ending in .html, .json, .md, .tex; got r.pdf"),
        (["report", "a.npz", "--out", "no/where/r.html"], "the folder no/where does not exist"),
        (["report", "a.npz", "--temperature", "0"], "expected a number from 1e-6 to 1e6; got 0"),
        (["list", "more"], "unrecognized"),
    ],
)
def test_wrong_arguments(given, message, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(given)
    assert stop.value.code == 2 and message in capsys.readouterr().err


def test_an_interruption_leaves_files_as_they_were(file, tmp_path, monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    (tmp_path / "r.html").write_text("before")
    monkeypatch.setattr(model, "loss_landscape", interrupt)
    assert run(file, "--out", tmp_path / "r.html", "--out", tmp_path / "r.json") == 130
    assert capsys.readouterr().err == "gapbook: interrupted; nothing was written\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.npz", "r.html"]
    assert (tmp_path / "r.html").read_text() == "before"


def test_a_full_disk_leaves_files_as_they_were(file, tmp_path, monkeypatch, capsys):
    (tmp_path / "r.json").write_text("before")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    assert run(file, "--out", tmp_path / "r.json") == 2
    assert "No space left on device" in capsys.readouterr().err
    assert (tmp_path / "r.json").read_text() == "before" and len(list(tmp_path.iterdir())) == 2


def test_a_folder_of_shards(pairs, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "shards"
    folder.mkdir()
    for i in range(3):
        pairs.subset(slice(40 * i, 40 * i + 40)).save(folder / f"{i}.npy")
    (folder / "bad.npy").write_bytes(b"x")

    @contextlib.contextmanager
    def here(scheduler, workers):
        assert (scheduler, workers) == (None, 4)
        with distributed.Client(
            processes=False, n_workers=1, threads_per_worker=1, dashboard_address="127.0.0.1:0"
        ) as client:
            yield client

    monkeypatch.setattr(cluster, "connect", here)
    out = tmp_path / "r.json"
    assert run(folder, "--out", out) == 2 and not out.exists()
    assert re.match(r"gapbook: shard bad.npy: .*--skip-bad\n$", capsys.readouterr().err)
    assert run(folder, "--out", out, "--out", tmp_path / "r.html", "--skip-bad", "--sample", "60") == 0
    content = strict_json(out)
    assert content["notes"][0] == "120 pairs in 3 shards." and "bad.npy" in content["notes"][-1]
    values = {row["metric"]: row for row in content["metrics"]}
    expected = gap_report(pairs, replicates=2).set_index("metric")["value"]
    assert values["modality_gap"]["value"] == pytest.approx(expected["modality_gap"], abs=1e-9)
    assert values["mmd"]["pairs"] == values["n_sampled"]["value"] == 60 and values["cka"]["pairs"] == 120
    assert "60 candidates" in values["r5_image_to_text"]["meaning"]


def test_a_scheduler_at_an_address(pairs, tmp_path):
    pairs.save(tmp_path / "a.npy")
    settings = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": "127.0.0.1:0", "protocol": "tcp"}
    with distributed.LocalCluster(processes=False, **settings) as there:
        assert run(tmp_path, "--scheduler", there.scheduler_address, "--out", tmp_path / "r.json") == 0
    assert strict_json(tmp_path / "r.json")["notes"] == ["120 pairs in 1 shards."]


def test_no_scheduler_at_the_address(pairs, tmp_path, monkeypatch, capsys):
    pairs.save(tmp_path / "a.npy")
    connect = distributed.Client
    monkeypatch.setattr(distributed, "Client", lambda address, timeout: connect(address, timeout=0.2))
    assert run(tmp_path, "--scheduler", "tcp://127.0.0.1:1") == 2
    assert "Expected a Dask scheduler at tcp://127.0.0.1:1" in capsys.readouterr().err


def test_list_and_fetch(capsys):
    assert cli.main(["list"]) == 0
    assert "glyphclip-learnt" in capsys.readouterr().out
    assert cli.main(["fetch", "glyphclip"]) == 0
    assert Path(capsys.readouterr().out.strip()).is_file()
    assert cli.main(["fetch", "glyphclop"]) == 2
    assert capsys.readouterr().err == "gapbook: unknown source 'glyphclop'; did you mean 'glyphclip'?\n"


def test_help_shows_examples_and_exit_codes(capsys):
    for given, wanted in ((["--help"], "gapbook fetch clip-coco"), (["report", "--help"], "--scheduler tcp://")):
        with pytest.raises(SystemExit) as stop:
            cli.main(given)
        printed = capsys.readouterr().out
        assert stop.value.code == 0 and wanted in printed and "  130  interrupted" in printed
        assert max(map(len, printed.splitlines())) <= 110


def test_interrupted_as_a_module(file, tmp_path):
    given = [sys.executable, "-m", "gapbook", "report", str(file), "--out", str(tmp_path / "r.html")]
    started = subprocess.Popen(given, stderr=subprocess.PIPE, text=True)
    try:
        said = ""
        while "loading" not in said:  # the progress bar's first stage
            said += started.stderr.read(1) or pytest.fail(said)
        started.send_signal(signal.SIGINT)
        said += started.communicate(timeout=120)[1]
    finally:
        started.kill()
    assert started.returncode == 130 and said.endswith("gapbook: interrupted; nothing was written\n")
    assert "Traceback" not in said and not (tmp_path / "r.html").exists()
