"""Toy problems of the contrastive loss: six pairs on a sphere, nine points, and embeddings that move freely.

In the two toy problems of Liang et al. 2022 moving the texts away does to the loss what a higher temperature does.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

NINE_TURNS = np.array(
    [0, 0.5, 1, 1.5, 0.25, 0.75, 1.25, 1.75, 1.53]
)  # longitudes as multiples of pi
NINE_LABELS = {
    "none": [0, 1, 2, 3, 4, 5, 6, 7, 8],
    "published": [0, 1, 2, 8, 4, 5, 6, 7, 8],  # the swap that loses label 3
    "swapped": [0, 1, 2, 8, 4, 5, 6, 7, 3],
}
BLOCK = 1 << 16  # logits at once


def symmetric_loss(logits: Any, labels: Sequence[int] | None = None) -> Any:
    """Return the mean cross-entropy of rows and of columns of logits (..., n, n): one loss for each matrix.

    Row i and column i have the label labels[i], or i without labels. ln n where all logits are equal; 0 in the limit of
    large logits of the right pairs. ValueError for matrices that are not square, or labels that do not fit them.

    >>> round(float(symmetric_loss(np.zeros((6, 6)))), 5)
    1.79176
    """
    from scipy.special import logsumexp

    logits = np.asarray(logits, dtype=np.float64)
    if logits.ndim < 2 or logits.shape[-1] != logits.shape[-2]:
        raise ValueError(f"Expected logits of shape (..., n, n); got {logits.shape}")
    row = np.arange(logits.shape[-1])
    column = row if labels is None else np.asarray(labels)
    if column.shape != row.shape or not np.isin(column, row).all():
        raise ValueError(f"Expected {len(row)} labels from 0 to {len(row) - 1}; got {labels}")
    right = (logits[..., row, column].mean(-1) + logits[..., column, row].mean(-1)) / 2
    return (logsumexp(logits, axis=-1).mean(-1) + logsumexp(logits, axis=-2).mean(-1)) / 2 - right


def _scaled_loss(scale: Any, cosines: np.ndarray, labels: Sequence[int] | None = None) -> Any:
    """Return f(scale), the loss of the logits scale * cosines, for a number or an array of scales."""
    scales = np.asarray(scale, dtype=np.float64)
    flat, rows = scales.ravel(), BLOCK // cosines.size
    parts = [
        symmetric_loss(flat[i : i + rows, None, None] * cosines, labels)
        for i in range(0, max(1, len(flat)), rows)
    ]
    losses = np.concatenate(parts).reshape(scales.shape)
    return losses if losses.ndim else float(losses)


def sphere_points(
    angle: float, matched: bool = False, spacing: float = 20
) -> tuple[np.ndarray, np.ndarray]:
    """Return six images on the equator and their six texts, ``angle`` degrees below it: two arrays (6, 3).

    The images are ``spacing`` degrees apart. Each text has the longitude of its image; unless ``matched``, the first
    two have exchanged theirs. Angle 0: no gap; 90: all texts at the pole. ValueError for a spacing outside (0, 60].
    Source: Liang et al. 2022, Figure 3e, and appendix A.1, whose 15 degrees are 20 in the code.

    >>> images, texts = sphere_points(90)
    >>> texts[0].round(3).tolist()
    [0.0, 0.0, -1.0]
    """
    if not 0 < spacing <= 60:
        raise ValueError(
            f"Expected a spacing above 0 and up to 60 degrees, so that no points coincide; got {spacing}"
        )
    longitudes = np.radians(spacing) * np.arange(-1, 5)
    order = range(6) if matched else [1, 0, 2, 3, 4, 5]
    return _on_sphere(longitudes, 0.0), _on_sphere(
        longitudes[list(order)], -math.sin(math.radians(angle))
    )


def _on_sphere(longitudes: np.ndarray, height: float) -> np.ndarray:
    """Return the points of the unit sphere at these longitudes (radians) and one height: (n, 3)."""
    circle = np.stack([np.cos(longitudes), np.sin(longitudes)], axis=1) * math.sqrt(1 - height**2)
    return np.column_stack([circle, np.full(len(longitudes), height)])


def sphere_loss(
    scale: ArrayLike, angle: ArrayLike, matched: bool = False, spacing: float = 20
) -> Any:
    """Return the symmetric loss of `sphere_points` at logit scale s = 1 / tau and an angle in degrees, in closed form.

    A text at angle a has cosine cos(a) cos(u - v) with an image, u and v their longitudes, so L(s, a) = f(s cos a):
    one function of one variable, that of the angle 0. Scale and angle are numbers or arrays that broadcast; a float
    or an array. ln 6 at 90 degrees or scale 0. ValueError for a spacing outside (0, 60].
    Source: Liang et al. 2022, Figure 3e to g and Supplementary Figure 9.

    >>> [round(sphere_loss(s, 0), 5) for s in (1, 5, 35, 50, 100)]
    [1.54774, 1.09522, 0.88665, 1.08345, 2.01424]
    """
    images, texts = sphere_points(0, matched, spacing)
    return _scaled_loss(np.asarray(scale) * np.cos(np.radians(angle)), images @ texts.T)


class BestScale(NamedTuple):
    """A logit scale 1 / tau and its loss."""

    scale: float
    loss: float


def best_logit_scale(spacing: float = 20) -> BestScale:
    """Return the logit scale at which the six pairs with two mismatched have the least loss, and that loss.

    f is convex, since log-sum-exp is, so there is one optimum s*. No text has to leave the equator for it: where
    s > s*, the angle arccos(s* / s) makes the same logits. Matched pairs have none: their loss falls to 0 for ever.

    >>> scale, loss = best_logit_scale()
    >>> round(scale, 3), round(loss, 5)
    (21.216, 0.80952)
    """
    from scipy.optimize import minimize_scalar

    images, texts = sphere_points(0, spacing=spacing)
    widest = 100 / (1 - math.cos(math.radians(spacing)))  # neighbors would be 100 apart in logits
    options = {"xatol": 1e-9}
    found = minimize_scalar(
        _scaled_loss, args=(images @ texts.T,), bounds=(0, widest), options=options
    )
    return BestScale(float(found.x), float(found.fun))


def nine_points(z: float) -> tuple[np.ndarray, np.ndarray]:
    """Return nine images at height z of the unit sphere and nine texts at height -z: two arrays (9, 3).

    Eight are 45 degrees apart; the ninth stands at 1.53 pi, close to number 3 at 1.5 pi. Height 0: no gap; 1: a gap
    of 2, each modality in one point. ValueError for a height outside [-1, 1]. Source: the authors' notebook
    ``mismatched_simulation``; the paper does not mention it.

    >>> nine_points(0.6)[0][0].round(3).tolist()
    [0.8, 0.0, 0.6]
    """
    if not -1 <= z <= 1:
        raise ValueError(f"Expected a height z in [-1, 1]; got {z}")
    return _on_sphere(np.pi * NINE_TURNS, z), _on_sphere(np.pi * NINE_TURNS, -z)


def nine_point_loss(scale: ArrayLike, z: ArrayLike, labels: str = "none") -> Any:
    """Return the symmetric loss of `nine_points` at logit scale s = 1 / tau and height z, in closed form.

    The cosines are (1 - z^2) cos(u - v) - z^2, and a constant in all logits cancels in the softmax: L = f(s (1 - z^2)).
    ``labels``: "none" of them wrong; "published", as the authors' swap of 3 and 8 left them, two 8 and no 3;
    "swapped", as it was meant. Scale and z are numbers or arrays. ln 9 at z = 1 or -1. ValueError for another name of
    labels or a height outside [-1, 1].

    >>> [round(nine_point_loss(1000, 0, labels), 5) for labels in ("none", "published", "swapped")]
    [0.00261, 0.49573, 0.98884]
    """
    if labels not in NINE_LABELS:
        raise ValueError(f"Expected labels as one of {', '.join(NINE_LABELS)}; got {labels!r}")
    height = np.asarray(z, dtype=np.float64)
    if np.abs(height).max(initial=0) > 1:
        raise ValueError(f"Expected heights z in [-1, 1]; got {height.min()} to {height.max()}")
    images, texts = nine_points(0)
    return _scaled_loss(np.asarray(scale) * (1 - height**2), images @ texts.T, NINE_LABELS[labels])
