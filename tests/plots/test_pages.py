"""How a figure comes onto a page: two layouts, letters that a phone can show, small files."""

import base64
import io
import re

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image

from gapbook.plots import pages
from gapbook.plots.style import DPI, LEGEND_BESIDE, LEGEND_RIGHT, STYLE

# What a phone of 390 pixels has for a figure, beside the margins of the page.
PHONE_PIXELS = 358


def panels(columns: int, rows: int = 1, width: float = 9, **options) -> Figure:
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(rows, columns, figsize=(width, 3 * rows), squeeze=False, **options)
        for number, ax in enumerate(axes.flat):
            ax.plot([0, 1], [0, number], label=f"line {number}")
            ax.set_title(f"Panel {number}")
        axes[0, 0].set_ylabel("gap")
        for ax in axes[-1]:
            ax.set_xlabel("epoch")
    return fig


def boxes(fig: Figure) -> np.ndarray:
    """Return the left, lower, right and upper edges of panels, in shares of the figure."""
    fig.canvas.draw()
    return np.array([ax.get_position().extents for ax in fig.axes])


def images(markup: str) -> list[tuple[str, bytes]]:
    found = re.findall(r"data:image/([a-z+]+);base64,([^\"]+)", markup)
    return [(kind, base64.b64decode(content)) for kind, content in found]


@pytest.mark.parametrize("columns", [2, 3, 4])
def test_panels_of_a_row_stand_below_each_other_on_a_phone(columns: int) -> None:
    fig = panels(columns)
    assert pages.stack(fig)
    edges = boxes(fig)
    # each ends above where the next begins
    assert (edges[:-1, 1] > edges[1:, 3]).all()
    assert fig.get_size_inches()[0] == pages.NARROW_WIDTH
    plt.close(fig)


def test_many_panels_stand_in_two_columns() -> None:
    fig = panels(4, 2)
    pages.stack(fig)
    edges = boxes(fig).round(2)
    assert len(np.unique(edges[:, 0])) == 2
    assert len(np.unique(edges[:, 1])) == 4
    plt.close(fig)


def test_letters_are_at_least_nine_pixels_on_a_phone() -> None:
    for fig in (panels(3), panels(1, width=7)):
        ax = fig.axes[0]
        ax.tick_params(labelsize=5)
        ax.text(0.5, 0.5, "small", fontsize=4, transform=ax.transAxes)
        assert pages.stack(fig)
        fig.canvas.draw()
        scale = PHONE_PIXELS / (96 * fig.get_size_inches()[0])
        sizes = [text.get_fontsize() for text in fig.findobj(Text) if text.get_text()]
        assert min(sizes) / 72 * 96 * scale >= 9
        plt.close(fig)


def test_nothing_lies_outside_of_a_phones_figure() -> None:
    fig = panels(2)
    fig.axes[0].set_title("A title of a panel that is a good deal longer than a phone is wide")
    fig.axes[1].legend(**LEGEND_BESIDE)
    fig.legend(*fig.axes[0].get_legend_handles_labels(), loc=LEGEND_RIGHT)
    pages.stack(fig)
    fig.canvas.draw()
    width, height = fig.get_size_inches()
    drawn = fig.get_tightbbox()
    assert drawn.x0 >= 0 and drawn.y0 >= 0
    assert drawn.x1 <= width and drawn.y1 <= height
    plt.close(fig)


@pytest.mark.parametrize("of_figure", [False, True])
def test_a_legend_that_moves_below_keeps_the_marks_of_error_bars(of_figure: bool) -> None:
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(6, 3))
        ax.errorbar([1], [1], xerr=[[0.5], [0.5]], fmt="D", label="with a mark")
        if of_figure:
            fig.legend(*ax.get_legend_handles_labels(), loc=LEGEND_RIGHT)
        else:
            ax.legend(**LEGEND_BESIDE)
    pages.stack(fig)
    [below] = fig.legends
    marks = [line.get_marker() for line in below.findobj(Line2D)]
    assert "D" in marks
    plt.close(fig)


def test_a_legend_beside_moves_below_and_one_inside_stays() -> None:
    fig = panels(2)
    fig.axes[0].legend(loc="upper left")
    fig.axes[1].legend(**LEGEND_BESIDE)
    pages.stack(fig)
    fig.canvas.draw()
    assert fig.axes[0].get_legend() is not None
    assert fig.axes[1].get_legend() is None
    [below] = fig.legends
    assert [text.get_text() for text in below.get_texts()] == ["line 1"]
    lowest = fig.axes[1].get_window_extent().y0
    assert below.get_window_extent().y1 < lowest
    plt.close(fig)


