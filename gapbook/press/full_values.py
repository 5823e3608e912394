"""Read the values of a run at the paper's scale: ``data/full.yml``, where somebody has made one."""

import reprlib
from dataclasses import dataclass, fields
from pathlib import Path

from gapbook.exceptions import PressError, nearest
from gapbook.files import data_path
from gapbook.press.mappings import read_mapping
from gapbook.press.paper import reported
from gapbook.press.records import Record

PROVENANCE = ("date", "hardware", "versions", "commit")


@dataclass(frozen=True)
class FullRun:
    """Values that were computed at the paper's scale, and where they come from.

    Attributes
    ----------
    records : dict of str to Record
        Values by the keys of the facts.
    provenance : str
        Date, hardware, versions and commit of the run, in words.
    """

    records: dict[str, Record]
    provenance: str


def load_full(path: Path | None = None) -> FullRun | None:
    """Read the values of a run at the paper's scale.

    Parameters
    ----------
    path : Path, optional
        The file, by default ``data/full.yml``. It holds ``facts``, each with a ``value`` and what
        else a record has (``unit``; ``spread``, or ``tolerance`` and ``why``), and ``provenance``
        with ``date``, ``hardware``, ``versions`` (by package) and ``commit``.

    Returns
    -------
    FullRun or None
        The values; None if there is no such file.

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
    for part in ("facts", "provenance"):
        if not isinstance(content.get(part), dict):
            got = reprlib.repr(content.get(part))
            raise PressError(f"{path.name} must have a mapping {part!r}; got {got}")
    records = {key: _record(path.name, key, entry) for key, entry in content["facts"].items()}
    return FullRun(records, _in_words(path.name, content["provenance"]))


def _record(file: str, key: str, entry: object) -> Record:
    if key not in reported():
        raise PressError(f"{file} has {key!r}, no fact of the paper; {nearest(key, reported())}")
    known = [field.name for field in fields(Record)]
    if not isinstance(entry, dict) or "value" not in entry or not set(entry) <= set(known):
        raise PressError(
            f"{file}: {key} needs a value, and may have {', '.join(known[1:])}; "
            f"got {reprlib.repr(entry)}"
        )
    return Record(**entry)


def _in_words(file: str, provenance: dict[str, object]) -> str:
    missing = [name for name in PROVENANCE if not provenance.get(name)]
    if missing:
        raise PressError(f"{file} must say where it comes from; it lacks {', '.join(missing)}")
    versions = provenance["versions"]
    if isinstance(versions, dict):
        versions = ", ".join(f"{package} {version}" for package, version in versions.items())
    return (
        f"run on {provenance['date']}, {provenance['hardware']}, {versions}, "
        f"commit {provenance['commit']}"
    )
