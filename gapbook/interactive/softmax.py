"""Temperature on a small matrix of cosines, of pairs that the reader chooses."""

import html
import json
from collections.abc import Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from gapbook.interactive.computed import Slider, computed_figure
from gapbook.interactive.explorer import sprite
from gapbook.interactive.markup import Interactive
from gapbook.plots.style import styled

# How many pairs compete.
SHOWN = 6


def softmax_matrix(
    x: ArrayLike,
    y: ArrayLike,
    *,
    names: Sequence[str],
    images: np.ndarray,
    tau: float = 0.02,
) -> Interactive:
    """Show how a temperature turns cosines into probabilities, for six of some pairs.

    Parameters
    ----------
    x, y : array of shape (n, d)
        Unit rows of images and of texts, row i of both a pair; n from 6 to about 40. The first six
        are chosen at first.
    names : sequence of n str
        Their captions.
    images : array of shape (n, h, w), uint8
        Their glyphs.
    tau : float
        The temperature at first, from 1/200 to 1.

    Returns
    -------
    Interactive
        A matrix with a slider of the temperature, a box that adds 0.3 to all cosines, and the
        glyphs to choose from. It computes in the page.

    Raises
    ------
    ValueError
        If there are fewer than six pairs, or the sizes differ.
    """
    cosines = np.asarray(x, float) @ np.asarray(y, float).T
    n = len(cosines)
    if n < SHOWN or cosines.shape != (n, n) or len(names) != n or len(images) != n:
        raise ValueError(
            f"Expected at least {SHOWN} pairs with a name and an image each; got cosines of shape "
            f"{cosines.shape}, {len(names)} names and {len(images)} images"
        )
    rows = cosines[:SHOWN, :SHOWN]
    weights = np.exp((rows - rows.max(axis=1, keepdims=True)) / tau)
    shares = weights / weights.sum(axis=1, keepdims=True)
    own = np.diag(shares).mean()
    columns = int(np.ceil(np.sqrt(n)))
    values = {
        "cosines": cosines.round(3).tolist(),
        "names": [name.replace("'", "’") for name in names],
        "columns": columns,
        "rows": -(-n // columns),
        "chosen": list(range(SHOWN)),
    }
    controls = Slider("tau", "temperature", 0.005, 1, tau, log=True).markup()
    controls += (
        '<label class="gap-short"><input type="checkbox" name="add"><span>add 0.3 to all cosines'
        "</span></label>"
    )
    sheet = sprite(images).replace('class="gap-image"', 'class="gap-sheet" hidden')
    return computed_figure(
        "softmax",
        invitation="choose six glyphs and a temperature.",
        fallback=_draw(shares),
        alt=f"Probabilities of six captions for six images at temperature 1/{1 / tau:.0f}: each "
        f"image gives its own caption {own:.0%} on average.",
        controls=controls,
        data=f' data-values="{html.escape(json.dumps(values, separators=(",", ":")))}"',
        extra=f'{sheet}<div class="gap-choices" hidden></div>',
    )


@styled
def _draw(shares: np.ndarray) -> Figure:
    fig, ax = plt.subplots(figsize=(4, 3.6))
    ax.imshow(shares, cmap="Blues", vmin=0, vmax=1.4)
    for (i, j), share in np.ndenumerate(shares):
        ax.text(j, i, f"{share:.0%}", ha="center", va="center", fontsize=8)
    ticks = np.arange(len(shares))
    ax.set_xticks(ticks, ticks + 1)
    ax.set_yticks(ticks, ticks + 1)
    ax.set(xlabel="caption", ylabel="image")
    return fig
