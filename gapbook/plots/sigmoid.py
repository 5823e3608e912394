"""Figures of the sigmoid loss (chapter 12)."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from gapbook.extras import from_extra
from gapbook.plots.style import BLACK, GREEN, LINE_COLOR, styled

PARTNERS = "partners"
OTHERS = "all others"


@styled
def cosines_about_thresholds(
    cosines: pd.DataFrame,
    thresholds: Mapping[str, float],
    names: Mapping[str, str] | None = None,
) -> Figure:
    """Draw how the cosines of partners and of all others lie about a threshold.

    Parameters
    ----------
    cosines : DataFrame with columns panel, kind, cosine
        One row a cosine; kinds are "partners" and "all others".
    thresholds : mapping of str to float
        The threshold of each panel, a dashed line; a panel without one has no line.
    names : mapping of str to str, optional
        What the threshold of a panel is called, where they are of different kinds. Each is written
        above its panel. By default all are thresholds in the legend.
    """
    with from_extra("chapters", "this figure"):
        import seaborn as sns

    panels = cosines["panel"].unique()
    size = (0.6 + 3.8 * len(panels), 3.4)
    fig, row = plt.subplots(1, len(panels), figsize=size, squeeze=False, sharex=True)
    for ax, panel in zip(row[0], panels, strict=True):
        sns.histplot(
            cosines[cosines["panel"] == panel],
            x="cosine",
            hue="kind",
            hue_order=[PARTNERS, OTHERS],
            palette={PARTNERS: GREEN, OTHERS: LINE_COLOR},
            bins=60,
            stat="density",
            # Each kind has area 1: of the others there are many more.
            common_norm=False,
            element="step",
            legend=False,
            ax=ax,
        )
        if panel in thresholds:
            ax.axvline(thresholds[panel], color=BLACK, ls="--", lw=1.2)
        title = panel
        if names and panel in names:
            title = f"{panel} (dashed: {names[panel]})"
        ax.set(title=title, xlabel="cosine", ylabel="", yticks=[])
    row[0, 0].set_ylabel("density")
    handles = [
        plt.Rectangle((0, 0), 1, 1, color=GREEN, alpha=0.5),
        plt.Rectangle((0, 0), 1, 1, color=LINE_COLOR, alpha=0.5),
        plt.Line2D([], [], color=BLACK, ls="--"),
    ]
    labels = [PARTNERS, OTHERS, "threshold"]
    fig.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9)
    return fig
