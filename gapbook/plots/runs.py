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
    "one modality": ("#E69F00", "-."),
    "shared": (GROUPS[2], ":"),
}


def line_styles(names: Sequence[str]) -> dict[str, tuple[Any, Any]]:
    """Choose color and dash for each line: those of `STARTS`, or steps from dark to light for an ordered scale."""
    if set(names) <= set(STARTS):
        return {name: STARTS[name] for name in names}
    shades = plt.get_cmap("viridis")(np.linspace(0, 0.85, len(names)))
    return {name: (shade, "-") for name, shade in zip(names, shades, strict=True)}


def over_epochs(table: pd.DataFrame, value: str = "gap", label: str = "modality gap", log: bool = False) -> Figure:
    """Draw a value over epochs, mean and range over seeds; columns ``panel, line, seed, epoch`` and the value's.

    With ``log`` the epochs have a logarithmic axis, which leaves out the untrained model.
    """
    panels, styles = table["panel"].unique(), line_styles(list(table["line"].unique()))
    with plt.rc_context(STYLE):
        size = (2.2 + 3.4 * len(panels), 3.5)
        fig, row = plt.subplots(1, len(panels), figsize=size, squeeze=False, sharey=True)
        for ax, panel in zip(row[0], panels, strict=True):
            for name, lines in table[table["panel"] == panel].groupby("line", sort=False):
                color, dash = styles[str(name)]
                over = lines[lines["epoch"] > 0] if log else lines
                seeds = over.groupby("epoch")[value].agg(["mean", "min", "max"])
                ax.fill_between(seeds.index, seeds["min"], seeds["max"], color=color, alpha=0.2, lw=0)
                ax.plot(seeds.index, seeds["mean"], dash, color=color, lw=1.5, label=name)
            ax.set(title=panel, xlabel="epoch")
            if log:
                ax.set_xscale("log")
        row[0, 0].set(ylabel=label, ylim=(0, None))
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
            ax.plot(theirs["scale"], theirs[column], "ko", ms=5, mfc="w", label="the authors, fine-tuned")
            _seeds(ax, table, column)
            ax.set(xscale="log", xlabel="1 / temperature", ylim=(0, None))
        left.set(ylabel="modality gap", title="A lower temperature keeps more of the gap")
        right.set(ylabel="R@1, both directions", title="Retrieval hardly depends on it")
        left.legend(fontsize=8)
    return fig


def _seeds(ax: Axes, table: pd.DataFrame, column: str) -> None:
    marks: Any = dict(zip(table["kind"].unique(), ("o", "D", "s"), strict=False))
    for (kind, runs), color in zip(table.groupby("kind", sort=False), GROUPS, strict=False):
        ax.plot(runs["scale"], runs[column], marks[kind], color=color, ms=4.5, alpha=0.8, lw=0, label=kind)


def fading(curves: Mapping[str, pd.Series], laws: Mapping[str, Mapping[str, np.ndarray]]) -> Figure:
    """Draw long runs over epochs, both axes logarithmic, one panel each, with laws fitted to part of them."""
    with plt.rc_context(STYLE):
        fig, row = plt.subplots(1, len(curves), figsize=(3.4 * len(curves), 3.6), squeeze=False, sharey=True)
        for ax, (title, curve) in zip(row[0], curves.items(), strict=True):
            ax.plot(curve.index, curve, color=GROUPS[0], lw=2, label="measured")
            for (law, values), dash in zip(laws[title].items(), ("--", ":", "-."), strict=False):
                ax.plot(curve.index, values, "k" + dash, lw=1.2, label=law)
            ax.set(title=title, xlabel="epoch", xscale="log", yscale="log")
        row[0, 0].set_ylabel("modality gap")
        row[0, 0].legend(fontsize=8, loc="lower left")
    return fig
