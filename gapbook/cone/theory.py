"""Why embeddings lie in a cone: caps of the sphere, random networks of any depth and their infinite-width theory.

In theory a layer's bias enters by its expected squared length b, for the settings of ``gapbook.mlp``: 1 ("normal"),
1/3 ("uniform") or 0 ("none").
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from gapbook.cone.networks import ACTIVATIONS, features_by_depth
from gapbook.exceptions import PairsError
from gapbook.geometry import CosineStats, cosine_stats
from gapbook.pairs import unit_rows


def cap_fraction(cosine: float, d: int, angle: str = "opening", log: bool = False) -> float:
    """Return the share of the unit sphere in d dimensions that a cap takes, or its natural logarithm.

    A cap of half angle t <= 90 degrees takes I(sin(t)^2; (d - 1) / 2, 1 / 2) / 2, I the regularized incomplete beta
    function. ``angle`` "opening": arccos(cosine) is the angle from edge to edge, t its half, as in the paper (two
    points on opposite edges have this cosine); "half": t = arccos(cosine), the points with at least this cosine to the
    axis. Half the sphere at opening cosine -1, nothing at 1. ValueError for a cosine outside [-1, 1], d < 2 or another
    angle. Source: Liang et al. 2022, section 2.1, whose 3.34 % in 3 dimensions is 5.84 % by its own formula.

    >>> [round(cap_fraction(0.56, d), 4) for d in (2, 3)], round(cap_fraction(0.56, 512, log=True) / math.log(10), 1)
    ([0.1554, 0.0584], -169.7)
    """
    if not -1 <= cosine <= 1 or d < 2 or angle not in ("opening", "half"):
        raise ValueError(
            f"Expected a cosine in [-1, 1], d >= 2 and angle 'opening' or 'half'; got {cosine}, {d}, {angle!r}"
        )
    from scipy.special import betainc

    sine2 = (1 - cosine) / 2 if angle == "opening" else 1 - cosine**2
    share = float(betainc((d - 1) / 2, 0.5, sine2)) / 2
    if angle == "half" and cosine < 0:
        share = 1 - share
    if not log:
        return share
    return math.log(share) if share > 1e-290 else _log_cap(sine2, (d - 1) / 2)


def _log_cap(x: float, a: float) -> float:
    """Return log(I(x; a, 1/2) / 2) by the series x^a sqrt(1 - x) / (a B(a, 1/2)) sum (a + 1/2)_k / (a + 1)_k x^k."""
    from scipy.special import betaln

    if x == 0:
        return -math.inf
    k = np.arange(1, 2 + int(40 / -math.log(x)))  # the terms left out are below 1e-17 of the sum
    terms = np.cumprod(x * (a - 0.5 + k) / (a + k))
    return (
        a * math.log(x)
        + math.log1p(-x) / 2
        - math.log(a)
        - float(betaln(a, 0.5))
        + math.log1p(terms.sum())
        - math.log(2)
    )


def arccos_map(c: Any, q: Any, bias: bool | float = True) -> tuple[Any, Any]:
    """Map cosine and squared length of two inputs through a ReLU layer of infinite width: (c, q) to (c', q').

    With b the expected squared length of the bias (True: 1, False: 0, or a number): rho = (b + c q) / (b + q),
    q' = (b + q) / 2, c' = (sqrt(1 - rho^2) + rho (pi - arccos rho)) / pi. Takes numbers or arrays. Fixed point c = 1;
    c = 0 without bias goes to 1 / pi. Source: the arc-cosine kernel of degree 1 (Cho and Saul 2009).

    >>> c, q = arccos_map(0, 512)
    >>> round(float(c), 4), q
    (0.3193, 256.5)
    """
    b = float(bias)
    rho = np.clip((b + np.multiply(c, q)) / (b + np.asarray(q)) if b else c, -1, 1)
    return (np.sqrt(1 - rho**2) + rho * (np.pi - np.arccos(rho))) / np.pi, (b + q) / 2


def relu_cosine_by_depth(
    depth: int, bias: bool | float = True, c: float = 0.0, q: float = 512.0
) -> np.ndarray:
    """Return the cosine of two inputs of cosine c and squared length q after 0 ... depth ReLU layers: (depth + 1,).

    Infinite width. With bias 1 - cosine falls geometrically once q is near 1; without it as 9 pi^2 / (2 depth^2).

    >>> relu_cosine_by_depth(3).round(4).tolist()
    [0.0, 0.3193, 0.4959, 0.6089]
    """
    cosines = [c]
    for _ in range(depth):
        c, q = arccos_map(c, q, bias)
        cosines.append(float(c))
    return np.array(cosines)


def linear_cosine_by_depth(
    depth: int, bias: bool | float = True, c: float = 0.0, q: float = 512.0
) -> np.ndarray:
    """Return the same for linear layers, where each adds its bias: (c q + L b) / (q + L b) after L layers.

    >>> linear_cosine_by_depth(25)[[0, 10, 25]].round(4).tolist()
    [0.0, 0.0192, 0.0466]
    """
    added = np.arange(depth + 1) * float(bias)
    return (c * q + added) / (q + added)


def cosine_by_depth(
    activations: str | Sequence[str] = ACTIVATIONS,
    depths: int = 25,
    n: int = 1024,
    d: int = 512,
    bias: str = "normal",
    seeds: Iterable[int] = range(8),
    diagonal: bool = True,
) -> pd.DataFrame:
    """Return the mean cosine of n random inputs after each layer: DataFrame activation, bias, seed, depth, cosine.

    The mean is that of all n^2 pairs, ||sum x_i||^2 / n^2 of unit rows x_i, as in the authors' figure; with
    ``diagonal`` False of the n (n - 1) pairs of different rows. ValueError for an unknown activation or bias.
    Source: Liang et al. 2022, section 2.2 and figure 2b.

    >>> round(float(cosine_by_depth("relu", depths=1, seeds=[0]).loc[1, "cosine"]), 2)
    0.32
    """
    rows = []
    with torch.inference_mode():
        for seed in seeds:
            for name, depth, h in features_by_depth(activations, depths, n, d, bias, seed):
                h = h.double()
                total = 1 / torch.linalg.vector_norm(h, dim=1) @ h
                cosine = float(total @ total) / n**2
                rows.append(
                    (name, bias, seed, depth, cosine if diagonal else (cosine * n - 1) / (n - 1))
                )
    return pd.DataFrame(rows, columns=["activation", "bias", "seed", "depth", "cosine"])


def stats_by_depth(
    activation: str,
    depths: int = 25,
    n: int = 1024,
    d: int = 512,
    bias: str = "normal",
    seed: int = 0,
    bins: int = 100,
) -> list[CosineStats]:
    """Return ``cosine_stats`` (with a histogram of ``bins``) of the features at depth 0 ... depths of one network."""
    with torch.inference_mode():
        return [
            cosine_stats(h, bins)
            for _, _, h in features_by_depth(activation, depths, n, d, bias, seed)
        ]


class Theorem1(NamedTuple):
    """Share of draws in which the cosine grew, with its 95 % interval, and what Theorem 1 says of it.

    ``slack`` is what the proof adds by the bias alone, ``gain`` what a layer of infinite width adds.
    """

    probability: float
    low: float
    high: float
    condition: bool
    slack: float
    gain: float


def theorem1_probability(
    cosine: float,
    ratio: float = 1.0,
    norm: float = 1.0,
    width: int = 512,
    draws: int = 1000,
    seed: int = 0,
    bias: bool | float = True,
) -> Theorem1:
    """Estimate how often one ReLU layer raises the cosine of u and v, over draws of its weights and bias.

    ||v|| = norm, ||u|| = ratio * norm; weights N(0, 1/width), bias N(0, 1/width) (of expected squared length ``bias``).
    Each output sees u and v through a pair of correlated normals, which are drawn themselves: exact for inputs of any
    dimension. The condition is cosine < 2 / (ratio + 1 / ratio). Source: Liang et al. 2022, Theorem 1.

    >>> theorem1_probability(0.2).probability, round(theorem1_probability(0.2).gain, 3)
    (1.0, 0.478)
    """
    from scipy.stats import binomtest

    if not -1 <= cosine <= 1 or min(ratio, norm) <= 0 or min(width, draws) < 1:
        raise ValueError(
            f"Expected a cosine in [-1, 1] and ratio, norm, width, draws above 0; "
            f"got {cosine}, {ratio}, {norm}, {width}, {draws}"
        )
    b, u, v = float(bias), ratio * norm, norm
    rho = (b + cosine * u * v) / math.sqrt((b + u**2) * (b + v**2))
    rng, grew = np.random.default_rng(seed), 0
    for start in range(0, draws, 256):
        first, other = rng.standard_normal((2, min(256, draws - start), width))
        second = rho * first + math.sqrt(max(0.0, 1 - rho**2)) * other
        x, y = first.clip(0), second.clip(0)
        cosines = (x * y).sum(1) / np.sqrt((x**2).sum(1) * (y**2).sum(1)).clip(1e-300)
        grew += int((cosines > cosine).sum())
    interval = binomtest(grew, draws).proportion_ci(method="wilson")
    gain = float(arccos_map(rho, 1.0, bias=False)[0]) - cosine
    condition = cosine < 2 / (ratio + 1 / ratio)
    return Theorem1(
        grew / draws, float(interval.low), float(interval.high), condition, rho - cosine, gain
    )


def between_seed_share(embeddings: Any) -> float:
    """Return how much of the variance of embeddings (seeds, n, d) lies between seeds: a fraction, Theorem 2 measured.

    Of unit rows with mean m_s in each seed, m in all: Var(E[x | seed]) / Var(x) = (c - ||m||^2) / (1 - ||m||^2), where
    c = mean of ||m_s||^2 is the mean cosine of all n^2 pairs within a seed. 1 for seeds that are each collapsed to a
    point of their own, 0 where all have the same mean. Raises ``PairsError``, also where nothing varies.

    >>> between_seed_share([[[1, 0], [1, 0]], [[0, 1], [0, 1]]])
    1.0
    """
    centers = torch.stack([rows.mean(0, dtype=torch.float64) for rows in _seeds(embeddings)])
    length = float(centers.mean(0).square().sum())
    if length > 1 - 1e-7:
        raise PairsError("Expected embeddings that vary; got the same one everywhere")
    return (float(centers.square().sum(1).mean()) - length) / (1 - length)


def component_share(embeddings: Any, components: int | None = None) -> float:
    """Return the share of the variance of (seeds, n, d) in the first principal components, seeds - 1 unless told.

    At least ``between_seed_share``, since the means of the seeds span seeds - 1 dimensions. Raises ``PairsError``.

    >>> component_share([[[1, 0], [1, 0]], [[0, 1], [0, 1]]])
    1.0
    """
    seeds = _seeds(embeddings)
    rows = sum(len(seed) for seed in seeds)
    mean = torch.stack([seed.sum(0, dtype=torch.float64) for seed in seeds]).sum(0) / rows
    scatter = torch.zeros(len(mean), len(mean), dtype=torch.float64)
    for seed in seeds:
        centered = seed.double() - mean
        scatter += centered.T @ centered
    values = torch.linalg.eigvalsh(scatter).flip(0).clamp(min=0)
    if float(values.sum()) < 1e-7 * rows:
        raise PairsError("Expected embeddings that vary; got the same one everywhere")
    return float(
        values[: len(seeds) - 1 if components is None else components].sum() / values.sum()
    )


def _seeds(embeddings: Any) -> list[torch.Tensor]:
    if len(embeddings) < 2 or any(np.shape(seed) != np.shape(embeddings[0]) for seed in embeddings):
        raise PairsError("Expected embeddings of shape (seeds, n, d) with at least 2 seeds")
    return [unit_rows(seed, f"seed {i}").cpu() for i, seed in enumerate(embeddings)]


def predicted_gap(
    mean_cosine_x: float,
    mean_cosine_y: float,
    cosine_between_centers: float = 0.0,
    n: int | None = None,
) -> float:
    """Predict the modality gap of two cones from their mean cosines and the cosine of their centers: a distance.

    gap^2 = a + b - 2 sqrt(a b) cos, exact where a and b are the mean cosines of all n^2 pairs, which are the squared
    lengths of the centers. With ``n`` they are taken as means of different pairs, as ``cosine_stats`` gives them, and
    a = c + (1 - c) / n. Orthogonal centers: sqrt(a + b); the same cone: 0. ValueError for a mean below 0 then.

    >>> round(predicted_gap(0.717232, 0.672070), 3), predicted_gap(0.5, 0.5, 1)
    (1.179, 0.0)
    """
    a, b = ((c + (1 - c) / n if n else c) for c in (mean_cosine_x, mean_cosine_y))
    if min(a, b) < 0 or max(a, b) > 1 or not -1 <= cosine_between_centers <= 1:
        raise ValueError(
            f"Expected mean cosines in [0, 1], cosine of centers in [-1, 1]; got {a}, {b}, {cosine_between_centers}"
        )
    return math.sqrt(max(0.0, a + b - 2 * math.sqrt(a * b) * cosine_between_centers))
