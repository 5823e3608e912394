"""Figures of cones and of random networks (chapters 2 and 3)."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gapbook.plots.style import GROUPS, STYLE

NETWORKS: Any = {  # color and line of each random network, in every figure over depth
    "sigmoid": ("#000000", "-"),
    "leaky_relu": ("#E69F00", "--"),
    "relu": (GROUPS[0], "-"),
    "tanh": (GROUPS[1], "-"),
    "linear": (GROUPS[2], "--"),
    "linear, no bias": ("#777777", "--"),
    "maxout": ("#000000", ":"),
    "relu+linear": (GROUPS[1], "-."),
    "linear+relu+linear": ("#000000", ":"),
    "linear+batchnorm+relu": (GROUPS[1], "-"),
    "linear+relu+batchnorm": (GROUPS[2], "-"),
    "residual": ("#E69F00", "-"),
}


def cosine_histograms(panels: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw distributions of cosines, one panel a title, one line a label: values are ``CosineStats``."""
    with plt.rc_context(STYLE):
        fig, row = plt.subplots(
            1, len(panels), figsize=(3.6 * len(panels), 3), squeeze=False, sharex=True
        )
        for ax, (title, lines) in zip(row[0], panels.items(), strict=True):
            for (label, stats), color in zip(lines.items(), (*GROUPS, "#000000"), strict=False):
                density = stats.histogram.counts / stats.n_pairs / np.diff(stats.histogram.edges)
                ax.stairs(
                    density,
                    stats.histogram.edges,
                    color=color,
                    lw=1.5,
                    label=f"{label}: {stats.mean:.2f}",
                )
            ax.set(
                title=title,
                xlabel="cosine of two items",
                xlim=(-0.3, 1.02),
                yscale="log",
                ylim=(0.02, 200),
            )
            ax.legend(loc="upper left", fontsize=8)
        row[0][0].set_ylabel("density")
    return fig


def caps_by_dimension(dimensions: Sequence[int], logs: Sequence[float], label: str) -> Figure:
    """Draw the base-10 logarithm of the share of the sphere that a cap takes against the dimension."""
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(5.6, 3))
        ax.plot(dimensions, logs, "o-", color="#000000", ms=4)
        for d, log in zip(dimensions, logs, strict=True):
            ax.annotate(f"{d}", (d, log), textcoords="offset points", xytext=(6, 4), fontsize=8)
        ax.set(
            xscale="log",
            xlabel="dimension of the sphere's space",
            ylabel="log10 of the share",
            title=label,
        )
    return fig


def depth_panels(table: pd.DataFrame, shared: bool = True) -> Figure:
    """Draw mean cosines over depth; columns ``panel, network, depth, mean, low, high``, and where known
    ``paper`` (dots) and ``theory`` (thin dashes).
    """
    panels = table["panel"].unique()
    with plt.rc_context(STYLE):
        fig, row = plt.subplots(
            1, len(panels), figsize=(1.4 + 3.6 * len(panels), 4.2), squeeze=False, sharey=shared
        )
        for ax, panel in zip(row[0], panels, strict=True):
            for name, line in table[table["panel"] == panel].groupby("network", sort=False):
                color, dash = NETWORKS[name]
                ax.fill_between(
                    line["depth"], line["low"], line["high"], color=color, alpha=0.25, lw=0
                )
                ax.plot(line["depth"], line["mean"], dash, color=color, lw=1.5, label=name)
                if "paper" in line:
                    ax.plot(line["depth"], line["paper"], "o", markersize=3.5, mfc="w", color=color)
                if "theory" in line:
                    ax.plot(line["depth"], line["theory"], "k--", lw=1)
            for column, style in (("paper", "o"), ("theory", "--")):
                if column in table and table.loc[table["panel"] == panel, column].notna().any():
                    label = "the authors" if column == "paper" else "infinite width"
                    ax.plot([], [], "k" + style, markersize=3.5, mfc="w", lw=1, label=label)
            ax.set(title=panel, xlabel="layers", xlim=(0, table["depth"].max() + 0.5))
            ax.legend(
                fontsize=8,
                handlelength=2.2,
                ncols=2,
                loc="upper center",
                bbox_to_anchor=(0.5, -0.17),
            )
        row[0, 0].set_ylabel("mean cosine")
    return fig


