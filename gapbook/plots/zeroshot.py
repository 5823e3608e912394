"""Figures of zero-shot classification under shift (chapter 5): accuracy, gains with intervals, confusion."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gapbook.plots.style import GROUPS, STYLE


def accuracy_by_shift(
    table: pd.DataFrame, points: pd.DataFrame, common: Mapping[str, float], columns: int = 3
) -> Figure:
    """Draw accuracy over the shift, a panel a task and a line a model: ``panel, line, delta, accuracy``.

    ``points`` has the same columns and ``kind``, "best" (open circle) or "honest" (dot), of single amounts; ``common``
    is the share of the largest class, by panel: a dashed line.
    """
    panels, names = list(table["panel"].unique()), list(table["line"].unique())
    rows = -(-len(panels) // columns)
    with plt.rc_context(STYLE):
        fig, grid = plt.subplots(
            rows, columns, figsize=(3.1 * columns + 1.4, 2.5 * rows), squeeze=False, sharex=True
        )
        for ax, panel in zip(grid.flat, panels, strict=False):
            ax.axvline(0, color="#999999", lw=0.8)
            ax.axhline(100 * common[panel], color="#777777", lw=1, ls="--")
            for name, color in zip(names, GROUPS, strict=False):
                rows_of = table[(table["panel"] == panel) & (table["line"] == name)]
                ax.plot(
                    rows_of["delta"], 100 * rows_of["accuracy"], color=color, lw=1.6, label=name
                )
                marks = points[(points["panel"] == panel) & (points["line"] == name)]
                for kind, fill, size in (("best", "none", 9), ("honest", color, 5)):
                    here = marks[marks["kind"] == kind]
                    ax.plot(
                        here["delta"],
                        100 * here["accuracy"],
                        "o",
                        mec=color,
                        mfc=fill,
                        ms=size,
                        lw=0,
                        zorder=3,
                    )
            ax.set(
                title=panel,
                ylim=(
                    0,
                    112 * max(table.loc[table["panel"] == panel, "accuracy"].max(), common[panel]),
                ),
            )
        for ax in grid[-1]:
            ax.set_xlabel("shift δ (positive: towards each other)")
        for ax in grid[:, 0]:
            ax.set_ylabel("accuracy, %")
        handles = [plt.Line2D([], [], color=color) for color, _ in zip(GROUPS, names, strict=False)]
        handles += [
            plt.Line2D([], [], color="k", marker="o", ls="", mfc=fill, ms=size)
            for fill, size in _MARKS
        ]
        handles.append(plt.Line2D([], [], color="#777777", lw=1, ls="--"))
        labels = [*names, "best of 40 here", "chosen elsewhere", "largest class"]
        fig.legend(handles, labels, loc="outside right upper", title="temperature", fontsize=9)
    return fig


_MARKS = (("none", 9), ("k", 5))


def gains_with_intervals(table: pd.DataFrame) -> Figure:
    """Draw what a shift gains, with its interval: columns ``panel, row, line, best, value, low, high, survives``.

    A dot is the gain at an amount chosen elsewhere, filled where it ``survives`` a correction for all tests, without a
    line where ``low`` and ``high`` are missing; a tick is the best of all amounts on the same images. Gains are
    fractions.
    """
    panels, rows, names = (list(table[column].unique()) for column in ("panel", "row", "line"))
    places = np.linspace(-0.25, 0.25, len(names))
    with plt.rc_context(STYLE):
        size = (2.6 + 3.5 * len(panels), 0.72 * len(rows) + 1.1)
        fig, axes = plt.subplots(
            1, len(panels), figsize=size, squeeze=False, sharey=True, sharex=True
        )
        for ax, panel in zip(axes[0], panels, strict=True):
            ax.axvline(0, color="#999999", lw=0.8)
            for name, place, color in zip(names, places, GROUPS, strict=False):
                here = (
                    table[(table["panel"] == panel) & (table["line"] == name)]
                    .set_index("row")
                    .loc[rows]
                )
                height = np.arange(len(rows)) + place
                ax.hlines(height, 100 * here["low"], 100 * here["high"], color=color, lw=1.4)
                ax.plot(100 * here["best"], height, "|", color="k", ms=15, mew=1.4)
                for x, y, survives in zip(
                    100 * here["value"], height, here["survives"], strict=True
                ):
                    ax.plot(x, y, "o", ms=6, mec=color, mew=1.5, mfc=color if survives else "w")
            ax.set(title=panel, xlabel="gain in accuracy, points")
        axes[0, 0].set_yticks(range(len(rows)), rows)
        axes[0, 0].invert_yaxis()
        handles = [
            plt.Line2D([], [], color=color, marker="o", ms=6)
            for color, _ in zip(GROUPS, names, strict=False)
        ]
        handles.append(plt.Line2D([], [], color="k", marker="|", ls="", ms=15, mew=1.4))
        handles.append(plt.Line2D([], [], color="k", marker="o", ls="", ms=6))
        labels = [*names, "best of 40 here", "survives correction"]
        fig.legend(handles, labels, loc="outside right upper", title="temperature", fontsize=9)
    return fig


def exact_curves(
    curves: Mapping[str, pd.DataFrame], grids: Mapping[str, pd.DataFrame], limit: float = 5.0
) -> Figure:
    """Draw accuracy at every shift as steps (``low, high, accuracy``), with a grid's ``delta, accuracy`` as dots."""
    with plt.rc_context(STYLE):
        fig, row = plt.subplots(1, len(curves), figsize=(4.3 * len(curves), 3.2), squeeze=False)
        for ax, (title, curve) in zip(row[0], curves.items(), strict=True):
            steps(ax, curve, limit)
            ax.plot(
                grids[title]["delta"],
                100 * grids[title]["accuracy"],
                "o",
                color="k",
                ms=3.5,
                label="grid of 40",
            )
            ax.set(title=title, xlabel="shift δ of the images")
        row[0, 0].set_ylabel("accuracy, %")
        row[0, 0].legend(fontsize=8)
    return fig


