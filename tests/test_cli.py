"""The command line and the pages that it writes."""

import contextlib
import functools
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
from gapbook.mitigation.evaluation import held_out
from gapbook.pairs import PairedEmbeddings, load_pairs
from gapbook.precomputed import references
from gapbook.published import locate
from gapbook.report import model
from gapbook.report import recommend as paying
from gapbook.report.explain import MEANINGS, explain
from gapbook.report.model import ModelReport, landscape_of, report_on
from gapbook.report.page import figures, to_html
from gapbook.report.recommend import USES, candidates, payoff
from gapbook.report.tables import latex_table, markdown_table
from gapbook.shards import cluster


@pytest.fixture(scope="module")
def pairs():
    return load_pairs("glyphclip").subset(slice(0, 120))


@pytest.fixture(autouse=True)
def few_splits(monkeypatch):
    """Twenty splits take seconds a report; how many there are by default is tested by itself."""
    monkeypatch.setattr(model, "payoff", functools.partial(payoff, splits=3))


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
    assert content["modalities"] == ["glyph", "name"] and content["notes"][0] == "120 pairs."
    assert content["notes"][-1].startswith(
        "Landscape: the mean over 5 random orders of the rows, in batches of 50"
    )
    assert [row["metric"] for row in content["metrics"]] == table["metric"].tolist()
    for column in ("value", "low", "high"):
        found = np.array([row[column] for row in content["metrics"]], float)
        np.testing.assert_allclose(found, table[column], atol=1e-9)
    assert all(row["meaning"] for row in content["metrics"])
    assert content["references"]["clip-coco"]["relative_modality_gap"] == pytest.approx(
        0.5915, abs=5e-5
    )
    assert pd.DataFrame(content["payoff"]).equals(payoff(pairs, splits=3))
    deltas = [row["delta"] for row in content["landscape"]]
    curve = landscape_of(pairs, deltas, 0.05)
    for column in ("loss", "loss_std"):
        np.testing.assert_allclose(
            [row[column] for row in content["landscape"]], curve[column], atol=1e-9
        )
    assert outs[2].read_text() == markdown_table(table, explain(table, ("glyph", "name")))
    assert outs[3].read_text().startswith("% needs \\usepackage{booktabs}")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        [file.name, *(out.name for out in outs)]
    )


def test_the_page_needs_nothing_else_and_is_readable(pairs):
    report = report_on(pairs, "<script>alert('mine')</script>")
    text = to_html(report)
    page, said = Page(text), " ".join(Page(text).text)
    tags = [tag for tag, _ in page.found]
    assert "script" not in tags and "link" not in tags and "<script>alert('mine')</script>" in said
    images = [attrs for tag, attrs in page.found if tag == "img"]
    assert len(images) == 4 and all(
        image["src"].startswith("data:image/png;base64,") for image in images
    )
    gap = report.value("modality_gap")
    assert f"{gap:.3f}" in images[0]["alt"] and all(
        re.search(r"\d", image["alt"]) for image in images
    )
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
    assert (
        said.set_index("metric").loc["hubness_text_to_image", "label"] == "Hubness, score to sound"
    )
    kept = references.references()
    assert {*kept["source"]} == {*references.SOURCES}
    assert all(part["metric"].tolist() == metrics for _, part in kept.groupby("source"))
    for label, meaning, advice in MEANINGS.values():
        assert label and meaning and advice[-1][0] is None
        assert [most for most, _ in advice[:-1]] == sorted(most for most, _ in advice[:-1])


@pytest.mark.parametrize("name", ["glyphclip-learned", "clip-coco"])
def test_reference_models_measure_what_the_package_says(name):
    if locate(name) is None:
        pytest.skip(f"{name} is not at hand")
    kept = references.references().query("source == @name").reset_index(drop=True)
    found = references.measure_references([name])
    for column in ("value", "low", "high"):
        np.testing.assert_allclose(
            found[column], kept[column], rtol=1e-4, atol=1e-5, err_msg=column
        )


