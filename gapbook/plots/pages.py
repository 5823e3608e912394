"""How a figure comes onto a page, or into a notebook that runs.

On a page it has two layouts: as it was drawn, and for phones with its panels below each other, its
legends below them, and letters that stay readable at a width of 390 pixels.
"""

import html
import io
import os
import textwrap
from base64 import b64encode
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.legend import Legend
from matplotlib.text import Text

from gapbook.extras import from_extra
from gapbook.plots.style import DPI, palette_png

if TYPE_CHECKING:
    from PIL.Image import Image

# Where this variable is set, figures are for pages without a kernel, as when the book is made.
STATIC = "GAPBOOK_STATIC"

# Up to this width of a window the layout for phones is shown, in pixels of the page.
PHONE = 600

# The width of a phone's layout in inches of 96 pixels: a phone of 390 shows it at 95 percent.
NARROW_WIDTH = 3.9

# A figure of one panel that is no wider needs no other layout.
WIDE_FROM = 4.4

# Letters of 7.5 points are 10 pixels, of which a phone of 390 shows more than 9.
SMALLEST_LETTERS = 7.5

# More panels stand in two columns, or the figure would be longer than anyone scrolls.
MOST_IN_A_COLUMN = 6

# Inches of a panel in the layout for phones.
PANEL_HEIGHTS = (1.6, 3.3)

# Characters of a panel's title that fit into a line there.
TITLE_CHARACTERS = 34

# Characters of an entry of a legend of which two fit beside each other.
ENTRY_CHARACTERS = 21

# Bytes up to which a figure is drawn in lines and letters; a cloud of many points takes more.
LARGEST_SVG = 120_000

# Pixels an inch of what is not, well above the 96 of a page for sharp screens.
SHARP_DPI = 160

LEGEND_BELOW: Final = "outside lower center"


def is_static() -> bool:
    """Tell whether figures are for a page, which has no kernel."""
    return bool(os.environ.get(STATIC))


def show(fig: Figure, alt: str) -> None:
    """Display a figure once, with an alternative text for those who do not see it.

    Parameters
    ----------
    fig : Figure
        The figure, which is closed.
    alt : str
        A sentence that states what the figure shows.

    Notes
    -----
    In a notebook that runs, the output is an image. When the book is made, it is a ``picture`` of
    two layouts, as :func:`picture` returns it.
    """
    with from_extra("chapters", "showing a figure"):
        from IPython.display import display

    if is_static():
        display({"text/html": picture(fig, alt), "text/plain": alt}, raw=True)
        return
    drawn = io.BytesIO()
    fig.savefig(drawn, format="png", dpi=DPI)
    plt.close(fig)
    display(
        {"image/png": palette_png(_opened(drawn))},
        metadata={"image/png": {"alt": alt}},
        raw=True,
    )


def picture(
    fig: Figure,
    alt: str,
    *,
    encode: Callable[[Figure], str] | None = None,
    narrow: bool = True,
    attributes: str = "",
) -> str:
    """Return a figure as HTML of up to two layouts; the figure is changed and closed.

    Parameters
    ----------
    fig : Figure
        The figure.
    alt : str
        A sentence that states what the figure shows.
    encode : function of a figure, optional
        Returns a data URI; by default :func:`data_uri`.
    narrow : bool
        Whether phones get a layout of their own, where the figure is wide.
    attributes : str
        More attributes of the image.

    Returns
    -------
    str
        A ``picture``. Its images are data URIs, which a site keeps as files
        (``gapbook.press.page_images``).
    """
    encode = encode or data_uri
    wide = f'src="{encode(fig)}" alt="{html.escape(alt)}" {_size(fig)}'
    source = ""
    if narrow and stack(fig):
        media = f"(max-width:{PHONE}px)"
        source = f'<source media="{media}" srcset="{encode(fig)}" {_size(fig)}>'
    plt.close(fig)
    image = " ".join(filter(None, ["<img", wide, 'loading="lazy"', attributes]))
    return f'<picture class="gap-picture">{source}{image}></picture>'


