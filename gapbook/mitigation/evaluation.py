"""What a mitigation gains and costs on pairs that it has not seen."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from gapbook.checks.arrays import as_numpy
from gapbook.exceptions import PairsError
from gapbook.geometry import hubness, modality_gap
from gapbook.geometry.neighbors import shares_of_places
from gapbook.geometry.ranks import TIE
from gapbook.groups import (
    checked_groups,
    first_rows,
    numbered,
    rows_in_order,
    several_a_group,
)
from gapbook.mitigation.scores import ScoreScaling
from gapbook.mitigation.transformers import Mitigation
from gapbook.pairs import PairedEmbeddings, unit_pair

ROWS_PER_BLOCK = 256  # queries that are compared with the whole corpus at once
NEIGHBORS = 10  # of a query, for hubness and mixed search
AFTER_ALL = -4  # below all cosines by more than any error
CLUSTERS = 10  # of both modalities, without labels
SAME_ENTRY = 1e-6  # a smaller difference between entries of unit rows is rounding
NOISE_LENGTH = 0.5  # of the noise in "noisy"; a row's length is 1
HELD_OUT_MEASURES = (
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
LABEL_MEASURES = ("labels", "transfer")  # what is measured besides, where there are labels


def mixed_search(
    x: ArrayLike, y: ArrayLike, k: int = NEIGHBORS, groups: ArrayLike | None = None
) -> pd.DataFrame:
    """Search a corpus of both modalities with each of its rows.

    Parameters
    ----------
    x, y : array_like or tensor of shape (n, d)
        Embeddings of n pairs.
    k : int
        The number of neighbors of a query, from 1 to 2 n - 1. A query sees the 2 n - 1 other rows.
    groups : array (n,), optional
        The group of each pair, such as the captions of one image. All pairs of a group have the
        same row of x, which is in the corpus once. A query from y does not see the other rows of y
        of its group.

    Returns
    -------
    DataFrame
        One row a direction, with the columns direction, k, other and recall. "image_to_text" has
        queries from x. ``other`` is the share of a query's k nearest rows that are of the other
        modality. ``recall`` is the share of queries whose partner is the nearest row of all; with
        groups, any row of y of its group for a query from x.

    Raises
    ------
    PairsError
        If the input is no array of pairs, or k is out of range.

    Notes
    -----
    Rows that tie (cosines within 1.2e-7) for the last of the k places share them in equal parts,
    and ranks count ties half. For modalities that lie far apart, ``other`` and ``recall`` are 0.
    For two samples of one distribution, ``other`` is n / (2 n - 1). For identical modalities they
    are (k + 1) / (2 k) and 1, where rows differ.

    Examples
    --------
    >>> table = mixed_search([[1, 0], [0, 1]], [[1, 0.1], [0.1, 1]], k=1)
    >>> table[["other", "recall"]].to_numpy().tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    a, b = _unit_arrays(x, y)
    numbers = None if groups is None else checked_groups(groups, len(a))
    a = _once(a, numbers)
    _check_places(k, a, b, numbers)
    recalls = _mixed_recalls(a, b, _partner_ranks(a, b, numbers), numbers)
    shares = _shares_of_other(a, b, int(k), numbers)
    rows = [
        ("image_to_text", int(k), shares[0], recalls[0]),
        ("text_to_image", int(k), shares[1], recalls[1]),
    ]
    return pd.DataFrame(rows, columns=["direction", "k", "other", "recall"])


