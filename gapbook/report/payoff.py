"""Which mitigation pays for which use of a model, judged on pairs that it has not seen."""

from typing import Any

import numpy as np
import pandas as pd

from gapbook.mitigation import (
    Center,
    Mitigation,
    NearestNeighborNormalization,
    ProcrustesAlign,
    RotateTogether,
    ShiftAlongGap,
)
from gapbook.pairs import PairedEmbeddings
from gapbook.tradeoffs import held_out, with_intervals

USES = {  # measures of ``held_out``, all the higher the better
    "recall": "search of one modality by the other (recall at 1)",
    "mixed": "search in one index of both modalities (recall at 1)",
    "together": "clusters that hold both modalities (partners together)",
    "noisy": "search with noisy embeddings (recall at 1)",
}
COLUMNS = ["use", "before", "mitigation", "after", "change", "change_low", "change_high"]
MOST = 2000  # pairs that are enough


def candidates() -> dict[str, Mitigation]:
    """Return the mitigations that are tried, by name; the first changes nothing.

    >>> next(iter(candidates()))
    'none'
    """
    tried = (Center(), ShiftAlongGap(), RotateTogether(), ProcrustesAlign(), NearestNeighborNormalization())
    return {"none": ShiftAlongGap(0.0)} | {type(mitigation).__name__: mitigation for mitigation in tried}


def payoff(pairs: PairedEmbeddings, splits: int = 5, seed: int = 0) -> pd.DataFrame:
    """Return the mitigation that pays most for each use, one row a use.

    Columns: use, before, mitigation, after, change, change_low, change_high. Each mitigation is fitted on one half of
    the pairs and judged on the other, ``splits`` times, on 2,000 pairs at most. It pays if the 95 % interval of its
    change (``with_intervals``) lies above 0; of those that pay the one with the largest change is named, else "none".
    Five are tried: the best of five looks better than it is. Raises ``PairsError``, also for too few pairs.
    """
    if len(pairs) > MOST:
        pairs = pairs.subset(np.sort(np.random.default_rng(seed).choice(len(pairs), MOST, replace=False)))
    summary = with_intervals(held_out(pairs, candidates(), splits, seed=seed))
    rows = []
    for measure, use in USES.items():
        found: Any = summary[summary["measure"] == measure].set_index("mitigation")
        paying = found[found["change_low"] > 0]
        best = str(paying["change"].idxmax()) if len(paying) else "none"
        after = found.loc[best, ["mean", "change", "change_low", "change_high"]].tolist()
        rows.append([use, float(found.loc["none", "mean"]), best, *after])
    return pd.DataFrame(rows, columns=COLUMNS)
