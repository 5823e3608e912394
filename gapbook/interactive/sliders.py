"""Sliders that move in a static page: every frame is drawn once, and a script swaps them.

In a notebook with a kernel the same call makes a live control, see ``gapbook.interactive.live``.
"""

import html
from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, NamedTuple

from matplotlib.figure import Figure

from gapbook.interactive.frames import png_frame
from gapbook.interactive.live import is_live, live_slider
from gapbook.interactive.markup import Interactive, asset
from gapbook.plots.pages import picture


class _Control(NamedTuple):
    """One slider: its label, its values, and the position that is shown first."""

    label: str
    values: Sequence[Any]
    start: int


def slider(
    draw: Callable[..., Figure],
    values: Sequence[Any] | tuple[Sequence[Any], Sequence[Any]],
    label: str | tuple[str, str],
    *,
    alt: Callable[..., str],
    start: int | tuple[int, int] = 0,
    continuous: bool = False,
    live: bool | None = None,
) -> Interactive:
    """Show a figure under a slider, on a page without a kernel and in a notebook with one.

    For a page, a figure is drawn for each value, once. In a notebook that runs in Jupyter, Colab or
    VS Code, ipywidgets draw the figure anew at each move.

    Parameters
    ----------
    draw : function of a value
        Returns the Matplotlib figure of that value, always of the same size.
    values : sequence, or tuple of two sequences
        The values on the slider, which are read out as they are: round them beforehand.
    label : str, or tuple of two str
        What the slider moves. With two labels there are two sliders; then ``values`` is two lists,
        and ``draw`` and ``alt`` take two values.
    alt : function of a value
        Returns a sentence that states what that frame shows, for those who do not see it.
    start : int, or tuple of two int
        The position, or positions, shown first.
    continuous : bool
        Whether ``draw`` and ``alt`` take any number between the smallest and the largest value:
        then the live slider offers them all, on a logarithmic scale if the values are spaced so,
        and only integers if all values are. A page has the frames of the values alone.
    live : bool, optional
        Whether a kernel draws. By default it does where there is one, unless the environment
        variable ``GAPBOOK_STATIC`` is set, as it is when the book is made.

    Returns
    -------
    Interactive
        What a notebook's cell shows, on a page about 20 kB a frame.

    Raises
    ------
    ValueError
        If values or start do not fit the labels, or figures differ in size.
    TypeError
        If ``draw`` returns no figure.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> slider(lambda n: Figure((2, 1)), [1, 2, 4], "copies", alt=lambda n: f"{n} empty figures")
    <slider over 3 frames>
    """
    controls = _controls(values, label, start)
    if is_live() if live is None else live:
        return live_slider(
            lambda *point: picture(
                _drawn(draw, point), alt(*point), encode=png_frame, narrow=False
            ),
            [control.values for control in controls],
            [control.label for control in controls],
            [control.start for control in controls],
            continuous=continuous,
        )
    points = list(product(*(control.values for control in controls)))
    positions = list(product(*(range(len(control.values)) for control in controls)))
    first = positions.index(tuple(control.start for control in controls))
    sizes = set()
    images = ""
    for number, point in enumerate(points):
        figure = _drawn(draw, point)
        sizes.add(tuple(figure.get_size_inches().tolist()))
        attributes = "" if number == first else "hidden"
        images += picture(figure, alt(*point), encode=png_frame, attributes=attributes)
    if len(sizes) > 1:
        raise ValueError(f"Expected draw to return figures of one size; got {sorted(sizes)} inches")
    inputs = "".join(_range_input(control) for control in controls)
    if len(controls) == 1:
        inputs += '<button type="button" class="gap-play">Play</button>'
    markup = (
        f"{asset('sliders.css')}"
        '<figure class="gap-frames" data-lm-suppress-shortcuts="true">'
        f"<div>{images}</div>"
        f'<div class="gap-controls" hidden>{inputs}</div>'
        "</figure>"
        f"{asset('sliders.js')}"
    )
    return Interactive(markup, f"slider over {len(points)} frames")


def _controls(values: Any, label: str | tuple[str, str], start: Any) -> list[_Control]:
    """Return one or two sliders, after checking that values and start fit their labels."""
    labels: tuple[str, ...] = label if isinstance(label, tuple) else (label,)
    axes = values if isinstance(label, tuple) else (values,)
    starts = start if isinstance(start, tuple) else (start,) * len(labels)
    fits = len(labels) == len(axes) == len(starts) <= 2
    if fits:
        controls = [_Control(*each) for each in zip(labels, axes, starts, strict=True)]
        fits = all(control.start in range(len(control.values)) for control in controls)
    if not fits:
        raise ValueError(
            f"Expected a list of values and a start in it for each of {labels}; "
            f"got {values!r}, {start!r}"
        )
    return controls


def _drawn(draw: Callable[..., Figure], point: tuple[Any, ...]) -> Figure:
    """Draw one frame, after checking that it is one."""
    figure = draw(*point)
    if not isinstance(figure, Figure):
        raise TypeError(
            f"Expected draw to return a Matplotlib Figure; got {type(figure).__name__} at {point}"
        )
    return figure


def _range_input(control: _Control) -> str:
    """Return a labeled range input with its read-out; the script reads its ``data-values``."""
    # The script splits its values at the vertical bar.
    texts = [html.escape(str(value).replace("|", "/")) for value in control.values]
    now = texts[control.start]
    return (
        f"<label><span>{html.escape(control.label)}</span>"
        f'<input type="range" min="0" max="{len(texts) - 1}" step="1" value="{control.start}" '
        f'data-values="{"|".join(texts)}" aria-valuetext="{now}">'
        f"<output>{now}</output></label>"
    )
