"""Figures of ways to close the gap (chapter 8): what each gains and costs on unseen pairs."""

from collections.abc import Mapping
from typing import Any

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
    """Draw one measure over others for each mitigation, a column of panels for each source.

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
        len(against),
        len(sources),
        figsize=(3.4 * len(sources) + 1.9, 2.8 * len(against)),
        squeeze=False,
        sharex="row",
        sharey="col",
    )
    for column, source in zip(grid.T, sources, strict=True):
        rows = summary[summary["source"] == source].set_index(["measure", "mitigation"])
        upward = rows.loc[measure]
        for ax, other in zip(column, against, strict=True):
            _draw_marks(ax, rows.loc[other].loc[upward.index], upward)
            ax.axhline(upward["mean"]["none"], color="k", lw=0.8, ls=":", zorder=0)
        column[0].set(ylim=(0, None), title=source)
    for row, text in zip(grid, against.values(), strict=True):
        row[0].set_ylabel(label)
        for ax in row:
            ax.set_xlabel(text)
    fig.legend(*grid[0, 0].get_legend_handles_labels(), loc=LEGEND_RIGHT, fontsize=9)
    for ax in grid.flat:
        ax.get_legend().remove()
    return fig


def _draw_marks(ax: Axes, across: pd.DataFrame, upward: pd.DataFrame) -> None:
    """Draw a mark for each mitigation, with the intervals of both measures."""
    import seaborn as sns

    names = list(upward.index)
    colors = {name: MITIGATION_MARKERS[name][0] for name in names}
    # Matplotlib takes a color for each bar, which its types do not know.
    of_bars: Any = list(colors.values())
    ends = [
        np.abs(rows[["low", "high"]].to_numpy() - rows[["mean"]].to_numpy()).T
        for rows in (across, upward)
    ]
    ax.errorbar(
        across["mean"],
        upward["mean"],
        xerr=ends[0],
        yerr=ends[1],
        fmt="none",
        ecolor=of_bars,
        elinewidth=0.7,
    )
    sns.scatterplot(
        x=across["mean"].to_numpy(),
        y=upward["mean"].to_numpy(),
        hue=names,
        style=names,
        palette=colors,
        markers={name: MITIGATION_MARKERS[name][1] for name in names},
        s=45,
        zorder=3,
        ax=ax,
    )