BANDS = {  # the value up to which each advice holds, and how the advice begins
    "cosine_within_x": [(0.9, "Read a cosine only"), (1, "Nearly collapsed")],
    "gap_share_top2": [(0.3, "Spread over many"), (1, "Leaving these two out")],
    "linear_separability": [
        (0.6, "No plane tells"),
        (0.95, "A plane tells many of"),
        (1, "A plane tells them"),
    ],
    "hubness_image_to_text": [(1, "Few hubs"), (9, "A few candidates")],
}


@pytest.mark.parametrize("metric", BANDS)
def test_advice_follows_the_value(metric):
    for most, (_, beyond) in zip(BANDS[metric], [*BANDS[metric][1:], (0, "")], strict=True):
        for value, wanted in ((most[0], most[1]), (np.nextafter(most[0], 10), beyond)):
            if wanted:
                said = explain(pd.DataFrame({"metric": [metric], "value": [value]}))
                assert said.loc[0, "advice"].startswith(wanted), (value, wanted)


def test_advice_on_differences_follows_the_lower_end_of_an_interval():
    rows = [("modality_gap", 0.5, 0.4), ("squared_gap_unbiased", 0.2, 0.0), ("mmd", 0.1, 0.0)]
    told = [(name, value, 1e-9 if low == 0 else low) for name, value, low in rows]
    columns = ["metric", "value", "low"]
    none, some = (
        explain(pd.DataFrame(table, columns=columns))["advice"].tolist() for table in (rows, told)
    )
    assert none[0] == "Not told from 0 with these pairs." and some[0].startswith(
        "A mixed index may list"
    )
    assert (
        "no difference of means shown" in none[1]
        and "no difference shown" in none[2]
        and some[1:] == ["", ""]
    )


@pytest.mark.parametrize(
    ("n", "near", "chance"), [(500, 10, "0.02"), (12, 6, "0.55"), (3, 1, "0.5")]
)
def test_words_name_the_neighbors_and_the_chance_of_this_many_pairs(n, near, chance):
    """A report's own neighbors: min(10, n // 2), of which unrelated modalities agree on k / (n - 1)."""
    metrics = ["n_pairs", "n_sampled", "hubness_image_to_text", "neighbor_agreement"]
    said = explain(pd.DataFrame({"metric": metrics, "value": [9000, n, 0, 0]})).set_index("metric")[
        "meaning"
    ]
    assert f"the {near} nearest" in said["hubness_image_to_text"]
    assert (
        f"{near} nearest" in said["neighbor_agreement"]
        and f"{chance} is chance" in said["neighbor_agreement"]
    )


def test_the_landscape_does_not_depend_on_the_order_of_the_file():
    """Captions in 12 groups of look-alikes: in order of groups the loss of consecutive batches is far higher."""
    rng = np.random.default_rng(0)
    groups = np.repeat(rng.standard_normal((12, 16)), 50, axis=0)
    x, y = groups + 0.1 * rng.standard_normal((2, 600, 16)) + np.array([[[0.5]], [[-0.5]]])
    pairs = PairedEmbeddings(x, y)
    deltas, mixed = [-0.2, 0.0, 0.2], pairs.subset(rng.permutation(600))
    ordered, other = (landscape_of(part, deltas, 0.05, seed=3) for part in (pairs, mixed))
    apart = (ordered["loss"] - other["loss"]).abs().to_numpy()
    spread = ordered["loss_std"].to_numpy()
    assert (apart < 3 * spread * (2 / 5) ** 0.5).all() and (spread > 0).all()
    as_they_are = [
        loss_landscape(part.x, part.y, deltas, [0.05])["loss"].to_numpy() for part in (pairs, mixed)
    ]
    assert (as_they_are[0] - as_they_are[1] > 20 * spread).all()
    orders = [rng.permutation(600) for _ in range(30)]
    losses = np.stack([loss_landscape(x[i], y[i], deltas, [0.05])["loss"] for i in orders])
    assert (
        abs(ordered["loss"] - losses.mean(0)) < 3 * losses.std(0) * (1 / 5 + 1 / 30) ** 0.5
    ).all()
    assert (spread / losses.std(0, ddof=1) > 0.3).all() and (
        spread / losses.std(0, ddof=1) < 2
    ).all()  # chi of 4
    with pytest.raises(ValueError, match="Expected orders as an integer of at least 2; got 1"):
        landscape_of(pairs, deltas, 0.05, orders=1)


