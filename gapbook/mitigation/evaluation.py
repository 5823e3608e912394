"""What a mitigation gains and costs on pairs it has not seen: gap, retrieval, clusters, mixed search, noise, hubs."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from gapbook.exceptions import PairsError
from gapbook.geometry import TIE, hubness, modality_gap, retrieval
from gapbook.mitigation.transformers import Mitigation
from gapbook.pairs import PairedEmbeddings, unit_pair

BLOCK = 256  # queries compared with the whole corpus at once
ALWAYS = (
    "image_to_text",
    "text_to_image",
    "recall",
    "fitted",
    "noisy",
    "hubness",
    "gap",
    "other",
    "mixed",
    "together",
)
OF_LABELS = ("labels", "transfer")  # what `held_out` measures besides, where there are labels


def mixed_search(x: Any, y: Any, k: int = 10) -> pd.DataFrame:
    """Search a corpus of both modalities with each of its rows: a DataFrame with columns direction, k, other, recall.

    A query sees the 2 n - 1 other rows. ``other`` is the share of its k nearest that are of the other modality,
    ``recall`` that of queries whose partner is the nearest of all. "image_to_text" has queries from x. Rows that tie
    (cosines within 1.2e-7) for the last of the k places share them in equal parts, and ranks count ties half.
    Modalities far apart: 0 and 0. Two samples of one distribution: ``other`` n / (2 n - 1). Identical modalities:
    (k + 1) / (2 k) and 1, where rows differ. Raises ``PairsError``.

    >>> mixed_search([[1, 0], [0, 1]], [[1, 0.1], [0.1, 1]], k=1)[["other", "recall"]].to_numpy().tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    a, b = (side.double() for side in unit_pair(x, y))
    n = len(a)
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k < 2 * n:
        raise PairsError(
            f"Expected k as an integer from 1 to {2 * n - 1}, the other rows; got {k!r}"
        )
    rows = []
    for direction, own, other in (("image_to_text", a, b), ("text_to_image", b, a)):
        share, first = 0.0, 0
        for i in range(0, n, BLOCK):
            cosines = own[i : i + BLOCK] @ torch.cat([other, own]).T
            place = torch.arange(len(cosines), device=own.device)
            cosines[place, n + i + place] = -2  # not itself
            last = cosines.topk(int(k), dim=1)[0][:, -1:]
            above, level = cosines > last + TIE, (cosines - last).abs() <= TIE
            part = (k - above.sum(1)) / level.sum(1)
            share += float((above[:, :n].sum(1) + part * level[:, :n].sum(1)).sum())
            apart = cosines - cosines[place, i + place, None]
            first += int(
                ((apart > TIE).sum(1) + (apart.abs() <= TIE).sum(1) / 2 < 1.5).sum()
            )  # it ties with itself
        rows.append((direction, int(k), share / (n * k), first / n))
    return pd.DataFrame(rows, columns=["direction", "k", "other", "recall"])


def cluster_agreement(
    x: Any, y: Any, clusters: int = 10, labels: Any = None, seed: int = 0
) -> float:
    """Cluster both modalities together by k-means, and return how well the clusters go by content: a fraction.

    Without ``labels``: the share of pairs whose two members are in the same cluster; about the sum of squared cluster
    sizes where pairing means nothing, 0 where clusters go by modality, 1 for identical modalities. With labels (n,) of
    the pairs, "" for none, there are as many clusters as labels and the value is the adjusted mutual information of
    cluster and label: 0 by chance, 1 for the same partition. Best of 2 starts. Raises ``PairsError``.

    >>> cluster_agreement([[1, 0], [0, 1]], [[1, 0.1], [0.1, 1]], clusters=2)
    1.0
    """
    from sklearn.cluster import KMeans
    from sklearn.metrics import adjusted_mutual_info_score

    a, b = (side.cpu().numpy() for side in unit_pair(x, y))
    if labels is not None:
        if len(labels) != len(a):
            raise PairsError(f"Expected {len(a)} labels, one for each pair; got {len(labels)}")
        known = np.asarray(labels) != ""
        a, b, labels = a[known], b[known], np.asarray(labels)[known]
        clusters = len(np.unique(labels))
    if not 2 <= clusters <= 2 * len(a):
        raise PairsError(
            f"Expected 2 to {2 * len(a)} clusters of {2 * len(a)} rows; got {clusters}"
        )
    found = KMeans(clusters, n_init=2, random_state=seed).fit_predict(np.concatenate([a, b]))
    if labels is None:
        return float((found[: len(a)] == found[len(a) :]).mean())
    return float(adjusted_mutual_info_score(np.tile(labels, 2), found))


