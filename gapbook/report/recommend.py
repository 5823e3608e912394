"""Which mitigation pays for which use of a model, judged on pairs that it has not seen."""

from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from gapbook.exceptions import PairsError
from gapbook.mitigation.evaluation import evaluate_on_held_out, summarize_splits
from gapbook.mitigation.transformers import (
    Center,
    Mitigation,
    NearestNeighborNormalization,
    ProcrustesAlign,
    RotateTogether,
    ShiftAlongGap,
)
from gapbook.pairs import PairedEmbeddings

USES = {  # measures of ``held_out``, all the higher the better
    "recall": "search of one modality by the other (recall at 1)",
    "mixed": "search in one index of both modalities (recall at 1)",
    "together": "clusters that hold both modalities (partners together)",
    "noisy": "search with noisy embeddings (recall at 1)",
}
COLUMNS = ["use", "before", "verdict", "mitigation", "after", "change", "change_low", "change_high"]
SPLITS = 20
LEAST, MOST = (
    32,
    2000,
)  # pairs: half of the least are the neighbors that NNN looks for; the most are enough
USEFUL = 0.01  # smallest gain that is worth a mitigation
CANDIDATES = (
    Center(),
    ShiftAlongGap(),
    RotateTogether(),
    ProcrustesAlign(),
    NearestNeighborNormalization(),
)
LEVEL = 1 - 0.05 / len(
    CANDIDATES
)  # of intervals, so that all candidates' hold together in 95 % (Bonferroni)


def candidates() -> dict[str, Mitigation]:
    """Return the mitigations that are tried, by name; the first changes nothing.

    >>> next(iter(candidates()))
    'none'
    """
    return {"none": ShiftAlongGap(0.0)} | {
        type(mitigation).__name__: mitigation for mitigation in CANDIDATES
    }


def payoff(pairs: PairedEmbeddings, splits: int = SPLITS, seed: int = 0) -> pd.DataFrame:
    """Say for each use which mitigation pays, one row a use.

    Columns: use, before, verdict, mitigation, after, change, change_low, change_high. Each mitigation is fitted on one
    half of the pairs and judged on the other, ``splits`` times, on 2,000 pairs at most.

    The verdict goes by intervals of the change (``with_intervals``) at a level of 1 - 0.05 / 5, since five candidates
    are looked at (Bonferroni). It is "none" where no interval exceeds ``USEFUL``, the smallest useful gain of 0.01. Of
    the candidates whose interval does, those pay whose interval also lies above 0: the name of the one with the largest
    change; "undecided" where there is none. ``mitigation`` is the best candidate whatever the verdict, to which
    ``after`` and the change belong. Raises ``PairsError``, also for too few pairs.
    """
    if len(pairs) < LEAST:
        raise PairsError(f"Expected at least {LEAST} pairs; got {len(pairs)}")
    if len(pairs) > MOST:
        pairs = pairs.subset(
            np.sort(np.random.default_rng(seed).choice(len(pairs), MOST, replace=False))
        )
    with threadpool_limits(1):  # many small fits: threads would wait for each other
        found = evaluate_on_held_out(pairs, candidates(), splits, seed=seed, measures=list(USES))
    summary = summarize_splits(found, level=LEVEL)
    rows = []
    for measure, use in USES.items():
        tried: Any = summary[summary["measure"] == measure].set_index("mitigation")
        before, tried = float(tried.loc["none", "mean"]), tried.drop("none")
        useful = tried[tried["change_high"] > USEFUL]
        paying = useful[useful["change_low"] > 0]
        best = str(next(some for some in (paying, useful, tried) if len(some))["change"].idxmax())
        verdict = best if len(paying) else "undecided" if len(useful) else "none"
        after = tried.loc[best, ["mean", "change", "change_low", "change_high"]].tolist()
        rows.append([use, before, verdict, best, *after])
    return pd.DataFrame(rows, columns=COLUMNS)