def _unit_arrays(x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return checked unit rows of both sides as float32 arrays."""
    a, b = unit_pair(x, y)
    return as_numpy(a), as_numpy(b)


def _once(x: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Return the row of x of each group; without groups all rows."""
    return x if groups is None else x[first_rows(groups)]


def _check_places(k: object, x: np.ndarray, y: np.ndarray, groups: np.ndarray | None) -> None:
    """Refuse more places than any query of one index has other rows; x as in ``_once``."""
    largest = 1 if groups is None else int(np.bincount(groups).max())
    last_place = len(x) + len(y) - largest
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= last_place:
        raise PairsError(
            f"Expected k as an integer from 1 to {last_place}, the other rows; got {k!r}"
        )


def _shares_of_other(
    x: np.ndarray, y: np.ndarray, k: int, groups: np.ndarray | None
) -> tuple[float, float]:
    """Return the share of the other modality for queries from x and from y; x as in ``_once``."""
    return _share_of_other(x, y, k), _share_of_other(y, x, k, groups)


def _share_of_other(
    own: np.ndarray, other: np.ndarray, k: int, groups: np.ndarray | None = None
) -> float:
    """Return the share of the other modality among the k nearest of all other rows.

    With ``groups`` of the own rows, a query does not see those of its group.
    """
    n = len(own)
    n_other = len(other)
    queries = own.astype(float)
    corpus = np.concatenate([other, own]).astype(float).T
    share = 0.0
    for start in range(0, n, ROWS_PER_BLOCK):
        cosines = queries[start : start + ROWS_PER_BLOCK] @ corpus
        rows = np.arange(len(cosines))
        # below all cosines: a query does not find itself
        cosines[rows, n_other + start + rows] = -2
        if groups is not None:
            cosines[:, n_other:][groups[start + rows][:, None] == groups] = -2
        share += float(shares_of_places(cosines, k)[:, :n_other].sum())
    return share / (n * k)


def _partner_ranks(
    x: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ranks of partners, from 0, for queries from x and for queries from y.

    With ``groups`` of the rows of y, x has one row for each, and any row of y of its group is its
    partner.
    """
    n = len(x)
    best, partners = _partner_cosines(x, y, groups)
    of_x = np.empty(n)
    of_y = np.zeros(len(y))
    for start in range(0, n, ROWS_PER_BLOCK):
        block = slice(start, start + ROWS_PER_BLOCK)
        cosines = x[block] @ y.T
        of_y += _places(cosines, partners[None], x[block], y, axis=0)
        rows = np.arange(start, start + len(cosines))
        # What is right stands not before the best of it.
        if groups is None:
            cosines[rows - start, rows] = AFTER_ALL
        else:
            cosines[rows[:, None] == groups] = AFTER_ALL
        of_x[block] = _places(cosines, best[block, None], x[block], y, axis=1)
    # The one right row of x ties with itself.
    return of_x / 2, (of_y - 1) / 2


def _partner_cosines(
    x: np.ndarray, y: np.ndarray, groups: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the cosine of each row of x with its nearest partner, and of each y with its one."""
    if groups is None:
        partners = _cosines_of(x, y)
        return partners, partners
    partners = _cosines_of(x[groups], y)
    best = np.full(len(x), -np.inf)
    np.maximum.at(best, groups, partners)
    return best, partners


def _ranks_within(
    own: np.ndarray, partners: np.ndarray, groups: np.ndarray | None = None
) -> np.ndarray:
    """Count the other rows of the own side before a partner of this cosine; ties count half.

    With ``groups`` of the own rows, those of the group of a query do not count.
    """
    ranks = np.empty(len(own))
    for start in range(0, len(own), ROWS_PER_BLOCK):
        block = slice(start, start + ROWS_PER_BLOCK)
        cosines = own[block] @ own.T
        rows = np.arange(len(cosines))
        cosines[rows, start + rows] = AFTER_ALL
        if groups is not None:
            cosines[groups[start + rows][:, None] == groups] = AFTER_ALL
        ranks[block] = _places(cosines, partners[block, None], own[block], own, axis=1) / 2
    return ranks


def _mixed_recalls(
    x: np.ndarray,
    y: np.ndarray,
    partner_ranks: tuple[np.ndarray, np.ndarray],
    groups: np.ndarray | None = None,
) -> tuple[float, float]:
    """Return the recall at 1 in one index of both modalities, for queries from x and from y."""
    best, partners = _partner_cosines(x, y, groups)
    of_x = partner_ranks[0] + _ranks_within(x, best)
    of_y = partner_ranks[1] + _ranks_within(y, partners, groups)
    return float((of_x < 1).mean()), float((of_y < 1).mean())


def _places(
    cosines: np.ndarray,
    partners: np.ndarray,
    queries: np.ndarray,
    candidates: np.ndarray,
    axis: int,
) -> np.ndarray:
    """Return sums of 2 for a candidate before the partner, 1 for one that ties, 0 for one after.

    ``cosines`` are float32. What their rounding leaves open is computed again in float64. Sums are
    those over candidates (axis 1), or over queries (axis 0).
    """
    # Rounding errors of a sum of d products grow like the square root of d; four times that.
    margin = np.float32(4 * TIE * queries.shape[1] ** 0.5)
    lead = cosines - partners.astype(np.float32)
    sums = 2 * np.count_nonzero(lead > margin, axis=axis)
    rows, columns = np.divmod(np.flatnonzero(np.abs(lead, out=lead) <= margin), lead.shape[1])
    if len(rows) > len(candidates):
        exact = queries.astype(float) @ candidates.astype(float).T
        exact = exact[rows, columns]
    else:
        exact = _cosines_of(queries[rows], candidates[columns])
    of_partners = np.broadcast_to(partners, cosines.shape)[rows, columns]
    is_before = exact > of_partners + TIE
    places = is_before.astype(int) + (exact >= of_partners - TIE)
    np.add.at(sums, columns if axis == 0 else rows, places)
    return sums


def _cosines_of(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the cosine of each row of x with the same row of y, in float64."""
    return np.einsum("ij,ij->i", x.astype(float), y.astype(float))


def cluster_agreement(
    x: ArrayLike,
    y: ArrayLike,
    clusters: int = CLUSTERS,
    labels: Sequence[str] | np.ndarray | None = None,
    seed: int = 0,
    groups: ArrayLike | None = None,
) -> float:
    """Cluster both modalities together by k-means, and return how well the clusters follow content.

    Parameters
    ----------
    x, y : array_like or tensor of shape (n, d)
        Embeddings of n pairs.
    clusters : int
        The number of clusters. With labels there are as many clusters as labels.
    labels : sequence of n str, optional
        The labels of the pairs, "" for none.
    seed : int
        The seed of k-means, which takes the best of two starts.
    groups : array (n,), optional
        The group of each pair, such as the captions of one image. All pairs of a group have the
        same row of x, which is clustered once.

    Returns
    -------
    float
        Without labels, the share of pairs whose two members are in the same cluster. With labels,
        the adjusted mutual information of clusters and labels.

    Raises
    ------
    PairsError
        If the input is no array of pairs, for another number of labels, and for fewer than 2
        clusters or more than there are rows.

    Notes
    -----
    The share of pairs is about the sum of squared cluster sizes where the pairing means nothing, 0
    where clusters follow the modality, and 1 for identical modalities. The adjusted mutual
    information is 0 by chance and 1 for the same partition.

    Examples
    --------
    >>> cluster_agreement([[1, 0], [0, 1]], [[1, 0.1], [0.1, 1]], clusters=2)
    1.0
    """
    from sklearn.metrics import adjusted_mutual_info_score

    a, b = _unit_arrays(x, y)
    numbers = None if groups is None else checked_groups(groups, len(a))
    if labels is not None:
        labels = np.asarray(labels)
        if len(labels) != len(a):
            raise PairsError(f"Expected {len(a)} labels, one for each pair; got {len(labels)}")
        labeled = labels != ""
        a = a[labeled]
        b = b[labeled]
        labels = labels[labeled]
        clusters = len(np.unique(labels))
        numbers = None if numbers is None else numbered(numbers[labeled])
    a = _once(a, numbers)
    if labels is None:
        return _agreement_of_unit_rows(a, b, clusters, seed, numbers)
    cluster = _clusters_of(a, b, clusters, seed)
    of_pairs = np.asarray(labels)
    of_rows = np.concatenate([_once(of_pairs, numbers), of_pairs])
    return float(adjusted_mutual_info_score(of_rows, cluster))


def _agreement_of_unit_rows(
    a: np.ndarray,
    b: np.ndarray,
    clusters: int = CLUSTERS,
    seed: int = 0,
    groups: np.ndarray | None = None,
) -> float:
    """Return the share of pairs of unit rows whose two members are in the same cluster.

    With ``groups`` of the rows of b, a has one row for each.
    """
    cluster = _clusters_of(a, b, clusters, seed)
    of_a = cluster[: len(a)]
    if groups is not None:
        of_a = of_a[groups]
    return float((of_a == cluster[len(a) :]).mean())


def _clusters_of(a: np.ndarray, b: np.ndarray, clusters: int, seed: int) -> np.ndarray:
    """Return the cluster of each row of both sides, the first side first."""
    from sklearn.cluster import KMeans

    rows = np.concatenate([a, b])
    if not 2 <= clusters <= len(rows):
        raise PairsError(f"Expected 2 to {len(rows)} clusters of {len(rows)} rows; got {clusters}")
    labels: np.ndarray = KMeans(clusters, n_init=2, random_state=seed).fit_predict(rows)
    return labels


def evaluate_on_held_out(
    pairs: PairedEmbeddings,
    mitigations: Mapping[str, Mitigation],
    splits: int = 20,
    labels: Sequence[str] | np.ndarray | None = None,
    seed: int = 0,
    measures: Sequence[str] | None = None,
    scalings: Mapping[str, ScoreScaling] | None = None,
) -> pd.DataFrame:
    """Fit each mitigation on a random half of the pairs and measure the other half, many times.

    Parameters
    ----------
    pairs : PairedEmbeddings
        At least 4 pairs, or 4 groups of pairs; 20 are enough for all measures.
    mitigations : mapping of str to Mitigation
        The mitigations by name.
    splits : int
        The number of random splits. All mitigations see the same halves and the same noise.
    labels : sequence of n str, optional
        The labels of the pairs, "" for none.
    seed : int
        The seed of the splits and of the noise.
    measures : sequence of str, optional
        The measures that are wanted, by default all of them. The others are not computed.
    scalings : mapping of str to ScoreScaling, optional
        Scalings of scores by name. They have rows of their own, with the measures ``mixed`` and
        ``other`` alone: within a modality they change no order, and they move no embeddings.

    Returns
    -------
    DataFrame
        One row for each split and mitigation, with the columns split, mitigation and the measures
        on the held-out half:

        - ``image_to_text``, ``text_to_image`` and their mean ``recall``: the recall at 1.
        - ``fitted``: the recall on the half that the mitigation was fitted on.
        - ``noisy``: the recall with Gaussian noise of length 0.5 (a row's length is 1), added to
          the rows before they are transformed.
        - ``hubness``: the skewness of how often a candidate is among the 10 nearest.
        - ``gap``: the modality gap.
        - ``other`` and ``mixed``: the columns other and recall of ``mixed_search``, k = 10.
        - ``together``: the ``cluster_agreement`` without labels.
        - ``labels``, only with labels: the ``cluster_agreement`` with them.
        - ``transfer``, only with labels: the accuracy on x of a logistic regression that learned
          the labels on y of the other half.

    Raises
    ------
    PairsError
        For fewer than 4 pairs or no split, for another number of labels than pairs, for unknown
        measures, and where a half is too small for the 10 neighbors of ``hubness`` and ``other``.

    Notes
    -----
    Where a measure has two directions, it is their mean. Recalls and hubness are computed on the
    scores of a mitigation. All others are computed on its embeddings, the first d dimensions.

    Pairs in groups, such as the captions of one image, are halved by groups, so that no image is in
    both halves. A mitigation is fitted on all pairs of its half, with an image once for each of its
    captions. In what is measured, an image is there once, with the label of its first pair, and any
    of its captions is right; the gap is that of all rows.

    Examples
    --------
    >>> from gapbook.mitigation import Center
    >>> rows = np.random.default_rng(0).standard_normal((40, 8))
    >>> pairs = PairedEmbeddings(rows + 9, rows - 9)
    >>> evaluate_on_held_out(pairs, {"centering": Center()}, splits=2)["recall"].tolist()
    [1.0, 1.0]
    """
    from sklearn.base import clone

    known = HELD_OUT_MEASURES if labels is None else (*HELD_OUT_MEASURES, *LABEL_MEASURES)
    wanted = known if measures is None else tuple(measures)
    unknown = sorted(set(wanted) - set(known))
    if unknown:
        raise PairsError(f"Expected measures among {', '.join(known)}; got {', '.join(unknown)}")
    n = len(pairs)
    if pairs.n_groups < 4 or splits < 1 or (labels is not None and len(labels) != n):
        count = "no" if labels is None else len(labels)
        of_groups = "" if pairs.groups is None else f" in {pairs.n_groups} groups"
        raise PairsError(
            f"Expected at least 4 pairs, a split, and a label for each pair if any; "
            f"got {n} pairs{of_groups}, {splits} splits, {count} labels"
        )
    in_one_index = [measure for measure in ("mixed", "other") if measure in wanted]
    rows = []
    for split in range(splits):
        halves = _draw_halves(pairs, labels, np.random.default_rng([seed, split]))
        if "other" in wanted:
            of_test = several_a_group(halves.test.groups)
            _check_places(NEIGHBORS, _once(halves.test.x, of_test), halves.test.y, of_test)
        for name, mitigation in mitigations.items():
            fitted = clone(mitigation)
            _fit(fitted, halves.fit)
            values = _measure(fitted, halves, set(wanted))
            row = {"split": split, "mitigation": name}
            row |= {measure: values[measure] for measure in known if measure in wanted}
            rows.append(row)
        if scalings and in_one_index:
            measured = _measure_scalings(scalings, halves, in_one_index)
            for name in scalings:
                of_scaling = dict(zip(in_one_index, measured.loc[name], strict=True))
                rows.append({"split": split, "mitigation": name} | of_scaling)
    return pd.DataFrame(rows)


class _Halves(NamedTuple):
    """One split: pairs to fit on and pairs to test on, the latter with noise, labels of both."""

    fit: PairedEmbeddings
    test: PairedEmbeddings
    noisy: tuple[np.ndarray, np.ndarray]  # x and y of the test half with noise, at unit length
    fit_labels: np.ndarray  # "" for none
    test_labels: np.ndarray
    # Measures of the embeddings of the test half as they are, once a mitigation left them so.
    of_unmoved: dict[str, float]


def _draw_halves(
    pairs: PairedEmbeddings,
    labels: Sequence[str] | np.ndarray | None,
    rng: np.random.Generator,
) -> _Halves:
    """Split the pairs at random, or whole groups of pairs."""
    n, d = pairs.x.shape
    halves = np.split(rng.permutation(pairs.n_groups), [pairs.n_groups // 2])
    if pairs.groups is not None:
        halves = [rows_in_order(pairs.groups, half) for half in halves]
    fit_rows, test_rows = halves
    fit = pairs.subset(fit_rows)
    test = pairs.subset(test_rows)
    noise = rng.standard_normal((2, *test.x.shape), np.float32) * (NOISE_LENGTH / d**0.5)
    if test.groups is not None:
        # An image has one noise, whichever of its captions it stands beside.
        noise[0] = noise[0][first_rows(test.groups)][test.groups]
    known_labels = np.full(n, "") if labels is None else np.asarray(labels)
    noisy = unit_pair(test.x + noise[0], test.y + noise[1])
    return _Halves(fit, test, noisy, known_labels[fit_rows], known_labels[test_rows], {})


def _fit(mitigation: Mitigation, pairs: PairedEmbeddings) -> None:
    """Fit a mitigation on pairs, whose unit rows need no further check."""
    if isinstance(mitigation, Mitigation):
        mitigation._fit_unit_rows(pairs.x, pairs.y)
    else:
        # Whatever else has fit and transform is measured too.
        mitigation.fit(pairs.x, pairs.y)


def _transform(fitted: Mitigation, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Transform unit rows, which need no further check."""
    if isinstance(fitted, Mitigation):
        return fitted._transform_unit_rows(x, y)
    return fitted.transform(x, y)


def _measure(fitted: Mitigation, halves: _Halves, wanted: set[str]) -> dict[str, float]:
    """Return the wanted measures of a fitted mitigation, and those that come with them."""
    test = halves.test
    groups = several_a_group(test.groups)
    # What mitigations return has unit length: it is not checked and normalized once more.
    scored = _transform(fitted, test.x, test.y)
    # what a mitigation appends to the embeddings corrects scores alone
    d = test.x.shape[1]
    appends = scored[0].shape[1] > d
    embeddings = _unit_arrays(*(rows[:, :d] for rows in scored)) if appends else scored
    ranks = None
    values: dict[str, float] = {}
    if wanted & {"image_to_text", "text_to_image", "recall"} or ("mixed" in wanted and not appends):
        ranks = _ranks_of_rows(*scored, groups)
        values |= _recalls(ranks)
    if "hubness" in wanted:
        values["hubness"] = hubness(*scored, NEIGHBORS, groups)["skewness"].mean()
    values |= _measure_others(fitted, halves, wanted)
    values |= _measure_embeddings(embeddings, halves, wanted, None if appends else ranks)
    if "transfer" in wanted:
        values["transfer"] = _transfer(fitted, halves, embeddings[0])
    return values


def _measure_others(fitted: Mitigation, halves: _Halves, wanted: set[str]) -> dict[str, float]:
    """Return the wanted recalls on other rows than the test half as it is."""
    values: dict[str, float] = {}
    if "fitted" in wanted:
        moved = _transform(fitted, halves.fit.x, halves.fit.y)
        of_fit = several_a_group(halves.fit.groups)
        values["fitted"] = _recalls(_ranks_of_rows(*moved, of_fit))["recall"]
    if "noisy" in wanted:
        noisy = _transform(fitted, *halves.noisy)
        groups = several_a_group(halves.test.groups)
        values["noisy"] = _recalls(_ranks_of_rows(*noisy, groups))["recall"]
    return values


def _measure_embeddings(
    embeddings: tuple[np.ndarray, np.ndarray],
    halves: _Halves,
    wanted: set[str],
    ranks: tuple[np.ndarray, np.ndarray] | None,
) -> dict[str, float]:
    """Return the wanted measures of unit rows; ``ranks`` of partners where they are known."""
    x, y = embeddings
    is_unmoved = _is_same(x, halves.test.x) and _is_same(y, halves.test.y)
    if is_unmoved and halves.of_unmoved:
        return halves.of_unmoved
    groups = several_a_group(halves.test.groups)
    values: dict[str, float] = {}
    if "mixed" in wanted:
        if ranks is None:
            ranks = _ranks_of_rows(x, y, groups)
        values["mixed"] = float(np.mean(_mixed_recalls(_once(x, groups), y, ranks, groups)))
    if "gap" in wanted:
        values["gap"] = modality_gap(x, y)
    if "other" in wanted:
        shares = _shares_of_other(_once(x, groups), y, NEIGHBORS, groups)
        values["other"] = float(np.mean(shares))
    if "together" in wanted:
        values["together"] = _agreement_of_unit_rows(_once(x, groups), y, groups=groups)
    if "labels" in wanted:
        values["labels"] = cluster_agreement(x, y, labels=halves.test_labels, groups=groups)
    if is_unmoved:
        halves.of_unmoved.update(values)
    return values


def _is_same(rows: np.ndarray, others: np.ndarray) -> bool:
    """Say whether unit rows are the same to rounding; most are told apart by the first one."""
    return bool(
        np.abs(rows[0] - others[0]).max() < SAME_ENTRY and np.abs(rows - others).max() < SAME_ENTRY
    )


def _measure_scalings(
    scalings: Mapping[str, ScoreScaling], halves: _Halves, wanted: Sequence[str]
) -> pd.DataFrame:
    """Return "mixed" and "other" in one index of both modalities by scaled scores.

    Queries of each modality have a scale of their own; a value is the mean of both.
    """
    from sklearn.base import clone

    test = halves.test
    fit = halves.fit.one_of_each_group()
    groups = several_a_group(test.groups)
    of_y = np.arange(len(test)) if groups is None else groups
    x = _once(test.x, groups)
    side_x = _Side("x", x, np.arange(len(x)))
    side_y = _Side("y", test.y, of_y)
    total = pd.DataFrame(0.0, index=list(scalings), columns=list(wanted))
    for own, other in ((side_x, side_y), (side_y, side_x)):
        fitted = {}
        for name, scaling in scalings.items():
            fitted[name] = clone(scaling)
            queries = fit.x if own.name == "x" else fit.y
            fitted[name]._fit_unit_rows(queries, {"x": fit.x, "y": fit.y})
        total += _measure_fitted_scalings(fitted, own, other, wanted)
    return total / 2


class _Side(NamedTuple):
    """The unit rows of one side of a half, and the group of each."""

    name: str
    rows: np.ndarray
    groups: np.ndarray


def _measure_fitted_scalings(
    fitted: Mapping[str, ScoreScaling], own: _Side, other: _Side, wanted: Sequence[str]
) -> pd.DataFrame:
    """Return the measures of the queries of one side, a row for each scaling."""
    n_other = len(other.rows)
    total = pd.DataFrame(0.0, index=list(fitted), columns=list(wanted))
    for start in range(0, len(own.rows), ROWS_PER_BLOCK):
        block = slice(start, start + ROWS_PER_BLOCK)
        with_own = own.rows[block] @ own.rows.T
        with_other = own.rows[block] @ other.rows.T
        is_partner = own.groups[block, None] == other.groups
        # A query is not among its own results, nor are the other captions of an image.
        is_left_out = own.groups[block, None] == own.groups
        for name, scaling in fitted.items():
            of_other = scaling.scale_[other.name] * with_other + scaling.offset_[other.name]
            of_own = scaling.scale_[own.name] * with_own + scaling.offset_[own.name]
            of_own = np.where(is_left_out, -np.inf, of_own)
            if "mixed" in wanted:
                # The share before whose best partner no other row of both sides stands.
                best = np.where(is_partner, of_other, -np.inf).max(axis=1, keepdims=True)
                # Scores that differ by less are taken as ties, which count half.
                tie = 4 * TIE * max(scaling.scale_.values())
                ranks = _half_places(np.where(is_partner, -np.inf, of_other - best), tie)
                ranks += _half_places(of_own - best, tie)
                total.loc[name, "mixed"] += (ranks < 2).sum()
            if "other" in wanted:
                scores = np.concatenate([of_other, of_own], axis=1)
                of_places = shares_of_places(scores, NEIGHBORS)[:, :n_other]
                total.loc[name, "other"] += of_places.sum() / NEIGHBORS
    return total / len(own.rows)


def _half_places(leads: np.ndarray, tie: float) -> np.ndarray:
    """Return for each query 2 for each row that leads, and 1 for each that ties."""
    return np.count_nonzero(leads > tie, axis=1) + np.count_nonzero(leads >= -tie, axis=1)


def _ranks_of_rows(
    x: np.ndarray, y: np.ndarray, groups: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the ranks of partners; x has its row once for each pair of a group."""
    return _partner_ranks(_once(x, groups), y, groups)


def _recalls(ranks: tuple[np.ndarray, np.ndarray]) -> dict[str, float]:
    """Return the recall at 1 of both directions, and their mean, "recall"."""
    image_to_text, text_to_image = (float((of_side < 1).mean()) for of_side in ranks)
    return {
        "image_to_text": image_to_text,
        "text_to_image": text_to_image,
        "recall": (image_to_text + text_to_image) / 2,
    }


def _transfer(fitted: Mitigation, halves: _Halves, images: np.ndarray) -> float:
    """Learn labels on texts of the fitted half, and return the accuracy on images of the other."""
    from sklearn.linear_model import LogisticRegression

    d = images.shape[1]
    texts = _transform(fitted, halves.fit.x, halves.fit.y)[1][:, :d]
    learned = halves.fit_labels != ""
    groups = several_a_group(halves.test.groups)
    images = _once(images, groups)
    test_labels = _once(halves.test_labels, groups)
    asked = test_labels != ""
    reader = LogisticRegression(max_iter=1000).fit(texts[learned], halves.fit_labels[learned])
    return float(reader.score(images[asked], test_labels[asked]))


def summarize_splits(
    table: pd.DataFrame, baseline: str = "none", level: float = 0.95
) -> pd.DataFrame:
    """Summarize the table of ``evaluate_on_held_out`` by means with intervals.

    Parameters
    ----------
    table : DataFrame
        A table with the columns split, mitigation and one or more measures.
    baseline : str
        The mitigation with which the others are compared.
    level : float
        The confidence of the intervals.

    Returns
    -------
    DataFrame
        One row for each mitigation and measure, with the columns mitigation, measure, mean, low,
        high, change, change_low and change_high. ``change`` is the mean difference to the baseline
        on the same split.

    Notes
    -----
    Splits share pairs, so that their spread alone is too small. With J splits, the variance of a
    mean is taken as s^2 (1 / J + 1), where the 1 is the ratio of test to training size. The
    intervals use the quantiles of the t distribution with J - 1 degrees of freedom.

    References
    ----------
    Nadeau and Bengio 2003.

    Examples
    --------
    >>> table = pd.DataFrame({"split": [0, 1], "mitigation": "none", "recall": [0.5, 0.7]})
    >>> summarize_splits(table).iloc[0, 2:].astype(float).round(2).tolist()
    [0.6, -1.6, 2.8, 0.0, 0.0, 0.0]
    """
    from scipy.stats import t

    long = table.melt(["split", "mitigation"], var_name="measure")
    wide = long.pivot_table("value", ["mitigation", "measure"], "split", sort=False)
    values = wide.to_numpy()
    of_baseline = wide.loc[baseline].loc[wide.index.get_level_values("measure")].to_numpy()
    splits = values.shape[1]
    quantile = float(t.ppf((1 + level) / 2, splits - 1))
    factor = quantile * (1 / splits + 1) ** 0.5

    summary = wide.index.to_frame(index=False)
    summary[["mean", "low", "high"]] = _mean_and_ends(values, factor)
    changes = _mean_and_ends(values - of_baseline, factor)
    summary[["change", "change_low", "change_high"]] = changes
    return summary


def _mean_and_ends(values: np.ndarray, factor: float) -> np.ndarray:
    """Return each row's mean, and that less and plus factor times its standard deviation."""
    mean = values.mean(1)
    half_width = factor * values.std(1, ddof=1)
    return np.stack([mean, mean - half_width, mean + half_width], 1)
