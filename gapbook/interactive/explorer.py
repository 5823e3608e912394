"""A scatter plot of pairs that answers the pointer and the keyboard in a static page, with no kernel."""

import html
from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator
from PIL import Image

from gapbook.interactive.sliders import Interactive, asset, data_uri
from gapbook.plots.style import FIRST, SECOND

WIDTH, HEIGHT = 640, 460
LEFT, RIGHT, FLOOR, TOP = 80, WIDTH - 12, HEIGHT - 60, 12
TICKS = (
    f'<path class="gap-grid" d="M{{0}} {TOP}V{FLOOR}"/><text class="gap-x" x="{{0}}" y="{FLOOR + 22}">{{1}}</text>',
    f'<path class="gap-grid" d="M{LEFT} {{0}}H{RIGHT}"/><text class="gap-y" x="74" y="{{0}}" dy="6">{{1}}</text>',
)


def explore_pairs(
    x2: np.ndarray,
    y2: np.ndarray,
    *,
    captions: Sequence[str],
    title: str,
    alt: str,
    images: np.ndarray | None = None,
    axes: tuple[str, str] = ("component 1", "component 2"),
    modalities: tuple[str, str] = ("image", "text"),
) -> Interactive:
    """Plot pairs in two dimensions; pointing at a point, or arrow keys, show its image, caption and partner.

    ``x2, y2 (n, 2)`` are projections of the two modalities, row i of both a pair; ``captions`` has n entries and
    ``images`` is (n, h, w) uint8, or None. Left and right arrow keys walk through a modality from left to right,
    up and down jump to the partner. About 0.3 kB a pair, images included. Raises ValueError where the sizes differ.

    >>> explore_pairs(np.eye(2), -np.eye(2), captions=["a", "b"], title="Two pairs", alt="Two pairs far apart")
    <explorable plot of 2 pairs>
    """
    x2, y2 = np.asarray(x2, float), np.asarray(y2, float)
    n = len(x2)
    if x2.shape != (n, 2) or y2.shape != (n, 2) or n < 2 or not np.isfinite([x2, y2]).all():
        raise ValueError(
            f"Expected x2 and y2 finite and of shape (n, 2), n at least 2; got {x2.shape} and {y2.shape}"
        )
    if len(captions) != n or (images is not None and (images.ndim != 3 or len(images) != n)):
        got = f"{len(captions)} captions" + (
            "" if images is None else f" and images of shape {images.shape}"
        )
        raise ValueError(
            f"Expected a caption (and an image (h, w)) for each of {n} pairs; got {got}"
        )
    points, frame = _place(np.stack([x2, y2]), axes)
    lines = "".join(f"M{a} {b}L{c} {d}" for (a, b), (c, d) in zip(*points, strict=True))
    marks = "".join(map(_path, (0, 1), points))
    single = [_path(modality, np.zeros((1, 2), int)) for modality in (0, 1)]
    legend = "".join(
        f'<span><svg viewBox="-8 -8 16 16" aria-hidden="true">{mark}</svg>{html.escape(name)}</span>'
        for mark, name in zip(single, modalities, strict=True)
    )
    name, keys = (
        html.escape(title),
        "Arrow keys left and right walk through the points, up and down go to the partner",
    )
    markup = (
        f'{asset("explorer.css")}<figure class="gap-explore" data-lm-suppress-shortcuts="true" '
        f'data-points="{" ".join(map(str, points.ravel()))}" data-captions="{_joined(captions)}" '
        f'data-modalities="{_joined(modalities)}">'
        f'<figcaption><strong>{name}</strong><span class="gap-legend">{legend}</span></figcaption>'
        f'<div class="gap-body"><div class="gap-plot" role="application" aria-label="{name}. {keys}.">'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(alt)}">{frame}'
        f'<path class="gap-pairs" d="{lines}"/>{marks}'
        f'<g class="gap-active" visibility="hidden"><path/>{"".join(single)}</g></svg></div>'
        f'<div class="gap-card" hidden>{_sprite(images)}<p aria-live="polite">Point at a mark, tap it, or press Tab '
        f"and then the arrow keys.</p></div></div></figure>{asset('explorer.js')}"
    )
    return Interactive(markup, f"explorable plot of {n} pairs")


def _joined(texts: Sequence[str]) -> str:
    return html.escape("|".join(text.replace("|", "/") for text in texts))


def _path(modality: int, points: np.ndarray) -> str:
    """Return one SVG path with all marks of a modality: circles for the first, diamonds for the second."""
    mark, color = (("M{} {}h0", FIRST), ("M{} {}m-5 0l5-5 5 5-5 5z", SECOND))[modality]
    drawn = "".join(mark.format(x, y) for x, y in points)
    return f'<path class="gap-m{modality}" style="--c:{color}" d="{drawn}"/>'


def _place(points: np.ndarray, axes: tuple[str, str]) -> tuple[np.ndarray, str]:
    """Map (2, n, 2) coordinates to pixels of the drawing; return them with the SVG of ticks and axis labels."""
    pixels, drawn = [], ""
    middle = (
        f'x="{(LEFT + RIGHT) // 2}" y="{HEIGHT - 8}"',
        f'transform="translate(20 {(TOP + FLOOR) // 2}) rotate(-90)"',
    )
    for values, ends, tick_mark, place, label in zip(
        points.T, ((LEFT, RIGHT), (FLOOR, TOP)), TICKS, middle, axes, strict=True
    ):
        margin = 0.04 * np.ptp(values) + 1e-9
        span = values.min() - margin, values.max() + margin
        pixels.append(np.rint(np.interp(values.T, span, ends)).astype(int))
        for tick in MaxNLocator(5).tick_values(*span):
            if span[0] <= tick <= span[1]:
                text = f"{tick:.4g}".replace("-", "\N{MINUS SIGN}")
                drawn += tick_mark.format(round(np.interp(tick, span, ends)), text)
        drawn += f'<text class="gap-x" {place}>{html.escape(label)}</text>'
    return np.stack(pixels, axis=-1), drawn


def _sprite(images: np.ndarray | None) -> str:
    """Return the element that shows one image at a time, cut from one sheet of all of them."""
    if images is None:
        return ""
    n, h, w = images.shape
    columns = int(np.ceil(np.sqrt(n)))
    rows = -(-n // columns)
    sheet = np.zeros((rows * columns, h, w), np.uint8)
    sheet[:n] = images
    sheet = sheet.reshape(rows, columns, h, w).swapaxes(1, 2).reshape(rows * h, columns * w)
    style = f"background-image:url({data_uri(Image.fromarray(sheet), 16)})"
    return (
        f'<div class="gap-image" data-columns="{columns}" data-rows="{rows}" style="{style}"></div>'
    )
