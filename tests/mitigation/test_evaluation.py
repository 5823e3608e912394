"""What is measured of mitigations: mixed search, clusters, held-out halves and their summary."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from helpers import cones
from scipy.stats import skew, t
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import adjusted_mutual_info_score

from gapbook import PairedEmbeddings, PairsError
from gapbook.geometry import retrieval
from gapbook.groups import rows_in_order
from gapbook.mitigation import Center, NearestNeighborNormalization, ScoreScaling, ShiftAlongGap
from gapbook.mitigation.evaluation import (
    HELD_OUT_MEASURES,
    LABEL_MEASURES,
    NEIGHBORS,
    NOISE_LENGTH,
    cluster_agreement,
    evaluate_on_held_out,
    mixed_search,
    summarize_splits,
)

X, Y = cones()
PAIRS = PairedEmbeddings(X, Y)
WAYS = {"none": ShiftAlongGap(0), "center": Center()}

# ---- mixed search


@pytest.mark.parametrize("k", [1, 4, 30])
def test_mixed_search_by_brute_force(k: int) -> None:
    x = X[:30].astype(float)
    y = Y[:30].astype(float)
    table = mixed_search(x, y, k).set_index("direction")
    for direction, own, other in (("image_to_text", x, y), ("text_to_image", y, x)):
        shares = []
        partner_first = []
        for i in range(30):
            corpus = np.concatenate([other, np.delete(own, i, 0)])
            order = np.argsort(-(corpus @ own[i]))
            shares.append((order[:k] < 30).mean())
            partner_first.append(order[0] == i)
        assert table.loc[direction, "other"] == pytest.approx(np.mean(shares), abs=1e-9)
        assert table.loc[direction, "recall"] == pytest.approx(np.mean(partner_first), abs=1e-9)


def test_mixed_search_of_identical_modalities() -> None:
    table = mixed_search(X, X, 10)
    np.testing.assert_allclose(table["other"], 11 / 20)
    np.testing.assert_allclose(table["recall"], 1)


def test_mixed_search_of_modalities_far_apart_finds_none_of_the_other() -> None:
    axis = 9 * np.eye(12)[0]
    table = mixed_search(X + axis, Y - axis, 10)
    assert (table[["other", "recall"]] == 0).all(axis=None)


def test_mixed_search_of_two_samples_of_one_distribution_has_no_preference() -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 600, 8))
    np.testing.assert_allclose(mixed_search(x, y, 10)["other"], 600 / 1199, atol=0.03)


def test_rows_that_tie_share_places_in_mixed_search() -> None:
    table = mixed_search(np.ones((5, 3)), np.ones((5, 3)), 3)
    np.testing.assert_allclose(table["other"], 5 / 9)


@pytest.mark.parametrize("k", [0, 120, 1.5, True])
def test_mixed_search_wants_a_number_of_other_rows(k: object) -> None:
    with pytest.raises(PairsError, match="Expected k as an integer from 1 to 119"):
        mixed_search(X, Y, k)


# ---- clusters

RNG = np.random.default_rng(0)
CONTENT = np.repeat(np.eye(4, 9), 10, 0) + 0.01 * RNG.standard_normal((40, 9))
LABELS = np.repeat(["a", "b", "c", ""], 10)
FAR_APART = (CONTENT + 9 * np.eye(9)[8], CONTENT - 9 * np.eye(9)[8])


def test_clusters_of_modalities_far_apart_follow_the_modality() -> None:
    assert cluster_agreement(*FAR_APART, 2) == 0
    assert cluster_agreement(*FAR_APART, labels=LABELS) < 0.6


def test_clusters_of_identical_modalities_follow_content() -> None:
    assert cluster_agreement(CONTENT, CONTENT, 4) == 1
    assert cluster_agreement(CONTENT, CONTENT, 4, LABELS) == 1


def test_clusters_agree_with_shuffled_labels_by_chance_alone() -> None:
    shuffled = np.random.default_rng(1).permutation(LABELS)
    assert abs(cluster_agreement(CONTENT, CONTENT, labels=shuffled)) < 0.15


@pytest.mark.parametrize(
    ("labels", "message"),
    [(["a"], "Expected 40 labels"), (["a"] * 40, "Expected 2 to 80 clusters")],
    ids=["too few", "all alike"],
)
def test_clusters_want_a_label_for_each_pair_and_two_of_them(labels: list, message: str) -> None:
    with pytest.raises(PairsError, match=message):
        cluster_agreement(CONTENT, CONTENT, labels=labels)


# ---- held-out halves


class Recorder(ShiftAlongGap):
    """Moves nothing, and hands on what it is shown."""

    def __init__(self, on_fit: Callable, on_move: Callable) -> None:
        super().__init__(0.0)
        self.on_fit = on_fit
        self.on_move = on_move

    def _learn(self, x: np.ndarray, y: np.ndarray) -> None:
        super()._learn(x, y)
        self.on_fit(x)

    def _move_x(self, rows: np.ndarray) -> np.ndarray:
        self.on_move(rows)
        return rows


def test_mitigations_are_judged_on_the_other_half_alone() -> None:
    fitted: list[np.ndarray] = []
    moved: list[np.ndarray] = []
    recorder = Recorder(fitted.append, moved.append)
    evaluate_on_held_out(PAIRS, {"recorder": recorder}, splits=3, measures=["recall"])
    assert len(fitted) == len(moved) == 3
    for fit_half, test_half in zip(fitted, moved, strict=True):
        assert len(fit_half) == len(test_half) == 30
        assert not {*map(bytes, fit_half)} & {*map(bytes, test_half)}


def test_all_mitigations_see_the_same_halves_and_noise() -> None:
    same = {"first": ShiftAlongGap(0), "second": ShiftAlongGap(0)}
    table = evaluate_on_held_out(PAIRS, same, splits=3, labels=["a", "b"] * 30)
    assert len(table) == 6
    values = table.drop(columns=["split", "mitigation"]).to_numpy()
    np.testing.assert_array_equal(values[::2], values[1::2])


def test_labels_add_columns_and_change_no_other() -> None:
    plain = evaluate_on_held_out(PAIRS, WAYS, splits=2)
    labeled = evaluate_on_held_out(PAIRS, WAYS, splits=2, labels=["a", "b"] * 30)
    assert plain.columns.tolist() == ["split", "mitigation", *HELD_OUT_MEASURES]
    assert labeled.columns.tolist() == [*plain, *LABEL_MEASURES]
    pd.testing.assert_frame_equal(labeled[plain.columns], plain)
    assert not labeled.isna().any(axis=None)


def test_only_wanted_measures_are_computed() -> None:
    wanted = ["recall", "mixed"]
    some = evaluate_on_held_out(PAIRS, WAYS, splits=2, measures=wanted)
    whole = evaluate_on_held_out(PAIRS, WAYS, splits=2)
    pd.testing.assert_frame_equal(some, whole[["split", "mitigation", *wanted]])
    few = PAIRS.subset(np.arange(8))  # halves of 4 pairs have too few rows for 10 clusters
    with pytest.raises(PairsError, match="Expected 2 to 8 clusters"):
        evaluate_on_held_out(few, WAYS, splits=1, measures=["together"])
    table = evaluate_on_held_out(few, WAYS, splits=1, measures=["recall", "gap"])
    assert table.columns.tolist() == ["split", "mitigation", "recall", "gap"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"splits": 0, "labels": ["a", "b"]}, "60 pairs, 0 splits, 2 labels"),
        ({"splits": 0}, "60 pairs, 0 splits, no labels"),
        ({"measures": ["labels"]}, "Expected measures among image_to_text, .*; got labels"),
    ],
)
def test_bad_options_are_named(options: dict, message: str) -> None:
    with pytest.raises(PairsError, match=message):
        evaluate_on_held_out(PAIRS, WAYS, **options)


# ---- one split of centering, each measure by hand

CONTENT_LABELS = np.array(["a", "b", "c", ""])[
    np.where(
        np.arange(len(X)) % 7 == 0,
        3,
        KMeans(3, n_init=2, random_state=0).fit_predict(X - X.mean(0)),
    )
]


class OneSplit:
    """The halves, the noise and the centered embeddings that seed 5 draws, by other means."""

    def __init__(self) -> None:
        n, d = X.shape
        rng = np.random.default_rng([5, 0])
        self.fit_rows, self.test_rows = np.split(rng.permutation(n), [n // 2])
        self.noise = rng.standard_normal((2, n // 2, d), np.float32) * NOISE_LENGTH / d**0.5
        # the same bits as k-means will see
        self.center = Center().fit(X[self.fit_rows], Y[self.fit_rows]).transform
        self.fitted = self.center(X[self.fit_rows], Y[self.fit_rows])
        self.x, self.y = self.center(X[self.test_rows], Y[self.test_rows])
        self.labels = CONTENT_LABELS[self.test_rows]
        self.both = np.concatenate([self.x, self.y])


def recalls(x: np.ndarray, y: np.ndarray) -> list[float]:
    own = np.arange(len(x))
    return [float((scores.argmax(1) == own).mean()) for scores in (x @ y.T, y @ x.T)]


def nearest(cosines: np.ndarray, k: int) -> np.ndarray:
    return np.argsort(-cosines, axis=1)[:, :k]


@pytest.fixture(scope="module")
def split() -> OneSplit:
    return OneSplit()


@pytest.fixture(scope="module")
def measured() -> pd.Series:
    table = evaluate_on_held_out(PAIRS, {"c": Center()}, 1, CONTENT_LABELS, seed=5)
    return table.iloc[0]


def test_recalls_of_a_split_by_hand(split: OneSplit, measured: pd.Series) -> None:
    image_to_text, text_to_image = recalls(split.x, split.y)
    assert measured["image_to_text"] == pytest.approx(image_to_text)
    assert measured["text_to_image"] == pytest.approx(text_to_image)
    assert measured["recall"] == pytest.approx((image_to_text + text_to_image) / 2)
    assert measured["fitted"] == pytest.approx(np.mean(recalls(*split.fitted)))
    noisy = split.center(X[split.test_rows] + split.noise[0], Y[split.test_rows] + split.noise[1])
    assert measured["noisy"] == pytest.approx(np.mean(recalls(*noisy)))
    # so that a confusion of the halves or of the rows would show
    assert measured[["recall", "fitted", "noisy"]].nunique() == 3


def test_gap_and_hubness_of_a_split_by_hand(split: OneSplit, measured: pd.Series) -> None:
    gap = np.linalg.norm(split.x.mean(0) - split.y.mean(0))
    assert measured["gap"] == pytest.approx(gap, abs=1e-5)
    n = len(split.x)
    of_directions = []
    for cosines in (split.x @ split.y.T, split.y @ split.x.T):
        counts = np.bincount(nearest(cosines, NEIGHBORS).ravel(), minlength=n)
        of_directions.append(skew(counts))
    assert measured["hubness"] == pytest.approx(np.mean(of_directions), abs=1e-5)


def test_mixed_search_of_a_split_by_hand(split: OneSplit, measured: pd.Series) -> None:
    rows = np.arange(len(split.both))
    n = len(split.x)
    cosines = split.both @ split.both.T - 3 * np.eye(2 * n)  # no row finds itself
    other_side = (nearest(cosines, NEIGHBORS) < n) != (rows < n)[:, None]
    assert measured["other"] == pytest.approx(other_side.mean(), abs=1e-5)
    partner = (rows + n) % (2 * n)
    assert measured["mixed"] == pytest.approx((nearest(cosines, 1)[:, 0] == partner).mean())


def test_clusters_of_a_split_by_hand(split: OneSplit, measured: pd.Series) -> None:
    n = len(split.x)
    cluster = KMeans(10, n_init=2, random_state=0).fit_predict(split.both)
    assert measured["together"] == pytest.approx((cluster[:n] == cluster[n:]).mean())
    labels = np.tile(split.labels, 2)
    labeled = labels != ""
    cluster = KMeans(3, n_init=2, random_state=0).fit_predict(split.both[labeled])
    expected = adjusted_mutual_info_score(labels[labeled], cluster)
    assert measured["labels"] == pytest.approx(expected)
    assert expected > 0.2


def test_transfer_of_a_split_by_hand(split: OneSplit, measured: pd.Series) -> None:
    learned = CONTENT_LABELS[split.fit_rows]
    has_label = learned != ""
    reader = LogisticRegression(max_iter=1000)
    reader.fit(split.fitted[1][has_label], learned[has_label])
    asked = split.labels != ""
    expected = reader.score(split.x[asked], split.labels[asked])
    assert measured["transfer"] == pytest.approx(expected)
    assert expected > 0.5


# ---- pairs in groups

SIZES = [1, 4, 2, 3, 1, 2, 3, 2, 4, 5, 1, 2]
OF_ROWS = np.random.default_rng(3).permutation(np.repeat(np.arange(12), SIZES))
GROUPED = PairedEmbeddings(X[OF_ROWS], Y[: len(OF_ROWS)] + X[OF_ROWS], groups=OF_ROWS)


def nearest_rows(pairs: PairedEmbeddings) -> dict[str, list[list[tuple[str, int]]]]:
    """Return what each query sees in one index of both, nearest first, as (side, group)."""
    x = pairs.x.astype(float)
    y = pairs.y.astype(float)
    groups = pairs.groups.tolist()
    images = {group: x[row] for row, group in enumerate(groups)}

    def sorted_by(query: np.ndarray, candidates: list) -> list[tuple[str, int]]:
        return [name for name, row in sorted(candidates, key=lambda entry: -entry[1] @ query)]

    texts = [(("y", group), row) for group, row in zip(groups, y, strict=True)]
    pictures = [(("x", group), row) for group, row in images.items()]
    of_images = []
    for group, row in images.items():
        others = [entry for entry in pictures if entry[0][1] != group]
        of_images.append((group, sorted_by(row, others + texts)))
    of_texts = []
    for group, row in zip(groups, y, strict=True):
        others = [entry for entry in texts if entry[0][1] != group]
        of_texts.append((group, sorted_by(row, pictures + others)))
    return {"image_to_text": of_images, "text_to_image": of_texts}


@pytest.mark.parametrize("k", [1, 4, 10])
def test_mixed_search_in_groups_by_brute_force(k: int) -> None:
    table = mixed_search(GROUPED.x, GROUPED.y, k, GROUPED.groups).set_index("direction")
    for direction, other in (("image_to_text", "y"), ("text_to_image", "x")):
        seen = nearest_rows(GROUPED)[direction]
        shares = [np.mean([side == other for side, _ in names[:k]]) for _, names in seen]
        right = [names[0] == (other, group) for group, names in seen]
        assert table.loc[direction, "other"] == pytest.approx(np.mean(shares))
        assert table.loc[direction, "recall"] == pytest.approx(np.mean(right))
    assert 0 < table["recall"].max() <= 1


def test_mixed_search_in_groups_wants_other_rows() -> None:
    last = 12 + len(OF_ROWS) - max(SIZES)
    assert len(mixed_search(GROUPED.x, GROUPED.y, last, GROUPED.groups)) == 2
    with pytest.raises(PairsError, match=f"Expected k as an integer from 1 to {last}"):
        mixed_search(GROUPED.x, GROUPED.y, last + 1, GROUPED.groups)


def test_an_image_is_clustered_once() -> None:
    first = np.unique(GROUPED.groups, return_index=True)[1]
    rows = np.concatenate([GROUPED.x[first], GROUPED.y])
    cluster = KMeans(4, n_init=2, random_state=0).fit_predict(rows)
    expected = (cluster[:12][GROUPED.groups] == cluster[12:]).mean()
    assert cluster_agreement(GROUPED.x, GROUPED.y, 4, groups=GROUPED.groups) == expected


class Halves:
    """A mitigation that changes nothing and keeps the rows that it sees."""

    seen: list[tuple[np.ndarray, np.ndarray]]

    def __init__(self) -> None:
        self.seen = []

    def __sklearn_clone__(self) -> "Halves":
        return self

    def fit(self, x: np.ndarray, y: np.ndarray) -> "Halves":
        self.seen.append((x, y))
        return self

    def transform(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        self.seen.append((x, y))
        return x, y


def test_halves_never_share_a_group() -> None:
    halves = Halves()
    evaluate_on_held_out(GROUPED, {"halves": halves}, splits=8, measures=["recall"])
    assert len(halves.seen) == 16
    of_image = {row.tobytes(): group for row, group in zip(GROUPED.x, GROUPED.groups, strict=True)}
    drawn = set()
    for fit, test in zip(halves.seen[::2], halves.seen[1::2], strict=True):
        fit_groups = {of_image[row.tobytes()] for row in fit[0]}
        test_groups = {of_image[row.tobytes()] for row in test[0]}
        assert not fit_groups & test_groups
        assert len(fit_groups) == len(test_groups) == 6
        assert len(fit[0]) + len(test[0]) == len(GROUPED)
        assert not {*map(bytes, fit[1])} & {*map(bytes, test[1])}
        drawn.add(tuple(sorted(fit_groups)))
    assert len(drawn) > 4


def test_recalls_of_a_half_of_groups_by_brute_force() -> None:
    halves = Halves()
    options = {"splits": 1, "measures": ["recall", "image_to_text", "text_to_image", "mixed"]}
    row = evaluate_on_held_out(GROUPED, {"halves": halves}, **options).iloc[0]
    x, y = halves.seen[1]
    of_image = {row.tobytes(): group for row, group in zip(GROUPED.x, GROUPED.groups, strict=True)}
    test = PairedEmbeddings(x, y, groups=[of_image[row.tobytes()] for row in x])
    recall = retrieval(x, y, [1], test.groups)["recall"].tolist()
    assert row[["image_to_text", "text_to_image"]].tolist() == recall
    assert row["recall"] == np.mean(recall)
    mixed = mixed_search(x, y, 1, test.groups)["recall"].mean()
    assert row["mixed"] == pytest.approx(mixed)


def test_noise_is_that_of_the_image() -> None:
    halves = Halves()
    evaluate_on_held_out(GROUPED, {"halves": halves}, splits=1, measures=["noisy"])
    plain, noisy = halves.seen[1][0], halves.seen[2][0]
    assert len(np.unique(noisy, axis=0)) == len(np.unique(plain, axis=0)) == 6
    assert np.abs(noisy - plain).max() > 0.05


def test_groups_of_one_pair_are_evaluated_as_pairs() -> None:
    alone = PairedEmbeddings(X, Y, groups=np.arange(len(X)))
    labels = ["a", "b", "c"] * 20
    plain = evaluate_on_held_out(PAIRS, WAYS, splits=2, labels=labels)
    pd.testing.assert_frame_equal(evaluate_on_held_out(alone, WAYS, 2, labels), plain)


def test_all_measures_of_groups_are_numbers() -> None:
    labels = np.array(["a", "b", "c", ""])[OF_ROWS % 4]
    pairs = PairedEmbeddings(X[OF_ROWS], Y[: len(OF_ROWS)], groups=OF_ROWS)
    wanted = [name for name in (*HELD_OUT_MEASURES, *LABEL_MEASURES) if name != "hubness"]
    table = evaluate_on_held_out(pairs, WAYS, 3, labels, measures=wanted)
    assert not table.isna().any(axis=None)


def test_fewer_than_four_groups_are_refused() -> None:
    few = GROUPED.subset(np.flatnonzero(GROUPED.groups < 3))
    with pytest.raises(PairsError, match=f"got {len(few)} pairs in 3 groups"):
        evaluate_on_held_out(few, WAYS)


# ---- the summary


@pytest.fixture(scope="module")
def recall_by_split() -> pd.DataFrame:
    return evaluate_on_held_out(PAIRS, WAYS, splits=5, measures=["recall"])


def summary_of_centering(table: pd.DataFrame, **options: object) -> pd.Series:
    summary = summarize_splits(table, **options).set_index(["mitigation", "measure"])
    return summary.loc[("center", "recall")]


@pytest.mark.parametrize("level", [0.95, 0.99])
def test_intervals_widen_for_shared_pairs(recall_by_split: pd.DataFrame, level: float) -> None:
    row = summary_of_centering(recall_by_split, level=level)
    recall = recall_by_split.pivot_table("recall", "split", "mitigation")["center"]
    half_width = t.ppf((1 + level) / 2, 4) * recall.std() * (1 / 5 + 1) ** 0.5
    assert row["mean"] == pytest.approx(recall.mean())
    assert row["high"] - row["mean"] == pytest.approx(half_width)
    assert row["mean"] - row["low"] == pytest.approx(half_width)


def test_changes_are_those_on_the_same_split(recall_by_split: pd.DataFrame) -> None:
    row = summary_of_centering(recall_by_split)
    recall = recall_by_split.pivot_table("recall", "split", "mitigation")
    change = recall["center"] - recall["none"]
    half_width = t.ppf(0.975, 4) * change.std() * (6 / 5) ** 0.5
    assert row["change"] == pytest.approx(change.mean())
    assert row["change_low"] == pytest.approx(change.mean() - half_width)
    assert row["change_high"] == pytest.approx(change.mean() + half_width)


def test_the_baseline_does_not_change_against_itself(recall_by_split: pd.DataFrame) -> None:
    row = summary_of_centering(recall_by_split, baseline="center")
    assert row[["change", "change_low", "change_high"]].tolist() == [0, 0, 0]


# ---- scaled scores, and what is not computed twice


def in_one_index(scaling: ScoreScaling, own: str, test: PairedEmbeddings) -> list[float]:
    """Return the recall at 1 and the share of the other side in ten, query by query."""
    groups = np.arange(len(test)) if test.groups is None else test.groups
    first = np.unique(groups, return_index=True)[1]
    sides = {"x": (test.x[first], np.arange(len(first))), "y": (test.y, groups)}
    other = "y" if own == "x" else "x"
    rows, of_rows = sides[own]
    candidates, of_candidates = sides[other]
    hits = []
    shares = []
    for query, group in zip(scaling.queries(rows), of_rows, strict=True):
        of_other = scaling.documents(candidates, other) @ query
        of_own = (scaling.documents(rows, own) @ query)[of_rows != group]
        rivals = np.concatenate([of_other[of_candidates != group], of_own])
        hits.append(of_other[of_candidates == group].max() > rivals.max())
        nearest = np.argsort(-np.concatenate([of_other, of_own]))[:10]
        shares.append(np.mean(nearest < len(of_other)))
    return [float(np.mean(hits)), float(np.mean(shares))]


@pytest.mark.parametrize("by", ["all", "pseudo_positives"])
@pytest.mark.parametrize("pairs", [PAIRS, GROUPED], ids=["pairs", "groups"])
@pytest.mark.parametrize("wanted", [["mixed", "other"], ["mixed"], ["other"]])
def test_scaled_scores_are_judged_by_brute_force(
    pairs: PairedEmbeddings, by: str, wanted: list[str]
) -> None:
    table = evaluate_on_held_out(
        pairs,
        {"none": ShiftAlongGap(0.0)},
        splits=1,
        measures=[*wanted, "gap"],
        scalings={"scaled": ScoreScaling(by)},
    )
    measured = table.set_index("mitigation").loc["scaled"]
    assert measured.drop(["split", *wanted]).isna().all()
    rng = np.random.default_rng([0, 0])
    fit_half, test_half = np.split(rng.permutation(pairs.n_groups), [pairs.n_groups // 2])
    groups = np.arange(len(pairs)) if pairs.groups is None else pairs.groups
    fit = pairs.subset(rows_in_order(groups, fit_half)).one_of_each_group()
    test = pairs.subset(rows_in_order(groups, test_half))
    sides = []
    for own, queries in (("x", fit.x), ("y", fit.y)):
        scaling = ScoreScaling(by).fit(queries, {"x": fit.x, "y": fit.y})
        sides.append(in_one_index(scaling, own, test))
    expected = dict(zip(["mixed", "other"], np.mean(sides, axis=0), strict=True))
    for measure in wanted:
        assert measured[measure] == pytest.approx(expected[measure])


def test_scaled_scores_that_differ_by_rounding_tie() -> None:
    rng = np.random.default_rng(5)
    rows = X[:20] / np.linalg.norm(X[:20], axis=1, keepdims=True)
    # Each text is there twice, so the text of an image ties with its like.
    y = np.tile(rows, (2, 1))
    x = y + 0.2 * rng.standard_normal(y.shape)
    rounding = 1e-7 * rng.standard_normal(y.shape)
    scaled = {"measures": ["mixed"], "scalings": {"scaled": ScoreScaling()}}
    exact = evaluate_on_held_out(PairedEmbeddings(x, y), {}, **scaled)
    rounded = evaluate_on_held_out(PairedEmbeddings(x, y + rounding), {}, **scaled)
    pd.testing.assert_frame_equal(exact, rounded, atol=1e-9)


@pytest.mark.parametrize("measure", ["hubness", "other"])
def test_ten_neighbors_need_as_many_other_rows(measure: str) -> None:
    few = PAIRS.subset(slice(0, 9))
    with pytest.raises(PairsError, match=r"Expected k as an integer .*; got 10"):
        evaluate_on_held_out(few, WAYS, splits=1, measures=[measure])
    assert evaluate_on_held_out(few, WAYS, splits=1, measures=["mixed"])["mixed"].notna().all()


def test_embeddings_that_stay_as_they_are_are_measured_once(monkeypatch) -> None:
    starts = []
    fit_predict = KMeans.fit_predict

    def counted(self: KMeans, rows: np.ndarray) -> np.ndarray:
        starts.append(len(rows))
        return fit_predict(self, rows)

    monkeypatch.setattr(KMeans, "fit_predict", counted)
    same = {"none": ShiftAlongGap(0.0), "scores": NearestNeighborNormalization(4)}
    table = evaluate_on_held_out(PAIRS, same | {"moved": Center()}, splits=2)
    assert len(starts) == 2 * 2
    values = table.set_index(["mitigation", "split"])[["mixed", "other", "together", "gap"]]
    pd.testing.assert_frame_equal(values.loc["none"], values.loc["scores"])
    alone = evaluate_on_held_out(PAIRS, {"scores": NearestNeighborNormalization(4)}, splits=2)
    np.testing.assert_allclose(values.loc["scores"], alone[values.columns], atol=1e-6)
