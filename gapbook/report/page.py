"""A model's report as one page that needs nothing else.

Figures and style are in the page, and it fetches nothing.
"""

import base64
import io
from collections.abc import Hashable, Mapping
from functools import cache
from typing import Any, NamedTuple

import jinja2
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gapbook import __version__
from gapbook.geometry import cosine_stats
from gapbook.geometry.cosines import Histogram
from gapbook.geometry.measures import MEASURES
from gapbook.plots.names import notes_on_names
from gapbook.plots.report import (
    cosine_densities,
    loss_over_shift,
    marked_shifts,
    model_beside_references,
    pairs_along_gap,
)
from gapbook.plots.style import palette_png
from gapbook.precomputed.references import references
from gapbook.projections import project
from gapbook.report.explain import label_of
from gapbook.report.findings import NAMED_SHARE, zero_of_scores
from gapbook.report.model import ModelReport
from gapbook.report.recommend import (
    CONFIDENCE,
    MIN_PAIRS,
    MIN_USEFUL_GAIN,
    N_CANDIDATES,
    scalings_for,
    verdict_on,
)
from gapbook.report.tables import (
    format_measure,
    format_value,
    latex_table,
    markdown_table,
    printed_candidates,
    printed_cuts,
)

# Figures 6 inches wide have 864 pixels: two for each pixel of half a page, as dense screens show.
DPI = 144


class PageFigure(NamedTuple):
    """A figure on the page: a PNG in base64, and the sentence that states its finding."""

    png: str
    text: str


class MeasureRow(NamedTuple):
    """A row of the table of measures, in print."""

    label: str
    value: str
    interval: str
    unit: str
    meaning: str
    advice: str


class RecommendationRow(NamedTuple):
    """A row of the table of recommendations, in print."""

    use: str
    verdict: str
    mitigation: str
    before: str
    after: str
    change: str


class CandidateRow(NamedTuple):
    """What a candidate changes for a use, in print, and how to get it."""

    use: str
    mitigation: str
    words: str
    change: str
    python: str
    command: str


class ReferenceRow(NamedTuple):
    """A measure of the model and of each reference model, in print."""

    label: str
    numbers: list[str]


def to_html(report: ModelReport) -> str:
    """Write a report as a page.

    Parameters
    ----------
    report : ModelReport
        The report.

    Returns
    -------
    str
        The HTML of the page, with its figures as data in it. All names and texts are escaped.
    """
    labels = report.explained
    table = report.table
    title = f"Modality gap report: {report.name}"
    compared = report.with_references()
    return _template().render(
        title=title,
        summary=report.first_lines,
        figures=page_figures(report),
        measures=_measure_rows(table, labels),
        splits=report.splits,
        min_useful_gain=MIN_USEFUL_GAIN,
        confidence=f"{100 * CONFIDENCE:.3g}",
        n_candidates=N_CANDIDATES,
        recommendations=_recommendation_rows(report.recommendations, report.candidates),
        candidates=_candidate_rows(report.candidates),
        cuts=[] if report.cuts is None else printed_cuts(report.cuts.table).to_dict("records"),
        n_cut_pairs="" if report.cuts is None else f"{report.cuts.n_pairs:,}",
        calibration=_calibration_in_words(report),
        at_chance=report.is_at_chance,
        carries_scores=report.carries_scores,
        too_few=len(report.measured.pairs) < MIN_PAIRS,
        sources=list(compared.columns),
        references=_reference_rows(compared, labels),
        latex=latex_table(table, labels, title),
        markdown=markdown_table(table, labels),
        notes=report.notes + notes_on_names(report.measured.pairs.modalities),
        version=__version__,
        source=report.measured.pairs.source or "arrays",
        n_pairs=f"{report.value('n_pairs'):,.0f}",
        tau=f"{report.tau:g}",
        seed=report.seed,
    )


