"""Compare what the book computed with its baseline: what it computed before, key by key."""

import contextlib
import math
import reprlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import yaml

from gapbook.exceptions import PressError, nearest
from gapbook.files import data_path, write_whole
from gapbook.press.mappings import read_mapping
from gapbook.press.records import Record

# a deterministic float may differ between machines by rounding, relative to its value
ROUNDING = 1e-4
# comparisons themselves round, too
SLACK = 1 + 1e-9
# what an entry of a baseline cannot do without
REQUIRED = {"value", "tolerance", "why"}
HEADER = """\
# What this book computes, under regression: `make book` fails where a value moves by more than its
# tolerance. tolerance is absolute, why says where it comes from, needs names data without which the
# key is absent. `python -m gapbook.press accept` prints old and new and rewrites this file; what it
# knows of a key besides its value stays, so delete a key to take its tolerance anew from the
# notebook.
"""


def load_expected(path: Path | None = None) -> dict[str, Record]:
    """Read a baseline.

    Parameters
    ----------
    path : Path, optional
        YAML file, by default the one that comes with the package. One that does not exist yet is
        an empty baseline.

    Returns
    -------
    dict of str to Record
        Values with their tolerances, by key.

    Raises
    ------
    PressError
        If the file is no YAML, or an entry is not what a baseline says of a key.
    """
    if path is None:
        path = data_path("expected.yml")
    if not path.exists():
        return {}
    return {key: _entry(f"{path.name}: {key}", entry) for key, entry in read_mapping(path).items()}


def check(
    records: Mapping[str, Record], expected: Mapping[str, Record], available: Collection[str] = ()
) -> None:
    """Make sure that all records agree with the baseline, and that none is missing or new.

    Parameters
    ----------
    records : mapping of str to Record
        What the notebooks recorded, by key. Keys that begin with ``run.`` describe the run and
        are passed over.
    expected : mapping of str to Record
        The baseline.
    available : collection of str
        Sources of embeddings at hand. A key may be missing only where it ``needs`` another one.

    Raises
    ------
    PressError
        If any record disagrees; the message lists them all.
    """
    results = _results(records)
    failures = []
    for key, baseline in expected.items():
        if key not in results and _is_possible(baseline, available):
            notebook = baseline.notebook or "the book"
            failures.append(f"{key} has a baseline, but {notebook} did not record it")
    for key, record in results.items():
        recorded = f"{key} = {_text(record)} ({record.notebook})"
        if key not in expected:
            failures.append(f"{recorded} has no baseline")
        elif not _holds(record, expected[key]):
            tolerance = expected[key].tolerance
            failures.append(f"{recorded}; expected {_text(expected[key])} within {tolerance}")
    if failures:
        lines = [f"{len(failures)} records differ from the baseline:", *failures]
        raise PressError(
            "\n  ".join(lines) + "\nIf they are right, run python -m gapbook.press accept "
            "and commit data/expected.yml by itself."
        )


def accept(records: Mapping[str, Record], path: Path, available: Collection[str] = ()) -> list[str]:
    """Make the records the new baseline.

    Values within their tolerance stay, and so do the tolerance, its reason and the needs of a
    known key. A new key takes its tolerance from the notebook: the one stated there, or three
    times its ``spread``, or, for a deterministic computation, 1e-4 of the value for a float and 0
    for everything else.

    Parameters
    ----------
    records : mapping of str to Record
        What the notebooks recorded, by key.
    path : Path
        YAML file of the baseline, which is rewritten.
    available : collection of str
        Sources of embeddings at hand. Old keys that ``need`` another one stay.

    Returns
    -------
    list of str
        One line, with old and new, for each key that changed.
    """
    old = load_expected(path)
    new = {key: entry for key, entry in old.items() if not _is_possible(entry, available)}
    for key, record in _results(records).items():
        new[key] = _baseline(key, record, old.get(key))
    entries = {key: new[key].stated() for key in sorted(new)}
    text = yaml.safe_dump(
        entries, default_flow_style=None, width=118, sort_keys=False, allow_unicode=True
    )
    write_whole(path, (HEADER + text).encode())
    pairs = {key: (_text(old.get(key)), _text(new.get(key))) for key in sorted(old | new)}
    return [f"{key}: {was} -> {now}" for key, (was, now) in pairs.items() if was != now]


