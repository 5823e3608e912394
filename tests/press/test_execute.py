"""The run folder: which notebooks are executed again, and what stands there afterwards."""

import nbformat
import pytest

from gapbook.press import PressError
from gapbook.press.costs import read_costs
from gapbook.press.execute import execute_book

pytestmark = pytest.mark.book

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAA"
    "AABJRU5ErkJggg=="
)
IMAGE = f"""
from IPython.display import display
png = {{"image/png": {PIXEL!r}}}
display(png, raw=True, metadata={{"image/png": {{"alt": 'a "dot"'}}}})
"""


@pytest.fixture
def inputs(tmp_path):
    """Folders that stand for those of the package and of the data."""
    folders = [tmp_path / "package", tmp_path / "data"]
    for folder in folders:
        folder.mkdir()
    (folders[0] / "science.py").write_text("1")
    (folders[1] / "expected.yml").write_text("{}")
    return folders


@pytest.fixture
def run(inputs):
    """Function that brings the run folder up to date and says what happened, without the costs."""

    def execute(**options):
        done = execute_book(inputs=inputs, **options)
        return {name: what.partition(" in ")[0] for name, what in done.items()}

    return execute


def result(cell):
    return cell.outputs[0].data["text/plain"]


def test_a_change_of_prose_keeps_outputs_and_a_change_of_code_does_not(book, run):
    book.save("01_a", "'result'")
    assert run() == {"01_a": "executed"}
    assert run() == {"01_a": "unchanged"}
    book.save("01_a", "# New prose", "'result'")
    assert run() == {"01_a": "text updated"}
    page = book.executed("01_a")
    assert [cell.source for cell in page.cells[2:]] == ["# New prose", "'result'"]
    assert result(page.cells[3]) == "'result'"
    book.save("01_a", "'other'")
    assert run() == {"01_a": "executed"}
    assert result(book.executed("01_a").cells[2]) == "'other'"
    assert run(force=True) == {"01_a": "executed"}


def test_a_change_of_the_package_runs_all_and_one_of_the_baseline_its_readers(book, run, inputs):
    book.save("01_a", "'result'")
    book.save("board", "load_expected = 1")
    assert run() == {"01_a": "executed", "board": "executed"}
    (inputs[1] / "expected.yml").write_text("a: 1")
    assert run() == {"01_a": "unchanged", "board": "executed"}
    (inputs[0] / "science.py").write_text("2")
    assert run() == {"01_a": "executed", "board": "executed"}
    (inputs[0] / "science.py").write_text("1")
    assert run() == {"01_a": "unchanged", "board": "unchanged"}


def test_damaged_files_are_made_again(book, run):
    book.save("01_a", "'result'")
    run()
    whole = (book.run / "01_a.ipynb").read_bytes()
    book.save("../02_b", "'other'")
    (book.run / "01_a.ipynb").write_text("{")
    assert run() == {"01_a": "text updated"}
    for file in (book.run.parent / "cache").rglob("*.ipynb"):
        file.write_text("{")
    assert run() == {"01_a": "executed"}
    for file in (book.run.parent / "cache").rglob("*.ipynb"):
        # sound, but of other code
        file.write_bytes((book.folder / "02_b.ipynb").read_bytes())
    assert run() == {"01_a": "executed"}
    (book.run.parent / "cache" / "global.db").write_text("no database")
    assert run() == {"01_a": "executed"}
    assert (book.run / "01_a.ipynb").read_bytes() == whole


def test_a_tag_that_changes_what_a_cell_does_counts_as_code(book, run):
    book.save("01_a", "1 / 0")
    notebook = book.read("01_a")
    notebook.cells[-1].metadata["tags"] = ["skip-execution"]
    nbformat.write(notebook, book.path / "01_a.ipynb")
    assert run() == {"01_a": "executed"}
    book.save("01_a", "1 / 0")
    with pytest.raises(PressError, match="ZeroDivisionError"):
        run()


def test_a_failure_names_chapter_and_cell_and_keeps_the_others(book, run):
    book.save("01_a", "# prose", "x = 1\nx / 0")
    book.save("02_b", "1 + 1")
    with pytest.raises(PressError) as caught:
        run()
    message, place = str(caught.value).splitlines()
    assert message == "01_a, cell 4 (x = 1): ZeroDivisionError: division by zero"
    assert place == "  more in _build/failed/01_a.txt"
    assert "----> 2 x / 0" in (book.folder / "_build" / "failed" / "01_a.txt").read_text()
    assert list(book.run.rglob("*01_a*")) == []
    book.save("01_a", "# prose", "x = 1\nx / 1")
    assert run() == {"01_a": "executed", "02_b": "text updated"}
    assert not (book.folder / "_build" / "failed").exists()


def test_a_profile_sets_parameters_and_shows_them(book, run):
    book.save("01_a", "n_seeds")
    book.write("profiles/full.yml", "01_a: {n_seeds: 5}")
    assert run(profile="full") == {"01_a": "executed"}
    cells = book.executed("01_a").cells
    assert "n_seeds = 5" in cells[2].source
    assert cells[2].metadata == {"tags": ["injected-parameters"]}
    assert result(cells[3]) == "5"
    assert run(profile="full") == {"01_a": "unchanged"}


def test_pages_are_free_of_this_machine_and_have_their_alternative_texts(book, run):
    book.save("a/page", IMAGE, IMAGE + IMAGE)
    run()
    page = book.executed("a/page")
    one, two = page.cells[2:]
    assert one.metadata["mystnb"] == {"image": {"alt": 'a "dot"'}}
    assert two.metadata["mystnb"] == {"image": {"alt": 'a "dot" a "dot"'}}
    assert str(book.folder) not in nbformat.writes(page)
    assert page.metadata.keys() == {"kernelspec", "language_info"}
    assert read_costs(book.run).index.tolist() == ["a/page", "all"]


def test_the_rest_of_the_book_is_mirrored(book, run):
    book.write("intro.md", "one")
    book.write("_static/a.css", "css")
    run()
    assert (book.run / "intro.md").read_text() == "one"
    assert (book.run / "_static" / "a.css").exists()
    book.write("intro.md", "two")
    (book.path / "_static" / "a.css").unlink()
    (book.run / "renamed.ipynb").write_text("left by a chapter that was renamed")
    run()
    assert (book.run / "intro.md").read_text() == "two"
    assert not (book.run / "_static" / "a.css").exists()
    assert not (book.run / "renamed.ipynb").exists()


def test_what_moves_is_executed_for_a_page(book):
    draw = (
        "from matplotlib.figure import Figure\n"
        "from gapbook.interactive import slider\n"
        "slider(lambda n: Figure((2, 1)), [1, 2], 'n', alt=str)"
    )
    book.save("01_a", draw)
    execute_book()
    shown = book.executed("01_a").cells[-1].outputs[0].data
    assert shown["text/html"].count("<img") == 2
    assert "application/vnd.jupyter.widget-view+json" not in shown
