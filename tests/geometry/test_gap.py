"""Measures of geometry against plain float64 arithmetic, scikit-learn and the published numbers."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from gapbook.exceptions import PairsError
from gapbook.geometry import (
    alignment,
    cka,
    cosine_stats,
    gap_report,
    gap_share_by_dimension,
    gap_vector,
    hubness,
    k_occurrence,
    linear_separability,
    mmd,
    modality_gap,
    neighbor_agreement,
    neighbor_overlap,
    relative_modality_gap,
    retrieval,
    retrieval_ranks,
)
from gapbook.pairs import load_pairs, unit_rows
from gapbook.published import registry_entry

DATA = os.environ.get("GAPBOOK_DATA", "")
STATS = ("mean", "std", "min", "q25", "median", "q75", "max")


def unit(rows):
    rows = np.asarray(rows, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def sample(n, d, shift=0.5, seed=0):
    """Draw pairs that share a part and differ by a shift."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, d))
    x, y = shared + rng.normal(size=(n, d)), shared + rng.normal(size=(n, d))
    return (x + shift).astype(np.float32), (y - shift / 2).astype(np.float32)


def plain_cosines(x):
    cosines = (unit(x) @ unit(x).T).clip(-1, 1)
    return cosines[~np.eye(len(cosines), dtype=bool)]


def plain_ranks(x, y):
    scores = unit(x) @ unit(y).T
    own = np.diag(scores)
    ties = np.abs(scores - own[:, None]) < 1e-12
    return (np.where(ties, 0, scores > own[:, None])).sum(1) + (ties.sum(1) - 1) / 2


def values(stats):
    return [getattr(stats, name) for name in STATS]


# --- gap ---------------------------------------------------------------------------------------------------------


def test_gap_is_the_distance_of_the_means_of_unit_rows():
    x, y = sample(300, 24)
    expected = unit(x).mean(0) - unit(y).mean(0)
    vector = gap_vector(x * 7, torch.tensor(y) / 3)
    assert vector.dtype == np.float64
    np.testing.assert_allclose(vector, expected, atol=1e-8)
    assert modality_gap(x, y) == pytest.approx(np.linalg.norm(expected), abs=1e-8)
    assert type(modality_gap(x, y)) is float


def test_gap_in_the_limits():
    x, _ = sample(4000, 16)
    assert modality_gap(x, x) == 0
    assert modality_gap(np.ones((5, 3)), -np.ones((5, 3))) == pytest.approx(2, abs=1e-7)
    rng = np.random.default_rng(1)
    squares = [modality_gap(*rng.normal(size=(2, 200, 10))) ** 2 for _ in range(200)]
    assert np.mean(squares) == pytest.approx(2 / 200, rel=0.1)  # isotropic: E gap^2 = 2 / n


def test_measures_do_not_depend_on_rotation_or_order_of_the_pairs():
    x, y = sample(150, 12)
    rng = np.random.default_rng(2)
    rotation, order = np.linalg.qr(rng.normal(size=(12, 12)))[0], rng.permutation(150)
    for other_x, other_y in ((x @ rotation, y @ rotation), (x[order], y[order])):
        assert modality_gap(other_x, other_y) == pytest.approx(modality_gap(x, y), abs=1e-6)
        assert values(cosine_stats(other_x)) == pytest.approx(values(cosine_stats(x)), abs=2e-6)
        assert retrieval(other_x, other_y)["recall"].tolist() == retrieval(x, y)["recall"].tolist()
    assert np.linalg.norm(gap_vector(x, y) + gap_vector(y, x)) == 0


# --- cosines -----------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(2, 60),
    d=st.integers(1, 20),
    shift=st.sampled_from([0, 0.5, 3, 300]),
    seed=st.integers(0, 999),
)
def test_cosine_stats_agree_with_sorting_all_cosines(n, d, shift, seed):
    x, _ = sample(n, d, shift, seed)
    cosines = plain_cosines(x)
    expected = [cosines.mean(), cosines.std(), *np.percentile(cosines, [0, 25, 50, 75, 100])]
    stats = cosine_stats(x)
    assert values(stats) == pytest.approx(expected, abs=1e-6)
    assert stats.min <= stats.q25 <= stats.median <= stats.q75 <= stats.max
    assert stats.n_pairs == len(cosines) == stats.histogram.counts.sum()


