"""Figures of cones and of random networks (chapters 2 and 3)."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gapbook.extras import from_extra
from gapbook.geometry.cosines import CosineStats, Histogram
from gapbook.plots.style import BLACK, GREEN, GROUP_COLORS, ORANGE, PURPLE, SKY, assign, styled

# The color and the line of each random network, in every figure over depth.
NETWORK_STYLES = {
    "sigmoid": (BLACK, "-"),
    "leaky_relu": (ORANGE, "--"),
    "relu": (GREEN, "-"),
    "tanh": (PURPLE, "-"),
    "linear": (SKY, "--"),
    "linear, no bias": ("#777777", "--"),
    "maxout": (BLACK, ":"),
    "relu+linear": (PURPLE, "-."),
    "linear+relu+linear": (BLACK, ":"),
    "linear+batchnorm+relu": (PURPLE, "-"),
    "linear+relu+batchnorm": (SKY, "-"),
    "residual": (ORANGE, "-"),
}

# Columns of expectations over depth: how a legend calls them, and their mark or line.
EXPECTATIONS = {"paper": ("the authors", "o"), "theory": ("infinite width", "--")}

# The lines of laws, in their order.
LAW_DASHES = ("--", ":", "-")


@styled
def cosine_histograms(panels: Mapping[str, Mapping[str, CosineStats]]) -> Figure:
    """Draw distributions of cosines, with their means in the legend.

    Parameters
    ----------
    panels : mapping of str to mapping of str to CosineStats
        The statistics, by title and by label; up to four labels a panel.
    """
    size = (3.6 * len(panels), 3)
    fig, row = plt.subplots(1, len(panels), figsize=size, squeeze=False, sharex=True)
    for ax, (title, lines) in zip(row[0], panels.items(), strict=True):
        colors = assign(lines, (*GROUP_COLORS, BLACK))
        for label, stats in lines.items():
            counts, edges = stats.histogram
            density = counts / stats.n_pairs / np.diff(edges)
            name = f"{label}: {stats.mean:.2f}"
            ax.stairs(density, edges, color=colors[label], lw=1.5, label=name)
        ax.set(title=title, xlabel="cosine of two items", xlim=(-0.3, 1.02))
        # Narrow cones are a hundred times denser than wide ones.
        ax.set(yscale="log", ylim=(0.02, 200))
        ax.legend(loc="upper left", fontsize=8)
    row[0, 0].set_ylabel("density")
    return fig


@styled
def caps_by_dimension(dimensions: Sequence[int], logs: Sequence[float], label: str) -> Figure:
    """Draw the share of the sphere that a cap takes, over the dimension.

    Parameters
    ----------
    dimensions : sequence of int
        Dimensions of the space that holds the sphere.
    logs : sequence of float
        The base-10 logarithm of the share in each.
    label : str
        Which cap it is, the title.
    """
    fig, ax = plt.subplots(figsize=(5.6, 3))
    ax.plot(dimensions, logs, "o-", color=BLACK, ms=4)
    for d, log in zip(dimensions, logs, strict=True):
        ax.annotate(f"{d}", (d, log), textcoords="offset points", xytext=(6, 4), fontsize=8)
    ax.set(xlabel="dimension of the sphere's space", xscale="log")
    ax.set(ylabel="log10 of the share", title=label)
    return fig


@styled
def cosine_by_depth(table: pd.DataFrame, sharey: bool = True) -> Figure:
    """Draw mean cosines over depth, with bands.

    Parameters
    ----------
    table : DataFrame with columns panel, network, depth, mean, low, high
        And, where there are any, ``paper`` (what the authors report, dots) and ``theory`` (exact
        curves, thin dashes). Networks are those of ``NETWORK_STYLES``.
    sharey : bool
        Whether all panels have one vertical axis.
    """
    panels = table["panel"].unique()
    size = (1.4 + 3.6 * len(panels), 4.2)
    fig, row = plt.subplots(1, len(panels), figsize=size, squeeze=False, sharey=sharey)
    for ax, panel in zip(row[0], panels, strict=True):
        rows = table[table["panel"] == panel]
        for network, line in rows.groupby("network", sort=False):
            _draw_network(ax, str(network), line)
        for column, (label, style) in EXPECTATIONS.items():
            if column in rows and rows[column].notna().any():
                ax.plot([], [], "k" + style, markersize=3.5, mfc="w", lw=1, label=label)
        ax.set(title=panel, xlabel="layers", xlim=(0, table["depth"].max() + 0.5))
        below = (0.5, -0.17)
        ax.legend(fontsize=8, handlelength=2.2, ncols=2, loc="upper center", bbox_to_anchor=below)
    row[0, 0].set_ylabel("mean cosine")
    return fig


def _draw_network(ax: Axes, network: str, line: pd.DataFrame) -> None:
    """Draw one network's band, its mean, and what is expected of it."""
    color, dash = NETWORK_STYLES[network]
    depth = line["depth"]
    ax.fill_between(depth, line["low"], line["high"], color=color, alpha=0.25, lw=0)
    ax.plot(depth, line["mean"], dash, color=color, lw=1.5, label=network)
    if "paper" in line:
        ax.plot(depth, line["paper"], "o", markersize=3.5, mfc="w", color=color)
    if "theory" in line:
        ax.plot(depth, line["theory"], "k--", lw=1)


