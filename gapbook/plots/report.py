"""Figures of the report on one model (chapter 7 and the command line)."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gapbook.plots.pairs import clouds
from gapbook.plots.style import FIRST_COLOR, GROUP_COLORS, LINE_COLOR, SECOND_COLOR, STYLE


def gap_view(a: np.ndarray, b: np.ndarray, names: Sequence[str]) -> Figure:
    """Draw pairs (n, 2) along their gap and across it; on the first axis distances are true."""
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(6, 3.6))
        clouds(ax, a, b, names)
        ax.set(xlabel="along the gap (cosine units)", ylabel="first component of the rest")
        ax.legend(loc="best", markerscale=2)
    return fig


def cosine_densities(lines: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Draw densities of cosines, a line a label, from counts and edges: those of both sides, then those of partners."""
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(6, 3.2))
        for (label, (counts, edges)), color, dash in zip(
            lines.items(), (FIRST_COLOR, SECOND_COLOR, "#000000"), "--:", strict=False
        ):
            density = counts / counts.sum() / np.diff(edges)
            ax.stairs(density, edges, color=color, ls=dash, lw=1.6, label=label)
        filled = [edges[:-1][counts > 0].min() for counts, edges in lines.values()]
        ax.set(xlabel="cosine", ylabel="density", xlim=(min(filled) - 0.05, 1.02), ylim=(0, None))
        ax.legend(loc="best", fontsize=9)
    return fig


def landscape_curve(landscape: pd.DataFrame, tau: float) -> Figure:
    """Draw the loss against the shift along the gap, with the pairs as they are and the least loss of the curve."""
    least, present = landmarks(landscape)
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(6, 3.2))
        ax.plot(landscape["delta"], landscape["loss"], color="#000000", lw=1.5)
        ax.plot(
            present["delta"],
            present["loss"],
            "o",
            color=FIRST_COLOR,
            ms=8,
            label=f"as it is: {present['loss']:.3f}",
        )
        ax.plot(
            least["delta"],
            least["loss"],
            "D",
            color=SECOND_COLOR,
            ms=6,
            label=f"least: {least['loss']:.3f}",
        )
        ax.axvline(0, color=LINE_COLOR, lw=0.8, zorder=0)
        ax.set(
            xlabel="shift along the gap (positive closes it)",
            ylabel=f"contrastive loss at tau {tau:g} (nats)",
        )
        ax.legend(loc="best")
    return fig


def landmarks(landscape: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Return the row with the least loss and that of the pairs as they are."""
    return landscape.iloc[int(landscape["loss"].argmin())], landscape.iloc[
        int(landscape["delta"].abs().argmin())
    ]


def beside_references(table: pd.DataFrame, label: str) -> Figure:
    """Draw one value and its interval a row, ``source, value, low, high``; the first is the reader's own."""
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(6, 0.36 * len(table) + 0.9))
        rows: Any = table.itertuples()
        for place, row in enumerate(rows):
            color = GROUP_COLORS[1] if place == 0 else "#555555"
            ends = [[max(row.value - row.low, 0)], [max(row.high - row.value, 0)]]
            ax.errorbar(
                [row.value],
                [place],
                xerr=ends,
                fmt="o",
                color=color,
                ms=7 if place == 0 else 5,
                capsize=4,
            )
        ax.set_yticks(range(len(table)), table["source"])
        ax.invert_yaxis()
        ax.set(xlabel=label, xlim=(0, None))
        ax.grid(axis="x", color="#dddddd")
    return fig
