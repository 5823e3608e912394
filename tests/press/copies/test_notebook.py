"""Copies of whole notebooks."""

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from gapbook.exceptions import PressError
from gapbook.press.copies.notebook import make_copy


def markdown(source, name="text"):
    return new_markdown_cell(source, id=name)


def code(source, *tags, name="code", outputs=(), **metadata):
    metadata |= {"tags": list(tags)} if tags else {}
    return new_code_cell(source, id=name, metadata=metadata, outputs=list(outputs))


def shown(**data):
    data = {mime.replace("_", "/"): value for mime, value in data.items()}
    return new_output("display_data", data=data)


def recorded(key):
    data = {"application/papermill.record/text/plain": "1"}
    return new_output("display_data", data=data, metadata={"scrapbook": {"name": key}})


@pytest.fixture
def copied(writer):
    """Function that copies a notebook of cells, and returns its cells."""

    def copy(*cells):
        notebook = new_notebook(cells=list(cells), metadata={"gapbook": "digest"})
        before = nbformat.writes(notebook)
        result = make_copy(notebook, writer)
        assert nbformat.writes(notebook) == before
        assert "gapbook" not in result.metadata
        return result.cells

    return copy


def sources(cells):
    return [cell.source for cell in cells]


def test_records_go_with_their_outputs(copied):
    text = new_output("stream", name="stdout", text="a")
    cells = copied(
        code("from gapbook.press import record", "remove-input", name="a"),
        code("record('ch01.x', 1)", "remove-input", name="b", outputs=[recorded("ch01.x")]),
        code("record('ch01.y', 1)\nprint('a')", name="c", outputs=[recorded("ch01.y"), text]),
    )
    assert sources(cells) == ["print('a')"] and cells[0].outputs == [text]


def test_what_was_read_from_records_stays_as_text(copied):
    cells = copied(
        code("from IPython.display import Markdown\nfrom gapbook.press import recorded", name="a"),
        code("Markdown(f'{recorded()}')", name="b", outputs=[shown(text_markdown="**0.5** it is")]),
        code("recorded()", name="c", outputs=[shown(text_html="<p>\n\n1</p><style>\n</style>")]),
        code("print(recorded())", name="d", outputs=[new_output("stream", text="2\n")]),
        code("Markdown(str(recorded()))", name="e"),
    )
    assert sources(cells) == ["**0.5** it is", "<p>\n1</p>", "```text\n2\n```"]
    assert {cell.cell_type for cell in cells} == {"markdown"}


def test_what_the_page_removes_goes_unless_it_is_needed(copied):
    cells = copied(
        code("# how to install", "install", "remove-cell", name="a"),
        code("width = 3", "remove-cell", name="b"),
        code("print(1)", "remove-cell", name="c"),
        code("print(width)", name="d"),
    )
    assert [cell.id for cell in cells] == ["a", "b", "d"]


def test_what_the_page_hides_is_folded(copied):
    cells = copied(
        code("1", "hide-input", name="a"),
        code("2", "hide-output", name="b"),
        code("3", name="c"),
    )
    assert cells[0].metadata["jupyter"] == {"source_hidden": True}
    assert cells[0].metadata["cellView"] == "form"
    assert cells[1].metadata["jupyter"] == {"outputs_hidden": True}
    assert "jupyter" not in cells[2].metadata


def test_captions_of_figures_stand_below_them(copied):
    figure = {"figure": {"caption": "A gap of {glue:text}`ch01.gap:.1f`.", "name": "fig-a"}}
    cells = copied(code("draw()", mystnb=figure))
    assert sources(cells) == ["draw()", "**Figure 3.** A gap of 0.9."]
    assert "mystnb" not in cells[0].metadata


def test_captions_stand_below_outputs_and_before_text(copied):
    cells = copied(
        code("draw()", name="a", outputs=[shown(image_png="AAAA")]),
        code("record('ch01.x', 1)", "remove-cell", name="b", outputs=[recorded("ch01.x")]),
        markdown(":::{caption} fig-a\nA gap of {glue:text}`ch01.gap:.1f`.\n:::\n\nText.", "c"),
    )
    assert sources(cells)[0] == "draw()" and cells[0].outputs
    assert sources(cells)[-1] == "**Figure 3.** A gap of 0.9.\n\nText."


SLIDER = """\
moments = [0, 1]


def draw(epoch):
    return plots.training_frame(gap_at[epoch])


def describe(epoch):
    return f"Epoch {epoch}."


slider(draw, moments, "epoch", alt=describe)"""
SETUP = """\
from gapbook import plots
from gapbook.interactive import slider
from gapbook.press import record_table

gap_at = {0: 1.0, 1: 0.5}"""


@pytest.mark.parametrize("tag", ["hide-input", "remove-input", None])
def test_a_slider_keeps_its_code_and_all_that_it_needs(copied, tag):
    tags = [tag] if tag else []
    frames = shown(text_html='<figure class="gap-frames"></figure>', text_plain="<slider>")
    # a name that is used again for a table, only to record it
    again = "slider = {'gap': gap_at}\nrecord_table('ch01.slider', slider)"
    cells = copied(
        code(SETUP, "hide-input", name="a"),
        code(SLIDER, *tags, name="b", outputs=[frames]),
        code(again, "remove-input", name="c", outputs=[recorded("ch01.slider")]),
        markdown(":::{caption} fig-a\nIt moves.\n:::", "d"),
    )
    assert sources(cells) == [
        SETUP.replace("from gapbook.press import record_table\n", ""),
        SLIDER,
        "**Figure 3.** It moves.",
    ]
    assert cells[1].cell_type == "code" and cells[1].outputs == [frames]


def test_a_role_without_a_form_is_named_with_its_place(copied):
    with pytest.raises(PressError, match=r"01, cell 2 \(Look at\): \{unheard\} is a role"):
        copied(markdown("# Title", "a"), markdown("Look at\n{unheard}`this`", "b"))
    with pytest.raises(PressError, match="01, code cell 1: not Python"):
        copied(code("a = 1", name="a"), code("a = = 1", name="b"))
