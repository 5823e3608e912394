"""The book's figures, in one style. Blue circles are images, orange diamonds are texts, all through the book."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

FIRST, SECOND, LINE = "#0072B2", "#D55E00", "#999999"  # Okabe and Ito's blue, vermilion; a grey for pair lines
GROUPS = ("#009E73", "#CC79A7", "#56B4E9")  # of models, not of modalities: green, purple, sky
STYLE: Any = {
    "figure.facecolor": "white",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "font.size": 10,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


def palette_png(image: Any, colors: int = 256) -> bytes:
    """Encode a Pillow image as PNG with a palette: a third of the size, with no color off by more than a shade."""
    from PIL import Image

    buffer, method = io.BytesIO(), Image.Quantize.MAXCOVERAGE  # rare colors keep theirs
    image.convert("RGB").quantize(colors, method, dither=Image.Dither.NONE).save(buffer, "png", optimize=True)
    return buffer.getvalue()


def show(fig: Figure, alt: str) -> None:
    """Display a figure once, with an alternative text that states its finding for those who do not see it."""
    from IPython.display import display
    from PIL import Image

    drawn = io.BytesIO()
    fig.savefig(drawn, format="png", dpi=130)
    plt.close(fig)
    display({"image/png": palette_png(Image.open(drawn))}, metadata={"image/png": {"alt": alt}}, raw=True)


def clouds(ax: Axes, a: np.ndarray, b: np.ndarray, names: Sequence[str] = ("image", "text"), size: float = 9) -> None:
    """Draw two modalities as points ``(n, 2)``, with lines between partners, of 150 pairs or so."""
    lines = np.stack([a, b], axis=1)[:: max(1, len(a) // 150)]  # more would hide the points
    ax.add_collection(LineCollection(list(lines), colors=LINE, linewidths=0.4, alpha=0.6, zorder=0))
    ax.scatter(a[:, 0], a[:, 1], s=size, c=FIRST, marker="o", linewidths=0, alpha=0.8, label=names[0])
    ax.scatter(b[:, 0], b[:, 1], s=0.7 * size, c=SECOND, marker="D", linewidths=0, alpha=0.8, label=names[1])
    ax.autoscale_view()


def clouds_grid(
    panels: Mapping[str, tuple[np.ndarray, np.ndarray]],
    names: Mapping[str, Sequence[str]] | None = None,
    columns: int = 2,
    axes: tuple[str, str] | None = None,
) -> Figure:
    """Draw one panel of `clouds` for each title; without ``axes`` the coordinates have no unit and are left out."""
    rows = -(-len(panels) // columns)
    with plt.rc_context(STYLE):
        fig, grid = plt.subplots(
            rows, columns, figsize=(4 * columns, 3.1 * rows + 0.3), squeeze=False, sharex=bool(axes), sharey=bool(axes)
        )
        for ax, (title, (a, b)) in zip(grid.flat, panels.items(), strict=False):
            clouds(ax, a, b, (names or {}).get(title, ("image", "text")))
            ax.set_title(title)
            ax.legend(loc="best", markerscale=2, fontsize=8, handletextpad=0.1)
            if axes:
                ax.set_xlabel(axes[0])
                ax.set_ylabel(axes[1])
            else:
                ax.set(xticks=[], yticks=[])
                ax.spines[:].set_visible(False)
        for ax in grid.flat[len(panels) :]:
            ax.set_axis_off()
    return fig


def contrastive_batch(images: np.ndarray, captions: Sequence[str], similarity: np.ndarray) -> Figure:
    """Draw a batch as the loss sees it: cosines of every image with every caption, partners on the diagonal."""
    n = len(captions)
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(7.2, 4.6))
        shown = ax.imshow(similarity, cmap="cividis")
        for i, j in np.ndindex(n, n):
            dark = similarity[i, j] < (similarity.min() + similarity.max()) / 2
            ax.text(j, i, f"{similarity[i, j]:.2f}", ha="center", va="center", fontsize=8, color="w" if dark else "k")
            if i == j:
                ax.add_patch(plt.Rectangle((i - 0.48, i - 0.48), 0.96, 0.96, fill=False, ec=SECOND, lw=2.5))
        ax.set_yticks(range(n), captions, color=SECOND, fontsize=8)
        ax.set_xticks([])
        ax.spines[:].set_visible(False)
        for j, image in enumerate(images):
            inset = ax.inset_axes((j - 0.42, -1.45, 0.84, 0.84), transform=ax.transData)
            inset.imshow(255 - image, cmap="gray", vmin=0, vmax=255)
            inset.set(xticks=[], yticks=[])
            inset.spines[:].set(color=FIRST, linewidth=1.5, visible=True)
        fig.colorbar(shown, ax=ax, label="cosine", shrink=0.8)
    return fig


def similarity_blocks(panels: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Draw all cosines of n pairs as one 2n x 2n picture a panel, pairs ordered by average-linkage clustering."""
    from scipy.cluster.hierarchy import leaves_list, linkage

    with plt.rc_context(STYLE):
        fig, row = plt.subplots(1, len(panels), figsize=(4.2 * len(panels) + 0.6, 4.2), squeeze=False)
        for ax, (title, (x, y)) in zip(row[0], panels.items(), strict=True):
            order, n = leaves_list(linkage(np.hstack([x, y]), "average")), len(x)
            z = np.concatenate([x[order], y[order]])
            shown = ax.imshow(z @ z.T, cmap="cividis", interpolation="antialiased", vmin=-0.4, vmax=1)
            ax.axhline(n - 0.5, color="w", lw=1.5)
            ax.axvline(n - 0.5, color="w", lw=1.5)
            ax.set_xticks([n / 2, 3 * n / 2], ["images", "texts"])
            ax.set_yticks([n / 2, 3 * n / 2], ["images", "texts"], rotation=90, va="center")
            ax.tick_params(length=0)
            ax.set_title(title)
        fig.colorbar(shown, ax=row[0], label="cosine", shrink=0.8)
    return fig


