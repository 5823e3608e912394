"""Who is whose neighbor: ranks of partners and recall, hubs, and whether both modalities agree on neighbors."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch

from gapbook.exceptions import PairsError
from gapbook.geometry.ranks import TIE
from gapbook.geometry.tiles import TILE
from gapbook.pairs import unit_pair


def hubness(x: Any, y: Any, k: int = 10) -> pd.DataFrame:
    """Return the skewness of k-occurrence in both directions: a DataFrame with columns direction, k, skewness.

    The k-occurrence of a candidate is the number of queries that have it among their k nearest, as ``k_occurrence``
    counts it; skewness is m_3 / m_2^1.5 of its distribution over candidates, 0 where all have the same. A few hubs that
    answer many queries make it large; below 0 there are candidates that few queries find. Identical modalities have the
    hubness of their own neighbors; collapsed ones 0. Raises ``PairsError``. Source: Radovanovic et al. 2010.

    >>> hubness([[1, 0.1], [1, 0.2], [1, 0.3]], [[1, 0], [0, 1], [0, -1]], k=1)["skewness"].round(3).tolist()
    [0.707, 0.0]
    """
    counts = k_occurrence(x, y, k)
    rows = [(direction, int(k), skewness(count)) for direction, count in counts.items()]
    return pd.DataFrame(rows, columns=["direction", "k", "skewness"])


def skewness(counts: np.ndarray) -> float:
    """Return m_3 / m_2^1.5 of central moments, 0 for counts that are all the same."""
    apart = counts - counts.mean()
    variance = (apart**2).mean()
    return float((apart**3).mean() / variance**1.5) if variance > 1e-12 else 0.0


def k_occurrence(x: Any, y: Any, k: int = 10) -> dict[str, np.ndarray]:
    """Return how many queries have each candidate among their k nearest: {direction: float64 (n,)}, mean k.

    Directions are those of ``retrieval_ranks``: "image_to_text" counts rows of y. Candidates that tie for the last
    places (cosines within 1.2e-7) share them in equal parts. Raises ``PairsError``, also for k outside 1 ... n.

    >>> k_occurrence([[1, 0.1], [1, 0.2]], [[1, 0], [0, 1]], k=1)["image_to_text"].tolist()
    [2.0, 0.0]
    """
    a, b = unit_pair(x, y)
    _check(k, len(a))
    counts = {}
    for direction, queries, candidates in (("image_to_text", a, b), ("text_to_image", b, a)):
        total = torch.zeros(len(a), dtype=torch.float64, device=a.device)
        for _, cosines in _strips(queries, candidates):
            total += _parts(cosines, k).sum(0)
        counts[direction] = total.cpu().numpy()
    return counts


def neighbor_agreement(x: Any, y: Any, k: int = 10) -> float:
    """Return the mean share of a thing's k nearest neighbors that both modalities agree on: a fraction.

    The mean over i of |N_k(x_i) and N_k(y_i)| / k, where N_k(x_i) are the k other rows of x nearest to x_i: neighbors
    are sought within a modality and compared by index, so the gap and any rotation of one modality leave it alone.
    Identical modalities: 1. Independent ones: k / (n - 1), the chance level. Raises ``PairsError``, also for k outside
    1 ... n - 1. Source: mutual nearest neighbors of Huh et al. 2024.

    >>> neighbor_agreement([[1, 0], [1, 0.1], [0, 1], [0.1, 1]], [[0, 1], [0.2, 1], [1, 0], [1, 0.2]], k=1)
    1.0
    """
    return float(neighbor_overlap(x, y, k).mean())


def neighbor_overlap(x: Any, y: Any, k: int = 10) -> np.ndarray:
    """Return for each pair the share of its k neighbors that both modalities agree on: float64 (n,).

    Neighbors that tie for the last places share them in equal parts; the overlap sums the smaller of the two parts.

    >>> neighbor_overlap([[1, 0], [1, 0.1], [0, 1]], [[1, 0], [1, 0.1], [1, 0.3]], k=1).tolist()
    [1.0, 1.0, 1.0]
    """
    a, b = unit_pair(x, y)
    _check(k, len(a) - 1)
    overlap = torch.zeros(len(a), dtype=torch.float64, device=a.device)
    for (rows, of_x), (_, of_y) in zip(_strips(a, a), _strips(b, b), strict=True):
        for cosines in (of_x, of_y):
            cosines.diagonal(rows.start).fill_(-torch.inf)  # no row is its own neighbor
        overlap[rows] = torch.minimum(_parts(of_x, k), _parts(of_y, k)).sum(1) / k
    return overlap.cpu().numpy()


def nearest(queries: torch.Tensor, candidates: torch.Tensor, count: int) -> np.ndarray:
    """Return the indices of the nearest candidates of each query, nearest first: (n, count), or all that there are.

    No row is its own neighbor where queries and candidates are the same tensor. Unit rows; ties fall as they may.
    """
    own, lists = queries is candidates, []
    for rows, cosines in _strips(queries, candidates):
        if own:
            cosines.diagonal(rows.start).fill_(-torch.inf)
        lists.append(cosines.topk(min(count, len(candidates) - own), dim=1)[1])
    return torch.cat(lists).cpu().numpy()


def _strips(
    queries: torch.Tensor, candidates: torch.Tensor
) -> Iterator[tuple[slice, torch.Tensor]]:
    """Yield cosines of a few queries with all candidates, in float64 so that duplicates tie."""
    wide = candidates.double()
    step = min(TILE, max(1, 2**22 // len(wide)))
    for i in range(0, len(queries), step):
        yield slice(i, i + step), queries[i : i + step].double() @ wide.T


def _parts(cosines: torch.Tensor, k: int) -> torch.Tensor:
    """Return 1 for each row's k largest entries, 0 for others, and equal parts for those that tie for the last."""
    least = cosines.topk(k, dim=1)[0][:, -1:]
    better = cosines > least + TIE
    tied = (cosines >= least - TIE) & ~better
    part = (k - better.sum(1, keepdim=True)) / tied.sum(1, keepdim=True)
    return better + tied * part.double()


def _check(k: Any, most: int) -> None:
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= most:
        raise PairsError(f"Expected k as an integer from 1 to {most}; got {k!r}")
