"""Figures of zero-shot classification under shift (chapter 6): accuracy, gains and confusion."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gapbook.extras import from_extra
from gapbook.plots.style import GREEN, GROUP_COLORS, LEGEND_RIGHT, LINE_COLOR, assign, styled

# How chosen amounts are marked: filled or not, and the size of the circle.
BEST: dict[str, Any] = {"mfc": "none", "ms": 9}
CHOSEN_ELSEWHERE: dict[str, Any] = {"ms": 5}

BASELINE_COLOR = "#777777"
TICK: dict[str, Any] = {"marker": "|", "color": "k", "ms": 15, "mew": 1.4}

# Beyond so large a shift hardly an answer changes.
LARGEST_SHIFT = 5.0


@styled
def accuracy_by_shift(
    table: pd.DataFrame, points: pd.DataFrame, largest_class: Mapping[str, float]
) -> Figure:
    """Draw accuracy over the shift, a panel a task and a line a model, three panels in a row.

    Parameters
    ----------
    table : DataFrame with columns panel, line, delta, accuracy
        Accuracies are fractions. Up to three lines get a color each.
    points : DataFrame with columns panel, line, kind, delta, accuracy
        Single amounts: "best", of all amounts on the same images (open circle), or "honest", chosen
        on others (dot).
    largest_class : mapping of str to float
        The share of the largest class, by panel: a dashed line.
    """
    panels = list(table["panel"].unique())
    colors = assign(table["line"], GROUP_COLORS)
    rows = -(-len(panels) // 3)
    fig, grid = plt.subplots(rows, 3, figsize=(10.7, 2.5 * rows), squeeze=False, sharex=True)
    for ax, panel in zip(grid.flat, panels, strict=False):
        here = table[table["panel"] == panel]
        marks = points[points["panel"] == panel]
        baseline = largest_class[panel]
        ax.axvline(0, color=LINE_COLOR, lw=0.8)
        ax.axhline(100 * baseline, color=BASELINE_COLOR, lw=1, ls="--")
        for name, color in colors.items():
            line = here[here["line"] == name]
            ax.plot(line["delta"], 100 * line["accuracy"], color=color, lw=1.6, label=name)
            _mark_amounts(ax, marks[marks["line"] == name], color)
        ax.set(title=panel, ylim=(0, 112 * max(here["accuracy"].max(), baseline)))
    for ax in grid[-1]:
        ax.set_xlabel("shift δ (positive: towards each other)")
    for ax in grid[:, 0]:
        ax.set_ylabel("accuracy, %")
    handles = [plt.Line2D([], [], color=color) for color in colors.values()]
    for style in (BEST, CHOSEN_ELSEWHERE):
        handles.append(plt.Line2D([], [], color="k", marker="o", ls="", **style))
    handles.append(plt.Line2D([], [], color=BASELINE_COLOR, lw=1, ls="--"))
    labels = [*colors, "best of 40 here", "chosen elsewhere", "largest class"]
    fig.legend(handles, labels, loc=LEGEND_RIGHT, title="temperature", fontsize=9)
    return fig


def _mark_amounts(ax: Axes, points: pd.DataFrame, color: str) -> None:
    """Mark the best amount of one line and the one chosen elsewhere."""
    for kind, style in (("best", BEST), ("honest", CHOSEN_ELSEWHERE)):
        chosen = points[points["kind"] == kind]
        ax.plot(chosen["delta"], 100 * chosen["accuracy"], "o", color=color, zorder=3, **style)


@styled
def gains_with_intervals(table: pd.DataFrame) -> Figure:
    """Draw what a shift gains, with its interval, a row a task.

    Parameters
    ----------
    table : DataFrame with columns panel, row, line, best, value, low, high, survives
        Gains are fractions. ``value`` is the gain at an amount chosen elsewhere: a dot, filled
        where it ``survives`` a correction for all tests, with a line from ``low`` to ``high`` where
        these are not missing. ``best`` is that of all amounts on the same images: a tick.
    """
    panels = list(table["panel"].unique())
    rows = list(table["row"].unique())
    colors = assign(table["line"], GROUP_COLORS)
    offsets = np.linspace(-0.25, 0.25, len(colors))
    size = (2.6 + 3.5 * len(panels), 0.72 * len(rows) + 1.1)
    fig, axes = plt.subplots(1, len(panels), figsize=size, squeeze=False, sharey=True, sharex=True)
    for ax, panel in zip(axes[0], panels, strict=True):
        ax.axvline(0, color=LINE_COLOR, lw=0.8)
        here = table[table["panel"] == panel]
        for (name, color), offset in zip(colors.items(), offsets, strict=True):
            line = here[here["line"] == name].set_index("row").loc[rows]
            _draw_gains(ax, line, np.arange(len(rows)) + offset, color)
        ax.set(title=panel, xlabel="gain in accuracy, points")
    axes[0, 0].set_yticks(range(len(rows)), rows)
    axes[0, 0].invert_yaxis()
    handles = [plt.Line2D([], [], color=color, marker="o", ms=6) for color in colors.values()]
    handles.append(plt.Line2D([], [], ls="", **TICK))
    handles.append(plt.Line2D([], [], color="k", marker="o", ls="", ms=6))
    labels = [*colors, "best of 40 here", "survives correction"]
    fig.legend(handles, labels, loc=LEGEND_RIGHT, title="temperature", fontsize=9)
    return fig


def _draw_gains(ax: Axes, line: pd.DataFrame, heights: np.ndarray, color: str) -> None:
    """Draw the gains of one model, a row each."""
    ax.hlines(heights, 100 * line["low"], 100 * line["high"], color=color, lw=1.4)
    ax.plot(100 * line["best"], heights, ls="", **TICK)
    fills = [color if survives else "w" for survives in line["survives"]]
    for gain, height, fill in zip(100 * line["value"], heights, fills, strict=True):
        ax.plot(gain, height, "o", ms=6, mec=color, mew=1.5, mfc=fill)


@styled
def accuracy_at_every_shift(
    curves: Mapping[str, pd.DataFrame], grids: Mapping[str, pd.DataFrame]
) -> Figure:
    """Draw accuracy at every shift as steps, with the amounts of a grid as dots.

    Parameters
    ----------
    curves : mapping of str to DataFrame with columns low, high, accuracy
        The accuracy, a fraction, from one shift to the next where an answer changes; by title.
    grids : mapping of str to DataFrame with columns delta, accuracy
        The accuracy at the amounts of the grid, by title.
    """
    size = (4.3 * len(curves), 3.2)
    fig, row = plt.subplots(1, len(curves), figsize=size, squeeze=False)
    for ax, (title, curve) in zip(row[0], curves.items(), strict=True):
        _draw_steps(ax, curve)
        grid = grids[title]
        ax.plot(grid["delta"], 100 * grid["accuracy"], "ko", ms=3.5, label="grid of 40")
        ax.set(title=title, xlabel="shift δ of the images")
    row[0, 0].set_ylabel("accuracy, %")
    row[0, 0].legend(fontsize=8)
    return fig


def _draw_steps(ax: Axes, curve: pd.DataFrame) -> None:
    """Draw a step function, cut at the largest shift on either side."""
    inside = curve[(curve["high"] > -LARGEST_SHIFT) & (curve["low"] < LARGEST_SHIFT)]
    starts = inside["low"].clip(lower=-LARGEST_SHIFT)
    end = min(inside["high"].iloc[-1], LARGEST_SHIFT)
    ax.stairs(
        100 * inside["accuracy"],
        [*starts, end],
        baseline=None,
        color=GREEN,
        lw=1.6,
        label="every shift",
    )
    ax.set(xlim=(-LARGEST_SHIFT, LARGEST_SHIFT), ylim=(0, None))


@styled
def confusion_frame(
    curve: pd.DataFrame,
    delta: float,
    accuracy: float,
    confusion: np.ndarray,
    classes: Sequence[str],
    title: str,
) -> Figure:
    """Draw one shift: where it stands on the curve, and which class the images of each class get.

    Parameters
    ----------
    curve : DataFrame with columns low, high, accuracy
        The accuracy, a fraction, at every shift.
    delta, accuracy : float
        The shift and its accuracy, a dot.
    confusion : array of shape (classes, classes)
        Counts of images, by their class (rows) and the class that they get (columns).
    classes : sequence of str
        The names of the classes.
    title : str
        Which shift it is.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.8))
    _draw_steps(left, curve)
    left.plot([delta], [100 * accuracy], "ko", ms=8)
    left.set(title=title, xlabel="shift δ of the images", ylabel="accuracy, %")
    shares = confusion / confusion.sum(1, keepdims=True)
    drawn = right.imshow(100 * shares, cmap="cividis", vmin=0, vmax=100)
    right.set_xticks(range(len(classes)), classes)
    right.set_yticks(range(len(classes)), classes)
    right.set(xlabel="class that it gets", ylabel="digit in the image")
    right.set_title("Answers per digit, % of its row")
    right.spines[:].set_visible(False)
    fig.colorbar(drawn, ax=right, label="%", shrink=0.85)
    return fig


@styled
def gain_by_imbalance(table: pd.DataFrame) -> Figure:
    """Draw the gain by a shift over how lopsided the predictions were before.

    Parameters
    ----------
    table : DataFrame with columns imbalance, gain, kind
        Fractions; one row a task and model. Up to three kinds get a color and a mark each.
    """
    with from_extra("chapters", "this figure"):
        import seaborn as sns

    percent = table.assign(imbalance=100 * table["imbalance"], gain=100 * table["gain"])
    fig, ax = plt.subplots(figsize=(6.6, 3.6))
    ax.axhline(0, color=LINE_COLOR, lw=0.8)
    sns.scatterplot(
        percent,
        x="imbalance",
        y="gain",
        hue="kind",
        style="kind",
        palette=assign(table["kind"], GROUP_COLORS),
        markers=assign(table["kind"], "oDs"),
        s=49,
        linewidth=0,
        ax=ax,
    )
    ax.set(xlabel="answers in the wrong proportion, % of the images")
    ax.set(ylabel="gain by a shift, points")
    ax.legend()
    return fig
