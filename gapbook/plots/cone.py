"""Figures of cones and of random networks (chapters 2 and 3)."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gapbook.extras import from_extra
from gapbook.geometry.cosines import CosineStats, Histogram
from gapbook.plots.labels import colors_of, label
from gapbook.plots.style import (
    BLACK,
    GREEN,
    GRID_COLOR,
    GROUP_COLORS,
    LEGEND_BESIDE,
    ORANGE,
    PURPLE,
    SKY,
    assign,
    panel_grid,
    styled,
)

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
    "as it is": (GREEN, "-"),
    "no shared start": (PURPLE, "-"),
    "tanh for GELU": (SKY, "--"),
    "neither": (BLACK, ":"),
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
        The statistics, by title and by the name of a model or of another thing; what has no color
        of its own gets one, up to three in a panel.
    """
    with from_extra("chapters", "this figure"):
        import seaborn as sns

    size = (3.8 * len(panels), 3.2)
    fig, row = plt.subplots(1, len(panels), figsize=size, squeeze=False, sharex=True)
    for ax, (title, lines) in zip(row[0], panels.items(), strict=True):
        for name, color in colors_of(lines).items():
            counts, edges = lines[name].histogram
            sns.histplot(
                x=(edges[:-1] + edges[1:]) / 2,
                weights=counts,
                bins=edges.tolist(),
                stat="density",
                element="step",
                fill=False,
                color=color,
                label=f"{label(name)}: {lines[name].mean:.2f}",
                ax=ax,
            )
        ax.set(title=title, xlabel="cosine of two items", ylabel="", xlim=(-1, 1.02))
        # Narrow cones are a hundred times denser than wide ones.
        ax.set(yscale="log", ylim=(0.02, 200))
        ax.legend(loc="upper left", fontsize=8)
    row[0, 0].set_ylabel("density")
    return fig


@styled
def cones_by_network(table: pd.DataFrame) -> Figure:
    """Draw the mean cosine of each random network: a row a kind, a color an initialization.

    Parameters
    ----------
    table : DataFrame with columns network, initialization, mean
        One row a network; up to three initializations.
    """
    with from_extra("chapters", "this figure"):
        import seaborn as sns

    fig, ax = plt.subplots(figsize=(6.4, 2.6))
    sns.stripplot(
        table,
        x="mean",
        y="network",
        hue="initialization",
        palette=colors_of(table["initialization"].unique()),
        dodge=True,
        jitter=False,
        size=7,
        alpha=0.8,
        ax=ax,
    )
    ax.set(xlabel="mean cosine", ylabel="", xlim=(0, 1.02))
    ax.grid(axis="x", lw=0.5, color=GRID_COLOR)
    ax.legend(title="initialization", fontsize=8, **LEGEND_BESIDE)
    return fig


@styled
def caps_by_dimension(dimensions: Sequence[int], logs: Sequence[float], title: str) -> Figure:
    """Draw the share of the sphere that a cap takes, over the dimension.

    Parameters
    ----------
    dimensions : sequence of int
        Dimensions of the space that holds the sphere.
    logs : sequence of float
        The base-10 logarithm of the share in each.
    title : str
        Which cap it is.
    """
    fig, ax = plt.subplots(figsize=(5.6, 3))
    ax.plot(dimensions, logs, "o-", color=BLACK, ms=4)
    for d, log in zip(dimensions, logs, strict=True):
        ax.annotate(f"{d}", (d, log), textcoords="offset points", xytext=(6, 4), fontsize=8)
    ax.set(xlabel="dimension of the sphere's space", xscale="log")
    ax.set(ylabel="log10 of the share", title=title)
    return fig


@styled
def cosine_by_depth(table: pd.DataFrame, sharey: bool = True) -> Figure:
    """Draw mean cosines over depth: a line is the mean over networks, a band reaches to all.

    Parameters
    ----------
    table : DataFrame with columns panel, network, seed, depth, cosine
        One row a layer of a network. Where there are any, ``paper`` (what the authors report, dots)
        and ``theory`` (exact curves, thin dashes) are the same for all seeds. Networks have the
        styles of ``NETWORK_STYLES``, others a color each.
    sharey : bool
        Whether all panels have one vertical axis.
    """
    panels = table["panel"].unique()
    fig, grid = panel_grid(len(panels), (4.3, 4.2), sharey=sharey)
    for ax, panel in zip(grid.flat, panels, strict=False):
        rows = table[table["panel"] == panel]
        names = rows["network"].unique().tolist()
        others = colors_of([n for n in names if n not in NETWORK_STYLES], (*GROUP_COLORS, BLACK))
        for name in names:
            look = NETWORK_STYLES.get(name) or (others[name], "-")
            _draw_network(ax, name, rows[rows["network"] == name], look)
        for column, (text, style) in EXPECTATIONS.items():
            if column in rows and rows[column].notna().any():
                ax.plot([], [], "k" + style, markersize=3.5, mfc="w", lw=1, label=text)
        ax.set(title=panel, xlabel="layers", ylabel="", xlim=(0, table["depth"].max() + 0.5))
        below = (0.5, -0.17)
        ax.legend(fontsize=8, handlelength=2.2, ncols=2, loc="upper center", bbox_to_anchor=below)
    for row in grid:
        row[0].set_ylabel("mean cosine")
    return fig


