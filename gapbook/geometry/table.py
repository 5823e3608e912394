"""One table of all measures of a set of pairs, with intervals."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from gapbook.exceptions import PairsError
from gapbook.geometry.gap import linear_separability
from gapbook.geometry.intervals import (
    bootstrap,
    kernel_intervals,
    moments,
    neighbor_intervals,
    second_order_intervals,
    wilson,
)
from gapbook.geometry.ranks import retrieval
from gapbook.pairs import PairedEmbeddings, unit_pair

SAMPLE = 5000  # pairs that measures of all pairs of pairs rest on, where there are more
UNITS = {  # of what is not a fraction
    "modality_gap": "distance",
    "squared_gap_unbiased": "squared distance",
    "alignment": "squared distance",
    "effective_rank_x": "dimensions",
    "effective_rank_y": "dimensions",
    "uniformity_x": "log potential",
    "uniformity_y": "log potential",
    "mmd": "squared distance",
    "hubness_image_to_text": "skewness",
    "hubness_text_to_image": "skewness",
}


def gap_report(
    pairs: PairedEmbeddings | str | os.PathLike[str],
    seed: int = 0,
    replicates: int = 1000,
    sample: int = SAMPLE,
    client: Any = None,
    **shards: Any,
) -> pd.DataFrame:
    """Return every measure of this module: a tidy DataFrame with columns metric, value, low, high, unit.

    ``pairs`` may be a file that ``PairedEmbeddings.load`` reads, or a folder of them: then ``client``, a Dask client,
    or a cluster on this machine measures the shards, with the ``shards`` options of ``gapbook.shards.shard_report``.

    ``cosine_within_*`` are means over different rows of one side, ``cosine_paired`` the mean of x_i . y_i and
    ``cosine_across`` of all x_i . y_j, i = j included; ``gap_share_top2`` is the share of the squared gap in its two
    largest dimensions; the rest have the names of their functions, with k = 10 (n // 2 below 20 pairs). Rows from
    ``n_sampled`` on rest on that many pairs: all, or ``sample`` of them drawn by ``seed``. Recalls, hubness and
    agreement depend on how many there are.

    low and high are a 95 % interval for a redraw of the pairs. From gap to ``gap_share_top2``: percentiles of a
    bootstrap (``replicates``, ``seed``) in which a pair drawn twice is never compared with its copy. Ranks, IsoScores,
    CKA, hubness and agreement: a jackknife of 20 groups of pairs; uniformity and MMD: of single pairs. Recalls
    (candidates held fixed) and separability: Wilson's binomial interval, n trials. Wider than need be: separability,
    hubness and agreement (about 98 %), and MMD and CKA where they are near zero. The gap's interval is that of the gap
    of *this many* pairs, whose square noise lifts by the sum of variances over n: near zero it lies too high.
    ``squared_gap_unbiased`` leaves that sum out, and can be below 0. Numbers of pairs and dimensions have no interval:
    NaN. Ranks, IsoScores, plain CKA and ``gap_share_top2`` are those of this many pairs, as the gap is; more pairs move
    them.

    Copies of rows tie, and ties count against recall (half a place each: recall at 1 misses a partner that is there
    three times); intervals take rows as independent: keep one caption an image. Raises ``PairsError``.

    >>> report = gap_report(PairedEmbeddings([[4, 3], [4, -3], [5, 0]], [[-4, 3], [-4, -3], [-5, 0]]))
    >>> report.set_index("metric").loc["cosine_across", ["value", "low", "high"]].astype(float).round(2).tolist()
    [-0.75, -0.79, -0.71]
    """
    if isinstance(pairs, str | os.PathLike):
        if Path(pairs).is_dir():
            from gapbook.shards import shard_report

            return shard_report(
                pairs, client, seed=seed, replicates=replicates, sample=sample, **shards
            )
        pairs = PairedEmbeddings.load(pairs)
    if client is not None or shards:
        given = ", ".join(["client"] * (client is not None) + sorted(shards))
        raise PairsError(
            f"Expected {given} with a folder of shards only; got other pairs: leave it out"
        )
    if not isinstance(pairs, PairedEmbeddings):
        raise PairsError(
            f"Expected PairedEmbeddings; got {type(pairs).__name__}: use PairedEmbeddings.from_arrays(x, y)"
        )
    if isinstance(sample, bool) or not isinstance(sample, int | np.integer) or sample < 2:
        raise PairsError(f"Expected sample as an integer of at least 2; got {sample!r}")
    n, d = pairs.x.shape
    x, y = unit_pair(pairs.x, pairs.y)
    values, redrawn = (
        moments(x, y, torch.ones(1, n, dtype=torch.float64)),
        bootstrap(x, y, seed, replicates),
    )
    rows: dict[str, tuple] = {"n_pairs": (n, np.nan, np.nan), "dimension": (d, np.nan, np.nan)}
    for name, value in values.items():
        known = redrawn[name][~np.isnan(redrawn[name])]  # a redraw may be one pair n times
        rows[name] = (
            float(value[0]),
            *(np.percentile(known, [2.5, 97.5]) if len(known) else (np.nan, np.nan)),
        )
    rows |= second_order_intervals(x, y, seed)
    if n > sample:
        chosen = np.sort(np.random.default_rng(seed).choice(n, int(sample), replace=False))
        x, y = x[chosen], y[chosen]
    rows |= {"n_sampled": (len(x), np.nan, np.nan)} | _sampled(x, y, seed)
    return pd.DataFrame(
        [(name, *row, _unit(name)) for name, row in rows.items()],
        columns=["metric", "value", "low", "high", "unit"],
    )


def _sampled(x: torch.Tensor, y: torch.Tensor, seed: int) -> dict[str, tuple]:
    """Return value, low and high of what needs all pairs of pairs, or a fit."""
    n, recalls = len(x), retrieval(x, y)
    shares = dict(
        zip(
            "r" + recalls["k"].astype(str) + "_" + recalls["direction"],
            recalls["recall"],
            strict=True,
        )
    )
    shares["linear_separability"] = linear_separability(x, y, seed)
    rows: dict[str, tuple] = {name: (share, *wilson(share, n)) for name, share in shares.items()}
    return rows | neighbor_intervals(x, y, min(10, n // 2), seed) | kernel_intervals(x, y)


def _unit(name: str) -> str:
    if name in ("n_pairs", "n_sampled"):
        return "pairs"
    if name == "dimension":
        return "dimensions"
    return "cosine" if name.startswith("cosine") else UNITS.get(name, "fraction")
