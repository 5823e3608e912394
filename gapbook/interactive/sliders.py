"""Sliders that move in a static page: every frame is drawn once, and a few lines of script swap them."""

import html
import io
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import product
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from PIL import Image

from gapbook.plots.style import palette_png

DPI, COLORS = 120, 48


@dataclass(frozen=True, repr=False)
class Interactive:
    """A figure that notebooks show as ``markup``, which needs no kernel and no other file."""

    markup: str
    summary: str

    def _repr_html_(self) -> str:
        return self.markup

    def __repr__(self) -> str:
        """Say in a console what the page shows."""
        return f"<{self.summary}>"


def asset(name: str) -> str:
    """Return a script or style sheet of this package as the element that embeds it."""
    tag = "script" if name.endswith(".js") else "style"
    return f"<{tag}>{(files('gapbook.interactive') / name).read_text(encoding='utf-8')}</{tag}>"


def data_uri(image: Any, colors: int) -> str:
    """Return a Pillow image as a PNG data URI with a palette of ``colors``, which suits plots and glyphs."""
    return f"data:image/png;base64,{b64encode(palette_png(image, colors)).decode()}"


def frames(
    draw: Callable[..., Any],
    values: Sequence[Any] | tuple[Sequence[Any], Sequence[Any]],
    label: str | tuple[str, str],
    *,
    alt: Callable[..., str],
    start: int | tuple[int, int] = 0,
) -> Interactive:
    """Draw a figure for each value, once, and show it under a slider that works with no kernel.

    ``draw(value)`` returns a Matplotlib Figure, always of the same size; ``alt(value)`` states what that frame shows.
    With two labels there are two sliders: ``values`` is then two lists, and ``draw`` and ``alt`` take two values.
    ``start`` is the position, or positions, shown first. Values are read out as they are, so round them beforehand.
    About 20 kB a frame. ValueError for values that do not fit the labels, TypeError if ``draw`` returns no Figure.

    >>> from matplotlib.figure import Figure
    >>> frames(lambda n: Figure((2, 1)), [1, 2, 4], "copies", alt=lambda n: f"{n} empty figures")
    <slider over 3 frames>
    """
    labels: Any = label if isinstance(label, tuple) else (label,)
    axes: Any = values if isinstance(label, tuple) else (values,)
    first = start if isinstance(start, tuple) else (start,) * len(labels)
    positions = list(product(*(range(len(axis)) for axis in axes)))
    if not len(labels) == len(axes) == len(first) <= 2 or first not in positions:
        raise ValueError(
            f"Expected a list of values and a start in it for each of {labels}; got {values!r}, {start!r}"
        )
    points = list(product(*axes))
    pictures = [_render(draw, point) for point in points]
    if len(sizes := {picture.size for picture in pictures}) > 1:
        raise ValueError(f"Expected draw to return figures of one size; got {sorted(sizes)} pixels")
    images = "".join(
        f'<img src="{data_uri(picture, COLORS)}" alt="{html.escape(alt(*point))}" width="{picture.width * 96 // DPI}" '
        f'height="{picture.height * 96 // DPI}"{"" if position == first else " hidden"}>'
        for position, picture, point in zip(positions, pictures, points, strict=True)
    )
    controls = "".join(map(_slider, labels, axes, first))
    if len(axes) == 1:
        controls += '<button type="button" class="gap-play">Play</button>'
    markup = (
        f'{asset("sliders.css")}<figure class="gap-frames" data-lm-suppress-shortcuts="true"><div>{images}</div>'
        f'<div class="gap-controls" hidden>{controls}</div></figure>{asset("sliders.js")}'
    )
    return Interactive(markup, f"slider over {len(points)} frames")


def _slider(label: str, axis: Sequence[Any], position: int) -> str:
    """Return one labelled range input with its read-out; the script reads its values from ``data-values``."""
    texts = [html.escape(str(value).replace("|", "/")) for value in axis]
    return (
        f'<label><span>{html.escape(label)}</span><input type="range" min="0" max="{len(axis) - 1}" step="1" '
        f'value="{position}" data-values="{"|".join(texts)}" aria-valuetext="{texts[position]}">'
        f"<output>{texts[position]}</output></label>"
    )


def _render(draw: Callable[..., Any], point: tuple[Any, ...]) -> Any:
    """Draw one frame and return it as a Pillow image; the figure is closed, so that no cell shows it again."""
    figure = draw(*point)
    if not isinstance(figure, Figure):
        raise TypeError(
            f"Expected draw to return a Matplotlib Figure; got {type(figure).__name__} at {point}"
        )
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=DPI, facecolor="white", format="png")
    plt.close(figure)
    return Image.open(buffer)
