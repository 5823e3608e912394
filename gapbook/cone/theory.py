"""Why embeddings lie in a cone: caps of the sphere, random networks and infinite-width theory.

In theory a layer's bias enters by its expected squared length. For the settings of
``gapbook.cone.networks`` it is 1 ("normal"), 1/3 ("uniform") or 0 ("none").
"""

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike

from gapbook.cone.networks import ACTIVATIONS, Bias, features_by_depth
from gapbook.exceptions import PairsError
from gapbook.geometry import CosineStats, cosine_stats
from gapbook.geometry.tiles import mean_row, sum_of_rows
from gapbook.pairs import unit_rows

DRAWS_PER_BLOCK = 256  # of a layer, held in memory at once
UNDERFLOW = 1e-290  # shares of the sphere below it lose digits


def cap_fraction(cosine: float, d: int, *, log: bool = False) -> float:
    """Return the share of the unit sphere that a cap takes, or its natural logarithm.

    Parameters
    ----------
    cosine : float
        The cosine of the cap's opening angle, from edge to edge: two points on opposite edges have
        this cosine.
    d : int
        The number of dimensions, at least 2.
    log : bool
        Whether to return the natural logarithm, which does not underflow in high dimensions.

    Returns
    -------
    float
        The share of the sphere, or its logarithm.

    Raises
    ------
    ValueError
        For a cosine outside [-1, 1] and for d < 2.

    Notes
    -----
    A cap whose half angle t is at most 90 degrees takes I(sin(t)^2; (d - 1) / 2, 1 / 2) / 2 of the
    sphere, where I is the regularized incomplete beta function. Here t is half the opening angle.
    The cap is half the sphere at cosine -1 and nothing at 1.

    References
    ----------
    Liang et al. 2022, section 2.1. Its 3.34 % in 3 dimensions is 5.84 % by its own formula.

    Examples
    --------
    >>> [round(cap_fraction(0.56, d), 4) for d in (2, 3)]
    [0.1554, 0.0584]
    >>> round(cap_fraction(0.56, 512, log=True) / math.log(10), 1)
    -169.7
    """
    if not -1 <= cosine <= 1 or d < 2:
        raise ValueError(f"Expected a cosine in [-1, 1] and d >= 2; got {cosine} and {d}")
    from scipy.special import betainc

    # sin(t)^2 of the half angle t
    sine2 = (1 - cosine) / 2
    share = float(betainc((d - 1) / 2, 0.5, sine2)) / 2
    if not log:
        return share
    if share > UNDERFLOW:
        return math.log(share)
    return _log_cap(sine2, (d - 1) / 2)


def _log_cap(x: float, a: float) -> float:
    """Return log(I(x; a, 1/2) / 2).

    The series is x^a sqrt(1 - x) / (a B(a, 1/2)) times the sum over k of (a + 1/2)_k / (a + 1)_k
    x^k, with (z)_k = z (z + 1) ... (z + k - 1).
    """
    from scipy.special import betaln

    if x == 0:
        return -math.inf
    # the terms left out are below 1e-17 of the sum
    k = np.arange(1, 2 + int(40 / -math.log(x)))
    terms = np.cumprod(x * (a - 0.5 + k) / (a + k))
    return (
        a * math.log(x)
        + math.log1p(-x) / 2
        - math.log(a)
        - float(betaln(a, 0.5))
        + math.log1p(terms.sum())
        - math.log(2)
    )


def arccos_map(
    c: float | np.ndarray, q: float | np.ndarray, bias: bool | float = True
) -> tuple[float | np.ndarray, float | np.ndarray]:
    """Map two inputs through a ReLU layer of infinite width.

    Parameters
    ----------
    c : float or ndarray
        The cosine of the two inputs.
    q : float or ndarray
        Their squared length, the same for both.
    bias : bool or float
        The expected squared length b of the layer's bias. True is 1, False is 0.

    Returns
    -------
    c : float or ndarray
        The cosine of the two outputs.
    q : float or ndarray
        Their squared length.

    Notes
    -----
    With rho = (b + c q) / (b + q), the cosine of the outputs is (sqrt(1 - rho^2) + rho (pi - arccos
    rho)) / pi, and their squared length is (b + q) / 2. The fixed point is c = 1. Without bias, c =
    0 goes to 1 / pi.

    References
    ----------
    Cho and Saul 2009: the arc-cosine kernel of degree 1.

    Examples
    --------
    >>> c, q = arccos_map(0, 512)
    >>> round(float(c), 4), q
    (0.3193, 256.5)
    """
    b = float(bias)
    # without a bias the cosine is that of the inputs, without rounding
    rho = (b + np.multiply(c, q)) / (b + np.asarray(q)) if b else c
    rho = np.clip(rho, -1, 1)
    return (np.sqrt(1 - rho**2) + rho * (np.pi - np.arccos(rho))) / np.pi, (b + q) / 2


