import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from gapbook.geometry.table import Measured, measure
from gapbook.pairs import PairedEmbeddings
from gapbook.precomputed.references import REFERENCE_MODELS, references
from gapbook.report.model import ModelReport, report_on
from gapbook.report.page import page_figures, to_html
from gapbook.report.recommend import (
    CANDIDATE_COLUMNS,
    COLUMNS,
    USE_OF_MEASURE,
    score_candidates,
)
from gapbook.report.tables import format_value

VERDICTS = ("Center", "none", "undecided")


class Page(HTMLParser):
    """Collects every element with its attributes, and checks that elements close in order."""

    def __init__(self, html):
        super().__init__()
        self.elements = []
        self.open = []
        self.texts = []
        self.feed(html)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self):
        return " ".join(self.texts)

    def attributes_of(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def report(measured):
    return report_on(measured, "mine", tau=0.05, seed=3, splits=3)


@pytest.fixture(scope="module")
def html(report):
    return to_html(report)


def hand_made(best_distance=0.5, gap=0.5):
    """A report whose loss is least at this distance and whose gap this is, with every verdict."""
    pairs = PairedEmbeddings(*np.random.default_rng(0).standard_normal((2, 8, 4)))
    table = measure(pairs, replicates=2).table
    table.loc[table["metric"] == "modality_gap", "value"] = gap
    distances = np.array([0.8, 0.5, 0.2])
    landscape = pd.DataFrame(
        {
            "delta": 0.5 - distances,
            "tau": 0.1,
            "distance": distances,
            "loss": 1 + np.abs(distances - best_distance),
            "loss_std": 0.0,
        }
    )
    uses = [
        (f"use {i}", 0.11, verdict, "Center", 0.22, 0.33, 0.44, 0.55)
        for i, verdict in enumerate(VERDICTS)
    ]
    recommendations = pd.DataFrame(uses, columns=COLUMNS)
    measured = Measured(table, pairs, np.ones(100), [])
    return ModelReport("m", measured, 0.1, landscape, recommendations)


def test_the_page_needs_nothing_else(html):
    page = Page(html)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link"}
    assert not re.search(r"(?:src|href)=\"(?!data:)|url\(|@import|https?://", html)
    images = page.attributes_of("img")
    assert len(images) == 4
    assert all(image["src"].startswith("data:image/png;base64,") for image in images)
    assert len(html) < 400_000


def test_the_page_is_readable(report, html):
    page = Page(html)
    assert page.attributes_of("html") == [{"lang": "en"}]
    assert "prefers-color-scheme: dark" in html
    alternatives = [image["alt"] for image in page.attributes_of("img")]
    assert f"{report.value('modality_gap'):.3f}" in alternatives[0]
    assert all(re.search(r"\d", alternative) for alternative in alternatives)
    for row in report.explained.itertuples():
        assert row.label in page.text
        assert row.meaning in page.text
        assert row.advice in page.text
    assert all(use in page.text for use in USE_OF_MEASURE.values())
    assert all(name in page.text for name in REFERENCE_MODELS)
    assert "\\toprule" in page.text
    assert "| measure " in page.text


def test_names_cannot_put_anything_into_the_page(pairs):
    script = "<script>alert('mine')</script>"
    few = pairs.subset(slice(0, 8))
    named = PairedEmbeddings(few.x, few.y, modalities=(script, '"><b>'), source=script)
    page = Page(to_html(report_on(measure(named, replicates=2), script)))
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "b"}
    assert f"Modality gap report: {script}" in page.text
    assert f"from {script}: 8 pairs" in page.text


@pytest.mark.parametrize(
    ("best_distance", "words"),
    [
        (0.8, "at a wider gap of 0.800"),
        (0.2, "at a narrower gap of 0.200"),
        (0.5, "the least of"),
    ],
)
def test_the_page_says_on_which_side_the_loss_is_least(best_distance, words):
    landscape = page_figures(hand_made(best_distance))[2]
    assert words in landscape.text


def test_the_page_names_the_reference_models_with_a_narrower_gap():
    known = references().query("metric == 'modality_gap'").set_index("source")["value"]
    between = (known["glyphclip"] + known.max()) / 2
    for gap in (0.001, between, 1.99):
        narrower = [name for name, value in known.items() if value < gap]
        names = ", ".join(narrower or ["none of the reference models"])
        beside = page_figures(hand_made(gap=gap))[3]
        assert f"is wider than that of {names}." in beside.text


