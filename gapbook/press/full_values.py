"""Read the values of a run at the paper's scale: ``data/full.yml``, where somebody has made one."""

import reprlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gapbook.exceptions import PressError, nearest
from gapbook.files import data_path
from gapbook.press.mappings import read_mapping
from gapbook.press.paper import reported
from gapbook.press.records import Record

# what a fact of the file may have besides its value and the part that measured it
STATED = ("unit", "spread", "tolerance", "why")
PROVENANCE = ("date", "hardware", "versions", "commit")


@dataclass(frozen=True)
class FullRun:
    """Values that were computed at the paper's scale, and where they come from.

    Attributes
    ----------
    records : dict of str to Record
        Values by the keys of the facts.
    provenance : dict of str to str
        Date, hardware, versions and commit of each value, in words, by the same keys.
    """

    records: dict[str, Record]
    provenance: dict[str, str]


def load_full(path: Path | None = None) -> FullRun | None:
    """Read the values of a run at the paper's scale.

    Parameters
    ----------
    path : Path, optional
        The file, by default ``data/full.yml``, as ``make regress PROFILE=full`` writes it.
        It holds ``parts``, each with ``date``, ``hardware``, ``versions`` and ``commit``, and
        ``facts``, each with a ``value``, the ``part`` that measured it, and what else a record has.

    Returns
    -------
    FullRun or None
        The values, without those of parts that say under ``not_as_in_paper`` how their scale
        differs; None if there is no such file.

    Raises
    ------
    PressError
        If the file is not like that, or has a fact that the authors did not report.
    """
    if path is None:
        path = data_path("full.yml")
    if not path.exists():
        return None
    content = read_mapping(path)
    parts = _mapping(path.name, content, "parts")
    sources = {name: _source(path.name, name, parts[name]) for name in parts}
    run = FullRun({}, {})
    for key, entry in _mapping(path.name, content, "facts").items():
        part = _check(path.name, key, entry, sources)
        if sources[part]:
            stated = {name: entry[name] for name in STATED if name in entry}
            run.records[key] = Record(entry["value"], **stated)
            run.provenance[key] = sources[part]
    return run


def _mapping(file: str, content: dict[str, Any], name: str) -> dict[str, Any]:
    if not isinstance(content.get(name), dict):
        got = reprlib.repr(content.get(name))
        raise PressError(f"{file} must have a mapping {name!r}; got {got}")
    return content[name]


def _check(file: str, key: str, entry: Any, parts: dict[str, str]) -> str:
    """Return the part that measured a fact, after checking what the file says of it."""
    if key not in reported():
        raise PressError(f"{file} has {key!r}, no fact of the paper; {nearest(key, reported())}")
    if not isinstance(entry, dict) or "value" not in entry or entry.get("part") not in parts:
        raise PressError(
            f"{file}: {key} must have a value, and a part that is one of {', '.join(parts)}; "
            f"got {reprlib.repr(entry)}"
        )
    return str(entry["part"])


def _source(file: str, name: str, part: Any) -> str:
    """Say where a part was run; nothing if its scale is not the paper's."""
    missing = [word for word in PROVENANCE if not isinstance(part, dict) or word not in part]
    if missing:
        raise PressError(f"{file}: part {name!r} lacks {', '.join(missing)}")
    if part.get("not_as_in_paper"):
        return ""
    return (
        f"run on {part['date']}, on {_in_words(part['hardware'])}, with "
        f"{_in_words(part['versions'])}, at commit {part['commit'] or 'unknown'}"
    )


def _in_words(described: Any) -> str:
    if isinstance(described, dict):
        return ", ".join(f"{name} {_in_words(value)}" for name, value in described.items())
    if isinstance(described, list):
        return " and ".join(map(str, described))
    return str(described)
