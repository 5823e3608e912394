"""Figures of the toy problems and of free embeddings (chapter 4)."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from gapbook.plots.style import FIRST, GROUPS, LINE, SECOND, STYLE

SIGHT = math.radians(30), math.radians(-20)  # longitude and latitude from which the sphere is seen


def toy_losses(table: pd.DataFrame, xlabel: str, columns: int = 3) -> Figure:
    """Draw losses of a toy problem, a line for each temperature; columns ``panel, scale, x, loss``, perhaps ``dashed``.

    Rows with a true ``dashed`` are a second variant, dashed in the same color. Dots mark the least loss.
    """
    panels, scales = list(table["panel"].unique()), sorted(table["scale"].unique())
    table = table.assign(dashed=table.get("dashed", False))
    with plt.rc_context(STYLE):
        size = (3.2 * min(columns, len(panels)) + 1.2, 3.5)
        fig, row = plt.subplots(1, len(panels), figsize=size, squeeze=False, sharey=True)
        for ax, panel in zip(row[0], panels, strict=True):
            rows = table[table["panel"] == panel]
            for (scale, dashed), line in rows.groupby(["scale", "dashed"]):
                color = _shade(scales.index(scale), len(scales))
                ax.plot(
                    line["x"],
                    line["loss"],
                    "--" if dashed else "-",
                    color=color,
                    lw=1 if dashed else 1.6,
                )
                least = line[line["loss"] < line["loss"].min() + 1e-9]
                ax.plot(
                    least["x"], least["loss"], "o", color=color, ms=4, mfc="w" if dashed else color
                )
            ax.set(
                title=panel,
                xlabel=xlabel,
                xticks=np.linspace(table["x"].min(), table["x"].max(), 5),
            )
        row[0, 0].set(ylabel="loss", ylim=(0, None))
        _temperatures(fig, scales)
    return fig


def one_curve(table: pd.DataFrame, best: tuple[float, float], names: Sequence[str]) -> Figure:
    """Draw losses over both ``names``, the best marked; columns ``scale, x, effective, loss``."""
    scales = sorted(table["scale"].unique())
    with plt.rc_context(STYLE):
        fig, (left, right) = plt.subplots(1, 2, figsize=(8.8, 3.6), sharey=True)
        for i, scale in enumerate(scales):
            rows = table[table["scale"] == scale]
            color, last = _shade(i, len(scales)), scale == scales[-1]
            left.plot(rows["x"], rows["loss"], color=color, lw=1.8)
            style: Any = (
                {"lw": 1.5}
                if last
                else {"ls": "", "marker": "osD^v"[i % 5], "ms": 6, "mfc": "w", "markevery": 5}
            )
            right.plot(
                rows["effective"], rows["loss"], color=color, zorder=2 if last else 3, **style
            )
        right.plot(*best, "k*", ms=13, mec="w", zorder=4)
        right.annotate(
            f"s* = {best[0]:.1f}", best, (0, -20), textcoords="offset points", ha="center"
        )
        left.axhline(best[1], color="k", lw=0.8, ls=":")
        left.set(xlabel=names[0], ylabel="loss", ylim=(0, None), title="Five landscapes ...")
        right.set(xlabel=names[1], xscale="log", xlim=(0.3, None), title="... are one curve")
        _temperatures(fig, scales)
    return fig


def _shade(i: int, of: int) -> Any:
    return plt.get_cmap("viridis")(0.9 * (1 - i / max(1, of - 1)))


def _temperatures(fig: Figure, scales: Sequence[float]) -> None:
    """Put one legend of temperatures at the right of a figure."""
    handles = [plt.Line2D([], [], color=_shade(i, len(scales)), lw=2) for i in range(len(scales))]
    names = ["1" if scale == 1 else f"1/{scale:g}" for scale in scales]
    fig.legend(handles, names, title="temperature", loc="outside right upper", fontsize=9)


def sphere_frame(
    points: tuple[np.ndarray, np.ndarray],
    curve: tuple[np.ndarray, np.ndarray],
    at: tuple[float, float],
    title: str,
) -> Figure:
    """Draw images and texts (n, 3) on a sphere, and beside them the loss over the angle with the present one marked."""
    with plt.rc_context(STYLE):
        fig, (ball, ax) = plt.subplots(1, 2, figsize=(7, 2.9), width_ratios=(1, 1.4))
        _globe(ball)
        images, texts = (_seen(side) for side in points)
        for image, text in zip(images, texts, strict=True):
            ball.plot(*zip(image[:2], text[:2], strict=True), color="#666666", lw=1, zorder=2)
        for side, color, marker, off in ((images, FIRST, "o", 5), (texts, SECOND, "D", -13)):
            ball.scatter(
                side[:, 0], side[:, 1], s=28, c=color, marker=marker, zorder=3, linewidths=0
            )
            for k in (
                (0, 1) if at[0] < 75 else ()
            ):  # beyond, the numbers of the texts would cover each other
                ball.annotate(
                    str(k + 1),
                    side[k, :2],
                    (0, off),
                    textcoords="offset points",
                    color=color,
                    ha="center",
                )
        ax.plot(*curve, color="k", lw=1.4)
        ax.plot(*at, "o", color=GROUPS[1], ms=9)
        ax.set(
            xlabel="angle of the texts below the images (degrees)",
            ylabel="loss",
            ylim=(0, 2.2),
            title=title,
        )
        ax.set_xticks(range(0, 91, 15))
    return fig


def _seen(points: np.ndarray) -> np.ndarray:
    """Return right, up and towards the eye of points (n, 3), in parallel projection from `SIGHT`."""
    (longitude, latitude), (x, y, z) = SIGHT, np.asarray(points).T
    right = -x * math.sin(longitude) + y * math.cos(longitude)
    away = x * math.cos(longitude) + y * math.sin(longitude)
    up = z * math.cos(latitude) - away * math.sin(latitude)
    return np.stack([right, up, away * math.cos(latitude) + z * math.sin(latitude)], axis=1)


def _globe(ax: Axes) -> None:
    """Draw the outline of the sphere, with the equator and six meridians, fainter on the far side."""
    ax.add_patch(plt.Circle((0, 0), 1, fc="#f4f4f4", ec=LINE, lw=1, zorder=0))
    turn = np.linspace(0, 2 * np.pi, 181)
    rings = [np.stack([np.cos(turn), np.sin(turn), 0 * turn], axis=1)]
    for side in np.radians(np.arange(0, 180, 30)):
        rings.append(
            np.stack(
                [np.cos(turn) * math.cos(side), np.cos(turn) * math.sin(side), np.sin(turn)], axis=1
            )
        )
    for k, ring in enumerate(map(_seen, rings)):
        near = np.where(ring[:, 2:] > 0, ring[:, :2], np.nan)
        ax.plot(near[:, 0], near[:, 1], color=LINE, lw=1.2 if k == 0 else 0.5, zorder=1)
    ax.set(xlim=(-1.06, 1.06), ylim=(-1.06, 1.06), aspect="equal")
    ax.set_axis_off()


def free_runs(table: pd.DataFrame, xlabel: str = "step") -> Figure:
    """Draw the gap of free embeddings over steps; columns ``panel, line, dashed, x, gap, low, high``."""
    panels, names = list(table["panel"].unique()), list(table["line"].unique())
    with plt.rc_context(STYLE):
        fig, row = plt.subplots(
            1, len(panels), figsize=(3.7 * len(panels) + 1.2, 3.5), squeeze=False, sharey=True
        )
        for ax, panel in zip(row[0], panels, strict=True):
            for (name, dashed), line in table[table["panel"] == panel].groupby(["line", "dashed"]):
                color = _shade(names.index(name), len(names))
                ax.fill_between(line["x"], line["low"], line["high"], color=color, alpha=0.2, lw=0)
                ax.plot(line["x"], line["gap"], "--" if dashed else "-", color=color, lw=1.6)
            ax.set(title=panel, xlabel=xlabel, xscale="log")
        row[0, 0].set(ylabel="modality gap", ylim=(0, None))
        handles = [plt.Line2D([], [], color=_shade(i, len(names)), lw=2) for i in range(len(names))]
        handles += [plt.Line2D([], [], color="k", ls=dash) for dash in ("-", "--")]
        fig.legend(
            handles, [*names, "two cones", "one cone"], loc="outside right upper", fontsize=9
        )
    return fig


def slow_closing(
    flows: Mapping[str, pd.DataFrame], tied: Mapping[str, tuple[pd.DataFrame, float]]
) -> Figure:
    """Draw gaps over the time of gradient flow, and over a learned temperature with lines of the predicted powers.

    ``flows``: name and frame ``time, gap``; ``tied``: name, frame ``tau, gap`` and the power of tau.
    """
    with plt.rc_context(STYLE):
        fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.7))
        for k, (name, run) in enumerate(flows.items()):
            left.plot(run["time"], run["gap"], color=_shade(k, len(flows)), lw=1.8, label=name)
        for k, (name, (run, power)) in enumerate(tied.items()):
            color = GROUPS[k % len(GROUPS)]
            right.plot(run["tau"], run["gap"], "o", color=color, ms=3.5, label=name)
            start = run.iloc[0]
            right.plot(
                run["tau"], start["gap"] * (run["tau"] / start["tau"]) ** power, color=color, lw=1
            )
        left.set(xscale="log", xlabel="time (gradient flow)", ylabel="modality gap", ylim=(0, None))
        left.set_title("At 1/100 it all but stands still")
        right.set(xscale="log", yscale="log", xlabel="learned temperature", ylabel="modality gap")
        for axis, ticks in (
            (right.xaxis, (0.02, 0.03, 0.05, 0.07)),
            (right.yaxis, (0.1, 0.2, 0.5, 1)),
        ):
            axis.set_minor_locator(NullLocator())
            axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
        right.set_title("A learned temperature and the gap are tied")
        left.legend(fontsize=8)
        right.legend(fontsize=8, title="rate of log s", title_fontsize=8)
    return fig
