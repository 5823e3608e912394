"""Ranks of partners with half a place for a tie, and recall, against counting."""

import numpy as np
import pytest
import torch
from helpers import exact, isotropic, rotation, sample
from hypothesis import given, settings
from hypothesis import strategies as st

from gapbook.exceptions import PairsError
from gapbook.geometry import TIE, ranks_from_cosines, retrieval, retrieval_ranks


def plain_ranks(queries, candidates):
    scores = queries @ candidates.T
    own = np.diag(scores)[:, None]
    ties = np.abs(scores - own) < 1e-12
    return (~ties & (scores > own)).sum(1) + (ties.sum(1) - 1) / 2


def assert_plain(ranks, x, y):
    np.testing.assert_array_equal(ranks["image_to_text"], plain_ranks(exact(x), exact(y)))
    np.testing.assert_array_equal(ranks["text_to_image"], plain_ranks(exact(y), exact(x)))


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(2, 40), d=st.integers(1, 8), copies=st.integers(0, 20), seed=st.integers(0, 999)
)
def test_ranks_agree_with_counting(n, d, copies, seed):
    x, y = sample(n, d, seed=seed)
    rng = np.random.default_rng(seed)
    # Copies are candidates that tie.
    y[rng.integers(n, size=copies)] = y[0]
    x[rng.integers(n, size=copies)] = x[-1]
    ranks = retrieval_ranks(x, y)
    assert_plain(ranks, x, y)
    table = retrieval(x, y, ks=(1, 3))
    expected = [float((rank < k).mean()) for rank in ranks.values() for k in (1, 3)]
    assert table["recall"].tolist() == expected


def plain_group_ranks(x, y, groups):
    """Sort all candidates of each query; rows do not tie."""
    images = {group: x[row] for row, group in enumerate(groups)}
    labels = list(images)
    of_images = []
    for group in labels:
        order = np.argsort(-(y @ images[group]))
        right = [place for place, row in enumerate(order) if groups[row] == group]
        # Only rows of other groups stand before the best of the own ones.
        of_images.append(right[0])
    of_texts = []
    stacked = np.array([images[group] for group in labels])
    for row, group in enumerate(groups):
        order = np.argsort(-(stacked @ y[row]))
        of_texts.append([labels[place] for place in order].index(group))
    return np.array(of_images), np.array(of_texts)


@settings(max_examples=40, deadline=None)
@given(n=st.integers(2, 30), k=st.integers(1, 5), d=st.integers(4, 8), seed=st.integers(0, 999))
def test_any_text_of_the_group_is_right(n, k, d, seed):
    images, _ = sample(n, d, seed=seed)
    rng = np.random.default_rng(seed)
    # Groups of any sizes, their rows in any order.
    groups = rng.permutation(np.concatenate([np.arange(n), rng.integers(n, size=n * (k - 1))]))
    x = images[groups]
    y = (x + 2 * rng.normal(size=x.shape)).astype(np.float32)
    ranks = retrieval_ranks(x, y, groups)
    of_images, of_texts = plain_group_ranks(exact(x), exact(y), groups.tolist())
    np.testing.assert_array_equal(ranks["image_to_text"], of_images)
    np.testing.assert_array_equal(ranks["text_to_image"], of_texts)
    table = retrieval(x, y, (1, 3), groups)
    expected = [float((of < k).mean()) for of in (of_images, of_texts) for k in (1, 3)]
    assert table["recall"].tolist() == expected


def test_thirty_images_with_five_texts_by_brute_force():
    images, _ = sample(30, 16, seed=4)
    groups = np.repeat(np.arange(30), 5)
    x = images[groups]
    y = (x + 3 * np.random.default_rng(4).normal(size=x.shape)).astype(np.float32)
    of_images, of_texts = plain_group_ranks(exact(x), exact(y), groups.tolist())
    recall = retrieval(x, y, (1, 5, 10), groups).set_index(["direction", "k"])["recall"]
    for k in (1, 5, 10):
        assert recall["image_to_text", k] == (of_images < k).mean()
        assert recall["text_to_image", k] == (of_texts < k).mean()
    # Where one text alone is right, fewer queries find it.
    one_right = retrieval(x, y, [1])["recall"][0]
    assert one_right < recall["image_to_text", 1] < 1


