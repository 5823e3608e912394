"""Leave a number in the executed notebook, where the page, the regression and the scoreboard find it."""

import json
import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from string import Formatter
from typing import Any

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

from gapbook.exceptions import PressError
from gapbook.pairs import available_pairs

PREFIX = "application/papermill.record/"
_SESSION: dict[str, "Record"] = {}


@dataclass(frozen=True)
class Record:
    """One recorded value: what a chapter computed under a key, and how far it may move between runs."""

    value: Any
    unit: str = ""
    notebook: str = ""
    spread: float | None = None
    tolerance: float | list[float] | None = None
    why: str = ""
    needs: str = ""

    def stated(self) -> dict[str, Any]:
        """What is known of it, by name."""
        return {name: item for name, item in asdict(self).items() if item not in (None, "")}


def record(
    key: str,
    value: Any,
    unit: str = "",
    *,
    spread: float | None = None,
    tolerance: float | list[float] | None = None,
    why: str = "",
    needs: str = "",
) -> None:
    """Record ``value`` under ``key``; nothing shows in place, ``{glue:text}`key:.3f``` shows it in the prose.

    ``value`` is a number, a bool, a string or a (nested) list of numbers; NumPy and torch scalars are unwrapped.
    How far the value may move is stated with it: ``spread`` is its standard deviation over seeds (the tolerance
    is then three times that), or ``tolerance`` is absolute (a list for a list) and ``why`` says where it comes from.
    With neither, the computation is deterministic: floats may differ by rounding, everything else must be equal.
    ``needs`` names the optional source of embeddings without which the value is absent. Keys that begin with ``run.``
    describe the run (seconds, versions), not a result: they can be shown, and are not under regression.

    Raises :class:`PressError` for an empty or malformed key and for NaN, infinity, arrays and other objects.

    >>> record("doc.gap", 0.8514, "distance", tolerance=1e-4, why="printed to four digits")
    >>> recorded()["doc.gap"].value
    0.8514
    """
    if not re.fullmatch(r"[\w.+-]+", key):
        raise PressError(
            f"a key is made of letters, digits and . _ + -, such as fig1.clip.gap; got {key!r}"
        )
    if tolerance is not None and not why:
        raise PressError(
            f"{key}: say why the tolerance is {tolerance}: record(..., tolerance=..., why='...')"
        )
    _SESSION[key] = entry = Record(
        _plain(key, value), unit, "", _plain(key, spread), _plain(key, tolerance), why, needs
    )
    if (
        InteractiveShell.initialized()
    ):  # the bundle of myst-nb's glue, of a MIME type that no front end shows
        metadata = {"scrapbook": {"name": key, "mime_prefix": PREFIX}, "gapbook": entry.stated()}
        display({PREFIX + "text/plain": repr(entry.value)}, raw=True, metadata=metadata)


def recorded() -> dict[str, Record]:
    """Everything that this session has recorded so far, by key."""
    return dict(_SESSION)


def tell(text: str, needs: str, missing: str | None = None) -> Any:
    """Return a paragraph of Markdown with recorded values in braces, such as ``{fig1.clip-coco.gap:.2f}``.

    For what only optional sources, ``needs``, can say; all else stands in the prose, with glue. Without them the
    paragraph is ``missing``, by default a line that says how to get them. Raises :class:`PressError` for a value that
    is not recorded though its sources are at hand.

    >>> tell("The gap is {doc.gap:.2f}.", "no-such-source", missing="Not at hand.").data
    'Not at hand.'
    """
    from IPython.display import Markdown

    absent = [name for name in needs.split(", ") if name not in available_sources()]
    if absent:
        how = " and ".join(f"`load_pairs({name!r})`" for name in absent)
        return Markdown(
            f"*Not at hand, so left out here: {how} will fetch it.*" if missing is None else missing
        )
    told = []
    for said, key, form, _ in Formatter().parse(text):
        if key is not None and key not in _SESSION:
            raise PressError(
                f"{key} is told but not recorded in this notebook: record it before, or mend the name"
            )
        told.append(said + ("" if key is None else format(_SESSION[key].value, form or "")))
    return Markdown("".join(told))


def available_sources() -> set[str]:
    """Names of the sources of embeddings that this machine can load without a download."""
    table = available_pairs()
    return set(table.loc[table["available"], "name"])


def read_records(path: str | Path) -> dict[str, Record]:
    """Records of an executed notebook, or of every notebook below a folder, by key.

    Raises :class:`PressError` where a key is recorded twice in one notebook, or with two values in the book.
    """
    root, found = Path(path), dict[str, Record]()
    for file in sorted(root.rglob("*.ipynb")) if root.is_dir() else [root]:
        name = file.relative_to(root).with_suffix("").as_posix() if root.is_dir() else file.stem
        try:
            cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
        except (ValueError, KeyError) as error:
            raise PressError(f"{file} is not a notebook: {error}") from error
        for meta in [
            output.get("metadata", {}) for cell in cells for output in cell.get("outputs", [])
        ]:
            if "gapbook" not in meta:
                continue
            key, new = meta["scrapbook"]["name"], Record(**meta["gapbook"], notebook=name)
            old = found.setdefault(key, new)
            if old is not new and (old.notebook == name or old.value != new.value):
                raise PressError(
                    f"{key} is {old.value!r} in {old.notebook} and {new.value!r} in {name}: rename one"
                )
    return found


def _plain(key: str, value: Any) -> Any:
    """Value as plain Python; nested lists stay lists."""
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