@cache
def _template() -> jinja2.Template:
    """Return the page to fill in, which escapes all that comes into it."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("gapbook.report", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html")


# ---- figures


def page_figures(report: ModelReport) -> list[PageFigure]:
    """Draw the figures of the page.

    Parameters
    ----------
    report : ModelReport
        The report.

    Returns
    -------
    list of PageFigure
        The pairs along their gap; cosines; the loss over the shift, if the report has a landscape;
        the gap beside those of the reference models.
    """
    figures = [_pairs_figure(report), _cosines_figure(report)]
    if report.landscape is not None:
        figures.append(_landscape_figure(report, report.landscape))
    figures.append(_references_figure(report))
    return figures


def _pairs_figure(report: ModelReport) -> PageFigure:
    pairs = report.measured.pairs
    first, second = pairs.modalities
    a, b = project(pairs.x, pairs.y)
    text = f"{first} and {second} lie {report.value('modality_gap'):.3f} apart."
    return _page_figure(pairs_along_gap(a, b, pairs.modalities), text)


def _cosines_figure(report: ModelReport) -> PageFigure:
    pairs = report.measured.pairs
    first, second = pairs.modalities
    within_x = report.value("cosine_within_x")
    within_y = report.value("cosine_within_y")
    partners = report.value("cosine_paired")
    unrelated = zero_of_scores(report.table)
    text = (
        f"Partners have a cosine of {partners:.3f} on average, unrelated {first} and {second} "
        f"{unrelated:.3f}; two {first}s {within_x:.3f}, two {second}s {within_y:.3f}."
    )
    histograms = {
        f"two {first}s": cosine_stats(pairs.x).histogram,
        f"two {second}s": cosine_stats(pairs.y).histogram,
        "partners": _histogram(report.measured.partner_cosine_counts),
    }
    if report.cuts is None:
        return _page_figure(cosine_densities(histograms), text)
    histograms[f"unrelated {first}, {second}"] = _histogram(report.cuts.unrelated_counts)
    cut = report.cuts.at(NAMED_SHARE)
    text += (
        f" The cut that 1 % of unrelated pairs pass keeps {100 * cut['kept']:.1f} % of partners."
    )
    return _page_figure(cosine_densities(histograms, float(cut["threshold"])), text)


def _histogram(counts: np.ndarray) -> Histogram:
    """Return counts with the edges of their equal bins over [-1, 1]."""
    return Histogram(counts, np.linspace(-1, 1, len(counts) + 1))


def _landscape_figure(report: ModelReport, landscape: pd.DataFrame) -> PageFigure:
    least, present = marked_shifts(landscape)
    now = f"Loss at temperature {report.tau:g}: {present['loss']:.3f} nats as it is"
    if least.name == present.name:
        text = f"{now}, the least of all shifts along the gap."
    else:
        change = "narrower" if least["distance"] < present["distance"] else "wider"
        text = f"{now}; least, {least['loss']:.3f}, at a {change} gap of {least['distance']:.3f}."
    return _page_figure(loss_over_shift(landscape, report.tau), text)


def _references_figure(report: ModelReport) -> PageFigure:
    gap = report.value("modality_gap")
    known = references().query("metric == 'modality_gap'")
    own = report.table.query("metric == 'modality_gap'").assign(source="this model")
    rows = pd.concat([own, known])[["source", "value", "low", "high"]]
    narrower = list(known.loc[known["value"] < gap, "source"])
    names = ", ".join(narrower) or "none of the reference models"
    text = f"A gap of {gap:.3f} is wider than that of {names}."
    return _page_figure(model_beside_references(rows, "modality gap"), text)


def _page_figure(figure: Figure, text: str) -> PageFigure:
    """Close the figure; return it as a PNG, and the text with a capital letter."""
    import matplotlib.pyplot as plt
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI)
    plt.close(figure)
    png = base64.b64encode(palette_png(Image.open(drawn))).decode()
    return PageFigure(png, text[:1].upper() + text[1:])


# ---- tables


def _measure_rows(table: pd.DataFrame, labels: pd.DataFrame) -> list[MeasureRow]:
    """Return a row for each measure: value, interval, unit, and what it means and what to do."""
    words = labels.set_index("metric")
    rows = []
    for row in table.to_dict("records"):
        metric = row["metric"]
        interval = ""
        if np.isfinite(row["low"]):
            interval = _ends(row["low"], row["high"])
        rows.append(
            MeasureRow(
                label=label_of(metric, labels),
                value=format_measure(row["value"], row["unit"]),
                interval=interval,
                unit=row["unit"],
                meaning=words["meaning"].get(metric, ""),
                advice=words["advice"].get(metric, ""),
            )
        )
    return rows


def _recommendation_rows(
    table: pd.DataFrame | None, candidates: pd.DataFrame | None
) -> list[RecommendationRow]:
    """Return for each use the best mitigation with its verdict, and what scores were scaled by."""
    if table is None:
        return []
    rows = []
    for row in table.to_dict("records"):
        rows.append(_recommendation_row(row, _verdict(row["verdict"])))
        for scaling in scalings_for(row["use"], candidates):
            rows.append(_recommendation_row(scaling, _verdict_on_scaling(scaling)))
    return rows


def _recommendation_row(row: Mapping[Hashable, Any], verdict: str) -> RecommendationRow:
    ends = _ends(row["change_low"], row["change_high"])
    return RecommendationRow(
        use=row["use"],
        verdict=verdict,
        mitigation=row["mitigation"],
        before=format_value(row["before"]),
        after=format_value(row["after"]),
        change=f"{format_value(row['change'])} ({ends})",
    )


def _candidate_rows(table: pd.DataFrame | None) -> list[CandidateRow]:
    """Return a row for each candidate and use."""
    if table is None:
        return []
    printed = printed_candidates(table)
    columns = [*(printed[column] for column in printed), table["python"], table["command"]]
    return [CandidateRow(*cells) for cells in zip(*columns, strict=True)]


def _reference_rows(compared: pd.DataFrame, labels: pd.DataFrame) -> list[ReferenceRow]:
    """Return a row for each measure, with a value for each model."""
    rows = []
    for metric, values in compared.iterrows():
        unit = MEASURES[str(metric)].unit
        numbers = [format_measure(value, unit) for value in values]
        rows.append(ReferenceRow(label_of(str(metric), labels), numbers))
    return rows


def _calibration_in_words(report: ModelReport) -> str:
    """Return the probability of a match in words, nothing where there is none."""
    if report.cuts is None or report.cuts.calibration is None:
        return ""
    return report.cuts.calibration.in_words()


def _verdict(verdict: str) -> str:
    """Return a verdict of ``recommend_mitigations`` in words."""
    if verdict == "none":
        return "none pays"
    if verdict == "undecided":
        return verdict
    return f"{verdict} pays"


def _verdict_on_scaling(row: Mapping[Hashable, Any]) -> str:
    """Return a verdict on one scaling of scores, by what makes one on mitigations."""
    verdict = verdict_on(row)
    return "does not pay" if verdict == "none" else _verdict(verdict)


def _ends(low: float, high: float) -> str:
    """Return the ends of an interval in print."""
    return f"{format_value(low)} to {format_value(high)}"