def test_tiles_do_not_change_ranks_of_groups():
    images, _ = sample(700, 4, seed=2)
    groups = np.random.default_rng(2).permutation(np.repeat(np.arange(700), 2))
    x = images[groups]
    y = (x + np.random.default_rng(3).normal(size=x.shape)).astype(np.float32)
    ranks = retrieval_ranks(x, y, groups)
    of_images, of_texts = plain_group_ranks(exact(x), exact(y), groups.tolist())
    np.testing.assert_array_equal(ranks["image_to_text"], of_images)
    np.testing.assert_array_equal(ranks["text_to_image"], of_texts)


def test_groups_of_one_pair_are_pairs_and_ties_count_half():
    x, y = sample(60, 6)
    y[[3, 20, 41]] = y[3]
    x[[5, 6]] = x[5]
    plain = retrieval_ranks(x, y)
    for labels in (np.arange(60), [f"{i} of 60" for i in range(60)]):
        for direction, ranks in retrieval_ranks(x, y, labels).items():
            np.testing.assert_array_equal(ranks, plain[direction])
    # Of its own group, no copy stands before a text.
    same = np.repeat(y[:1], 4, axis=0)
    ranks = retrieval_ranks(x[[0, 0, 1, 1]], same, [0, 0, 1, 1])
    assert ranks["image_to_text"].tolist() == [1, 1]
    assert ranks["text_to_image"].tolist() in ([0, 0, 1, 1], [1, 1, 0, 0])


def test_groups_are_one_for_each_pair():
    x, y = sample(6, 3)
    with pytest.raises(
        PairsError, match=r"Expected groups for 6 rows, of shape \(6,\); got \(5,\)"
    ):
        retrieval_ranks(x, y, np.arange(5))


def test_ranks_from_cosines_are_those_of_retrieval():
    x, y = sample(60, 6)
    y[[3, 20, 41]] = y[3]
    cosines = torch.from_numpy(exact(x) @ exact(y).T)
    ranks = ranks_from_cosines(cosines, cosines.diagonal())
    assert ranks.dtype == torch.float64
    np.testing.assert_array_equal(ranks.numpy(), retrieval_ranks(x, y)["image_to_text"])


def test_cosines_tie_within_the_rounding_of_float32():
    own = torch.tensor([0.5], dtype=torch.float64)
    for difference, rank in ((0.9 * TIE, 0.5), (-0.9 * TIE, 0.5), (2 * TIE, 1), (-2 * TIE, 0)):
        cosines = torch.stack([own, own + difference], dim=1)
        assert ranks_from_cosines(cosines, own).tolist() == [rank]


def test_retrieval_is_a_tidy_table():
    x, y = sample(30, 8)
    table = retrieval(x, y)
    assert list(table.columns) == ["direction", "k", "recall"]
    assert table["direction"].tolist() == ["image_to_text"] * 3 + ["text_to_image"] * 3
    assert table["k"].tolist() == [1, 5, 10] * 2


@pytest.mark.parametrize("ks", [(), 1, (0,), (1.5,), None])
def test_places_must_be_positive_integers(ks):
    x, y = sample(30, 8)
    with pytest.raises(PairsError, match="Expected ks as positive integers"):
        retrieval(x, y, ks)


def test_equal_rows_tie_wherever_they_stand():
    x, y = sample(1100, 48)
    y[[3, 700, 1099]] = y[3]
    x[[5, 600, 1098]] = x[5]
    ranks = retrieval_ranks(x, y)
    assert_plain(ranks, x, y)
    # Two others tie: one whole rank.
    assert (ranks["image_to_text"] % 1 == 0).all()
    # Rows that are equal but for rounding tie too.
    scaled = retrieval_ranks(x, y * np.float32(3))
    np.testing.assert_array_equal(scaled["image_to_text"], ranks["image_to_text"])


def test_retrieval_in_the_limits():
    x, _ = sample(700, 20)
    assert (retrieval(x, x)["recall"] == 1).all()
    for ranks in retrieval_ranks(np.ones((9, 4)), np.ones((9, 4))).values():
        # Collapsed rows have rank (n - 1) / 2.
        assert (ranks == 4).all()
    chance = retrieval(*isotropic(2000, 16), ks=(100, 1000))["recall"]
    np.testing.assert_allclose(chance, [0.05, 0.5] * 2, atol=0.035)


def test_recall_depends_neither_on_a_rotation_nor_on_the_order_of_pairs():
    x, y = sample(150, 12)
    turn = rotation(12)
    order = np.random.default_rng(2).permutation(150)
    for other_x, other_y in ((x @ turn, y @ turn), (x[order], y[order])):
        assert retrieval(other_x, other_y).equals(retrieval(x, y))
