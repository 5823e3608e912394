"""Published copies: the stamped install cell, and the buttons that open the copies."""

import subprocess
from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from sphinx.application import Sphinx

from gapbook.press import sphinx_ext
from gapbook.press.stamp import install_cell, pins, stamp, stamp_folder

COMMIT = "0123456789abcdef0123456789abcdef01234567"
URL = "https://github.com/somebody/a-book"
CONSTRAINTS = "# CI\nnumpy==2.4.6\ntorch==2.13.0\nipykernel==7.4.0\njupyter_client==8.10.0\ntorchmetrics==1.0\n"


def chapter(*tags: str) -> nbformat.NotebookNode:
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [
        new_markdown_cell("# A chapter"),
        new_code_cell("# how to install", metadata={"tags": list(tags)}),
    ]
    return new_notebook(cells=[*cells, new_code_cell("1 + 1")], metadata=metadata)


def test_stamp_installs_this_commit_under_constraints() -> None:
    source = chapter("install", "remove-cell")
    before = nbformat.writes(source)
    stamped = stamp(source, URL, COMMIT, CONSTRAINTS)
    cell = install_cell(stamped)
    assert cell is not None and f'"gapbook[chapters] @ git+{URL}@{COMMIT}"' in cell.source
    assert "numpy==2.4.6 torchmetrics==1.0\n" in cell.source and cell.metadata["tags"] == [
        "install",
        "remove-cell",
    ]
    assert nbformat.writes(source) == before and [c.source for c in stamped.cells[2:]] == ["1 + 1"]
    nbformat.validate(stamped)


def test_stamped_cell_installs_only_where_the_package_is_missing() -> None:
    cell = install_cell(stamp(chapter("install"), URL, COMMIT, CONSTRAINTS))
    assert cell is not None
    code, calls = compile(TransformerManager().transform_cell(cell.source), "cell", "exec"), []
    fake = type("Shell", (), {"run_line_magic": lambda self, *call: calls.append(call)})()
    exec(code, {"get_ipython": lambda: fake})
    assert calls == []  # it is installed here


def test_what_colab_brings_is_not_pinned() -> None:
    assert pins(CONSTRAINTS) == ["numpy==2.4.6", "torchmetrics==1.0"]
    kept = pins(Path("constraints.txt").read_text())
    assert len(kept) > 50 and not {p.split("==")[0] for p in kept} & {
        "torch",
        "ipykernel",
        "ipython",
        "pyzmq",
        "tornado",
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            (chapter("install"), URL, "main", ""),
            "40 hexadecimal digits, so that it cannot move; got 'main'",
        ),
        ((chapter(), URL, COMMIT, ""), 'code cell tagged "install"'),
        ((chapter("install"), URL, COMMIT, "numpy>=2"), "name==version; got 'numpy>=2'"),
    ],
)
def test_stamp_says_what_is_wrong(arguments: tuple, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(ValueError, match=message):
        stamp(*arguments)


def test_stamp_folder_leaves_other_notebooks_alone(tmp_path: Path) -> None:
    (tmp_path / "appendix").mkdir()
    nbformat.write(chapter("install"), tmp_path / "01.ipynb")
    nbformat.write(chapter(), tmp_path / "appendix" / "board.ipynb")
    other = (tmp_path / "appendix" / "board.ipynb").read_bytes()
    assert stamp_folder(tmp_path, URL, COMMIT, CONSTRAINTS) == [tmp_path / "01.ipynb"]
    assert (
        COMMIT in (tmp_path / "01.ipynb").read_text()
        and (tmp_path / "appendix" / "board.ipynb").read_bytes() == other
    )
    with pytest.raises(ValueError, match="got none"):
        stamp_folder(tmp_path / "appendix", URL, COMMIT, CONSTRAINTS)


@pytest.mark.parametrize(
    ("remote", "expected"),
    [
        ("https://github.com/somebody/a-book.git", URL),
        ("https://token@github.com/somebody/a-book", URL),
        ("git@github.com:somebody/a-book.git", URL),
        ("ssh://git@github.com/somebody/a-book/", URL),
        ("https://example.org/github.com/somebody", None),
        ("/srv/git/a-book", None),
        (None, None),
    ],
)
def test_repository_is_read_from_origin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remote: str | None, expected: str | None
) -> None:
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    if remote:
        subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin", remote], check=True)
    assert sphinx_ext.repository(tmp_path) == expected


def build(folder: Path) -> dict[str, str]:
    """Build a book of two notebooks, of which only the first can be installed; return the pages."""
    folder.mkdir()
    (folder / "index.md").write_text("# Book\n\n```{toctree}\nrunnable\nboard\n```\n")
    nbformat.write(chapter("install", "remove-cell"), folder / "runnable.ipynb")
    nbformat.write(chapter(), folder / "board.ipynb")
    settings = {
        "extensions": [
            "myst_nb",
            "sphinx_book_theme",
            "sphinx-mathjax-offline",
            "gapbook.press.sphinx_ext",
        ],
        "html_theme": "sphinx_book_theme",
        "html_theme_options": {"repository_url": "https://github.com/executablebooks/jupyter-book"},
        "nb_execution_mode": "off",
    }
    out = folder / "out"
    Sphinx(
        folder, None, out, folder / "doctrees", "html", confoverrides=settings, status=None
    ).build()
    return {name: (out / f"{name}.html").read_text() for name in ("runnable", "board")}


def test_buttons_open_stamped_copies_of_this_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "somebody/a-book")
    page = build(tmp_path / "book")
    colab = "https://colab.research.google.com/github/somebody/a-book/blob/notebooks/book/runnable.ipynb"
    binder = (
        "https://mybinder.org/v2/gh/somebody/a-book/notebooks?urlpath=lab/tree/book/runnable.ipynb"
    )
    assert colab in page["runnable"] and binder in page["runnable"] and URL in page["board"]
    assert "how to install" not in page["runnable"] and "colab.research" not in page["board"]


def test_without_a_repository_there_are_no_buttons(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    page = build(tmp_path / "book")
    assert not any(
        word in page["runnable"]
        for word in ("executablebooks/jupyter-book", "colab.research", "mybinder")
    )
    assert "_sources/runnable.ipynb" in page["runnable"]
