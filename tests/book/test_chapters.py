"""The notebooks as they stand in the repository (``source`` tests) and as executed."""

import ast
import re
from pathlib import Path
from statistics import median

import nbformat
import pytest
import yaml
from papermill import inspect_notebook

from gapbook.full_scale.parts import PARTS
from gapbook.press import available_sources, compare, load_expected, read_records
from gapbook.press.baseline import check
from gapbook.press.costs import read_costs
from gapbook.press.notebooks import read_notebooks
from gapbook.press.profiles import read_profile

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "book"
NOTEBOOKS = list(read_notebooks(BOOK))
CHAPTERS = [name for name in NOTEBOOKS if re.match(r"\d\d_", name)]
PROFILES = sorted(BOOK.glob("profiles/*.yml"))
# lines of code: of the longest cell, and of half of the cells
LONGEST = 35
USUAL = 8
HIDDEN = {"hide-cell", "hide-input", "remove-cell", "remove-input"}
CODE_OR_MATH = re.compile(
    r"```.*?```|`[^`]*`|\$\$.*?\$\$|\$[^$]+\$|\]\([^)]*\)|https?://\S+", re.DOTALL
)
# Fenced code (a fence with the name of a language), formulas, options and marks of directives.
NO_PROSE = re.compile(
    r"^(`{3,})\w+$.*?^\1|\$\$.*?\$\$|\$[^$]+\$|^\s*:[\w-]+:.*?$|^\s*(:{3,}|`{3,})(\{[\w-]+\})?",
    re.DOTALL | re.MULTILINE,
)
# Words of prose; a chapter is to be read in one sitting.
LONGEST_CHAPTER = 2500
VISION_TRANSFORMER = re.compile(r"ViT-\w/\d+")
DECIMAL = re.compile(r"(?<![\w.])\d?\.\d{2,}")

each_notebook = pytest.mark.parametrize("name", NOTEBOOKS)
each_chapter = pytest.mark.parametrize("name", CHAPTERS)


@pytest.fixture
def source(name):
    """The notebook in the repository."""
    return nbformat.read(BOOK / f"{name}.ipynb", as_version=4)


@pytest.fixture
def executed(name, executed_book):
    """The notebook as executed for the book."""
    return nbformat.read(executed_book / f"{name}.ipynb", as_version=4)


def has_tag(cell, *tags):
    return not set(tags).isdisjoint(cell.metadata.get("tags", ()))


