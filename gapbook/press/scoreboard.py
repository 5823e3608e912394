"""Compare what the book computed with what the authors reported, and with what the book computed before."""

import html
import json
import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from gapbook.press.paper import Fact, paper_facts
from gapbook.press.record import PressError, Record

VERDICTS = ["reproduced", "differs", "erratum", "needs data", "planned", "context"]
HEADER = """\
# What this book computes, under regression: `make book` fails where a value moves by more than its tolerance.
# tolerance is absolute, why says where it comes from, needs names data without which the key is absent.
# `python -m gapbook.press accept` prints old and new and rewrites this file; what it knows of a key besides its
# value stays, so delete a key to take its tolerance anew from the notebook.
"""


def compare(records: Mapping[str, Any]) -> pd.DataFrame:
    """Every fact of ``data/paper.yml`` once, beside our value, with the verdict and its explanation.

    A record is compared with the fact of the same key; lists elementwise, ``difference`` is then the largest. A fact
    is *reproduced* within its tolerance, else it *differs*; *erratum*: the reported value is wrong; *needs
    data* that this run lacks; *planned*: its chapter is not written; *context*: not for us to reproduce.

    Raises :class:`PressError` where neither the fact nor the record states a tolerance.

    >>> table = compare({"fig1.clip_random.i2t_r1": 0.002})
    >>> table.set_index("id").verdict["fig1.clip_random.i2t_r1"]
    'reproduced'
    """
    ours = _as_records(records)
    chapters = {Path(entry.notebook).name[:2] for entry in ours.values()}
    return pd.DataFrame([_judge(fact, ours.get(key), chapters) for key, fact in paper_facts().items()])


def reproduction_table(records: Mapping[str, Any], keys: Iterable[str] | None = None) -> pd.DataFrame:
    """Table that ends a reproduction: paper, ours, seed spread, verdict; ``keys`` default to the paper's.

    A key that the paper does not report stays in the table and says so.

    >>> reproduction_table({"fig1.clip_random.i2t_r1": 0.002, "ours.gap": 0.85}, ["ours.gap"]).verdict.item()
    'not reported'
    """
    ours, facts = _as_records(records), paper_facts()
    rows = []
    for key in keys if keys is not None else [key for key in ours if key in facts]:
        entry, fact = ours.get(key), facts.get(key)
        numbers = [_short(entry.value) if entry else "", _short(entry.spread) if entry else ""]
        if fact is None:
            rows.append([key, entry.unit if entry else "", "not reported", *numbers, "not reported"])
        else:
            verdict = _judge(fact, entry, {fact.chapter})["verdict"]
            rows.append([fact.quantity, fact.unit, _short(fact.value), *numbers, verdict])
    columns = ["quantity", "unit", "paper", "ours", "seed spread", "verdict"]
    return pd.DataFrame(rows, columns=columns).set_index("quantity")


def scoreboard_html(table: pd.DataFrame) -> str:
    """Render the comparison: one section a figure, closed, that scrolls instead of overflowing the page."""
    shown = table.assign(**{name: table[name].map(_short) for name in ("paper", "ours", "difference", "tolerance")})
    parts = []
    for figure, rows in shown.groupby("figure", sort=False):
        counts = rows.verdict.value_counts().reindex(VERDICTS).dropna().astype(int)
        title = html.escape(f"{figure}: {', '.join(f'{n} {verdict}' for verdict, n in counts.items())}")
        inner = rows.drop(columns=["figure"]).to_html(index=False, border=0)
        scroll = f'<div style="overflow:auto;max-height:30em" tabindex="0" role="region" aria-label="{title}">'
        parts.append(f"<details><summary>{title}</summary>{scroll}{inner}</div></details>")
    return "\n".join(parts)


def check(records: Mapping[str, Record], expected: Mapping[str, Record], available: Collection[str] = ()) -> None:
    """Raise one :class:`PressError` that lists every record that left its baseline, lacks one, or is missing.

    A key may be missing only where it ``needs`` a source that is not among those ``available``.
    """
    failures = []
    for key in sorted(key for key in expected.keys() | records.keys() if not key.startswith("run.")):
        want, got = expected.get(key), records.get(key)
        if want is None:
            failures.append(f"{key} = {got.value!r} ({got.notebook}) has no baseline")  # type: ignore[union-attr]
        elif got is None:
            if _possible(want, available):
                failures.append(f"{key} has a baseline, but {want.notebook or 'the book'} did not record it")
        elif got.unit != want.unit:
            failures.append(f"{key} has the unit {got.unit!r} ({got.notebook}); expected {want.unit!r}")
        elif not _within(got.value, want.value, want.tolerance):
            failures.append(f"{key} = {got.value!r} ({got.notebook}); expected {want.value!r} within {want.tolerance}")
    if failures:
        accept = "If they are right, run python -m gapbook.press accept and commit data/expected.yml by itself."
        raise PressError("\n  ".join([f"{len(failures)} records differ from the baseline:", *failures]) + f"\n{accept}")


