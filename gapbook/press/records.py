"""Leave a number in the executed notebook, where page, regression and scoreboard find it."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from gapbook.exceptions import PressError
from gapbook.pairs import available_pairs
from gapbook.press.paper import reported

PREFIX = "application/papermill.record/"
OWN_KEY = re.compile(r"ch\d\d(\.[a-z0-9_-]+){2,}|(errata|run)(\.[A-Za-z0-9_-]+)+")
# what keys of uncertainty end with, and what they shall not
UNCERTAINTY = ("sd", "se", "ci95_low", "ci95_high")
OTHER_UNCERTAINTY = re.compile(
    r"(.*_)?(sd|se|std|sem|half|half_width|interval|ci|ci95|ci95_low|ci95_high|low|high)"
)
# renames the columns that pandas and tables of intervals call otherwise
SUFFIXES = {
    "std": "sd",
    "sem": "se",
    "low": "ci95_low",
    "high": "ci95_high",
    "change_low": ("change", "ci95_low"),
    "change_high": ("change", "ci95_high"),
}
_SESSION: dict[str, "Record"] = {}


@dataclass(frozen=True)
class Tolerance:
    """How far a value may move between machines, and why.

    Parameters
    ----------
    within
        The largest difference that is allowed, in the unit of the value: one number, or a list for
        a list.
    why
        Where it comes from.

    Examples
    --------
    >>> BORDER = Tolerance(0.003, "a few points on the border")
    """

    within: float | list[float]
    why: str


HALF_PRECISION = Tolerance(0.005, "weights are kept in half precision")


@dataclass(frozen=True)
class Record:
    """One recorded value: what a chapter computed under a key, and how far it may move."""

    value: Any
    unit: str = ""
    notebook: str = ""
    spread: float | None = None
    tolerance: float | list[float] | None = None
    why: str = ""
    needs: str = ""

    def stated(self) -> dict[str, Any]:
        """Return what is known of it, by name."""
        return {name: item for name, item in asdict(self).items() if item not in (None, "")}


def record(
    key: str,
    value: Any,
    unit: str = "",
    *,
    spread: float | None = None,
    tolerance: Tolerance | None = None,
    needs: str = "",
) -> None:
    """Record a value under a key, for the prose, the regression and the comparison with the paper.

    Nothing shows in place; ``{glue:text}`key:.3f``` shows the value in the prose.

    Parameters
    ----------
    key
        ``chNN.section.what`` for a number of a chapter, with more parts where it needs them, and
        ``errata.eN.what`` for one of the errata. A fact of the paper that the book computes again
        keeps the id that it has in ``data/paper.yml``, such as ``fig2a.n_pairs``: the scoreboard
        joins both by it. ``run.what`` describes the run (seconds, versions) and no result: it can
        be shown, and is not under regression. How uncertain a value is stands under a key that ends
        with ``.sd`` (standard deviation), ``.se`` (standard error), ``.ci95_low`` or ``.ci95_high``
        (the ends of a 95 % interval), and with nothing else.
    value
        A number, a bool, a string or a (nested) list of numbers; NumPy and torch scalars are
        unwrapped.
    unit
        The unit of the value, in words.
    spread
        The standard deviation of the value over seeds; the tolerance is then three times that.
    tolerance
        How far the value may be off, and why; it comes before ``spread``. With neither, the
        computation is deterministic: floats may differ by rounding, all else must be equal.
    needs
        The optional source of embeddings without which the value is absent; several are joined by
        a comma and a space.

    Raises
    ------
    PressError
        For a key of another form, for NaN, infinity, arrays and other objects, and for a tolerance
        without a reason.

    Examples
    --------
    >>> record("ch01.gaps.clip", 0.8514, "distance", tolerance=Tolerance(1e-4, "four digits"))
    >>> recorded()["ch01.gaps.clip"].value
    0.8514
    """
    _check_key(key)
    entry = Record(_plain(key, value), unit, spread=_plain(key, spread), needs=needs)
    if tolerance is not None:
        within = _plain(key, _checked(key, tolerance).within)
        entry = Record(entry.value, unit, "", entry.spread, within, tolerance.why, needs)
    _SESSION[key] = entry
    if InteractiveShell.initialized():
        # the bundle of myst-nb's glue, of a MIME type that no front end shows
        metadata = {"scrapbook": {"name": key, "mime_prefix": PREFIX}, "gapbook": entry.stated()}
        display({PREFIX + "text/plain": repr(entry.value)}, raw=True, metadata=metadata)


def record_table(
    prefix: str,
    table: pd.DataFrame | pd.Series,
    unit: str | Mapping[Any, str] = "",
    *,
    spread: Mapping[Any, Any] | pd.DataFrame | pd.Series | None = None,
    tolerance: Tolerance | Mapping[Any, Tolerance] | None = None,
    needs: str | Mapping[Any, str] = "",
) -> None:
    """Record each value of a table under the key ``<prefix>.<row>.<column>``.

    Parameters
    ----------
    prefix
        What all keys begin with, such as ``ch04.train``.
    table
        A DataFrame; :func:`slug` makes parts of keys of the labels of its rows and columns, of a
        tuple one part an item. A Series has rows only, so its keys are ``<prefix>.<row>``. A
        missing value (NaN) is not recorded.
    unit
        The unit of all values, or units by column (of a Series by row); what is not named has
        none.
    spread
        The standard deviations over seeds, by column and row, as in a table of the same labels;
        where one is missing, there is none. Of a Series by row.
    tolerance
        One for all values, or tolerances by column (of a Series by row), as in :func:`record`.
    needs
        One for all values, or by row, as in :func:`record`; a row that is not named needs nothing.

    Raises
    ------
    PressError
        As :func:`record` does, for a label that has no letter and no digit, and where two places of
        the table make the same key.

    Examples
    --------
    >>> table = pd.DataFrame({"gap": [0.74, 0.1], "R@1": [0.2, 0.21]}, index=["1/100", "1/10"])
    >>> record_table("ch04.final", table, {"gap": "distance", "R@1": "fraction"})
    >>> [key for key in recorded() if key.startswith("ch04.final.")]
    ['ch04.final.1_100.gap', 'ch04.final.1_10.gap', 'ch04.final.1_100.r1', 'ch04.final.1_10.r1']
    """
    places: dict[str, Any] = {}
    for row, column, value in _cells(table):
        key = ".".join([prefix, *_parts(row), *_parts(column)])
        if key in places:
            raise PressError(
                f"{places[key]} and {(row, column)} both make the key {key}: rename one of them"
            )
        places[key] = (row, column)
        record(
            key,
            value,
            _by(unit, row if column is None else column, ""),
            spread=_spread_at(spread, row, column),
            tolerance=_by(tolerance, row if column is None else column, None),
            needs=_by(needs, row, ""),
        )


def slug(label: Any) -> str:
    """Return a label as a part of a key: small letters, digits, ``_`` and ``-``.

    Parameters
    ----------
    label : str or number
        A label of a row or of a column of a table.

    Returns
    -------
    str
        The part of the key.

    Raises
    ------
    PressError
        If the label has neither letter nor digit.

    Examples
    --------
    >>> slug("temperature 1/100"), slug("CLIP, images"), slug("R@1"), slug("clip-coco"), slug(-0.5)
    ('temperature_1_100', 'clip_images', 'r1', 'clip-coco', '-0_5')
    """
    text = str(label).lower().replace("@", "")
    part = re.sub(r"[^a-z0-9-]+", "_", text).strip("_")
    if not part:
        raise PressError(
            f"a part of a key is made of letters and digits; {label!r} has none: rename the label"
        )
    return part


def recorded() -> dict[str, Record]:
    """Return everything that this session has recorded so far, by key."""
    return dict(_SESSION)


def available_sources() -> set[str]:
    """Names of the sources of embeddings that this machine can load without a download."""
    table = available_pairs()
    return set(table.loc[table["available"], "name"])


def read_records(path: str | Path) -> dict[str, Record]:
    """Return the records of an executed notebook, or of every notebook below a folder, by key.

    Parameters
    ----------
    path : path
        The notebook, or the folder.

    Returns
    -------
    dict of str to Record
        The records.

    Raises
    ------
    PressError
        For a key that is recorded twice in one notebook, or with two values in the book.
    """
    root = Path(path)
    files = sorted(root.rglob("*.ipynb")) if root.is_dir() else [root]
    records: dict[str, Record] = {}
    for file in files:
        notebook = file.stem
        if root.is_dir():
            notebook = file.relative_to(root).with_suffix("").as_posix()
        for key, fields in _stored(file):
            new = Record(**fields, notebook=notebook)
            old = records.setdefault(key, new)
            if old is not new and (old.notebook == notebook or old.value != new.value):
                raise PressError(
                    f"{key} is {old.value!r} in {old.notebook} and {new.value!r} in {notebook}: "
                    "rename one"
                )
    return records


def _stored(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield key and fields of each record that an executed notebook holds."""
    try:
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    except (ValueError, KeyError) as error:
        raise PressError(f"{file} is not a notebook: {error}") from error
    for cell in cells:
        for output in cell.get("outputs", []):
            metadata = output.get("metadata", {})
            if "gapbook" in metadata:
                yield metadata["scrapbook"]["name"], metadata["gapbook"]