def held_out(
    pairs: PairedEmbeddings,
    mitigations: Mapping[str, Mitigation],
    splits: int = 20,
    labels: Any = None,
    noise: float = 0.5,
    k: int = 10,
    seed: int = 0,
    progress: bool = False,
    measures: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Fit each mitigation on a random half of the pairs and measure the other half, many times: a DataFrame.

    One row for each split and mitigation, and a column for each measure on the held-out half: ``gap``;
    ``image_to_text``, ``text_to_image`` and their mean ``recall`` (R@1); ``fitted``, the recall on the half it learned
    on; ``noisy``, the recall with Gaussian noise of length ``noise`` (a row's is 1) on rows before they are
    transformed; ``hubness`` at k; ``other`` and ``mixed``, the other and recall of `mixed_search` at k; ``together``
    of `cluster_agreement`; and with ``labels`` (n,), "" for none, its ``labels``, and ``transfer``: the accuracy on x
    of a logistic regression that learned the labels on y of the other half. Where there are two directions, their
    mean. Recalls and hubness go by the scores of a mitigation, the rest by its embeddings, the first d dimensions.
    All mitigations see the same halves and the same noise. ``measures`` names the columns that are wanted, by default
    all; the others cost no time. Raises ``PairsError``.

    >>> from gapbook.mitigation import Center
    >>> rows = np.random.default_rng(0).standard_normal((40, 8))
    >>> table = held_out(PairedEmbeddings(rows + 9, rows - 9), {"centering": Center()}, splits=2)
    >>> table["recall"].tolist()
    [1.0, 1.0]
    """
    from sklearn.base import clone
    from tqdm import tqdm

    n, d = pairs.x.shape
    known = ALWAYS if labels is None else ALWAYS + OF_LABELS
    wanted = known if measures is None else measures
    if unknown := sorted({*wanted} - {*known}):
        raise PairsError(f"Expected measures among {', '.join(known)}; got {', '.join(unknown)}")
    if n < 4 or splits < 1 or (labels is not None and len(labels) != n):
        got = f"{n} pairs, {splits} splits, {'no' if labels is None else len(labels)} labels"
        raise PairsError(
            f"Expected at least 4 pairs, a split, and a label for each pair if any; got {got}"
        )
    rows = []
    for split in tqdm(range(splits), desc="splits", disable=not progress):
        rng = np.random.default_rng([seed, split])
        halves = np.split(rng.permutation(n), [n // 2])
        seen, unseen = (pairs.subset(half) for half in halves)
        jitter = rng.standard_normal((2, *unseen.x.shape), np.float32) * (noise / d**0.5)
        kinds = [np.asarray(labels)[half] if labels is not None else None for half in halves]
        for name, mitigation in mitigations.items():
            fitted = clone(mitigation).fit(seen.x, seen.y)
            ways, row = (
                _ways(fitted, seen, unseen, jitter, kinds, k),
                {"split": split, "mitigation": name},
            )
            for columns, measure in ways.items():
                if {*columns} & {*wanted}:
                    found = zip(columns, measure(), strict=True)
                    row |= {column: value for column, value in found if column in wanted}
            rows.append(row)
    return pd.DataFrame(rows)


def _ways(
    fitted: Any,
    seen: PairedEmbeddings,
    unseen: PairedEmbeddings,
    jitter: np.ndarray,
    kinds: list[Any],
    k: int,
) -> dict[tuple[str, ...], Callable[[], Any]]:
    """Return how to measure a mitigation that was fitted on the seen pairs: columns, and what gives their values."""
    d, moved = seen.x.shape[1], fitted.transform(unseen.x, unseen.y)
    x, y = moved[0][:, :d], moved[1][:, :d]
    return {
        ("image_to_text", "text_to_image", "recall"): lambda: _recalls(moved),
        ("fitted",): lambda: _recalls(fitted.transform(seen.x, seen.y))[2:],
        ("noisy",): lambda: _recalls(fitted.transform(unseen.x + jitter[0], unseen.y + jitter[1]))[
            2:
        ],
        ("hubness",): lambda: (hubness(moved[0], moved[1], k)["skewness"].mean(),),
        ("gap",): lambda: (modality_gap(x, y),),
        ("other", "mixed"): lambda: mixed_search(x, y, k)[["other", "recall"]].mean(),
        ("together",): lambda: (cluster_agreement(x, y),),
        ("labels",): lambda: (cluster_agreement(x, y, labels=kinds[1]),),
        ("transfer",): lambda: (
            _transfer(fitted.transform(seen.x, seen.y)[1][:, :d], kinds[0], x, kinds[1]),
        ),
    }


def _recalls(moved: tuple[np.ndarray, np.ndarray]) -> tuple[float, float, float]:
    recalls = retrieval(*moved, [1]).set_index("direction")["recall"]
    return recalls["image_to_text"], recalls["text_to_image"], recalls.mean()


def _transfer(texts: np.ndarray, known: np.ndarray, images: np.ndarray, kinds: np.ndarray) -> float:
    from sklearn.linear_model import LogisticRegression

    some, asked = known != "", kinds != ""
    return float(
        LogisticRegression(max_iter=1000)
        .fit(texts[some], known[some])
        .score(images[asked], kinds[asked])
    )


def with_intervals(
    table: pd.DataFrame, baseline: str = "none", level: float = 0.95
) -> pd.DataFrame:
    """Summarize `held_out`: a DataFrame mitigation, measure, mean, low, high, change, change_low, change_high.

    ``change`` is the mean difference to ``baseline`` on the same split. Splits share pairs, so their spread alone is
    too small: with J of them the variance of a mean is taken as s^2 (1 / J + 1), the 1 being test over training size,
    and the interval, of 95 % or another ``level``, has t quantiles of J - 1 degrees of freedom. Source: Nadeau and
    Bengio 2003.

    >>> table = pd.DataFrame({"split": [0, 1], "mitigation": "none", "recall": [0.5, 0.7]})
    >>> with_intervals(table).iloc[0, 2:].astype(float).round(2).tolist()
    [0.6, -1.6, 2.8, 0.0, 0.0, 0.0]
    """
    from scipy.stats import t

    long = table.melt(["split", "mitigation"], var_name="measure")
    wide = long.pivot_table("value", ["mitigation", "measure"], "split", sort=False)
    values = wide.to_numpy()
    base = wide.loc[baseline].loc[wide.index.get_level_values("measure")].to_numpy()
    splits = values.shape[1]
    reach = float(t.ppf((1 + level) / 2, splits - 1)) * (1 / splits + 1) ** 0.5
    summary = wide.index.to_frame(index=False)
    for names, each in (
        (["mean", "low", "high"], values),
        (["change", "change_low", "change_high"], values - base),
    ):
        mean, half = each.mean(1), reach * each.std(1, ddof=1)
        summary[names] = np.stack([mean, mean - half, mean + half], 1)
    return summary
