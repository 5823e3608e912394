"""Hubs and agreement of neighbors against scikit-learn, and how ties share places."""

import numpy as np
import pytest
import torch
from helpers import SIZES, exact, isotropic, rotation, sample, tensor_pair
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.stats import skew
from sklearn.neighbors import NearestNeighbors

from gapbook.exceptions import PairsError
from gapbook.geometry import hubness, k_occurrence, neighbor_agreement, neighbor_overlap
from gapbook.geometry.neighbors import (
    cosines_with_all,
    default_neighbors,
    nearest_candidates,
    occurrence_and_lists,
    overlap_and_lists,
    shares_of_places,
    skewness,
)
from gapbook.pairs import unit_pair


def have_no_ties(a, b, k):
    """Whether every k-th neighbor is clearly nearer than the next: rounding changes no order."""
    itself = 9 * np.eye(len(a))
    for cosines in (a @ b.T, b @ a.T, a @ a.T - itself, b @ b.T - itself):
        steps = np.diff(np.sort(cosines, axis=1), axis=1)[:, len(a) - k - 1]
        if steps.min() <= 1e-6:
            return False
    return True


@settings(max_examples=40, deadline=None)
@given(k=st.integers(1, 8), **SIZES)
def test_hubs_agree_with_scikit_learn(k, n, d, shift, seed):
    k = min(k, n - 1)
    x, y = sample(n, d, min(shift, 3), seed, falling=True)
    a = exact(x)
    b = exact(y)
    assume(have_no_ties(a, b, k))
    counts = k_occurrence(x, y, k)
    skews = hubness(x, y, k).set_index("direction")["skewness"]
    for direction, queries, candidates in (("image_to_text", a, b), ("text_to_image", b, a)):
        neighbors = NearestNeighbors(n_neighbors=k).fit(candidates)
        nearest = neighbors.kneighbors(queries, return_distance=False)
        expected = np.bincount(nearest.ravel(), minlength=n)
        np.testing.assert_array_equal(counts[direction], expected)
        if np.ptp(expected):
            assert skews[direction] == pytest.approx(skew(expected), abs=1e-9)
        else:
            assert skews[direction] == 0


@settings(max_examples=40, deadline=None)
@given(k=st.integers(1, 8), **SIZES)
def test_agreement_agrees_with_scikit_learn(k, n, d, shift, seed):
    k = min(k, n - 1)
    x, y = sample(n, d, min(shift, 3), seed, falling=True)
    a = exact(x)
    b = exact(y)
    assume(have_no_ties(a, b, k))
    of_x = NearestNeighbors(n_neighbors=k).fit(a).kneighbors(return_distance=False)
    of_y = NearestNeighbors(n_neighbors=k).fit(b).kneighbors(return_distance=False)
    expected = [len(set(one) & set(other)) / k for one, other in zip(of_x, of_y, strict=True)]
    np.testing.assert_allclose(neighbor_overlap(x, y, k), expected)
    assert neighbor_agreement(x, y, k) == pytest.approx(np.mean(expected))
    lists = nearest_candidates(*tensor_pair(x, y), k)
    assert np.sort(lists).tolist() == np.sort(np.argsort(-(a @ b.T))[:, :k]).tolist()


@pytest.mark.parametrize("n", [511, 512, 513, 1025])
def test_tiles_make_no_difference(n):
    x, y = sample(n, 12, falling=True)
    nearest = np.argsort(-(exact(x) @ exact(y).T), axis=1)[:, :10]
    expected = np.bincount(nearest.ravel(), minlength=n)
    np.testing.assert_array_equal(k_occurrence(x, y)["image_to_text"], expected)


def test_few_queries_at_a_time_see_all_candidates():
    x, y = tensor_pair(*sample(300, 6))
    blocks = list(cosines_with_all(x, y, cosines_at_once=2100))
    assert {len(cosines) for _, cosines in blocks} == {7, 300 % 7}
    whole = x.double() @ y.double().T
    torch.testing.assert_close(torch.cat([cosines for _, cosines in blocks]), whole)
    for rows, cosines in blocks:
        torch.testing.assert_close(cosines, whole[rows])


def test_neighbors_in_the_limits():
    x, y = isotropic(4000, 32)
    assert neighbor_agreement(x, y) == pytest.approx(10 / 3999, abs=0.001)
    assert neighbor_agreement(x[:300], x[:300]) == pytest.approx(1, abs=1e-12)
    u = np.tile(np.random.default_rng(0).normal(size=7), (40, 1))
    assert hubness(u, -u)["skewness"].tolist() == [0, 0]
    # All rows tie.
    assert k_occurrence(u, -u)["image_to_text"].tolist() == pytest.approx([10] * 40)


def test_skewness_of_counts_that_are_the_same_is_zero():
    assert skewness(np.full(9, 10.0)) == 0
    assert skewness(np.array([1, 1, 1, 5.0])) == pytest.approx(skew([1, 1, 1, 5]))


def test_reports_use_ten_neighbors_or_half_of_the_pairs():
    assert [default_neighbors(n) for n in (2, 3, 19, 20, 21, 5000)] == [1, 1, 9, 10, 10, 10]


