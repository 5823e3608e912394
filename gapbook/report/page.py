"""A model's report as one page that needs nothing else: figures and style are in it, and it fetches nothing."""

import base64
import io
from html import escape
from string import Template
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gapbook import __version__
from gapbook.geometry import cosine_stats
from gapbook.plots.report import (
    beside_references,
    cosine_densities,
    gap_view,
    landmarks,
    landscape_curve,
)
from gapbook.plots.style import palette_png
from gapbook.precomputed.references import references
from gapbook.projections import project
from gapbook.report.model import ModelReport
from gapbook.report.recommend import CANDIDATES, LEVEL, SPLITS, USEFUL
from gapbook.report.tables import latex_table, markdown_table, number

PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
:root { --ink: #1b1b1b; --paper: #ffffff; --soft: #f3f4f6; --line: #d0d4da; --quiet: #4f5864; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --paper: #16181c; --soft: #22262c; --line: #3c434d; --quiet: #aeb6c1; }
}
body { margin: 0 auto; padding: 1rem; max-width: 64rem; color: var(--ink); background: var(--paper);
  font: 16px/1.5 system-ui, sans-serif; }
h1, h2 { line-height: 1.2; }
h2 { margin-top: 2.5rem; }
.quiet { color: var(--quiet); }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(26rem, 100%), 1fr)); gap: 1rem; }
figure { margin: 0; }
img { width: 100%; height: auto; background: #ffffff; border-radius: 4px; }
figcaption { font-size: 0.9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 0.9rem; }
th, td { padding: 0.35rem 0.6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
.compared th[scope="row"] { position: sticky; left: 0; background: var(--paper); }
thead th { border-bottom: 2px solid var(--line); }
@media (max-width: 44rem) {
  .measures thead { display: none; }
  .measures tr { display: flex; flex-wrap: wrap; border-bottom: 1px solid var(--line); }
  .measures th, .measures td { border: 0; }
  .measures .said { flex: 1 0 100%; box-sizing: border-box; }
}
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
pre { padding: 0.8rem; overflow-x: auto; background: var(--soft); border-radius: 4px; font-size: 0.85rem; }
summary { cursor: pointer; }
@media print { details > pre { white-space: pre-wrap; } }
</style>
</head>
<body>
<h1>$title</h1>
<ul>
$summary
</ul>
<h2>What it looks like</h2>
<div class="figures">
$figures
</div>
<h2>Every measure, and what to do</h2>
<p class="quiet">Intervals are 95 % for a redraw of the pairs. Ranks, IsoScores, plain CKA and the share of the gap in 2
dimensions are those of this many pairs, as the gap is; more pairs move them. Wider than need be are the intervals of
separability, hubness and neighbor agreement, and those of MMD and CKA where the value is near 0.</p>
<div class="wide" tabindex="0" role="region" aria-label="Every measure">
$measures
</div>
<h2>What would pay</h2>
<p class="quiet">Mitigations fitted on one half of the pairs and judged on the other, $splits times; each row shows the
best candidate. It pays where the interval of its change lies above 0. None pays where the interval of no candidate
exceeds $useful, the smallest gain taken as useful. Undecided: more pairs would tell. The intervals are
$level %, since the best of $count candidates is looked at.</p>
<div class="wide" tabindex="0" role="region" aria-label="Mitigations">
$payoff
</div>
<h2>Beside the book's reference models</h2>
<p class="quiet">Recalls, hubness and neighbor agreement depend on the number of pairs: compare at like numbers.</p>
<div class="wide" tabindex="0" role="region" aria-label="Reference models">
$beside
</div>
<h2>To paste into a paper</h2>
<details><summary>LaTeX</summary><pre>$latex</pre></details>
<details><summary>Markdown</summary><pre>$markdown</pre></details>
<h2>What it rests on</h2>
$notes
<p class="quiet">Made by gapbook $version from $source: $n pairs, temperature $temperature, seed $seed.</p>
</body>
</html>
""")


def to_html(report: ModelReport) -> str:
    """Return the page, with figures as data in it."""
    labels = report.explained
    title = f"Modality gap report: {report.name}"
    return PAGE.substitute(
        title=escape(title),
        notes="\n".join(f"<p>{escape(note)}</p>" for note in report.notes),
        figures="\n".join(figures(report)),
        measures=_measures(report.table, labels),
        payoff=_payoff(report.payoff),
        splits=SPLITS,
        useful=USEFUL,
        level=f"{100 * LEVEL:g}",
        count=len(CANDIDATES),
        beside=_beside(report.beside(), labels),
        latex=escape(latex_table(report.table, labels, title)),
        markdown=escape(markdown_table(report.table, labels)),
        summary="\n".join(f"<li>{escape(line)}</li>" for line in _summary(report)),
        source=escape(report.pairs.source or "arrays"),
        n=f"{report.value('n_pairs'):,.0f}",
        temperature=f"{report.temperature:g}",
        seed=report.seed,
        version=__version__,
    )


def _summary(report: ModelReport) -> list[str]:
    """Return what to look at first: whether partners find each other, the gap, and what pays."""
    first, second = report.pairs.modalities
    sampled = report.value("n_sampled")
    gap: Any = report.table.set_index("metric").loc["modality_gap"]
    lines = [
        f"Recall at 1 among {sampled:,.0f}: {report.value('r1_image_to_text'):.1%} from {first} to {second}, "
        f"{report.value('r1_text_to_image'):.1%} from {second} to {first}; by chance {1 / sampled:.2%}. "
        "Near chance, the pairing is broken, and no gap means anything.",
        f"Modality gap: {number(gap.value)} ({number(gap.low)} to {number(gap.high)}).",
    ]
    if report.payoff is not None:
        lines += [f"For {row.use}: {_verdict(row.verdict)}." for row in report.payoff.itertuples()]
    return lines


def figures(report: ModelReport) -> list[str]:
    """Return the figures as HTML, each with a text that states its finding."""
    pairs, (first, second) = report.pairs, report.pairs.modalities
    gap = report.value("modality_gap")
    found = [
        _figure(
            gap_view(*project(pairs.x, pairs.y), pairs.modalities),
            f"{first} and {second} lie {gap:.3f} apart.",
        )
    ]
    sides = {
        f"two {name}s": cosine_stats(side).histogram
        for name, side in ((first, pairs.x), (second, pairs.y))
    }
    partners = report.paired, np.linspace(-1, 1, len(report.paired) + 1)
    within = [report.value(f"cosine_within_{side}") for side in "xy"]
    text = (
        f"Two {first}s have a cosine of {within[0]:.3f} on average, two {second}s {within[1]:.3f}, "
        f"partners {report.value('cosine_paired'):.3f}."
    )
    found.append(_figure(cosine_densities(sides | {"partners": partners}), text))
    if report.landscape is not None:
        found.append(
            _figure(landscape_curve(report.landscape, report.temperature), _landscape_text(report))
        )
    known: Any = references().query("metric == 'modality_gap'")
    own = report.table.query("metric == 'modality_gap'").assign(source="this model")
    rows = pd.concat([own, known])[["source", "value", "low", "high"]]
    below = (
        ", ".join(row.source for row in known.itertuples() if row.value < gap)
        or "none of the reference models"
    )
    found.append(
        _figure(
            beside_references(rows, "modality gap"),
            f"A gap of {gap:.3f} is wider than that of {below}.",
        )
    )
    return found


def _landscape_text(report: ModelReport) -> str:
    """Say where the loss is least."""
    curve = report.landscape
    assert curve is not None
    least, present = landmarks(curve)
    text = f"Loss at temperature {report.temperature:g}: {present['loss']:.3f} nats as it is"
    if least.name == present.name:
        return f"{text}, the least of all shifts along the gap."
    way = "narrower" if least["distance"] < present["distance"] else "wider"
    return f"{text}; least, {least['loss']:.3f}, at a {way} gap of {least['distance']:.3f}."


def _figure(figure: Figure, text: str) -> str:
    import matplotlib.pyplot as plt
    from PIL import Image

    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=144)
    plt.close(figure)
    data, text = (
        base64.b64encode(palette_png(Image.open(drawn))).decode(),
        escape(text[:1].upper() + text[1:]),
    )
    return f'<figure><img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>'


def _measures(table: pd.DataFrame, labels: pd.DataFrame) -> str:
    """Return one row a measure: value, interval, unit, and in words what it means and what to do."""
    words: Any = labels.set_index("metric")
    rows: list[str] = []
    row: Any
    for row in table.itertuples():
        known = row.metric in words.index
        label, meaning, advice = (
            words.loc[row.metric] if known else (str(row.metric).replace("_", " "), "", "")
        )
        ends = f"{number(row.low)} to {number(row.high)}" if np.isfinite(row.low) else ""
        said = f"{escape(meaning)} <strong>{escape(advice)}</strong>" if known else ""
        value = f"{row.value:,.0f}" if row.unit == "pairs" else number(row.value)
        numbers = "".join(f'<td class="number">{cell}</td>' for cell in (value, ends))
        texts = f'<td>{escape(row.unit)}</td><td class="said">{said}</td>'
        rows.append(f'<tr><th scope="row">{escape(label)}</th>{numbers}{texts}</tr>')
    return _table(
        ["measure", "value", "95 % interval", "unit", "what it means, and what to do"],
        rows,
        "measures",
    )


def _payoff(table: pd.DataFrame | None) -> str:
    """Return one row a use: the verdict, the best candidate, and what it changes."""
    if table is None:
        return "<p>These pairs are too few for a comparison.</p>"
    rows: list[str] = []
    row: Any
    for row in table.itertuples():
        verdict = _verdict(row.verdict)
        change = f"{number(row.change)} ({number(row.change_low)} to {number(row.change_high)})"
        texts = "".join(f"<td>{escape(cell)}</td>" for cell in (verdict, row.mitigation))
        numbers = (
            f'<td class="number">{cell}</td>'
            for cell in (number(row.before), number(row.after), change)
        )
        rows.append(f'<tr><th scope="row">{escape(row.use)}</th>{texts}{"".join(numbers)}</tr>')
    return _table(
        ["use", "verdict", "best candidate", "without it", "with it", "change, interval"], rows
    )


def _verdict(verdict: Any) -> str:
    return {"none": "none pays", "undecided": "undecided"}.get(verdict, f"{verdict} pays")


def _beside(table: pd.DataFrame, labels: pd.DataFrame) -> str:
    """Return one row a measure, one column a model."""
    words, rows = dict(zip(labels["metric"], labels["label"], strict=True)), []
    for metric, values in table.iterrows():
        label = words.get(metric, str(metric).replace("_", " "))
        cells = "".join(f'<td class="number">{number(value)}</td>' for value in values)
        rows.append(f'<tr><th scope="row">{escape(label)}</th>{cells}</tr>')
    return _table(["measure", *(str(name) for name in table.columns)], rows)


def _table(head: list[str], rows: list[str], kind: str = "compared") -> str:
    cells = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    return (
        f'<table class="{kind}">\n<thead><tr>{cells}</tr></thead>\n<tbody>\n'
        + "\n".join(rows)
        + "\n</tbody>\n</table>"
    )