def narrowing(table: pd.DataFrame, laws: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Draw how far the cosine is from 1, over depth and over its logarithm; columns ``network, seed, depth, apart``."""
    with plt.rc_context(STYLE):
        fig, row = plt.subplots(1, 2, figsize=(8.6, 3.6), sharey=True)
        titles = ("With biases: straight over depth", "Without: straight over its logarithm")
        for ax, title in zip(row, titles, strict=True):
            for (network, lines), color in zip(
                table.groupby("network", sort=False), GROUPS, strict=False
            ):
                for i, (_, line) in enumerate(lines.groupby("seed")):
                    label = None if i else network
                    ax.plot(
                        line["depth"], line["apart"], color=color, lw=0.8, alpha=0.8, label=label
                    )
            for (law, (depth, apart)), dash in zip(laws.items(), ("--", ":", "-"), strict=False):
                ax.plot(depth, apart, "k" + dash, lw=1.2, label=law)
            ax.set(yscale="log", xlabel="layers", title=title, ylim=(1e-12, 2))
        row[0].set_ylabel("1 − mean cosine")
        row[1].set_xscale("log")
        row[1].legend(fontsize=8, loc="lower left")
    return fig


def cosine_frame(histogram: Any, mean: float, title: str) -> Figure:
    """Draw one distribution of cosines on fixed axes, so that frames can be compared."""
    share, edges = histogram.counts / histogram.counts.sum(), histogram.edges
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(5.6, 3))
        ax.bar(edges[:-1], share, np.diff(edges), align="edge", color=GROUPS[0])
        ax.axvline(mean, color="k", lw=1, ls="--")
        ax.set(
            xlim=(-0.4, 1),
            ylim=(0, 1),
            xlabel="cosine of two inputs",
            ylabel="share of pairs",
            title=title,
        )
    return fig


def theorem1(table: pd.DataFrame) -> Figure:
    """Draw ``setting, cosine, probability, low, high, slack, gain`` of Theorem 1, its condition dotted at 0.6."""
    with plt.rc_context(STYLE):
        fig, (left, right) = plt.subplots(1, 2, figsize=(8.8, 3.5))
        for (setting, rows), color in zip(
            table.groupby("setting", sort=False), GROUPS, strict=False
        ):
            left.fill_between(
                rows["cosine"], rows["low"], rows["high"], color=color, alpha=0.25, lw=0
            )
            left.plot(rows["cosine"], rows["probability"], ".-", color=color, label=setting)
            right.plot(
                rows["cosine"],
                rows["gain"].where(rows["gain"] > 0),
                "-",
                color=color,
                label=f"gain, {setting}",
            )
            right.plot(rows["cosine"], rows["slack"].where(rows["slack"] > 0), "--", color=color)
        right.plot([], [], "k--", label="slack (bias alone)")
        left.set(
            xlabel="cosine of u and v",
            ylabel="P(cosine grows)",
            title="Large norms: no longer certain",
        )
        left.axvline(0.6, color=GROUPS[2], lw=1, ls=":", zorder=0)
        right.set(
            xlabel="cosine of u and v",
            ylabel="growth",
            yscale="log",
            title="Large norms: hardly by the bias",
        )
        left.legend(fontsize=8, loc="lower left")
        right.legend(fontsize=8, loc="lower left")
    return fig


def seed_clouds(
    rows: Mapping[str, Mapping[str, np.ndarray]], highlight: int | None = None
) -> Figure:
    """Draw points ``(seeds, n, 2)``, a color for each seed or one seed before the others; ``rows[view][encoder]``."""
    with plt.rc_context(STYLE):
        fig, grid = plt.subplots(len(rows), 3, figsize=(9, 2.9 * len(rows)), squeeze=False)
        for axes, (view, panels) in zip(grid, rows.items(), strict=True):
            for ax, (encoder, points) in zip(axes, panels.items(), strict=True):
                color = np.repeat(np.linspace(0, 1, len(points)), points.shape[1])
                style: Any = (
                    {"c": "#cccccc"} if highlight is not None else {"c": color, "cmap": "viridis"}
                )
                ax.scatter(*points.reshape(-1, 2).T, s=4, linewidths=0, **style)
                if highlight is not None:
                    ax.scatter(*points[highlight].T, s=9, color=GROUPS[0], linewidths=0)
                ax.set(title=f"{view}: {encoder}", xticks=[], yticks=[])
    return fig


def gap_at_start(
    cosines: np.ndarray, gaps: np.ndarray, curve: tuple[np.ndarray, np.ndarray], d: int
) -> Figure:
    """Draw gaps over the cosine of the two centers, with their prediction; beside it the cosines and N(0, 1/d)."""
    with plt.rc_context(STYLE):
        fig, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.5))
        left.plot(*curve, "k--", lw=1.2, label="predicted from the mean cones")
        left.plot(
            cosines, gaps, "o", color=GROUPS[0], markersize=4.5, label="measured, one network each"
        )
        left.axvline(0, color="#bbbbbb", lw=0.8, zorder=0)
        left.set(
            xlabel="cosine of the two centers",
            ylabel="modality gap",
            title="The angle makes most of the scatter",
        )
        left.legend(fontsize=8, loc="upper right")
        at = np.linspace(-4, 4, 200) / d**0.5
        right.hist(cosines, bins=6, density=True, color=GROUPS[0], alpha=0.6)
        right.plot(
            at, (d / 2 / np.pi) ** 0.5 * np.exp(-d * at**2 / 2), "k--", lw=1.2, label=f"N(0, 1/{d})"
        )
        right.set(
            xlabel="cosine of the two centers",
            ylabel="density",
            title="The angle is one of random directions",
        )
        right.legend(fontsize=8)
    return fig
