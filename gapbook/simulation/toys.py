"""Two toy problems of the contrastive loss: six pairs on a sphere, and nine points.

In both problems of Liang et al. 2022, moving the texts away does to the loss what a higher
temperature does.
"""

import math
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike

from gapbook.landscape.contrastive import loss_of_logits

# Longitudes of the nine points as multiples of pi: eight are 45 degrees apart.
NINE_TURNS = np.array([0, 0.5, 1, 1.5, 0.25, 0.75, 1.25, 1.75, 1.53])

Labels = Literal["none", "published", "swapped"]

# By name of the labels, the right text of each image. "published" is the authors' swap of 3 and
# 8, which loses label 3; "swapped" is the swap as it was meant.
NINE_LABELS: dict[str, list[int]] = {
    "none": [0, 1, 2, 3, 4, 5, 6, 7, 8],
    "published": [0, 1, 2, 8, 4, 5, 6, 7, 8],
    "swapped": [0, 1, 2, 8, 4, 5, 6, 7, 3],
}

# Logits that are worked on at once: few enough for the processor's cache.
LOGITS_AT_ONCE = 2**16


def sphere_points(
    angle: float, matched: bool = False, spacing: float = 20
) -> tuple[np.ndarray, np.ndarray]:
    """Place six images on the equator, and their six texts below it.

    Parameters
    ----------
    angle : float
        How far below the equator the texts are, in degrees. 0: no gap; 90: all texts at the pole.
    matched : bool
        Whether each text has the longitude of its image. If not, the first two have exchanged
        theirs.
    spacing : float
        How far apart neighboring images are, in degrees, above 0 and up to 60.

    Returns
    -------
    images, texts : numpy.ndarray of shape (6, 3)
        Points of the unit sphere.

    Raises
    ------
    ValueError
        For a spacing outside (0, 60].

    References
    ----------
    Liang et al. 2022, Figure 3e, and appendix A.1, whose 15 degrees are 20 in the code.

    Examples
    --------
    >>> images, texts = sphere_points(90)
    >>> texts[0].round(3).tolist()
    [0.0, 0.0, -1.0]
    """
    if not 0 < spacing <= 60:
        raise ValueError(
            "Expected a spacing above 0 and up to 60 degrees, so that no points coincide; "
            f"got {spacing}"
        )
    longitudes = np.radians(spacing) * np.arange(-1, 5)
    texts_of_images = [0, 1, 2, 3, 4, 5] if matched else [1, 0, 2, 3, 4, 5]
    images = _on_sphere(longitudes, 0.0)
    texts = _on_sphere(longitudes[texts_of_images], -math.sin(math.radians(angle)))
    return images, texts


def sphere_loss(
    scale: ArrayLike, angle: ArrayLike, matched: bool = False, spacing: float = 20
) -> np.ndarray | float:
    """Compute the symmetric loss of ``sphere_points`` in closed form.

    Parameters
    ----------
    scale : float or array
        The logit scale s = 1 / tau.
    angle : float or array
        How far below the equator the texts are, in degrees; broadcast with ``scale``.
    matched, spacing
        As in ``sphere_points``.

    Returns
    -------
    float or numpy.ndarray
        The loss in nats, float64; a float where scale and angle are numbers.

    Raises
    ------
    ValueError
        For a spacing outside (0, 60].

    Notes
    -----
    A text at angle a has cosine cos(a) cos(u - v) with an image, u and v their longitudes, so
    L(s, a) = f(s cos a): one function of one variable, that of the angle 0. It is log 6 at 90
    degrees or scale 0.

    References
    ----------
    Liang et al. 2022, Figure 3e to g and Supplementary Figure 9.

    Examples
    --------
    >>> [round(sphere_loss(s, 0), 5) for s in (1, 5, 35, 50, 100)]
    [1.54774, 1.09522, 0.88665, 1.08345, 2.01424]
    """
    images, texts = sphere_points(0, matched, spacing)
    return _scaled_loss(np.asarray(scale) * np.cos(np.radians(angle)), images @ texts.T)


class BestScale(NamedTuple):
    """A logit scale 1 / tau and its loss in nats."""

    scale: float
    loss: float


