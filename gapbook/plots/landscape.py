"""Figures of the loss over a shift of the modalities (chapter 4)."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gapbook.plots.pairs import clouds
from gapbook.plots.style import GROUPS, LINE, STYLE

WAY_STYLES: Any = {  # color and marker of each way to close a gap
    "as they are": ("#000000", "s"),
    "translate": (GROUPS[0], "o"),
    "center": (GROUPS[1], "D"),
    "rotate": (GROUPS[2], "^"),
}
DISTANCE = "distance of the means (negative: they have passed each other)"


def loss_curves(
    table: pd.DataFrame, given: Mapping[str, float], legend: str = "", columns: int = 2
) -> Figure:
    """Draw losses over the signed distance; columns ``panel, line, signed, loss``; dots mark the minima.

    ``given`` has the gap as it is, a dashed line, for each panel. Up to three lines get the colors of groups, more a
    sequence from dark to light.
    """
    panels, names = table["panel"].unique(), table["line"].unique()
    sequence = plt.get_cmap("viridis")(np.linspace(0, 0.9, len(names)))
    colors = dict(zip(names, GROUPS if len(names) <= 3 else sequence, strict=False))
    rows = -(-len(panels) // columns)
    with plt.rc_context(STYLE):
        fig, grid = plt.subplots(
            rows, columns, figsize=(4.6 * columns, 3.2 * rows + 0.4), squeeze=False
        )
        for ax, panel in zip(grid.flat, panels, strict=False):
            for name, line in table[table["panel"] == panel].groupby("line", sort=False):
                ax.plot(line["signed"], line["loss"], color=colors[name], lw=1.6, label=name)
                ax.plot(
                    *line.loc[line["loss"].idxmin(), ["signed", "loss"]],
                    "o",
                    color=colors[name],
                    ms=6,
                    mec="k",
                )
            ax.axvline(given[panel], color=LINE, ls="--", lw=1, zorder=0)
            ax.set(title=panel, ylim=(0, None), xlim=(2, -2))
        for ax in grid.flat[len(panels) :]:
            ax.set_axis_off()
        fig.supxlabel(DISTANCE, fontsize=10)
        fig.supylabel("loss (nats)", fontsize=10)
        handles, labels = grid[0, 0].get_legend_handles_labels()
        fig.legend(handles, labels, title=legend, loc="outside right upper")
    return fig


def losses_by_way(table: pd.DataFrame, panels: Mapping[str, str], sharex: bool = False) -> Figure:
    """Draw each way to close the gap with its interval; ``panels`` maps titles to measures.

    Columns ``source, way, measure, value, low, high``.
    """
    sources = table["source"].unique()
    with plt.rc_context(STYLE):
        fig, row = plt.subplots(
            1,
            len(panels),
            figsize=(9.4, 0.75 * len(sources) + 1.4),
            sharey=True,
            squeeze=False,
            sharex=sharex,
        )
        for ax, (title, measure) in zip(row[0], panels.items(), strict=True):
            for i, (way, lines) in enumerate(
                table[table["measure"] == measure].groupby("way", sort=False)
            ):
                color, marker = WAY_STYLES[way]
                at = [list(sources).index(source) + 0.18 * (i - 1.5) for source in lines["source"]]
                error = np.abs(lines[["low", "high"]].to_numpy().T - lines["value"].to_numpy())
                ax.errorbar(
                    lines["value"],
                    at,
                    xerr=error,
                    fmt=marker,
                    color=color,
                    ms=5,
                    capsize=3,
                    label=way,
                )
            ax.set(title=title, xlabel="symmetric loss (nats)", xlim=(0, None))
            ax.grid(axis="x", color="#dddddd")
        row[0, 0].set_yticks(range(len(sources)), sources)
        row[0, 0].invert_yaxis()
        handles, labels = row[0, 0].get_legend_handles_labels()
        fig.legend(handles, labels, loc="outside lower center", ncols=4)
    return fig


def shift_frame(a: np.ndarray, b: np.ndarray, curve: pd.DataFrame, at: int, title: str) -> Figure:
    """Draw moved pairs as points ``(n, 2)`` in fixed axes, and beside them where they are on the loss ``curve``."""
    with plt.rc_context(STYLE):
        fig, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
        clouds(left, a, b, size=12)
        left.set(xlim=(-1, 1), ylim=(-0.8, 0.8), title=title)
        left.set(xlabel="along the gap (cosine units)", ylabel="first component of the rest")
        left.legend(loc="lower left", markerscale=1.5, fontsize=8)
        right.plot(curve["signed"], curve["loss"], color=GROUPS[0], label="at 1/100")
        right.plot(
            curve["signed"],
            curve["retuned"],
            "--",
            color=GROUPS[1],
            label="at the best temperature",
        )
        for column, color in (("loss", GROUPS[0]), ("retuned", GROUPS[1])):
            right.plot(*curve.iloc[at][["signed", column]], "o", color=color, mec="k", ms=8)
        right.set(
            xlim=(2, -2),
            ylim=(0, None),
            xlabel="signed distance of the means",
            ylabel="symmetric loss (nats)",
        )
        right.legend(fontsize=8)
    return fig