def _check_key(key: str) -> None:
    """Raise unless a key is of the book's own form, or a fact's id."""
    if not OWN_KEY.fullmatch(key) and key not in reported():
        raise PressError(
            "a key is chNN.section.what in small letters, errata.eN.what, run.what, or the id of "
            f"a fact in data/paper.yml; got {key!r}"
        )
    last = key.rpartition(".")[2]
    if OWN_KEY.fullmatch(key) and last not in UNCERTAINTY and OTHER_UNCERTAINTY.fullmatch(last):
        raise PressError(
            f"how uncertain a value is ends with {', '.join('.' + name for name in UNCERTAINTY)} "
            f"and with nothing else; got {key!r}"
        )


def _checked(key: str, tolerance: Tolerance) -> Tolerance:
    """Return a tolerance that states its reason."""
    if not isinstance(tolerance, Tolerance) or not tolerance.why:
        raise PressError(
            f"{key}: a tolerance says how far and why: Tolerance(0.003, 'a few points on the "
            f"border'); got {tolerance!r}"
        )
    return tolerance


def _cells(table: pd.DataFrame | pd.Series) -> Iterator[tuple[Any, Any, Any]]:
    """Yield row, column and value of all that a table holds; a Series is its own column."""
    columns = [(None, table)] if isinstance(table, pd.Series) else table.items()
    for column, values in columns:
        for row, value in values.items():
            if not (pd.api.types.is_scalar(value) and pd.isna(value)):
                yield row, column, value


