"""Three ways to close a gap: translate both sides, center each, or turn one onto the other; and what loss is left.

Translation and centering bend: they bring rows back to unit length and so change the cosines within a modality. A
rotation does not.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gapbook.geometry import modality_gap
from gapbook.landscape import contrastive_loss, shift
from gapbook.pairs import PairedEmbeddings, PairsError, unit_pair

WAYS = ("translate", "center", "rotate")
SCALES = (1e-2, 1e5)  # of 1 / tau, where the best temperature is looked for


def close_gap(x: Any, y: Any, share: float, way: str) -> tuple[np.ndarray, np.ndarray]:
    """Take a share of the gap away in one of three ways: two float32 arrays (n, d) of unit rows.

    "translate" shifts both sides, delta = share * gap; "center" subtracts share * mean from each side and renormalizes;
    "rotate" turns y by share * angle between the means, in their plane: no cosine within a modality changes. At
    share 1 translation leaves a small gap, since lengths are brought back to 1, and rotation | |mean(x)| - |mean(y)| |.
    Share 0 changes nothing. Raises ``PairsError``.

    >>> x, y = close_gap([[1, 0, 0], [0.8, 0.6, 0]], [[0, 1, 0], [-0.6, 0.8, 0]], 1, "rotate")
    >>> bool(np.allclose(x, y, atol=1e-6))
    True
    """
    if way not in WAYS:
        raise PairsError(f"Expected way as one of {', '.join(WAYS)}; got {way!r}")
    a, b = (side.cpu().numpy() for side in unit_pair(x, y))
    if way == "translate":
        return shift(a, b, share * modality_gap(a, b) / 2)
    if way == "rotate":
        return a, (b @ turn_together(a, b, share)).astype(np.float32)
    sides = unit_pair(*(side - share * side.mean(axis=0, dtype=np.float64) for side in (a, b)))
    return sides[0].numpy(), sides[1].numpy()


def compare_ways(pairs: PairedEmbeddings, tau: float, halves: int = 20, seed: int = 0) -> pd.DataFrame:
    """Close the gap in each way on random halves of the pairs: a DataFrame way, half, gap, given, retuned, tau.

    For the pairs "as they are" and after each of ``WAYS`` at share 1: the gap left, the symmetric loss in batches of 50
    at the ``given`` temperature, and the loss and temperature after it is ``retuned``. Halves are drawn without
    replacement and in random order. The standard deviation of a mean over half of the pairs, over such halves, is the
    standard error of the mean over all of them. Raises ``PairsError``.

    >>> from gapbook import load_pairs
    >>> compare_ways(load_pairs("glyphclip"), 0.01, halves=1)["way"].tolist()
    ['as they are', 'translate', 'center', 'rotate']
    """
    rng, rows = np.random.default_rng(seed), []
    for half in range(halves):
        part = pairs.subset(rng.permutation(len(pairs))[: len(pairs) // 2])
        for way in ("as they are", *WAYS):
            x, y = close_gap(part.x, part.y, float(way in WAYS), way if way in WAYS else "translate")
            best = loss_at_best_temperature(x, y)
            rows.append([way, half, modality_gap(x, y), contrastive_loss(x, y, [tau])[0], best.loss, best.tau])
    return pd.DataFrame(rows, columns=["way", "half", "gap", "given", "retuned", "tau"])


class Retuned(NamedTuple):
    """The temperature with the least loss, and that loss in nats."""

    tau: float
    loss: float


def loss_at_best_temperature(x: Any, y: Any, batch_size: int = 50, direction: str = "symmetric") -> Retuned:
    """Return the temperature at which pairs as they are have the least loss, and that loss.

    The loss is convex in 1 / tau, so its minimum over 1 / tau from 0.01 to 100,000 is the only one. It lies at the
    upper end, with loss 0, where every partner is the nearest, and at the lower end, with log(batch_size), where
    closeness says nothing. The minimum is flat: tau is right to about 0.1 %. Arguments, errors: ``contrastive_loss``.

    >>> points = [np.radians(20) * np.array(order) for order in ([0, 1, 2, 3, 4, 5], [1, 0, 2, 3, 4, 5])]
    >>> best = loss_at_best_temperature(*(np.stack([np.cos(a), np.sin(a)], axis=1) for a in points))
    >>> round(1 / best.tau, 1), round(best.loss, 5)
    (21.2, 0.80952)
    """
    from scipy.optimize import minimize_scalar

    def losses(log_scales: Any) -> np.ndarray:
        return contrastive_loss(a, b, np.exp(-np.atleast_1d(log_scales)).tolist(), batch_size, direction)

    a, b = unit_pair(x, y)
    grid = np.log(np.geomspace(SCALES[0], SCALES[1], 33))
    best = int(losses(grid).argmin())
    bounds = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = minimize_scalar(lambda s: losses(s)[0], bounds=bounds, method="bounded", options={"xatol": 1e-5})
    return Retuned(float(np.exp(-found.x)), float(found.fun))


def turn_together(x: Any, y: Any, share: float = 1.0) -> np.ndarray:
    """Return the rotation R (d, d) float64 in the plane of both means after which mean(y) R is nearer to mean(x).

    It turns by ``share`` of the angle between the means: 1 makes them parallel, 0 is the identity, a negative share
    widens. What is at right angles to the plane stays where it is. Raises ``PairsError`` where the means span no
    plane: one is zero, or both are parallel.

    >>> (np.array([0.6, 0.8]) @ turn_together([[1, 0], [1, 0]], [[0.6, 0.8], [0.6, 0.8]])).round(6).tolist()
    [1.0, 0.0]
    """
    u, v, _, _, angle = _plane(x, y)
    return _rotation(u, v, share * angle)


def turn_to_gap(x: Any, y: Any, gap: float) -> np.ndarray:
    """Return the rotation R (d, d) float64 in the plane of both means after which y R lies ``gap`` from x.

    With lengths a and b of the means, gap^2 = a^2 + b^2 - 2 a b cos(angle) fixes the angle between them. Raises
    ``PairsError`` where no angle gives that gap, and as ``turn_together``.

    >>> x, y = np.array([[1.0, 0], [1, 0]]), np.array([[0.6, 0.8], [0.6, 0.8]])
    >>> (y @ turn_to_gap(x, y, 2**0.5)).round(6).tolist()[0]
    [0.0, 1.0]
    """
    u, v, a, b, angle = _plane(x, y)
    cosine = (a**2 + b**2 - gap**2) / (2 * a * b)
    if not -1 <= cosine <= 1:
        raise PairsError(f"Expected a gap between {abs(a - b):.3f} and {a + b:.3f}; got {gap:.3f}")
    return _rotation(u, v, angle - float(np.arccos(cosine)))


def _plane(x: Any, y: Any) -> tuple[np.ndarray, np.ndarray, float, float, float]:
    """Return u along mean(x), v at right angles to it in the plane of both means, their lengths and their angle."""
    p, q = (side.double().mean(0).cpu().numpy() for side in unit_pair(x, y))
    a, b = float(np.linalg.norm(p)), float(np.linalg.norm(q))
    across = q - (q @ p) * p / max(a * a, 1e-30)
    height = float(np.linalg.norm(across))
    if min(a, b, height) < 1e-7:
        raise PairsError("Expected two means that span a plane; got a mean of length 0, or parallel ones")
    return p / a, across / height, a, b, float(np.arctan2(height, q @ p / a))


def _rotation(u: np.ndarray, v: np.ndarray, angle: float) -> np.ndarray:
    """Return the rotation of rows by ``angle`` from v towards u."""
    c, s = np.cos(angle), np.sin(angle)
    plane = np.stack([u, v])
    return np.eye(len(u)) + plane.T @ (np.array([[c, -s], [s, c]]) - np.eye(2)) @ plane
