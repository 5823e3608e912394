"""Toy problems of the contrastive loss: six pairs on a sphere, nine points, and embeddings that move freely.

In the two toy problems of Liang et al. 2022 moving the texts away does to the loss what a higher temperature does.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike

NINE_TURNS = np.array([0, 0.5, 1, 1.5, 0.25, 0.75, 1.25, 1.75, 1.53])  # longitudes as multiples of pi
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
        symmetric_loss(flat[i : i + rows, None, None] * cosines, labels) for i in range(0, max(1, len(flat)), rows)
    ]
    losses = np.concatenate(parts).reshape(scales.shape)
    return losses if losses.ndim else float(losses)


def sphere_points(angle: float, matched: bool = False, spacing: float = 20) -> tuple[np.ndarray, np.ndarray]:
    """Return six images on the equator and their six texts, ``angle`` degrees below it: two arrays (6, 3).

    The images are ``spacing`` degrees apart. Each text has the longitude of its image; unless ``matched``, the first
    two have exchanged theirs. Angle 0: no gap; 90: all texts at the pole. ValueError for a spacing outside (0, 60].
    Source: Liang et al. 2022, Figure 3e, and appendix A.1, whose 15 degrees are 20 in the code.

    >>> images, texts = sphere_points(90)
    >>> texts[0].round(3).tolist()
    [0.0, 0.0, -1.0]
    """
    if not 0 < spacing <= 60:
        raise ValueError(f"Expected a spacing above 0 and up to 60 degrees, so that no points coincide; got {spacing}")
    longitudes = np.radians(spacing) * np.arange(-1, 5)
    order = range(6) if matched else [1, 0, 2, 3, 4, 5]
    return _on_sphere(longitudes, 0.0), _on_sphere(longitudes[list(order)], -math.sin(math.radians(angle)))


def _on_sphere(longitudes: np.ndarray, height: float) -> np.ndarray:
    """Return the points of the unit sphere at these longitudes (radians) and one height: (n, 3)."""
    circle = np.stack([np.cos(longitudes), np.sin(longitudes)], axis=1) * math.sqrt(1 - height**2)
    return np.column_stack([circle, np.full(len(longitudes), height)])


def sphere_loss(scale: ArrayLike, angle: ArrayLike, matched: bool = False, spacing: float = 20) -> Any:
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
    found = minimize_scalar(_scaled_loss, args=(images @ texts.T,), bounds=(0, widest), options=options)
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


def free_embeddings(
    cosine: float = 0.5,
    angle: float = 90.0,
    temperature: float | None = None,
    mismatched: float = 0.0,
    optimizer: Literal["flow", "sgd", "adam"] = "flow",
    steps: int = 1000,
    n: int = 64,
    d: int = 16,
    seeds: Iterable[int] = range(5),
    rate: float = 0.01,
    scale_rate: float = 1.0,
) -> pd.DataFrame:
    """Let n pairs of free unit vectors follow the symmetric loss; no networks. About 60 rows a seed, even in log steps:
    DataFrame seed, step, time, loss, tau, gap, paired (mean cosine of partners), recall (R@1, both directions).

    Each vector follows its own gradient, that of the sum over pairs. ``cosine``: mean cosine of each of two cones,
    whose axes are ``angle`` degrees apart: gap near sqrt(2 cosine) at 90, near 0 at 0 (one cone) or at cosine 0
    (isotropic). ``temperature``: fixed, or None: learned from 0.07 on, by d log s / dt = -scale_rate dL/d log s of the
    mean loss, without CLIP's limit of 100. ``mismatched``: share of pairs with a wrong partner, drawn anew at each
    step, in expectation (targets 1 - share and share / (n - 1)); a swap that stays is no mismatch to free vectors,
    which just follow it. ``optimizer``: "flow" is gradient flow in steps as long as the curvature allows, so that
    ``time`` grows by orders of magnitude; "sgd" and "adam" take steps of ``rate``. ValueError for values out of range.

    >>> end = free_embeddings(temperature=1, steps=100, seeds=[0]).iloc[-1]
    >>> float(end["tau"]), bool(end["gap"] < 1e-6)
    (1.0, True)
    """
    seeds = list(seeds)
    _check(cosine, temperature, mismatched, optimizer, steps, n, d, seeds, rate, scale_rate)
    pairs = _Pairs(*_cones(cosine, angle, n, d, seeds), math.log(1 / (temperature or 0.07)))
    learned = scale_rate if temperature is None else 0.0
    target = torch.full((n, n), mismatched / (n - 1), dtype=torch.float64).fill_diagonal_(1 - mismatched)
    advance = _Flow() if optimizer == "flow" else _Steps(optimizer, pairs, rate)
    kept = set(np.geomspace(1, steps, 60).round().astype(int)) | {0, steps}
    rows = []
    for step in range(steps + 1):
        slope = pairs.slope(target, learned)
        if step in kept:
            rows += [(seed, step, *row) for seed, row in zip(seeds, pairs.measures(slope, advance.time), strict=True)]
        advance(pairs, slope)
    return pd.DataFrame(rows, columns=["seed", "step", "time", "loss", "tau", "gap", "paired", "recall"])


def _check(
    cosine: float,
    temperature: float | None,
    mismatched: float,
    optimizer: str,
    steps: int,
    n: int,
    d: int,
    seeds: Sequence[int],
    rate: float,
    scale_rate: float,
) -> None:
    """Refuse settings of `free_embeddings` that make no simulation."""
    if optimizer not in ("flow", "sgd", "adam"):
        raise ValueError(f"Expected optimizer as 'flow', 'sgd' or 'adam'; got {optimizer!r}")
    if temperature is not None and not temperature >= 0.002:
        raise ValueError(f"Expected a temperature of at least 0.002, or None for a learned one; got {temperature}")
    if not (0 <= cosine < 1 and 0 <= mismatched < 1):
        raise ValueError(f"Expected cosine and mismatched in [0, 1); got {cosine}, {mismatched}")
    if min(n - 1, d - 2, steps, len(seeds)) < 1 or min(rate, scale_rate) <= 0:
        got = f"{n}, {d}, {steps}, {len(seeds)}, {rate}, {scale_rate}"
        raise ValueError(f"Expected n > 1, d > 2, at least 1 step and seed, rate and scale_rate above 0; got {got}")


def _cones(cosine: float, angle: float, n: int, d: int, seeds: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw the unit vectors of both modalities, (seeds, n, d) each: an axis and a random direction orthogonal to it."""
    turn = math.radians(angle)
    axes = np.zeros((2, d))
    axes[0, 0], axes[1, :2] = 1, (math.cos(turn), math.sin(turn))
    sides: list[torch.Tensor] = []
    for axis in axes:
        draws = np.stack([np.random.default_rng([seed, len(sides)]).normal(size=(n, d)) for seed in seeds])
        draws -= (draws @ axis)[..., None] * axis
        draws /= np.linalg.norm(draws, axis=-1, keepdims=True)
        sides.append(torch.from_numpy(math.sqrt(cosine) * axis + math.sqrt(1 - cosine) * draws))
    return sides[0], sides[1]


