"""Compare what the book computed with what the authors reported, and with what the book computed before."""

import contextlib
import html
import json
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from gapbook.exceptions import PressError
from gapbook.files import write_whole
from gapbook.pairs import load_command
from gapbook.press.paper import Fact, reported
from gapbook.press.record import Record
from gapbook.published import registry

VERDICTS = ["reproduced", "differs", "erratum", "needs data", "planned", "context"]
COLUMNS = [
    "id",
    "figure",
    "quantity",
    "unit",
    "paper",
    "ours",
    "difference",
    "tolerance",
    "reason",
    "verdict",
]
COLUMNS += ["explanation"]
HEADER = """\
# What this book computes, under regression: `make book` fails where a value moves by more than its tolerance.
# tolerance is absolute, why says where it comes from, needs names data without which the key is absent.
# `python -m gapbook.press accept` prints old and new and rewrites this file; what it knows of a key besides its
# value stays, so delete a key to take its tolerance anew from the notebook.
"""


def compare(records: Mapping[str, Record]) -> pd.DataFrame:
    """Every fact and curve of ``data/paper.yml`` once, beside our value, with the verdict and its explanation.

    A record is compared with the fact of the same key; lists elementwise, ``difference`` is then the largest. A fact
    is *reproduced* within its tolerance, else it *differs*; *erratum*: the reported value is wrong; *needs
    data* that this run lacks; *planned*: its chapter is not written; *context*: not for us to reproduce.

    Raises :class:`PressError` where neither the fact nor the record states a tolerance.

    >>> table = compare({"fig1.clip_random.i2t_r1": Record(0.002)})
    >>> table.set_index("id").verdict["fig1.clip_random.i2t_r1"]
    'reproduced'
    """
    chapters = {Path(entry.notebook).name[:2] for entry in records.values()}
    rows = [_judge(fact, records.get(key), chapters) for key, fact in reported().items()]
    return pd.DataFrame(rows, columns=COLUMNS)


def reproduction_table(
    records: Mapping[str, Record], keys: Iterable[str] | None = None
) -> pd.DataFrame:
    """Table that ends a reproduction: paper, ours, seed spread, verdict; ``keys`` default to the paper's.

    A key that the paper does not report stays in the table and says so. Rows are called by their quantities, or, where
    two of these are alike, by their keys.

    >>> reproduction_table({"ours.gap": Record(0.85)}, ["ours.gap"]).verdict.item()
    'not reported'
    >>> reproduction_table({}, ["fig2b.bias.relu.L01", "fig2b.bias.relu.L02"]).index.tolist()
    ['fig2b.bias.relu.L01', 'fig2b.bias.relu.L02']
    """
    facts, rows = reported(), []
    keys = [key for key in records if key in facts] if keys is None else list(keys)
    for key in keys:
        fact, ours = facts.get(key), records.get(key, Record(None))
        label, unit, paper, verdict = key, ours.unit, "not reported", "not reported"
        if fact:
            label, unit, paper = fact.quantity.partition(" (")[0], fact.unit, _short(fact.value)
            verdict = _judge(fact, records.get(key), {fact.chapter})[COLUMNS.index("verdict")]
        rows.append([label, unit, paper, _short(ours.value), _short(ours.spread), verdict])
    columns = ["quantity", "unit", "paper", "ours", "seed spread", "verdict"]
    table = pd.DataFrame(rows, columns=columns).set_index("quantity").rename_axis(None)
    return table if table.index.is_unique else table.set_axis(keys)


def scoreboard_html(table: pd.DataFrame) -> str:
    """Render the comparison: one section a figure, closed, that scrolls instead of overflowing the page."""
    parts, short = [], dict.fromkeys(("paper", "ours", "difference", "tolerance"), _short)
    for figure, rows in table.groupby("figure", sort=False):
        counts = rows.verdict.value_counts().reindex(VERDICTS).dropna().astype(int)
        title = html.escape(
            f"{figure}: {', '.join(f'{n} {verdict}' for verdict, n in counts.items())}"
        )
        inner = rows.drop(columns="figure").to_html(index=False, border=0, formatters=short)
        scroll = f'<div style="overflow:auto;max-height:30em" tabindex="0" role="region" aria-label="{title}">'
        parts.append(f"<details><summary>{title}</summary>{scroll}{inner}</div></details>")
    return "\n".join(parts)


