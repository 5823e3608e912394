"""Figures of the loss over a shift of the modalities (chapter 4)."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gapbook.plots.labels import TEMPERATURES
from gapbook.plots.pairs import clouds
from gapbook.plots.style import (
    BLACK,
    GREEN,
    GRID_COLOR,
    GROUP_COLORS,
    LINE_COLOR,
    PURPLE,
    SKY,
    interval_bars,
    leaves_place,
    legend_place,
    panel_grid,
    styled,
)
from gapbook.plots.training import DASHED, DOTTED, SOLID, Dashes, line_styles
from gapbook.projections import GAP_VIEW_LABELS

# The color and the marker of each way to close a gap, and of none.
MITIGATION_STYLES = {
    "as they are": (BLACK, "s"),
    "translate": (GREEN, "o"),
    "center": (PURPLE, "D"),
    "rotate": (SKY, "^"),
}

SIGNED_DISTANCE = "distance of the means (negative: they have passed each other)"

# Means of unit rows lie at most 2 apart. The axis falls: to the right, the gap closes.
SIGNED_LIMITS = (2, -2)

# The dashes of up to three lines that have the colors of groups.
GROUP_DASHES: tuple[Dashes, ...] = (SOLID, DASHED, DOTTED)


@styled
def loss_curves(
    table: pd.DataFrame,
    present: Mapping[str, float],
    legend_title: str = "",
) -> Figure:
    """Draw losses over the signed distance of the means, with a dot at the minimum of each line.

    Parameters
    ----------
    table : DataFrame with columns panel, line, signed, loss
        Temperatures have colors and dashes of their own. Up to three other lines get the colors of
        groups, more a sequence from light to dark.
    present : mapping of str to float
        The gap of the pairs as they are, a dashed line, by panel.
    legend_title : str
        What tells the lines apart.
    """
    panels = table["panel"].unique()
    styles = _line_styles(list(table["line"].unique()))
    beside = 0 if leaves_place(len(panels)) else 1.4
    fig, grid = panel_grid(len(panels), (3.9, 3), beside=beside)
    for ax, panel in zip(grid.flat, panels, strict=False):
        for name, line in table[table["panel"] == panel].groupby("line", sort=False):
            color, dashes = styles[name]
            ax.plot(line["signed"], line["loss"], color=color, lw=1.6, label=name, dashes=dashes)
            lowest = line.loc[line["loss"].idxmin()]
            ax.plot(lowest["signed"], lowest["loss"], "o", color=color, ms=6, mec="k")
        ax.axvline(present[panel], color=LINE_COLOR, ls="--", lw=1, zorder=0)
        ax.set(title=panel, ylim=(0, None), xlim=SIGNED_LIMITS)
    fig.supxlabel(SIGNED_DISTANCE, fontsize=10)
    fig.supylabel("loss (nats)", fontsize=10)
    handles, labels = grid[0, 0].get_legend_handles_labels()
    handles.append(plt.Line2D([], [], color="w", marker="o", mec="k", ls="", ms=6))
    handles.append(plt.Line2D([], [], color=LINE_COLOR, ls="--", lw=1))
    labels += ["minimum", "present gap"]
    # Long enough for the dashes to show.
    fig.legend(handles, labels, title=legend_title, handlelength=3, **legend_place(len(panels)))
    return fig


def _line_styles(names: Sequence[Any]) -> dict[Any, tuple[Any, Dashes]]:
    """Return color and dashes of each line: temperatures have their own."""
    styles = line_styles([str(name) for name in names])
    if len(names) <= len(GROUP_DASHES) and not set(styles) <= set(TEMPERATURES):
        of_groups = zip(GROUP_COLORS, GROUP_DASHES, strict=False)
        return dict(zip(names, of_groups, strict=False))
    return dict(zip(names, styles.values(), strict=True))


@styled
def loss_by_mitigation(table: pd.DataFrame, panels: Mapping[str, str]) -> Figure:
    """Draw the loss that each way to close the gap leaves, with its interval.

    Parameters
    ----------
    table : DataFrame with columns source, mitigation, measure, value, low, high
        Mitigations are those of ``MITIGATION_STYLES``.
    panels : mapping of str to str
        The measure in each panel, by title.
    """
    sources = list(table["source"].unique())
    size = (9.4, 0.75 * len(sources) + 1.4)
    fig, row = plt.subplots(1, len(panels), figsize=size, sharey=True, squeeze=False)
    for ax, (title, measure) in zip(row[0], panels.items(), strict=True):
        _draw_mitigations(ax, table[table["measure"] == measure], sources)
        ax.set(title=title, xlabel="symmetric loss (nats)", xlim=(0, None))
        ax.grid(axis="x", color=GRID_COLOR)
    row[0, 0].set_yticks(range(len(sources)), sources)
    row[0, 0].invert_yaxis()
    handles, labels = row[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=4)
    return fig


def _draw_mitigations(ax: Axes, table: pd.DataFrame, sources: Sequence[str]) -> None:
    """Draw the values of one measure, those of one source around its row."""
    for i, (name, rows) in enumerate(table.groupby("mitigation", sort=False)):
        color, marker = MITIGATION_STYLES[str(name)]
        heights = [sources.index(source) + 0.18 * (i - 1.5) for source in rows["source"]]
        ax.errorbar(
            rows["value"],
            heights,
            xerr=interval_bars(rows),
            fmt=marker,
            color=color,
            ms=5,
            capsize=3,
            label=name,
        )


@styled
def shift_frame(
    a: np.ndarray, b: np.ndarray, curve: pd.DataFrame, position: int, title: str
) -> Figure:
    """Draw shifted pairs in fixed axes, and beside them where they are on the loss.

    Parameters
    ----------
    a, b : array of shape (n, 2)
        The places of images and of texts, as from ``project``.
    curve : DataFrame with columns signed, loss, retuned
        The loss at temperature 1/100 and at the best temperature, over the signed distance.
    position : int
        The row of the curve where these pairs are.
    title : str
        Which shift it is.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
    clouds(left, a, b, size=12)
    left.set(xlim=(-1, 1), ylim=(-0.8, 0.8), title=title)
    left.set(xlabel=GAP_VIEW_LABELS[0], ylabel=GAP_VIEW_LABELS[1])
    left.legend(loc="lower left", markerscale=1.5, fontsize=8)
    for column, color, dash, label in (
        ("loss", GREEN, "-", "at 1/100"),
        ("retuned", PURPLE, "--", "at the best temperature"),
    ):
        right.plot(curve["signed"], curve[column], dash, color=color, label=label)
        here = curve.iloc[position]
        right.plot(here["signed"], here[column], "o", color=color, mec="k", ms=8)
    right.set(xlabel="signed distance of the means", xlim=SIGNED_LIMITS)
    right.set(ylabel="symmetric loss (nats)", ylim=(0, None))
    right.legend(fontsize=8)
    return fig