def dots_with_intervals(table: pd.DataFrame, label: str) -> Figure:
    """Draw a value and its interval a row of ``source, value, low, high, group``; rows of one source share a line."""
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(6.4, 0.36 * table["source"].nunique() + 1))
        for (group, rows), color in zip(table.groupby("group", sort=False), GROUPS, strict=False):
            error = np.abs(rows[["low", "high"]].to_numpy().T - rows["value"].to_numpy())
            style: Any = {"fmt": ".", "markersize": 5, "elinewidth": 1, "capsize": 4, "alpha": 0.8}
            ax.errorbar(rows["value"], rows["source"], xerr=error, color=color, label=str(group), **style)
        ax.invert_yaxis()
        ax.set(xlabel=label, xlim=(0, None))
        ax.grid(axis="x", color="#dddddd")
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig


def gap_by_epoch(history: pd.DataFrame) -> Figure:
    """Draw the gap after each epoch, one line a run; columns ``model, seed, epoch, gap``, a color for each model."""
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(6.4, 3))
        for (model, runs), color in zip(history.groupby("model", sort=False), GROUPS, strict=False):
            for seed, run in runs.groupby("seed"):
                ax.plot(run["epoch"], run["gap"], color=color, lw=1.2, label=model if seed == 0 else None)
        ax.set(xlabel="epoch", ylabel="modality gap", ylim=(0, None))
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    return fig


def training_frame(a: np.ndarray, b: np.ndarray, title: str, limits: tuple[float, float]) -> Figure:
    """Draw one moment of training in the gap view, on fixed axes, so that frames can be compared."""
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(5.6, 3.4))
        clouds(ax, a, b, size=12)
        ax.set(xlim=(-limits[0], limits[0]), ylim=(-limits[1], limits[1]), title=title)
        ax.set(xlabel="along the gap (cosine units)", ylabel="first component of the rest")
        ax.legend(loc="upper left", markerscale=1.5)
    return fig


