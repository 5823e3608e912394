"""Make the copy of a notebook that a reader downloads, or opens in Colab."""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from gapbook.exceptions import PressError
from gapbook.press.copies.code import loads_and_stores, prune
from gapbook.press.copies.markdown import render
from gapbook.press.copies.values import is_record, outputs_markdown
from gapbook.press.copies.writer import PlainWriter

# tags of cells whose code the page does not show, but in a box that opens
HIDDEN_INPUT = {"hide-cell", "hide-input", "remove-cell", "remove-input"}
HIDDEN_OUTPUT = {"hide-output", "remove-output"}
# cells that are no part of the story
UNSEEN = {"hide-input", "remove-cell", "remove-input"}
CHARACTERS = 60
# in the metadata of cells that are made here
PLAIN = "gapbook_plain"


def make_copy(notebook: NotebookNode, writer: PlainWriter) -> NotebookNode:
    """Make a copy of an executed notebook that reads well without the site.

    Parameters
    ----------
    notebook : NotebookNode
        The notebook, with its outputs.
    writer : PlainWriter
        Writes what only MyST reads.

    Returns
    -------
    NotebookNode
        The copy: plain Markdown, no records, hidden what the page hides.

    Raises
    ------
    PressError
        If something has no form in plain Markdown; the message names notebook, cell and reason.
    """
    copy = deepcopy(notebook)
    numbers = {cell.id: number for number, cell in enumerate(notebook.cells, 1)}
    copy.cells = _without_records(copy.cells, writer.page)
    cells = []
    for cell in copy.cells:
        try:
            cells.extend(_plain(cell, writer))
        except PressError as error:
            place = f"{writer.page}, cell {numbers.get(cell.id, cell.id)} ({_first_line(cell)})"
            raise PressError(f"{place}: {error}") from error
    copy.cells = cells
    # the digest of what its outputs rest on
    copy.metadata.pop("gapbook", None)
    nbformat.validate(copy)
    return copy


def _without_records(cells: Sequence[NotebookNode], page: str) -> list[NotebookNode]:
    """Take out records; what was read back from them stays as text."""
    code = [cell for cell in cells if cell.cell_type == "code"]
    shown = [number for number, cell in enumerate(code) if not _has_tag(cell, UNSEEN)]
    try:
        pruned = dict(
            zip((cell.id for cell in code), prune([c.source for c in code], shown), strict=True)
        )
    except PressError as error:
        raise PressError(f"{page}, {error}") from error
    kept = []
    for cell in cells:
        if cell.cell_type != "code" or _has_tag(cell, {"install"}):
            kept.append(cell)
            continue
        left = pruned[cell.id]
        text = outputs_markdown(cell.outputs) if left.reads_records else ""
        cell.source = left.source
        cell.outputs = [output for output in cell.outputs if not is_record(output)]
        if left.reads_records:
            cell.outputs = []
        if left.source.strip():
            kept.append(cell)
        if text:
            kept.append(_plain_cell(text, cell, "shown"))
    return _without_plumbing(kept)


def _without_plumbing(cells: list[NotebookNode]) -> list[NotebookNode]:
    """Leave out cells that the page leaves out, if nothing later needs what they define."""
    kept: list[NotebookNode] = []
    needed: set[str] = set()
    for cell in reversed(cells):
        if cell.cell_type == "code":
            loaded, stored = loads_and_stores(cell.source)
            removed = _has_tag(cell, {"remove-cell"}) and not _has_tag(cell, {"install"})
            if removed and not stored & needed:
                continue
            needed |= loaded
        kept.insert(0, cell)
    return kept


def _plain_cell(source: str, cell: NotebookNode, role: str) -> NotebookNode:
    """Return a cell that goes with another one, and is no MyST."""
    return new_markdown_cell(source, id=f"{cell.id}-{role}"[-64:], metadata={PLAIN: True})


def _plain(cell: NotebookNode, writer: PlainWriter) -> list[NotebookNode]:
    """Return a cell in plain Markdown, or code with its caption."""
    if cell.cell_type == "markdown":
        if not cell.metadata.pop(PLAIN, False):
            cell.source = render(cell.source, writer).strip("\n")
        return [cell] if cell.source.strip() else []
    if cell.cell_type == "raw":
        return []
    _hide(cell)
    figure = _settings(cell, "figure")
    cell.metadata.pop("mystnb", None)
    cell.metadata.pop("render", None)
    if not figure.get("caption"):
        return [cell]
    caption = writer.caption("figure", str(figure["caption"]), str(figure.get("name", "")))
    return [cell, new_markdown_cell(caption, id=f"{cell.id}-caption"[-64:])]


def _settings(cell: NotebookNode, name: str) -> dict[str, Any]:
    """Return settings of MyST-NB for a cell."""
    for key in ("mystnb", "render"):
        if name in cell.metadata.get(key, {}):
            return dict(cell.metadata[key][name])
    return {}


def _hide(cell: NotebookNode) -> None:
    """Hide in Jupyter and in Colab what the page hides."""
    hidden = {}
    if _has_tag(cell, {"install"}):
        return
    if _has_tag(cell, HIDDEN_INPUT) and not _has_tag(cell, {"hide-cell"}):
        hidden["source_hidden"] = True
        cell.metadata["cellView"] = "form"
    if _has_tag(cell, HIDDEN_OUTPUT):
        hidden["outputs_hidden"] = True
    if hidden:
        cell.metadata["jupyter"] = cell.metadata.get("jupyter", {}) | hidden


def _has_tag(cell: NotebookNode, tags: set[str]) -> bool:
    return not tags.isdisjoint(cell.metadata.get("tags", ()))


def _first_line(cell: NotebookNode) -> str:
    return str(cell.source).strip().partition("\n")[0][:CHARACTERS]