def test_a_name_with_dollars_stays_as_it_is() -> None:
    fig = panels(2)
    legend = fig.axes[1].legend(**LEGEND_BESIDE)
    legend.get_texts()[0].set_text("US$ or CA$")
    legend.get_texts()[0].set_parse_math(False)
    pages.stack(fig)
    text = fig.legends[0].get_texts()[0]
    assert text.get_text() == "US$ or CA$"
    assert not text.get_parse_math()
    plt.close(fig)


def test_each_panel_gets_the_labels_that_it_shared() -> None:
    fig = panels(2, 2, sharex=True, sharey=True)
    pages.stack(fig)
    fig.canvas.draw()
    assert fig.axes[1].get_ylabel() == "gap"
    assert {ax.get_xlabel() for ax in fig.axes} == {"epoch"}
    assert all(tick.label1.get_visible() for tick in fig.axes[1].yaxis.get_major_ticks())
    plt.close(fig)


def test_a_small_figure_has_one_layout() -> None:
    fig = panels(1, width=4)
    assert not pages.stack(fig)
    assert images(pages.picture(fig, "A line"))[0][0] == "svg+xml"
    assert not plt.fignum_exists(fig.number)


def test_a_wide_figure_has_two_layouts_and_one_text() -> None:
    markup = pages.picture(panels(2), 'A "gap" <b>')
    assert markup.count("<img") == markup.count("<source") == 1
    assert 'media="(max-width:600px)"' in markup
    assert 'alt="A &quot;gap&quot; &lt;b&gt;"' in markup
    assert 'width="864" height="288"' in markup
    assert 'loading="lazy"' in markup
    assert [kind for kind, _ in images(markup)] == ["svg+xml", "svg+xml"]


def test_equal_figures_are_equal_files() -> None:
    assert pages.picture(panels(2), "a") == pages.picture(panels(2), "a")


def test_a_figure_of_many_points_is_no_svg() -> None:
    fig = panels(1, width=4)
    fig.axes[0].scatter(*np.random.default_rng(0).normal(size=(2, 5000)))
    [(kind, content)] = images(pages.picture(fig, "A cloud"))
    assert kind == "png"
    assert Image.open(io.BytesIO(content)).width == 4 * pages.SHARP_DPI


def test_a_shown_figure_has_its_alternative_text_and_is_closed(monkeypatch) -> None:
    monkeypatch.delenv(pages.STATIC, raising=False)
    shown = {}

    def display(data, metadata, raw) -> None:
        shown.update(data=data, metadata=metadata, raw=raw)

    monkeypatch.setattr("IPython.display.display", display)
    figure = plt.figure(figsize=(3, 2))
    pages.show(figure, alt="Nothing at all")
    assert shown["metadata"] == {"image/png": {"alt": "Nothing at all"}}
    assert shown["raw"]
    size = Image.open(io.BytesIO(shown["data"]["image/png"])).size
    assert size == (3 * DPI, 2 * DPI)
    assert not plt.fignum_exists(figure.number)


def test_a_figure_shown_on_a_page_is_a_picture(monkeypatch) -> None:
    shown = {}
    monkeypatch.setattr("IPython.display.display", lambda data, **options: shown.update(data))
    monkeypatch.setenv(pages.STATIC, "1")
    pages.show(panels(2), alt="Two panels")
    assert shown["text/html"].count("<img") == 1
    assert 'alt="Two panels"' in shown["text/html"]
    assert "image/png" not in shown


def test_on_a_phone_a_shared_label_stands_below_each_panel_in_short_lines() -> None:
    fig, _ = plt.subplots(1, 3, figsize=(12, 3))
    label = "distance of the means (negative: they have passed each other)"
    fig.supxlabel(label)
    assert pages.stack(fig)
    shown = [ax.get_xlabel() for ax in fig.axes]
    assert [text.replace("\n", " ") for text in shown] == [label] * 3
    fig.canvas.draw()
    ends = [ax.xaxis.label.get_window_extent() for ax in fig.axes]
    assert all(end.x0 >= 0 and end.x1 <= fig.bbox.width for end in ends)
    assert not fig.get_supxlabel()