def relu_cosine_by_depth(
    depth: int, bias: bool | float = True, c: float = 0.0, q: float = 512.0
) -> np.ndarray:
    """Return the cosine of two inputs after each of several ReLU layers of infinite width.

    Parameters
    ----------
    depth : int
        The number of layers.
    bias : bool or float
        The expected squared length of each layer's bias. True is 1, False is 0.
    c : float
        The cosine of the two inputs.
    q : float
        Their squared length, the same for both.

    Returns
    -------
    ndarray of shape (depth + 1,)
        The cosine after 0, 1, ..., depth layers.

    Notes
    -----
    With biases of squared length 1, the distance of the cosine from 1 falls geometrically once the
    squared length is near 1. Without biases it falls as 9 pi^2 / (2 depth^2).

    Examples
    --------
    >>> relu_cosine_by_depth(3).round(4).tolist()
    [0.0, 0.3193, 0.4959, 0.6089]
    """
    cosine: float | np.ndarray = c
    squared_length: float | np.ndarray = q
    cosines = [c]
    for _ in range(depth):
        cosine, squared_length = arccos_map(cosine, squared_length, bias)
        cosines.append(float(cosine))
    return np.array(cosines)


def linear_cosine_by_depth(
    depth: int, bias: bool | float = True, c: float = 0.0, q: float = 512.0
) -> np.ndarray:
    """Return the cosine of two inputs after each of several linear layers of infinite width.

    Parameters
    ----------
    depth, bias, c, q
        As in ``relu_cosine_by_depth``.

    Returns
    -------
    ndarray of shape (depth + 1,)
        The cosine after 0, 1, ..., depth layers.

    Notes
    -----
    Each layer adds its bias and changes nothing else. With b the squared length of a bias, the
    cosine after L layers is (c q + L b) / (q + L b).

    Examples
    --------
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
    bias: Bias = "normal",
    seeds: Iterable[int] = range(8),
    diagonal: bool = True,
) -> pd.DataFrame:
    """Return the mean cosine of random inputs after each layer of random networks.

    Parameters
    ----------
    activations, depths, n, d, bias
        As in ``features_by_depth``.
    seeds : iterable of int
        The seeds, one network of each kind for each seed.
    diagonal : bool
        Whether the mean is that of all n^2 pairs of rows, as in the authors' figure. If False, it
        is that of the n (n - 1) pairs of different rows.

    Returns
    -------
    DataFrame
        One row for each network, seed and depth, with the columns activation, bias, seed, depth and
        cosine.

    Raises
    ------
    ValueError
        For an unknown network or bias.

    Notes
    -----
    The mean over all pairs of unit rows x_i is ``||sum x_i||^2 / n^2``; no n by n matrix is formed.

    References
    ----------
    Liang et al. 2022, section 2.2 and figure 2b.

    Examples
    --------
    >>> round(float(cosine_by_depth("relu", depths=1, seeds=[0]).loc[1, "cosine"]), 2)
    0.32
    """
    rows = []
    with torch.inference_mode():
        for seed in seeds:
            for name, depth, features in features_by_depth(activations, depths, n, d, bias, seed):
                h = features.double()
                total = 1 / torch.linalg.vector_norm(h, dim=1) @ h
                cosine = float(total @ total) / n**2
                if not diagonal:
                    cosine = (cosine * n - 1) / (n - 1)
                rows.append((name, bias, seed, depth, cosine))
    return pd.DataFrame(rows, columns=["activation", "bias", "seed", "depth", "cosine"])


def stats_by_depth(
    activation: str,
    depths: int = 25,
    n: int = 1024,
    d: int = 512,
    bias: Bias = "normal",
    seed: int = 0,
    bins: int = 100,
) -> list[CosineStats]:
    """Return the distribution of cosines after each layer of one random network.

    Parameters
    ----------
    activation : str
        The network, by its name in ``STEPS``.
    depths, n, d, bias, seed
        As in ``features_by_depth``.
    bins : int
        The number of bins of each histogram.

    Returns
    -------
    list of CosineStats
        The ``cosine_stats`` at depth 0, 1, ..., depths.
    """
    with torch.inference_mode():
        layers = features_by_depth(activation, depths, n, d, bias, seed)
        return [cosine_stats(features, bins) for _, _, features in layers]


class Theorem1(NamedTuple):
    """How often a layer raised the cosine, and what Theorem 1 says of it.

    Attributes
    ----------
    probability : float
        The share of draws in which the cosine grew.
    low, high : float
        The ends of its 95 % interval (Wilson).
    condition : bool
        Whether the condition of the theorem holds.
    slack : float
        What the proof adds to the cosine, by the bias alone.
    gain : float
        What a layer of infinite width adds to the cosine.
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
    """Estimate how often one ReLU layer raises the cosine of two inputs u and v.

    Parameters
    ----------
    cosine : float
        The cosine of u and v.
    ratio : float
        The ratio of their lengths, ``||u|| / ||v||``.
    norm : float
        The length of v.
    width : int
        The number of units of the layer.
    draws : int
        The number of layers that are drawn.
    seed : int
        The seed of the draws.
    bias : bool or float
        The expected squared length of the layer's bias. True is 1, False is 0.

    Returns
    -------
    Theorem1
        The share of draws with its interval, and what theory says.

    Raises
    ------
    ValueError
        For a cosine outside [-1, 1], and where another number is not above 0.

    Notes
    -----
    Weights are N(0, 1/width) and biases N(0, bias/width). Each unit sees u and v through a pair of
    correlated normals, which are drawn themselves; this is exact for inputs of any dimension. The
    condition of the theorem is cosine < 2 / (ratio + 1 / ratio).

    References
    ----------
    Liang et al. 2022, Theorem 1.

    Examples
    --------
    >>> test = theorem1_probability(0.2)
    >>> test.probability, round(test.gain, 3)
    (1.0, 0.478)
    """
    from scipy.stats import binomtest

    if not -1 <= cosine <= 1 or min(ratio, norm) <= 0 or min(width, draws) < 1:
        raise ValueError(
            f"Expected a cosine in [-1, 1] and ratio, norm, width, draws above 0; "
            f"got {cosine}, {ratio}, {norm}, {width}, {draws}"
        )
    b = float(bias)
    u = ratio * norm
    v = norm
    rho = (b + cosine * u * v) / math.sqrt((b + u**2) * (b + v**2))
    rng = np.random.default_rng(seed)
    raised = 0
    for start in range(0, draws, DRAWS_PER_BLOCK):
        shape = (2, min(DRAWS_PER_BLOCK, draws - start), width)
        raised += int((_relu_output_cosines(rho, shape, rng) > cosine).sum())
    interval = binomtest(raised, draws).proportion_ci(method="wilson")
    infinite_width, _ = arccos_map(rho, 1.0, bias=False)
    return Theorem1(
        raised / draws,
        float(interval.low),
        float(interval.high),
        condition=cosine < 2 / (ratio + 1 / ratio),
        slack=rho - cosine,
        gain=float(infinite_width) - cosine,
    )


