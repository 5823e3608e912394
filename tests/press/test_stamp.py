"""Published copies of notebooks: the stamped install cell."""

from pathlib import Path

import nbformat
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from gapbook.press.stamp import install_cell, pins, stamp, stamp_folder

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
    assert "numpy==2.4.6 torchmetrics==1.0\n" in cell.source
    assert cell.metadata["tags"] == ["install", "remove-cell"]
    assert [cell.source for cell in stamped.cells[2:]] == ["1 + 1"]
    assert nbformat.writes(source) == before
    nbformat.validate(stamped)


def test_stamped_cell_installs_only_where_the_package_is_missing(chapter):
    cell = install_cell(stamp(chapter("install"), URL, COMMIT, CONSTRAINTS))
    code = compile(TransformerManager().transform_cell(cell.source), "cell", "exec")
    calls = []
    shell = type("Shell", (), {"run_line_magic": lambda self, *call: calls.append(call)})()
    exec(code, {"get_ipython": lambda: shell})
    # it is installed here
    assert calls == []


def test_what_colab_brings_is_not_pinned():
    assert pins(CONSTRAINTS) == ["numpy==2.4.6", "torchmetrics==1.0"]
    names = {pin.partition("==")[0] for pin in pins((ROOT / "constraints.txt").read_text())}
    assert "numpy" in names
    assert not names & {"torch", "ipykernel", "ipython", "pyzmq", "tornado"}


@pytest.mark.parametrize(
    ("tags", "commit", "constraints", "message"),
    [
        (["install"], "main", "", "40 hexadecimal digits, so that it cannot move; got 'main'"),
        ([], COMMIT, "", 'code cell tagged "install"'),
        (["install"], COMMIT, "numpy>=2", "name==version; got 'numpy>=2'"),
    ],
)
def test_stamp_says_what_is_wrong(chapter, tags, commit, constraints, message):
    with pytest.raises(ValueError, match=message):
        stamp(chapter(*tags), URL, commit, constraints)


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
