"""What all figures share: colors, style, and how a figure comes onto a page."""

import functools
import io
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from PIL.Image import Image

# Okabe and Ito's colors, which people tell apart whatever their color vision.
BLUE = "#0072B2"
VERMILION = "#D55E00"
GREEN = "#009E73"
PURPLE = "#CC79A7"
SKY = "#56B4E9"
ORANGE = "#E69F00"
BLACK = "#000000"

# The two modalities, all through the book: blue circles are images, orange diamonds are texts.
FIRST_COLOR = BLUE
SECOND_COLOR = VERMILION
FIRST_MARKER = "o"
SECOND_MARKER = "D"

# What models, temperatures or sources are drawn in, so that none looks like a modality.
GROUP_COLORS = (GREEN, PURPLE, SKY)

# Lines between partners and lines that mark a place, behind everything else.
LINE_COLOR = "#999999"
GRID_COLOR = "#dddddd"

# Where a legend stands beside all panels, or beside the only one.
LEGEND_RIGHT: Final = "outside right upper"
LEGEND_BESIDE: dict[str, Any] = {"loc": "center left", "bbox_to_anchor": (1, 0.5)}

STYLE: Any = {
    "figure.facecolor": "white",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "font.size": 10,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}

# A column of text is about 720 pixels wide: two panels beside each other keep letters of 9 pixels.
PANELS_IN_A_ROW = 2

# Pixels an inch at which a page shows a figure sharp without being heavy.
DPI = 130

Parameters = ParamSpec("Parameters")
Drawn = TypeVar("Drawn")
Name = TypeVar("Name")
Style = TypeVar("Style")


def assign(names: Iterable[Name], styles: Sequence[Style]) -> dict[Name, Style]:
    """Give each name a style of its own, in their order.

    Parameters
    ----------
    names : iterable
        What is drawn; a name that comes again counts once.
    styles : sequence
        Colors, marks or the like.

    Raises
    ------
    ValueError
        If there are more names than styles.

    Examples
    --------
    >>> assign(["a", "b", "a"], GROUP_COLORS)
    {'a': '#009E73', 'b': '#CC79A7'}
    """
    different = list(dict.fromkeys(names))
    if len(different) > len(styles):
        raise ValueError(
            f"Expected at most {len(styles)} to tell apart; got {len(different)}: "
            f"{', '.join(map(str, different))}; draw the others in a figure of their own"
        )
    return dict(zip(different, styles, strict=False))


def styled(draw: Callable[Parameters, Drawn]) -> Callable[Parameters, Drawn]:
    """Make a function draw in the style of the book, which ends with it.

    Parameters
    ----------
    draw : function
        Returns a figure.
    """

    @functools.wraps(draw)
    def draw_in_style(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Drawn:
        with plt.rc_context(STYLE):
            return draw(*args, **kwargs)

    return draw_in_style


def panel_grid(
    count: int, panel: tuple[float, float], beside: float = 0, **options: Any
) -> tuple[Figure, np.ndarray]:
    """Return a figure of panels, two in a row, so that letters stay readable on a page.

    Parameters
    ----------
    count : int
        The number of panels. A place that is left over is empty.
    panel : tuple of two float
        The width and the height of a panel in inches, with its labels.
    beside : float
        Inches beside all panels, as for a legend.
    **options
        Options of ``matplotlib.pyplot.subplots``.

    Returns
    -------
    Figure
        The figure.
    array of shape (rows, columns) of Axes
        The panels, row by row; the last is removed from the figure where their number is odd.
    """
    columns = min(count, PANELS_IN_A_ROW)
    rows = -(-count // columns)
    width, height = panel
    size = (width * columns + beside, height * rows)
    fig, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, **options)
    # An empty panel would take its room in the layout for phones.
    for ax in grid.flat[count:]:
        ax.remove()
    return fig, grid


def leaves_place(count: int) -> bool:
    """Say whether panels from ``panel_grid`` leave a place over: a legend may take it.

    Parameters
    ----------
    count : int
        The number of panels.
    """
    return count > PANELS_IN_A_ROW and count % PANELS_IN_A_ROW > 0


def legend_place(count: int) -> dict[str, Any]:
    """Return where the legend of panels from ``panel_grid`` stands.

    Parameters
    ----------
    count : int
        The number of panels. If they leave a place over, the legend takes it; otherwise it stands
        beside them.

    Returns
    -------
    dict
        Options of ``Figure.legend``.
    """
    if not leaves_place(count):
        return {"loc": LEGEND_RIGHT}
    rows = -(-count // PANELS_IN_A_ROW)
    # The middle of the last place, a little off for the labels of the axes.
    return {"loc": "center", "bbox_to_anchor": (0.77, 0.5 / rows + 0.02)}


def interval_bars(
    rows: pd.DataFrame, value: str = "value", low: str = "low", high: str = "high"
) -> np.ndarray:
    """Return how far intervals reach to both sides of their values, as ``Axes.errorbar`` wants it.

    Parameters
    ----------
    rows : DataFrame
        One row an interval.
    value, low, high : str
        Their columns.

    Returns
    -------
    array of shape (2, n)
        The lengths below and above the values.
    """
    return np.abs(rows[[low, high]].to_numpy().T - rows[value].to_numpy())


def palette_png(image: "Image", colors: int = 256) -> bytes:
    """Encode an image as PNG with a palette, in a third of the size.

    No color is off by more than a shade.

    Parameters
    ----------
    image : Pillow image
        The image, of any mode.
    colors : int
        The number of colors in the palette, at most 256.
    """
    from PIL import Image

    # Of all methods this one keeps rare colors, such as that of a single mark.
    method = Image.Quantize.MAXCOVERAGE
    reduced = image.convert("RGB").quantize(colors, method, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    reduced.save(buffer, "png", optimize=True)
    return buffer.getvalue()
