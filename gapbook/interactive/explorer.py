"""A scatter plot of pairs that answers pointer and keyboard in a static page, with no kernel."""

import html
from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator
from PIL import Image

from gapbook.interactive.markup import Interactive, asset, data_uri
from gapbook.plots.style import FIRST_COLOR, SECOND_COLOR

# The drawing, in pixels; the page scales it to its own width.
WIDTH = 640
HEIGHT = 460

# The edges of the plot inside of the drawing, which leave room for ticks and axis labels.
LEFT = 80
RIGHT = WIDTH - 12
BOTTOM = HEIGHT - 60
TOP = 12

# Gray levels of the sheet of images: glyphs need no more.
IMAGE_COLORS = 16

MODALITIES = ("image", "text")
KEYS = "Arrow keys left and right walk through the points, up and down go to the partner"
HINT = "Point at a mark, tap it, or press Tab and then the arrow keys."


def explore_pairs(
    x2: np.ndarray,
    y2: np.ndarray,
    *,
    captions: Sequence[str],
    title: str,
    alt: str,
    images: np.ndarray | None = None,
    axis_labels: tuple[str, str] = ("component 1", "component 2"),
) -> Interactive:
    """Plot pairs in two dimensions; pointing at one shows its image, caption and partner.

    Left and right arrow keys walk through a modality from left to right, up and down jump to the
    partner.

    Parameters
    ----------
    x2, y2 : array of shape (n, 2)
        Projections of images and of texts, row i of both a pair.
    captions : sequence of n str
        What each text says.
    title : str
        Stands above the plot.
    alt : str
        A sentence that states what the plot shows, for those who do not see it.
    images : array of shape (n, h, w), uint8, optional
        What each image shows.
    axis_labels : tuple of two str
        The labels of the horizontal and of the vertical axis.

    Returns
    -------
    Interactive
        What a notebook's cell shows, about 0.3 kB a pair, images included.

    Raises
    ------
    ValueError
        If the sizes differ, or a coordinate is not finite.

    Examples
    --------
    >>> x2 = np.eye(2)
    >>> explore_pairs(x2, -x2, captions=["a", "b"], title="Two pairs", alt="Two pairs far apart")
    <explorable plot of 2 pairs>
    """
    points = _checked(x2, y2)
    n = points.shape[1]
    _check_one_for_each(n, captions, images)
    pixels, frame = _place(points, axis_labels)
    plot = frame + _links(pixels) + _mark_path(0, pixels[0]) + _mark_path(1, pixels[1])
    name = html.escape(title)
    markup = (
        f"{asset('explorer.css')}"
        '<figure class="gap-explore" data-lm-suppress-shortcuts="true" '
        f'data-points="{" ".join(map(str, pixels.ravel()))}" data-captions="{_joined(captions)}" '
        f'data-modalities="{_joined(MODALITIES)}">'
        f"<figcaption><strong>{name}</strong>"
        f'<span class="gap-legend">{_legend()}</span></figcaption>'
        '<div class="gap-body">'
        f'<div class="gap-plot" role="application" aria-label="{name}. {KEYS}.">'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(alt)}">'
        f"{plot}{_highlight()}</svg></div>"
        f'<div class="gap-card" hidden>{sprite(images)}<p aria-live="polite">{HINT}</p></div>'
        "</div></figure>"
        f"{asset('explorer.js')}"
    )
    return Interactive(markup, f"explorable plot of {n} pairs")


def _checked(x2: np.ndarray, y2: np.ndarray) -> np.ndarray:
    """Return both modalities as one array (2, n, 2)."""
    x2 = np.asarray(x2, float)
    y2 = np.asarray(y2, float)
    n = len(x2)
    if n < 2 or x2.shape != (n, 2) or y2.shape != (n, 2) or not np.isfinite([x2, y2]).all():
        raise ValueError(
            "Expected x2 and y2 finite and of shape (n, 2), n at least 2; "
            f"got {x2.shape} and {y2.shape}"
        )
    return np.stack([x2, y2])


def _check_one_for_each(n: int, captions: Sequence[str], images: np.ndarray | None) -> None:
    """Raise an error where a pair has no caption or no image."""
    got = f"{len(captions)} captions"
    fits = len(captions) == n
    if images is not None:
        got += f" and images of shape {images.shape}"
        fits = fits and images.ndim == 3 and len(images) == n
    if not fits:
        raise ValueError(
            f"Expected a caption (and an image (h, w)) for each of {n} pairs; got {got}"
        )


def _joined(texts: Sequence[str]) -> str:
    """Return texts as one attribute, which the script splits at the vertical bar."""
    return html.escape("|".join(text.replace("|", "/") for text in texts))


