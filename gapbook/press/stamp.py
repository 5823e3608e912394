r"""Stamp published copies of the notebooks with the cell that installs this package.

A notebook in the repository cannot know the commit that will publish it, and the name ``gapbook``
on package indexes is not ours. So its install cell only says what to do. In the copies for readers
that :mod:`gapbook.press.copies` makes, the cell names the line for pip, and stops with one sentence
where the package is missing (:func:`advise`); the publish workflow replaces it. The copies are the
downloads on the site, and ``book/*.ipynb`` on the branch ``notebooks``, which is otherwise the
published commit. The Colab button opens
``colab.research.google.com/github/OWNER/REPOSITORY/blob/notebooks/book/01_modality_gap.ipynb``.

``python -m gapbook.press.stamp FOLDER URL COMMIT`` stamps the notebooks below FOLDER in place.
"""

import re
import sys
import textwrap
from copy import deepcopy
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from gapbook.press import colab

BRANCH = "notebooks"
# PyTorch and the running kernel come with Colab, at versions that fit its other packages
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
# nothing that could end the text of the cell, or that a shell or git could take for something else
URL = re.compile(r"(https://[\w.-]+(:\d+)?|file://)(/[\w.~%+-]+)+")
CELL = '''\
# @title Install the package of this book at the commit that made this page (Colab: about a minute)
{code}

versions_in_memory = globals().get("versions_in_memory", {{}})
PINS = """
{pins}
"""
install("{requirement}", PINS, versions_in_memory)
'''
# IPython shows this error as one line, and runs no later cell
ADVICE = """\
# This notebook needs the package gapbook. To install it for the Python of this kernel, run{where}:
# pip install "{wanted}"
from importlib.util import find_spec

from IPython.core.error import UsageError

if find_spec("gapbook") is None:
    raise UsageError("The package gapbook is not installed: the first lines of this cell say how.")
"""
IN_CLONE = ", in a clone of the book's repository"


def install_cell(notebook: NotebookNode) -> NotebookNode | None:
    """Find the cell that installs the package.

    Parameters
    ----------
    notebook : NotebookNode
        A notebook.

    Returns
    -------
    NotebookNode or None
        Its first cell tagged ``install``.
    """
    tagged = [cell for cell in notebook.cells if "install" in cell.metadata.get("tags", ())]
    return next(iter(tagged), None)


def requirement(url: str, commit: str) -> str:
    """Write what pip installs: the package of a commit, with all that the chapters need.

    Parameters
    ----------
    url, commit : str
        As for :func:`stamp`.

    Returns
    -------
    str
        The requirement.

    Examples
    --------
    >>> requirement("https://github.com/somebody/a-book", "0123abcd")
    'gapbook[chapters] @ git+https://github.com/somebody/a-book@0123abcd'
    """
    return f"gapbook[chapters] @ git+{url}@{commit}"


def advise(notebook: NotebookNode, wanted: str = "") -> None:
    """Let the install cell of a notebook say how to install the package, and stop without it.

    Parameters
    ----------
    notebook : NotebookNode
        The notebook, which is changed; one without such a cell is not.
    wanted : str
        What pip installs, as :func:`requirement` writes it; empty where the address of the
        repository or the commit is not known. Then the cell names the line for a clone.
    """
    cell = install_cell(notebook)
    if cell is not None:
        where = "" if wanted else IN_CLONE
        cell.source = ADVICE.format(where=where, wanted=wanted or ".[chapters]").rstrip()


def pins(constraints: str) -> list[str]:
    r"""List the pins of a constraints file that an install on Colab should keep.

    Parameters
    ----------
    constraints : str
        Text of the file, one ``name==version`` a line.

    Returns
    -------
    list of str
        Pins without those of PyTorch and of what runs the kernel.

    Raises
    ------
    ValueError
        If a line has another form.

    Examples
    --------
    >>> pins("# CI\nnumpy==2.4.6  # ABI\ntorch==2.13.0\n\npyyaml == 6.0.3\n")
    ['numpy==2.4.6', 'pyyaml==6.0.3']
    """
    kept = []
    for line in constraints.splitlines():
        pin = re.sub(r"#.*|\s", "", line)
        if not pin:
            continue
        if not re.fullmatch(r"[\w.-]+==[\w.!+-]+", pin):
            raise ValueError(f"Expected constraints of the form name==version; got {pin!r}")
        name = pin.partition("==")[0].lower().replace("_", "-")
        if name not in RUNTIME:
            kept.append(pin)
    return kept


def stamp(notebook: NotebookNode, url: str, commit: str, constraints: str) -> NotebookNode:
    """Make a copy of a notebook that installs the package by itself.

    Parameters
    ----------
    notebook : NotebookNode
        A notebook with a cell tagged ``install``.
    url : str
        What git clones, ``https://...`` or ``file:///...``, in letters, digits and ``. - _ ~ % +``.
    commit : str
        Full SHA of the commit to install.
    constraints : str
        Text of ``constraints.txt`` at that commit.

    Returns
    -------
    NotebookNode
        The copy. Its install cell installs ``gapbook[chapters]`` where the package is missing, as
        :mod:`gapbook.press.colab` says.

    Raises
    ------
    ValueError
        If the notebook has no install cell, the commit is not a full SHA, or the URL is another.
    """
    if not URL.fullmatch(url):
        raise ValueError(
            "Expected the URL of a repository such as https://github.com/OWNER/REPOSITORY, without "
            f"a name, a password, blanks or quotes; got {url!r}"
        )
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
    code = Path(colab.__file__).read_text(encoding="utf-8").rstrip()
    wanted = requirement(url, commit)
    cell.source = CELL.format(code=code, pins=wrapped, requirement=wanted).rstrip()
    # Colab shows the title and hides the code
    cell.metadata["cellView"] = "form"
    return copy


def stamp_folder(folder: Path, url: str, commit: str, constraints: str) -> list[Path]:
    """Stamp in place every notebook below a folder that has an install cell.

    Parameters
    ----------
    folder : Path
        The folder.
    url, commit, constraints : str
        As for :func:`stamp`.

    Returns
    -------
    list of Path
        The notebooks that were stamped.

    Raises
    ------
    ValueError
        If there are none.
    """
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
            "Usage: python -m gapbook.press.stamp FOLDER URL COMMIT; "
            f"got {len(sys.argv) - 1} arguments"
        )
    text = Path("constraints.txt").read_text()
    try:
        for path in stamp_folder(Path(sys.argv[1]), sys.argv[2], sys.argv[3], text):
            print(f"stamped {path}")
    except ValueError as error:
        sys.exit(str(error))