def best_logit_scale(spacing: float = 20) -> BestScale:
    """Find the logit scale at which the six pairs with two crossed have the least loss.

    Parameters
    ----------
    spacing : float
        As in ``sphere_points``.

    Returns
    -------
    BestScale
        The ``scale`` and its ``loss`` in nats.

    Notes
    -----
    f is convex, since log-sum-exp is, so there is one optimum s*, where its slope is 0. No text
    has to leave the equator for it: where s > s*, the angle arccos(s* / s) makes the same logits.
    Matched pairs have no optimum: their loss falls to 0 for ever.

    Examples
    --------
    >>> scale, loss = best_logit_scale()
    >>> round(scale, 3), round(loss, 5)
    (21.216, 0.80952)
    """
    from scipy.optimize import brentq

    images, texts = sphere_points(0, spacing=spacing)
    cosines = torch.from_numpy(images @ texts.T)

    def slope(scale: float) -> float:
        s = torch.tensor(scale, dtype=torch.float64, requires_grad=True)
        return torch.autograd.grad(loss_of_logits(s * cosines), s)[0].item()

    # The slope is negative at 0, and positive where logits of neighbors are 100 apart.
    widest = 100 / (1 - math.cos(math.radians(spacing)))
    scale = brentq(slope, 0, widest)
    return BestScale(scale, float(_scaled_loss(scale, cosines.numpy())))


def nine_points(z: float) -> tuple[np.ndarray, np.ndarray]:
    """Place nine images and nine texts on two circles of the unit sphere.

    Parameters
    ----------
    z : float
        The height of the images, from -1 to 1; the texts are at -z. 0: no gap; 1: a gap of 2,
        each modality in one point.

    Returns
    -------
    images, texts : numpy.ndarray of shape (9, 3)
        Points of the unit sphere. Eight are 45 degrees apart; the ninth stands at 1.53 pi, close
        to number 3 at 1.5 pi.

    Raises
    ------
    ValueError
        For a height outside [-1, 1].

    References
    ----------
    The authors' notebook ``mismatched_simulation``; the paper does not mention it.

    Examples
    --------
    >>> nine_points(0.6)[0][0].round(3).tolist()
    [0.8, 0.0, 0.6]
    """
    if not -1 <= z <= 1:
        raise ValueError(f"Expected a height z in [-1, 1]; got {z}")
    return _on_sphere(np.pi * NINE_TURNS, z), _on_sphere(np.pi * NINE_TURNS, -z)


def nine_point_loss(scale: ArrayLike, z: ArrayLike, labels: Labels = "none") -> np.ndarray | float:
    """Compute the symmetric loss of ``nine_points`` in closed form.

    Parameters
    ----------
    scale : float or array
        The logit scale s = 1 / tau.
    z : float or array
        The height of the images, from -1 to 1; broadcast with ``scale``.
    labels : {"none", "published", "swapped"}
        Which labels are wrong: none of them; as the authors' swap of 3 and 8 left them, two 8 and
        no 3; or as it was meant.

    Returns
    -------
    float or numpy.ndarray
        The loss in nats, float64; a float where scale and z are numbers.

    Raises
    ------
    ValueError
        For another name of labels, or a height outside [-1, 1].

    Notes
    -----
    The cosines are (1 - z^2) cos(u - v) - z^2, and a constant in all logits cancels in the
    softmax: L = f(s (1 - z^2)). It is log 9 at z = 1 or -1.

    Examples
    --------
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


def _on_sphere(longitudes: np.ndarray, height: float) -> np.ndarray:
    """Return the points of the unit sphere at longitudes in radians and one height: (n, 3)."""
    circle = np.stack([np.cos(longitudes), np.sin(longitudes)], axis=1) * math.sqrt(1 - height**2)
    return np.column_stack([circle, np.full(len(longitudes), height)])


def _scaled_loss(
    scale: ArrayLike, cosines: np.ndarray, labels: Sequence[int] | None = None
) -> np.ndarray | float:
    """Return f(scale), the loss of the logits scale * cosines, for a number or an array."""
    scales = np.asarray(scale, dtype=np.float64)
    flat = scales.ravel()
    step = LOGITS_AT_ONCE // cosines.size
    parts = [
        loss_of_logits(flat[i : i + step, None, None] * cosines, labels=labels)
        for i in range(0, max(1, len(flat)), step)
    ]
    losses = np.concatenate(parts).reshape(scales.shape)
    return losses if losses.ndim else float(losses)
