"""Figures of what the field has learned since 2022 (chapter 6): measures, dimensions, causes, subspaces."""

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gapbook.plots.style import FIRST, GROUPS, LINE, SECOND, STYLE

SHADES: Any = (*GROUPS, "#000000", "#E69F00", "#888888")


def rank_with_gap(ranks: pd.DataFrame, counts: Mapping[str, int]) -> Figure:
    """Draw rank correlations with the gap: a row a measure, a panel a column, titled by its number of sources."""
    with plt.rc_context(STYLE):
        fig, axes = plt.subplots(
            1, len(counts), figsize=(9, 0.28 * len(ranks) + 1.2), sharey=True, squeeze=False
        )
        for ax, (name, count) in zip(axes[0], counts.items(), strict=True):
            ax.barh(ranks.index, ranks[name], color=GROUPS[0], height=0.7)
            ax.axvline(0, color="k", lw=0.8)
            for place, value in enumerate(ranks[name]):
                side = "left" if value > 0 else "right"
                ax.text(
                    value + np.copysign(0.03, value),
                    place,
                    f"{value:.2f}",
                    va="center",
                    ha=side,
                    fontsize=9,
                )
            ax.set(
                xlim=(-1.3, 1.3),
                xlabel="rank correlation with the gap",
                title=f"{name}: {count} sources",
            )
        axes[0, 0].invert_yaxis()
    return fig


def few_dimensions(
    shares: Mapping[str, np.ndarray], removed: pd.DataFrame, chance: Mapping[int, np.ndarray]
) -> Figure:
    """Draw the share of the squared gap in the k largest dimensions, and what the k leave when they are removed.

    ``shares`` has each source's shares, largest first; ``removed`` the columns ``source, k, gap, separability``;
    ``chance`` the mean shares of a random direction, by number of dimensions.
    """
    with plt.rc_context(STYLE):
        fig, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 3.5))
        for (name, share), color in zip(shares.items(), SHADES, strict=False):
            left.plot(np.arange(1, len(share) + 1), share.cumsum(), color=color, lw=1.6, label=name)
            rows = removed[removed["source"] == name]
            for ax, column in ((middle, "gap"), (right, "separability")):
                ax.plot(rows["k"], rows[column], "o-", ms=3.5, color=color, lw=1.2, clip_on=False)
        for (d, share), dash in zip(chance.items(), (":", "--"), strict=False):
            left.plot(
                np.arange(1, d + 1),
                share.cumsum(),
                dash,
                color=LINE,
                lw=1.4,
                label=f"by chance, {d} dimensions",
            )
        left.axvline(2, color=LINE, lw=0.8, zorder=0)
        left.set(
            title="How many carry the gap",
            xlabel="k largest dimensions",
            ylabel="share of squared gap",
        )
        left.set(xscale="log", ylim=(0, 1.02))
        middle.set(
            title="Gap without them",
            xlabel="dimensions removed",
            ylabel="modality gap",
            ylim=(0, None),
        )
        right.set(
            title="Still told apart",
            xlabel="dimensions removed",
            ylabel="held-out accuracy",
            ylim=(0.48, 1.02),
        )
        right.axhline(0.5, color=LINE, lw=0.8, ls=":", zorder=0)
        for ax in (middle, right):
            ax.set_xscale("symlog", linthresh=2)
            ax.set_xlim(0, removed["k"].max())
            ax.set_xticks([0, 2, 8, 32, 128], ["0", "2", "8", "32", "128"], minor=False)
            ax.minorticks_off()
        fig.legend(*left.get_legend_handles_labels(), loc="outside right upper", fontsize=9)
    return fig


def start_and_end(table: pd.DataFrame) -> Figure:
    """Draw from where to where the gap moved; columns ``run, kind, start, end, low, high``, one row a kind of run."""
    kinds = list(table["kind"].unique())
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(7.6, 0.36 * len(table) + 1.2))
        rows: Any = table.itertuples()
        for place, row in enumerate(rows):
            color = SHADES[kinds.index(row.kind)]
            ax.annotate(
                "",
                (row.end, place),
                (row.start, place),
                arrowprops={"arrowstyle": "->", "color": LINE},
            )
            ax.plot(row.start, place, "o", mfc="w", mec=color, ms=6)
            ends = [[row.end - row.low], [row.high - row.end]]
            ax.errorbar(
                [row.end],
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
        ax.grid(axis="x", color="#dddddd")
        marks = [
            plt.Line2D([], [], color=SHADES[i], marker="D", lw=0, ms=5) for i in range(len(kinds))
        ]
        ax.legend(marks, kinds, loc="center left", bbox_to_anchor=(1, 0.5))
    return fig


def shared_subspace(table: pd.DataFrame) -> Figure:
    """Draw how much of one modality's variance the other's subspace holds, over the gap.

    Columns ``group, gap, x_in_y, y_in_x``; one row a run, one label a group.
    """
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(6.4, 3.8))
        for column, color, mark, label in (
            ("x_in_y", FIRST, "o", "images in the texts' subspace"),
            ("y_in_x", SECOND, "D", "texts in the images' subspace"),
        ):
            ax.plot(table["gap"], table[column], mark, color=color, ms=6, alpha=0.85, label=label)
        for group, rows in table.groupby("group", sort=False):
            top = rows[["x_in_y", "y_in_x"]].to_numpy().max()
            ax.annotate(str(group), (rows["gap"].mean(), top + 0.04), ha="center", fontsize=8)
        ax.axhline(1, color=LINE, lw=0.8, ls=":", zorder=0)
        ax.set(
            xlabel="modality gap",
            ylabel="variance in the other's subspace\nby that in its own (held out)",
        )
        ax.set(xlim=(0, None), ylim=(0, 1.2))
        ax.legend(loc="lower left", fontsize=9)
    return fig


def gap_at_temperature(table: pd.DataFrame) -> Figure:
    """Draw gaps over the temperature at the end of training, on a logarithmic axis.

    Columns ``captions, temperature, gap, learned``, one row a run; the first captions' fixed temperatures are joined
    through their means.
    """
    names = list(table["captions"].unique())
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(6.8, 3.8))
        fixed = table[(table["captions"] == names[0]) & ~table["learned"]]
        means = fixed.groupby("temperature")["gap"].mean()
        ax.plot(means.index, means, "-", color=LINE, lw=1.2, zorder=0)
        for name, color, mark in zip(names, ("#000000", *GROUPS), "osD^", strict=False):
            for learned, rows in table[table["captions"] == name].groupby("learned"):
                ax.plot(
                    rows["temperature"],
                    rows["gap"],
                    mark,
                    color=color,
                    mfc="w" if learned else color,
                    ms=6,
                )
        ax.set_xscale("log")
        ax.set(xlabel="temperature at the end", ylabel="modality gap", ylim=(0, None))
        ax.minorticks_off()
        ax.set_xticks(means.index, [f"1/{1 / t:.0f}" for t in means.index])
        kinds = [
            plt.Line2D([], [], color=c, marker=m, lw=0)
            for c, m in zip(("k", *GROUPS), "osD^", strict=False)
        ]
        kinds = [*kinds[: len(names)], plt.Line2D([], [], color=LINE, marker="o", mfc="w", lw=0)]
        ax.legend(kinds, [*names, "hollow: learned"], loc="center left", bbox_to_anchor=(1, 0.5))
    return fig
