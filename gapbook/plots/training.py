"""Figures of training runs (chapter 4): what a run measures, over epochs and over temperatures."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gapbook.plots.style import GROUPS, STYLE

STARTS = {  # color and line of each way to start, in every figure
    "ordinary": ("#000000", "-"),
    "amended": (GROUPS[0], "-"),
    "turned back": (GROUPS[1], "--"),
    "turned together": ("#0072B2", ":"),
    "one modality": ("#E69F00", "-."),
    "shared": (GROUPS[2], ":"),
}


def line_styles(names: Sequence[str]) -> dict[str, tuple[Any, Any]]:
    """Choose color and dash for each line: those of `STARTS`, or for temperatures darker shades the lower they are."""
    if set(names) <= set(STARTS):
        return {name: STARTS[name] for name in names}
    fixed = [name for name in names if name != "learned"]
    shades = plt.get_cmap("viridis")(np.linspace(0.85, 0, len(fixed)))
    styles: dict[str, tuple[Any, Any]] = {
        name: (shade, "-") for name, shade in zip(fixed, shades, strict=True)
    }
    return styles | {"learned": (GROUPS[1], "--")} if "learned" in names else styles


def over_epochs(
    table: pd.DataFrame, value: str = "gap", label: str = "modality gap", shared: bool = True
) -> Figure:
    """Draw a value over epochs, mean and range over seeds; columns ``panel, line, seed, epoch`` and the value's.

    Panels of different measures have axes of their own where not ``shared``.
    """
    panels, styles = table["panel"].unique(), line_styles(list(table["line"].unique()))
    with plt.rc_context(STYLE):
        size = (2.2 + 3.4 * len(panels), 3.5)
        fig, row = plt.subplots(1, len(panels), figsize=size, squeeze=False, sharey=shared)
        for ax, panel in zip(row[0], panels, strict=True):
            for name, lines in table[table["panel"] == panel].groupby("line", sort=False):
                color, dash = styles[str(name)]
                seeds = lines.groupby("epoch")[value].agg(["mean", "min", "max"])
                ax.fill_between(
                    seeds.index, seeds["min"], seeds["max"], color=color, alpha=0.2, lw=0
                )
                ax.plot(seeds.index, seeds["mean"], dash, color=color, lw=1.5, label=name)
            ax.set(title=panel, xlabel="epoch", ylim=(0, None))
        row[0, 0].set_ylabel(label)
        legend(fig, styles)
    return fig


def legend(fig: Figure, styles: Mapping[str, tuple[Any, Any]]) -> None:
    """Put one legend for all panels at the right of a figure."""
    handles = [plt.Line2D([], [], color=color, linestyle=dash) for color, dash in styles.values()]
    fig.legend(handles, list(styles), loc="outside right upper", fontsize=9)


def final_by_scale(table: pd.DataFrame, theirs: pd.DataFrame) -> Figure:
    """Draw gap and recall at the end of training over 1/tau; columns ``scale, gap, recall, kind``, one row a run.

    ``theirs`` has the authors' ``scale, gap, recall``, drawn as open circles. "learned" runs stand where tau ended.
    """
    with plt.rc_context(STYLE):
        fig, (left, right) = plt.subplots(1, 2, figsize=(8.8, 3.4))
        for ax, column in ((left, "gap"), (right, "recall")):
            ax.plot(
                theirs["scale"],
                theirs[column],
                "ko",
                ms=5,
                mfc="w",
                label="the authors, fine-tuned",
            )
            _seeds(ax, table, column)
            ax.set(xscale="log", xlabel="1 / temperature", ylim=(0, None))
        left.set(ylabel="modality gap", title="A lower temperature keeps more of the gap")
        right.set(ylabel="R@1, both directions", title="From 1/10 on, retrieval hardly changes")
        left.legend(fontsize=8)
    return fig


def _seeds(ax: Axes, table: pd.DataFrame, column: str) -> None:
    marks: Any = dict(zip(table["kind"].unique(), ("o", "D", "s"), strict=False))
    for (kind, runs), color in zip(table.groupby("kind", sort=False), GROUPS, strict=False):
        ax.plot(
            runs["scale"],
            runs[column],
            marks[kind],
            color=color,
            ms=4.5,
            alpha=0.8,
            lw=0,
            label=kind,
        )


def fading(lines: Mapping[str, pd.Series], laws: Mapping[str, Mapping[str, pd.Series]]) -> Figure:
    """Draw long runs over training time on logarithmic axes, a panel each, with laws fitted to its early part."""
    with plt.rc_context(STYLE):
        size = (1.2 + 3.1 * len(lines), 3.6)
        fig, row = plt.subplots(1, len(lines), figsize=size, squeeze=False, sharey=True)
        for ax, (title, line) in zip(row[0], lines.items(), strict=True):
            ax.plot(line.index, line, color=GROUPS[0], lw=2.5, label="measured")
            for (law, curve), dash in zip(laws[title].items(), ("--", ":", "-."), strict=True):
                ax.plot(curve.index, curve, "k" + dash, lw=1.2, label=law)
            ax.set(
                title=title,
                xlabel="training time (epochs at full rate)",
                xscale="log",
                yscale="log",
            )
        row[0, 0].set_ylabel("modality gap")
        row[0, -1].legend(fontsize=8, loc="lower left")
    return fig
