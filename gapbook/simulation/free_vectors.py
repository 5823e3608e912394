"""Gradient descent of the contrastive loss on free vectors on the sphere.

The loss is that of ``gapbook.landscape.contrastive``, with shares of partners in the place of
labels. It has arithmetic and gradients of its own here: the flow goes on until gradients are far
below the rounding of 1 - p, where autograd knows only 0. Tests hold both to the definition.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
import pandas as pd
import torch

Optimizer = Literal["flow", "adam"]

# Where a learned temperature starts, as in CLIP.
FIRST_TAU = 0.07

# Below this temperature the smallest weight, exp(-2 / tau), is rounded to 0.
MIN_TAU = 0.002

# Of Adam: small beside a vector's length of 1.
STEP_SIZE = 0.01

# Steps of the flow in units of the largest that its curvature allows.
STEP_FRACTION = 0.5

# Rows of the table for each run, evenly spaced in log steps.
ROWS_OF_A_RUN = 60


def free_embeddings(  # noqa: PLR0913 - a simulation has that many settings
    cosine: float = 0.5,
    angle: float = 90.0,
    tau: float | None = None,
    mismatched: float = 0.0,
    *,
    optimizer: Optimizer = "flow",
    steps: int = 1000,
    n: int = 64,
    d: int = 16,
    seeds: Iterable[int] = range(5),
    scale_rate: float = 1.0,
) -> pd.DataFrame:
    """Let n pairs of free unit vectors follow the symmetric loss; there are no networks.

    Parameters
    ----------
    cosine : float
        Mean cosine of the vectors of each of two cones, from 0 to below 1.
    angle : float
        Degrees between the axes of the cones. The gap at the start is near sqrt(2 cosine) at 90,
        and near 0 at 0 (one cone) or at cosine 0 (isotropic).
    tau : float, optional
        A fixed temperature, at least 0.002. By default it is learned from 0.07 on, by
        d log s / dt = -scale_rate dL / d log s of the mean loss, s = 1 / tau, without CLIP's
        limit of 100.
    mismatched : float
        Share of wrong pairs, from 0 to below 1, drawn anew at each step, in
        expectation (targets 1 - share and share / (n - 1)). Pairs that stay crossed are not wrong
        to free vectors, which just follow them.
    optimizer : {"flow", "adam"}
        "flow" is gradient flow in steps as long as the curvature allows, so that ``time`` grows
        by orders of magnitude. "adam" takes steps of 0.01.
    steps : int
        How many steps are taken.
    n, d : int
        How many pairs there are, at least 2, and in how many dimensions, at least 3.
    seeds : iterable of int
        One run for each seed, which draws where its vectors start.
    scale_rate : float
        How fast log s is learned, relative to the vectors.

    Returns
    -------
    pandas.DataFrame
        Columns seed, step, time, loss, tau, gap, partner_cosine (the mean over pairs), recall
        (R@1, the mean of both directions); about 60 rows a seed, even in log steps.

    Raises
    ------
    ValueError
        For values out of range.

    Notes
    -----
    Each vector follows its own gradient, that of the sum over pairs.

    Examples
    --------
    >>> end = free_embeddings(tau=1, steps=100, seeds=[0]).iloc[-1]
    >>> float(end["tau"]), bool(end["gap"] < 1e-6)
    (1.0, True)
    """
    settings = _Settings(
        cosine, angle, tau, mismatched, optimizer, steps, n, d, tuple(seeds), scale_rate
    )
    pairs = FreePairs(*draw_cones(cosine, angle, n, d, settings.seeds), tau or FIRST_TAU)
    rate = scale_rate if tau is None else 0.0
    target = partner_shares(n, mismatched)
    advance: Advance = GradientFlow() if optimizer == "flow" else AdamSteps(pairs)
    kept_steps = np.geomspace(1, steps, ROWS_OF_A_RUN).round().astype(int)
    kept = {0, steps, *kept_steps.tolist()}
    rows = []
    for step in range(steps + 1):
        slope = pairs.slope(target, rate)
        if step in kept:
            measures = pairs.measures(slope, advance.time)
            for seed, values in zip(settings.seeds, measures, strict=True):
                rows.append((seed, step, *values))
        advance(pairs, slope)
    columns = ["seed", "step", "time", "loss", "tau", "gap", "partner_cosine", "recall"]
    return pd.DataFrame(rows, columns=columns)


@dataclass(frozen=True)
class _Settings:
    """The settings of ``free_embeddings``, checked."""

    cosine: float
    angle: float
    tau: float | None
    mismatched: float
    optimizer: str
    steps: int
    n: int
    d: int
    seeds: tuple[int, ...]
    scale_rate: float

    def __post_init__(self) -> None:
        """Refuse what makes no simulation."""
        if self.optimizer not in ("flow", "adam"):
            raise ValueError(f"Expected optimizer as 'flow' or 'adam'; got {self.optimizer!r}")
        if self.tau is not None and not self.tau >= MIN_TAU:
            raise ValueError(
                f"Expected tau of at least {MIN_TAU}, or None for a learned one; got {self.tau}"
            )
        if not (0 <= self.cosine < 1 and 0 <= self.mismatched < 1):
            raise ValueError(
                f"Expected cosine and mismatched in [0, 1); got {self.cosine}, {self.mismatched}"
            )
        if min(self.n - 1, self.d - 2, self.steps, len(self.seeds)) < 1 or self.scale_rate <= 0:
            got = f"{self.n}, {self.d}, {self.steps}, {len(self.seeds)}, {self.scale_rate}"
            raise ValueError(
                "Expected n > 1, d > 2, at least 1 step and seed, and scale_rate above 0; "
                f"got {got}"
            )


def partner_shares(n: int, mismatched: float) -> torch.Tensor:
    """Return how often each text is the partner of each image.

    Parameters
    ----------
    n : int
        How many pairs there are.
    mismatched : float
        Share of pairs with a wrong partner.

    Returns
    -------
    torch.Tensor of shape (n, n)
        Shares, float64; rows and columns add up to 1.
    """
    shares = torch.full((n, n), mismatched / (n - 1), dtype=torch.float64)
    return shares.fill_diagonal_(1 - mismatched)


def draw_cones(
    cosine: float, angle: float, n: int, d: int, seeds: Iterable[int]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw the unit vectors of both modalities: an axis plus a random direction orthogonal to it.

    Parameters
    ----------
    cosine, angle, n, d, seeds
        As in ``free_embeddings``.

    Returns
    -------
    x, y : torch.Tensor of shape (seeds, n, d)
        Unit vectors, float64.
    """
    turn = math.radians(angle)
    axes = np.zeros((2, d))
    axes[0, 0] = 1
    axes[1, 0] = math.cos(turn)
    axes[1, 1] = math.sin(turn)
    sides = []
    for side, axis in enumerate(axes):
        draws = np.stack(
            [np.random.default_rng([seed, side]).normal(size=(n, d)) for seed in seeds]
        )
        draws -= (draws @ axis)[..., None] * axis
        draws /= np.linalg.norm(draws, axis=-1, keepdims=True)
        sides.append(torch.from_numpy(math.sqrt(cosine) * axis + math.sqrt(1 - cosine) * draws))
    return sides[0], sides[1]


