"""Read the notebooks of the book, and set parameters in them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from papermill.translators import translate_parameters

from gapbook.exceptions import PressError

INJECTED = "injected-parameters"


def read_notebooks(root: Path) -> dict[str, NotebookNode]:
    """Read all notebooks of the book.

    Parameters
    ----------
    root : Path
        Folder of the book.

    Returns
    -------
    dict of str to NotebookNode
        Notebooks by their paths below ``root`` without the ending, sorted.

    Raises
    ------
    PressError
        If there is no such folder, or a file is not a notebook.
    """
    require_book(root)
    paths = [path for path in root.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts]
    return {
        path.relative_to(root).with_suffix("").as_posix(): _read(path) for path in sorted(paths)
    }


def require_book(root: Path) -> None:
    """Raise ``PressError`` unless there is a folder of the book."""
    if not root.is_dir():
        raise PressError(
            f"there is no folder {root} with notebooks; run this in the root of the repository"
        )


def set_parameters(
    notebooks: Mapping[str, NotebookNode], parameters: Mapping[str, Mapping[str, Any]]
) -> None:
    """Set parameters, in a new cell after each notebook's own parameters.

    Parameters
    ----------
    notebooks : mapping of str to NotebookNode
        Notebooks by name. Those that get parameters are changed in place.
    parameters : mapping of mappings
        Values by parameter by notebook.
    """
    for name, values in parameters.items():
        if name in notebooks and values:
            _add_parameters(notebooks[name], values)


def is_injected(cell: NotebookNode) -> bool:
    """Tell whether papermill added a cell, with the parameters of a profile."""
    return INJECTED in cell.metadata.get("tags", ())


def _read(path: Path) -> NotebookNode:
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:
        reason = str(error).splitlines()[0]
        raise PressError(f"{path} cannot be read as a notebook: {reason}") from error


def _add_parameters(notebook: NotebookNode, values: Mapping[str, Any]) -> None:
    """Add a cell that sets parameters, as papermill does, but always under one identifier."""
    tags = [cell.metadata.get("tags", ()) for cell in notebook.cells]
    position = next(i for i, names in enumerate(tags) if "parameters" in names)
    code = translate_parameters("python3", "python", values, "Parameters")
    cell = new_code_cell(code, id=INJECTED, metadata={"tags": [INJECTED]})
    notebook.cells.insert(position + 1, cell)