def _mark_path(modality: int, points: np.ndarray) -> str:
    """Return one SVG path with all marks of a modality: circles, or diamonds for the second."""
    # A line of length 0 with round ends is a circle.
    marks = ("M{} {}h0", "M{} {}m-5 0l5-5 5 5-5 5z")
    color = (FIRST_COLOR, SECOND_COLOR)[modality]
    drawn = "".join(marks[modality].format(x, y) for x, y in points)
    return f'<path class="gap-m{modality}" style="--c:{color}" d="{drawn}"/>'


def _links(pixels: np.ndarray) -> str:
    """Return one SVG path with the lines between partners."""
    drawn = "".join(f"M{a} {b}L{c} {d}" for (a, b), (c, d) in zip(*pixels, strict=True))
    return f'<path class="gap-pairs" d="{drawn}"/>'


def _single_marks() -> list[str]:
    """Return one mark of each modality, at the origin."""
    return [_mark_path(modality, np.zeros((1, 2), int)) for modality in (0, 1)]


def _legend() -> str:
    """Return a mark and a name for each modality."""
    return "".join(
        '<span><svg viewBox="-8 -8 16 16" aria-hidden="true">'
        f"{mark}</svg>{html.escape(name)}</span>"
        for mark, name in zip(_single_marks(), MODALITIES, strict=True)
    )


def _highlight() -> str:
    """Return the hidden pair that the script moves to the one pointed at."""
    return f'<g class="gap-active" visibility="hidden"><path/>{"".join(_single_marks())}</g>'


def _place(points: np.ndarray, labels: tuple[str, str]) -> tuple[np.ndarray, str]:
    """Map points (2, n, 2) to pixels; return them with the SVG of ticks and axis labels."""
    x, x_range = _pixels(points[..., 0], LEFT, RIGHT)
    # Pixels count downward.
    y, y_range = _pixels(points[..., 1], BOTTOM, TOP)
    drawn = ""
    for text, at in _ticks(x_range, LEFT, RIGHT):
        drawn += f'<path class="gap-grid" d="M{at} {TOP}V{BOTTOM}"/>'
        drawn += f'<text class="gap-x" x="{at}" y="{BOTTOM + 22}">{text}</text>'
    middle = (LEFT + RIGHT) // 2
    drawn += f'<text class="gap-x" x="{middle}" y="{HEIGHT - 8}">{html.escape(labels[0])}</text>'
    for text, at in _ticks(y_range, BOTTOM, TOP):
        drawn += f'<path class="gap-grid" d="M{LEFT} {at}H{RIGHT}"/>'
        drawn += f'<text class="gap-y" x="{LEFT - 6}" y="{at}" dy="6">{text}</text>'
    turned = f"translate(20 {(TOP + BOTTOM) // 2}) rotate(-90)"
    drawn += f'<text class="gap-x" transform="{turned}">{html.escape(labels[1])}</text>'
    return np.stack([x, y], axis=-1), drawn


def _pixels(values: np.ndarray, start: int, end: int) -> tuple[np.ndarray, tuple[float, float]]:
    """Map values to whole pixels from start to end; return the range of values that this spans."""
    # Of points that are all equal, the margin keeps the range from being empty.
    margin = 0.04 * np.ptp(values) + 1e-9
    span = (values.min() - margin, values.max() + margin)
    return np.rint(np.interp(values, span, (start, end))).astype(int), span


def _ticks(span: tuple[float, float], start: int, end: int) -> list[tuple[str, int]]:
    """Return the text and the pixel of each tick."""
    ticks = []
    for tick in MaxNLocator(5).tick_values(*span):
        if span[0] <= tick <= span[1]:
            text = f"{tick:.4g}".replace("-", "\N{MINUS SIGN}")
            ticks.append((text, round(np.interp(tick, span, (start, end)))))
    return ticks


def sprite(images: np.ndarray | None) -> str:
    """Return the element that shows one image at a time, cut from one sheet of all of them.

    Parameters
    ----------
    images : array of shape (n, h, w), uint8, or None
        The images, row by row on a sheet that is about square.
    """
    if images is None:
        return ""
    n, height, width = images.shape
    columns = int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    sheet = np.zeros((rows * columns, height, width), np.uint8)
    sheet[:n] = images
    sheet = sheet.reshape(rows, columns, height, width).swapaxes(1, 2)
    sheet = sheet.reshape(rows * height, columns * width)
    address = data_uri(Image.fromarray(sheet), IMAGE_COLORS)
    return (
        f'<div class="gap-image" data-columns="{columns}" data-rows="{rows}" '
        f'style="background-image:url({address})"></div>'
    )