@pytest.mark.parametrize("n", [511, 512, 513, 1025, 1700])
def test_cosine_stats_over_several_tiles(n):
    x, _ = sample(n, 40)
    cosines = plain_cosines(x)
    stats = cosine_stats(torch.tensor(x), bins=40)
    expected = [cosines.mean(), cosines.std(), *np.percentile(cosines, [0, 25, 50, 75, 100])]
    assert values(stats) == pytest.approx(expected, abs=1e-6)
    assert stats.mean == pytest.approx(cosines.mean(), abs=1e-8)
    counts, edges = np.histogram(cosines, bins=40, range=(-1, 1))
    np.testing.assert_allclose(stats.histogram.edges, edges, atol=1e-12)
    assert (
        np.abs(stats.histogram.counts - counts).sum() <= 1e-5 * len(cosines) + 4
    )  # cosines on an edge
    assert stats.histogram.counts.sum() == stats.n_pairs == n * (n - 1)


@pytest.mark.parametrize("bins", [1, 2, 7, 100, 1000])
def test_every_number_of_bins_covers_all_pairs(bins):
    x = np.array([[1, 0], [-1, 0], [1, 0], [0, 1]])
    counts, edges = cosine_stats(x, bins=bins).histogram
    expected = np.histogram(plain_cosines(x), bins=bins, range=(-1, 1))[0]
    assert counts.tolist() == expected.tolist() and len(edges) == bins + 1


def test_cosines_in_the_limits():
    collapsed = cosine_stats(np.tile(np.random.default_rng(0).normal(size=9), (700, 1)))
    assert values(collapsed) == pytest.approx([1, 0, 1, 1, 1, 1, 1], abs=3e-7)
    doubles = np.repeat(np.random.default_rng(0).normal(size=(400, 37)), 2, axis=0)
    assert cosine_stats(doubles).max <= 1  # float32 products of equal rows exceed it
    antipodal = cosine_stats([[1, 2], [-1, -2]])
    assert values(antipodal) == pytest.approx([-1, 0, -1, -1, -1, -1, -1], abs=1e-6)
    isotropic = cosine_stats(np.random.default_rng(0).normal(size=(2000, 64)))
    assert isotropic.mean == pytest.approx(0, abs=2e-3)
    assert isotropic.std == pytest.approx(1 / 8, rel=0.01)


def test_cosine_stats_of_a_nearly_collapsed_set_keep_their_digits():
    x = 1000 + np.random.default_rng(0).normal(size=(800, 50))
    cosines = plain_cosines(x)
    stats = cosine_stats(x)
    assert stats.mean == pytest.approx(cosines.mean(), abs=1e-9)
    assert stats.std == pytest.approx(cosines.std(), abs=1e-7)


def test_progress_shows_a_bar(capfd):
    cosine_stats(np.eye(3))
    assert capfd.readouterr().err == ""
    cosine_stats(np.eye(3), progress=True)
    assert "cosines: 100%" in capfd.readouterr().err


# --- retrieval ---------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(2, 40), d=st.integers(1, 8), copies=st.integers(0, 20), seed=st.integers(0, 999)
)
def test_ranks_agree_with_counting(n, d, copies, seed):
    x, y = sample(n, d, seed=seed)
    rng = np.random.default_rng(seed)
    y[rng.integers(n, size=copies)] = y[0]  # candidates that tie
    x[rng.integers(n, size=copies)] = x[-1]
    ranks = retrieval_ranks(x, y)
    exact_x, exact_y = (unit_rows(side).double().numpy() for side in (x, y))
    np.testing.assert_array_equal(ranks["image_to_text"], plain_ranks(exact_x, exact_y))
    np.testing.assert_array_equal(ranks["text_to_image"], plain_ranks(exact_y, exact_x))
    table = retrieval(x, y, ks=(1, 3))
    assert table["recall"].tolist() == [
        float((rank < k).mean()) for rank in ranks.values() for k in (1, 3)
    ]


