"""The notebooks as they stand in the repository (``source`` tests), and as executed for the book."""

import ast
import json
import re
from pathlib import Path
from statistics import median

import nbformat
import pytest

from gapbook.press import compare, read_records
from gapbook.press.execute import available_sources
from gapbook.press.scoreboard import check, load_expected

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted(
    path for path in (ROOT / "book").rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts
)
CHAPTERS = [path for path in NOTEBOOKS if re.match(r"\d\d_", path.name)]
HIDDEN = {"install", "hide-cell", "hide-input", "remove-cell", "remove-input"}
CODE_OR_MATH = re.compile(
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]+\$|\]\([^)]*\)|https?://\S+", re.DOTALL
)
DECIMAL = re.compile(r"(?<![\w.])\d?\.\d{2,}")

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
each_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)


def code_cells(path):
    cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    return [cell for cell in cells if "install" not in cell.metadata.get("tags", ())]


def lines(cell):
    return len([line for line in cell.source.splitlines() if line.strip()])


def typed_decimals(text):
    return DECIMAL.findall(CODE_OR_MATH.sub("", text))


def test_source_has_notebooks():
    assert CHAPTERS and ROOT / "book" / "appendix" / "scoreboard.ipynb" in NOTEBOOKS


@each_notebook
def test_source_has_no_outputs(path):
    cells = code_cells(path)
    assert not [cell for cell in cells if cell.outputs or cell.execution_count is not None]


@each_notebook
def test_source_starts_with_imports_then_parameters(path):
    first, second = code_cells(path)[:2]
    assert all(
        isinstance(node, ast.Import | ast.ImportFrom) for node in ast.parse(first.source).body
    )
    assert "parameters" in second.metadata.tags


@each_chapter
def test_source_has_short_cells(path):
    cells = code_cells(path)
    shown = [lines(cell) for cell in cells if not HIDDEN & set(cell.metadata.get("tags", ()))]
    assert max(map(lines, cells)) <= 35
    assert median(shown) <= 8


@each_notebook
def test_source_types_no_result_in_prose(path):
    prose = [
        cell.source
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "markdown"
    ]
    assert not [number for text in prose for number in typed_decimals(text)]


def test_typed_decimals_are_found():
    assert typed_decimals("a gap of 0.82, `x = 0.25`, $t=0.07$, {glue:text}`a.b:.3f` and .55") == [
        "0.82",
        ".55",
    ]


@each_notebook
def test_executed(path, executed_book):
    ran = nbformat.read(executed_book / path.relative_to(ROOT / "book"), as_version=4)
    code = [cell for cell in ran.cells if cell.cell_type == "code"]
    assert all(cell.execution_count for cell in code if cell.source.strip())
    assert not [out for cell in code for out in cell.outputs if out.output_type == "error"]


@each_notebook
def test_executed_copy_tells_no_folder_of_this_machine(path, executed_book):
    text = (executed_book / path.relative_to(ROOT / "book")).read_text()
    assert str(ROOT) not in text and str(Path.home()) + "/" not in text


@each_notebook
def test_executed_images_have_alt_text(path, executed_book):
    ran = nbformat.read(executed_book / path.relative_to(ROOT / "book"), as_version=4)
    outputs = [out for cell in ran.cells for out in cell.get("outputs", ()) if "data" in out]
    silent = [
        mime
        for out in outputs
        for mime in out.data
        if mime.startswith("image/") and not out.metadata.get(mime)
    ]
    assert not silent


def test_executed_records_equal_the_baseline(executed_book):
    records = read_records(executed_book)
    assert records
    check(records, load_expected(), available_sources())


def test_executed_book_explains_what_differs_from_the_paper(executed_book):
    table = compare(read_records(executed_book))
    assert not table[(table.verdict == "differs") & (table.explanation == "")].id.tolist()


def test_executed_chapters_fit_in_three_gigabytes_and_say_what_they_took(executed_book):
    costs = json.loads((executed_book / "run.json").read_text())["chapters"]
    assert set(costs) >= {path.stem for path in CHAPTERS}
    assert not {
        name: cost
        for name, cost in costs.items()
        if not 0 < cost["memory_mb"] < 3000 or cost["seconds"] <= 0
    }
