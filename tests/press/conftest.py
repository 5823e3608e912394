"""Small books and notebooks."""

from copy import deepcopy
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

STATIC = Path(__file__).parents[2] / "book" / "_static"
KERNEL = {"kernelspec": {"name": "of-another-machine", "display_name": "x", "language": "python"}}
SETTINGS = {
    "extensions": [
        "myst_nb",
        "sphinx_book_theme",
        "sphinx-mathjax-offline",
        "gapbook.press.sphinx_ext",
    ],
    "html_theme": "sphinx_book_theme",
    "myst_enable_extensions": ["colon_fence", "dollarmath"],
    "nb_execution_mode": "off",
    "numfig": True,
    "numfig_format": {"figure": "Figure %s", "table": "Table %s"},
}


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
def build_site(tmp_path):
    """Function that builds a site of notebooks, texts and bytes by their names, in the theme of the
    book; it returns Sphinx's application and what Sphinx warns of.
    """
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace

    def make(files, **settings):
        source = tmp_path / "source"
        source.mkdir()
        for name, content in files.items():
            if isinstance(content, nbformat.NotebookNode):
                content = nbformat.writes(content)
            if isinstance(content, str):
                content = content.encode()
            (source / name).write_bytes(content)
        log = tmp_path / "warnings"
        with docutils_namespace(), log.open("w") as warning:
            app = Sphinx(
                source,
                None,
                tmp_path / "out",
                tmp_path / "doctrees",
                "html",
                # Extensions change what they are handed.
                deepcopy(SETTINGS | settings),
                status=None,
                warning=warning,
            )
            app.build()
        return app, log.read_text()

    return make


@pytest.fixture
def build_pages(build_site, tmp_path):
    """Function that builds a site of pages of cells in a plain theme; it returns their HTML, and
    what Sphinx warns of. Scripts and styles are those of the book.
    """
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
    }

    def make(theme="basic", **pages):
        listed = "\n".join(pages)
        files = {"index.md": f"# Book\n\n```{{toctree}}\n:numbered:\n{listed}\n```\n"}
        for name, cells in pages.items():
            cells = [new_markdown_cell(f"# Page {name}"), *cells]
            files[f"{name}.ipynb"] = new_notebook(cells=cells, metadata=KERNEL)
        _, warnings = build_site(files, html_theme=theme, **settings)
        return {name: (tmp_path / "out" / f"{name}.html").read_text() for name in pages}, warnings

    return make
