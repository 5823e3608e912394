"""Outputs of code cells get numbers and captions, whatever they show."""

import re

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

PIXEL = "iVBORw0KGgo="


def shows(tags=(), **data):
    """Make a cell that shows something, by its mime type."""
    bundle = {kind.replace("_", "/"): content for kind, content in data.items()}
    outputs = [new_output("display_data", data=bundle)] if data else []
    return new_code_cell("draw()", outputs=outputs, metadata={"tags": list(tags)})


def records(key, value):
    """Make a cell that records a number for ``{glue}``."""
    kind = "application/papermill.record/text/plain"
    metadata = {"scrapbook": {"name": key, "mime_prefix": "application/papermill.record/"}}
    output = new_output("display_data", data={kind: repr(value)}, metadata=metadata)
    return new_code_cell("record()", outputs=[output], metadata={"tags": ["remove-cell"]})


def caption(label, text):
    return new_markdown_cell(f":::{{caption}} {label}\n{text}\n:::\n\nText after it.")


def figures(page):
    """Return figures by their ids."""
    found = re.findall(r'<figure [^>]*id="([^"]+)".*?</figure>', page, re.DOTALL)
    parts = re.findall(r"<figure [^>]*id=.*?</figure>", page, re.DOTALL)
    return dict(zip(found, parts, strict=True))


def caption_of(figure):
    """Return the text of a caption."""
    inner = re.findall(r"<figcaption>(.*?)</figcaption>", figure, re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", "", inner[0]).replace("¶", "").split())


def test_images_tables_and_html_are_numbered_by_chapter(build_pages):
    pages, warnings = build_pages(
        one=[
            shows(image_png=PIXEL),
            caption("fig-a", "The gap *stays*."),
            shows(text_html="<table><tr><td>0.7</td></tr></table>"),
            caption("tab-a", "Three models."),
            shows(text_html='<figure class="gap-frames">moves</figure>'),
            caption("fig-b", "It moves."),
        ],
        two=[
            shows(image_png=PIXEL),
            caption("fig-c", "Another."),
            new_markdown_cell("See {numref}`fig-c`, {numref}`tab-a` and {numref}`fig-b`."),
        ],
    )
    assert not warnings
    one = figures(pages["one"].replace('<figure class="gap-frames">moves</figure>', "moves"))
    assert caption_of(one["fig-a"]) == "Figure 1.1 The gap stays."
    assert "<img" in one["fig-a"]
    assert caption_of(one["tab-a"]) == "Table 1.1 Three models."
    assert "gap-table" in one["tab-a"] and "<td>0.7</td>" in one["tab-a"]
    assert caption_of(one["fig-b"]) == "Figure 1.2 It moves."
    assert "moves" in one["fig-b"]
    assert caption_of(figures(pages["two"])["fig-c"]) == "Figure 2.1 Another."
    links = re.findall(r'href="([^"]*)"><span class="std std-numref">([^<]+)', pages["two"])
    assert links == [
        ("#fig-c", "Figure 2.1"),
        ("one.html#tab-a", "Table 1.1"),
        ("one.html#fig-b", "Figure 1.2"),
    ]


def test_code_stays_outside_of_the_figure_and_text_after_it(build_pages):
    pages, _ = build_pages(one=[shows(image_png=PIXEL), caption("fig-a", "The gap.")])
    figure = figures(pages["one"])["fig-a"]
    assert "draw" in pages["one"] and "draw" not in figure
    assert "Text after it." in pages["one"] and "Text after it." not in figure


def test_a_hidden_input_hides_no_figure(build_pages):
    cell = shows(["hide-input"], image_png=PIXEL)
    pages, warnings = build_pages(one=[cell, caption("fig-a", "The gap.")])
    folded = re.findall(r"<details.*?</details>", pages["one"], re.DOTALL)
    assert len(folded) == 1
    assert "draw" in folded[0] and "<img" not in folded[0]
    assert "<img" in figures(pages["one"])["fig-a"]
    assert not warnings


def test_a_hidden_output_takes_its_caption_along(build_pages):
    pages, _ = build_pages(
        one=[shows(["hide-output"], image_png=PIXEL), caption("fig-a", "The gap.")]
    )
    folded = re.findall(r"<details.*?</details>", pages["one"], re.DOTALL)
    assert "<img" in folded[0] and "The gap." in folded[0]


def test_recorded_numbers_stand_in_captions(build_pages):
    cells = [
        records("ch01.gap", 0.70812),
        shows(image_png=PIXEL),
        caption(
            "fig-a", "The gap is {glue:text}`ch01.gap:.2f`.\n\nSeed {glue:text}`ch01.gap:.1f`."
        ),
    ]
    pages, warnings = build_pages(one=cells, two=[
        shows(image_png=PIXEL),
        caption("fig-b", "It was {glue:text}`one.ipynb::ch01.gap:.3f`."),
    ])  # fmt: skip
    assert not warnings
    assert caption_of(figures(pages["one"])["fig-a"]) == "Figure 1.1 The gap is 0.71. Seed 0.7."
    assert caption_of(figures(pages["two"])["fig-b"]) == "Figure 2.1 It was 0.708."


def test_a_removed_cell_between_is_no_hindrance(build_pages):
    cells = [shows(image_png=PIXEL), records("ch01.gap", 0.7), caption("fig-a", "The gap.")]
    _, warnings = build_pages(one=cells)
    assert not warnings


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([caption("fig-a", "The gap.")], "the caption fig-a stands after no code cell"),
        ([shows(), caption("fig-a", "The gap.")], "stands after no code cell that shows something"),
        ([shows(image_png=PIXEL), caption("a", "The gap.")], "begins with fig- or tab-; got 'a'"),
        ([shows(image_png=PIXEL), caption("fig-a", "* a")], "begins with a paragraph"),
        (
            [shows(image_png=PIXEL), new_markdown_cell("Text."), caption("fig-a", "The gap.")],
            "the caption fig-a stands after no code cell",
        ),
    ],
)
def test_a_caption_of_nothing_is_refused(build_pages, cells, message):
    _, warnings = build_pages(one=cells)
    assert message in warnings
