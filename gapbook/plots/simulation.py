"""Figures of the toy problems (chapter 4) and of free embeddings (chapter 5)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from scipy import stats

from gapbook.extras import from_extra
from gapbook.plots.labels import line_colors, tau_color
from gapbook.plots.style import (
    FIRST_COLOR,
    FIRST_MARKER,
    GROUP_COLORS,
    LEGEND_RIGHT,
    LINE_COLOR,
    PURPLE,
    SECOND_COLOR,
    SECOND_MARKER,
    assign,
    panel_grid,
    styled,
)

# From where the sphere is seen: from below its equator, where the texts lie.
VIEW_LONGITUDE = math.radians(30)
VIEW_LATITUDE = math.radians(-20)

# Losses that differ by less are equal: all of them are minima.
SAME_LOSS = 1e-9

# Beyond so many degrees the numbers of the texts would cover each other.
LAST_NUMBERED_ANGLE = 75

# The marks of lines that lie on each other, and how many points lie between two marks.
SCALE_MARKERS = "osD^v"
POINTS_PER_MARK = 5
# On lines that lie apart, fewer do.
POINTS_PER_MARK_APART = 15


@styled
def toy_losses(table: pd.DataFrame, xlabel: str) -> Figure:
    """Draw losses of a toy problem, a line for each temperature, with dots at the least loss.

    Parameters
    ----------
    table : DataFrame with columns panel, scale, x, loss
        ``scale`` is 1/tau. Where a column ``dashed`` is true, rows are a second variant: dashed, in
        the same color, with open dots.
    xlabel : str
        What ``x`` is.
    """
    panels = list(table["panel"].unique())
    scales = sorted(table["scale"].unique())
    table = table.assign(dashed=table.get("dashed", False))
    fig, grid = panel_grid(len(panels), (3.5, 3.2), beside=1.2, sharey=True)
    for ax, panel in zip(grid.flat, panels, strict=False):
        rows = table[table["panel"] == panel]
        for (scale, dashed), line in rows.groupby(["scale", "dashed"]):
            _draw_toy_line(ax, line, tau_color(1 / scale), bool(dashed))
        ticks = np.linspace(table["x"].min(), table["x"].max(), 5)
        ax.set(title=panel, xlabel=xlabel, xticks=ticks)
    for row in grid:
        row[0].set(ylabel="loss", ylim=(0, None))
    _add_temperature_legend(fig, scales)
    return fig


def _draw_toy_line(ax: Axes, line: pd.DataFrame, color: Any, dashed: bool) -> None:
    """Draw the losses of one temperature, and dots where they are least."""
    least = line[line["loss"] < line["loss"].min() + SAME_LOSS]
    if dashed:
        ax.plot(line["x"], line["loss"], "--", color=color, lw=1)
        ax.plot(least["x"], least["loss"], "o", color=color, ms=4, mfc="w")
    else:
        ax.plot(line["x"], line["loss"], "-", color=color, lw=1.6)
        ax.plot(least["x"], least["loss"], "o", color=color, ms=4)


@styled
def loss_over_effective_scale(
    table: pd.DataFrame, best: tuple[float, float], xlabels: tuple[str, str]
) -> Figure:
    """Draw losses over an angle, and again over the scale that it leaves: there they are one curve.

    Parameters
    ----------
    table : DataFrame with columns scale, x, effective, loss
        ``scale`` is 1/tau, ``x`` the angle and ``effective`` the scale that is left. Up to five
        scales; the last is a line, all others have marks, which lie on it at the right.
    best : tuple of two float
        The effective scale with the least loss, and that loss: a star.
    xlabels : tuple of two str
        What ``x`` and ``effective`` are.
    """
    scales = sorted(table["scale"].unique())
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.8, 3.6), sharey=True)
    for i, scale in enumerate(scales):
        rows = table[table["scale"] == scale]
        color = tau_color(1 / scale)
        if i == len(scales) - 1:
            left.plot(rows["x"], rows["loss"], color=color, lw=1.8)
            right.plot(rows["effective"], rows["loss"], color=color, lw=1.5, zorder=2)
        else:
            mark: dict[str, Any] = {"marker": SCALE_MARKERS[i], "color": color, "mfc": "w"}
            every = (3 * i, POINTS_PER_MARK_APART)
            left.plot(rows["x"], rows["loss"], lw=1.8, ms=5, markevery=every, **mark)
            mark |= {"ls": "", "ms": 6, "markevery": POINTS_PER_MARK, "zorder": 3}
            right.plot(rows["effective"], rows["loss"], **mark)
    right.plot(*best, "k*", ms=13, mec="w", zorder=4)
    note = f"s* = {best[0]:.1f}"
    right.annotate(note, best, (0, -20), textcoords="offset points", ha="center")
    left.axhline(best[1], color="k", lw=0.8, ls=":")
    left.set(xlabel=xlabels[0], ylabel="loss", ylim=(0, None), title="Five landscapes ...")
    right.set(xlabel=xlabels[1], xscale="log", xlim=(0.3, None), title="... are one curve")
    _add_temperature_legend(fig, scales, [*SCALE_MARKERS[: len(scales) - 1], ""])
    return fig


def _add_temperature_legend(
    fig: Figure, scales: Sequence[float], markers: Sequence[str] | None = None
) -> None:
    """Put one legend of temperatures at the right of a figure, with the marks of their lines."""
    markers = markers or [""] * len(scales)
    handles = [
        plt.Line2D([], [], color=tau_color(1 / scale), lw=2, marker=marker, mfc="w")
        for scale, marker in zip(scales, markers, strict=True)
    ]
    names = ["1" if scale == 1 else f"1/{scale:g}" for scale in scales]
    fig.legend(handles, names, title="temperature", loc=LEGEND_RIGHT, fontsize=9)


@styled
def sphere_frame(
    points: tuple[np.ndarray, np.ndarray],
    curve: tuple[np.ndarray, np.ndarray],
    at: tuple[float, float],
    title: str,
) -> Figure:
    """Draw images and texts on a sphere, and beside them the loss over the angle between them.

    Parameters
    ----------
    points : two arrays of shape (n, 3)
        Where the images and the texts lie; the first two pairs are numbered.
    curve : two arrays
        The angles in degrees, and their losses.
    at : tuple of two float
        The present angle and its loss, a dot.
    title : str
        Which angle it is.
    """
    fig, (ball, ax) = plt.subplots(1, 2, figsize=(7, 2.9), width_ratios=(1, 1.4))
    _draw_globe(ball)
    images, texts = (_seen(side) for side in points)
    for image, text in zip(images, texts, strict=True):
        ball.plot([image[0], text[0]], [image[1], text[1]], color="#666666", lw=1, zorder=2)
    for side, color, marker, offset in (
        (images, FIRST_COLOR, FIRST_MARKER, 5),
        (texts, SECOND_COLOR, SECOND_MARKER, -13),
    ):
        ball.scatter(side[:, 0], side[:, 1], s=28, c=color, marker=marker, zorder=3, linewidths=0)
        if at[0] < LAST_NUMBERED_ANGLE:
            for number, place in enumerate(side[:2, :2], start=1):
                ball.annotate(
                    str(number),
                    place,
                    (0, offset),
                    textcoords="offset points",
                    color=color,
                    ha="center",
                )
    ax.plot(*curve, color="k", lw=1.4)
    ax.plot(*at, "o", color=PURPLE, ms=9)
    ax.set(xlabel="angle of the texts below the images (degrees)", xticks=range(0, 91, 15))
    ax.set(ylabel="loss", ylim=(0, 2.2), title=title)
    return fig


def _seen(points: np.ndarray) -> np.ndarray:
    """Return right, up and toward the eye of points (n, 3), in parallel projection."""
    x, y, z = np.asarray(points).T
    right = -x * math.sin(VIEW_LONGITUDE) + y * math.cos(VIEW_LONGITUDE)
    level = x * math.cos(VIEW_LONGITUDE) + y * math.sin(VIEW_LONGITUDE)
    up = z * math.cos(VIEW_LATITUDE) - level * math.sin(VIEW_LATITUDE)
    toward = level * math.cos(VIEW_LATITUDE) + z * math.sin(VIEW_LATITUDE)
    return np.stack([right, up, toward], axis=1)


def _draw_globe(ax: Axes) -> None:
    """Draw the outline of the sphere, and the near half of the equator and of six meridians."""
    ax.add_patch(plt.Circle((0, 0), 1, fc="#f4f4f4", ec=LINE_COLOR, lw=1, zorder=0))
    turn = np.linspace(0, 2 * np.pi, 181)
    equator = np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=1)
    _draw_near_half(ax, equator, width=1.2)
    for longitude in np.radians(np.arange(0, 180, 30)):
        x = np.cos(turn) * math.cos(longitude)
        y = np.cos(turn) * math.sin(longitude)
        _draw_near_half(ax, np.stack([x, y, np.sin(turn)], axis=1), width=0.5)
    ax.set(xlim=(-1.06, 1.06), ylim=(-1.06, 1.06), aspect="equal")
    ax.set_axis_off()


def _draw_near_half(ax: Axes, ring: np.ndarray, width: float) -> None:
    """Draw the part of a ring (n, 3) that the sphere does not hide."""
    right, up, toward = _seen(ring).T
    visible = np.where(toward > 0, 1, np.nan)
    ax.plot(right * visible, up * visible, color=LINE_COLOR, lw=width, zorder=1)


@styled
def gap_of_free_vectors(runs: pd.DataFrame, xlabel: str = "step") -> Figure:
    """Draw the gap of free embeddings over steps, means with 95 % t-intervals over seeds.

    Parameters
    ----------
    runs : DataFrame with columns panel, tau_label, start, seed, step, gap
        One row a kept step of a run. ``start`` is "two cones" (solid) or "one cone" (dashed). Step
        0 has no place on a logarithmic axis and is left out.
    xlabel : str
        What a step is.
    """
    with from_extra("chapters", "this figure"):
        import seaborn as sns

    panels = list(runs["panel"].unique())
    names = list(runs["tau_label"].unique())
    colors = line_colors(names)
    dashes = {"two cones": "", "one cone": (3.7, 1.6)}
    half_width = stats.t.ppf(0.975, runs["seed"].nunique() - 1)
    fig, grid = panel_grid(len(panels), (3.7, 3.5), beside=1.2, sharey=True)
    for ax, panel in zip(grid.flat, panels, strict=False):
        # The scale comes first, since seaborn averages over positions on it.
        ax.set_xscale("log")
        sns.lineplot(
            runs[(runs["panel"] == panel) & (runs["step"] > 0)],
            x="step",
            y="gap",
            hue="tau_label",
            style="start",
            palette=colors,
            dashes=dashes,
            errorbar=("se", half_width),
            err_kws={"linewidth": 0},
            linewidth=1.6,
            legend=False,
            ax=ax,
        )
        ax.set(title=panel, xlabel=xlabel, ylabel="")
    for row in grid:
        row[0].set(ylabel="modality gap", ylim=(0, None))
    handles = [plt.Line2D([], [], color=color, lw=2) for color in colors.values()]
    handles += [plt.Line2D([], [], color="k", ls=line) for line in ("-", "--")]
    fig.legend(handles, [*colors, *dashes], loc=LEGEND_RIGHT, fontsize=9)
    return fig


@styled
def gap_under_gradient_flow(
    flows: Mapping[str, pd.DataFrame], learned: Mapping[str, tuple[pd.DataFrame, float]]
) -> Figure:
    """Draw gaps over the time of gradient flow, and over a temperature that is learned.

    Parameters
    ----------
    flows : mapping of str to DataFrame with columns time, gap
        The runs at the left, by name.
    learned : mapping of str to (DataFrame with columns tau, gap, and float)
        The runs at the right, by the rate of log s, each with the power of tau that is predicted
        for its gap: a line.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.7))
    colors = line_colors(list(flows))
    for name, run in flows.items():
        left.plot(run["time"], run["gap"], color=colors[name], lw=1.8, label=name)
    for name, color in assign(learned, GROUP_COLORS).items():
        run, power = learned[name]
        right.plot(run["tau"], run["gap"], "o", color=color, ms=3.5, label=name)
        first = run.iloc[0]
        predicted = first["gap"] * (run["tau"] / first["tau"]) ** power
        right.plot(run["tau"], predicted, color=color, lw=1)
    left.set(xlabel="time (gradient flow)", xscale="log")
    left.set(ylabel="modality gap", ylim=(0, None))
    left.set_title("At 1/100 it all but stands still")
    left.legend(fontsize=8)
    right.set(xlabel="learned temperature", xscale="log", ylabel="modality gap", yscale="log")
    for axis, ticks in (
        (right.xaxis, (0.02, 0.03, 0.05, 0.07)),
        (right.yaxis, (0.1, 0.2, 0.5, 1)),
    ):
        axis.set_minor_locator(NullLocator())
        axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
    right.set_title("A learned temperature and the gap are tied")
    right.legend(fontsize=8, title="rate of log s", title_fontsize=8)
    return fig


