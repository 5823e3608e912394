"""Figures of paired embeddings and of their gap (chapter 1)."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from gapbook.extras import from_extra
from gapbook.numerals import typeset
from gapbook.plots.labels import colors_of, ordered
from gapbook.plots.labels import label as name_of
from gapbook.plots.style import (
    FIRST_COLOR,
    FIRST_MARKER,
    GRID_COLOR,
    GROUP_COLORS,
    LEGEND_BESIDE,
    LINE_COLOR,
    SECOND_COLOR,
    SECOND_MARKER,
    assign,
    interval_bars,
    styled,
)
from gapbook.projections import GAP_VIEW_LABELS

# More lines between partners would hide the points.
MAX_LINKS = 150

MODALITIES = ("image", "text")

# Characters of a line of a caption beside a row of cosines.
CAPTION_CHARACTERS = 10

# Where the color scale of cosines starts: few are lower, and from -1 on the rest would look alike.
LOWEST_COSINE = -0.4


def clouds(
    ax: Axes,
    a: np.ndarray,
    b: np.ndarray,
    modalities: Sequence[str] = MODALITIES,
    size: float = 9,
) -> None:
    """Draw two modalities as points, with lines between partners, of 150 pairs or so.

    Parameters
    ----------
    ax : Axes
        Where to draw.
    a, b : array of shape (n, 2)
        The places of the first and of the second modality, row i of both a pair.
    modalities : sequence of two str
        Their names in a legend.
    size : float
        The area of a mark in square points.
    """
    links = np.stack([a, b], axis=1)[:: max(1, len(a) // MAX_LINKS)]
    ax.add_collection(
        LineCollection(list(links), colors=LINE_COLOR, linewidths=0.4, alpha=0.6, zorder=0)
    )
    first, second = modalities
    ax.scatter(
        a[:, 0],
        a[:, 1],
        s=size,
        c=FIRST_COLOR,
        marker=FIRST_MARKER,
        linewidths=0,
        alpha=0.8,
        label=first,
    )
    # A diamond of equal size would look larger.
    ax.scatter(
        b[:, 0],
        b[:, 1],
        s=0.7 * size,
        c=SECOND_COLOR,
        marker=SECOND_MARKER,
        linewidths=0,
        alpha=0.8,
        label=second,
    )
    ax.autoscale_view()


@styled
def clouds_grid(
    panels: Mapping[str, tuple[np.ndarray, np.ndarray]],
    modalities: Mapping[str, Sequence[str]] | None = None,
    columns: int = 2,
    axis_labels: tuple[str, str] | None = None,
) -> Figure:
    """Draw pairs as in ``clouds``, one panel a title.

    Parameters
    ----------
    panels : mapping of str to two arrays of shape (n, 2)
        The places of both modalities, by title.
    modalities : mapping of str to two str, optional
        The names of the modalities, by title; images and texts where there is none.
    columns : int
        How many panels stand side by side.
    axis_labels : tuple of two str, optional
        The labels of both axes, which all panels then share. Without them the coordinates have no
        unit and are left out.
    """
    rows = -(-len(panels) // columns)
    shared = axis_labels is not None
    fig, grid = plt.subplots(
        rows,
        columns,
        figsize=(4 * columns, 3.1 * rows + 0.3),
        squeeze=False,
        sharex=shared,
        sharey=shared,
    )
    names = modalities or {}
    for ax, (title, (a, b)) in zip(grid.flat, panels.items(), strict=False):
        clouds(ax, a, b, names.get(title, MODALITIES))
        ax.set_title(title)
        ax.legend(loc="best", markerscale=2, fontsize=8, handletextpad=0.1)
        if axis_labels:
            ax.set(xlabel=axis_labels[0], ylabel=axis_labels[1])
        else:
            ax.set(xticks=[], yticks=[])
            ax.spines[:].set_visible(False)
    for ax in grid.flat[len(panels) :]:
        ax.set_axis_off()
    return fig


@styled
def contrastive_batch(
    images: np.ndarray, captions: Sequence[str], similarity: np.ndarray
) -> Figure:
    """Draw a batch as the loss sees it: the cosines of every image with every caption.

    Parameters
    ----------
    images : array of shape (n, h, w), uint8
        The images, ink 255, drawn beside the rows.
    captions : sequence of n str
        The captions, written above the columns.
    similarity : array of shape (n, n)
        The cosine of image i and caption j; partners, on the diagonal, are framed.
    """
    fig, ax = plt.subplots(figsize=(5.2, 5.4))
    ax.imshow(similarity, cmap="cividis")
    middle = (similarity.min() + similarity.max()) / 2
    for (row, column), cosine in np.ndenumerate(similarity):
        color = "w" if cosine < middle else "k"
        number = typeset(f"{cosine:.2f}")
        ax.text(column, row, number, ha="center", va="center", fontsize=8, color=color)
    for i, image in enumerate(images):
        corner = (i - 0.48, i - 0.48)
        ax.add_patch(plt.Rectangle(corner, 0.96, 0.96, fill=False, ec=SECOND_COLOR, lw=2.5))
        beside = ax.inset_axes((-1.45, i - 0.42, 0.84, 0.84), transform=ax.transData)
        beside.imshow(255 - image, cmap="gray", vmin=0, vmax=255)
        beside.set(xticks=[], yticks=[])
        beside.spines[:].set(color=FIRST_COLOR, linewidth=1.5, visible=True)
    # A caption may hold dollars, between which Matplotlib would look for mathematics.
    as_it_is = {"parse_math": False}
    # In short lines, upright, which leave a phone room for the cosines.
    short = [textwrap.fill(caption, CAPTION_CHARACTERS) for caption in captions]
    ax.xaxis.tick_top()
    ax.set_xticks(
        range(len(captions)), short, color=SECOND_COLOR, fontsize=8, rotation=90, **as_it_is
    )
    ax.set_yticks([])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return fig


@styled
def similarity_blocks(panels: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Draw all cosines of n pairs as one picture a panel, of 2n rows and columns.

    Pairs are ordered by average-linkage clustering, so that like stands beside like.

    Parameters
    ----------
    panels : mapping of str to two arrays of shape (n, d)
        The unit rows of images and of texts, by title.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage

    size = (4.2 * len(panels) + 0.6, 4.2)
    fig, row = plt.subplots(1, len(panels), figsize=size, squeeze=False)
    for ax, (title, (x, y)) in zip(row[0], panels.items(), strict=True):
        n = len(x)
        order = leaves_list(linkage(np.hstack([x, y]), "average"))
        z = np.concatenate([x[order], y[order]])
        drawn = ax.imshow(
            z @ z.T, cmap="cividis", interpolation="antialiased", vmin=LOWEST_COSINE, vmax=1
        )
        ax.axhline(n - 0.5, color="w", lw=1.5)
        ax.axvline(n - 0.5, color="w", lw=1.5)
        ax.set_xticks([n / 2, 3 * n / 2], ["images", "texts"])
        ax.set_yticks([n / 2, 3 * n / 2], ["images", "texts"], rotation=90, va="center")
        ax.tick_params(length=0)
        ax.set_title(title)
    fig.colorbar(drawn, ax=row[0], label="cosine", shrink=0.8)
    return fig


@styled
def dots_with_intervals(table: pd.DataFrame, label: str) -> Figure:
    """Draw a value with its interval for each row; rows of one source share a line.

    Parameters
    ----------
    table : DataFrame with columns source, value, low, high, group
        Up to three groups get a color each.
    label : str
        What the values are.
    """
    fig, ax = plt.subplots(figsize=(6.4, 0.36 * table["source"].nunique() + 1))
    colors = assign(table["group"], GROUP_COLORS)
    for group, rows in table.groupby("group", sort=False):
        ax.errorbar(
            rows["value"],
            rows["source"].map(name_of),
            xerr=interval_bars(rows),
            fmt="o",
            color=colors[group],
            markersize=4.5,
            elinewidth=1,
            capsize=4,
            alpha=0.8,
            label=str(group),
        )
    ax.invert_yaxis()
    ax.set(xlabel=label, xlim=(0, None))
    ax.grid(axis="x", color=GRID_COLOR)
    ax.legend(**LEGEND_BESIDE)
    return fig


@styled
def gap_by_epoch(history: pd.DataFrame) -> Figure:
    """Draw the gap after each epoch, one line a run.

    Parameters
    ----------
    history : DataFrame with columns model, seed, epoch, gap
        One row an epoch of a run. Models have the names and colors of ``gapbook.plots.labels``;
        up to three others get a color each.
    """
    with from_extra("chapters", "this figure"):
        import seaborn as sns

    models = ordered(history["model"].unique())
    fig, ax = plt.subplots(figsize=(6.4, 3))
    sns.lineplot(
        history,
        x="epoch",
        y="gap",
        hue="model",
        hue_order=models,
        palette=colors_of(models),
        units="seed",
        estimator=None,
        linewidth=1.2,
        ax=ax,
    )
    ax.set(xlabel="epoch", ylabel="modality gap", ylim=(0, None))
    sns.move_legend(ax, **LEGEND_BESIDE, title=None)
    legend: Any = ax.get_legend()
    for text, model in zip(legend.get_texts(), models, strict=True):
        text.set_text(name_of(model))
    return fig


@styled
def training_frame(a: np.ndarray, b: np.ndarray, title: str, limits: tuple[float, float]) -> Figure:
    """Draw one moment of training in the gap view, on fixed axes, so that frames can be compared.

    Parameters
    ----------
    a, b : array of shape (n, 2)
        The places of images and of texts, as from ``project``.
    title : str
        Which moment it is.
    limits : tuple of two float
        How far both axes reach on either side of 0.
    """
    right, top = limits
    fig, ax = plt.subplots(figsize=(5.6, 3.4))
    clouds(ax, a, b, size=12)
    ax.set(xlim=(-right, right), ylim=(-top, top), title=title)
    ax.set(xlabel=GAP_VIEW_LABELS[0], ylabel=GAP_VIEW_LABELS[1])
    # Below the axes: in some frame points lie in every corner.
    shown = ax.get_legend_handles_labels()
    fig.legend(*shown, loc="outside lower center", ncols=2, markerscale=1.5)
    return fig