class Slope(NamedTuple):
    """Loss and gradients of each seed."""

    loss: torch.Tensor  # (seeds,)
    x: torch.Tensor  # along the sphere, of the sum over pairs (seeds, n, d)
    y: torch.Tensor
    log_scale: torch.Tensor  # of the mean loss, times the rate (seeds,)
    curvature: torch.Tensor  # the largest of a softmax (seeds,)
    cosines: torch.Tensor  # (seeds, n, n)


class FreePairs:
    """Free embeddings x and y of each seed, (seeds, n, d) in float64, and log 1 / tau, (seeds,)."""

    def __init__(self, x: torch.Tensor, y: torch.Tensor, tau: float) -> None:
        self.x = x
        self.y = y
        self.log_scale = torch.full((len(x),), math.log(1 / tau), dtype=torch.float64)

    def slope(self, target: torch.Tensor, scale_rate: float) -> Slope:
        """Compute loss and gradients.

        Parameters
        ----------
        target : torch.Tensor of shape (n, n)
            What ``partner_shares`` returns.
        scale_rate : float
            How fast log s is learned, relative to the vectors; 0 where it is fixed.

        Returns
        -------
        Slope
            Loss and gradients of each seed.

        Notes
        -----
        With g = dL / dlogits, ``dL/dx = s g y``; its radial part is no motion.
        """
        s = self.log_scale.exp()[:, None, None]
        cosines = self.x @ self.y.mT
        weights = (s * (cosines - 1)).exp_()
        row_sums = weights.sum(2, keepdim=True)
        column_sums = weights.sum(1, keepdim=True)
        by_row = weights / row_sums
        by_column = weights / column_sums
        log_parts = (row_sums.log().mean((1, 2)) + column_sums.log().mean((1, 2))) / 2
        loss = log_parts + s[:, 0, 0] * (1 - (target * cosines).sum((1, 2)) / target.sum())
        g = _from_off_diagonal(by_row - target, by_column - target)
        of_scale = scale_rate * s[:, 0, 0] * (g * cosines).sum((1, 2)) / len(target)
        curvature = torch.maximum(_spread(by_row, 2), _spread(by_column, 1))
        x = _tangential(s * (g @ self.y), self.x)
        y = _tangential(s * (g.mT @ self.x), self.y)
        return Slope(loss, x, y, of_scale, curvature, cosines)

    def renormalize(self) -> None:
        """Bring all vectors back to unit length."""
        for side in (self.x, self.y):
            side /= torch.linalg.vector_norm(side, dim=2, keepdim=True)

    def measures(self, slope: Slope, time: torch.Tensor) -> list[tuple[float, ...]]:
        """Measure where the vectors are.

        Parameters
        ----------
        slope : Slope
            Loss and cosines of the present vectors.
        time : torch.Tensor of shape (1,) or (seeds,)
            The time of the flow.

        Returns
        -------
        list of tuple
            Time, loss, tau, gap, mean cosine of partners and R@1 of each seed.
        """
        gap = torch.linalg.vector_norm(self.x.mean(1) - self.y.mean(1), dim=1)
        partner = slope.cosines.diagonal(dim1=1, dim2=2)
        is_nearest = torch.stack([slope.cosines.amax(axis) <= partner for axis in (1, 2)])
        columns = (
            time.expand(len(gap)),
            slope.loss,
            (-self.log_scale).exp(),
            gap,
            partner.mean(1),
            is_nearest.double().mean((0, 2)),
        )
        return list(zip(*(column.tolist() for column in columns), strict=True))


