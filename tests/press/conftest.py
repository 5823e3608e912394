"""Small books and notebooks."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

STATIC = Path(__file__).parents[2] / "book" / "_static"
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


@pytest.fixture
def build_pages(tmp_path):
    """Function that builds a site of pages of cells in a plain theme; it returns their HTML, and
    what Sphinx warns of. Scripts and styles are those of the book.
    """
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace

    settings = {
        "extensions": [
            "myst_nb",
            "gapbook.press.captions",
            "gapbook.press.page_images",
            "gapbook.press.predictions",
        ],
        "html_static_path": [str(STATIC)],
        "html_css_files": [path.name for path in STATIC.glob("*.css")],
        "html_js_files": [path.name for path in STATIC.glob("*.js")],
        "nb_execution_mode": "off",
        "numfig": True,
        "numfig_format": {"figure": "Figure %s", "table": "Table %s"},
        "myst_enable_extensions": ["colon_fence", "dollarmath"],
    }

    def make(theme="basic", **pages):
        source = tmp_path / "source"
        source.mkdir()
        listed = "\n".join(pages)
        (source / "index.md").write_text(f"# Book\n\n```{{toctree}}\n:numbered:\n{listed}\n```\n")
        for name, cells in pages.items():
            cells = [new_markdown_cell(f"# Page {name}"), *cells]
            page = new_notebook(cells=cells, metadata=KERNEL)
            nbformat.write(page, source / f"{name}.ipynb")
        log = tmp_path / "warnings"
        out = tmp_path / "out"
        doctrees = tmp_path / "doctrees"
        with docutils_namespace(), log.open("w") as warning:
            settings["html_theme"] = theme
            site = Sphinx(
                source, None, out, doctrees, "html", settings, status=None, warning=warning
            )
            site.build()
        return {name: (out / f"{name}.html").read_text() for name in pages}, log.read_text()

    return make
