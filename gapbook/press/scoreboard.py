"""Compare what the book computed with what the authors reported."""

import html
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gapbook.press.baseline import differences, is_within, stated_tolerance
from gapbook.press.experiments import FULL_SCALE, PRINTED, SCALES, Experiment, experiment_of
from gapbook.press.full_values import FullRun
from gapbook.press.paper import Fact, reported
from gapbook.press.records import Record

VERDICTS = [
    "reproduced",
    "consistent",
    "differs",
    "erratum",
    "needs data",
    "cannot be had",
    "context",
    "not recorded",
]
NOT_TREATED = "not treated"
# characters of a value that a table shows
MAX_CHARACTERS = 40


class Comparison(NamedTuple):
    """A fact beside our value of it: a row of the scoreboard."""

    id: str
    figure: str
    experiment: str
    scale: str
    quantity: str
    unit: str
    paper: Any
    ours: Any
    difference: float | None
    tolerance: float | list[float] | None
    reason: str
    verdict: str
    explanation: str


def compare(records: Mapping[str, Record], full: FullRun | None = None) -> pd.DataFrame:
    """Set every fact and curve of ``data/paper.yml`` beside our value, with a verdict.

    Parameters
    ----------
    records : mapping of str to Record
        What the book computed, by key. A record is compared with the fact of the same key, or with
        the one that names it as ``ours``, lists elementwise.
    full : FullRun, optional
        Values of a run at the paper's scale, for facts that are not among the records.

    Returns
    -------
    DataFrame
        One row a fact, with the columns of :class:`Comparison`. ``experiment`` is the run that the
        fact comes from, ``scale`` what the book has that run on. ``difference`` is ours minus
        theirs, the largest for lists. The verdicts are

        * *reproduced*: run here, independent of the authors' digits, and within the tolerance,
        * *consistent*: arithmetic on numbers that the authors printed gives it,
        * *differs*: ours lies outside the tolerance,
        * *erratum*: the reported value is wrong, and ours, if there is one, is the right one,
        * *needs data*: it is not computed, and the explanation has the command that does it,
        * *cannot be had*: it is not computed, and the explanation says why no command can,
        * *context*: it is not for us to reproduce,
        * *not recorded*: it should be among the records, and is not.

    Raises
    ------
    PressError
        If neither the fact nor the record states a tolerance.

    Examples
    --------
    >>> table = compare({"fig1.clip_random.i2t_r1": Record(0.002)})
    >>> table.set_index("id").verdict["fig1.clip_random.i2t_r1"]
    'reproduced'
    """
    rows = [_judge(fact, records, full) for fact in reported().values()]
    return pd.DataFrame(rows, columns=Comparison._fields)


def verdicts_by_scale(table: pd.DataFrame) -> pd.DataFrame:
    """Count rows and experiments for each verdict and scale.

    Parameters
    ----------
    table : DataFrame
        Result of :func:`compare`.

    Returns
    -------
    DataFrame
        One row a verdict; the columns *all*, the scales, and *not treated*. A cell such as
        ``"52 (1)"`` counts rows, and in brackets the experiments that they come from; it is empty
        where there are none. An experiment whose rows have several verdicts counts for each.

    Examples
    --------
    >>> table = compare({"amend.ratio": Record(0.574)})
    >>> verdicts_by_scale(table).loc["consistent", "printed numbers"]
    '1 (1)'
    """
    named = table.assign(scale=table.scale.replace("", NOT_TREATED))
    everywhere = table.assign(scale="all")
    cells = pd.concat([named, everywhere]).pivot_table(
        index="verdict",
        columns="scale",
        values="experiment",
        aggfunc=lambda names: f"{len(names)} ({names.nunique()})",
        fill_value="",
    )
    rows = [verdict for verdict in VERDICTS if verdict in cells.index]
    columns = [name for name in ["all", *SCALES, NOT_TREATED] if name in cells]
    cells = cells.loc[rows, columns]
    return cells.rename_axis(index=None, columns=None)


def reproduction_table(
    records: Mapping[str, Record], keys: Iterable[str] | None = None
) -> pd.DataFrame:
    """Make the table that ends a reproduction: the paper's value, ours and the verdict.

    Parameters
    ----------
    records : mapping of str to Record
        What the chapter computed, by key.
    keys : iterable of str, optional
        Keys of the rows, by default those of the records that the paper reports. A key that the
        paper does not report stays in the table and says so.

    Returns
    -------
    DataFrame
        One row a key, with ``unit``, ``paper``, ``ours``, ``seed spread`` and ``verdict``. Rows
        are called by their quantities, or by their keys where two quantities are alike.

    Examples
    --------
    >>> reproduction_table({"ours.gap": Record(0.85)}, ["ours.gap"]).verdict.item()
    'not reported'
    >>> reproduction_table({}, ["fig2b.bias.relu.L01", "fig2b.bias.relu.L02"]).index.tolist()
    ['fig2b.bias.relu.L01', 'fig2b.bias.relu.L02']
    """
    facts = reported()
    if keys is None:
        keys = [key for key in records if key in facts]
    rows = {}
    for key in keys:
        record = records.get(key, Record(None))
        rows[key] = {
            "quantity": key,
            "unit": record.unit,
            "paper": "not reported",
            "ours": _short(record.value),
            "seed spread": _short(record.spread),
            "verdict": "not reported",
        }
        if key in facts:
            comparison = _judge(facts[key], records)
            rows[key]["quantity"] = comparison.quantity.partition(" (")[0]
            rows[key]["unit"] = comparison.unit
            rows[key]["paper"] = _short(comparison.paper)
            rows[key]["verdict"] = comparison.verdict
    table = pd.DataFrame.from_dict(rows, orient="index")
    named = table.set_index("quantity").rename_axis(None)
    if named.index.is_unique:
        return named
    return table.drop(columns="quantity")


