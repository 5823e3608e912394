"""Figures of chapter 5 on counts: rates by group with intervals, and what a paired test may find."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gapbook.plots.style import STYLE

MARKS = "ovs^D"
PERCENT = (0, 1, 5, 10, 20, 40, 60, 80, 100)
SETS = {  # color and line of each data set
    "CIFAR10": ("#000000", "-"),
    "CIFAR100": ("#009E73", "--"),
    "EuroSAT": ("#CC79A7", "-."),
    "SVHN": ("#56B4E9", "-"),
}


def group_rates(
    table: pd.DataFrame, printed: pd.DataFrame | None = None, label: str = "rate, %"
) -> Figure:
    """Draw the rate of each group, with its interval, for each shift: columns ``panel, group, shift, rate, low, high``.

    Rates are fractions. The axis goes by the square root, on which binomial intervals are about equally long. Shifts
    stand in their order in the table, at most five; ``printed`` (``panel, group, shift, rate``) are open circles.
    """
    panels, groups, shifts = (
        list(table[column].unique()) for column in ("panel", "group", "shift")
    )
    places = np.linspace(-0.3, 0.3, len(shifts))
    colors = plt.get_cmap("viridis")(np.linspace(0, 0.88, len(shifts)))
    with plt.rc_context(STYLE):
        size = (2 + 3.2 * len(panels), 0.62 * len(groups) + 1.2)
        fig, row = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
        for ax, panel in zip(row[0], panels, strict=True):
            here = table[table["panel"] == panel]
            for shift, place, color, mark in zip(shifts, places, colors, MARKS, strict=False):
                rows = here[here["shift"] == shift].set_index("group").reindex(groups)
                height = np.arange(len(groups)) + place
                ax.hlines(height, 100 * rows["low"], 100 * rows["high"], color=color, lw=1.4)
                ax.plot(
                    100 * rows["rate"],
                    height,
                    mark,
                    color=color,
                    ms=4.5,
                    label=str(shift),
                    clip_on=False,
                )
                if printed is not None:
                    told = printed[
                        (printed["panel"] == panel) & (printed["shift"] == shift)
                    ].set_index("group")
                    ax.plot(
                        100 * told["rate"].reindex(groups),
                        height,
                        "o",
                        mfc="none",
                        mec="k",
                        ms=8,
                        mew=0.8,
                        clip_on=False,
                    )
            _root_axis(ax, 100 * here["high"].max())
            ax.set(title=panel, xlabel=f"{label}\n(square-root axis)")
        row[0, 0].set_yticks(range(len(groups)), groups)
        row[0, 0].invert_yaxis()
        _legend(fig, row[0, 0], printed is not None)
    return fig


def _root_axis(ax: Axes, most: float) -> None:
    ax.set_xscale("function", functions=(lambda v: np.sqrt(np.clip(v, 0, None)), np.square))
    ax.set_xlim(0, 1.05 * most)
    ticks = [tick for tick in PERCENT if tick <= 1.05 * most]
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.grid(axis="x", color="#dddddd")


def _legend(fig: Figure, ax: Axes, printed: bool) -> None:
    handles: list[Any] = ax.get_legend_handles_labels()[0]
    if printed:
        handles.append(
            plt.Line2D([], [], ls="", marker="o", mfc="none", mec="k", ms=8, label="printed")
        )
    fig.legend(handles=handles, loc="outside right upper", title="shift δ", fontsize=9)


def paired_by_changes(curves: pd.DataFrame, marks: pd.DataFrame) -> Figure:
    """Draw McNemar's p over the share of images that changed sides, both axes logarithmic.

    ``curves`` has the columns ``panel, name, share, p``, one row for each possible share. ``marks`` has one row a name:
    ``panel, name, share, p``, the unpaired test, drawn where as many change sides as if both models erred
    independently, and ``printed``, an open circle unless missing.
    """
    panels = list(curves["panel"].unique())
    with plt.rc_context(STYLE):
        size = (1.8 + 4 * len(panels), 3.5)
        fig, row = plt.subplots(
            1, len(panels), figsize=size, sharey=True, sharex=True, squeeze=False
        )
        for ax, panel in zip(row[0], panels, strict=True):
            for name, line in curves[curves["panel"] == panel].groupby("name", sort=False):
                color, dash = SETS[str(name)]
                ax.plot(100 * line["share"], line["p"], dash, color=color, lw=1.6, label=name)
            for mark in marks[marks["panel"] == panel].itertuples():
                ax.plot(100 * mark.share, mark.p, "o", color=SETS[str(mark.name)][0], ms=5)
                ax.plot(100 * mark.share, mark.printed, "o", mfc="none", mec="k", ms=10)
            ax.axhline(0.05, color="k", lw=0.8, ls=":")
            ax.set(
                title=panel,
                xlabel="images that changed sides, %",
                xscale="log",
                yscale="log",
                ylim=(1e-9, 2),
            )
            ax.set_xticks([0.1, 1, 10], ["0.1", "1", "10"])
        row[0, 0].set_ylabel("p")
        lines = {
            name: plt.Line2D([], [], color=color, ls=dash) for name, (color, dash) in SETS.items()
        }
        lines["unpaired test"] = plt.Line2D([], [], color="#777777", ls="", marker="o", ms=5)
        lines["printed"] = plt.Line2D([], [], ls="", marker="o", mfc="none", mec="k", ms=10)
        fig.legend(list(lines.values()), list(lines), loc="outside right upper", fontsize=9)
    return fig
