"""Names that people gave, in figures."""

import warnings

import matplotlib.pyplot as plt
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager

from gapbook.plots.names import add_legend, drawable, notes_on_names

# A letter of Tangut, which hardly any machine has a font for.
RARE = "\U00017000"


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    ax.plot([0, 1], label="first")
    ax.plot([1, 0], label="second")
    yield ax
    plt.close(fig)


@pytest.mark.parametrize(
    "name",
    [
        "$",
        "$$",
        "US$ image",
        r"$\frac$",
        "a$x_{$",
        r"\$\alpha$",
        "_image",
        "__",
        "größe",
        "\u0635\u0648\u0631\u0629",
    ],
)
def test_a_name_stands_in_a_legend_as_it_is(ax, name):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        add_legend(ax, [name, "text"], loc="best")
        ax.figure.canvas.draw()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [name, "text"]
    assert notes_on_names([name]) == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (RARE, "\\U00017000"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\u202eb", "a\\u202eb"),
        ("two\n lines", "two lines"),
        ("x" * 500, "x" * 29 + "…"),
    ],
)
def test_a_name_that_a_figure_cannot_show_gets_another_form_and_a_note(ax, name, shown):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        add_legend(ax, [name, "text"])
        ax.figure.canvas.draw()
    assert drawable(name) == shown
    [note] = notes_on_names([name, "text"])
    assert f" as {shown}: " in note


@pytest.fixture
def font_of_rare_letter(tmp_path):
    """A font of one letter, which Matplotlib knows."""
    pen = TTGlyphPen(None)
    pen.moveTo((0, 0))
    for point in ((0, 700), (500, 700), (500, 0)):
        pen.lineTo(point)
    pen.closePath()
    glyph = pen.glyph()
    builder = FontBuilder(1000)
    builder.setupGlyphOrder([".notdef", "rare"])
    builder.setupCharacterMap({ord(RARE): "rare"})
    builder.setupGlyf({".notdef": glyph, "rare": glyph})
    builder.setupHorizontalMetrics({".notdef": (600, 0), "rare": (600, 0)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Rare Letters", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    builder.save(tmp_path / "rare.ttf")
    manager = font_manager.fontManager
    known = list(manager.ttflist)
    manager.addfont(tmp_path / "rare.ttf")
    yield "Rare Letters"
    manager.ttflist[:] = known


def test_what_the_default_font_lacks_comes_from_another(ax, font_of_rare_letter):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        add_legend(ax, [f"a {RARE}", "text"])
        ax.figure.canvas.draw()
    text = ax.get_legend().get_texts()[0]
    assert text.get_text() == f"a {RARE}"
    assert font_of_rare_letter in text.get_fontfamily()
    assert notes_on_names([RARE]) == []
