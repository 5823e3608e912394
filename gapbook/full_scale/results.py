"""What was measured at the paper's scale: values by key, and one file that holds them all."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from gapbook.exceptions import PairsError, one_line
from gapbook.files import path_text, write_whole

HEADER = """\
# The paper's experiments at its own scale, as `make regress PROFILE=full` measured them.
# parts: when, on which machine, with which versions, commit and inputs each was measured;
# not_as_in_paper names what differs in scale, and then its values settle nothing.
# facts: by the keys of data/paper.yml; own: what the paper does not report.
"""


@dataclass(frozen=True)
class Result:
    """One measured value.

    Attributes
    ----------
    value : number, str or (nested) list
        The value, plain Python.
    unit : str
        Its unit, in words.
    tolerance : float or list of float, optional
        How far a reported value may be off from it, absolute. Where ``data/paper.yml`` states a
        tolerance, that one counts.
    why : str
        Where the tolerance comes from.
    """

    value: Any
    unit: str = ""
    tolerance: Any = None
    why: str = ""


@dataclass(frozen=True)
class Outcome:
    """What one part measured.

    Attributes
    ----------
    facts : dict of str to Result
        Values under the keys of ``data/paper.yml``.
    own : dict of str to Result
        Values that the paper does not report.
    not_as_in_paper : list of str
        What differs from the paper in scale, such as "40 images of COCO instead of 5,000".
    """

    facts: dict[str, Result]
    own: dict[str, Result] = field(default_factory=dict)
    not_as_in_paper: list[str] = field(default_factory=list)


def scale_note(count: int, in_paper: int, what: str) -> list[str]:
    """Say how a count differs from the paper's.

    Parameters
    ----------
    count, in_paper : int
        How many there are here, and in the paper.
    what : str
        What is counted.

    Returns
    -------
    list of str
        One sentence, or none where the counts agree.

    Examples
    --------
    >>> scale_note(40, 5000, "images of COCO"), scale_note(5000, 5000, "images of COCO")
    (['40 images of COCO instead of 5,000'], [])
    """
    if count == in_paper:
        return []
    return [f"{count:,} {what} instead of {in_paper:,}"]


def plain(key: str, value: Any) -> Any:
    """Return a value as plain Python, with all its numbers finite.

    Parameters
    ----------
    key : str
        What the value is called, for the message.
    value : number, str, list or array
        The value; arrays become lists.

    Returns
    -------
    number, str or list
        The same without types of NumPy.

    Raises
    ------
    PairsError
        For NaN and infinity.

    Examples
    --------
    >>> plain("counts", np.array([[1, 2]])), plain("gap", np.float32(0.5))
    ([[1, 2]], 0.5)
    """
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(key, item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise PairsError(f"{key} is {value}: the embeddings that it was computed from are damaged")
    return value


def write_part(folder: Path, name: str, outcome: Outcome, provenance: Mapping[str, Any]) -> None:
    """Keep what a part measured in ``parts/<name>.json`` of a folder.

    Parameters
    ----------
    folder : pathlib.Path
        Where all is kept.
    name : str
        The part.
    outcome : Outcome
        What it measured.
    provenance : mapping
        When, where and with what.
    """
    content: dict[str, Any] = {"provenance": dict(provenance)}
    if outcome.not_as_in_paper:
        content["provenance"]["not_as_in_paper"] = outcome.not_as_in_paper
    for kind, results in (("facts", outcome.facts), ("own", outcome.own)):
        content[kind] = {key: _stated(key, result) for key, result in results.items()}
    path = folder / "parts" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, json.dumps(content, indent=1).encode())


def _stated(key: str, result: Result) -> dict[str, Any]:
    """Return what is known of a result, by name."""
    fields = {name: plain(key, item) for name, item in asdict(result).items()}
    return {name: item for name, item in fields.items() if item not in (None, "")}


def collect(folder: Path) -> dict[str, Any]:
    """Gather what all parts of a folder measured.

    Parameters
    ----------
    folder : pathlib.Path
        Where parts are kept.

    Returns
    -------
    dict
        "parts", "facts" and "own", each by key; facts and own values name their part.

    Raises
    ------
    PairsError
        For a damaged file.
    """
    content: dict[str, Any] = {"parts": {}, "facts": {}, "own": {}}
    for path in sorted((folder / "parts").glob("*.json")):
        try:
            part = json.loads(path.read_text(encoding="utf-8"))
            content["parts"][path.stem] = part["provenance"]
            for kind in ("facts", "own"):
                for key, fields in part[kind].items():
                    content[kind][key] = fields | {"part": path.stem}
        except (ValueError, KeyError, TypeError) as error:
            raise PairsError(
                f"{path_text(path)} is damaged ({one_line(str(error), 200)}); delete it, and "
                "measure that part again"
            ) from None
    return content


def write_results(path: Path, content: Mapping[str, Any]) -> None:
    """Write the file of all results, whole or not at all.

    Parameters
    ----------
    path : pathlib.Path
        The file, YAML.
    content : mapping
        What ``collect`` returned.
    """
    text = yaml.safe_dump(
        dict(content), default_flow_style=None, width=118, sort_keys=False, allow_unicode=True
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, (HEADER + text).encode())


def read_results(path: Path) -> dict[str, Any]:
    """Read a file of results, such as ``data/full.yml``.

    Parameters
    ----------
    path : pathlib.Path
        The file.

    Returns
    -------
    dict
        "parts": provenance by part, with "date", "seconds", "commit", "hardware", "versions" and
        "inputs", and "not_as_in_paper" where the scale differs. "facts" and "own": by key, each
        with "value", "part" and, where they are stated, "unit", "tolerance" and "why".

    Raises
    ------
    PairsError
        If the file is missing or is no such file.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        missing = {"parts", "facts", "own"} - set(content)
    except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
        reason = one_line(str(error), 200)
        raise PairsError(
            f"Expected a file of results of gapbook.full_scale; {path_text(path)} cannot be read "
            f"as one ({reason})"
        ) from None
    if missing:
        raise PairsError(
            f"Expected a file of results of gapbook.full_scale; {path_text(path)} lacks "
            f"{', '.join(sorted(missing))}"
        )
    return content


def one_more(values: Iterable[float]) -> tuple[float, float, str]:
    """Predict one further run from several.

    Parameters
    ----------
    values : iterable of float
        The same quantity of at least two runs.

    Returns
    -------
    mean, half_width : float
        The mean, and half the width of the 95 % prediction interval of one further run.
    why : str
        Where the interval comes from.

    Notes
    -----
    ``t(0.975, m - 1) s sqrt(1 + 1 / m)`` for m independent normal runs of standard deviation s.

    Examples
    --------
    >>> mean, half_width, why = one_more([1.0, 2.0, 3.0])
    >>> mean, round(half_width, 3), why
    (2.0, 4.968, '95 % prediction interval of one further run, from 3')
    """
    from scipy.stats import t

    runs = np.asarray(list(values), float)
    if len(runs) < 2:
        raise PairsError(f"Expected at least 2 runs, to know how much one moves; got {len(runs)}")
    m = len(runs)
    half_width = t.ppf(0.975, m - 1) * runs.std(ddof=1) * math.sqrt(1 + 1 / m)
    why = f"95 % prediction interval of one further run, from {m}"
    return float(runs.mean()), float(half_width), why