class _Slope(NamedTuple):
    """Loss of each seed, gradients along the sphere and of log s, and the largest curvature of a softmax."""

    loss: torch.Tensor
    x: torch.Tensor
    y: torch.Tensor
    log_scale: torch.Tensor
    curvature: torch.Tensor
    cosines: torch.Tensor


class _Pairs:
    """Free embeddings x and y of each seed, (seeds, n, d) in float64, and log s, (seeds,)."""

    def __init__(self, x: torch.Tensor, y: torch.Tensor, log_scale: float) -> None:
        self.x, self.y = x, y
        self.log_scale = torch.full((len(x),), log_scale, dtype=torch.float64)

    def slope(self, target: torch.Tensor, learned: float) -> _Slope:
        """Return loss and gradients; with g = dL/dlogits, dL/dx = s g y, and its radial part is no motion."""
        s = self.log_scale.exp()[:, None, None]
        cosines = self.x @ self.y.mT
        weights = (s * (cosines - 1)).exp_()  # s is below 700, so that the smallest, exp(-2 s), is not rounded to 0
        rows, columns = weights.sum(2, keepdim=True), weights.sum(1, keepdim=True)
        by_row, by_column = weights / rows, weights / columns
        log_parts = (rows.log().mean((1, 2)) + columns.log().mean((1, 2))) / 2
        loss = log_parts + s[:, 0, 0] * (1 - (target * cosines).sum((1, 2)) / target.sum())
        g = _from_off_diagonal(by_row - target, by_column - target)
        x, y = s * (g @ self.y), s * (g.mT @ self.x)
        x = x - (x * self.x).sum(2, keepdim=True) * self.x
        y = y - (y * self.y).sum(2, keepdim=True) * self.y
        curvature = torch.maximum(_spread(by_row, 2), _spread(by_column, 1))
        return _Slope(loss, x, y, learned * s[:, 0, 0] * (g * cosines).sum((1, 2)) / len(target), curvature, cosines)

    def renormalize(self) -> None:
        """Bring all vectors back to unit length."""
        for side in (self.x, self.y):
            side /= torch.linalg.vector_norm(side, dim=2, keepdim=True)

    def measures(self, slope: _Slope, time: torch.Tensor) -> list[tuple[float, ...]]:
        """Return time, loss, tau, gap, paired cosine and R@1 of each seed."""
        gap = torch.linalg.vector_norm(self.x.mean(1) - self.y.mean(1), dim=1)
        partner = slope.cosines.diagonal(dim1=1, dim2=2)
        best = torch.stack([slope.cosines.amax(axis) <= partner for axis in (1, 2)]).double().mean((0, 2))
        columns = (time.expand(len(gap)), slope.loss, (-self.log_scale).exp(), gap, partner.mean(1), best)
        return list(zip(*(column.tolist() for column in columns), strict=True))


