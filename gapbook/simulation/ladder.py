"""A ladder from free vectors to encoders: what it takes for the contrastive loss to open a gap.

Every rung begins without a gap but for chance: free vectors of both sides lie in one cone, and two
encoders begin with equal weights. It is trained with the loss at temperature 1/100 on batches of
pairs. Free vectors move one by one. What the rows of one side share, a bias, or weights behind
features with a common mean, moves all of them at once.
"""

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import normalize, relu

from gapbook.geometry import modality_gap, retrieval
from gapbook.landscape.contrastive import contrastive_loss

# CLIP's temperature at the end of its training.
TAU = 0.01
BATCH_SIZE = 64
STEPS = 2000
# Steps after which the gap is measured: it opens within the first fifty.
MEASURED_STEPS = (0, 2, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000, 2000, 3000, 5000)

# Free vectors, and the mean cosine of the cone in which both sides begin.
FREE_VECTORS = 256
DIM = 16
CONE_COSINE = 0.5
FREE_RATE = 0.02

# Items that encoders see, as two noisy views of the same features.
ITEMS = 512
FEATURES = 64
HIDDEN = 128
VIEW_NOISE = 0.3
ENCODER_RATE = 1e-3


class Rung(NamedTuple):
    """What is trained: free vectors or an encoder a side, and what the rows of a side share."""

    kind: str
    shared: str


RUNGS = {
    "free vectors": Rung("vectors", "nothing"),
    "free vectors and a bias": Rung("vectors", "bias"),
    "linear, features centered": Rung("linear", "weights"),
    "linear, features in a cone": Rung("linear", "weights and mean"),
    "MLP, features centered": Rung("mlp", "weights"),
    "MLP, features in a cone": Rung("mlp", "weights and mean"),
}

# Embeds the rows of a batch on both sides; None is all of them, without noise.
Embed = Callable[[torch.Tensor | None], tuple[torch.Tensor, torch.Tensor]]


def train_rung(
    name: str,
    seed: int,
    tau: float = TAU,
    steps: int = STEPS,
    sgd_rate: float | None = None,
    *,
    batch_size: int = BATCH_SIZE,
    noise_until: int | None = None,
) -> pd.DataFrame:
    """Train one rung of the ladder.

    Parameters
    ----------
    name : str
        One of ``RUNGS``.
    seed : int
        What draws vectors, features, weights, batches and noise.
    tau : float
        The temperature.
    steps : int
        Steps of the optimizer.
    sgd_rate : float, optional
        The rate of plain gradient descent. By default Adam is the optimizer, at 0.02 for free
        vectors and at 0.001 for encoders.
    batch_size : int
        Pairs of a batch: at least 2, and at most as many as there are.
    noise_until : int, optional
        The step from which on all pairs are one batch and views have no noise, so that every step
        follows the whole gradient. By default no step does.

    Returns
    -------
    pandas.DataFrame
        Columns rung, seed, step, gap and r1, the recall at 1 of partners both ways; one row for
        each of ``MEASURED_STEPS`` up to ``steps``.

    Raises
    ------
    ValueError
        For a rung that there is not, a temperature or a rate that is not positive, or a batch of
        fewer than two pairs or of more than there are.

    Notes
    -----
    Free vectors are 256 pairs in 16 dimensions. Both sides lie about one axis, with a mean cosine
    of 1/2, and each vector is drawn by itself. A bias is one more vector a side, zero at first,
    which is added to all rows of it. Encoders are two with equal first weights, and see two noisy
    views of 512 items: features of 64 dimensions, either centered or with a common mean that makes
    their mean cosine 1/2. In expectation both sides then get the same step, so that only chance,
    of batches and of noise, can part them. From equal weights, steps without noise keep them equal.

    Examples
    --------
    >>> curve = train_rung("free vectors and a bias", seed=0, steps=20)
    >>> gap = curve.set_index("step")["gap"]
    >>> bool(gap[20] > gap[0] + 0.02)
    True
    """
    if name not in RUNGS:
        raise ValueError(f"Expected one of {', '.join(RUNGS)}; got {name!r}")
    for label, number in {"tau": tau, "sgd_rate": sgd_rate}.items():
        if number is not None and not number > 0:
            raise ValueError(f"Expected {label} as a positive number; got {number!r}")
    rung = RUNGS[name]
    of_vectors = rung.kind == "vectors"
    pairs, rate = (FREE_VECTORS, FREE_RATE) if of_vectors else (ITEMS, ENCODER_RATE)
    if not 2 <= batch_size <= pairs:
        raise ValueError(f"Expected batch_size from 2 to {pairs}; got {batch_size!r}")
    rng = np.random.default_rng(seed)
    weights, embed = _free_vectors(rng, rung) if of_vectors else _twins(rng, rung)
    if sgd_rate is None:
        optimizer: torch.optim.Optimizer = torch.optim.Adam(weights, lr=rate)
    else:
        optimizer = torch.optim.SGD(weights, lr=sgd_rate)
    rows = []
    for step in range(steps + 1):
        if step in MEASURED_STEPS:
            rows.append({"rung": name, "seed": seed, "step": step} | _measured(embed))
        batch: torch.Tensor | None = None
        if noise_until is None or step < noise_until:
            batch = torch.as_tensor(rng.permutation(pairs)[:batch_size])
        loss = contrastive_loss(*embed(batch), tau)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return pd.DataFrame(rows)


