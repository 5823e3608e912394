"""Compare what the book computed with what the authors reported."""

import html
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gapbook.pairs import load_command
from gapbook.press.baseline import differences, is_within, stated_tolerance
from gapbook.press.paper import Fact, reported
from gapbook.press.records import Record
from gapbook.published import registry

VERDICTS = ["reproduced", "differs", "erratum", "needs data", "context", "not recorded"]
# characters of a value that a table shows
MAX_CHARACTERS = 40


class Comparison(NamedTuple):
    """A fact beside our value of it: a row of the scoreboard."""

    id: str
    figure: str
    quantity: str
    unit: str
    paper: Any
    ours: Any
    difference: float | None
    tolerance: float | list[float] | None
    reason: str
    verdict: str
    explanation: str


def compare(records: Mapping[str, Record]) -> pd.DataFrame:
    """Set every fact and curve of ``data/paper.yml`` beside our value, with a verdict.

    Parameters
    ----------
    records : mapping of str to Record
        What the book computed, by key. A record is compared with the fact of the same key, lists
        elementwise.

    Returns
    -------
    DataFrame
        One row a fact, with the columns of :class:`Comparison`. ``difference`` is ours minus
        theirs, the largest for lists. The verdicts are

        * *reproduced*: ours lies within the tolerance,
        * *differs*: it does not,
        * *erratum*: the reported value is wrong, and ours, if there is one, is the right one,
        * *needs data*: it is not recorded, and says which data it needs,
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
    rows = [_judge(fact, records.get(key)) for key, fact in reported().items()]
    return pd.DataFrame(rows, columns=Comparison._fields)


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
            comparison = _judge(facts[key], records.get(key))
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
        title = html.escape(f"{figure}: {', '.join(verdicts)}")
        inner = rows.drop(columns="figure").to_html(index=False, border=0, formatters=formatters)
        sections.append(
            f"<details><summary>{title}</summary>"
            '<div style="overflow:auto;max-height:30em" tabindex="0" role="region" '
            f'aria-label="{title}">{inner}</div></details>'
        )
    return "\n".join(sections)


def _judge(fact: Fact, record: Record | None) -> Comparison:
    row = Comparison(
        id=fact.id,
        figure=fact.figure,
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
        return row
    if record is None:
        verdict, explanation = _judge_missing(fact)
        return row._replace(verdict=verdict, explanation=explanation)
    tolerance, reason = _tolerance(fact, record)
    each = differences(record.value, fact.value)
    return row._replace(
        difference=float(each.flat[np.abs(each).argmax()]),
        tolerance=tolerance,
        reason=reason,
        verdict=_judge_value(fact, record.value, tolerance),
        explanation=fact.erratum or fact.note,
    )


def _tolerance(fact: Fact, record: Record) -> tuple[float | list[float], str]:
    """Return the tolerance of a fact with its reason, or else those of our value."""
    if fact.tolerance is None:
        return stated_tolerance(fact.id, record)
    return fact.tolerance, fact.why


def _judge_value(fact: Fact, value: Any, tolerance: float | list[float]) -> str:
    """Return the verdict on a value; against an erratum, it is to be the corrected one."""
    if fact.erratum and is_within(value, fact.corrected, tolerance):
        return "erratum"
    if not fact.erratum and is_within(value, fact.value, tolerance):
        return "reproduced"
    return "differs"


def _judge_missing(fact: Fact) -> tuple[str, str]:
    """Return verdict and explanation of a fact that nothing is recorded for."""
    if fact.erratum:
        return "erratum", fact.erratum
    if fact.needs in registry():
        return "needs data", f"needs {fact.needs}: {load_command(fact.needs)}"
    if fact.needs:
        return "needs data", f"needs {fact.needs}: make regress PROFILE=full"
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