def _relu_output_cosines(
    rho: float, shape: tuple[int, int, int], rng: np.random.Generator
) -> np.ndarray:
    """Return the cosines of two ReLU outputs whose units see normals of correlation rho."""
    first, independent = rng.standard_normal(shape)
    second = rho * first + math.sqrt(max(0.0, 1 - rho**2)) * independent
    x = first.clip(0)
    y = second.clip(0)
    # an output of zeros has cosine 0
    lengths = np.sqrt((x**2).sum(1) * (y**2).sum(1)).clip(1e-300)
    return (x * y).sum(1) / lengths


def between_seed_share(embeddings: Sequence[ArrayLike] | np.ndarray | torch.Tensor) -> float:
    """Return how much of the variance of embeddings lies between seeds: Theorem 2, measured.

    Parameters
    ----------
    embeddings : array_like or tensor of shape (seeds, n, d), or sequence of such (n, d)
        The embeddings of the same n inputs by networks of at least 2 seeds.

    Returns
    -------
    float
        The share of the variance, a fraction. It is 1 if each seed is collapsed to a point of its
        own, and 0 if all seeds have the same mean.

    Raises
    ------
    PairsError
        For bad input, and where nothing varies.

    Notes
    -----
    For unit rows x with the mean m_s in seed s and the mean m in all, the share is ``Var(E[x |
    seed]) / Var(x) = (c - ||m||^2) / (1 - ||m||^2)``, where c, the mean of ``||m_s||^2``, is the
    mean cosine of all n^2 pairs within a seed.

    References
    ----------
    Liang et al. 2022, Theorem 2.

    Examples
    --------
    >>> between_seed_share([[[1, 0], [1, 0]], [[0, 1], [0, 1]]])
    1.0
    """
    seeds = _unit_rows_by_seed(embeddings)
    centers = torch.stack([mean_row(rows) for rows in seeds])
    squared_mean = float(centers.mean(0).square().sum())
    if squared_mean > 1 - 1e-7:
        raise PairsError("Expected embeddings that vary; got the same one everywhere")
    within = float(centers.square().sum(1).mean())
    return (within - squared_mean) / (1 - squared_mean)


