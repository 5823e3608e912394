"""Figure 3 on CLIP and COCO: the default gap, its shifts, and the loss along them."""

import numpy as np
from numpy.typing import ArrayLike

from gapbook.full_scale.inputs import COCO_IMAGES, Inputs
from gapbook.full_scale.results import Outcome, Result, scale_note
from gapbook.geometry import modality_gap
from gapbook.landscape import DELTAS, loss_landscape, shifted_distances
from gapbook.press.paper import paper_curve

# 1 / tau of the authors' curves.
SCALES = (100, 50, 30, 20, 10, 1)
BATCH_SIZE = 50
COMPONENTS = 6

# Shifts of which the authors print the distance, and the one of table 2.
BOTH = np.arange(-1, 1, 0.25).tolist()
IMAGES = [*BOTH, -0.2]

# Below this signed distance, the modalities have passed each other.
PASSED = -0.5

DECODED = "image decoding, precision and library versions"
READ_OFF = f"0.004 for reading the figure; the rest for {DECODED}"


def temperature(inputs: Inputs) -> Outcome:
    """Read the temperature that CLIP ViT-B/32 was released with.

    Parameters
    ----------
    inputs : Inputs
        With "clip_b32".

    Returns
    -------
    Outcome
        log 1 / tau, a parameter of the checkpoint.
    """
    model = inputs.clip("clip_b32").checkpoint.model
    return Outcome({"clip.logit_scale": Result(model.logit_scale.item())})


def coco_landscape(inputs: Inputs) -> Outcome:
    """Measure figure 3 on COCO's validation pairs.

    Parameters
    ----------
    inputs : Inputs
        With "coco" and "clip_b32".

    Returns
    -------
    Outcome
        As in ``landscape_facts``.

    Notes
    -----
    CLIP ViT-B/32 and the first caption of each of the 5,000 images; the authors' notebook that
    embeds them is not public, so both are inferred. They embedded in half precision.
    """
    clip = inputs.clip("clip_b32")
    images, captions = inputs.coco_val("first")
    x = inputs.embed("coco-first", clip, images, "images")
    y = inputs.embed("coco-first", clip, captions, "texts")
    notes = scale_note(len(images), COCO_IMAGES, "images of COCO")
    return Outcome(landscape_facts(x, y, inputs.progress), not_as_in_paper=notes)


def landscape_facts(x: ArrayLike, y: ArrayLike, progress: bool = False) -> dict[str, Result]:
    """Compute all that the paper reports of figure 3a to 3d, and of its notebooks.

    Parameters
    ----------
    x, y : array of shape (n, d)
        Embeddings of images and texts, a pair a row, in the order of the data set.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    dict of str to Result
        The default gap; the principal components of figure 3a; distances after shifts of both
        sides and of images alone; and at six temperatures the loss (image to text, as the authors'
        code has it, in batches of 50 in the order of the data set), its minimum on the grid of
        shifts, its barrier and its local minima.
    """
    gap = modality_gap(x, y)
    facts = {
        key: Result(gap, "Euclidean") for key in ("fig3.gap_default", "fig3.gap_default.paper")
    }
    return (
        facts
        | _component_facts(np.asarray(x), np.asarray(y))
        | _distance_facts(x, y)
        | _loss_facts(x, y, progress)
    )


def _component_facts(x: np.ndarray, y: np.ndarray) -> dict[str, Result]:
    """Return what share of the variance of both modalities six principal components explain."""
    rows = np.concatenate([x, y]).astype(np.float64)
    variances = np.linalg.eigvalsh(np.cov(rows.T, bias=True))[::-1]
    shares = (variances / variances.sum())[:COMPONENTS]
    return {
        "fig3a.pca_evr6": Result(shares.tolist(), "fraction", 0.005, DECODED),
        "fig3a.pca_evr6_sum": Result(float(shares.sum()), "fraction", 0.01, DECODED),
    }


def _distance_facts(x: ArrayLike, y: ArrayLike) -> dict[str, Result]:
    """Return the distance of the means after each shift of both sides, and of images alone."""
    facts = {}
    both = shifted_distances(x, y, BOTH, "both")
    images = shifted_distances(x, y, IMAGES, "images")
    for kind, table in (("both", both), ("image_only", images)):
        for row in table.itertuples():
            facts[f"gapstats.{kind}.delta_{row.delta:+.2f}"] = Result(row.distance, "Euclidean")
    return facts


def _loss_facts(x: ArrayLike, y: ArrayLike, progress: bool) -> dict[str, Result]:
    """Return the landscapes with their minima."""
    deltas = DELTAS.tolist()
    taus = [1 / scale for scale in SCALES]
    table = loss_landscape(x, y, deltas, taus, BATCH_SIZE, "image_to_text", progress)
    losses = table["loss"].to_numpy().reshape(len(deltas), len(taus)).T
    signed = shifted_distances(x, y, deltas)["signed"].to_numpy()
    passed = np.flatnonzero(signed < PASSED)
    facts = {}
    for scale, curve in zip(SCALES, losses, strict=True):
        least = int(curve.argmin())
        name = f"fig3.tau_1_{scale}"
        facts[f"{name}.loss_default"] = Result(curve[deltas.index(0.0)], "nats")
        facts[f"{name}.grid_min"] = Result([deltas[least], signed[least], curve[least]])
        read = f"curve.fig3.landscape.tau_1_{scale}"
        heights = [curve[deltas.index(delta)] for delta in paper_curve(read).delta or ()]
        facts[read] = Result(heights, "nats", 0.02, READ_OFF)
        if scale in (100, 50):
            at = passed[_local_minimum(curve[passed])]
            facts[f"{name}.backtoback_local_min"] = Result([signed[at], curve[at]])
        if scale == 100:
            at = passed[_local_minimum(-curve[passed])]
            facts[f"{name}.barrier"] = Result([signed[at], curve[at]])
    return facts


def _local_minimum(heights: np.ndarray) -> int:
    """Return the place of the least of all local minima; without any, that of the least value.

    Examples
    --------
    >>> _local_minimum(np.array([0.0, 2, 1, 3])), _local_minimum(np.array([2.0, 1, 0]))
    (2, 2)
    """
    falls = np.diff(heights) < 0
    rises = np.diff(heights) > 0
    inner = np.flatnonzero(falls[:-1] & rises[1:]) + 1
    places = inner if len(inner) else np.arange(len(heights))
    return int(places[heights[places].argmin()])
