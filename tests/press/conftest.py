"""Small books and notebooks."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

KERNEL = {"kernelspec": {"name": "of-another-machine", "display_name": "x", "language": "python"}}


@pytest.fixture
def book(tmp_path, monkeypatch):
    """Book in the working directory, without any file yet."""
    monkeypatch.chdir(tmp_path)
    return Book(tmp_path)


class Book:
    """A book below a folder: notebooks of a title, a parameter ``n_seeds`` and further cells."""

    def __init__(self, folder):
        self.folder = folder
        self.path = folder / "book"
        self.run = folder / "_build" / "executed"
        self.path.mkdir()

    def write(self, name, text):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def save(self, name, *sources):
        """Save a notebook with a cell for each source: prose where it begins with #."""
        parameters = new_code_cell("n_seeds = 2", metadata={"tags": ["parameters"]})
        cells = [new_markdown_cell("# Title"), parameters]
        for number, source in enumerate(sources):
            new_cell = new_markdown_cell if source.startswith("# ") else new_code_cell
            cells.append(new_cell(source, id=f"cell-{number}"))
        self.write(f"{name}.ipynb", nbformat.writes(new_notebook(cells=cells, metadata=KERNEL)))

    def read(self, name):
        return nbformat.read(self.path / f"{name}.ipynb", as_version=4)

    def executed(self, name, run="executed"):
        return nbformat.read(self.run.with_name(run) / f"{name}.ipynb", as_version=4)


@pytest.fixture
def chapter():
    """Function that makes a notebook whose first code cell has tags."""

    def make(*tags):
        cells = [
            new_markdown_cell("# A chapter"),
            new_code_cell("# how to install", metadata={"tags": list(tags)}),
            new_code_cell("1 + 1"),
        ]
        return new_notebook(cells=cells, metadata=KERNEL)

    return make
