"""The loss at the temperature that is best for these pairs."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gapbook.landscape.contrastive import Direction
from gapbook.landscape.loss import loss_at_temperatures
from gapbook.pairs import unit_pair

# Between these values of 1 / tau the best temperature is looked for.
MIN_SCALE = 1e-2
MAX_SCALE = 1e5

# Points of the first, coarse search.
GRID_POINTS = 33

# Of log(1 / tau): the loss is flat there, so tau itself is right to about 0.1 %.
TOLERANCE = 1e-5


class BestTemperature(NamedTuple):
    """The temperature with the least loss, and that loss in nats."""

    tau: float
    loss: float


def loss_at_best_temperature(
    x: ArrayLike, y: ArrayLike, batch_size: int = 50, direction: Direction = "symmetric"
) -> BestTemperature:
    """Find the temperature at which pairs as they are have the least loss.

    Parameters
    ----------
    x, y : array or torch.Tensor of shape (n, d)
        Embeddings of images and texts, a pair a row.
    batch_size : int
        Pairs in a batch, as in ``loss_landscape``.
    direction : {"image_to_text", "text_to_image", "symmetric"}
        As in ``contrastive_loss``.

    Returns
    -------
    BestTemperature
        The temperature ``tau`` and its ``loss`` in nats.

    Raises
    ------
    PairsError
        As in ``loss_at_temperatures``.

    Notes
    -----
    The loss is convex in 1 / tau, so its minimum over 1 / tau from 0.01 to 100,000 is the only
    one. Where every partner is the nearest, the loss falls to 0 with tau, and one of the
    temperatures at which it is 0 to rounding comes back. Where closeness says nothing, the
    minimum is log(batch_size), at the lower end. Else it is flat: tau is right to about 0.1 %.

    Examples
    --------
    >>> longitudes = np.radians(20) * np.arange(6)
    >>> images = np.stack([np.cos(longitudes), np.sin(longitudes)], axis=1)
    >>> texts = images[[1, 0, 2, 3, 4, 5]]  # two are crossed
    >>> best = loss_at_best_temperature(images, texts)
    >>> round(1 / best.tau, 1), round(best.loss, 5)
    (21.2, 0.80952)
    """
    from scipy.optimize import minimize_scalar

    unit_x, unit_y = unit_pair(x, y)

    def losses(log_scales: np.ndarray) -> np.ndarray:
        taus = np.exp(-np.atleast_1d(log_scales)).tolist()
        return loss_at_temperatures(unit_x, unit_y, taus, batch_size, direction)

    grid = np.log(np.geomspace(MIN_SCALE, MAX_SCALE, GRID_POINTS))
    best = int(losses(grid).argmin())
    bounds = (grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)])
    refined = minimize_scalar(
        lambda log_scale: losses(log_scale)[0],
        bounds=bounds,
        method="bounded",
        options={"xatol": TOLERANCE},
    )
    return BestTemperature(float(np.exp(-refined.x)), float(refined.fun))