def _from_off_diagonal(rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Return the mean of two matrices whose rows, or columns, add up to 0; the diagonal from the rest, to be exact."""
    for part, axis in ((rows, 2), (columns, 1)):
        part.diagonal(dim1=1, dim2=2).zero_()
        part.diagonal(dim1=1, dim2=2).copy_(-part.sum(axis))
    return (rows + columns) / 2


def _spread(shares: torch.Tensor, axis: int) -> torch.Tensor:
    """Return the largest 1 - sum p^2 of the distributions along an axis: without cancellation, (sum p)(1 - p)."""
    return (shares * (1 - shares)).sum(axis).amax(1)


class _Flow:
    """Euler steps of gradient flow; a softmax bends the loss by s^2 times its spread, which bounds the step."""

    def __init__(self, reach: float = 0.5) -> None:
        self.time, self.reach = torch.zeros(1, dtype=torch.float64), reach

    def __call__(self, pairs: _Pairs, slope: _Slope) -> None:
        dt = self.reach / ((2 * pairs.log_scale).exp() * slope.curvature)
        pairs.x -= dt[:, None, None] * slope.x
        pairs.y -= dt[:, None, None] * slope.y
        pairs.log_scale -= dt * slope.log_scale
        pairs.renormalize()
        self.time = self.time + dt


class _Steps:
    """Steps of one of PyTorch's optimizers, each followed by the way back to the sphere."""

    def __init__(self, name: str, pairs: _Pairs, rate: float) -> None:
        self.time, self.rate = torch.zeros(1, dtype=torch.float64), rate
        self.optimizer = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[name](
            [pairs.x, pairs.y, pairs.log_scale], lr=rate
        )

    def __call__(self, pairs: _Pairs, slope: _Slope) -> None:
        pairs.x.grad, pairs.y.grad, pairs.log_scale.grad = slope.x, slope.y, slope.log_scale
        self.optimizer.step()
        pairs.renormalize()
        self.time = self.time + self.rate