def _parts(label: Any) -> list[str]:
    """Return the parts of a key that a label makes; None and empty items make none."""
    items = label if isinstance(label, tuple) else (label,)
    return [slug(item) for item in items if item is not None and item != ""]


def _by(option: Any, label: Any, default: Any) -> Any:
    """Return an option, that of a label where it is stated by label."""
    if isinstance(option, Mapping):
        return option.get(label, default)
    return option


def _spread_at(spread: Any, row: Any, column: Any) -> float | None:
    """Return the spread at a place of a table, None where there is none."""
    if spread is None:
        return None
    values = spread if column is None else spread.get(column)
    if values is None or row not in values or pd.isna(values[row]):
        return None
    return values[row]


def _plain(key: str, value: Any) -> Any:
    """Return a value as plain Python; nested lists stay lists."""
    if hasattr(value, "item") and getattr(value, "shape", ()) == ():
        value = value.item()
    if isinstance(value, list | tuple):
        return [_plain(key, item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        raise PressError(f"{key}: a recorded number is finite; got {value}")
    if not (value is None or isinstance(value, bool | int | float | str)):
        got = f"{type(value).__name__} {getattr(value, 'shape', '')}".strip()
        raise PressError(
            f"{key}: one number, bool or string or .tolist() can be recorded; got {got}"
        )
    return value
