"""Figures of training runs (chapter 5): what they measure, over epochs and temperatures."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gapbook.extras import from_extra
from gapbook.plots.labels import line_colors
from gapbook.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    GRID_COLOR,
    GROUP_COLORS,
    LEGEND_RIGHT,
    LINE_COLOR,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    assign,
    panel_grid,
    styled,
)

# Dashes as lengths of ink and of space, in widths of the line; none is a solid line.
Dashes = tuple[float, ...]
SOLID: Dashes = ()
DASHED: Dashes = (3.7, 1.6)
DOTTED: Dashes = (1, 1.65)
DASH_DOTTED: Dashes = (6.4, 1.6, 1, 1.6)

# The color and the dashes of each variant of a run, in every figure.
VARIANT_STYLES: dict[str, tuple[Any, Dashes]] = {
    "ordinary": (BLACK, SOLID),
    "amended": (GREEN, SOLID),
    "turned back": (PURPLE, DASHED),
    "turned together": (BLUE, DOTTED),
    "one modality": (ORANGE, DASH_DOTTED),
    "same seed": (VERMILION, DASHED),
    "shared": (SKY, DOTTED),
    "deep text": (BLUE, DASHED),
}
# Those of two losses; the softmax is that of ordinary runs.
LOSS_STYLES: dict[str, tuple[Any, Dashes]] = {
    "softmax": VARIANT_STYLES["ordinary"],
    "sigmoid": (VERMILION, DOTTED),
}
SIGMOID = "sigmoid"
LEARNED_STYLE: tuple[Any, Dashes] = (PURPLE, DASHED)

# Every second temperature from 1/20 on has dashes, so that neighbors differ in more than a shade.
TEMPERATURE_DASHES: dict[str, Dashes] = {"1/20": DOTTED, "1/50": DASH_DOTTED}

# The color and the mark of each kind of runs.
KIND_STYLES: tuple[tuple[str, str], ...] = (
    (BLACK, "o"),
    (PURPLE, "s"),
    (VERMILION, "^"),
    (GREEN, "D"),
    (SKY, "v"),
    (ORANGE, "P"),
)

# The color of each length of training, from short to long.
LENGTH_COLORS = (ORANGE, BLACK)

# The distance of models within the line of a pair, in lines.
MODELS_SPREAD = 0.22

# The lines of up to three fitted laws.
LAW_DASHES = ("--", ":", "-.")


def line_styles(names: Sequence[str]) -> dict[str, tuple[Any, Dashes]]:
    """Choose color and dashes of each line.

    Parameters
    ----------
    names : sequence of str
        Variants of a run, in the styles of ``VARIANT_STYLES``; losses, in those of
        ``LOSS_STYLES``; or labels of temperatures from high to low, in darker shades the lower they
        are, some with dashes, and "learned".

    Returns
    -------
    dict of (color, dashes)
        By name, in their order.
    """
    for known in (VARIANT_STYLES, LOSS_STYLES):
        if set(names) <= set(known):
            return {name: known[name] for name in names}
    fixed = [name for name in names if name != "learned"]
    styles: dict[str, tuple[Any, Dashes]] = {}
    for name, color in line_colors(fixed).items():
        styles[name] = (color, TEMPERATURE_DASHES.get(name, SOLID))
    if "learned" in names:
        styles["learned"] = LEARNED_STYLE
    return styles


@styled
def curves_over_epochs(
    table: pd.DataFrame,
    value: str = "gap",
    label: str = "modality gap",
    sharey: bool = True,
) -> Figure:
    """Draw a value over epochs, the mean and the range over seeds.

    Parameters
    ----------
    table : DataFrame with columns panel, line, seed, epoch, and that of the value
        One row an epoch of a run. Lines are named as ``line_styles`` wants them.
    value : str
        The column to draw.
    label : str
        What it is.
    sharey : bool
        Whether all panels have one vertical axis; panels of different measures have their own.
    """
    with from_extra("chapters", "this figure"):
        import seaborn as sns

    panels = table["panel"].unique()
    styles = line_styles(list(table["line"].unique()))
    fig, grid = panel_grid(len(panels), (3.4, 3.5), beside=2.2, sharey=sharey)
    for ax, panel in zip(grid.flat, panels, strict=False):
        sns.lineplot(
            table[table["panel"] == panel],
            x="epoch",
            y=value,
            hue="line",
            style="line",
            palette={name: color for name, (color, _) in styles.items()},
            dashes={name: dashes or "" for name, (_, dashes) in styles.items()},
            # the band holds all seeds
            errorbar=("pi", 100),
            err_kws={"linewidth": 0},
            linewidth=1.5,
            legend=False,
            ax=ax,
        )
        ax.set(title=panel, xlabel="epoch", ylabel="")
    _begin_at_zero(grid.flat)
    for row in grid:
        row[0].set_ylabel(label)
    handles = [
        plt.Line2D([], [], color=color, linestyle=(0, dashes) if dashes else "-")
        for color, dashes in styles.values()
    ]
    fig.legend(handles, list(styles), loc=LEGEND_RIGHT, fontsize=9)
    return fig


def _begin_at_zero(axes: Iterable[Axes]) -> None:
    """Let vertical axes begin at 0 when all panels are drawn.

    A limit that is set before keeps the top of the first panel for all that share its axis.
    """
    for ax in axes:
        ax.set_ylim(bottom=0)


@styled
def gap_and_recall_by_scale(runs: pd.DataFrame, authors: pd.DataFrame) -> Figure:
    """Draw gap and recall at the end of training over 1/tau.

    Parameters
    ----------
    runs : DataFrame with columns scale, gap, recall, kind
        One row a run; ``scale`` is 1/tau at its end. Up to three kinds get a color and a mark each.
    authors : DataFrame with columns scale, gap, recall
        What the authors report of a fine-tuned CLIP, open circles.
    """
    with from_extra("chapters", "this figure"):
        import seaborn as sns

    fig, (left, right) = plt.subplots(1, 2, figsize=(8.8, 3.4))
    for ax, column in ((left, "gap"), (right, "recall")):
        ax.plot(
            authors["scale"],
            authors[column],
            "ko",
            ms=5,
            mfc="w",
            label="CLIP, fine-tuned (published)",
        )
        sns.scatterplot(
            runs,
            x="scale",
            y=column,
            hue="kind",
            style="kind",
            palette=assign(runs["kind"], GROUP_COLORS),
            markers=assign(runs["kind"], "oDs"),
            s=36,
            linewidth=0,
            alpha=0.8,
            zorder=3,
            legend=ax is left,
            ax=ax,
        )
        ax.set(xlabel="1 / temperature", xscale="log", ylim=(0, None))
    left.set(ylabel="modality gap", title="A lower temperature keeps more of the gap")
    right.set(ylabel="R@1, both directions", title="At 1/10 and below, retrieval hardly changes")
    left.legend(fontsize=9)
    return fig


@styled
def gap_decay_with_fits(
    measured: Mapping[str, pd.Series], fits: Mapping[str, Mapping[str, pd.Series]]
) -> Figure:
    """Draw the gap of long runs over training time, on logarithmic axes, with fitted laws.

    Parameters
    ----------
    measured : mapping of str to Series
        The gap of each run over its training time, by title: a panel each.
    fits : mapping of str to mapping of str to Series
        Up to three laws fitted to each run, by its title and by their names in the legend.
    """
    fig, grid = panel_grid(len(measured), (3.8, 3.1), sharey=True)
    for ax, (title, gaps) in zip(grid.flat, measured.items(), strict=False):
        ax.plot(gaps.index, gaps, color=GREEN, lw=2.5, label="measured")
        laws = fits[title]
        for law, dash in assign(laws, LAW_DASHES).items():
            ax.plot(laws[law].index, laws[law], "k" + dash, lw=1.2, label=law)
        ax.set(title=title, xlabel="training time (epochs at full rate)")
        ax.set(xscale="log", yscale="log")
    for row in grid:
        row[0].set_ylabel("modality gap")
    grid.flat[len(measured) - 1].legend(fontsize=9, loc="lower left")
    return fig


@styled
def gap_by_loss(curves: pd.DataFrame) -> Figure:
    """Draw the gap over the training loss, a line a run, in a panel for each temperature.

    Both axes are logarithmic: equal distances are equal ratios of gaps.

    Parameters
    ----------
    curves : DataFrame with columns panel, epochs, seed, epoch, loss, gap
        One row an epoch of a run; ``epochs`` is its length, one of two. Rows without a loss are
        left out. A dot marks the end of each run.
    """
    panels = curves["panel"].unique()
    lengths = sorted(curves["epochs"].unique())
    colors = dict(zip(lengths, LENGTH_COLORS, strict=False))
    fig, grid = panel_grid(len(panels), (3.4, 2.8), beside=1.3, sharey=True)
    for ax, panel in zip(grid.flat, panels, strict=False):
        runs = curves[curves["panel"] == panel].dropna(subset=["loss"]).sort_values("epoch")
        # Longer runs lie below, and wider, so that both are seen where they coincide.
        for (epochs, _), run in sorted(runs.groupby(["epochs", "seed"]), reverse=True):
            width = 0.9 if epochs == lengths[0] else 1.4
            ax.plot(run["loss"], run["gap"], color=colors[epochs], lw=width)
            end = run[["loss", "gap"]].iloc[-1]
            ax.plot(*end, "o", color=colors[epochs], ms=6, mec="white", zorder=4)
        ax.set(title=panel, xlabel="training loss (nats)", xscale="log", yscale="log")
        ax.invert_xaxis()
        ax.yaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_minor_formatter("")
    for row in grid:
        row[0].set_ylabel("modality gap")
    handles = [plt.Line2D([], [], color=colors[epochs]) for epochs in lengths]
    labels = [f"{epochs} epochs" for epochs in lengths]
    fig.legend(handles, labels, loc=LEGEND_RIGHT, fontsize=9)
    return fig


@styled
def ends_by_length(ends: pd.DataFrame, columns: Mapping[str, str]) -> Figure:
    """Draw what runs of two lengths end with: a dot a seed, and a line from mean to mean.

    Parameters
    ----------
    ends : DataFrame with columns run, epochs, seed, and those that are drawn
        One row a run; ``run`` names what it is, and has a line in the order of first appearance.
    columns : mapping of str to str
        What is drawn, a panel each, and its label.
    """
    names = list(ends["run"].unique())
    lengths = sorted(ends["epochs"].unique())
    colors = dict(zip(lengths, LENGTH_COLORS, strict=False))
    panel = (3.4, 0.8 + 0.3 * len(names))
    fig, grid = panel_grid(len(columns), panel, beside=1.8, sharey=True)
    for ax, (column, label) in zip(grid.flat, columns.items(), strict=False):
        for place, name in enumerate(names):
            of_run = ends[ends["run"] == name]
            means = of_run.groupby("epochs")[column].mean()
            ax.plot(means, [place] * len(means), color=GRID_COLOR, lw=2.5, zorder=1)
            for epochs, values in of_run.groupby("epochs")[column]:
                at = [place] * len(values)
                ax.plot(values, at, "o", color=colors[epochs], ms=4.5, alpha=0.8)
        ax.set(xlabel=label, xlim=(0, None), yticks=range(len(names)), yticklabels=names)
    # All panels have one vertical axis: the first run stands at the top.
    grid[0, 0].invert_yaxis()
    handles = [plt.Line2D([], [], color=colors[e], marker="o", ls="", ms=4.5) for e in lengths]
    labels = [f"{epochs} epochs" for epochs in lengths]
    fig.legend(handles, labels, loc=LEGEND_RIGHT, fontsize=9)
    return fig


@styled
def gap_and_fit(curves: pd.DataFrame, ends: pd.DataFrame) -> Figure:
    """Draw the gap over the training loss of all runs, and their final gap over a fitted one.

    Parameters
    ----------
    curves : DataFrame with columns run, line, epoch, loss, gap
        One row an epoch of a run. Lines are labels of temperatures, or "sigmoid"; runs without one
        are gray.
    ends : DataFrame with columns kind, fitted, gap
        One row a run; up to six kinds.
    """
    fig, (left, right) = plt.subplots(1, 2, figsize=(8.8, 5.2), sharey=True)
    names = [name for name in curves["line"].unique() if name]
    curves = curves.dropna(subset=["loss"]).sort_values("epoch")
    colors = line_colors([name for name in names if name != SIGMOID])
    if SIGMOID in names:
        colors[SIGMOID] = LOSS_STYLES[SIGMOID][0]
    # Those without a line are drawn first, behind all others.
    dashes = {name: TEMPERATURE_DASHES.get(name) for name in colors}
    styles = {name: (0, dash) if dash else "-" for name, dash in dashes.items()}
    for line, color in {"": LINE_COLOR, **colors}.items():
        for _, run in curves[curves["line"] == line].groupby("run"):
            left.plot(run["loss"], run["gap"], color=color, lw=1, ls=styles.get(line, "-"))
    label = "training loss (nats), falling \N{RIGHTWARDS ARROW}"
    left.set(xlabel=label, xscale="log", ylabel="modality gap")
    left.set_title("Curves of all runs")
    left.invert_xaxis()
    handles = [
        plt.Line2D([], [], color=color, lw=1.5, ls=styles[name]) for name, color in colors.items()
    ]
    handles.append(plt.Line2D([], [], color=LINE_COLOR, lw=1.5))
    labels = [*colors, "others"]
    place = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.25), "fontsize": 9}
    left.legend(handles, labels, ncols=3, **place)
    for kind, (color, mark) in assign(ends["kind"], KIND_STYLES).items():
        rows = ends[ends["kind"] == kind]
        right.plot(rows["fitted"], rows["gap"], mark, color=color, ms=5, alpha=0.7, label=kind)
    top = max(ends["fitted"].max(), ends["gap"].max())
    right.plot([0, top], [0, top], color=LINE_COLOR, lw=1, zorder=0)
    right.set(xlabel="gap by temperature and loss", title="Ends, over the fit")
    # The names of kinds are long: two columns would not fit on a phone.
    right.legend(**place)
    _begin_at_zero([left, right])
    return fig


@styled
def ends_by_model(ends: pd.DataFrame, columns: Mapping[str, str]) -> Figure:
    """Draw what pairs of modalities end with in several models: a dot a seed, hollow if untrained.

    Parameters
    ----------
    ends : DataFrame with columns pair, model, is_trained, and those that are drawn
        One row a pair, model and seed. Pairs have a line each in the order of first appearance, and
        models, at most three, a color; ``is_trained`` says whether the model learned from the pair.
    columns : mapping of str to str
        What is drawn, a panel each, and its label.
    """
    names = list(ends["pair"].unique())
    colors = assign(ends["model"], GROUP_COLORS)
    # Models stand one below the other within the line of a pair.
    spread = MODELS_SPREAD * (len(colors) - 1) / 2
    below = dict(zip(colors, np.linspace(-spread, spread, len(colors)), strict=True))
    panel = (3.5, 1.0 + 0.45 * len(names))
    fig, grid = panel_grid(len(columns), panel, sharey=True)
    for ax, (column, label) in zip(grid.flat, columns.items(), strict=False):
        for (model, is_trained), rows in ends.groupby(["model", "is_trained"]):
            at = [names.index(pair) + below[model] for pair in rows["pair"]]
            face = colors[model] if is_trained else "white"
            ax.plot(rows[column], at, "o", mec=colors[model], mfc=face, ms=6, mew=1.4)
        # Room at the right keeps the last number apart from the first one of the next panel.
        ax.set(xlabel=label, xlim=(0, 1.15 * ends[column].max()))
        ax.set(yticks=range(len(names)), yticklabels=names)
        ax.grid(axis="x", color=GRID_COLOR)
        ax.set_axisbelow(True)
    # All panels have one vertical axis: the first pair stands at the top.
    grid[0, 0].invert_yaxis()
    handles = [
        plt.Line2D([], [], color=color, marker="o", ls="", ms=6) for color in colors.values()
    ]
    hollow = plt.Line2D([], [], mec=BLACK, mfc="white", mew=1.4, marker="o", ls="", ms=6)
    labels = [*colors, "never trained"]
    fig.legend([*handles, hollow], labels, loc="outside lower center", ncols=2, fontsize=9)
    return fig