def stated_tolerance(key: str, record: Record) -> tuple[float | list[float], str]:
    """Look up how far a value may be off, as its notebook says.

    Parameters
    ----------
    key : str
        Name of the value, for the error.
    record : Record
        The value with its ``tolerance``, or with its ``spread`` over seeds.

    Returns
    -------
    tolerance : float or list of float
        The tolerance, absolute; without one, three times the spread, to two digits.
    why : str
        Where it comes from.

    Raises
    ------
    PressError
        If the record has neither.
    """
    if record.tolerance is not None:
        return record.tolerance, record.why
    if record.spread:
        why = f"3 standard deviations over seeds ({record.spread:.2g})"
        return _two_digits(3 * record.spread), why
    raise PressError(
        f"{key} is compared, but nothing states how far it may be off: "
        "record(..., spread=) or tolerance="
    )


def is_within(ours: object, expected: object, tolerance: float | Iterable[float] | None) -> bool:
    """Tell whether two values agree, elementwise for lists.

    Parameters
    ----------
    ours, expected : number, bool, str or list of numbers
        The two values. They disagree if they are of different kinds or shapes.
    tolerance : float or list of float, optional
        Largest absolute difference; 0 if None.

    Returns
    -------
    bool
        Whether no difference is larger.

    Examples
    --------
    >>> is_within([0.5, 1.0], [0.6, 1.0], 0.1), is_within([0.5, 1.0], 0.5, 0.1)
    (True, False)
    """
    allowed = np.asarray(tolerance or 0) * SLACK
    return bool(np.all(np.abs(differences(ours, expected)) <= allowed))


def differences(ours: object, expected: object) -> np.ndarray:
    """Subtract one value from the other, elementwise for lists.

    Parameters
    ----------
    ours, expected : number, bool, str or list of numbers
        The two values.

    Returns
    -------
    ndarray
        Ours minus the expected ones; 0 for equal, and infinity for different bools and strings and
        for values of different kinds or shapes.
    """
    are_numbers = not isinstance(ours, bool | str) and not isinstance(expected, bool | str)
    if are_numbers:
        # ragged lists are no arrays
        with contextlib.suppress(ValueError):
            a = np.asarray(ours, dtype=float)
            b = np.asarray(expected, dtype=float)
            if a.shape == b.shape:
                return a - b
    if ours == expected:
        return np.asarray(0.0)
    return np.asarray(math.inf)


def _entry(place: str, entry: object) -> Record:
    """Check what a baseline says of a key; ``place`` names the file and the key."""
    if not isinstance(entry, dict):
        expected = ", ".join(sorted(REQUIRED))
        raise PressError(f"{place} must have {expected}; got {reprlib.repr(entry)}")
    if missing := REQUIRED - set(entry):
        raise PressError(f"{place} lacks {', '.join(sorted(missing))}")
    known = [field.name for field in fields(Record)]
    for name in entry:
        if name not in known:
            raise PressError(f"{place} has no field {name!r}; {nearest(str(name), known)}")
    try:
        np.asarray(entry["tolerance"], dtype=float)
    except (TypeError, ValueError):
        got = reprlib.repr(entry["tolerance"])
        raise PressError(f"{place} needs a number as its tolerance; got {got}") from None
    return Record(**entry)


def _baseline(key: str, record: Record, old: Record | None) -> Record:
    """Return what the baseline is to say of a record: the old value as long as it holds."""
    if old is not None and _holds(record, old):
        return replace(old, notebook=record.notebook)
    if old is not None:
        return replace(old, value=record.value, unit=record.unit, notebook=record.notebook)
    tolerance: float | list[float] = 0
    why = "deterministic: exact"
    if record.tolerance is not None or record.spread is not None:
        tolerance, why = stated_tolerance(key, record)
    elif largest := _largest_float(record.value):
        tolerance = _two_digits(ROUNDING * largest)
        why = "deterministic: only rounding differs between machines"
    return replace(record, tolerance=tolerance, why=why, spread=None)


def _largest_float(value: object) -> float:
    """Return the largest magnitude of the floats in a number or list, 0 where there is none."""
    if isinstance(value, list):
        return max(map(_largest_float, value), default=0.0)
    return abs(value) if isinstance(value, float) else 0.0


def _results(records: Mapping[str, Record]) -> dict[str, Record]:
    return {key: record for key, record in records.items() if not key.startswith("run.")}


def _is_possible(baseline: Record, available: Collection[str]) -> bool:
    """Tell whether all sources that a key needs are at hand."""
    needs = baseline.needs.split(", ") if baseline.needs else []
    return set(needs) <= set(available)


def _holds(record: Record, baseline: Record) -> bool:
    same_unit = record.unit == baseline.unit
    return same_unit and is_within(record.value, baseline.value, baseline.tolerance)


def _two_digits(value: float) -> float:
    return float(f"{value:.1e}")


def _text(record: Record | None) -> str:
    if record is None:
        return "none"
    return f"{record.value!r} {record.unit}".strip()