def _size(fig: Figure) -> str:
    """Return the attributes that keep room for an image, in pixels of a page: 96 an inch."""
    width, height = fig.get_size_inches()
    return f'width="{round(96 * width)}" height="{round(96 * height)}"'


def data_uri(fig: Figure, colors: int = 256) -> str:
    """Return a figure as a data URI, in SVG if that is small and in PNG if it is not.

    Parameters
    ----------
    fig : Figure
        The figure.
    colors : int
        The number of colors in a PNG.
    """
    drawn = io.BytesIO()
    # letters as shapes: no page has the font; and no date, so that equal figures are equal files
    with plt.rc_context({"svg.fonttype": "path", "svg.hashsalt": "gapbook"}):
        fig.savefig(drawn, format="svg", facecolor="white", metadata={"Date": None})
    kind = "svg+xml"
    content = drawn.getvalue()
    if len(content) > LARGEST_SVG:
        drawn = io.BytesIO()
        fig.savefig(drawn, format="png", dpi=SHARP_DPI, facecolor="white")
        kind = "png"
        content = palette_png(_opened(drawn), colors)
    return f"data:image/{kind};base64,{b64encode(content).decode()}"


def stack(fig: Figure) -> bool:
    """Lay a figure out for a phone: panels and legends below each other.

    Parameters
    ----------
    fig : Figure
        The figure, which is changed.

    Returns
    -------
    bool
        Whether it was wide enough to need it.
    """
    width, height = fig.get_size_inches()
    panels = _panels(fig)
    columns = _columns(panels)
    if width < WIDE_FROM and columns == 1:
        return False
    beside = _legends_beside(fig)
    if columns > 1:
        rows = -(-len(panels) // columns)
        shape = (height / rows) / (width / columns)
        new_columns = 1 if len(panels) <= MOST_IN_A_COLUMN else 2
        new_rows = -(-len(panels) // new_columns)
        low, high = PANEL_HEIGHTS
        panel = min(max(NARROW_WIDTH / new_columns * shape, low), high)
        if shared := fig.get_supxlabel():
            # Below each panel, where the legend does not cover it.
            fig.supxlabel("")
            for ax in panels:
                ax.set_xlabel(shared)
        _label_all(panels)
        grid = GridSpec(new_rows, new_columns, figure=fig)
        for place, ax in enumerate(panels):
            ax.set_subplotspec(grid[place // new_columns, place % new_columns])
            _wrap_titles(ax, TITLE_CHARACTERS // new_columns)
        height = new_rows * panel
    else:
        height = min(height, max(height * NARROW_WIDTH / width, PANEL_HEIGHTS[1]))
        for ax in panels:
            _wrap_titles(ax, TITLE_CHARACTERS)
    fig.set_size_inches(NARROW_WIDTH, height)
    height += _move_below(fig, beside)
    fig.set_size_inches(NARROW_WIDTH, height)
    _enlarge_letters(fig)
    return True


def _panels(fig: Figure) -> list[Axes]:
    """Return the axes that a grid places, row by row; bars of colors follow their axes."""
    placed = [ax for ax in fig.axes if ax.get_subplotspec() is not None]
    return sorted(placed, key=lambda ax: (_cell(ax)[0], _cell(ax)[1]))


def _cell(ax: Axes) -> tuple[int, int]:
    spec: Any = ax.get_subplotspec()
    return spec.rowspan.start, spec.colspan.start


def _columns(panels: list[Axes]) -> int:
    """Return in how many columns panels stand; 1 if they form no simple grid."""
    grids = {id(ax.get_subplotspec().get_gridspec()) for ax in panels}  # type: ignore[union-attr]
    spans = [ax.get_subplotspec() for ax in panels]
    simple = all(spec and len(spec.rowspan) == len(spec.colspan) == 1 for spec in spans)
    twins = len({_cell(ax) for ax in panels}) < len(panels)
    if len(grids) != 1 or not simple or twins:
        return 1
    return len({_cell(ax)[1] for ax in panels})


def _label_all(panels: list[Axes]) -> None:
    """Give each panel the labels that it shared with the first of its row or the last below."""
    for ax in panels:
        row, column = _cell(ax)
        first = next(other for other in panels if _cell(other)[0] == row)
        below = [other for other in panels if _cell(other)[1] == column][-1]
        if not ax.get_ylabel():
            ax.set_ylabel(first.get_ylabel())
        if not ax.get_xlabel():
            ax.set_xlabel(below.get_xlabel())
        if first.yaxis.get_tick_params().get("labelleft", True):
            ax.tick_params(axis="y", labelleft=True)
        if below.xaxis.get_tick_params().get("labelbottom", True):
            ax.tick_params(axis="x", labelbottom=True)


def _wrap_titles(ax: Axes, characters: int) -> None:
    """Break the titles of a panel, and the label of its horizontal axis."""
    ax.set_xlabel(textwrap.fill(ax.get_xlabel(), characters))
    for where in ("left", "center", "right"):
        if title := ax.get_title(where):
            ax.set_title(textwrap.fill(title, characters), loc=where)


def _legends_beside(fig: Figure) -> list[Legend]:
    """Return the legends of the figure, and those of axes that stand beside them."""
    fig.canvas.draw()
    beside = list(fig.legends)
    for ax in fig.axes:
        legend = ax.get_legend()
        if legend and legend.get_window_extent().x0 >= ax.get_window_extent().x1 - 1:
            beside.append(legend)
    return beside


def _move_below(fig: Figure, beside: list[Legend]) -> float:
    """Put legends below all panels, as one; return the inches that it takes."""
    entries: dict[str, Any] = {}
    for legend in beside:
        for handle, text in zip(_handles(legend), legend.get_texts(), strict=True):
            entries.setdefault(text.get_text(), (handle, text))
    if not entries:
        return 0.0
    title = beside[0].get_title().get_text()
    for legend in beside:
        legend.remove()
    columns = 1 if max(map(len, entries)) > ENTRY_CHARACTERS else 2
    below = fig.legend(
        [handle for handle, _ in entries.values()],
        list(entries),
        loc=LEGEND_BELOW,
        ncols=columns,
        fontsize=8,
        frameon=False,
        title=title or None,
        title_fontsize=8,
    )
    _keep_looks(below, [text for _, text in entries.values()])
    rows = -(-len(entries) // columns) + bool(title)
    return 0.1 + 0.18 * rows


def _handles(legend: Legend) -> list[Any]:
    """Return what stands for each entry of a legend.

    Of what has error bars a legend keeps the bar alone; here the mark comes with it.
    """
    drawn = {}
    # A legend of the whole figure has what any of its panels has.
    panels = legend.figure.axes if legend.axes is None else [legend.axes]
    for panel in panels:
        handles, labels = panel.get_legend_handles_labels()
        for handle, label in zip(handles, labels, strict=True):
            if isinstance(handle, ErrorbarContainer):
                drawn[label] = handle
    texts = [text.get_text() for text in legend.get_texts()]
    return [
        drawn.get(text, handle) for text, handle in zip(texts, legend.legend_handles, strict=True)
    ]


def _keep_looks(legend: Legend, texts: list[Text]) -> None:
    """Keep the fonts of texts, and that dollars in them are none of mathematics."""
    for new, old in zip(legend.get_texts(), texts, strict=True):
        new.set_parse_math(old.get_parse_math())
        new.set_fontfamily(old.get_fontfamily())


def _enlarge_letters(fig: Figure) -> None:
    for ax in fig.axes:
        for axis in (ax.xaxis, ax.yaxis):
            size = axis.get_tick_params().get("labelsize")
            if isinstance(size, int | float) and size < SMALLEST_LETTERS:
                axis.set_tick_params(labelsize=SMALLEST_LETTERS)
    for text in fig.findobj(Text):
        if isinstance(text, Text) and float(text.get_fontsize()) < SMALLEST_LETTERS:
            text.set_fontsize(SMALLEST_LETTERS)


def _opened(file: io.BytesIO) -> "Image":
    from PIL import Image

    return Image.open(file)
