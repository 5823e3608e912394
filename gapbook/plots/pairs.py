"""Figures of paired embeddings and of their gap (chapter 1)."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from gapbook.plots.style import FIRST, GROUPS, LINE, SECOND, STYLE


def clouds(
    ax: Axes,
    a: np.ndarray,
    b: np.ndarray,
    names: Sequence[str] = ("image", "text"),
    size: float = 9,
) -> None:
    """Draw two modalities as points ``(n, 2)``, with lines between partners, of 150 pairs or so."""
    lines = np.stack([a, b], axis=1)[:: max(1, len(a) // 150)]  # more would hide the points
    ax.add_collection(LineCollection(list(lines), colors=LINE, linewidths=0.4, alpha=0.6, zorder=0))
    ax.scatter(
        a[:, 0], a[:, 1], s=size, c=FIRST, marker="o", linewidths=0, alpha=0.8, label=names[0]
    )
    ax.scatter(
        b[:, 0],
        b[:, 1],
        s=0.7 * size,
        c=SECOND,
        marker="D",
        linewidths=0,
        alpha=0.8,
        label=names[1],
    )
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
            rows,
            columns,
            figsize=(4 * columns, 3.1 * rows + 0.3),
            squeeze=False,
            sharex=bool(axes),
            sharey=bool(axes),
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


def contrastive_batch(
    images: np.ndarray, captions: Sequence[str], similarity: np.ndarray
) -> Figure:
    """Draw a batch as the loss sees it: cosines of every image with every caption, partners on the diagonal."""
    n = len(captions)
    with plt.rc_context(STYLE):
        fig, ax = plt.subplots(figsize=(7.2, 4.6))
        shown = ax.imshow(similarity, cmap="cividis")
        for i, j in np.ndindex(n, n):
            dark = similarity[i, j] < (similarity.min() + similarity.max()) / 2
            ax.text(
                j,
                i,
                f"{similarity[i, j]:.2f}",
                ha="center",
                va="center",
                fontsize=8,
                color="w" if dark else "k",
            )
            if i == j:
                ax.add_patch(
                    plt.Rectangle((i - 0.48, i - 0.48), 0.96, 0.96, fill=False, ec=SECOND, lw=2.5)
                )
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
        fig, row = plt.subplots(
            1, len(panels), figsize=(4.2 * len(panels) + 0.6, 4.2), squeeze=False
        )
        for ax, (title, (x, y)) in zip(row[0], panels.items(), strict=True):
            order, n = leaves_list(linkage(np.hstack([x, y]), "average")), len(x)
            z = np.concatenate([x[order], y[order]])
            shown = ax.imshow(
                z @ z.T, cmap="cividis", interpolation="antialiased", vmin=-0.4, vmax=1
            )
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
            ax.errorbar(
                rows["value"], rows["source"], xerr=error, color=color, label=str(group), **style
            )
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
                ax.plot(
                    run["epoch"],
                    run["gap"],
                    color=color,
                    lw=1.2,
                    label=model if seed == 0 else None,
                )
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