def test_rows_that_are_there_more_than_once_get_a_note(tmp_path, capsys):
    """Five captions an image: four others tie with each partner, so that recall at 1 is 0."""
    images, texts = np.random.default_rng(0).standard_normal((2, 40, 8))
    several = PairedEmbeddings(np.repeat(images[:8], 5, axis=0), texts)
    several.save(tmp_path / "several.npz")
    assert run(tmp_path / "several.npz") == 0
    printed = capsys.readouterr().out
    assert "40 pairs hold 8 distinct image rows and 40 distinct text rows" in printed
    assert "ties count against recall" in printed and "rows as independent" in printed
    assert "Keep one pair for each image, as one caption an image." in printed
    assert (
        gap_report(several, replicates=2).set_index("metric").loc["r1_text_to_image", "value"] == 0
    )
    turned = PairedEmbeddings(several.y, several.x, modalities=("sound", "score"))
    assert "Keep one pair for each score" in " ".join(report_on(turned, "turned").notes)
    assert not any(
        "distinct" in note for note in report_on(several.subset(slice(0, 40, 5)), "one each").notes
    )


def test_figures_rest_on_as_many_pairs_as_the_note_says(pairs, monkeypatch):
    monkeypatch.setattr(model, "DRAWN", 60)
    report = report_on(pairs, "mine")
    assert len(report.pairs) == 60 and any(
        note.endswith(": 60 pairs of these.") for note in report.notes
    )
    cosines = (pairs.x.astype(float) * pairs.y).sum(1)
    expected, _ = np.histogram(cosines, len(report.paired), (-1, 1))  # of all pairs
    assert (
        report.paired.sum() == 120 and np.abs(report.paired - expected).sum() <= 2
    )  # one on an edge
    assert (
        np.abs(
            report.paired - np.histogram((pairs.x * pairs.y[::-1]).sum(1), 100, (-1, 1))[0]
        ).sum()
        > 20
    )


def test_the_mitigation_that_pays_most(pairs):
    found = payoff(pairs, splits=3, seed=1).set_index("use")
    means = (
        held_out(pairs, candidates(), splits=3, seed=1)
        .groupby("mitigation")
        .mean(numeric_only=True)
    )
    for measure, use in USES.items():
        row = found.loc[use]
        assert row["before"] == pytest.approx(means.loc["none", measure])
        assert row["after"] == pytest.approx(means.loc[row["mitigation"], measure])
        assert row["change"] == pytest.approx(row["after"] - row["before"], abs=1e-12)
        assert (row["verdict"] == row["mitigation"]) == (
            row["change_low"] > 0 and row["change_high"] > 0.01
        )
    noise = np.random.default_rng(0).normal(
        size=(2, 60, 8)
    )  # unrelated pairs: nothing helps to find partners
    unrelated = payoff(
        PairedEmbeddings(*(noise + 0.3 * np.array([[[1]], [[-1]]]))), splits=3
    ).set_index("use")
    assert unrelated.loc[USES["recall"], "verdict"] in ("none", "undecided")


def halves(gains, swings):
    """A table of ``held_out``: gains over "none" on four splits, which go up and down by ``swings``."""
    rows = [
        ("none", 0.0, 0.0),
        *zip(list(candidates())[1:], gains, np.broadcast_to(swings, 5), strict=True),
    ]
    return pd.DataFrame(
        [
            {"split": split, "mitigation": name}
            | dict.fromkeys(USES, 0.5 + gain + swing * (-1) ** split)
            for split in range(4)
            for name, gain, swing in rows
        ]
    )


