"""What every shift along the gap needs: its direction, how far each side moves, and the lengths after the move.

A shift by ``delta`` moves unit rows along the unit gap vector g and brings them back to unit length: on both sides
x' = N(x - delta/2 g) and y' = N(y + delta/2 g), or on one, x' = N(x - delta g) ("images") or y' = N(y + delta g)
("texts"). Positive closes the gap. With S_ij = x_i . y_j, p_i = x_i . g, q_j = y_j . g and moves a of x and b of y,
x'_i . y'_j = (S_ij + b p_i - a q_j - a b) / (|x_i - a g| |y_j + b g|): cosines computed once serve all shifts.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch

from gapbook.exceptions import PairsError

BLOCK = 1024  # rows at once
SIDES = ("both", "images", "texts")
SHORT = 1e-6  # squared length below which float32 rows leave no direction


def blocks(n: int) -> Iterator[slice]:
    """Yield slices that cover n rows."""
    return (slice(i, i + BLOCK) for i in range(0, n, BLOCK))


def mean_row(rows: torch.Tensor) -> torch.Tensor:
    """Return the mean row in float64, block by block: far faster than ``mean`` with a dtype."""
    return torch.stack([rows[i].double().sum(0) for i in blocks(len(rows))]).sum(0) / len(rows)


def direction(x: torch.Tensor, y: torch.Tensor, given: Any) -> torch.Tensor:
    """Return the unit gap vector of unit rows, or the given vector (d,) at unit length, in float64.

    Raises ``PairsError`` where the means agree, so that there is no gap to move along, or for a bad vector.
    """
    g = (
        mean_row(x) - mean_row(y)
        if given is None
        else torch.as_tensor(given, dtype=torch.float64, device=x.device)
    )
    if g.shape != x.shape[1:]:
        raise PairsError(f"Expected a direction of shape ({x.shape[1]},); got {tuple(g.shape)}")
    length = float(torch.linalg.vector_norm(g))
    if not 1e-7 < length < float("inf"):
        what = (
            "the two means agree, so there is no gap to move along: give one"
            if given is None
            else "give another"
        )
        raise PairsError(
            f"Expected a direction of positive, finite length; got {length:.3g}: {what}"
        )
    return g / length


def moves(deltas: Sequence[float], sides: str, device: torch.device) -> torch.Tensor:
    """Return how far x moves against g and y along it at each delta: float64 (2, m). Raises ``PairsError``."""
    if sides not in SIDES:
        raise PairsError(f"Expected sides as one of {', '.join(SIDES)}; got {sides!r}")
    amounts = np.asarray(deltas, float)
    if amounts.ndim != 1 or not len(amounts) or not np.isfinite(amounts).all():
        raise PairsError(f"Expected deltas as a list of finite numbers; got {deltas!r}")
    share = {"both": (0.5, 0.5), "images": (1.0, 0.0), "texts": (0.0, 1.0)}[sides]
    return torch.from_numpy(np.outer(share, amounts)).to(device)


def lengths(
    rows: torch.Tensor, along: torch.Tensor, steps: torch.Tensor, name: str
) -> torch.Tensor:
    """Return |z + s g| (m, n) of unit rows z (n, d) with z . g = ``along`` (n,), for each step s (m,).

    Squares of rows are 1 but for the rounding of float32, which counts near the origin. Raises ``PairsError`` for a
    step that takes a row there.
    """
    squares = torch.cat([rows[i].double().square().sum(1) for i in blocks(len(rows))])
    found = squares + 2 * steps[:, None] * along + steps[:, None] ** 2
    if float(found.min()) < SHORT:
        at = abs(float(steps[int(found.amin(1).argmin())]))
        raise PairsError(
            f"a move of {at:g} takes a row of {name} to the origin, where it has no direction: leave that shift out"
        )
    return found.sqrt()