def code_cells(notebook):
    """Code cells but for the one that installs the package."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [cell for cell in cells if not has_tag(cell, "install")]


def lines(cell):
    return len([line for line in cell.source.splitlines() if line.strip()])


def typed_decimals(text):
    return DECIMAL.findall(CODE_OR_MATH.sub("", text))


@each_chapter
def test_source_begins_with_imports_then_parameters(source):
    first, second = code_cells(source)[:2]
    statements = ast.parse(first.source).body
    assert all(isinstance(node, ast.Import | ast.ImportFrom) for node in statements)
    assert has_tag(second, "parameters")


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.stem)
def test_source_has_the_parameters_that_a_profile_sets(path):
    notebooks = read_notebooks(BOOK)
    profile = read_profile(path, notebooks)
    for notebook, parameters in profile.parameters.items():
        in_notebook = inspect_notebook(notebooks[notebook])
        for parameter, value in parameters.items():
            assert repr(value) != in_notebook[parameter]["default"]
    assert set(profile.parts) <= set(PARTS)
    # What it takes is stated.
    assert all([*profile.minutes.values(), *profile.parts.values()])


def words(text):
    """Return the words of prose: what holds a letter or a digit, with what stands beside it."""
    return re.findall(r"\S*[^\W_]\S*", NO_PROSE.sub(" ", text))


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Two {term}`words`, and -- one-two.", 4),
        ("```python\nx = 1\n```\nOf code and $a + b$ none.", 4),
        ("$$\na = b\n$$ (loss)\n\nBelow.", 2),
        (":::{predict} Which one?\n:name: one two\n- [ ] This.\n:::", 3),
        ("```{dropdown} Why\n:open:\nIt falls.\n```\nAfter it:\n```bash\nls\n```", 5),
    ],
)
def test_words_are_told_from_code_math_and_marks(text, number):
    assert len(words(text)) == number


@each_chapter
def test_source_can_be_read_in_one_sitting(source):
    prose = [cell.source for cell in source.cells if cell.cell_type == "markdown"]
    assert len(words("\n\n".join(prose))) <= LONGEST_CHAPTER


@each_chapter
def test_source_has_short_cells(name, source):
    cells = code_cells(source)
    assert max(map(lines, cells)) <= LONGEST
    assert median(map(lines, cells)) <= USUAL


@each_chapter
def test_source_shows_two_thirds_of_its_code(name, source):
    cells = code_cells(source)
    hidden = [cell for cell in cells if has_tag(cell, *HIDDEN)]
    assert sum(map(lines, hidden)) <= sum(map(lines, cells)) / 3


@each_notebook
def test_source_types_no_result_in_prose(source):
    prose = [cell.source for cell in source.cells if cell.cell_type == "markdown"]
    assert [number for text in prose for number in typed_decimals(text)] == []


@pytest.mark.parametrize(
    ("text", "decimals"),
    [
        ("a gap of 0.82 and .55", ["0.82", ".55"]),
        ("`x = 0.25`, $t=0.07$, {glue:text}`a.b:.3f`, [link](v0.25)", []),
    ],
)
def test_typed_decimals_are_told_from_code_and_math(text, decimals):
    assert typed_decimals(text) == decimals


def test_chapters_name_the_clip_of_the_published_pairs_as_the_registry_does():
    registry = yaml.safe_load((ROOT / "data/registry.yml").read_text())
    described = VISION_TRANSFORMER.findall(registry["clip-coco"]["description"])
    named = []
    for name in CHAPTERS:
        for cell in nbformat.read(BOOK / f"{name}.ipynb", as_version=4).cells:
            for sentence in re.split(r"(?<=[.:])\s", cell.source):
                if "500 pairs" in sentence or "500 images of COCO" in sentence:
                    named += VISION_TRANSFORMER.findall(sentence)
    assert named and set(named) == set(described)


@each_notebook
def test_executed_to_the_end_without_errors(executed):
    cells = [cell for cell in executed.cells if cell.cell_type == "code" and cell.source.strip()]
    assert all(cell.execution_count for cell in cells)
    assert all(out.output_type != "error" for cell in cells for out in cell.outputs)


@each_notebook
def test_executed_copy_names_no_folder_of_this_machine(name, executed_book):
    text = (executed_book / f"{name}.ipynb").read_text()
    assert str(ROOT) not in text and f"{Path.home()}/" not in text


@each_notebook
def test_executed_images_have_alternative_texts(executed):
    for cell in code_cells(executed):
        for output in cell.outputs:
            images = [mime for mime in output.get("data", ()) if mime.startswith("image/")]
            assert all(output.metadata.get(mime, {}).get("alt") for mime in images), cell.source
            shown = re.findall(r"<img [^>]*>", output.get("data", {}).get("text/html", ""))
            assert all(re.search(r' alt="[^"]', image) for image in shown), cell.source


def test_executed_records_equal_the_baseline(executed_book):
    check(read_records(executed_book), load_expected(), available_sources())


def test_executed_chapters_record_what_they_are_to_reproduce():
    table = compare(load_expected())
    assert table[table.verdict == "not recorded"].id.tolist() == []


def test_executed_book_explains_what_differs_from_the_paper(executed_book):
    table = compare(read_records(executed_book))
    differing = table[table.verdict == "differs"]
    assert differing[differing.explanation == ""].id.tolist() == []


@each_chapter
def test_executed_in_three_gigabytes(name, executed_book):
    assert 0 < read_costs(executed_book).loc[name, "peak memory (MB)"] < 3000
