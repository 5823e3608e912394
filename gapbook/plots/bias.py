"""Figures of counts (chapter 6): rates by group with intervals, and what a paired test may find."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from gapbook.extras import from_extra
from gapbook.plots.style import (
    BLACK,
    GREEN,
    GRID_COLOR,
    LEGEND_RIGHT,
    PANELS_IN_A_ROW,
    PURPLE,
    SKY,
    assign,
    leaves_place,
    legend_place,
    panel_grid,
    styled,
)

# The marks of up to five shifts.
SHIFT_MARKERS = "ovs^D"

# Where a square-root axis has ticks, in percent.
PERCENT_TICKS = (0, 1, 5, 10, 20, 40, 60, 80, 100)

# The color and the line of each data set.
DATA_SET_STYLES = {
    "CIFAR10": (BLACK, "-"),
    "CIFAR100": (GREEN, "--"),
    "EuroSAT": (PURPLE, "-."),
    "SVHN": (SKY, "-"),
}

# Values that the authors printed are open circles around the computed ones.
PRINTED: dict[str, Any] = {"marker": "o", "ls": "", "mfc": "none", "mec": "k"}


@styled
def group_rates(
    table: pd.DataFrame, printed: pd.DataFrame | None = None, label: str = "rate, %"
) -> Figure:
    """Draw the rate of each group for each shift, with its interval.

    The axis goes by the square root, on which binomial intervals are about equally long. Panels
    beside each other show the groups that one of them has.

    Parameters
    ----------
    table : DataFrame with columns panel, group, shift, rate, low, high
        Rates are fractions. Shifts stand in their order in the table, at most five of them.
    printed : DataFrame with columns panel, group, shift, rate, optional
        What the authors printed, open circles.
    label : str
        What the rates are.
    """
    with from_extra("chapters", "this figure"):
        import seaborn as sns

    panels = list(table["panel"].unique())
    shifts = list(table["shift"].unique())
    marks = assign(shifts, SHIFT_MARKERS)
    offsets = np.linspace(-0.3, 0.3, len(shifts))
    shades = plt.get_cmap("viridis")(np.linspace(0, 0.88, len(shifts)))
    colors = dict(zip(shifts, map(to_hex, shades), strict=True))
    groups_of = _groups_by_panel(table)
    fig, grid = _rate_panels([len(groups_of[panel]) for panel in panels])
    for ax, panel in zip(grid.flat, panels, strict=False):
        here = table[table["panel"] == panel]
        groups = groups_of[panel]
        for shift, offset in zip(shifts, offsets, strict=True):
            rows = here[here["shift"] == shift].set_index("group").reindex(groups)
            rows = rows.assign(height=np.arange(len(groups)) + offset, percent=100 * rows["rate"])
            ends = 100 * rows[["low", "high"]]
            ax.hlines(rows["height"], ends["low"], ends["high"], color=colors[shift], lw=1.4)
            if printed is not None:
                reported = printed[(printed["panel"] == panel) & (printed["shift"] == shift)]
                rates = reported.set_index("group")["rate"].reindex(groups)
                ax.plot(100 * rates, rows["height"], ms=8, mew=0.8, clip_on=False, **PRINTED)
            dots: dict[str, Any] = {"color": colors[shift], "marker": marks[shift], "s": 26}
            dots |= {"label": str(shift), "legend": False, "linewidth": 0, "clip_on": False}
            sns.scatterplot(rows, x="percent", y="height", zorder=3, ax=ax, **dots)
        _set_root_axis(ax, 100 * here["high"].max())
        ax.set(title=panel, xlabel=f"{label}\n(square-root axis)", ylabel="")
    for row, panel in zip(grid, panels[:: grid.shape[1]], strict=True):
        row[0].set_yticks(range(len(groups_of[panel])), groups_of[panel])
        row[0].invert_yaxis()
    handles: list[Any] = grid[0, 0].get_legend_handles_labels()[0]
    if printed is not None:
        handles.append(plt.Line2D([], [], ms=8, label="printed", **PRINTED))
    fig.legend(handles=handles, title="shift δ", fontsize=9, **legend_place(len(panels)))
    return fig


def _groups_by_panel(table: pd.DataFrame) -> dict[Any, list[Any]]:
    """Return the groups that each panel shows: all that it or the one beside it has."""
    panels = list(table["panel"].unique())
    groups_of: dict[Any, list[Any]] = {}
    for first in range(0, len(panels), PANELS_IN_A_ROW):
        row = panels[first : first + PANELS_IN_A_ROW]
        groups = list(table.loc[table["panel"].isin(row), "group"].unique())
        groups_of |= dict.fromkeys(row, groups)
    return groups_of


def _rate_panels(numbers: list[int]) -> tuple[Figure, np.ndarray]:
    """Return panels as high as their numbers of groups ask for."""
    heights = [0.52 * number + 1.1 for number in numbers[::PANELS_IN_A_ROW]]
    panel_size = (3.3, float(np.mean(heights)))
    beside = 0.6 if leaves_place(len(numbers)) else 2
    options: dict[str, Any] = {"sharey": "row", "gridspec_kw": {"height_ratios": heights}}
    return panel_grid(len(numbers), panel_size, beside=beside, **options)


def _set_root_axis(ax: Axes, largest: float) -> None:
    """Give the horizontal axis a square-root scale from 0 to just beyond the largest percentage."""
    end = 1.05 * largest
    ax.set_xscale("function", functions=(lambda v: np.sqrt(np.clip(v, 0, None)), np.square))
    ax.set_xlim(0, end)
    ticks = [tick for tick in PERCENT_TICKS if tick <= end]
    ax.set_xticks(ticks, [str(tick) for tick in ticks])
    ax.grid(axis="x", color=GRID_COLOR)


@styled
def paired_p_by_changes(curves: pd.DataFrame, marks: pd.DataFrame) -> Figure:
    """Draw McNemar's p over the share of images that changed sides, both axes logarithmic.

    Parameters
    ----------
    curves : DataFrame with columns panel, name, share, p
        One row for each possible share, a fraction. Names are those of ``DATA_SET_STYLES``.
    marks : DataFrame with columns panel, name, share, p, printed
        One row a name: the unpaired test, drawn where as many images change sides as if both models
        erred independently, and the printed p, an open circle where it is not missing.
    """
    panels = list(curves["panel"].unique())
    fig, grid = panel_grid(len(panels), (3.6, 3.5), beside=1.8, sharey=True)
    for ax, panel in zip(grid.flat, panels, strict=False):
        for name, line in curves[curves["panel"] == panel].groupby("name", sort=False):
            color, dash = DATA_SET_STYLES[str(name)]
            ax.plot(100 * line["share"], line["p"], dash, color=color, lw=1.6, label=name)
        for mark in marks[marks["panel"] == panel].to_dict("records"):
            color, _ = DATA_SET_STYLES[mark["name"]]
            ax.plot(100 * mark["share"], mark["p"], "o", color=color, ms=5)
            ax.plot(100 * mark["share"], mark["printed"], ms=10, **PRINTED)
        ax.axhline(0.05, color="k", lw=0.8, ls=":")
        ax.set(title=panel, xlabel="images that changed sides, %", xscale="log")
        ax.set(yscale="log", ylim=(1e-9, 2))
        ax.set_xticks([0.1, 1, 10], ["0.1", "1", "10"])
    for row in grid:
        row[0].set_ylabel("p")
    lines = {
        name: plt.Line2D([], [], color=color, ls=dash)
        for name, (color, dash) in DATA_SET_STYLES.items()
    }
    lines["unpaired test"] = plt.Line2D([], [], color="#777777", ls="", marker="o", ms=5)
    lines["printed"] = plt.Line2D([], [], ms=10, **PRINTED)
    fig.legend(list(lines.values()), list(lines), loc=LEGEND_RIGHT, fontsize=9)
    return fig
