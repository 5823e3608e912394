"""Published copies of notebooks: the stamped install cell."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from gapbook.press.stamp import advise, install_cell, pins, requirement, stamp, stamp_folder

ROOT = Path(__file__).parents[2]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
URL = "https://github.com/somebody/a-book"
CONSTRAINTS = """
# CI
numpy==2.4.6
torch==2.13.0
ipykernel==7.4.0
jupyter_client==8.10.0
torchmetrics==1.0
"""


def test_stamp_installs_this_commit_under_constraints(chapter):
    source = chapter("install", "remove-cell")
    before = nbformat.writes(source)
    stamped = stamp(source, URL, COMMIT, CONSTRAINTS)
    cell = install_cell(stamped)
    assert f'"gapbook[chapters] @ git+{URL}@{COMMIT}"' in cell.source
    assert "\nnumpy==2.4.6 torchmetrics==1.0\n" in cell.source
    assert cell.source.startswith("# @title Install")
    assert cell.metadata["tags"] == ["install", "remove-cell"]
    assert [cell.source for cell in stamped.cells[2:]] == ["1 + 1"]
    assert nbformat.writes(source) == before
    nbformat.validate(stamped)


def test_stamped_cell_does_nothing_where_the_package_is_installed(chapter, capsys):
    cell = install_cell(stamp(chapter("install"), URL, COMMIT, CONSTRAINTS))
    exec(compile(cell.source, "cell", "exec"), {})
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("wanted", "line"),
    [
        (
            requirement(URL, COMMIT),
            f', run:\n# pip install "gapbook[chapters] @ git+{URL}@{COMMIT}"',
        ),
        ("", ', run, in a clone of the book\'s repository:\n# pip install ".[chapters]"'),
    ],
)
def test_a_copy_says_how_to_install_and_runs_where_the_package_is(chapter, wanted, line):
    notebook = chapter("install", "remove-cell")
    advise(notebook, wanted)
    cell = install_cell(notebook)
    assert f"{line}\n" in cell.source
    assert cell.metadata["tags"] == ["install", "remove-cell"]
    exec(compile(cell.source, "cell", "exec"), {})
    stamped = install_cell(stamp(notebook, URL, COMMIT, CONSTRAINTS))
    assert stamped.source.startswith("# @title Install")


def test_a_copy_without_the_package_stops_with_one_sentence(chapter):
    notebook = chapter("install")
    advise(notebook)
    cell = install_cell(notebook)
    cell.source = cell.source.replace('find_spec("gapbook")', 'find_spec("a_missing_package")')
    client = NotebookClient(notebook, kernel_name="python3", timeout=60)
    with pytest.raises(CellExecutionError):
        client.execute(cleanup_kc=True)
    [shown] = cell.outputs
    assert shown.text.splitlines() == [
        "UsageError: The package gapbook is not installed: the first lines of this cell say how."
    ]
    assert notebook.cells[2].execution_count is None


def test_a_notebook_without_an_install_cell_stays_as_it_is(chapter):
    notebook = chapter()
    before = nbformat.writes(notebook)
    advise(notebook, requirement(URL, COMMIT))
    assert nbformat.writes(notebook) == before


def test_what_colab_brings_is_not_pinned():
    assert pins(CONSTRAINTS) == ["numpy==2.4.6", "torchmetrics==1.0"]
    names = {pin.partition("==")[0] for pin in pins((ROOT / "constraints.txt").read_text())}
    assert "numpy" in names
    assert not names & {"torch", "ipykernel", "ipython", "pyzmq", "tornado"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"commit": "main"}, "40 hexadecimal digits, so that it cannot move; got 'main'"),
        ({"notebook": ()}, 'code cell tagged "install"'),
        ({"constraints": "numpy>=2"}, "name==version; got 'numpy>=2'"),
        ({"constraints": 'numpy==2"""\n'}, "name==version; got"),
        ({"url": 'https://example.org/a"\n!id #'}, "URL of a repository such as https://github"),
        ({"url": "https://example.org/$(id)"}, "URL of a repository"),
        ({"url": "https://example.org/{id}"}, "URL of a repository"),
        ({"url": "https://name:password@example.org/a"}, "URL of a repository"),
        ({"url": "http://example.org/a"}, "URL of a repository"),
        ({"url": "ext::sh -c id"}, "URL of a repository"),
        ({"url": URL + "\n"}, "URL of a repository"),
    ],
)
def test_stamp_says_what_is_wrong(chapter, changed, message):
    options = {"notebook": ["install"], "url": URL, "commit": COMMIT, "constraints": CONSTRAINTS}
    options |= changed
    options["notebook"] = chapter(*options["notebook"])
    with pytest.raises(ValueError, match=message):
        stamp(**options)


@pytest.mark.parametrize(
    "url", [URL, "https://git.example.org:8443/a/b.git", "file:///srv/git/a-b"]
)
def test_stamp_takes_urls_of_repositories(chapter, url):
    cell = install_cell(stamp(chapter("install"), url, COMMIT, CONSTRAINTS))
    assert f"git+{url}@{COMMIT}" in cell.source


def test_stamp_folder_leaves_other_notebooks_alone(chapter, tmp_path):
    runnable = tmp_path / "01.ipynb"
    other = tmp_path / "appendix" / "board.ipynb"
    other.parent.mkdir()
    nbformat.write(chapter("install"), runnable)
    nbformat.write(chapter(), other)
    before = other.read_bytes()
    assert stamp_folder(tmp_path, URL, COMMIT, CONSTRAINTS) == [runnable]
    assert COMMIT in runnable.read_text() and other.read_bytes() == before
    with pytest.raises(ValueError, match="got none"):
        stamp_folder(other.parent, URL, COMMIT, CONSTRAINTS)
