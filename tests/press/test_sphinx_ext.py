"""What the book asks of Sphinx: buttons of this repository, and docstrings that are text."""

import subprocess

import pytest

from gapbook.press.sphinx_ext import package, plain_text, repository

URL = "https://github.com/somebody/a-book"


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
def test_repository_is_read_from_origin(tmp_path, monkeypatch, remote, expected):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    if remote:
        subprocess.run(["git", "-C", tmp_path, "remote", "add", "origin", remote], check=True)
    assert repository(tmp_path) == expected


def test_the_package_is_that_of_the_commit_on_github(tmp_path, monkeypatch):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    monkeypatch.delenv("GITHUB_SHA", raising=False)
    git = ["git", "-C", tmp_path]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "remote", "add", "origin", f"{URL}.git"], check=True)
    assert package(tmp_path) == ""
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, *author, "commit", "-q", "--allow-empty", "-m", "a"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    assert package(tmp_path) == f"gapbook[chapters] @ git+{URL}@{head.stdout.strip()}"
    monkeypatch.setenv("GITHUB_SHA", "0" * 40)
    assert package(tmp_path).endswith(f"@{'0' * 40}")
    subprocess.run([*git, "remote", "remove", "origin"], check=True)
    assert package(tmp_path) == ""


@pytest.fixture
def build(build_site, chapter, tmp_path):
    """Function that builds a book of two notebooks, the first of which can be installed."""

    def make():
        files = {
            "index.md": "# Book\n\n```{toctree}\nrunnable\nboard\n```\n",
            "runnable.ipynb": chapter("install", "remove-cell"),
            "board.ipynb": chapter(),
        }
        foreign = {"repository_url": "https://github.com/executablebooks/jupyter-book"}
        build_site(files, html_theme_options=foreign)
        out = tmp_path / "out"
        return (out / "runnable.html").read_text(), (out / "board.html").read_text()

    return make


def test_buttons_open_stamped_copies_of_this_repository(build, monkeypatch):
    monkeypatch.setenv("GITHUB_REPOSITORY", "somebody/a-book")
    runnable, board = build()
    colab = "https://colab.research.google.com/github/somebody/a-book/blob/notebooks/book"
    binder = "https://mybinder.org/v2/gh/somebody/a-book/notebooks?urlpath=lab/tree/book"
    assert f"{colab}/runnable.ipynb" in runnable and f"{binder}/runnable.ipynb" in runnable
    assert "how to install" not in runnable
    assert URL in board and "colab.research" not in board


def test_only_notebooks_offer_a_file(build, tmp_path):
    runnable, board = build()
    index = (tmp_path / "out" / "index.html").read_text()
    assert "btn-download-source-button" in runnable and "_sources/runnable.ipynb" in runnable
    assert "btn-download-source-button" in board and "_sources/board.ipynb" in board
    assert "btn-download-source-button" not in index and "_sources/" not in index
    assert "btn-download-pdf-button" in index


def test_without_a_repository_there_are_no_buttons(build, monkeypatch):
    monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
    runnable, _ = build()
    for name in ("executablebooks/jupyter-book", "colab.research", "mybinder"):
        assert name not in runnable
    assert "_sources/runnable.ipynb" in runnable


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("``|x|`` and |y| of *args", "``|x|`` and \\|y\\| of \\*args"),
        (">>> 2 * 3 | 4", ">>> 2 * 3 | 4"),
        ("a * b", "a * b"),
    ],
)
def test_a_docstring_without_sections_is_text(before, after):
    lines = [before]
    plain_text(None, "function", "f", None, None, lines)
    assert lines == [after]


def test_a_docstring_with_sections_is_markup():
    lines = ["*Emphasis* stays.", "", "Returns", "-------", "float"]
    plain_text(None, "function", "f", None, None, lines)
    assert lines[0] == "*Emphasis* stays."