def _draw_network(ax: Axes, name: str, rows: pd.DataFrame, look: tuple[str, str]) -> None:
    """Draw one network's band, its mean, and what is expected of it."""
    with from_extra("chapters", "this figure"):
        import seaborn as sns

    color, dash = look
    sns.lineplot(
        rows,
        x="depth",
        y="cosine",
        errorbar=("pi", 100),
        color=color,
        ls=dash,
        lw=1.5,
        err_kws={"alpha": 0.25, "lw": 0},
        label=label(name),
        ax=ax,
    )
    expected = rows.drop_duplicates("depth")
    if "paper" in rows:
        ax.plot(expected["depth"], expected["paper"], "o", markersize=3.5, mfc="w", color=color)
    if "theory" in rows:
        ax.plot(expected["depth"], expected["theory"], "k--", lw=1)


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
    left.set_title("At large norms growth is not certain")
    left.legend(fontsize=8, loc="lower left")
    right.set(xlabel="cosine of u and v", ylabel="growth", yscale="log")
    right.set_title("At large norms the bias adds little")
    right.legend(fontsize=8, loc="lower left")
    return fig


@styled
def seed_clouds(
    views: Mapping[str, Mapping[str, np.ndarray]], highlight: Sequence[int] = (0, 1, 2, 3, 4)
) -> Figure:
    """Draw the points of many random networks, some seeds in colors of their own before the others.

    Parameters
    ----------
    views : mapping of str to mapping of str to array of shape (seeds, n, 2)
        The points, by view (a column each, two of them) and by encoder (a row each).
    highlight : sequence of int
        The seeds in color, up to five; all others are gray.
    """
    encoders = len(next(iter(views.values())))
    size = (4 * len(views), 2.9 * encoders)
    fig, grid = plt.subplots(encoders, len(views), figsize=size, squeeze=False)
    for column, (view, panels) in zip(grid.T, views.items(), strict=True):
        for ax, (encoder, points) in zip(column, panels.items(), strict=True):
            _draw_seeds(ax, points, highlight)
            ax.set(title=f"{view}: {encoder}", xticks=[], yticks=[])
    return fig


def _draw_seeds(ax: Axes, points: np.ndarray, highlight: Sequence[int]) -> None:
    """Draw points (seeds, n, 2): gray ones, and before them a color for each highlighted seed."""
    x, y = points.reshape(-1, 2).T
    ax.scatter(x, y, s=4, c="#cccccc", linewidths=0)
    colors = (*GROUP_COLORS, ORANGE, BLACK)
    for seed, color in assign(highlight, colors).items():
        before_x, before_y = points[seed].T
        ax.scatter(before_x, before_y, s=9, color=color, linewidths=0)


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
    with from_extra("chapters", "this figure"):
        import seaborn as sns

    axis = "cosine of the two means"
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.5))
    left.plot(*prediction, "k--", lw=1.2, label="from the mean cones")
    sns.scatterplot(x=cosines, y=gaps, color=GREEN, s=35, label="one network each", ax=left)
    left.set(xlabel=axis, ylabel="modality gap", title="The gap falls with the cosine")
    left.legend(fontsize=8, loc="lower left")
    at = np.linspace(-4, 4, 200) / d**0.5
    normal = (d / 2 / np.pi) ** 0.5 * np.exp(-d * at**2 / 2)
    sns.histplot(x=cosines, bins=6, stat="density", color=GREEN, alpha=0.6, ax=right)
    right.plot(at, normal, "k--", lw=1.2, label=f"N(0, 1/{d})")
    right.set(xlabel=axis, ylabel="density", title=f"{len(cosines)} cosines and random directions")
    right.legend(fontsize=8)
    return fig
