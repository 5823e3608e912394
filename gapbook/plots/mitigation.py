"""Figures of ways to close the gap (chapter 6): what each gains and costs on pairs it has not seen."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gapbook.plots.style import GROUPS, STYLE

MARKS = {  # color by kind: none, along the gap, each modality by itself, alignment of pairs, noise, scores
    "none": ("#000000", "*"),
    "translation": (GROUPS[1], "o"),
    "rotation": (GROUPS[1], "s"),
    "gap direction out": (GROUPS[1], "^"),
    "2 dimensions out": (GROUPS[1], "v"),
    "centering": (GROUPS[0], "o"),
    "standardizing": (GROUPS[0], "s"),
    "Procrustes": ("#E69F00", "D"),
    "noise": ("#888888", "X"),
    "NNN": (GROUPS[2], "P"),
}


def tradeoff_panels(
    summary: pd.DataFrame, against: Mapping[str, str], measure: str, label: str
) -> Figure:
    """Draw one measure over others, one row a source; ``summary`` as from `with_intervals`, with a column source.

    ``against`` maps each measure on a horizontal axis to that axis's label. Bars are the intervals of both measures;
    the dotted line is where nothing is done.
    """
    sources = list(summary["source"].unique())
    with plt.rc_context(STYLE):
        size = (2.9 * len(against) + 1.9, 2.9 * len(sources))
        fig, grid = plt.subplots(
            len(sources), len(against), figsize=size, squeeze=False, sharex="col", sharey="row"
        )
        for row, source in zip(grid, sources, strict=True):
            table = summary[summary["source"] == source].set_index(["measure", "mitigation"])
            for ax, other in zip(row, against, strict=True):
                for name in table.loc[measure].index:
                    x, y = (
                        table.loc[(key, name), ["mean", "low", "high"]].to_numpy(float)
                        for key in (other, measure)
                    )
                    color, mark = MARKS[name]
                    bars: Any = {"elinewidth": 0.7, "ecolor": color, "alpha": 0.9}
                    ends = [np.abs(side[1:] - side[0])[:, None] for side in (x, y)]
                    ax.errorbar(
                        x[:1], y[:1], ends[1], ends[0], mark, color=color, ms=6, label=name, **bars
                    )
                ax.axhline(
                    table.loc[(measure, "none"), "mean"], color="k", lw=0.8, ls=":", zorder=0
                )
            row[0].set(ylabel=label, ylim=(0, None))
            row[0].set_title(source)
        for ax, text in zip(grid[-1], against.values(), strict=True):
            ax.set_xlabel(text)
        fig.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside right upper", fontsize=9)
    return fig
