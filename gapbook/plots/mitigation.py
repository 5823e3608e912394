"""Figures of ways to close the gap (chapter 7): what each gains and costs on unseen pairs."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gapbook.plots.style import (
    BLACK,
    GREEN,
    LEGEND_RIGHT,
    ORANGE,
    PURPLE,
    SKY,
    styled,
)

# The color of a mitigation is that of its kind: none, along the gap, each modality by itself,
# alignment of pairs, noise, correction of scores.
MITIGATION_MARKERS = {
    "none": (BLACK, "*"),
    "translation": (PURPLE, "o"),
    "rotation": (PURPLE, "s"),
    "gap direction out": (PURPLE, "^"),
    "2 dimensions out": (PURPLE, "v"),
    "centering": (GREEN, "o"),
    "standardizing": (GREEN, "s"),
    "Procrustes": (ORANGE, "D"),
    "noise": ("#888888", "X"),
    "NNN": (SKY, "P"),
}


@styled
def tradeoff_panels(
    summary: pd.DataFrame, against: Mapping[str, str], measure: str, label: str
) -> Figure:
    """Draw one measure over others for each mitigation, a row of panels for each source.

    Parameters
    ----------
    summary : DataFrame with columns source, measure, mitigation, mean, low, high
        Mitigations are those of ``MITIGATION_MARKERS``, and "none" must be one of them: a dotted
        line. Bars are the intervals of both measures.
    against : mapping of str to str
        The label of each horizontal axis, by measure.
    measure : str
        The measure on the vertical axes.
    label : str
        Their label.
    """
    sources = list(summary["source"].unique())
    fig, grid = plt.subplots(
        len(sources),
        len(against),
        figsize=(2.9 * len(against) + 1.9, 2.9 * len(sources)),
        squeeze=False,
        sharex="col",
        sharey="row",
    )
    for row, source in zip(grid, sources, strict=True):
        rows = summary[summary["source"] == source].set_index(["measure", "mitigation"])
        for ax, other in zip(row, against, strict=True):
            for name in rows.loc[measure].index:
                ends = rows[["mean", "low", "high"]]
                _draw_cross(ax, name, ends.loc[(other, name)], ends.loc[(measure, name)])
            untreated = rows.loc[(measure, "none"), "mean"]
            ax.axhline(untreated, color="k", lw=0.8, ls=":", zorder=0)
        row[0].set(ylabel=label, ylim=(0, None), title=source)
    for ax, text in zip(grid[-1], against.values(), strict=True):
        ax.set_xlabel(text)
    fig.legend(*grid[0, 0].get_legend_handles_labels(), loc=LEGEND_RIGHT, fontsize=9)
    return fig


def _draw_cross(ax: Axes, name: str, x: Sequence[float], y: Sequence[float]) -> None:
    """Draw the means of two measures with both intervals, each as mean, low, high."""
    color, marker = MITIGATION_MARKERS[name]
    x_mean, *x_ends = x
    y_mean, *y_ends = y
    ax.errorbar(
        [x_mean],
        [y_mean],
        xerr=np.abs(np.array(x_ends) - x_mean)[:, None],
        yerr=np.abs(np.array(y_ends) - y_mean)[:, None],
        fmt=marker,
        color=color,
        ms=6,
        label=name,
        elinewidth=0.7,
        ecolor=color,
        alpha=0.9,
    )
