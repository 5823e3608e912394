"""A cone that one can see, and the triangle of two cones whose third side is the gap."""

import math

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from gapbook.cone.theory import predicted_gap
from gapbook.interactive.computed import Slider, computed_figure
from gapbook.interactive.markup import Interactive
from gapbook.plots.style import FIRST_COLOR, LINE_COLOR, SECOND_COLOR, styled


def cone_figure(cosine: float = 0.56, dimension: int = 64) -> Interactive:
    """Show unit vectors around an axis: how wide their cone is, and how their cosines spread.

    Parameters
    ----------
    cosine : float
        The mean cosine of two vectors at first, from 0 to below 1.
    dimension : int
        The dimension at first, at least 4.

    Returns
    -------
    Interactive
        A figure with sliders of both, which computes in the page.

    Notes
    -----
    Each vector is sqrt(c) of the axis and sqrt(1 - c) of a random direction orthogonal to it. So
    it is arccos(sqrt(c)) from the axis, the mean of many has length sqrt(c), and two of them have
    the cosine c + (1 - c) t, where t is that of two random directions in d - 1 dimensions: mean 0,
    standard deviation 1 / sqrt(d - 1).

    Examples
    --------
    >>> cone_figure()
    <figure to play with: how wide is a cone of mean cosine c?>
    """
    from_axis = math.degrees(math.acos(math.sqrt(cosine)))
    apart = math.degrees(math.acos(cosine))
    spread = (1 - cosine) / math.sqrt(dimension - 1)
    controls = Slider("cosine", "mean cosine c", 0.0, 0.99, cosine, step=0.01).markup()
    controls += Slider("dimension", "dimension d", 4, 1024, dimension, log=True).markup()
    return computed_figure(
        "cone",
        invitation="how wide is a cone of mean cosine c?",
        fallback=_draw_cone(cosine, dimension),
        alt=f"Vectors of mean cosine {cosine:.2f} are {from_axis:.0f} degrees from their axis and "
        f"{apart:.0f} from each other; in {dimension} dimensions their cosines spread by only "
        f"{spread:.2f}.",
        controls=controls,
    )


def cone_triangle(a: float = 0.6, b: float = 0.5, angle: float = 80.0) -> Interactive:
    """Show two cones, their means and the gap between them, as a triangle.

    Parameters
    ----------
    a, b : float
        The mean cosines within the cones of images and of texts at first, from 0 to 1.
    angle : float
        Degrees between the two means at first.

    Returns
    -------
    Interactive
        A figure with three sliders, which computes in the page.

    Notes
    -----
    The sides are sqrt(a), sqrt(b) and the gap, see :func:`gapbook.cone.theory.predicted_gap`.

    Examples
    --------
    >>> cone_triangle()
    <figure to play with: two cones and their angle make the gap.>
    """
    gap = predicted_gap(a, b, math.cos(math.radians(angle)))
    controls = Slider("a", "images: a", 0.01, 1, a, step=0.01).markup()
    controls += Slider("b", "texts: b", 0.01, 1, b, step=0.01).markup()
    controls += Slider("angle", "angle of the means", 0, 180, angle, step=1).markup()
    return computed_figure(
        "triangle",
        invitation="two cones and their angle make the gap.",
        fallback=_draw_triangle(a, b, angle),
        alt=f"Two means of length {math.sqrt(a):.2f} and {math.sqrt(b):.2f} at {angle:.0f} degrees "
        f"leave a gap of {gap:.2f} between their ends.",
        controls=controls,
    )


@styled
def _draw_cone(cosine: float, dimension: int) -> Figure:
    fig, (left, right) = plt.subplots(1, 2, figsize=(6.8, 3))
    height = math.sqrt(cosine)
    radius = math.sqrt(1 - cosine)
    turns = np.linspace(0, 2 * np.pi, 25)
    # seen a little from above
    ends = (radius * np.cos(turns), height - 0.28 * radius * np.sin(turns))
    for x, y in zip(*ends, strict=True):
        left.plot([0, x], [0, y], color=LINE_COLOR, lw=0.7)
    left.plot(*ends, "o", color=FIRST_COLOR, ms=4)
    left.plot([0, 0], [0, height], color=SECOND_COLOR, lw=3)
    left.add_patch(plt.Circle((0, 0), 1, fill=False, color=LINE_COLOR))
    left.set(aspect="equal", xlim=(-1.1, 1.1), ylim=(-1.1, 1.1))
    left.set_axis_off()
    cosines = np.linspace(-1, 1, 400)
    inside = np.clip(1 - ((cosines - cosine) / (1 - cosine)) ** 2, 0, None)
    density = inside ** ((dimension - 4) / 2)
    right.fill_between(
        cosines, density / np.trapezoid(density, cosines), color=FIRST_COLOR, alpha=0.5
    )
    right.set(xlabel="cosine of two vectors", xlim=(-1, 1), yticks=[])
    return fig


@styled
def _draw_triangle(a: float, b: float, angle: float) -> Figure:
    fig, ax = plt.subplots(figsize=(4.2, 2.8))
    half = math.radians(angle) / 2
    ends = []
    for square, turn, color in ((a, -half, FIRST_COLOR), (b, half, SECOND_COLOR)):
        end = math.sqrt(square) * np.array([math.sin(turn), math.cos(turn)])
        ax.plot([0, end[0]], [0, end[1]], color=color, lw=3)
        ax.plot(*end, "o" if color == FIRST_COLOR else "D", color=color, ms=8)
        ends.append(end)
    ax.plot(*np.transpose(ends), "k--", lw=2)
    ax.annotate(
        "gap", np.mean(ends, axis=0), xytext=(0, 6), textcoords="offset points", ha="center"
    )
    ax.add_patch(plt.Circle((0, 0), 1, fill=False, color=LINE_COLOR))
    ax.set(aspect="equal", xlim=(-1.05, 1.05), ylim=(-0.1, 1.05))
    ax.set_axis_off()
    return fig