@pytest.mark.parametrize(
    ("gains", "swings", "verdict", "best"),
    [
        ((0.1, 0.3, 0.2, -0.4, 0.0), 0.001, "ShiftAlongGap", "ShiftAlongGap"),
        ((0.1, 0.3, 0.2, -0.4, 0.0), 0.2, "undecided", "ShiftAlongGap"),
        ((-0.1, -0.3, -0.2, -0.05, -0.5), 0.001, "none", "ProcrustesAlign"),
        (
            (0.004, 0.005, 0.003, -0.4, -0.1),
            0.0001,
            "none",
            "ShiftAlongGap",
        ),  # sure, and too small to be of use
        ((0.004, -0.3, 0.02, -0.4, -0.1), 0.004, "undecided", "RotateTogether"),
        (
            (0.1, 0.3, -0.1, -0.1, -0.1),
            (0.001, 0.2, 0, 0, 0),
            "Center",
            "Center",
        ),  # the best of those that surely pay
    ],
)
def test_verdicts_on_mitigations(monkeypatch, gains, swings, verdict, best):
    monkeypatch.setattr(paying, "held_out", lambda *_, **__: halves(gains, swings))
    found = payoff(PairedEmbeddings(np.eye(32), np.eye(32)))
    assert found["verdict"].tolist() == [verdict] * 4 and found["mitigation"].tolist() == [best] * 4
    place = list(candidates()).index(best) - 1
    gain, swing = gains[place], np.broadcast_to(swings, 5)[place]
    assert found["change"].to_numpy() == pytest.approx(gain) and found[
        "before"
    ].to_numpy() == pytest.approx(0.5)
    reach = (
        5.840909309733 * (1 + 1 / 4) ** 0.5 * swing * (4 / 3) ** 0.5
    )  # t of 3 degrees, 5 % / 5 in two tails
    assert found["change_low"].to_numpy() == pytest.approx(gain - reach, rel=1e-6)
    assert found["change_high"].to_numpy() == pytest.approx(gain + reach, rel=1e-6)


def test_the_comparison_asks_for_what_it_shows_of_no_more_pairs_than_it_says(pairs, monkeypatch):
    asked = []

    def spy(some, tried, splits, seed, measures):
        asked.append((len(some), list(tried), splits, measures))
        return halves([0.1, 0.2, 0.3, 0.4, 0.5], 0.01)

    monkeypatch.setattr(paying, "held_out", spy)
    payoff(pairs)
    monkeypatch.setattr(paying, "MOST", 50)
    payoff(pairs, splits=7)
    names = [
        "none",
        "Center",
        "ShiftAlongGap",
        "RotateTogether",
        "ProcrustesAlign",
        "NearestNeighborNormalization",
    ]
    assert asked == [(120, names, 20, list(USES)), (50, names, 7, list(USES))]


def hand_made(least, gap=0.5):
    """A report whose loss is least at this distance and whose gap is given, with verdicts of every kind."""
    pairs = PairedEmbeddings(*np.random.default_rng(0).standard_normal((2, 8, 4)))
    table = gap_report(pairs, replicates=2)
    table.loc[table["metric"] == "modality_gap", "value"] = gap
    rows = [
        (0.5 - distance, 0.1, distance, 1 + abs(distance - least), 0.0)
        for distance in (0.8, 0.5, 0.2)
    ]
    landscape = pd.DataFrame(rows, columns=["delta", "tau", "distance", "loss", "loss_std"])
    uses = [
        (f"use {i}", 0.11, kind, "Center", 0.22, 0.33, 0.44, 0.55) for i, kind in enumerate(KINDS)
    ]
    return ModelReport(
        "m", table, landscape, 0.1, pd.DataFrame(uses, columns=paying.COLUMNS), pairs, np.ones(100)
    )


KINDS = ("Center", "none", "undecided")


