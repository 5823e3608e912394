"""Stamp published copies of the notebooks with the cell that installs this package, for Colab and for readers.

A notebook in the repository cannot know the commit that will publish it, and the name ``gapbook`` on package indexes
is not ours. So its install cell only says what to do, and the publish workflow replaces it in two sets of copies: the
downloads on the site, and ``book/*.ipynb`` on the branch ``notebooks``, which is the published commit plus stamps.
The Colab button opens ``colab.research.google.com/github/OWNER/REPOSITORY/blob/notebooks/book/01_modality_gap.ipynb``.

Usage: ``python -m gapbook.press.stamp FOLDER URL COMMIT`` stamps the notebooks below FOLDER in place.
"""

import re
import sys
import textwrap
from copy import deepcopy
from pathlib import Path

import nbformat
from nbformat import NotebookNode

BRANCH = "notebooks"
# PyTorch and the running kernel come with Colab; replacing them under it breaks the session
RUNTIME = {
    "ipykernel",
    "ipython",
    "jupyter-client",
    "jupyter-core",
    "pyzmq",
    "tornado",
    "torch",
    "traitlets",
}
CELL = '''\
# @title Install the package of this book at the commit that made this page (Colab: about a minute)
import importlib.util, pathlib
if importlib.util.find_spec("gapbook") is None:
    pathlib.Path("gapbook-constraints.txt").write_text("\\n".join("""
{pins}
    """.split()))
    %pip install -q -c gapbook-constraints.txt "gapbook[chapters] @ git+{url}@{commit}"
'''


def install_cell(notebook: NotebookNode) -> NotebookNode | None:
    """Return the code cell tagged ``install``, or None."""
    return next(
        (cell for cell in notebook.cells if "install" in cell.metadata.get("tags", ())), None
    )


def pins(constraints: str) -> list[str]:
    """List the pins of a constraints file that an install on Colab should keep.

    >>> pins("# CI\\nnumpy==2.4.6  # ABI\\ntorch==2.13.0\\n\\npyyaml == 6.0.3\\n")
    ['numpy==2.4.6', 'pyyaml==6.0.3']
    """
    lines = [
        line for line in (re.sub(r"#.*|\s", "", line) for line in constraints.splitlines()) if line
    ]
    if odd := [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.!+-]+", line)]:
        raise ValueError(f"Expected constraints of the form name==version; got {odd[0]!r}")
    return [line for line in lines if line.split("==")[0].lower().replace("_", "-") not in RUNTIME]


def stamp(notebook: NotebookNode, url: str, commit: str, constraints: str) -> NotebookNode:
    """Return a copy whose install cell installs ``gapbook[chapters]`` from ``git+url@commit`` under ``constraints``.

    ``url`` is what git clones (``https://...`` or ``file:///...``), ``constraints`` the text of ``constraints.txt``.
    A notebook without an install cell, or a commit that is not a full SHA, is a ValueError.
    """
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        raise ValueError(
            f"Expected a commit as 40 hexadecimal digits, so that it cannot move; got {commit!r}"
        )
    copy = deepcopy(notebook)
    cell = install_cell(copy)
    if cell is None:
        raise ValueError('Expected a code cell tagged "install" right after the title; got none')
    wrapped = textwrap.fill(
        " ".join(pins(constraints)), 110, break_on_hyphens=False, break_long_words=False
    )
    cell.source = CELL.format(pins=wrapped, url=url, commit=commit).rstrip()
    cell.metadata["cellView"] = "form"  # Colab shows the title and hides the code
    return copy


def stamp_folder(folder: Path, url: str, commit: str, constraints: str) -> list[Path]:
    """Stamp in place every notebook below ``folder`` that has an install cell; return their paths."""
    stamped = []
    for path in sorted(folder.rglob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        if install_cell(notebook) is not None:
            nbformat.write(stamp(notebook, url, commit, constraints), path)
            stamped.append(path)
    if not stamped:
        raise ValueError(
            f'Expected notebooks with a cell tagged "install" below {folder}; got none'
        )
    return stamped


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(
            f"Usage: python -m gapbook.press.stamp FOLDER URL COMMIT; got {len(sys.argv) - 1} arguments"
        )
    for path in stamp_folder(
        Path(sys.argv[1]), sys.argv[2], sys.argv[3], Path("constraints.txt").read_text()
    ):
        print(f"stamped {path}")