@styled
def forces_on_the_circle(height: float = 0.6) -> Figure:
    """Sketch what the way back to the sphere does to a gap.

    Parameters
    ----------
    height : float
        How far the image is above the middle and the text below it, between 0 and 1.
    """
    fig, row = plt.subplots(1, 2, figsize=(8.6, 4.1), sharex=True, sharey=True)
    for ax, outward, title in (
        (row[0], 1, "A higher scale lowers the loss: the gap shrinks"),
        (row[1], -1, "A lower scale lowers the loss: the gap grows"),
    ):
        ax.add_patch(plt.Circle((0, 0), 1, fc="none", ec=LINE_COLOR))
        ax.axhline(0, color=LINE_COLOR, lw=0.8, ls=":")
        for side, color, marker in (
            (height, FIRST_COLOR, FIRST_MARKER),
            (-height, SECOND_COLOR, SECOND_MARKER),
        ):
            _draw_force(ax, side, 0.62 * outward, color, marker)
        ax.set(title=title, xlim=(-0.1, 1.75), ylim=(-1.1, 1.1), aspect="equal")
        ax.set(xticks=[], yticks=[], xlabel="what the softmax sees")
    row[0].set_ylabel("height along the gap")
    handles = [
        plt.Line2D([], [], color=color, marker=marker, ls="")
        for color, marker in ((FIRST_COLOR, FIRST_MARKER), (SECOND_COLOR, SECOND_MARKER))
    ]
    handles += [plt.Line2D([], [], color="#777777", ls="--"), plt.Line2D([], [], color="k", lw=2)]
    labels = ["an image", "a text", "minus the gradient", "what is left on the sphere"]
    fig.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9)
    return fig


