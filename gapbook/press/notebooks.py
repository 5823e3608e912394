"""Read the notebooks of the book, and the parameters that a profile sets in them."""

import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from papermill import inspect_notebook
from papermill.translators import translate_parameters

from gapbook.exceptions import PressError, nearest
from gapbook.press.mappings import read_mapping

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


def set_profile(notebooks: Mapping[str, NotebookNode], path: Path) -> None:
    """Set the parameters of a profile, in a new cell after each notebook's own parameters.

    Parameters
    ----------
    notebooks : mapping of str to NotebookNode
        Notebooks by name. Those that the profile names are changed in place.
    path : Path
        YAML file with values by parameter by notebook.

    Raises
    ------
    PressError
        If there is no such profile, notebook or parameter; the message suggests the nearest name.
    """
    if not path.exists():
        profiles = [file.stem for file in path.parent.glob("*.yml")]
        raise PressError(f"there is no profile {path.stem!r}; {nearest(path.stem, profiles)}")
    for name, values in read_mapping(path).items():
        if name not in notebooks:
            hint = nearest(name, notebooks)
            raise PressError(f"{path.name} sets parameters of {name!r}, not a notebook; {hint}")
        if not isinstance(values, dict):
            got = reprlib.repr(values)
            raise PressError(f"{path.name}: {name} must have a mapping of parameters; got {got}")
        # papermill itself only warns of a wrong name
        known = inspect_notebook(notebooks[name])
        for wrong in values.keys() - known.keys():
            raise PressError(f"{name} has no parameter {wrong!r}; {nearest(wrong, known)}")
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