def test_one_candidate_that_answers_all_is_a_hub():
    x, y = isotropic(200, 30)
    assert abs(hubness(x, x, k=1)["skewness"]).max() == 0
    center = np.concatenate([y[:199], np.ones((1, 30))])
    assert hubness(x + 1, center, k=1)["skewness"][0] > 13 > hubness(x, y, k=1)["skewness"][0]


@settings(max_examples=25, deadline=None)
@given(**SIZES)
def test_neighbors_depend_neither_on_a_rotation_nor_on_the_order_nor_on_a_swap(n, d, shift, seed):
    x, y = (side.astype(np.float64) for side in sample(n, d, min(shift, 3), seed, falling=True))
    assume(have_no_ties(exact(x), exact(y), 3))
    turn = rotation(d, seed)
    order = np.random.default_rng(seed).permutation(n)
    agreement = neighbor_agreement(x, y, k=3)
    for other in ((x @ turn, y @ turn), (x[order], y[order]), (y, x), (3 * x, y / 7)):
        assert neighbor_agreement(*other, k=3) == pytest.approx(agreement, abs=2e-5)
    assert neighbor_agreement(x @ turn, y, k=3) == pytest.approx(agreement, abs=1e-9)
    counts = k_occurrence(x, y, k=3)["image_to_text"]
    assert np.array_equal(k_occurrence(y, x, k=3)["text_to_image"], counts)
    reordered = k_occurrence(x[order], y[order], k=3)["image_to_text"]
    assert np.array_equal(reordered, counts[order])


def test_candidates_that_tie_for_the_last_place_share_it():
    x = np.eye(4)[[0, 0, 1, 1]]
    y = np.eye(4)[[0, 0, 0, 2]]
    counts = k_occurrence(x, y, k=2)["image_to_text"]
    # Rows 0 and 1 share two places among three equal candidates, rows 2 and 3 among four.
    assert counts.tolist() == pytest.approx([2 * 2 / 3 + 2 * 2 / 4] * 3 + [2 * 2 / 4])
    doubled = np.repeat(isotropic(30, 5)[0], 2, axis=0)
    assert neighbor_agreement(doubled, doubled, k=2) == pytest.approx(1)


def test_shares_of_places_sum_to_their_number():
    cosines = torch.tensor([[0.1, 0.9, 0.9, 0.9], [0.3, 0.3, 0.3, 0.3], [4, 3, 2, 1]]).double()
    for k in (1, 2, 3, 4):
        torch.testing.assert_close(
            shares_of_places(cosines, k).sum(1), torch.full((3,), k).double()
        )
    assert shares_of_places(cosines, 2)[2].tolist() == [1, 1, 0, 0]


@pytest.mark.parametrize("k", [0, -1, 2.5, True, None, 31])
def test_k_must_be_possible(k):
    x, y = isotropic(30, 4)
    for measure in (hubness, k_occurrence):
        with pytest.raises(PairsError, match="Expected k as an integer from 1 to 30; got"):
            measure(x, y, k)
    for measure in (neighbor_agreement, neighbor_overlap):
        with pytest.raises(PairsError, match="Expected k as an integer from 1 to 29; got"):
            measure(x, y, k)


def test_an_image_with_several_texts_is_one_query_and_one_candidate():
    images, _ = sample(12, 5, seed=3)
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(12), 3))
    x = images[groups]
    y = (x + np.random.default_rng(1).normal(size=x.shape)).astype(np.float32)
    first = np.unique(groups, return_index=True)[1]
    # In the order in which groups come.
    once = exact(x[np.sort(first)])
    counts = k_occurrence(x, y, 4, groups)
    nearest = np.argsort(-(once @ exact(y).T), axis=1)[:, :4]
    expected = np.bincount(nearest.ravel(), minlength=36)
    np.testing.assert_allclose(counts["image_to_text"], expected)
    nearest = np.argsort(-(exact(y) @ once.T), axis=1)[:, :4]
    expected = np.bincount(nearest.ravel(), minlength=12)
    np.testing.assert_allclose(counts["text_to_image"], expected)
    skewed = hubness(x, y, 4, groups)["skewness"].tolist()
    assert skewed == pytest.approx([skew(count) for count in counts.values()])
    with pytest.raises(PairsError, match="k"):
        k_occurrence(x, y, 13, groups)


def test_hubness_of_groups_of_one_pair_is_that_of_pairs():
    x, y = sample(40, 6)
    assert hubness(x, y, 5, np.arange(40)).equals(hubness(x, y, 5))


@pytest.mark.parametrize("as_kind", [np.asarray, torch.as_tensor])
def test_one_pass_over_cosines_gives_what_separate_ones_do(as_kind):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2, 60, 6)).astype(np.float32)
    # Copies tie.
    rows[:, 50:] = rows[:, :10]
    x, y = (as_kind(side) for side in unit_pair(*rows))
    counts, lists = occurrence_and_lists(x, y, 5, 10)
    np.testing.assert_array_equal(counts, k_occurrence(x, y, 5)["image_to_text"])
    np.testing.assert_array_equal(lists, nearest_candidates(x, y, 10))
    overlap, of_x, of_y = overlap_and_lists(x, y, 5, 10)
    np.testing.assert_array_equal(overlap, neighbor_overlap(x, y, 5))
    np.testing.assert_array_equal(of_x, nearest_candidates(x, x, 10))
    np.testing.assert_array_equal(of_y, nearest_candidates(y, y, 10))