def accept(records: Mapping[str, Record], path: Path, available: Collection[str] = ()) -> list[str]:
    """Make the records the new baseline in ``path``; return one line for each change.

    Values within their tolerance stay, and so do the tolerance, its reason and the needs of a known key. A new key
    takes its tolerance from the notebook: stated there, or three times its ``spread``, or, for a deterministic
    computation, 1e-4 of the value for a float and 0 for everything else.
    """
    old, new, changes = load_expected(path), {}, []
    for key in sorted(key for key in old.keys() | records.keys() if not key.startswith("run.")):
        want, got = old.get(key), records.get(key)
        if got is None and want is not None:
            if _possible(want, available):
                changes.append(f"{key}: {want.value!r} -> removed")
            else:
                new[key] = want
        elif got is not None:
            new[key] = base = _baseline(key, got, want)
            if want is None or (base.value, base.unit) != (want.value, want.unit):
                changes.append(f"{key}: {want.value if want else 'new'!r} -> {base.value!r} {base.unit}".rstrip())
    plain = {key: {k: v for k, v in asdict(base).items() if v not in (None, "")} for key, base in new.items()}
    text = HEADER + yaml.safe_dump(plain, default_flow_style=None, width=118, sort_keys=False, allow_unicode=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    return changes


def expected_path(profile: str = "quick") -> Path:
    """File with the baseline of a profile, from the root of the repository: ``data/expected.yml`` for the quick run."""
    return Path("data") / ("expected.yml" if profile == "quick" else f"expected-{profile}.yml")


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
    return pd.DataFrame.from_dict(run["chapters"], "index", columns=["seconds", "memory_mb"]).rename_axis("chapter")


def run_machine(folder: str | Path) -> pd.Series:
    """Processor count and versions of Python and of the packages that an executed book was made with."""
    run = json.loads((Path(folder) / "run.json").read_text())
    return pd.Series(run["machine"], name="value").rename_axis("what")


def _judge(fact: Fact, ours: Record | None, chapters: set[str]) -> dict[str, Any]:
    tolerance, reason, difference, verdict = fact.tolerance, fact.why, None, "planned"
    explanation = fact.erratum or fact.note
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
        explanation = f"chapter {fact.chapter} is not written yet" + (f"; needs {fact.needs}" if fact.needs else "")
    elif fact.needs:
        verdict, explanation = "needs data", f"needs {fact.needs}: {_command(fact.needs)}"
    else:
        explanation = f"chapter {fact.chapter} does not compute it yet"
    head = {"id": fact.id, "figure": fact.figure, "quantity": fact.quantity, "unit": fact.unit, "paper": fact.value}
    tail = {"tolerance": tolerance, "reason": reason, "verdict": verdict, "explanation": explanation}
    return {**head, "ours": ours.value if ours else None, "difference": difference, **tail}


def _command(needs: str) -> str:
    source = " " not in needs and needs.islower()
    return f"python -c \"import gapbook; gapbook.load_pairs('{needs}')\"" if source else "make regress PROFILE=full"


def _stated(key: str, entry: Record) -> tuple[float, str]:
    """Tolerance of a value and its reason, from what its notebook says about it."""
    if entry.tolerance is not None:
        return entry.tolerance, entry.why
    if entry.spread:
        return _round_up(3 * entry.spread), f"3 standard deviations over seeds ({entry.spread:.2g})"
    raise PressError(f"{key} is compared, but nothing states how far it may be off: record(..., spread=) or tolerance=")


def _baseline(key: str, got: Record, want: Record | None) -> Record:
    """Baseline of a key: the old one while it holds, else the new value under the known or the stated tolerance."""
    if want is not None:
        keep = got.unit == want.unit and _within(got.value, want.value, want.tolerance)
        return replace(want, value=want.value if keep else got.value, unit=got.unit, notebook=got.notebook)
    if got.tolerance is None and got.spread is None:
        tolerance = _round_up(1e-4 * abs(got.value)) if isinstance(got.value, float) else 0
        why = "deterministic: only rounding differs between machines" if tolerance else "deterministic: exact"
    else:
        tolerance, why = _stated(key, got)
    return replace(got, tolerance=tolerance, why=why, spread=None)


def _possible(want: Record, available: Collection[str]) -> bool:
    return set(filter(None, want.needs.split(", "))) <= set(available)


def _difference(ours: Any, paper: Any) -> float:
    """Ours minus theirs, the largest in absolute value for lists; infinite where they are of different kinds."""
    try:
        gap = np.asarray(ours, dtype=float) - np.asarray(paper, dtype=float)
    except ValueError:  # strings, or lists of different shape
        return 0.0 if ours == paper else math.inf
    return float(gap.flat[np.abs(gap).argmax()]) if np.shape(ours) == np.shape(paper) else math.inf


def _within(ours: Any, theirs: Any, tolerance: float | None) -> bool:
    exact = any(isinstance(value, bool | str) for value in (ours, theirs))
    return ours == theirs if exact else abs(_difference(ours, theirs)) <= (tolerance or 0) * (1 + 1e-9)


def _round_up(value: float) -> float:
    """Round up to two significant digits."""
    unit = 10.0 ** (math.floor(math.log10(value)) - 1) if value else 1.0
    return float(f"{math.ceil(value / unit - 1e-9) * unit:.2g}")


def _short(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
    text = "" if text == "nan" else text
    return text if len(text) <= 40 else f"{text[:37]}..."


def _as_records(records: Mapping[str, Any]) -> dict[str, Record]:
    return {key: value if isinstance(value, Record) else Record(value) for key, value in records.items()}