def steps(ax: Axes, curve: pd.DataFrame, limit: float) -> None:
    """Draw a step function between -limit and limit."""
    inside = curve[(curve["high"] > -limit) & (curve["low"] < limit)]
    edges = np.r_[inside["low"].clip(-limit), inside["high"].clip(upper=limit).iloc[-1]]
    ax.stairs(
        100 * inside["accuracy"], edges, baseline=None, color=GROUPS[0], lw=1.6, label="every shift"
    )
    ax.set(xlim=(-limit, limit), ylim=(0, None))


def confusion_frame(
    curve: pd.DataFrame,
    delta: float,
    accuracy: float,
    confusion: np.ndarray,
    classes: Sequence[str],
    title: str,
) -> Figure:
    """Draw one shift: where it stands on the exact curve, and which class (columns) the images of each class get."""
    with plt.rc_context(STYLE):
        fig, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.8))
        steps(left, curve, 5.0)
        left.plot([delta], [100 * accuracy], "o", color="k", ms=8)
        left.set(title=title, xlabel="shift δ of the images", ylabel="accuracy, %")
        shares = confusion / confusion.sum(1, keepdims=True)
        shown = right.imshow(100 * shares, cmap="cividis", vmin=0, vmax=100)
        right.set_xticks(range(len(classes)), classes)
        right.set_yticks(range(len(classes)), classes)
        right.set(
            xlabel="class that it gets",
            ylabel="digit in the image",
            title="Answers per digit, % of its row",
        )
        right.spines[:].set_visible(False)
        fig.colorbar(shown, ax=right, label="%", shrink=0.85)
    return fig


def gain_by_imbalance(table: pd.DataFrame) -> Figure:
    """Draw the gain over how lopsided the predictions were before: ``imbalance, gain, kind, row``, fractions."""
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(6.6, 3.6))
        ax.axhline(0, color="#999999", lw=0.8)
        for (kind, rows), color, mark in zip(
            table.groupby("kind", sort=False), GROUPS, "oDs", strict=False
        ):
            x, y = 100 * rows["imbalance"], 100 * rows["gain"]
            ax.plot(x, y, mark, color=color, ms=6, label=str(kind))
        ax.set(
            xlabel="answers in the wrong proportion, % of the images",
            ylabel="gain by a shift, points",
        )
        ax.legend()
    return fig
