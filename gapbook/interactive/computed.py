"""What figures share that compute in the page: their markup, their controls, and a picture.

Without a script, or on paper, a picture stands in their place.
"""

import html
import math
from typing import NamedTuple

from matplotlib.figure import Figure

from gapbook.interactive.frames import png_frame
from gapbook.interactive.markup import Interactive, asset
from gapbook.plots.pages import picture


class Slider(NamedTuple):
    """A slider of a computed figure; ``log`` spaces it by its logarithm."""

    name: str
    label: str
    low: float
    high: float
    value: float
    log: bool = False
    step: float = 0.0

    def markup(self) -> str:
        """Return it as HTML, with room for what it reads."""
        ends = [self.low, self.high, self.value]
        if self.log:
            ends = [math.log10(end) for end in ends]
        low, high, value = (f"{end:.6g}" for end in ends)
        step = f"{self.step:g}" if self.step else "any"
        log = " data-log" if self.log else ""
        return (
            f"<label><span>{html.escape(self.label)}</span>"
            f'<input type="range" name="{self.name}" min="{low}" max="{high}" step="{step}" '
            f'value="{value}"{log}><output></output></label>'
        )


def computed_figure(
    kind: str,
    *,
    invitation: str,
    fallback: Figure,
    alt: str,
    controls: str,
    data: str = "",
    extra: str = "",
) -> Interactive:
    """Return a figure that a script computes.

    Parameters
    ----------
    kind : str
        Its class in the page; its script is the file ``script``.
    invitation : str
        What a reader can try.
    fallback : Figure
        What stands there without a script.
    alt : str
        A sentence that states what the fallback shows.
    controls : str
        The markup of its controls.
    data : str
        Attributes that its script reads.
    extra : str
        More markup before its controls.
    """
    still = picture(fallback, alt, encode=png_frame)
    scripts = "".join(asset(name) for name in ("math.js", "live.js", SCRIPTS[kind]))
    markup = (
        f"{asset('live.css')}"
        f'<figure class="gap-live gap-{kind}" data-lm-suppress-shortcuts="true"{data}>'
        f'<p class="gap-try">{html.escape(invitation)}</p>'
        f'<div class="gap-fallback">{still}</div><div class="gap-stage" hidden></div>{extra}'
        f'<div class="gap-controls" hidden>{controls}</div>'
        '<p class="gap-readout" aria-live="polite" hidden></p></figure>'
        f"{scripts}"
    )
    return Interactive(markup, f"figure to play with: {invitation}")


SCRIPTS = {
    "cone": "cone.js",
    "triangle": "cone_triangle.js",
    "softmax": "softmax_matrix.js",
    "free": "free_vectors.js",
}