def scoreboard_html(table: pd.DataFrame) -> str:
    """Render a comparison as HTML, one section a figure.

    Parameters
    ----------
    table : DataFrame
        Result of :func:`compare`.

    Returns
    -------
    str
        Sections that are closed at first, and that scroll instead of overflowing the page.
    """
    formatters = dict.fromkeys(("paper", "ours", "difference", "tolerance"), _short)
    sections = []
    for figure, rows in table.groupby("figure", sort=False):
        counts = rows.verdict.value_counts()
        verdicts = [f"{counts[name]} {name}" for name in VERDICTS if name in counts]
        experiments = rows.experiment.nunique()
        plural = "s" * (experiments > 1)
        title = f"{figure}: {', '.join(verdicts)} ({experiments} experiment{plural})"
        title = html.escape(title)
        inner = rows.drop(columns="figure").to_html(index=False, border=0, formatters=formatters)
        sections.append(
            f"<details><summary>{title}</summary>"
            '<div style="overflow:auto;max-height:30em" tabindex="0" role="region" '
            f'aria-label="{title}">{inner}</div></details>'
        )
    return "\n".join(sections)


def _judge(fact: Fact, records: Mapping[str, Record], full: FullRun | None = None) -> Comparison:
    experiment = experiment_of(fact.id)
    record = records.get(fact.ours or fact.id)
    provenance = experiment.stored and f"stored, from: {experiment.stored}"
    scale = PRINTED if experiment.arithmetic else experiment.scale
    if record is None and full is not None and fact.id in full.records:
        record = full.records[fact.id]
        provenance = full.provenance[fact.id]
        scale = FULL_SCALE
    row = Comparison(
        id=fact.id,
        figure=fact.figure,
        experiment=experiment.name,
        scale=scale,
        quantity=fact.quantity,
        unit=fact.unit,
        paper=fact.value,
        ours=None if record is None else record.value,
        difference=None,
        tolerance=fact.tolerance,
        reason=fact.why,
        verdict="context",
        explanation=fact.context,
    )
    if fact.context:
        return row._replace(scale="")
    if record is None:
        verdict, explanation = _judge_missing(fact, experiment)
        return row._replace(scale=experiment.meanwhile, verdict=verdict, explanation=explanation)
    tolerance, reason = _tolerance(fact, record)
    each = differences(record.value, fact.value)
    arithmetic = experiment.arithmetic and f"follows from {experiment.arithmetic}"
    explanation = "; ".join(filter(None, [fact.erratum or fact.note, arithmetic, provenance]))
    return row._replace(
        difference=float(each.flat[np.abs(each).argmax()]),
        tolerance=tolerance,
        reason=reason,
        verdict=_judge_value(fact, experiment, record.value, tolerance),
        explanation=explanation,
    )


def _tolerance(fact: Fact, record: Record) -> tuple[float | list[float], str]:
    """Return the tolerance of a fact with its reason, or else those of our value."""
    if fact.tolerance is None:
        return stated_tolerance(fact.id, record)
    return fact.tolerance, fact.why


def _judge_value(
    fact: Fact, experiment: Experiment, value: Any, tolerance: float | list[float]
) -> str:
    """Return the verdict on a value; against an erratum, it is to be the corrected one."""
    if fact.erratum and is_within(value, fact.corrected, tolerance):
        return "erratum"
    if fact.erratum or not is_within(value, fact.value, tolerance):
        return "differs"
    if experiment.arithmetic:
        return "consistent"
    return "reproduced"


def _judge_missing(fact: Fact, experiment: Experiment) -> tuple[str, str]:
    """Return verdict and explanation of a fact that nothing is recorded for."""
    if fact.erratum:
        return "erratum", fact.erratum
    if fact.cannot_be_had:
        return "cannot be had", fact.cannot_be_had
    if experiment.command:
        return "needs data", f"needs {fact.needs}: {experiment.command}"
    return "not recorded", f"chapter {fact.chapter} did not record it"


def _short(value: Any) -> str:
    """Write a value in a cell of a table, which stays empty for a missing one, None or NaN."""
    if value is None or value != value:
        return ""
    text = _rounded(value)
    if len(text) <= MAX_CHARACTERS:
        return text
    return f"{text[: MAX_CHARACTERS - 3]}..."


def _rounded(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_rounded, value))}]"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)
