"""Cross-modal retrieval: the rank of each partner, with half a place for each tie, and recall."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from gapbook.exceptions import PairsError
from gapbook.geometry.tiles import TILE
from gapbook.pairs import unit_pair

TIE = float(torch.finfo(torch.float32).eps)  # cosines of float32 rows that differ by less are equal


def retrieval_ranks(x: Any, y: Any) -> dict[str, np.ndarray]:
    """Return the rank of each query's partner, from 0, in both directions: {direction: float64 (n,)}.

    The rank is the number of strictly better candidates plus half the number of other candidates that tie, where
    cosines within 1.2e-7 (the rounding of float32 rows) tie. Cosines are float64, so that duplicates tie in every
    tile. "image_to_text" takes rows of x as queries and y as candidates, "text_to_image" the reverse, whatever the
    modalities. Identical modalities: 0, where rows differ; collapsed ones: (n - 1) / 2. Raises ``PairsError``.

    >>> retrieval_ranks([[1, 0], [0, 1]], [[1, 0], [1, 0]])["image_to_text"].tolist()
    [0.5, 0.5]
    """
    a, b = unit_pair(x, y)
    n = len(a)
    own = torch.cat(
        [(a[i : i + TILE].double() * b[i : i + TILE].double()).sum(1) for i in range(0, n, TILE)]
    )
    halves = torch.zeros(
        2, n, dtype=torch.int64, device=a.device
    )  # 2 for each better candidate, 1 for each tie
    for i in range(0, n, TILE):
        rows, queries = slice(i, i + TILE), a[i : i + TILE].double()
        for j in range(0, n, TILE):
            columns = slice(j, j + TILE)
            cosines = queries @ b[columns].double().T
            for side, partner, dim, part in (
                (0, own[rows, None], 1, rows),
                (1, own[None, columns], 0, columns),
            ):
                halves[side, part] += (cosines > partner + TIE).sum(dim) + (
                    cosines >= partner - TIE
                ).sum(dim)
    ranks = (halves - 1).cpu().numpy() / 2  # each partner ties with itself
    return {"image_to_text": ranks[0], "text_to_image": ranks[1]}


def retrieval(x: Any, y: Any, ks: Sequence[int] = (1, 5, 10)) -> pd.DataFrame:
    """Return recall at each k in both directions: a DataFrame with columns direction, k, recall (a fraction).

    recall = share of queries whose partner has rank < k, ranks as in ``retrieval_ranks`` (ties count half). Identical
    modalities: 1, where rows differ; independent ones: k / n; collapsed ones: 0 while 2 k < n. Raises ``PairsError``.

    >>> retrieval([[1, 0], [0, 1]], [[1, 0.1], [0.9, 1]], ks=[1])["recall"].tolist()
    [1.0, 1.0]
    """
    if (
        np.ndim(ks) != 1
        or not len(ks)
        or not all(isinstance(k, int | np.integer) and k >= 1 for k in ks)
    ):
        raise PairsError(f"Expected ks as positive integers, such as (1, 5, 10); got {ks!r}")
    ranks = retrieval_ranks(x, y)
    rows = [
        (direction, int(k), float((rank < k).mean()))
        for direction, rank in ranks.items()
        for k in ks
    ]
    return pd.DataFrame(rows, columns=["direction", "k", "recall"])