def component_share(
    embeddings: Sequence[ArrayLike] | np.ndarray | torch.Tensor, components: int | None = None
) -> float:
    """Return the share of the variance of embeddings in their first principal components.

    Parameters
    ----------
    embeddings : array_like or tensor of shape (seeds, n, d), or sequence of such (n, d)
        As in ``between_seed_share``.
    components : int, optional
        The number of components, by default the number of seeds less one.

    Returns
    -------
    float
        The share of the variance, a fraction.

    Raises
    ------
    PairsError
        For bad input, and where nothing varies.

    Notes
    -----
    By default it is at least ``between_seed_share``, since the means of the seeds span one
    dimension less than there are seeds.

    Examples
    --------
    >>> component_share([[[1, 0], [1, 0]], [[0, 1], [0, 1]]])
    1.0
    """
    seeds = _unit_rows_by_seed(embeddings)
    n = sum(len(rows) for rows in seeds)
    mean = torch.stack([sum_of_rows(rows) for rows in seeds]).sum(0) / n
    scatter = torch.zeros(len(mean), len(mean), dtype=torch.float64)
    for rows in seeds:
        centered = rows.double() - mean
        scatter += centered.T @ centered
    # largest first
    variances = torch.linalg.eigvalsh(scatter).flip(0).clamp(min=0)
    total = variances.sum()
    if float(total) < 1e-7 * n:
        raise PairsError("Expected embeddings that vary; got the same one everywhere")
    if components is None:
        components = len(seeds) - 1
    return float(variances[:components].sum() / total)


def _unit_rows_by_seed(
    embeddings: Sequence[ArrayLike] | np.ndarray | torch.Tensor,
) -> list[torch.Tensor]:
    """Return the unit rows of each seed; check that there are two seeds of one shape."""
    seeds = list(embeddings)
    if len(seeds) < 2 or len({np.shape(rows) for rows in seeds}) > 1:
        raise PairsError("Expected embeddings of shape (seeds, n, d) with at least 2 seeds")
    return [torch.as_tensor(unit_rows(rows, f"seed {i}")).cpu() for i, rows in enumerate(seeds)]


def predicted_gap(
    mean_cosine_x: float,
    mean_cosine_y: float,
    cosine_between_centers: float = 0.0,
    n: int | None = None,
) -> float:
    """Predict the modality gap of two cones from their mean cosines and their centers' cosine.

    Parameters
    ----------
    mean_cosine_x, mean_cosine_y : float
        The mean cosine within each cone.
    cosine_between_centers : float
        The cosine of the two means.
    n : int, optional
        The number of rows of each cone. If it is given, the mean cosines are those of different
        rows, as ``cosine_stats`` returns them. Otherwise they are those of all n^2 pairs of rows.

    Returns
    -------
    float
        The modality gap, a distance.

    Raises
    ------
    ValueError
        For a mean cosine outside [0, 1] or a cosine of centers outside [-1, 1].

    Notes
    -----
    With a and b the mean cosines of all n^2 pairs, which are the squared lengths of the centers,
    gap^2 = a + b - 2 sqrt(a b) cos. This is exact. A mean c over different rows gives
    a = c + (1 - c) / n. For orthogonal centers the gap is sqrt(a + b), for the same cone 0.

    Examples
    --------
    >>> round(predicted_gap(0.717232, 0.672070), 3), predicted_gap(0.5, 0.5, 1)
    (1.179, 0.0)
    """
    a = mean_cosine_x
    b = mean_cosine_y
    if n:
        a = a + (1 - a) / n
        b = b + (1 - b) / n
    if min(a, b) < 0 or max(a, b) > 1 or not -1 <= cosine_between_centers <= 1:
        raise ValueError(
            f"Expected mean cosines in [0, 1], cosine of centers in [-1, 1]; "
            f"got {a}, {b}, {cosine_between_centers}"
        )
    return math.sqrt(max(0.0, a + b - 2 * math.sqrt(a * b) * cosine_between_centers))
