"""The run folder: which notebooks are executed again, and what stands there afterwards."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from gapbook.press import PressError
from gapbook.press.costs import read_costs
from gapbook.press.execute import execute_book

KERNEL = {"kernelspec": {"name": "of-another-machine", "display_name": "x", "language": "python"}}
RUN = Path("_build", "executed")
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
IMAGE = f"""
from IPython.display import display
png = {{"image/png": {PIXEL!r}}}
display(png, raw=True, metadata={{"image/png": {{"alt": 'a "dot"'}}}})
"""


def save(path, *sources):
    """Write a notebook: a title, a cell with a parameter, and a cell for each source (# prose)."""
    parameters = new_code_cell("n_seeds = 2", metadata={"tags": ["parameters"]})
    cells = [new_markdown_cell("# Title"), parameters]
    for number, source in enumerate(sources):
        new_cell = new_markdown_cell if source.startswith("# ") else new_code_cell
        cells.append(new_cell(source, id=f"cell-{number}"))
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=cells, metadata=KERNEL), path)


@pytest.fixture
def book(tmp_path, monkeypatch):
    """Folder ``book`` in the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "book").mkdir()
    return tmp_path / "book"


@pytest.fixture
def inputs(tmp_path):
    """Folders that stand for those of the package and of the data."""
    folders = [tmp_path / "package", tmp_path / "data"]
    for folder in folders:
        folder.mkdir()
    (folders[0] / "science.py").write_text("1")
    (folders[1] / "expected.yml").write_text("{}")
    return folders


def executed(name="01_a"):
    return nbformat.read(RUN / f"{name}.ipynb", as_version=4)


def result(cell):
    return cell.outputs[0].data["text/plain"]


def test_only_what_changed_runs_again(book, inputs):
    def run(**options):
        done = execute_book(inputs=inputs, **options)
        return {name: what.partition(" in ")[0] for name, what in done.items()}

    save(book / "01_a.ipynb", "'result'")
    save(book / "board.ipynb", "load_expected = 1")
    assert run() == {"01_a": "executed", "board": "executed"}
    assert run() == {"01_a": "unchanged", "board": "unchanged"}

    save(book / "01_a.ipynb", "# New prose", "'result'")
    assert run() == {"01_a": "text updated", "board": "unchanged"}
    assert [cell.source for cell in executed().cells[2:]] == ["# New prose", "'result'"]
    assert result(executed().cells[3]) == "'result'"

    (inputs[1] / "expected.yml").write_text("a: 1")
    assert run() == {"01_a": "unchanged", "board": "executed"}
    (inputs[0] / "science.py").write_text("2")
    assert run() == {"01_a": "executed", "board": "executed"}
    (inputs[0] / "science.py").write_text("1")
    assert run() == {"01_a": "unchanged", "board": "unchanged"}

    (RUN / "01_a.ipynb").write_text("{")
    assert run() == {"01_a": "text updated", "board": "unchanged"}
    for file in Path("_build", "cache").rglob("*.ipynb"):
        file.write_text("{")
    assert run() == {"01_a": "executed", "board": "executed"}
    Path("_build", "cache", "global.db").write_text("no database")
    assert run() == {"01_a": "executed", "board": "executed"}
    assert run(force=True) == {"01_a": "executed", "board": "executed"}


def test_a_tag_that_changes_what_a_cell_does_counts_as_code(book, inputs):
    save(book / "01_a.ipynb", "1 / 0")
    notebook = nbformat.read(book / "01_a.ipynb", as_version=4)
    notebook.cells[-1].metadata["tags"] = ["skip-execution"]
    nbformat.write(notebook, book / "01_a.ipynb")
    assert execute_book(inputs=inputs)["01_a"].startswith("executed")
    save(book / "01_a.ipynb", "1 / 0")
    with pytest.raises(PressError, match="ZeroDivisionError"):
        execute_book(inputs=inputs)


def test_a_failure_names_chapter_and_cell_and_keeps_the_others(book, inputs):
    save(book / "01_a.ipynb", "# prose", "x = 1\nx / 0")
    save(book / "02_b.ipynb", "1 + 1")
    with pytest.raises(PressError) as caught:
        execute_book(inputs=inputs)
    assert str(caught.value) == "01_a, cell 4 (x = 1): ZeroDivisionError: division by zero"
    assert not list(Path("_build").rglob("*01_a*"))
    save(book / "01_a.ipynb", "# prose", "x = 1\nx / 1")
    done = execute_book(inputs=inputs)
    assert done["01_a"].startswith("executed") and done["02_b"] == "text updated"


def test_a_profile_sets_parameters_and_shows_them(book, inputs):
    save(book / "01_a.ipynb", "n_seeds")
    (book / "profiles").mkdir()
    (book / "profiles" / "full.yml").write_text("01_a: {n_seeds: 5}")
    execute_book(profile="full", inputs=inputs)
    cells = executed().cells
    assert "n_seeds = 5" in cells[2].source
    assert cells[2].metadata == {"tags": ["injected-parameters"]}
    assert result(cells[-1]) == "5"
    assert execute_book(profile="full", inputs=inputs) == {"01_a": "unchanged"}


def test_pages_are_free_of_this_machine_and_have_their_alternative_texts(book, inputs):
    save(book / "a" / "page.ipynb", IMAGE, IMAGE + IMAGE)
    execute_book(inputs=inputs)
    page = executed("a/page")
    one, two = page.cells[2:]
    assert one.metadata["mystnb"] == {"image": {"alt": 'a "dot"'}}
    assert two.metadata["mystnb"] == {"image": {"alt": 'a "dot" a "dot"'}}
    assert str(book.parent) not in nbformat.writes(page)
    assert page.metadata.keys() == {"kernelspec", "language_info"}
    assert read_costs(RUN).index.tolist() == ["a/page", "all"]


def test_the_rest_of_the_book_is_mirrored(book, inputs):
    (book / "intro.md").write_text("one")
    (book / "_static").mkdir()
    (book / "_static" / "a.css").write_text("css")
    execute_book(inputs=inputs)
    assert (RUN / "intro.md").read_text() == "one" and (RUN / "_static" / "a.css").exists()
    (book / "intro.md").write_text("two")
    (book / "_static" / "a.css").unlink()
    (RUN / "renamed.ipynb").write_text("left by a chapter that was renamed")
    execute_book(inputs=inputs)
    assert (RUN / "intro.md").read_text() == "two"
    assert not (RUN / "_static" / "a.css").exists() and not (RUN / "renamed.ipynb").exists()
