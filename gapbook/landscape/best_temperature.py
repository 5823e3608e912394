"""The loss at the temperature that is best for these pairs."""

from typing import Any, NamedTuple

import numpy as np

from gapbook.landscape.loss import contrastive_loss
from gapbook.pairs import unit_pair

SCALES = (1e-2, 1e5)  # of 1 / tau, where the best temperature is looked for


class Retuned(NamedTuple):
    """The temperature with the least loss, and that loss in nats."""

    tau: float
    loss: float


def loss_at_best_temperature(
    x: Any, y: Any, batch_size: int = 50, direction: str = "symmetric"
) -> Retuned:
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
        return contrastive_loss(
            a, b, np.exp(-np.atleast_1d(log_scales)).tolist(), batch_size, direction
        )

    a, b = unit_pair(x, y)
    grid = np.log(np.geomspace(SCALES[0], SCALES[1], 33))
    best = int(losses(grid).argmin())
    bounds = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
    found = minimize_scalar(
        lambda s: losses(s)[0], bounds=bounds, method="bounded", options={"xatol": 1e-5}
    )
    return Retuned(float(np.exp(-found.x)), float(found.fun))