def test_retrieval_is_a_tidy_table():
    x, y = sample(30, 8)
    table = retrieval(x, y)
    assert list(table.columns) == ["direction", "k", "recall"]
    assert table["direction"].tolist() == ["image_to_text"] * 3 + ["text_to_image"] * 3
    assert table["k"].tolist() == [1, 5, 10] * 2
    for ks in ((), 1, (0,), (1.5,), None):
        with pytest.raises(PairsError, match="Expected ks as positive integers"):
            retrieval(x, y, ks)


def test_equal_rows_tie_wherever_they_stand():
    x, y = sample(1100, 48)
    y[[3, 700, 1099]] = y[3]
    x[[5, 600, 1098]] = x[5]
    ranks = retrieval_ranks(x, y)
    exact_x, exact_y = (unit_rows(side).double().numpy() for side in (x, y))
    np.testing.assert_array_equal(ranks["image_to_text"], plain_ranks(exact_x, exact_y))
    np.testing.assert_array_equal(ranks["text_to_image"], plain_ranks(exact_y, exact_x))
    assert (ranks["image_to_text"] % 1 == 0).all()  # two others tie: one whole rank
    scaled = retrieval_ranks(x, y * np.float32(3))  # equal but for rounding
    np.testing.assert_array_equal(scaled["image_to_text"], ranks["image_to_text"])


def test_retrieval_in_the_limits():
    x, _ = sample(700, 20)
    assert (retrieval(x, x)["recall"] == 1).all()
    collapsed = retrieval_ranks(np.ones((9, 4)), np.ones((9, 4)))
    assert (np.stack(list(collapsed.values())) == 4).all()  # (n - 1) / 2
    rng = np.random.default_rng(0)
    chance = retrieval(*rng.normal(size=(2, 2000, 16)), ks=(100, 1000))["recall"]
    np.testing.assert_allclose(chance, [0.05, 0.5] * 2, atol=0.035)


# --- separability ------------------------------------------------------------------------------------------------


def test_separability_in_the_limits():
    x, y = sample(200, 10)
    assert linear_separability(x, x) == 0.5
    assert linear_separability(x + 9, y - 9) == 1
    assert linear_separability(np.ones((8, 3)), np.ones((8, 3))) == 0.5
    assert linear_separability([[1, 0], [1, 0.1]], [[-1, 0], [-1, 0.1]]) == 1  # two pairs
    rng = np.random.default_rng(0)
    assert linear_separability(*rng.normal(size=(2, 2000, 8))) == pytest.approx(0.5, abs=0.03)


def test_separability_is_held_out_and_repeatable():
    x, y = np.random.default_rng(0).normal(
        size=(2, 40, 100)
    )  # more dimensions than pairs: training accuracy is 1
    both, labels = np.concatenate([unit(x), unit(y)]), np.repeat([0, 1], 40)
    assert LogisticRegression(C=1e6, max_iter=1000).fit(both, labels).score(both, labels) == 1
    accuracy = linear_separability(x, y)
    assert 0.3 < accuracy < 0.7
    assert linear_separability(x, y) == accuracy
    assert len({linear_separability(x, y, seed=seed) for seed in range(4)}) > 1


def test_separability_finds_a_small_shift_that_the_gap_hardly_shows():
    x, y = np.random.default_rng(0).normal(size=(2, 1000, 64))
    x[:, 5] += 2.5
    assert modality_gap(x, y) < 0.4
    assert 0.86 < linear_separability(x, y) < 0.92  # the best plane: Phi(2.5 / 2) = 0.894


def test_separability_finds_a_difference_in_a_dimension_of_small_variance():
    x, y = np.random.default_rng(0).normal(size=(2, 500, 20))
    x[:, 3], y[:, 3] = 0.01 * x[:, 3] + 0.03, 0.01 * y[:, 3] - 0.03
    assert modality_gap(x, y) < 0.1
    assert linear_separability(x, y) > 0.95


# --- every measure -----------------------------------------------------------------------------------------------

MEASURES = [
    gap_vector,
    modality_gap,
    relative_modality_gap,
    gap_share_by_dimension,
    linear_separability,
]
MEASURES += [
    retrieval,
    retrieval_ranks,
    hubness,
    k_occurrence,
    neighbor_agreement,
    neighbor_overlap,
]
MEASURES += [alignment, mmd, cka]