@styled
def one_minus_cosine_by_depth(
    table: pd.DataFrame, laws: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> Figure:
    """Draw how far the mean cosine is from 1, over depth and over its logarithm.

    Parameters
    ----------
    table : DataFrame with columns network, seed, depth, one_minus_cosine
        One row a layer of a network; up to three kinds of network get a color each.
    laws : mapping of str to two arrays
        Depths and values of each law, by the name in the legend; up to three.
    """
    with from_extra("chapters", "this figure"):
        import seaborn as sns

    fig, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.6), sharey=True)
    for ax in (left, right):
        sns.lineplot(
            table,
            x="depth",
            y="one_minus_cosine",
            hue="network",
            palette=assign(table["network"], GROUP_COLORS),
            units="seed",
            estimator=None,
            linewidth=0.8,
            alpha=0.8,
            ax=ax,
        )
        for law, dash in assign(laws, LAW_DASHES).items():
            ax.plot(*laws[law], color="k", ls=dash, lw=1.2, label=law)
        ax.set(xlabel="layers", ylabel="1 − mean cosine", yscale="log", ylim=(1e-12, 2))
    left.set_title("With biases: straight over depth")
    left.legend().remove()
    right.set(title="Without: straight over its logarithm", xscale="log")
    right.legend(fontsize=8, loc="lower left")
    return fig


@styled
def cosine_frame(histogram: Histogram, mean: float, title: str) -> Figure:
    """Draw one distribution of cosines on fixed axes, so that frames can be compared.

    Parameters
    ----------
    histogram : Histogram
        Counts of cosines and the edges of their bins.
    mean : float
        Their mean, a dashed line.
    title : str
        Which distribution it is.
    """
    counts, edges = histogram
    fig, ax = plt.subplots(figsize=(5.6, 3))
    ax.bar(edges[:-1], counts / counts.sum(), np.diff(edges), align="edge", color=GREEN)
    ax.axvline(mean, color="k", lw=1, ls="--")
    ax.set(xlabel="cosine of two inputs", xlim=(-0.4, 1))
    ax.set(ylabel="share of pairs", ylim=(0, 1), title=title)
    return fig