# chapter 2
def cosine_histograms(panels: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw distributions of cosines, one panel a title, one line a label: values are ``CosineStats``."""
    with plt.rc_context(STYLE):
        fig, row = plt.subplots(1, len(panels), figsize=(3.6 * len(panels), 3), squeeze=False, sharex=True)
        for ax, (title, lines) in zip(row[0], panels.items(), strict=True):
            for (label, stats), color in zip(lines.items(), (*GROUPS, "#000000"), strict=False):
                density = stats.histogram.counts / stats.n_pairs / np.diff(stats.histogram.edges)
                ax.stairs(density, stats.histogram.edges, color=color, lw=1.5, label=f"{label}: {stats.mean:.2f}")
            ax.set(title=title, xlabel="cosine of two items", xlim=(-0.3, 1.02), yscale="log", ylim=(0.02, 200))
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
        ax.set(xscale="log", xlabel="dimension of the sphere's space", ylabel="log10 of the share", title=label)
    return fig


# chapter 3

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


def depth_panels(table: pd.DataFrame, shared: bool = True) -> Figure:
    """Draw mean cosines over depth; columns ``panel, network, depth, mean, low, high``, and where known
    ``paper`` (dots) and ``theory`` (thin dashes).
    """
    panels = table["panel"].unique()
    with plt.rc_context(STYLE):
        fig, row = plt.subplots(1, len(panels), figsize=(1.4 + 3.6 * len(panels), 4.2), squeeze=False, sharey=shared)
        for ax, panel in zip(row[0], panels, strict=True):
            for name, line in table[table["panel"] == panel].groupby("network", sort=False):
                color, dash = NETWORKS[name]
                ax.fill_between(line["depth"], line["low"], line["high"], color=color, alpha=0.25, lw=0)
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
            ax.legend(fontsize=8, handlelength=2.2, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.17))
        row[0, 0].set_ylabel("mean cosine")
    return fig


def narrowing(table: pd.DataFrame, laws: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Draw how far the cosine is from 1, over depth and over its logarithm; columns ``network, seed, depth, apart``."""
    with plt.rc_context(STYLE):
        fig, row = plt.subplots(1, 2, figsize=(8.6, 3.6), sharey=True)
        titles = ("With biases: straight over depth", "Without: straight over its logarithm")
        for ax, title in zip(row, titles, strict=True):
            for (network, lines), color in zip(table.groupby("network", sort=False), GROUPS, strict=False):
                for i, (_, line) in enumerate(lines.groupby("seed")):
                    label = None if i else network
                    ax.plot(line["depth"], line["apart"], color=color, lw=0.8, alpha=0.8, label=label)
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
        ax.set(xlim=(-0.4, 1), ylim=(0, 1), xlabel="cosine of two inputs", ylabel="share of pairs", title=title)
    return fig


def theorem1(table: pd.DataFrame) -> Figure:
    """Draw ``setting, cosine, probability, low, high, slack, gain`` of Theorem 1, its condition dotted at 0.6."""
    with plt.rc_context(STYLE):
        fig, (left, right) = plt.subplots(1, 2, figsize=(8.8, 3.5))
        for (setting, rows), color in zip(table.groupby("setting", sort=False), GROUPS, strict=False):
            left.fill_between(rows["cosine"], rows["low"], rows["high"], color=color, alpha=0.25, lw=0)
            left.plot(rows["cosine"], rows["probability"], ".-", color=color, label=setting)
            right.plot(rows["cosine"], rows["gain"].where(rows["gain"] > 0), "-", color=color, label=f"gain, {setting}")
            right.plot(rows["cosine"], rows["slack"].where(rows["slack"] > 0), "--", color=color)
        right.plot([], [], "k--", label="slack (bias alone)")
        left.set(xlabel="cosine of u and v", ylabel="P(cosine grows)", title="Large norms: no longer certain")
        left.axvline(0.6, color=GROUPS[2], lw=1, ls=":", zorder=0)
        right.set(xlabel="cosine of u and v", ylabel="growth", yscale="log", title="Large norms: hardly by the bias")
        left.legend(fontsize=8, loc="lower left")
        right.legend(fontsize=8, loc="lower left")
    return fig


def seed_clouds(rows: Mapping[str, Mapping[str, np.ndarray]], highlight: int | None = None) -> Figure:
    """Draw points ``(seeds, n, 2)``, a color for each seed or one seed before the others; ``rows[view][encoder]``."""
    with plt.rc_context(STYLE):
        fig, grid = plt.subplots(len(rows), 3, figsize=(9, 2.9 * len(rows)), squeeze=False)
        for axes, (view, panels) in zip(grid, rows.items(), strict=True):
            for ax, (encoder, points) in zip(axes, panels.items(), strict=True):
                color = np.repeat(np.linspace(0, 1, len(points)), points.shape[1])
                style: Any = {"c": "#cccccc"} if highlight is not None else {"c": color, "cmap": "viridis"}
                ax.scatter(*points.reshape(-1, 2).T, s=4, linewidths=0, **style)
                if highlight is not None:
                    ax.scatter(*points[highlight].T, s=9, color=GROUPS[0], linewidths=0)
                ax.set(title=f"{view}: {encoder}", xticks=[], yticks=[])
    return fig


def gap_at_start(cosines: np.ndarray, gaps: np.ndarray, curve: tuple[np.ndarray, np.ndarray], d: int) -> Figure:
    """Draw gaps over the cosine of the two centers, with their prediction; beside it the cosines and N(0, 1/d)."""
    with plt.rc_context(STYLE):
        fig, (left, right) = plt.subplots(1, 2, figsize=(8.6, 3.5))
        left.plot(*curve, "k--", lw=1.2, label="predicted from the mean cones")
        left.plot(cosines, gaps, "o", color=GROUPS[0], markersize=4.5, label="measured, one network each")
        left.axvline(0, color="#bbbbbb", lw=0.8, zorder=0)
        left.set(xlabel="cosine of the two centers", ylabel="modality gap", title="The angle makes most of the scatter")
        left.legend(fontsize=8, loc="upper right")
        at = np.linspace(-4, 4, 200) / d**0.5
        right.hist(cosines, bins=6, density=True, color=GROUPS[0], alpha=0.6)
        right.plot(at, (d / 2 / np.pi) ** 0.5 * np.exp(-d * at**2 / 2), "k--", lw=1.2, label=f"N(0, 1/{d})")
        right.set(xlabel="cosine of the two centers", ylabel="density", title="The angle is one of random directions")
        right.legend(fontsize=8)
    return fig
