"""Figures of zero-shot classification under shift (chapter 6): accuracy, gains and confusion."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gapbook.extras import from_extra
from gapbook.plots.labels import colors_of, ordered
from gapbook.plots.style import (
    GREEN,
    GROUP_COLORS,
    LEGEND_RIGHT,
    LINE_COLOR,
    assign,
    panel_grid,
    styled,
)

# How chosen amounts are marked: filled or not, and the size of the circle.
BEST: dict[str, Any] = {"mfc": "none", "ms": 9}
CHOSEN_ELSEWHERE: dict[str, Any] = {"ms": 5}

BASELINE_COLOR = "#777777"
TICK: dict[str, Any] = {"marker": "|", "color": "k", "ms": 15, "mew": 1.4}

# Beyond so large a shift hardly an answer changes.
LARGEST_SHIFT = 5.0


@styled
def accuracy_by_shift(
    evaluated: pd.DataFrame, deltas: Sequence[float], largest_class: Mapping[str, float]
) -> Figure:
    """Draw accuracy over the shift, a panel a task and a line a model.

    An open circle marks the best of all amounts on the images that are shown, a dot the amount that
    was chosen on others.

    Parameters
    ----------
    evaluated : DataFrame
        Rows of ``gapbook.zeroshot.evaluate_tasks``, one a task and model, with the column tau, the
        label of the model's temperature.
    deltas : sequence of m floats
        The amounts of shift.
    largest_class : mapping of str to float
        The share of the largest class, by task: a dashed line.
    """
    with from_extra("chapters", "this figure"):
        import seaborn as sns

    tasks = list(evaluated["task"].unique())
    colors = colors_of(ordered(evaluated["tau"]))
    fig, grid = panel_grid(len(tasks), (3.5, 2.4), beside=1.8, sharex=True)
    for ax, task in zip(grid.flat, tasks, strict=False):
        here = evaluated[evaluated["task"] == task]
        baseline = largest_class[task]
        ax.axvline(0, color=LINE_COLOR, lw=0.8)
        ax.axhline(100 * baseline, color=BASELINE_COLOR, lw=1, ls="--")
        curves = pd.concat(
            pd.DataFrame({"tau": row.tau, "delta": deltas, "accuracy": 100 * row.accuracies})
            for row in here.itertuples()
        )
        line: dict[str, Any] = {"errorbar": None, "lw": 1.6, "legend": False}
        sns.lineplot(curves, x="delta", y="accuracy", hue="tau", palette=colors, ax=ax, **line)
        for row in here.itertuples():
            _mark_amounts(ax, row, list(deltas), colors[row.tau])
        top = max(curves["accuracy"].max(), 100 * baseline)
        ax.set(
            title=f"{task}, n = {here['n'].iloc[0]:,}", ylim=(0, 1.12 * top), xlabel="", ylabel=""
        )
    for ax in grid[-1]:
        ax.set_xlabel("shift d of both sides (positive: together)")
    for ax in grid[:, 0]:
        ax.set_ylabel("accuracy, %")
    handles = [plt.Line2D([], [], color=color) for color in colors.values()]
    for style in (BEST, CHOSEN_ELSEWHERE):
        handles.append(plt.Line2D([], [], color="k", marker="o", ls="", **style))
    handles.append(plt.Line2D([], [], color=BASELINE_COLOR, lw=1, ls="--"))
    labels = [*colors, "best of 40 here", "chosen elsewhere", "largest class"]
    fig.legend(handles, labels, loc=LEGEND_RIGHT, title="temperature", fontsize=9)
    return fig


def _mark_amounts(ax: Axes, row: Any, deltas: list[float], color: str) -> None:
    """Mark the best amount of one model and the one chosen elsewhere."""
    for delta, style in ((row.best_delta, BEST), (row.delta, CHOSEN_ELSEWHERE)):
        accuracy = 100 * row.accuracies[deltas.index(delta)]
        ax.plot([delta], [accuracy], "o", color=color, zorder=3, **style)


@styled
def gains_with_intervals(evaluated: pd.DataFrame) -> Figure:
    """Draw what a shift gains, with its interval, a row a task and a panel a kind of class text.

    A dot is the gain at an amount chosen elsewhere, filled where it survives a correction for all
    tests, with its interval. It has none where no shift was chosen. A tick is the gain of the best
    of all amounts on the same images.

    Parameters
    ----------
    evaluated : DataFrame
        Rows of ``gapbook.zeroshot.evaluate_tasks`` with the columns tau, the label of the model's
        temperature, and survives.
    """
    with from_extra("chapters", "this figure"):
        import seaborn as sns

    kinds = list(evaluated["texts"].unique())
    tasks = list(evaluated["task"].unique())
    colors = colors_of(ordered(evaluated["tau"]))
    offsets = dict(zip(colors, np.linspace(-0.25, 0.25, len(colors)), strict=True))
    size = (2.6 + 3.5 * len(kinds), 0.72 * len(tasks) + 1.1)
    fig, axes = plt.subplots(1, len(kinds), figsize=size, squeeze=False, sharey=True, sharex=True)
    for ax, kind in zip(axes[0], kinds, strict=True):
        here = evaluated[evaluated["texts"] == kind]
        rows = pd.DataFrame(
            {
                "height": here["task"].map(tasks.index) + here["tau"].map(offsets),
                "tau": here["tau"],
                "survives": here["survives"],
                "gain": 100 * here["difference"],
                "best": 100 * here["best_gain"],
                "low": 100 * here["low"],
                "high": 100 * here["high"],
            }
        )
        moved = rows[here["delta"] != 0]
        ax.axvline(0, color=LINE_COLOR, lw=0.8)
        shades = moved["tau"].map(colors)
        ax.hlines(moved["height"], moved["low"], moved["high"], color=shades, lw=1.4)
        ax.plot(rows["best"], rows["height"], ls="", **TICK)
        dots: dict[str, Any] = {"hue": "tau", "palette": colors, "s": 40, "legend": False}
        sns.scatterplot(rows, x="gain", y="height", linewidth=0, zorder=3, ax=ax, **dots)
        # white within, where a gain does not survive
        hollow = rows[~rows["survives"]]
        ax.scatter(hollow["gain"], hollow["height"], s=14, color="w", linewidth=0, zorder=4)
        ax.set(title=kind, xlabel="gain in accuracy, points", ylabel="")
    axes[0, 0].set_yticks(range(len(tasks)), tasks)
    axes[0, 0].invert_yaxis()
    handles = [plt.Line2D([], [], color=color, marker="o", ms=6) for color in colors.values()]
    handles.append(plt.Line2D([], [], ls="", **TICK))
    handles.append(plt.Line2D([], [], color="k", marker="o", ls="", ms=6))
    labels = [*colors, "best of 40 here", "survives correction"]
    fig.legend(handles, labels, loc=LEGEND_RIGHT, title="temperature", fontsize=9)
    return fig


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
    with from_extra("chapters", "this figure"):
        import seaborn as sns

    fig, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.8))
    _draw_steps(left, curve)
    left.plot([delta], [100 * accuracy], "ko", ms=8)
    left.set(title=title, xlabel="shift δ of the images", ylabel="accuracy, %")
    shares = confusion / confusion.sum(1, keepdims=True)
    names = list(classes)
    percent = pd.DataFrame(100 * shares, names, names)
    bar: dict[str, Any] = {"label": "%", "shrink": 0.85}
    sns.heatmap(percent, vmin=0, vmax=100, cmap="cividis", square=True, ax=right, cbar_kws=bar)
    right.tick_params(length=0, rotation=0)
    right.set(xlabel="class that it gets", ylabel="digit in the image")
    right.set_title("Answers per digit, % of its row")
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