@styled
def cosine_growth(table: pd.DataFrame) -> Figure:
    """Draw Theorem 1 over the cosine of two inputs: how likely a layer raises it, and by how much.

    Parameters
    ----------
    table : DataFrame with columns setting, cosine, probability, low, high, slack, gain
        ``probability``, with its interval, is that of growth; ``gain`` the mean growth, ``slack``
        the part of it that the bias alone makes. The theorem's condition is dotted at 0.6.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.8, 3.5))
    for setting, color in assign(table["setting"], GROUP_COLORS).items():
        rows = table[table["setting"] == setting]
        cosine = rows["cosine"]
        left.fill_between(cosine, rows["low"], rows["high"], color=color, alpha=0.25, lw=0)
        left.plot(cosine, rows["probability"], ".-", color=color, label=setting)
        # A logarithmic axis shows growth alone.
        gain = rows["gain"].where(rows["gain"] > 0)
        slack = rows["slack"].where(rows["slack"] > 0)
        right.plot(cosine, gain, "-", color=color, label=f"gain, {setting}")
        right.plot(cosine, slack, "--", color=color)
    right.plot([], [], "k--", label="slack (bias alone)")
    left.axvline(0.6, color=SKY, lw=1, ls=":", zorder=0)
    left.set(xlabel="cosine of u and v", ylabel="P(cosine grows)")
    left.set_title("Large norms: no longer certain")
    left.legend(fontsize=8, loc="lower left")
    right.set(xlabel="cosine of u and v", ylabel="growth", yscale="log")
    right.set_title("Large norms: hardly by the bias")
    right.legend(fontsize=8, loc="lower left")
    return fig


@styled
def seed_clouds(
    views: Mapping[str, Mapping[str, np.ndarray]], highlight: int | None = None
) -> Figure:
    """Draw the points of many random networks, a color for each seed.

    Parameters
    ----------
    views : mapping of str to mapping of str to array of shape (seeds, n, 2)
        The points, by view (a row each) and by encoder (a column each, three of them).
    highlight : int, optional
        A seed to draw before all others, which are gray then.
    """
    size = (9, 2.9 * len(views))
    fig, grid = plt.subplots(len(views), 3, figsize=size, squeeze=False)
    for row, (view, panels) in zip(grid, views.items(), strict=True):
        for ax, (encoder, points) in zip(row, panels.items(), strict=True):
            _draw_seeds(ax, points, highlight)
            ax.set(title=f"{view}: {encoder}", xticks=[], yticks=[])
    return fig


def _draw_seeds(ax: Axes, points: np.ndarray, highlight: int | None) -> None:
    """Draw points (seeds, n, 2), a color for each seed or one seed before the others."""
    x, y = points.reshape(-1, 2).T
    style: dict[str, Any] = {"s": 4, "linewidths": 0}
    if highlight is None:
        color = np.repeat(np.linspace(0, 1, len(points)), points.shape[1])
        ax.scatter(x, y, c=color, cmap="viridis", **style)
    else:
        ax.scatter(x, y, c="#cccccc", **style)
        before_x, before_y = points[highlight].T
        ax.scatter(before_x, before_y, s=9, color=GREEN, linewidths=0)


@styled
def gap_by_center_cosine(
    cosines: np.ndarray,
    gaps: np.ndarray,
    prediction: tuple[np.ndarray, np.ndarray],
    d: int,
) -> Figure:
    """Draw gaps over the cosine of the two centers, and beside it how these cosines spread.

    Parameters
    ----------
    cosines, gaps : array of shape (networks,)
        The cosine of the centers of both modalities, and the gap, of each network.
    prediction : two arrays
        Cosines, and the gaps that the mean cones predict for them.
    d : int
        The dimension: cosines of random directions follow N(0, 1/d), the dashed curve.
    """
    label = "cosine of the two centers"
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.5))
    left.plot(*prediction, "k--", lw=1.2, label="predicted from the mean cones")
    left.plot(cosines, gaps, "o", color=GREEN, ms=4.5, label="measured, one network each")
    left.axvline(0, color="#bbbbbb", lw=0.8, zorder=0)
    left.set(xlabel=label, ylabel="modality gap")
    left.set_title("The angle makes most of the scatter")
    left.legend(fontsize=8, loc="upper right")
    at = np.linspace(-4, 4, 200) / d**0.5
    normal = (d / 2 / np.pi) ** 0.5 * np.exp(-d * at**2 / 2)
    right.hist(cosines, bins=6, density=True, color=GREEN, alpha=0.6)
    right.plot(at, normal, "k--", lw=1.2, label=f"N(0, 1/{d})")
    right.set(xlabel=label, ylabel="density")
    right.set_title("The angle is one of random directions")
    right.legend(fontsize=8)
    return fig
