"""Move two modalities along their gap, and see what the contrastive loss makes of it at each temperature.

The shift itself, its signs and its one identity are in ``gapbook.shifts``: the cosines within a batch are computed once
and serve all shifts and temperatures. Cosines are float64 on float32 unit rows; only exp(logit - largest) is float32.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from gapbook.exceptions import PairsError
from gapbook.landscape.shifts import blocks, lengths, mean_row, moves
from gapbook.landscape.shifts import direction as unit_direction
from gapbook.pairs import unit_pair

CELLS = 2**16  # cosines at once, few enough for the processor's cache
DIRECTIONS = ("image_to_text", "text_to_image")
DELTAS = np.arange(-5, 5, 0.25)  # the authors' grid


def shift(
    x: Any, y: Any, amount: float, sides: str = "both", along: Any = None
) -> tuple[np.ndarray, np.ndarray]:
    """Move pairs along their gap: x' = N(x - amount g), y' = N(y + amount g), two float32 arrays (n, d) of unit rows.

    ``amount`` is how far *each* row moves before its length is brought back to 1: the authors' delta / 2 for "both"
    ``sides``, and delta where only "images" (x) or "texts" (y) move; the other side stays as it is. Positive closes the
    gap. g is the unit gap vector, or ``along`` (d,) at unit length. Amount 0 changes nothing; a large one sends all
    images to -g and all texts to g. Raises ``PairsError``, also where the means agree, so that no gap gives g, and for
    an amount that moves a row to the origin. Source: Liang et al. 2022, section 4.2.

    >>> x, y = shift([[3, 4], [3, -4]], [[-3, 4], [-3, -4]], amount=0.5)
    >>> bool(np.allclose(x, [[0.1 / 0.65**0.5, 0.8 / 0.65**0.5], [0.1 / 0.65**0.5, -0.8 / 0.65**0.5]]))
    True
    """
    s = _shifted(x, y, [2 * amount if sides == "both" else amount], sides, along)
    moved = []
    for rows, sign, move, length in (
        (s.x, -1, s.moves[0], s.lengths_x),
        (s.y, 1, s.moves[1], s.lengths_y),
    ):
        steps = [
            (rows[i].double() + sign * move * s.g) / length[0, i, None] for i in blocks(len(rows))
        ]
        moved.append(torch.cat(steps).float().cpu().numpy() if move else rows.cpu().numpy())
    return moved[0], moved[1]


def shifted_distances(
    x: Any, y: Any, deltas: Sequence[float], sides: str = "both", along: Any = None
) -> pd.DataFrame:
    """Return the distance of the means, ||mean(x') - mean(y')||, after each shift: a DataFrame delta, distance, signed.

    All shifts come from one pass: with weights w_i = 1 / |x_i - a g|, mean(x') = (sum_i w_i x_i - a g sum_i w_i) / n.
    ``signed`` is negative where the modalities have passed each other: (mean(x') - mean(y')) . g < 0. The gap at delta
    0, near 2 and -2 at the ends. Arguments and errors as in ``loss_landscape``.
    Source: Liang et al. 2022, code of section 4.2.

    >>> shifted_distances([[1, 1], [1, -1]], [[-1, 1], [-1, -1]], [0, 2 * 2**0.5]).round(3).values.tolist()
    [[0.0, 1.414, 1.414], [2.828, 1.414, -1.414]]
    """
    signed = _distances(_shifted(x, y, deltas, sides, along))
    return pd.DataFrame(
        {"delta": np.asarray(deltas, float), "distance": np.abs(signed), "signed": signed}
    )


def loss_landscape(
    x: Any,
    y: Any,
    deltas: Sequence[float],
    temperatures: Sequence[float],
    batch_size: int = 50,
    direction: str = "symmetric",
    progress: bool = False,
    sides: str = "both",
    along: Any = None,
) -> pd.DataFrame:
    """Return the contrastive loss after each shift at each temperature: a DataFrame delta, tau, distance, loss.

    loss = mean_i [log sum_j exp(x'_i . y'_j / tau) - x'_i . y'_i / tau] in nats for "image_to_text", j over the batch
    of i; "text_to_image" sums over images; "symmetric", the CLIP loss, is the mean of both; "all" gives all three, told
    apart by a further column ``direction``. Batches are consecutive rows in the given order; a last batch of fewer
    than ``batch_size`` pairs counts too, and the mean is over all n pairs. ``distance`` as in ``shifted_distances``.
    ``x`` and ``y`` (n, d) are images and texts; ``sides`` and ``along`` as in ``shift``, but for ``deltas``: each side
    moves by delta / 2 on "both", by delta on one. log(batch_size) is chance and the value at collapse; near 0, partners
    are much closer than others. Memory grows with batch_size * BLOCK, never with n^2. Raises ``PairsError``.
    Source: Liang et al. 2022, section 4.2 and figure 3; the authors' code has "image_to_text" only.

    >>> x, y = [[1, 1], [1, -1]], [[-1, 1], [-1, -1]]
    >>> loss_landscape(x, y, [0, 2**0.5], [1.0]).round(4).values.tolist()
    [[0.0, 1.0, 1.4142, 0.3133], [1.4142, 1.0, 0.0, 0.1269]]
    """
    taus = _temperatures(temperatures)
    s = _shifted(x, y, deltas, sides, along)
    losses = _losses(s, taus, batch_size, direction, progress)
    distance = np.repeat(np.abs(_distances(s)), len(taus))
    delta, tau = np.repeat(np.asarray(deltas, float), len(taus)), np.tile(taus, len(deltas))
    tables = [
        pd.DataFrame(
            {
                "direction": name,
                "delta": delta,
                "tau": tau,
                "distance": distance,
                "loss": losses[name].ravel(),
            }
        )
        for name in ([*DIRECTIONS, "symmetric"] if direction == "all" else [direction])
    ]
    return (
        pd.concat(tables, ignore_index=True)
        if direction == "all"
        else tables[0].drop(columns="direction")
    )


def contrastive_loss(
    x: Any,
    y: Any,
    temperatures: Sequence[float],
    batch_size: int = 50,
    direction: str = "symmetric",
) -> np.ndarray:
    """Return the contrastive loss of pairs as they are at each temperature, in nats: float64 (k,).

    ``loss_landscape`` at delta 0, which asks for no gap. Arguments and errors as there, without "all".

    >>> contrastive_loss([[1, 0], [0, 1]], [[1, 0], [0, 1]], [1.0, 0.1]).round(5).tolist()
    [0.31326, 5e-05]
    """
    return _losses(_unshifted(x, y), _temperatures(temperatures), batch_size, direction, False)[
        direction
    ][0]


def best_shift(
    x: Any,
    y: Any,
    temperatures: Sequence[float],
    deltas: Sequence[float] = tuple(DELTAS),
    batch_size: int = 50,
    direction: str = "symmetric",
    sides: str = "both",
) -> pd.DataFrame:
    """Return where the loss is least, on the grid and refined: a DataFrame tau, grid_delta, grid_distance, grid_loss,
    delta, distance, loss.

    The refined minimum lies between the neighbors of the grid's best shift (``scipy.optimize.minimize_scalar``,
    bounded); where the grid's best is at its end, the minimum may lie beyond. Sorts ``deltas``, by default the authors'
    40; the other arguments and errors are those of ``loss_landscape``, without "all".

    >>> x, y = [[1, 1], [1, -1]], [[-1, 1], [-1, -1]]
    >>> best_shift(x, y, [1.0], [0, 1, 2]).round(3).loc[0, ["grid_delta", "delta", "distance"]].tolist()
    [1.0, 1.414, 0.0]
    """
    from scipy.optimize import minimize_scalar

    deltas = sorted(deltas)
    how: Any = {"batch_size": batch_size, "direction": direction, "sides": sides}
    grid = loss_landscape(x, y, deltas, temperatures, **how)

    def at(delta: float, tau: float) -> list[float]:
        return (
            loss_landscape(x, y, [delta], [tau], **how)
            .iloc[0][["delta", "distance", "loss"]]
            .tolist()
        )

    rows = []
    for tau, losses in zip(
        temperatures, grid["loss"].to_numpy().reshape(len(deltas), -1).T, strict=True
    ):
        best = int(losses.argmin())
        bounds = deltas[max(best - 1, 0)], deltas[min(best + 1, len(deltas) - 1)]
        found = minimize_scalar(lambda d, tau=tau: at(d, tau)[2], bounds=bounds, method="bounded").x
        coarse, fine = at(deltas[best], tau), at(float(found), tau)
        rows.append([tau, *coarse, *min(coarse, fine, key=lambda point: point[2])])
    columns = ["tau", "grid_delta", "grid_distance", "grid_loss", "delta", "distance", "loss"]
    return pd.DataFrame(rows, columns=columns)


# ---- the gate


class _Shifted(NamedTuple):
    """Checked pairs and all that their shifts need: m deltas, n pairs."""

    x: torch.Tensor  # unit rows (n, d)
    y: torch.Tensor
    g: torch.Tensor  # (d,) float64, like all below
    p: torch.Tensor  # along g (n,)
    q: torch.Tensor
    moves: torch.Tensor  # of x against g and of y along it (2, m)
    lengths_x: torch.Tensor  # after the move (m, n)
    lengths_y: torch.Tensor


def _shifted(x: Any, y: Any, deltas: Sequence[float], sides: str, along: Any) -> _Shifted:
    a, b = unit_pair(x, y)
    steps, g = moves(deltas, sides, a.device), unit_direction(a, b, along)
    p, q = _dots(a, g), _dots(b, g)
    over_x, over_y = lengths(a, p, -steps[0], "x"), lengths(b, q, steps[1], "y")
    return _Shifted(a, b, g, p, q, steps, over_x, over_y)


def _unshifted(x: Any, y: Any) -> _Shifted:
    a, b = unit_pair(x, y)
    zeros = torch.zeros(2, len(a), dtype=torch.float64, device=a.device)
    still, ones = zeros[:, :1], torch.ones_like(zeros[:1])
    return _Shifted(a, b, torch.zeros_like(mean_row(a)), zeros[0], zeros[1], still, ones, ones)


def _temperatures(temperatures: Sequence[float]) -> list[float]:
    taus = np.asarray(temperatures, float)
    if taus.ndim != 1 or not len(taus) or not ((taus >= 1e-6) & (taus <= 1e6)).all():
        raise PairsError(
            f"Expected temperatures as a list of numbers from 1e-6 to 1e6; got {temperatures!r}"
        )
    return taus.tolist()


# ---- the arithmetic


def _dots(rows: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    return torch.cat([rows[i].double() @ g for i in blocks(len(rows))])


def _distances(s: _Shifted) -> np.ndarray:
    """Return the distances of the means (m,), negative beyond the crossing."""
    total = torch.zeros(s.moves.shape[1], len(s.g), dtype=torch.float64, device=s.g.device)
    for i in blocks(len(s.x)):
        u, v = 1 / s.lengths_x[:, i], 1 / s.lengths_y[:, i]
        total += u @ s.x[i].double() - v @ s.y[i].double()
        total -= ((s.moves[0] * u.sum(1)) + (s.moves[1] * v.sum(1)))[:, None] * s.g
    return (torch.linalg.vector_norm(total, dim=1).copysign_(total @ s.g) / len(s.x)).cpu().numpy()


def _losses(
    s: _Shifted, taus: Sequence[float], batch_size: int, direction: str, progress: bool
) -> dict[str, np.ndarray]:
    """Return the mean losses (m, k) of one direction, or of "all" three."""
    from tqdm import tqdm

    if not isinstance(batch_size, int | np.integer) or batch_size < 2:
        raise PairsError(f"Expected batch_size as an integer of at least 2; got {batch_size!r}")
    if direction not in (*DIRECTIONS, "symmetric", "all"):
        raise PairsError(
            f"Expected direction as one of {', '.join(DIRECTIONS)}, symmetric, all; got {direction!r}"
        )
    scales = [1 / tau for tau in taus]
    n, wanted = len(s.x), [name for name in DIRECTIONS if direction in (name, "symmetric", "all")]
    sums = torch.zeros(2, s.moves.shape[1], len(scales), dtype=torch.float64, device=s.g.device)
    with tqdm(total=n, desc="loss landscape", unit="pair", disable=not progress) as bar:
        for rows, size in _groups(n, min(batch_size, n)):
            _add_batches(sums, s, rows, size, scales, wanted)
            bar.update(rows.stop - rows.start)
    i2t, t2i = (sums / n).cpu().numpy()
    return dict(zip((*DIRECTIONS, "symmetric"), (i2t, t2i, (i2t + t2i) / 2), strict=True))


def _groups(n: int, size: int) -> Iterator[tuple[slice, int]]:
    """Yield rows that are one or more whole batches, with the size of these; last the rest, a smaller batch."""
    step, whole = max(1, CELLS // size**2) * size, n // size * size
    yield from ((slice(i, min(i + step, whole)), size) for i in range(0, whole, step))
    if whole < n:
        yield slice(whole, n), n - whole


def _add_batches(
    sums: torch.Tensor,
    s: _Shifted,
    rows: slice,
    size: int,
    scales: Sequence[float],
    wanted: Sequence[str],
) -> None:
    """Add the losses of some batches, as wide as tall, to ``sums`` (2, m, k); a large batch comes in strips of rows."""
    x, y = (
        side[rows].double().unflatten(0, (-1, size)) for side in (s.x, s.y)
    )  # (batches, size, d)
    p, q = (z[rows].unflatten(0, (-1, size)) for z in (s.p, s.q))
    over_x, over_y = (1 / z[:, rows].unflatten(1, (-1, size)) for z in (s.lengths_x, s.lengths_y))
    factor = torch.tensor(scales, dtype=torch.float64, device=x.device)
    columns: list[Any] = [None] * len(over_x)
    for start in range(0, size, max(1, CELLS // size)):
        strip = slice(start, start + max(1, CELLS // size))
        cosines = x[:, strip] @ y.mT  # (batches, strip, size)
        for m, (a, b) in enumerate(s.moves.T.tolist()):
            moved = (cosines + (b * p[:, strip] - a * b)[..., None]).sub_((a * q)[:, None])
            moved.mul_(over_x[m][:, strip, None]).mul_(over_y[m][:, None])
            partners = factor * moved.diagonal(start, 1, 2).sum()
            sums[:, m] -= partners
            if DIRECTIONS[0] in wanted:
                sums[0, m] += _log_sums(moved, scales, 2).flatten(1).sum(1)
            if DIRECTIONS[1] in wanted:
                part = _log_sums(moved, scales, 1)
                columns[m] = part if columns[m] is None else torch.logaddexp(columns[m], part)
    if DIRECTIONS[1] in wanted:
        sums[1] += torch.stack(columns).flatten(2).sum(2)


def _log_sums(cosines: torch.Tensor, scales: Sequence[float], dim: int) -> torch.Tensor:
    """Return log sum exp(scale * cosine) over one dimension, for each scale: (k, ...).

    The largest cosine is the same for all scales; what is left below it is at most 2, so float32 is precise enough.
    """
    top = cosines.amax(dim, keepdim=True)
    below = (cosines - top).float()
    sums = torch.stack([(below * scale).exp_().sum(dim) for scale in scales])
    factor = torch.tensor(scales, dtype=torch.float64, device=cosines.device)
    return sums.double().log_() + factor.view(-1, 1, 1) * top.squeeze(dim)
