"""The contrastive loss as one side is moved towards the other, at each temperature.

The loss is that of ``gapbook.landscape.contrastive``, in batches. Here it has arithmetic of its
own, for speed: the cosines within a batch are computed once and serve all shifts (see
``gapbook.landscape.shifts``) and all temperatures. Cosines are float64 on float32 unit rows; only
exp(logit - largest) is float32. A test holds it to the plain definition.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from array_api_compat import array_namespace
from numpy.typing import ArrayLike

from gapbook.exceptions import PairsError
from gapbook.geometry.arrays import (
    Array,
    as_array,
    exp_in_place,
    in_double,
    stack,
    sums_of_matrices,
    to_numpy,
    zeros,
)
from gapbook.landscape.contrastive import DIRECTIONS, ONE_WAY, Direction
from gapbook.landscape.shifts import (
    ShiftedPairs,
    shifted_pairs,
    signed_distances,
    unshifted_pairs,
)

# The authors' grid of shifts.
DELTAS = np.arange(-5, 5, 0.25)

# Cosines that are worked on at once: few enough for the processor's cache.
COSINES_AT_ONCE = 2**16
# Up to this size of a batch, steps are so short that several threads wait for each other.
SMALL_BATCH = 256


def loss_landscape(
    x: ArrayLike,
    y: ArrayLike,
    deltas: Sequence[float],
    taus: Sequence[float],
    batch_size: int = 50,
    direction: Direction | Literal["all"] = "symmetric",
    progress: bool = False,
) -> pd.DataFrame:
    """Compute the contrastive loss after each shift, at each temperature.

    Parameters
    ----------
    x, y : array or torch.Tensor of shape (n, d)
        Embeddings of images and texts, a pair a row.
    deltas : sequence of float, of length m
        Shifts along the gap: each side moves by delta / 2, and positive closes the gap.
    taus : sequence of float, of length k
        Temperatures.
    batch_size : int
        Pairs in a batch, at least 2. Batches are consecutive rows in the order in which they
        come. A last batch of fewer pairs counts too, and the mean is over all n pairs.
    direction : {"image_to_text", "text_to_image", "symmetric", "all"}
        As in ``contrastive_loss``; "all" gives the three of them, told apart by a further
        column ``direction``.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    pandas.DataFrame
        Columns delta, tau, distance, loss; m k rows. ``distance`` is that of the means, as in
        ``shifted_distances``; ``loss`` is in nats.

    Raises
    ------
    PairsError
        For bad input; where the means agree, so that there is no gap to move along; and for a
        shift that takes a row to the origin.

    Notes
    -----
    log(batch_size) is the loss of a guess, and its value at collapse; near 0, partners are much
    closer than others. Memory grows with the batch size, never with n^2.

    References
    ----------
    Liang et al. 2022, section 4.2 and figure 3; the authors' code has "image_to_text" only.

    Examples
    --------
    >>> x, y = [[1, 1], [1, -1]], [[-1, 1], [-1, -1]]
    >>> loss_landscape(x, y, [0, 2**0.5], [1.0]).round(4).values.tolist()
    [[0.0, 1.0, 1.4142, 0.3133], [1.4142, 1.0, 0.0, 0.1269]]
    """
    checked_taus = _checked_taus(taus)
    pairs = shifted_pairs(x, y, deltas)
    losses = _batched_losses(pairs, checked_taus, batch_size, direction, progress)
    columns = {
        "delta": np.repeat(np.asarray(deltas, float), len(checked_taus)),
        "tau": np.tile(checked_taus, len(deltas)),
        "distance": np.repeat(np.abs(signed_distances(pairs)), len(checked_taus)),
    }
    if direction != "all":
        return pd.DataFrame(columns | {"loss": losses[direction].ravel()})
    tables = [
        pd.DataFrame({"direction": name} | columns | {"loss": losses[name].ravel()})
        for name in DIRECTIONS
    ]
    return pd.concat(tables, ignore_index=True)


def loss_at_temperatures(
    x: ArrayLike,
    y: ArrayLike,
    taus: Sequence[float],
    batch_size: int = 50,
    direction: Direction = "symmetric",
) -> np.ndarray:
    """Compute the contrastive loss of pairs as they are, in batches, at each temperature.

    Parameters
    ----------
    x, y : array or torch.Tensor of shape (n, d)
        Embeddings of images and texts, a pair a row.
    taus : sequence of float, of length k
        Temperatures.
    batch_size : int
        Pairs in a batch, as in ``loss_landscape``.
    direction : {"image_to_text", "text_to_image", "symmetric"}
        As in ``contrastive_loss``.

    Returns
    -------
    numpy.ndarray of shape (k,)
        The losses in nats, float64: those of ``loss_landscape`` at delta 0. No gap is needed.

    Raises
    ------
    PairsError
        For bad input.

    Examples
    --------
    >>> loss_at_temperatures([[1, 0], [0, 1]], [[1, 0], [0, 1]], [1.0, 0.1]).round(5).tolist()
    [0.31326, 5e-05]
    """
    if direction not in DIRECTIONS:
        raise PairsError(f"Expected direction as one of {', '.join(DIRECTIONS)}; got {direction!r}")
    pairs = unshifted_pairs(x, y)
    return _batched_losses(pairs, _checked_taus(taus), batch_size, direction)[direction][0]


def best_shift(
    x: ArrayLike,
    y: ArrayLike,
    taus: Sequence[float],
    deltas: Sequence[float] = tuple(DELTAS),
    batch_size: int = 50,
    direction: Direction = "symmetric",
) -> pd.DataFrame:
    """Find the shift at which the loss is least, on a grid and refined, at each temperature.

    Parameters
    ----------
    x, y : array or torch.Tensor of shape (n, d)
        Embeddings of images and texts, a pair a row.
    taus : sequence of float, of length k
        Temperatures.
    deltas : sequence of float
        The grid of shifts, in any order; by default the authors' 40.
    batch_size : int
        Pairs in a batch, as in ``loss_landscape``.
    direction : {"image_to_text", "text_to_image", "symmetric"}
        As in ``contrastive_loss``.

    Returns
    -------
    pandas.DataFrame
        Columns tau, grid_delta, grid_distance, grid_loss, delta, distance, loss; k rows. The
        last three are those of the refined minimum.

    Raises
    ------
    PairsError
        As in ``loss_landscape``.

    Notes
    -----
    The refined minimum lies between the neighbors of the grid's best shift
    (``scipy.optimize.minimize_scalar``, bounded). Where the grid's best is at its end, the
    minimum may lie beyond.

    Examples
    --------
    >>> x, y = [[1, 1], [1, -1]], [[-1, 1], [-1, -1]]
    >>> best = best_shift(x, y, [1.0], [0, 1, 2]).round(3)
    >>> best.loc[0, ["grid_delta", "delta", "distance"]].tolist()
    [1.0, 1.414, 0.0]
    """
    from scipy.optimize import minimize_scalar

    grid = sorted(deltas)
    landscape = loss_landscape(x, y, grid, taus, batch_size, direction)

    def measure(delta: float, tau: float) -> tuple[float, float, float]:
        table = loss_landscape(x, y, [delta], [tau], batch_size, direction)
        return delta, table["distance"].item(), table["loss"].item()

    rows = []
    losses_by_tau = landscape["loss"].to_numpy().reshape(len(grid), -1).T
    for tau, losses in zip(taus, losses_by_tau, strict=True):
        best = int(losses.argmin())
        bounds = (grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)])
        refined = minimize_scalar(
            lambda delta, tau=tau: measure(delta, tau)[2], bounds=bounds, method="bounded"
        )
        coarse = measure(grid[best], tau)
        fine = measure(float(refined.x), tau)
        rows.append([tau, *coarse, *min(coarse, fine, key=lambda point: point[2])])
    columns = ["tau", "grid_delta", "grid_distance", "grid_loss", "delta", "distance", "loss"]
    return pd.DataFrame(rows, columns=columns)


def _checked_taus(taus: Sequence[float]) -> list[float]:
    numbers = np.asarray(taus, float)
    if numbers.ndim != 1 or not len(numbers) or not ((numbers >= 1e-6) & (numbers <= 1e6)).all():
        raise PairsError(f"Expected taus as a list of numbers from 1e-6 to 1e6; got {taus!r}")
    return numbers.tolist()


def _batched_losses(
    pairs: ShiftedPairs,
    taus: Sequence[float],
    batch_size: int,
    direction: str,
    progress: bool = False,
) -> dict[str, np.ndarray]:
    """Return the mean losses (m, k) of one direction, or of "all" three."""
    from threadpoolctl import threadpool_limits
    from tqdm import tqdm

    if not isinstance(batch_size, int | np.integer) or batch_size < 2:
        raise PairsError(f"Expected batch_size as an integer of at least 2; got {batch_size!r}")
    if direction not in (*DIRECTIONS, "all"):
        known = ", ".join(DIRECTIONS)
        raise PairsError(f"Expected direction as one of {known}, all; got {direction!r}")
    n = len(pairs.x)
    scales = [1 / tau for tau in taus]
    wanted = [name for name in ONE_WAY if direction in (name, "symmetric", "all")]
    shape = (2, pairs.amounts.shape[1], len(scales))
    sums = zeros(shape, like=pairs.g)
    threads = 1 if batch_size <= SMALL_BATCH else None
    with (
        threadpool_limits(threads),
        tqdm(total=n, desc="loss landscape", unit="pair", disable=not progress) as bar,
    ):
        for rows, size in _groups_of_batches(n, min(batch_size, n)):
            _add_batches(sums, pairs, rows, size, scales, wanted)
            bar.update(rows.stop - rows.start)
    image_to_text, text_to_image = to_numpy(sums / n)
    return {
        "image_to_text": image_to_text,
        "text_to_image": text_to_image,
        "symmetric": (image_to_text + text_to_image) / 2,
    }


def _groups_of_batches(n: int, size: int) -> Iterator[tuple[slice, int]]:
    """Yield rows that are one or more whole batches, with the size of these; last a smaller one."""
    step = max(1, COSINES_AT_ONCE // size**2) * size
    whole = n // size * size
    for start in range(0, whole, step):
        yield slice(start, min(start + step, whole)), size
    if whole < n:
        yield slice(whole, n), n - whole


def _add_batches(
    sums: Array,
    pairs: ShiftedPairs,
    rows: slice,
    size: int,
    scales: Sequence[float],
    wanted: Sequence[str],
) -> None:
    """Add the losses of some batches to ``sums`` (2, m, k); a large batch comes in strips of rows.

    Row by row a strip holds all that "image_to_text" needs. "text_to_image" sums over the rows,
    so its sums are kept until all strips have been seen.
    """
    xp = array_namespace(sums)
    d = pairs.x.shape[1]
    x = in_double(pairs.x[rows]).reshape(-1, size, d)  # (batches, size, d)
    y = in_double(pairs.y[rows]).reshape(-1, size, d)
    p = pairs.p[rows].reshape(-1, size)  # (batches, size)
    q = pairs.q[rows].reshape(-1, size)
    shape = (sums.shape[1], -1, size)  # (m, batches, size)
    over_x = 1 / pairs.lengths_x[:, rows].reshape(shape)
    over_y = 1 / pairs.lengths_y[:, rows].reshape(shape)
    factor = as_array(np.asarray(scales), like=x)
    column_sums: list[Array] = []
    strip_size = max(1, COSINES_AT_ONCE // size)
    for start in range(0, size, strip_size):
        strip = slice(start, start + strip_size)
        cosines = x[:, strip] @ y.swapaxes(1, 2)  # (batches, strip, size)
        for m, (a, b) in enumerate(pairs.amounts.T.tolist()):
            moved = cosines + (b * p[:, strip] - a * b)[..., None]
            moved -= (a * q)[:, None]
            moved *= over_x[m][:, strip, None]
            moved *= over_y[m][:, None]
            sums[:, m] -= factor * moved.diagonal(start, 1, 2).sum()
            if "image_to_text" in wanted:
                sums[0, m] += _log_sums(moved, scales, 2).sum((1, 2))
            if "text_to_image" in wanted:
                part = _log_sums(moved, scales, 1)
                if start == 0:
                    column_sums.append(part)
                else:
                    column_sums[m] = xp.logaddexp(column_sums[m], part)
    if column_sums:
        sums[1] += stack(column_sums).sum((2, 3))


def _log_sums(cosines: Array, scales: Sequence[float], axis: int) -> Array:
    """Return log sum exp(scale * cosine) over one axis, for each scale: (k, ...).

    The largest cosine is the same for all scales. What is left below it is at most 2, so float32
    is precise enough.
    """
    xp = array_namespace(cosines)
    top = xp.max(cosines, axis=axis, keepdims=True)
    below = xp.astype(cosines - top, xp.float32)
    sums = stack([sums_of_matrices(exp_in_place(below * scale), axis) for scale in scales])
    factor = as_array(np.asarray(scales), like=cosines)
    return xp.log(in_double(sums)) + factor[:, None, None] * xp.squeeze(top, axis=axis)