def test_the_page_compares_the_right_way_round():
    for least, words in (
        (0.8, "at a wider gap of 0.800"),
        (0.2, "at a narrower gap of 0.200"),
        (0.5, "the least of"),
    ):
        assert words in figures(hand_made(least))[2]
    known = references.references().query("metric == 'modality_gap'").set_index("source")["value"]
    between = (known["glyphclip"] + known.max()) / 2
    for gap in (0.001, between, 1.99):
        names = [name for name, value in known.items() if value < gap] or [
            "none of the reference models"
        ]
        assert f"is wider than that of {', '.join(names)}." in figures(hand_made(0.5, gap))[3]


def test_the_page_shows_each_verdict_with_the_best_candidate_and_its_interval():
    text = to_html(hand_made(0.5))
    for i, words in enumerate(("Center pays", "none pays", "undecided")):
        row = re.search(rf'<tr><th scope="row">use {i}</th>(.*?)</tr>', text)[1]
        assert re.findall(r">([^<]+)</td>", row) == [
            words,
            "Center",
            "0.110",
            "0.220",
            "0.330 (0.440 to 0.550)",
        ]
    assert "judged on the other, 20 times" in text and "exceeds 0.01," in text and "99 %" in text
    assert (
        "the best of 5 candidates" in text
        and "more pairs move them" in text
        and "Wider than need be" in text
    )


def test_tables_to_paste():
    columns = ["metric", "value", "low", "high", "unit"]
    table = pd.DataFrame([("a_b", 0.00042, np.nan, np.nan, "50 % | x")], columns=columns)
    labels = pd.DataFrame({"metric": [], "label": []})
    assert markdown_table(table, labels).splitlines()[2] == "| a b | 0.00042 |  | 50 % \\| x |"
    tex = latex_table(table, labels, "R&D_1 {x} \\y ~")
    assert (
        r"\caption{R\&D\_1 \{x\} \textbackslash{}y \~{}}" in tex
        and r"a b & 0.00042 &  & 50 \% | x \\" in tex
    )


def test_pairs_without_a_gap_get_a_report_and_a_note(tmp_path):
    rows = np.random.default_rng(0).normal(size=(40, 8))
    PairedEmbeddings(rows, rows).save(tmp_path / "same.npy")
    assert (
        run(tmp_path / "same.npy", "--out", tmp_path / "r.json", "--out", tmp_path / "r.html") == 0
    )
    content = strict_json(tmp_path / "r.json")
    assert content["landscape"] == [] and content["notes"][1].startswith(
        "No loss landscape: Expected a direction"
    )
    assert {row["verdict"] for row in content["payoff"]} <= {"none", "undecided"}
    assert (tmp_path / "r.html").read_text().count("<img") == 3


def test_few_pairs_get_a_report_and_a_note(pairs, tmp_path):
    pairs.subset(slice(0, 8)).save(tmp_path / "few.npy")
    assert (
        run(tmp_path / "few.npy", "--out", tmp_path / "r.json", "--out", tmp_path / "r.html") == 0
    )
    content = strict_json(tmp_path / "r.json")
    assert (
        content["payoff"] == []
        and "With fewer than 30 pairs the intervals mean little." in content["notes"]
    )
    assert "No comparison of mitigations: Expected at least 32 pairs; got 8." in content["notes"]
    assert "These pairs are too few" in (tmp_path / "r.html").read_text()


def test_without_out_the_table_comes_here(file, capsys):
    assert run(file) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("120 pairs.\n\n") and printed.err == ""
    assert "\n\nLandscape: " in printed.out and "\n\n| measure | value |" in printed.out


def test_a_progress_bar_on_stderr(file, capsys):
    assert cli.main(["report", str(file)]) == 0
    printed = capsys.readouterr()
    assert "landscape" in printed.err and "landscape" not in printed.out


