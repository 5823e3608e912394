"""Gradient descent of the contrastive loss on free vectors on the sphere."""

import math
from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import torch


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
    target = torch.full((n, n), mismatched / (n - 1), dtype=torch.float64).fill_diagonal_(
        1 - mismatched
    )
    advance = _Flow() if optimizer == "flow" else _Steps(optimizer, pairs, rate)
    kept = set(np.geomspace(1, steps, 60).round().astype(int)) | {0, steps}
    rows = []
    for step in range(steps + 1):
        slope = pairs.slope(target, learned)
        if step in kept:
            rows += [
                (seed, step, *row)
                for seed, row in zip(seeds, pairs.measures(slope, advance.time), strict=True)
            ]
        advance(pairs, slope)
    return pd.DataFrame(
        rows, columns=["seed", "step", "time", "loss", "tau", "gap", "paired", "recall"]
    )


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
        raise ValueError(
            f"Expected a temperature of at least 0.002, or None for a learned one; got {temperature}"
        )
    if not (0 <= cosine < 1 and 0 <= mismatched < 1):
        raise ValueError(f"Expected cosine and mismatched in [0, 1); got {cosine}, {mismatched}")
    if min(n - 1, d - 2, steps, len(seeds)) < 1 or min(rate, scale_rate) <= 0:
        got = f"{n}, {d}, {steps}, {len(seeds)}, {rate}, {scale_rate}"
        raise ValueError(
            f"Expected n > 1, d > 2, at least 1 step and seed, rate and scale_rate above 0; got {got}"
        )


def _cones(
    cosine: float, angle: float, n: int, d: int, seeds: Sequence[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw the unit vectors of both modalities, (seeds, n, d) each: an axis and a random direction orthogonal to it."""
    turn = math.radians(angle)
    axes = np.zeros((2, d))
    axes[0, 0], axes[1, :2] = 1, (math.cos(turn), math.sin(turn))
    sides: list[torch.Tensor] = []
    for axis in axes:
        draws = np.stack(
            [np.random.default_rng([seed, len(sides)]).normal(size=(n, d)) for seed in seeds]
        )
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
        weights = (
            s * (cosines - 1)
        ).exp_()  # s is below 700, so that the smallest, exp(-2 s), is not rounded to 0
        rows, columns = weights.sum(2, keepdim=True), weights.sum(1, keepdim=True)
        by_row, by_column = weights / rows, weights / columns
        log_parts = (rows.log().mean((1, 2)) + columns.log().mean((1, 2))) / 2
        loss = log_parts + s[:, 0, 0] * (1 - (target * cosines).sum((1, 2)) / target.sum())
        g = _from_off_diagonal(by_row - target, by_column - target)
        x, y = s * (g @ self.y), s * (g.mT @ self.x)
        x = x - (x * self.x).sum(2, keepdim=True) * self.x
        y = y - (y * self.y).sum(2, keepdim=True) * self.y
        curvature = torch.maximum(_spread(by_row, 2), _spread(by_column, 1))
        return _Slope(
            loss,
            x,
            y,
            learned * s[:, 0, 0] * (g * cosines).sum((1, 2)) / len(target),
            curvature,
            cosines,
        )

    def renormalize(self) -> None:
        """Bring all vectors back to unit length."""
        for side in (self.x, self.y):
            side /= torch.linalg.vector_norm(side, dim=2, keepdim=True)

    def measures(self, slope: _Slope, time: torch.Tensor) -> list[tuple[float, ...]]:
        """Return time, loss, tau, gap, paired cosine and R@1 of each seed."""
        gap = torch.linalg.vector_norm(self.x.mean(1) - self.y.mean(1), dim=1)
        partner = slope.cosines.diagonal(dim1=1, dim2=2)
        best = (
            torch.stack([slope.cosines.amax(axis) <= partner for axis in (1, 2)])
            .double()
            .mean((0, 2))
        )
        columns = (
            time.expand(len(gap)),
            slope.loss,
            (-self.log_scale).exp(),
            gap,
            partner.mean(1),
            best,
        )
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