def _draw_force(ax: Axes, height: float, push: float, color: str, marker: str) -> None:
    """Draw a unit vector, a push along the horizontal, and the part of it along the circle."""
    place = np.array([math.sqrt(1 - height**2), height])
    free = np.array([push, 0.0])
    left = free - (free @ place) * place
    ax.plot([0, place[0]], [0, place[1]], color=color, lw=1.2)
    for force, style in (
        (free, {"color": "#777777", "ls": "--", "lw": 1.4}),
        (left, {"color": "k", "lw": 2}),
    ):
        head = place + force
        arrow = {"arrowstyle": "->", **style}
        ax.annotate("", (head[0], head[1]), (place[0], place[1]), arrowprops=arrow)
    ax.plot(*place, marker, color=color, ms=9)


@styled
def gap_of_ladder(curves: pd.DataFrame, over: str = "step", label: str = "step of Adam") -> Figure:
    """Draw the gap of each rung over steps, the mean and the range over seeds.

    Parameters
    ----------
    curves : DataFrame with columns panel, line, seed, step, gap
        One row a measured step of a run, from step 0 on; up to three lines a panel. The axis is
        linear up to the first step after 0, and logarithmic from there.
    over : str
        The column of the horizontal axis.
    label : str
        What it is.
    """
    with from_extra("chapters", "this figure"):
        import seaborn as sns

    panels = list(curves["panel"].unique())
    first_step = curves[over][curves[over] > 0].min()
    fig, grid = panel_grid(len(panels), (4, 3.6), sharey=True)
    for ax, panel in zip(grid.flat, panels, strict=False):
        drawn = curves[curves["panel"] == panel]
        lines = list(drawn["line"].unique())
        ax.set_xscale("symlog", linthresh=first_step, linscale=0.4)
        sns.lineplot(
            drawn,
            x=over,
            y="gap",
            hue="line",
            style="line",
            palette=assign(drawn["line"], GROUP_COLORS),
            dashes=dict(zip(lines, ("", (3.7, 1.6), (1, 1.65)), strict=False)),
            errorbar=("pi", 100),
            err_kws={"linewidth": 0},
            linewidth=1.6,
            ax=ax,
        )
        # Powers of ten before the first step would stand in the way of 0.
        exponents = np.arange(np.ceil(np.log10(first_step)), np.log10(curves[over].max()) + 0.01)
        ax.set_xticks([0, *10.0**exponents])
        ax.set(title=panel, xlabel=label, ylabel="", xlim=(0, None))
        ax.legend(title="", loc="upper center", bbox_to_anchor=(0.5, -0.2), fontsize=9)
    # When all panels are drawn: a limit that is set before keeps the top of the first.
    for row in grid:
        row[0].set(ylabel="modality gap", ylim=(0, None))
    return fig