def test_columns_of_a_parquet_file(pairs, tmp_path):
    sides = {"v": list(pairs.x), "t": list(pairs.y)}
    pyarrow.parquet.write_table(pyarrow.table(sides), tmp_path / "p.parquet")
    assert run(tmp_path / "p.parquet", "--columns", "v", "t", "--out", tmp_path / "r.json") == 0
    found = {row["metric"]: row["value"] for row in strict_json(tmp_path / "r.json")["metrics"]}
    assert found["modality_gap"] == pytest.approx(
        gap_report(pairs, replicates=2)["value"][2], abs=1e-9
    )


def damaged(folder):
    """Yield what a name holds and a part of the message."""
    good = PairedEmbeddings(np.eye(8), np.eye(8))
    for suffix in (".npz", ".npy", ".safetensors"):
        good.save(folder / f"good{suffix}")
        content = (folder / f"good{suffix}").read_bytes()
        yield f"cut{suffix}", content[: len(content) // 2], "damaged"
        yield f"empty{suffix}", b"", "is empty: write it again"
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
    np.savez(tmp_path / "named.npz", image=np.ones((4, 5)), text=np.ones((4, 5)))
    (tmp_path / "none.npz").touch()
    (tmp_path / "table.csv").write_text("a,b\n")
    others |= {
        "named.npz": "got image, text: name two of them (shell: --columns X Y)",
        "none.npz": "none.npz is empty",
    }
    others |= {
        "table.csv": "Expected a file ending in .npz, .npy, .safetensors, .parquet, or a folder of such files"
    }
    others |= {"objects.npz": "pickled", "no.npz": "does not exist", "folder": "there are none"}
    for name, message in {**{name: message for name, _, message in bad}, **others}.items():
        assert cli.main(["report", str(tmp_path / name), "--out", str(tmp_path / "r.html")]) == 2, (
            name
        )
        printed = capsys.readouterr()
        assert printed.err.startswith("gapbook: ") and printed.err.count("\n") == 1, printed.err
        assert message in printed.err and "Traceback" not in printed.err and printed.out == ""
        assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "required"),
        (["report"], "input"),
        (
            ["report", "a.npz", "--out", "r.pdf"],
            "expected a path ending in .html, .json, .md, .tex; got r.pdf",
        ),
        (["report", "a.npz", "--out", "no/where/r.html"], "the folder no/where does not exist"),
        (["report", "a.npz", "--temperature", "0"], "expected a number from 1e-6 to 1e6; got 0"),
        (["report", "a.npz", "--seed", "-1"], "expected an integer of at least 0; got -1"),
        (["report", "a.npz", "--sample", "1.5"], "expected an integer of at least 0; got 1.5"),
        (["list", "more"], "unrecognized"),
    ],
)
def test_wrong_arguments(given, message, capsys):
    with pytest.raises(SystemExit) as stop:
        cli.main(given)
    said = capsys.readouterr().err
    assert stop.value.code == 2 and message in said and said.count("\n") == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--sample", "5"], "--scheduler, --sample and --skip-bad are for a folder of shards"),
        (["--skip-bad"], "--scheduler, --sample and --skip-bad are for a folder of shards"),
        (["--modalities", "a", "a"], "two different names for --modalities; got a twice"),
    ],
)
def test_options_that_do_not_fit(file, given, message, capsys):
    assert run(file, *given) == 2 and message in capsys.readouterr().err


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
    assert (
        run(folder, "--out", out, "--out", tmp_path / "r.html", "--skip-bad", "--sample", "60") == 0
    )
    assert re.search(
        r"^gapbook: Damaged .*: 1 of 4 \(bad.npy\)\.$", capsys.readouterr().err, re.MULTILINE
    )
    content = strict_json(out)
    assert content["notes"][0] == "120 pairs in 3 shards." and "bad.npy" in " ".join(
        content["notes"]
    )
    values = {row["metric"]: row for row in content["metrics"]}
    expected = gap_report(pairs, replicates=2).set_index("metric")["value"]
    assert values["modality_gap"]["value"] == pytest.approx(expected["modality_gap"], abs=1e-9)
    assert (
        values["mmd"]["pairs"] == values["n_sampled"]["value"] == 60
        and values["cka"]["pairs"] == 120
    )
    assert "60 candidates" in values["r5_image_to_text"]["meaning"]


