"""The same slider with a kernel: ipywidgets draw what lies between the frames, too."""

import html
import importlib.util
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

from gapbook.interactive.markup import Interactive
from gapbook.plots.pages import is_static

# How many steps a slider over a range of numbers has.
STEPS = 100

# Milliseconds between two frames that play.
INTERVAL = 400

# How much ratios or differences of evenly spaced values may differ, by rounding.
TOLERANCE = 0.01


def is_live() -> bool:
    """Tell whether cells run for a reader with a kernel, and not for a page."""
    if is_static():
        return False
    # without IPython nobody has started a kernel
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    has_kernel = getattr(shell, "kernel", None) is not None
    return has_kernel and importlib.util.find_spec("ipywidgets") is not None


@dataclass(frozen=True, repr=False)
class LiveSlider(Interactive):
    """A figure under controls that draw it anew, in a front end of Jupyter.

    Attributes
    ----------
    markup : str
        The first frame alone.
    summary : str
        What a console shows in its place.
    widget : ipywidgets.VBox
        Figure and controls.
    """

    widget: Any

    def _repr_html_(self) -> None:
        """Show nothing beside the widget, or the figure would stand there twice."""

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return self.widget._repr_mimebundle_(**kwargs)


def live_slider(
    frame: Callable[..., str],
    values: Sequence[Sequence[Any]],
    labels: Sequence[str],
    starts: Sequence[int],
    *,
    continuous: bool,
) -> LiveSlider:
    """Show a frame under one control for each list of values.

    Parameters
    ----------
    frame : function of as many values
        Returns the markup of the frame.
    values : sequence of sequences
        What each control offers.
    labels : sequence of str
        What each control moves.
    starts : sequence of int
        The positions shown first.
    continuous : bool
        Whether controls of numbers offer all between the smallest and the largest.
    """
    import ipywidgets

    controls = [
        control(offered, label, offered[start], continuous=continuous)
        for offered, label, start in zip(values, labels, starts, strict=True)
    ]
    picture = ipywidgets.HTML(frame(*(each.value for each in controls)))

    def draw(_: object) -> None:
        try:
            picture.value = frame(*(each.value for each in controls))
        # in a callback nobody would see what went wrong
        except Exception as error:
            message = html.escape(f"{type(error).__name__}: {error}")
            picture.value = f'<p role="alert">{message}</p>'

    for each in controls:
        each.observe(draw, "value")
    parts = [*controls, *_play(controls, values)]
    layout = ipywidgets.Layout(flex_flow="row wrap", align_items="center")
    widget = ipywidgets.VBox([picture, ipywidgets.HBox(parts, layout=layout)])
    return LiveSlider(picture.value, f"live slider over {', '.join(labels)}", widget)


def control(values: Sequence[Any], label: str, value: Any, *, continuous: bool) -> Any:
    """Return the control that suits values.

    Parameters
    ----------
    values : sequence
        What it offers.
    label : str
        What it moves.
    value : object
        What it shows first.
    continuous : bool
        Whether it offers all numbers between the smallest and the largest value.

    Returns
    -------
    ipywidgets.Widget
        Of evenly spaced logarithms a logarithmic slider, of integers and of other numbers one of
        these; of anything else, or if not ``continuous``, one that offers just these values.
    """
    import ipywidgets

    options: dict[str, Any] = {
        "description": label,
        "style": {"description_width": "initial"},
        "layout": ipywidgets.Layout(width="28em", max_width="100%"),
    }
    if not continuous or not all(map(_is_number, values)):
        named = [(str(each), each) for each in values]
        index = list(values).index(value)
        return ipywidgets.SelectionSlider(options=named, index=index, **options)
    low = min(values)
    high = max(values)
    if is_log_spaced(values):
        span = math.log10(low), math.log10(high)
        options |= {"min": span[0], "max": span[1], "step": (span[1] - span[0]) / STEPS}
        return ipywidgets.FloatLogSlider(value, base=10, **options)
    if all(isinstance(each, Integral) for each in values):
        return ipywidgets.IntSlider(int(value), min=int(low), max=int(high), **options)
    options |= {"min": low, "max": high, "step": (high - low) / STEPS}
    return ipywidgets.FloatSlider(value, readout_format=".3g", **options)


def is_log_spaced(values: Sequence[float]) -> bool:
    """Tell whether the logarithms of values are evenly spaced, and the values are not.

    Parameters
    ----------
    values : sequence of float
        Numbers in their order.

    Examples
    --------
    >>> is_log_spaced([0.01, 0.1, 1]), is_log_spaced([1, 2, 3]), is_log_spaced([0, 1, 10])
    (True, False, False)
    """
    if len(values) < 3 or min(values) <= 0:
        return False
    return _is_even(np.log(values)) and not _is_even(np.asarray(values, float))


def _is_even(values: np.ndarray) -> bool:
    steps = np.diff(values)
    return bool(np.ptp(steps) <= TOLERANCE * np.abs(steps).max())


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _play(controls: Sequence[Any], values: Sequence[Sequence[Any]]) -> list[Any]:
    """Return what plays the values of a single control."""
    import ipywidgets

    if len(controls) > 1:
        return []
    play = ipywidgets.Play(min=0, max=len(values[0]) - 1, interval=INTERVAL)

    def move(change: dict[str, Any]) -> None:
        controls[0].value = values[0][change["new"]]

    play.observe(move, "value")
    return [play]
