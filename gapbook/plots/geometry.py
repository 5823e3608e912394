"""Figures of measures, dimensions, causes and subspaces (chapter 7)."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gapbook.numerals import typeset
from gapbook.plots.style import (
    BLACK,
    FIRST_COLOR,
    FIRST_MARKER,
    GREEN,
    GRID_COLOR,
    GROUP_COLORS,
    LEGEND_BESIDE,
    LEGEND_RIGHT,
    LINE_COLOR,
    ORANGE,
    PURPLE,
    SECOND_COLOR,
    SECOND_MARKER,
    SKY,
    assign,
    panel_grid,
    styled,
)

# Colors of up to six sources or kinds of runs.
SOURCE_COLORS = (*GROUP_COLORS, BLACK, ORANGE, "#888888")

# Colors and marks of up to four kinds of captions.
CAPTION_STYLES = ((BLACK, "o"), (GREEN, "s"), (PURPLE, "D"), (SKY, "^"))

# How many dimensions are removed at the ticks of an axis that is linear up to 2, then logarithmic.
REMOVED_TICKS = (0, 2, 8, 32, 128)

# Where a rank correlation has ticks; bars end within the axis.
RANK_TICKS = (-1, -0.5, 0, 0.5, 1)
# A bar longer than this has its number inside, so that no number leaves the axis.
LONG_BAR = 0.6


@styled
def rank_correlations_with_gap(ranks: pd.DataFrame, counts: Mapping[str, int]) -> Figure:
    """Draw how measures go with the gap over sources: a bar a measure.

    Parameters
    ----------
    ranks : DataFrame
        Rank correlations with the gap; one row a measure, by name, and one column a group of
        sources.
    counts : mapping of str to int
        The number of sources in each group, by column: a panel each.
    """
    size = (9, 0.28 * len(ranks) + 1.2)
    fig, axes = plt.subplots(1, len(counts), figsize=size, sharey=True, squeeze=False)
    for ax, (name, count) in zip(axes[0], counts.items(), strict=True):
        ax.barh(ranks.index, ranks[name], color=GREEN, height=0.7)
        ax.axvline(0, color="k", lw=0.8)
        for place, value in enumerate(ranks[name]):
            _write_beside_end(ax, value, place)
        ax.set(xlabel="rank correlation with the gap", xlim=(-1.15, 1.15))
        ax.set_xticks(RANK_TICKS, ["−1", "−.5", "0", ".5", "1"])
        ax.set_title(f"{name}: {count} sources")
    axes[0, 0].invert_yaxis()
    return fig


def _write_beside_end(ax: Axes, value: float, place: int) -> None:
    """Write a number beyond the end of its bar, or inside a long bar."""
    inside = abs(value) > LONG_BAR
    # The number lies on the side of larger values if exactly one of both holds.
    side = "left" if (value > 0) != inside else "right"
    shift = -0.03 if inside else 0.03
    color = "white" if inside else "black"
    at = value + np.copysign(1, value) * shift
    text = typeset(f"{value:.2f}")
    ax.text(at, place, text, va="center", ha=side, fontsize=9, color=color)


@styled
def gap_in_few_dimensions(
    shares: Mapping[str, np.ndarray],
    removed: pd.DataFrame,
    chance: Mapping[int, np.ndarray],
) -> Figure:
    """Draw how much of the gap few dimensions carry, and what is left without them.

    Parameters
    ----------
    shares : mapping of str to array of shape (d,)
        The share of each dimension in the squared gap, largest first, by source.
    removed : DataFrame with columns source, k, gap, separability
        What is left when the k largest dimensions are removed; separability is the held-out
        accuracy of telling the modalities apart.
    chance : mapping of int to array of shape (d,)
        The mean shares of a random direction, by number of dimensions d.
    """
    fig, grid = panel_grid(3, (3.5, 3), beside=2)
    first, second, third = grid.flat[:3]
    _draw_cumulative_shares(first, shares, chance)
    for source, color in assign(shares, SOURCE_COLORS).items():
        rows = removed[removed["source"] == source]
        for ax, column in ((second, "gap"), (third, "separability")):
            ax.plot(rows["k"], rows[column], "o-", ms=3.5, color=color, lw=1.2, clip_on=False)
    second.set(title="Gap without them", ylabel="modality gap", ylim=(0, None))
    third.axhline(0.5, color=LINE_COLOR, lw=0.8, ls=":", zorder=0)
    third.set(title="Still told apart", ylabel="held-out accuracy", ylim=(0.48, 1.02))
    for ax in (second, third):
        ax.set_xlabel("dimensions removed")
        ax.set_xscale("symlog", linthresh=2)
        ax.set_xlim(0, removed["k"].max())
        ax.set_xticks(REMOVED_TICKS, [str(k) for k in REMOVED_TICKS], minor=False)
        ax.minorticks_off()
    fig.legend(*first.get_legend_handles_labels(), loc=LEGEND_RIGHT, fontsize=9)
    return fig


def _draw_cumulative_shares(
    ax: Axes, shares: Mapping[str, np.ndarray], chance: Mapping[int, np.ndarray]
) -> None:
    """Draw the share of the squared gap in the k largest dimensions, and what chance would give."""
    for source, color in assign(shares, SOURCE_COLORS).items():
        share = shares[source]
        k = np.arange(1, len(share) + 1)
        ax.plot(k, share.cumsum(), color=color, lw=1.6, label=source)
    for d, dash in assign(chance, (":", "--")).items():
        label = f"by chance, {d} dimensions"
        share = chance[d].cumsum()
        ax.plot(np.arange(1, d + 1), share, dash, color=LINE_COLOR, lw=1.4, label=label)
    ax.axvline(2, color=LINE_COLOR, lw=0.8, zorder=0)
    ax.set(xlabel="k largest dimensions", xscale="log")
    ax.set(ylabel="share of squared gap", ylim=(0, 1.02))
    ax.set_title("How many carry the gap")


@styled
def gap_before_and_after(table: pd.DataFrame) -> Figure:
    """Draw from where to where training moved the gap.

    Parameters
    ----------
    table : DataFrame with columns run, kind, start, end, low, high
        One row a run: the gap before training (circle) and after it (diamond, with its interval),
        in the color of its kind, of which there are up to six.
    """
    colors = assign(table["kind"], SOURCE_COLORS)
    fig, ax = plt.subplots(figsize=(7.6, 0.36 * len(table) + 1.2))
    for place, row in enumerate(table.to_dict("records")):
        color = colors[row["kind"]]
        arrow = {"arrowstyle": "->", "color": LINE_COLOR}
        ax.annotate("", (row["end"], place), (row["start"], place), arrowprops=arrow)
        ax.plot(row["start"], place, "o", mfc="w", mec=color, ms=6)
        ends = [[row["end"] - row["low"]], [row["high"] - row["end"]]]
        ax.errorbar(
            [row["end"]],
            [place],
            xerr=ends,
            clip_on=False,
            fmt="D",
            color=color,
            ms=5.5,
            capsize=4,
        )
    ax.set_yticks(range(len(table)), table["run"])
    ax.invert_yaxis()
    ax.set(xlabel="modality gap: before training (circle), after (diamond)", xlim=(0, None))
    ax.grid(axis="x", color=GRID_COLOR)
    marks = [plt.Line2D([], [], color=color, marker="D", lw=0, ms=5) for color in colors.values()]
    ax.legend(marks, list(colors), **LEGEND_BESIDE)
    return fig


@styled
def shared_variance_by_gap(table: pd.DataFrame) -> Figure:
    """Draw how much of one modality's variance the other's subspace holds, over the gap.

    Parameters
    ----------
    table : DataFrame with columns group, gap, x_in_y, y_in_x
        One row a run: the held-out variance of images in the subspace of texts, and of texts in
        that of images, each divided by the variance in its own. One label a group.
    """
    fig, ax = plt.subplots(figsize=(6.4, 3.8))
    for column, color, marker, label in (
        ("x_in_y", FIRST_COLOR, FIRST_MARKER, "images in the texts' subspace"),
        ("y_in_x", SECOND_COLOR, SECOND_MARKER, "texts in the images' subspace"),
    ):
        ax.plot(table["gap"], table[column], marker, color=color, ms=6, alpha=0.85, label=label)
    for group, rows in table.groupby("group", sort=False):
        top = rows[["x_in_y", "y_in_x"]].to_numpy().max()
        ax.annotate(str(group), (rows["gap"].mean(), top + 0.04), ha="center", fontsize=8)
    ax.axhline(1, color=LINE_COLOR, lw=0.8, ls=":", zorder=0)
    ax.set(xlabel="modality gap", xlim=(0, None), ylim=(0, 1.2))
    ax.set_ylabel("variance in the other's subspace\nby that in its own (held out)")
    ax.legend(loc="lower left", fontsize=9)
    return fig


@styled
def gap_by_temperature(table: pd.DataFrame) -> Figure:
    """Draw gaps over the temperature at the end of training, on a logarithmic axis.

    Parameters
    ----------
    table : DataFrame with columns captions, tau, gap, learned
        One row a run: which captions it saw, the temperature at its end and whether it was learned
        (hollow marks). Up to four kinds of captions; a line joins the mean gaps at the fixed
        temperatures of the first kind.
    """
    styles = assign(table["captions"], CAPTION_STYLES)
    first = next(iter(styles))
    fig, ax = plt.subplots(figsize=(6.8, 3.8))
    fixed = table[(table["captions"] == first) & ~table["learned"]]
    means = fixed.groupby("tau")["gap"].mean()
    ax.plot(means.index, means, "-", color=LINE_COLOR, lw=1.2, zorder=0)
    handles = []
    for name, (color, marker) in styles.items():
        for learned, rows in table[table["captions"] == name].groupby("learned"):
            fill = "w" if learned else color
            ax.plot(rows["tau"], rows["gap"], marker, color=color, mfc=fill, ms=6)
        handles.append(plt.Line2D([], [], color=color, marker=marker, lw=0))
    handles.append(plt.Line2D([], [], color=LINE_COLOR, marker="o", mfc="w", lw=0))
    ax.set(xlabel="temperature at the end", xscale="log")
    ax.set(ylabel="modality gap", ylim=(0, None))
    ax.minorticks_off()
    ax.set_xticks(means.index, [f"1/{1 / tau:.0f}" for tau in means.index])
    ax.legend(handles, [*styles, "hollow: learned"], **LEGEND_BESIDE)
    return fig
