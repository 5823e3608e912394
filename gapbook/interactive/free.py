"""Free vectors on a sphere that follow the loss, step by step, in the page."""

import html
import json
from collections.abc import Mapping

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from gapbook.interactive.computed import Slider, computed_figure
from gapbook.interactive.markup import Interactive
from gapbook.plots.labels import colors_of
from gapbook.plots.style import LEGEND_BESIDE, styled
from gapbook.simulation.free_vectors import draw_cones, free_embeddings

# Name, mean cosine within a cone, and degrees between the axes, of each start.
STARTS = {
    "two cones": (0.8, 90.0),
    "two cones, far apart": (0.8, 150.0),
    "one cone": (0.8, 0.0),
    "spread out": (0.05, 90.0),
}
DIMENSIONS = 3
PAIRS = 24
STEPS = 3000

# The runs of the picture, as long as a reader may wait for it.
STILL_STEPS = 1000
STILL_TAUS = {"1": 1.0, "1/10": 0.1, "1/100": 0.01}


def free_vectors(tau: float = 0.1, mismatched: float = 0.0, *, seed: int = 0) -> Interactive:
    """Let 24 pairs of free vectors on a sphere follow the loss, in the page.

    Parameters
    ----------
    tau : float
        The temperature at first, from 1/100 to 1.
    mismatched : float
        The share of wrong pairs at first, from 0 to 0.3.
    seed : int
        Draws where vectors start.

    Returns
    -------
    Interactive
        A sphere and the gap after each step, with a start, a temperature and a share of wrong
        pairs to choose. Where motion is unwelcome it goes on by a button.

    Notes
    -----
    The steps are those of gradient flow in :func:`gapbook.simulation.free_embeddings`, in three
    dimensions.
    """
    starts = {}
    for name, (cosine, angle) in STARTS.items():
        sides = draw_cones(cosine, angle, PAIRS, DIMENSIONS, [seed])
        starts[name] = [side[0].numpy().round(3).tolist() for side in sides]
    cosine, angle = STARTS["two cones"]
    runs = {
        label: free_embeddings(
            cosine, angle, still, n=PAIRS, d=DIMENSIONS, seeds=[seed], steps=STILL_STEPS
        )
        for label, still in STILL_TAUS.items()
    }
    ends = ", ".join(f"{run['gap'].iloc[-1]:.2f} at {label}" for label, run in runs.items())
    options = "".join(f"<option>{name}</option>" for name in STARTS)
    controls = f'<label><span>start</span><select name="start">{options}</select></label>'
    controls += Slider("tau", "temperature", 0.01, 1, tau, log=True).markup()
    controls += Slider("mismatched", "wrong pairs", 0, 0.3, mismatched, step=0.01).markup()
    for name, label in (("run", "Run"), ("step", "Step"), ("reset", "Start again")):
        controls += f'<button type="button" class="gap-{name}">{label}</button>'
    data = html.escape(json.dumps(starts, separators=(",", ":")))
    return computed_figure(
        "free",
        invitation="let free vectors follow the loss.",
        fallback=_draw(runs),
        alt=f"Gap of free vectors that start in two cones, after {STILL_STEPS:,} steps: {ends}.",
        controls=controls,
        data=f' data-steps="{STEPS}" data-starts="{data}"',
    )


@styled
def _draw(runs: Mapping[str, pd.DataFrame]) -> Figure:
    fig, ax = plt.subplots(figsize=(5.4, 2.8))
    colors = colors_of(runs)
    for label, run in runs.items():
        ax.plot(run["step"] + 1, run["gap"], color=colors[label], lw=2, label=label)
    ax.set(xlabel="step", ylabel="modality gap", xscale="log", ylim=(0, None))
    ax.legend(title="temperature", **LEGEND_BESIDE)
    return fig