def test_the_page_shows_each_verdict_with_the_best_candidate_and_its_interval():
    html = to_html(hand_made())
    for i, words in enumerate(("Center pays", "none pays", "undecided")):
        row = re.search(rf'<tr><th scope="row">use {i}</th>(.*?)</tr>', html)[1]
        cells = re.findall(r">([^<]+)</td>", row)
        assert cells == [words, "Center", "0.110", "0.220", "0.330 (0.440 to 0.550)"]


def test_the_verdicts_for_one_index_stand_beside_those_on_scaled_scores(report, html):
    """The table of verdicts and the bullets say the same of what was measured."""
    use = USE_OF_MEASURE["mixed"]
    table = html[html.index("What would pay") : html.index("Every candidate for every use")]
    rows = re.findall(rf'<tr><th scope="row">{re.escape(use)}</th>(.*?)</tr>', table)
    cells = [re.findall(r">([^<]+)</td>", row) for row in rows]
    best, *scalings = cells
    assert best[1] == report.recommendations.set_index("use")["mitigation"][use]
    judged = report.candidates[report.candidates["use"] == use].set_index("mitigation")
    assert [row[1] for row in scalings] == list(score_candidates())
    bullet = next(line for line in report.first_lines if line.startswith(f"For {use}"))
    for verdict, name, before, after, _ in scalings:
        assert before == format_value(judged["before"][name])
        assert after == format_value(judged["after"][name])
        assert (verdict == f"{name} pays") == (f"{name} pays" in bullet)
    assert {verdict for verdict, *_ in scalings} == {f"{name} pays" for name in score_candidates()}
    for other in USE_OF_MEASURE.values():
        assert table.count(f'<th scope="row">{other}</th>') == (3 if other == use else 1)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(-0.3, -0.1, "does not pay"), (-0.1, 0.3, "undecided"), (0.001, 0.009, "does not pay")],
)
def test_a_scale_of_scores_that_does_not_pay_is_called_so(low, high, words):
    judged = pd.DataFrame(
        [("use 0", "ScoreScaling by all", 0.5, 0.4, (low + high) / 2, low, high, "", "", "")],
        columns=CANDIDATE_COLUMNS,
    )
    html = to_html(replace(hand_made(), candidates=judged))
    assert f'<td data-label="verdict">{words}</td><td data-label="candidate">ScoreScaling' in html


def test_the_page_says_how_verdicts_were_reached(html):
    assert "judged on the other, 3 times" in html
    assert "exceeds 0.01," in html
    assert "99.2 %, since the best of 6 candidates" in html
    assert "more pairs move them" in html
    assert "Wider than need be" in html


def test_the_page_shows_each_cut_and_the_probability_of_a_match(report, html):
    rows = re.findall(r'<tr><th scope="row">([\d.]+ %)</th>(.*?)</tr>', html)
    assert [share for share, _ in rows] == ["10 %", "1 %", "0.1 %"]
    for (_, cells), cut in zip(rows, report.cuts.table.itertuples(), strict=True):
        assert f">{cut.threshold:.3f}</td>" in cells
        assert f">{100 * cut.kept:.1f} %</td>" in cells
        assert f">{cut.n_passing:,}</td>" in cells
    text = Page(html).text
    assert report.cuts.calibration.in_words() in text
    figure = page_figures(report)[1]
    assert "unrelated" in figure.text
    assert f"keeps {100 * report.cuts.at(0.01)['kept']:.1f} % of partners" in figure.text


def test_a_page_without_cuts_leaves_them_out():
    assert "Where to cut" not in to_html(hand_made())


def test_the_page_begins_with_what_to_look_at_first_and_ends_with_what_it_rests_on(report, html):
    first, second = report.measured.pairs.modalities
    start = html[html.index("<ul>") : html.index("</ul>")]
    forward = f"{report.value('r1_image_to_text'):.1%}"
    backward = f"{report.value('r1_text_to_image'):.1%}"
    assert (
        f"among 120: {forward} from {first} to {second}, {backward} from {second} to {first}; "
        "by chance 0.83%" in start
    )
    assert f"Modality gap: {report.value('modality_gap'):.3f} (" in start
    assert start.count("<li>For ") == len(USE_OF_MEASURE)
    assert html.index("What it rests on") > html.index("To paste into a paper")
    assert "120 pairs, temperature 0.05, seed 3." in html
