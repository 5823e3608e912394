"""Figures of the report on one model (chapter 9 and the command line)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gapbook.plots.names import add_legend
from gapbook.plots.pairs import clouds
from gapbook.plots.style import (
    BLACK,
    FIRST_COLOR,
    GREEN,
    GRID_COLOR,
    GROUP_COLORS,
    LINE_COLOR,
    SECOND_COLOR,
    STYLE,
)
from gapbook.projections import GAP_VIEW_LABELS

REFERENCE = "#555555"  # a dark gray


def pairs_along_gap(a: np.ndarray, b: np.ndarray, names: Sequence[str]) -> Figure:
    """Draw pairs along their gap and across it.

    Parameters
    ----------
    a, b : ndarray of shape (n, 2)
        The coordinates of both sides, as ``gapbook.projections.project`` gives them. On the first
        axis distances are true.
    names : sequence of two str
        What the sides are.

    Returns
    -------
    Figure
        Both sides as points.
    """
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(6, 3.6))
        clouds(ax, a, b)
        ax.set(xlabel=GAP_VIEW_LABELS[0], ylabel=GAP_VIEW_LABELS[1])
        add_legend(ax, names, loc="best", markerscale=2)
    return fig


def cosine_densities(
    histograms: Mapping[str, tuple[np.ndarray, np.ndarray]], cut: float | None = None
) -> Figure:
    """Draw densities of cosines, a line each.

    Parameters
    ----------
    histograms : mapping of str to (counts, edges)
        The counts (bins,) and the edges of the bins (bins + 1,) for each label: those within both
        modalities, those of partners, and those of unrelated pairs if there are four.
    cut : float, optional
        A cosine to mark: the cut that lets 1 % of unrelated pairs pass.

    Returns
    -------
    Figure
        The densities over the range in which there are cosines.
    """
    # Colors that all tell apart, and lines that differ where there are none.
    colors = (FIRST_COLOR, SECOND_COLOR, BLACK, GREEN)
    dashes = ("-", "-", ":", "--")
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(6, 3.2))
        lowest = []
        for histogram, color, dash in zip(histograms.values(), colors, dashes, strict=False):
            counts, edges = histogram
            density = counts / counts.sum() / np.diff(edges)
            ax.stairs(density, edges, color=color, ls=dash, lw=1.6, label="cosines")
            lowest.append(edges[:-1][counts > 0].min())
        ax.set(xlabel="cosine", ylabel="density", xlim=(min(lowest) - 0.05, 1.02), ylim=(0, None))
        names = list(histograms)
        if cut is not None:
            ax.axvline(cut, color=LINE_COLOR, lw=1, zorder=0, label="cut")
            names.append(f"cut, 1 % false: {cut:.2f}")
        add_legend(ax, names, loc="best", fontsize=9)
    return fig


class MarkedShifts(NamedTuple):
    """Two rows of a landscape: that of the least loss, and that of the pairs as they are."""

    least: pd.Series
    present: pd.Series


def marked_shifts(landscape: pd.DataFrame) -> MarkedShifts:
    """Find the two shifts that ``loss_over_shift`` marks.

    Parameters
    ----------
    landscape : DataFrame
        The columns delta and loss of a ``loss_landscape`` at one temperature.

    Returns
    -------
    MarkedShifts
        The row of the least loss, and the row whose delta is nearest to 0.

    Examples
    --------
    >>> landscape = pd.DataFrame({"delta": [-1, 0, 1], "loss": [0.5, 0.3, 0.2]})
    >>> least, present = marked_shifts(landscape)
    >>> float(least["loss"]), float(present["loss"])
    (0.2, 0.3)
    """
    least = landscape.iloc[int(landscape["loss"].argmin())]
    present = landscape.iloc[int(landscape["delta"].abs().argmin())]
    return MarkedShifts(least, present)


def loss_over_shift(landscape: pd.DataFrame, tau: float) -> Figure:
    """Draw the loss against the shift along the gap.

    Parameters
    ----------
    landscape : DataFrame
        The columns delta and loss of a ``loss_landscape`` at one temperature; losses in nats.
    tau : float
        The temperature.

    Returns
    -------
    Figure
        The curve, with a dot at the pairs as they are and a diamond at the least loss.
    """
    least, present = marked_shifts(landscape)
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(6, 3.2))
        ax.plot(landscape["delta"], landscape["loss"], color=BLACK, lw=1.5)
        label = f"as it is: {present['loss']:.3f}"
        ax.plot(present["delta"], present["loss"], "o", color=FIRST_COLOR, ms=8, label=label)
        label = f"least: {least['loss']:.3f}"
        ax.plot(least["delta"], least["loss"], "D", color=SECOND_COLOR, ms=6, label=label)
        ax.axvline(0, color=LINE_COLOR, lw=0.8, zorder=0)
        ax.set(
            xlabel="shift along the gap (positive closes it)",
            ylabel=f"contrastive loss at tau {tau:g} (nats)",
        )
        ax.legend(loc="best")
    return fig


def model_beside_references(table: pd.DataFrame, label: str) -> Figure:
    """Draw a measure of a model and of the reference models, a row each.

    Parameters
    ----------
    table : DataFrame
        The columns source, value, low and high: the model first, then the references.
    label : str
        The measure and its unit.

    Returns
    -------
    Figure
        Values with intervals; the model in color.
    """
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(6, 0.36 * len(table) + 0.9))
        below = (table["value"] - table["low"]).clip(lower=0)
        above = (table["high"] - table["value"]).clip(lower=0)
        for row, value in enumerate(table["value"]):
            is_model = row == 0
            ax.errorbar(
                [value],
                [row],
                xerr=[[below.iloc[row]], [above.iloc[row]]],
                fmt="o",
                color=GROUP_COLORS[1] if is_model else REFERENCE,
                ms=7 if is_model else 5,
                capsize=4,
            )
        ax.set_yticks(range(len(table)), table["source"])
        ax.invert_yaxis()
        ax.set(xlabel=label, xlim=(0, None))
        ax.grid(axis="x", color=GRID_COLOR)
    return fig