def _tangential(gradient: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    """Take away the part of a gradient along the unit vectors themselves."""
    return gradient - (gradient * vectors).sum(2, keepdim=True) * vectors


def _from_off_diagonal(rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """Return the mean of two matrices whose rows, or columns, add up to 0.

    The diagonal comes from the rest, to be exact.
    """
    for part, axis in ((rows, 2), (columns, 1)):
        part.diagonal(dim1=1, dim2=2).zero_()
        part.diagonal(dim1=1, dim2=2).copy_(-part.sum(axis))
    return (rows + columns) / 2


def _spread(shares: torch.Tensor, axis: int) -> torch.Tensor:
    """Return the largest 1 - sum p^2 of the distributions along an axis.

    It is computed as sum p (1 - p), without cancellation.
    """
    return (shares * (1 - shares)).sum(axis).amax(1)


class Advance(Protocol):
    """How pairs move by one step; ``time`` counts up."""

    time: torch.Tensor

    def __call__(self, pairs: FreePairs, slope: Slope) -> None:
        """Move the pairs in place."""


class GradientFlow:
    """Euler steps of gradient flow.

    A softmax bends the loss by s^2 times its spread, which bounds the step; ``step_fraction`` is
    in units of that bound.
    """

    def __init__(self, step_fraction: float = STEP_FRACTION) -> None:
        self.time = torch.zeros(1, dtype=torch.float64)
        self.step_fraction = step_fraction

    def __call__(self, pairs: FreePairs, slope: Slope) -> None:
        """Take one step, of another length for each seed."""
        dt = self.step_fraction / ((2 * pairs.log_scale).exp() * slope.curvature)
        pairs.x -= dt[:, None, None] * slope.x
        pairs.y -= dt[:, None, None] * slope.y
        pairs.log_scale -= dt * slope.log_scale
        pairs.renormalize()
        self.time = self.time + dt


class AdamSteps:
    """Steps of PyTorch's Adam, each followed by the way back to the sphere."""

    def __init__(self, pairs: FreePairs) -> None:
        self.time = torch.zeros(1, dtype=torch.float64)
        self.optimizer = torch.optim.Adam([pairs.x, pairs.y, pairs.log_scale], lr=STEP_SIZE)

    def __call__(self, pairs: FreePairs, slope: Slope) -> None:
        """Take one step."""
        pairs.x.grad = slope.x
        pairs.y.grad = slope.y
        pairs.log_scale.grad = slope.log_scale
        self.optimizer.step()
        pairs.renormalize()
        self.time = self.time + STEP_SIZE