def _measured(embed: Embed) -> dict[str, float]:
    with torch.no_grad():
        x, y = embed(None)
    recall = retrieval(x.numpy(), y.numpy()).query("k == 1")["recall"]
    return {"gap": modality_gap(x.numpy(), y.numpy()), "r1": float(recall.mean())}


def _free_vectors(rng: np.random.Generator, rung: Rung) -> tuple[list[torch.Tensor], Embed]:
    """Draw both sides in one cone, each vector by itself."""
    sides = [_weight(_in_cone(rng)) for _ in range(2)]
    biases = [_weight(np.zeros(DIM)) for _ in range(2)]

    def embed(batch: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        rows = slice(None) if batch is None else batch
        x, y = (
            normalize(normalize(side[rows], dim=1) + bias, dim=1)
            for side, bias in zip(sides, biases, strict=True)
        )
        return x, y

    return sides + biases if rung.shared == "bias" else sides, embed


def _in_cone(rng: np.random.Generator) -> np.ndarray:
    """Draw unit vectors about the first axis."""
    across = rng.standard_normal((FREE_VECTORS, DIM))
    across[:, 0] = 0
    across /= np.linalg.norm(across, axis=1, keepdims=True)
    vectors = math.sqrt(1 - CONE_COSINE) * across
    vectors[:, 0] = math.sqrt(CONE_COSINE)
    return vectors


def _twins(rng: np.random.Generator, rung: Rung) -> tuple[list[torch.Tensor], Embed]:
    """Build two encoders with equal weights, and the items that they see."""
    features = rng.standard_normal((ITEMS, FEATURES))
    if rung.shared == "weights and mean":
        mean = rng.standard_normal(FEATURES)
        mean *= math.sqrt(FEATURES) / np.linalg.norm(mean)
        features = math.sqrt(CONE_COSINE) * mean + math.sqrt(1 - CONE_COSINE) * features
    items = torch.as_tensor(features, dtype=torch.float32)
    sizes = [FEATURES, DIM] if rung.kind == "linear" else [FEATURES, HIDDEN, DIM]
    matrices = [
        rng.standard_normal((into, out)) * math.sqrt((1 if out == DIM else 2) / into)
        for into, out in itertools.pairwise(sizes)
    ]
    twins = [[_weight(matrix) for matrix in matrices] for _ in range(2)]
    biases = [_weight(np.zeros(HIDDEN)) for _ in range(2)]

    def encode(side: int, inputs: torch.Tensor) -> torch.Tensor:
        hidden = inputs
        for matrix in twins[side][:-1]:
            hidden = relu(hidden @ matrix + biases[side])
        return normalize(hidden @ twins[side][-1], dim=1)

    def embed(batch: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        if batch is None:
            return encode(0, items), encode(1, items)
        noise = VIEW_NOISE * rng.standard_normal((2, len(batch), FEATURES))
        views = items[batch] + torch.as_tensor(noise, dtype=torch.float32)
        return encode(0, views[0]), encode(1, views[1])

    weights = [*twins[0], *twins[1]]
    return weights + biases if rung.kind == "mlp" else weights, embed


def _weight(values: np.ndarray) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float32, requires_grad=True)
