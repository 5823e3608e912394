"""Figures of ways to close the gap (chapter 8): what each gains and costs on unseen pairs."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gapbook.plots.style import (
    BLACK,
    GREEN,
    GRID_COLOR,
    GROUP_COLORS,
    LINE_COLOR,
    assign,
    interval_bars,
    styled,
)

# The color and the mark of each source, in their order.
SOURCE_LOOKS = ((BLACK, "^"), (GREEN, "o"))

# The part of the distance between two rows by which marks of the sources stand apart.
DODGE = 0.36


@styled
def mitigation_panels(summary: pd.DataFrame, measures: Mapping[str, str]) -> Figure:
    """Draw a row for each mitigation, with a panel for each measure.

    Parameters
    ----------
    summary : DataFrame with columns source, measure, mitigation, mean, low, high
        Up to two sources. "none" must be one of the mitigations: dotted lines show its means. Bars
        are intervals.
    measures : mapping of str to str
        The label of each panel, by measure. Mitigations with a larger mean of the first measure
        over all sources stand higher.
    """
    looks = assign(summary["source"], SOURCE_LOOKS)
    first = next(iter(measures))
    by_first = summary[summary["measure"] == first].groupby("mitigation")["mean"].mean()
    order = list(by_first.sort_values(ascending=False, kind="stable").index)
    fig, panels = plt.subplots(
        1,
        len(measures),
        figsize=(2.0 * len(measures) + 1.4, 0.36 * len(order) + 1.2),
        squeeze=False,
        sharey=True,
    )
    for ax, (measure, words) in zip(panels[0], measures.items(), strict=True):
        of_measure = summary[summary["measure"] == measure]
        for number, (source, look) in enumerate(looks.items()):
            rows = of_measure[of_measure["source"] == source].set_index("mitigation").loc[order]
            apart = DODGE * (number - (len(looks) - 1) / 2)
            _draw_marks(ax, rows, apart, look, str(source))
        ax.set_xlabel(words)
        ax.set_xlim(left=min(0, ax.get_xlim()[0]))
        ax.grid(axis="y", color=GRID_COLOR)
        ax.set_axisbelow(True)
    panels[0, 0].set_yticks(range(len(order)), order)
    panels[0, 0].invert_yaxis()
    # Above the first panel, so that a phone shows it first.
    panels[0, 0].legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=9)
    return fig


def _draw_marks(
    ax: Axes, rows: pd.DataFrame, apart: float, look: tuple[str, str], source: str
) -> None:
    """Draw a mark with its interval for each mitigation, and a line at the mean of "none"."""
    color, marker = look
    ax.errorbar(
        rows["mean"].to_numpy(),
        np.arange(len(rows)) + apart,
        xerr=interval_bars(rows, "mean"),
        fmt=marker,
        color=color,
        markersize=5,
        elinewidth=1,
        label=source,
    )
    ax.axvline(float(rows["mean"]["none"]), color=color, lw=0.9, ls=":", zorder=0)


@styled
def changes_by_amount(table: pd.DataFrame, label: str) -> Figure:
    """Draw changes with intervals over the amount of a mitigation, a panel for each measure.

    Parameters
    ----------
    table : DataFrame with columns panel, model, amount, change, change_low, change_high
        One row a panel, model and amount. Up to three models.
    label : str
        What the amount is.
    """
    panels = table["panel"].unique()
    colors = assign(table["model"], GROUP_COLORS)
    markers = assign(table["model"], "osD")
    size = (0.8 + 3.9 * len(panels), 3.7)
    fig, row = plt.subplots(1, len(panels), figsize=size, squeeze=False, sharey=True)
    # Intervals stand beside one another.
    apart = 0.02
    for ax, panel in zip(row[0], panels, strict=True):
        ax.axhline(0, color=LINE_COLOR, lw=0.8)
        for place, (model, color) in enumerate(colors.items()):
            rows = table[(table["panel"] == panel) & (table["model"] == model)]
            rows = rows.sort_values("amount")
            ax.errorbar(
                rows["amount"] + apart * (place - 1),
                rows["change"],
                yerr=interval_bars(rows, "change", "change_low", "change_high"),
                color=color,
                marker=markers[model],
                ms=5,
                lw=1.3,
                elinewidth=1,
                capsize=3,
                label=model,
            )
        ax.set(title=panel, xlabel=label, xticks=sorted(table["amount"].unique()))
    row[0, 0].set_ylabel("change of R@1")
    handles, labels = row[0, 0].get_legend_handles_labels()
    fig.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9)
    return fig
