"""The figure of mixed search (chapter 10): what each method finds, by model."""

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from gapbook.plots.labels import colors_of, label, ordered
from gapbook.plots.style import GRID_COLOR, interval_bars, styled

# The part of the distance between two methods that the marks of all models take.
SPREAD = 0.5
MARKS = ("o", "s", "D")


@styled
def methods_by_model(table: pd.DataFrame, measure: str) -> Figure:
    """Draw a mean with its interval for each method and model.

    Parameters
    ----------
    table : DataFrame with columns model, method, mean, low, high
        Up to three models, with names and colors of ``gapbook.plots.labels``. Methods stand in
        their order, from the top.
    measure : str
        What the means are of.
    """
    methods = list(table["method"].unique())
    models = ordered(table["model"].unique())
    colors = colors_of(models)
    fig, ax = plt.subplots(figsize=(5.2, 0.42 * len(methods) + 1.5))
    for place, model in enumerate(models):
        rows = table[table["model"] == model].set_index("method").loc[methods]
        shift = SPREAD * (place / max(len(models) - 1, 1) - 0.5)
        ax.errorbar(
            rows["mean"].to_numpy(),
            [number + shift for number in range(len(methods))],
            xerr=interval_bars(rows, "mean"),
            fmt=MARKS[place],
            color=colors[model],
            markersize=4,
            elinewidth=1,
            label=label(model),
        )
    ax.set_yticks(range(len(methods)), methods)
    ax.invert_yaxis()
    ax.set(xlabel=measure, xlim=(0, 1))
    ax.grid(axis="x", color=GRID_COLOR)
    # Above the marks, so that a phone shows it first.
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1))
    return fig