def check(
    records: Mapping[str, Record], expected: Mapping[str, Record], available: Collection[str] = ()
) -> None:
    """Raise one :class:`PressError` that lists every record that left its baseline, lacks one, or is missing.

    A key may be missing only where it ``needs`` a source that is not among those ``available``.
    """
    found = _results(records)
    failures = [
        f"{key} has a baseline, but {want.notebook or 'the book'} did not record it"
        for key, want in expected.items()
        if key not in found and _possible(want, available)
    ]
    for key, got in found.items():
        came = f"{key} = {_told(got)} ({got.notebook})"
        if key not in expected:
            failures.append(f"{came} has no baseline")
        elif not _holds(got, expected[key]):
            failures.append(
                f"{came}; expected {_told(expected[key])} within {expected[key].tolerance}"
            )
    if failures:
        accept = "If they are right, run python -m gapbook.press accept and commit data/expected.yml by itself."
        raise PressError(
            "\n  ".join([f"{len(failures)} records differ from the baseline:", *failures])
            + f"\n{accept}"
        )


def accept(records: Mapping[str, Record], path: Path, available: Collection[str] = ()) -> list[str]:
    """Make the records the new baseline in ``path``; return one line for each change.

    Values within their tolerance stay, and so do the tolerance, its reason and the needs of a known key. A new key
    takes its tolerance from the notebook: stated there, or three times its ``spread``, or, for a deterministic
    computation, 1e-4 of the value for a float and 0 for everything else.
    """
    old, records = load_expected(path), _results(records)
    kept = {
        key: want for key, want in old.items() if key in records or not _possible(want, available)
    }
    new = kept | {key: _baseline(key, got, old.get(key)) for key, got in records.items()}
    plain = {key: base.stated() for key, base in sorted(new.items())}
    text = HEADER + yaml.safe_dump(
        plain, default_flow_style=None, width=118, sort_keys=False, allow_unicode=True
    )
    write_whole(path, text.encode())
    lines = {
        key: f"{key}: {_told(old.get(key))} -> {_told(new.get(key))}" for key in sorted(old | new)
    }
    return [line for key, line in lines.items() if _told(old.get(key)) != _told(new.get(key))]


def load_expected(path: Path | None = None) -> dict[str, Record]:
    """Read a baseline by key, the one in the package by default; a file that does not exist yet is an empty one.

    Raises :class:`PressError` for a key without value, tolerance or the reason for the tolerance.
    """
    path = path or Path(str(files("gapbook.data"))) / "expected.yml"
    entries = (yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else None) or {}
    for key, entry in entries.items():
        if missing := {"value", "tolerance", "why"} - set(entry):
            raise PressError(f"{path.name}: {key} lacks {', '.join(sorted(missing))}")
    return {key: Record(**entry) for key, entry in entries.items()}


def run_summary(folder: str | Path) -> pd.DataFrame:
    """Seconds and peak memory of each chapter of an executed book, in its own ``run.json``."""
    run = json.loads((Path(folder) / "run.json").read_text())
    return pd.DataFrame.from_dict(
        run["chapters"], "index", columns=["seconds", "memory_mb"]
    ).rename_axis("chapter")


def run_machine(folder: str | Path) -> pd.Series:
    """Processor count and versions of Python and of the packages that an executed book was made with."""
    run = json.loads((Path(folder) / "run.json").read_text())
    return pd.Series(run["machine"], name="value").rename_axis("what")