def flat(result):
    if isinstance(result, dict):
        return np.concatenate(list(result.values()))
    return np.ravel(result.iloc[:, -1] if hasattr(result, "columns") else result)


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.__name__)
def test_measures_take_any_array_and_leave_it_alone(measure):
    x, y = sample(30, 6)
    expected = flat(measure(x, y))
    forms = (
        lambda a: torch.tensor(a, requires_grad=True) * 1,
        lambda a: np.asfortranarray(a.astype(np.float64)),
        lambda a: a.tolist(),
        lambda a: torch.tensor(a).half(),
    )
    for k, form in enumerate(forms):
        given_x, given_y = form(x), form(y)
        np.testing.assert_allclose(
            flat(measure(given_x, given_y)), expected, atol=1e-6 if k < 3 else 0.1
        )
    kept_x, kept_y = x.copy(), y.copy()
    x.flags.writeable = y.flags.writeable = False
    measure(x, y)
    assert np.array_equal(x, kept_x) and np.array_equal(y, kept_y)


@pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.__name__)
def test_measures_share_the_gate(measure):
    x, y = sample(30, 6)
    with pytest.raises(
        PairsError,
        match=r"Expected x and y of the same shape \(n, d\); got \(30, 6\) and \(29, 6\)",
    ):
        measure(x, y[1:])
    x[17] = np.nan
    with pytest.raises(PairsError, match=r"x has non-finite values in 1 row \(first: 17\)"):
        measure(x, y)
    with pytest.raises(PairsError, match=r"x has non-finite values in 1 row \(first: 17\)"):
        cosine_stats(x)
    with pytest.raises(PairsError, match="at least 2 rows of x are needed; got 1"):
        cosine_stats(y[:1])
    for bins in (0, 2.5, True):
        with pytest.raises(PairsError, match="Expected bins as a positive integer"):
            cosine_stats(y, bins=bins)


# --- the authors' embeddings -------------------------------------------------------------------------------------

# gap, cosine within x and y, paired, across, R@1 both ways: recomputed from the published files, to the printed digits
PUBLISHED = {
    "clip-coco": (0.8514, 0.5315, 0.5152, 0.3099, 0.1619, 0.552, 0.506),
    "clip-coco-random": (1.1361, 0.6814, 0.6635, 0.0285, 0.0278, 0.002, 0.002),
    "videoclip-msrvtt": (1.0669, 0.6889, 0.4947, 0.0915, 0.0268, 0.37, 0.24),
    "videoclip-msrvtt-random": (0.9544, 0.4440, 0.8402, 0.1916, 0.1903, 0.00, 0.01),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_report_of_the_authors_embeddings(name):
    file = registry_entry(name)["file"]
    if not Path(DATA, file).is_file():
        pytest.skip(f"{file} is not in the folder that GAPBOOK_DATA names ({DATA or 'none'})")
    report = gap_report(load_pairs(name)).set_index("metric")["value"]
    assert report.iloc[2:7].tolist() == pytest.approx(PUBLISHED[name][:5], abs=5.1e-5)
    assert report[["r1_image_to_text", "r1_text_to_image"]].tolist() == list(PUBLISHED[name][5:])
    assert report["linear_separability"] > 0.99


def test_groups_keep_near_duplicates_on_one_side_of_a_split() -> None:
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 5)
    noise = 0.01 * rng.normal(size=(2, 200, 60))
    x, y = (
        rng.normal(size=(2, 40, 60))[:, groups] + noise
    )  # nothing tells x from y but the five copies of each row
    assert linear_separability(x, y) > 0.75
    assert abs(linear_separability(x, y, groups=groups) - 0.5) < 0.2
    with pytest.raises(
        PairsError, match=r"Expected groups of shape \(200,\), one for each pair; got \(40,\)"
    ):
        linear_separability(x, y, groups=range(40))
    with pytest.raises(PairsError, match="at least 2 groups are needed; got 1"):
        linear_separability(x, y, groups=np.zeros(200))
