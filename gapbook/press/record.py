"""Leave a number in the executed notebook, where the page, the regression and the scoreboard find it."""

import json
import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

PREFIX = "application/papermill.record/"
_SESSION: dict[str, "Record"] = {}


class PressError(Exception):
    """The book cannot be made as asked; the message says why and what to do."""


@dataclass(frozen=True)
class Record:
    """One recorded value: what a chapter computed under a key, and how far it may move between runs."""

    value: Any
    unit: str = ""
    notebook: str = ""
    spread: float | None = None
    tolerance: float | None = None
    why: str = ""
    needs: str = ""


def record(
    key: str,
    value: Any,
    unit: str = "",
    *,
    spread: float | None = None,
    tolerance: float | None = None,
    why: str = "",
    needs: str = "",
) -> None:
    """Record ``value`` under ``key``; nothing shows in place, ``{glue:text}`key:.3f``` shows it in the prose.

    ``value`` is a number, a bool, a string or a (nested) list of numbers; NumPy and torch scalars are unwrapped.
    How far the value may move is stated with it: ``spread`` is its standard deviation over seeds (the tolerance
    is then three times that), or ``tolerance`` is absolute and ``why`` says where it comes from. With neither, the
    computation is deterministic: floats may differ by rounding, everything else must be equal. ``needs`` names the
    optional source of embeddings without which the value is absent. Keys that begin with ``run.`` describe
    the run (seconds, versions), not a result: they can be shown, and are not under regression.

    Raises :class:`PressError` for an empty or malformed key and for NaN, infinity, arrays and other objects.

    >>> record("doc.gap", 0.8514, "distance", tolerance=1e-4, why="printed to four digits")
    >>> recorded()["doc.gap"].value
    0.8514
    """
    if not re.fullmatch(r"[\w.+-]+", key):
        raise PressError(f"a key is made of letters, digits and . _ + -, such as fig1.clip.gap; got {key!r}")
    if tolerance is not None and not why:
        raise PressError(f"{key}: say why the tolerance is {tolerance}: record(..., tolerance=..., why='...')")
    plain = _plain(key, value)
    _SESSION[key] = entry = Record(plain, unit, "", _plain(key, spread), _plain(key, tolerance), why, needs)
    meta = {name: item for name, item in asdict(entry).items() if item not in (None, "")}
    _emit(key, repr(plain), {"value": plain, "unit": unit, **meta})


def recorded() -> dict[str, Record]:
    """Everything that this session has recorded so far, by key."""
    return dict(_SESSION)


def read_records(path: str | Path) -> dict[str, Record]:
    """Records of an executed notebook, or of every notebook below a folder, by key.

    Raises :class:`PressError` where a key is recorded twice in one notebook, or with two values in the book.
    """
    root = Path(path)
    files = sorted(root.rglob("*.ipynb")) if root.is_dir() else [root]
    found: dict[str, Record] = {}
    for file in files:
        name = file.relative_to(root).with_suffix("").as_posix() if root.is_dir() else file.stem
        for key, entry in _entries(file):
            new = Record(notebook=name, **entry)
            old = found.setdefault(key, new)
            if old is not new and (old.notebook == name or old.value != new.value):
                raise PressError(f"{key} is {old.value!r} in {old.notebook} and {new.value!r} in {name}: rename one")
    return found


def _entries(file: Path) -> list[tuple[str, dict[str, Any]]]:
    try:
        cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    except (ValueError, KeyError) as error:
        raise PressError(f"{file} is not a notebook: {error}") from error
    metas = [output.get("metadata", {}) for cell in cells for output in cell.get("outputs", [])]
    return [(meta["scrapbook"]["name"], meta["gapbook"]) for meta in metas if "scrapbook" in meta and "gapbook" in meta]


def _emit(key: str, text: str, facts: dict[str, Any]) -> None:
    """Send the bundle that myst-nb's ``glue`` sends, hidden behind a MIME type that no front end shows."""
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.display import display

    if InteractiveShell.initialized():
        metadata = {"scrapbook": {"name": key, "mime_prefix": PREFIX}, "gapbook": facts}
        display({PREFIX + "text/plain": text}, raw=True, metadata=metadata)


def _plain(key: str, value: Any) -> Any:
    """Value as plain Python; nested lists stay lists."""
    if hasattr(value, "item") and getattr(value, "shape", ()) == ():
        value = value.item()
    if isinstance(value, list | tuple):
        return [_plain(key, item) for item in value]
    if not (value is None or isinstance(value, bool | int | float | str)):
        raise PressError(f"{key}: a number, bool, string or list of numbers can be recorded; got {_describe(value)}")
    if isinstance(value, float) and not math.isfinite(value):
        raise PressError(f"{key}: a recorded number is finite; got {value}")
    return value


def _describe(value: Any) -> str:
    shape = getattr(value, "shape", None)
    return type(value).__name__ + (f" of shape {tuple(shape)}: record one number, or .tolist()" if shape else "")
