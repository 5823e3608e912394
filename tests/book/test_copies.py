"""The notebooks that readers download: they carry their numbers, and run without the book."""

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from gapbook.press.copies.markdown import myst_in
from gapbook.press.costs import read_costs
from gapbook.press.notebooks import read_notebooks
from gapbook.press.stamp import install_cell

ROOT = Path(__file__).parents[2]
NOTEBOOKS = read_notebooks(ROOT / "book")
CHAPTERS = [name for name in NOTEBOOKS if re.match(r"\d\d_", name)]
# what a reader would take for a slip, found without the parser that the copies are made with
ROLE = re.compile(r"\{[A-Za-z][\w:+-]*\}`")
DIRECTIVE = re.compile(r"^[>\s]*(`{3,}|:{3,}|~{3,})\s*\{", re.MULTILINE)
TARGET = re.compile(r"^\([\w-]+\)=$", re.MULTILINE)
RECORD = re.compile(r"\b(record\w*|tell)\(")
# a parenthesis of nothing but a link within the book: words, and where they lead
ONLY_A_LINK = re.compile(
    r"\(\s*(?:\{(?:ref|doc|term)\}`(?P<title>[^`<]+?)\s*<(?P<label>[^`>]+)>`"
    r"|\[(?P<words>[^\]`]+)\]\((?!https?:|#)(?P<href>[^)\s]+)\))\s*\)"
)
ONLY_A_NUMBER = re.compile(r"\(\s*\{numref\}`(?P<label>[^`<]+)`\s*\)")
NUMBER = re.compile(r"\((?:Figure|Table) [\d.]+\)")
EXERCISES = re.compile(r"^#+ Exercise", re.MULTILINE)
SOLUTIONS = re.compile("^##+ Solutions$", re.MULTILINE)

each_notebook = pytest.mark.parametrize("name", NOTEBOOKS)
each_chapter = pytest.mark.parametrize("name", CHAPTERS)


@pytest.fixture
def copy(name, built_site):
    """The notebook as a reader downloads it."""
    return nbformat.read(built_site / "_sources" / f"{name}.ipynb", as_version=4)


def sources(notebook, kind):
    return [cell.source for cell in notebook.cells if cell.cell_type == kind]


@each_notebook
def test_copy_is_plain_markdown(copy):
    nbformat.validate(copy)
    for text in sources(copy, "markdown"):
        assert list(myst_in(text)) == []
        for pattern in (ROLE, DIRECTIVE, TARGET):
            assert not pattern.search(text), text


@each_notebook
def test_copy_keeps_no_records(copy):
    own = re.compile(r"^def record", re.MULTILINE)
    for code in sources(copy, "code"):
        assert own.search(code) or not RECORD.search(code), code
    outputs = [output for cell in copy.cells for output in cell.get("outputs", ())]
    assert not any("scrapbook" in output.get("metadata", {}) for output in outputs)


@each_notebook
def test_copy_defines_every_name_that_it_uses(copy):
    ruff = [sys.executable, "-m", "ruff", "check", "--isolated", "--select", "F821", "-"]
    code = "\n".join(sources(copy, "code"))
    done = subprocess.run(ruff, input=code, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout or done.stderr


@each_notebook
def test_copy_links_to_no_file_that_a_download_lacks(copy):
    for text in sources(copy, "markdown"):
        for address in re.findall(r"\]\(([^)\s]+)", text):
            assert re.match(r"https?:|mailto:|data:", address), address


@each_notebook
def test_copy_has_no_parenthesis_of_nothing_but_a_link_that_is_gone(name, copy):
    source = "\n".join(sources(NOTEBOOKS[name], "markdown"))
    text = "\n".join(sources(copy, "markdown"))
    for match in ONLY_A_LINK.finditer(source):
        words = match["title"] or match["words"]
        place = match["label"] or match["href"]
        if f"({place})=" not in source:
            assert f"({words})" not in text
    # numbers of what the notebook itself shows, or the paper, say enough
    numbers = [match["label"] for match in ONLY_A_NUMBER.finditer(source)]
    own = [label for label in numbers if is_labelled(label, NOTEBOOKS[name])]
    assert len(NUMBER.findall(text)) == len(own) + len(NUMBER.findall(source))


def is_labelled(label, notebook):
    """Whether a notebook has a figure or a table of a label, by a directive or by a cell."""
    named = re.compile(rf":(?:name|label): {label}$|\{{caption\}} {label}$", re.MULTILINE)
    settings = [cell.metadata.get("mystnb", {}).get("figure", {}) for cell in notebook.cells]
    by_cell = any(figure.get("name") == label for figure in settings)
    return by_cell or any(named.search(text) for text in sources(notebook, "markdown"))


@each_notebook
def test_copy_says_how_to_install_the_package(copy):
    cell = install_cell(copy)
    assert cell is None or re.search(
        r'^# pip install "[^"]*\[chapters\]', cell.source, re.MULTILINE
    )


@each_chapter
def test_solutions_stand_together_behind_all_exercises(copy):
    cells = [cell.source for cell in copy.cells]
    headings = [i for i, text in enumerate(cells) if SOLUTIONS.search(text)]
    assert len(headings) == 1
    exercises = next(i for i, text in enumerate(cells) if EXERCISES.search(text))
    tags = [set(cell.metadata.get("tags", ())) for cell in copy.cells]
    solutions = [i for i, names in enumerate(tags) if "hide-cell" in names and i > exercises]
    checks = [i for i, text in enumerate(cells) if re.search("^def check", text, re.MULTILINE)]
    assert solutions
    assert max(exercises, *checks) < headings[0] < min(solutions)


def is_figure(output):
    """Whether an output shows a picture, alone or in a page's markup."""
    data = output.get("data", {})
    markup = "".join(data.get("text/html", ""))
    return "image/png" in data or any(tag in markup for tag in ("<img", "<picture", "<svg"))


@pytest.mark.slow
def test_a_copy_runs_to_its_end_in_a_kernel_of_its_own(built_site, executed_book, tmp_path):
    seconds = read_costs(executed_book).loc[CHAPTERS, "time (s)"]
    path = built_site / "_sources" / f"{seconds.idxmin()}.ipynb"
    copy = nbformat.read(path, as_version=4)
    before = [cell.outputs for cell in copy.cells if cell.cell_type == "code"]
    NotebookClient(copy, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute(
        cleanup_kc=True
    )
    after = [cell.outputs for cell in copy.cells if cell.cell_type == "code"]
    figures = [[any(map(is_figure, outs)) for outs in side] for side in (before, after)]
    assert figures[0] == figures[1]
    assert any(figures[0])