def test_a_scheduler_at_an_address(pairs, tmp_path):
    pairs.save(tmp_path / "a.npy")
    settings = {
        "n_workers": 1,
        "threads_per_worker": 1,
        "dashboard_address": "127.0.0.1:0",
        "protocol": "tcp",
    }
    with distributed.LocalCluster(processes=False, **settings) as there:
        assert (
            run(tmp_path, "--scheduler", there.scheduler_address, "--out", tmp_path / "r.json") == 0
        )
    assert strict_json(tmp_path / "r.json")["notes"][0] == "120 pairs in 1 shards."


def test_no_scheduler_at_the_address(pairs, tmp_path, monkeypatch, capsys):
    pairs.save(tmp_path / "a.npy")
    connect = distributed.Client
    monkeypatch.setattr(
        distributed, "Client", lambda address, timeout: connect(address, timeout=0.2)
    )
    assert run(tmp_path, "--scheduler", "tcp://127.0.0.1:1") == 2
    assert "Expected a Dask scheduler at tcp://127.0.0.1:1" in capsys.readouterr().err


def test_list_and_fetch(capsys):
    assert cli.main(["list"]) == 0
    assert "glyphclip-learned" in capsys.readouterr().out
    assert cli.main(["fetch", "glyphclip"]) == 0
    assert Path(capsys.readouterr().out.strip()).is_file()
    assert cli.main(["fetch", "glyphclop"]) == 2
    assert (
        capsys.readouterr().err
        == "gapbook: unknown source 'glyphclop'; did you mean 'glyphclip'?\n"
    )


def test_help_shows_examples_and_exit_codes(capsys):
    for given, wanted in (
        (["--help"], "gapbook fetch clip-coco"),
        (["report", "--help"], "--scheduler tcp://"),
    ):
        with pytest.raises(SystemExit) as stop:
            cli.main(given)
        printed = capsys.readouterr().out
        assert stop.value.code == 0 and wanted in printed and "  130  interrupted" in printed
        assert max(map(len, printed.splitlines())) <= 110


def test_interrupted_in_a_process_of_its_own(file, tmp_path):
    """The command itself: under ``python -m`` an interrupt that a library's own run of Python saw ends in -SIGINT."""
    command = Path(sys.executable).with_name("gapbook")
    given = [command, "report", str(file), "--out", str(tmp_path / "r.html")]
    started = subprocess.Popen(given, stderr=subprocess.PIPE, text=True)
    try:
        said = ""
        while "loading" not in said:  # the progress bar's first stage
            said += started.stderr.read(1) or pytest.fail(said)
        started.send_signal(signal.SIGINT)
        said += started.communicate(timeout=120)[1]
    finally:
        started.kill()
    assert started.returncode == 130 and said.endswith(
        "gapbook: interrupted; nothing was written\n"
    )
    assert "Traceback" not in said and not (tmp_path / "r.html").exists()


def test_the_page_begins_with_what_to_look_at_first_and_says_what_it_rests_on(pairs):
    report = report_on(pairs, "mine", temperature=0.05, seed=3)
    page = to_html(report)
    first, second = pairs.modalities
    start = page[page.index("<ul>") : page.index("</ul>")]
    recalls = [f"{report.value(f'r1_{way}'):.1%}" for way in ("image_to_text", "text_to_image")]
    assert (
        f"among 120: {recalls[0]} from {first} to {second}, {recalls[1]} from {second} to {first}; by chance 0.83%"
        in start
    )
    assert f"Modality gap: {report.value('modality_gap'):.3f} (" in start and start.count(
        "<li>For "
    ) == len(USES)
    assert page.index("What it rests on") > page.index("To paste into a paper")
    assert "120 pairs, temperature 0.05, seed 3." in page
    assert json.loads(report.to_json())["seed"] == 3
