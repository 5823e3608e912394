"""What loss is left when the gap is closed: each way on the same pairs, at a given and at the best temperature.

Translation and centering bend: they bring rows back to unit length and so change the cosines within a modality. A
rotation does not.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from gapbook.geometry import modality_gap
from gapbook.landscape import contrastive_loss
from gapbook.mitigation import Center, RotateTogether, ShiftAlongGap
from gapbook.pairs import PairedEmbeddings, unit_pair

WAYS = {"translate": ShiftAlongGap(), "center": Center(), "rotate": RotateTogether()}
SCALES = (1e-2, 1e5)  # of 1 / tau, where the best temperature is looked for


def compare_ways(pairs: PairedEmbeddings, tau: float, halves: int = 20, seed: int = 0) -> pd.DataFrame:
    """Close the gap in each way on random halves of the pairs: a DataFrame way, half, gap, given, retuned, tau.

    For the pairs "as they are" and after each of ``WAYS``, fitted on them: the gap left, the symmetric loss in batches
    of 50 at the ``given`` temperature, and the loss and temperature after it is ``retuned``. Halves are drawn without
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
            x, y = WAYS[way].fit_transform(part.x, part.y) if way in WAYS else (part.x, part.y)
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