def _judge(fact: Fact, ours: Record | None, chapters: set[str]) -> list[Any]:
    """Row of the comparison: a fact, our value of it, the verdict and why."""
    tolerance, reason, difference = fact.tolerance, fact.why, None
    verdict, explanation = "planned", fact.erratum or fact.note
    if fact.context:
        verdict, explanation = "context", fact.context
    elif ours is not None:
        if tolerance is None:
            tolerance, reason = _stated(fact.id, ours)
        difference = _difference(ours.value, fact.value)
        good = _within(ours.value, fact.corrected if fact.erratum else fact.value, tolerance)
        verdict = "differs" if not good else "erratum" if fact.erratum else "reproduced"
    elif fact.erratum:
        verdict = "erratum"
    elif fact.chapter not in chapters:
        explanation = f"chapter {fact.chapter} is not written yet" + (
            f"; needs {fact.needs}" if fact.needs else ""
        )
    elif fact.needs in registry():
        verdict, explanation = "needs data", f"needs {fact.needs}: {load_command(fact.needs)}"
    elif fact.needs:
        verdict, explanation = "needs data", f"needs {fact.needs}: make regress PROFILE=full"
    else:
        explanation = f"chapter {fact.chapter} does not compute it yet"
    head = [
        fact.id,
        fact.figure,
        fact.quantity,
        fact.unit,
        fact.value,
        ours.value if ours else None,
    ]
    return [*head, difference, tolerance, reason, verdict, explanation]


def _stated(key: str, entry: Record) -> tuple[Any, str]:
    """Tolerance of a value and its reason, from what its notebook says about it."""
    if entry.tolerance is not None:
        return entry.tolerance, entry.why
    if entry.spread:
        return _two_digits(
            3 * entry.spread
        ), f"3 standard deviations over seeds ({entry.spread:.2g})"
    raise PressError(
        f"{key} is compared, but nothing states how far it may be off: record(..., spread=) or tolerance="
    )


def _baseline(key: str, got: Record, want: Record | None) -> Record:
    """Baseline of a key: the old one while it holds, else the new value under the known or the stated tolerance."""
    if want is not None:
        return replace(
            want if _holds(got, want) else replace(want, value=got.value, unit=got.unit),
            notebook=got.notebook,
        )
    if got.tolerance is not None or got.spread is not None:
        tolerance, why = _stated(key, got)
    elif isinstance(got.value, float) and got.value:
        tolerance, why = (
            _two_digits(1e-4 * abs(got.value)),
            "deterministic: only rounding differs between machines",
        )
    else:
        tolerance, why = 0, "deterministic: exact"
    return replace(got, tolerance=tolerance, why=why, spread=None)


def _results(records: Mapping[str, Record]) -> dict[str, Record]:
    return {key: entry for key, entry in records.items() if not key.startswith("run.")}


def _possible(want: Record, available: Collection[str]) -> bool:
    return set(filter(None, want.needs.split(", "))) <= set(available)


def _holds(got: Record, want: Record) -> bool:
    return got.unit == want.unit and _within(got.value, want.value, want.tolerance)


def _within(ours: Any, theirs: Any, tolerance: Any) -> bool:
    return bool(
        np.all(np.abs(_differences(ours, theirs)) <= np.asarray(tolerance or 0) * (1 + 1e-9))
    )


def _difference(ours: Any, theirs: Any) -> float:
    """Ours minus theirs, the largest in absolute value for lists."""
    each = _differences(ours, theirs)
    return float(each.flat[np.abs(each).argmax()])


def _differences(ours: Any, theirs: Any) -> np.ndarray:
    """Ours minus theirs, elementwise for lists; infinite where they are of different kinds or shapes."""
    if not any(isinstance(value, bool | str) for value in (ours, theirs)):
        with contextlib.suppress(ValueError):  # ragged lists
            a, b = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
            if a.shape == b.shape:
                return a - b
    return np.asarray(0.0 if ours == theirs else math.inf)


def _two_digits(value: float) -> float:
    return float(f"{value:.1e}")


def _told(entry: Record | None) -> str:
    return f"{entry.value!r} {entry.unit}".strip() if entry else "none"


def _rounded(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_rounded, value))}]"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _short(value: Any) -> str:
    if value is None or value != value:  # a missing one, or NaN
        return ""
    text = _rounded(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
