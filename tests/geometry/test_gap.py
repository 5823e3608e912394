"""The gap, its shares, the relative gap and the probe against plain float64 arithmetic."""

import numpy as np
import pytest
import torch
from helpers import SIZES, exact, isotropic, rotation, sample, unit
from hypothesis import given, settings
from scipy.spatial.distance import pdist
from sklearn.linear_model import LogisticRegression

from gapbook.exceptions import PairsError
from gapbook.geometry import (
    gap_share_by_dimension,
    gap_vector,
    linear_separability,
    modality_gap,
    relative_modality_gap,
)
from gapbook.pairs import load_pairs


@pytest.fixture(scope="module")
def clip():
    return load_pairs("clip-coco")


# ---- the gap and its shares


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
    squares = [modality_gap(*isotropic(200, 10, seed)) ** 2 for seed in range(200)]
    # The mean squared gap of isotropic modalities is 2 / n.
    assert np.mean(squares) == pytest.approx(2 / 200, rel=0.1)


def test_the_gap_depends_neither_on_a_rotation_nor_on_the_order_of_pairs():
    x, y = sample(150, 12)
    turn = rotation(12)
    order = np.random.default_rng(2).permutation(150)
    for other_x, other_y in ((x @ turn, y @ turn), (x[order], y[order])):
        assert modality_gap(other_x, other_y) == pytest.approx(modality_gap(x, y), abs=1e-6)
    assert np.linalg.norm(gap_vector(x, y) + gap_vector(y, x)) == 0


def test_shares_of_the_gap_are_sorted_and_whole():
    x, y = sample(80, 9, falling=True)
    table = gap_share_by_dimension(x, y)
    squares = gap_vector(x, y) ** 2
    assert list(table.columns) == ["dimension", "share"]
    assert table["dimension"].tolist() == np.argsort(-squares).tolist()
    np.testing.assert_allclose(table["share"], np.sort(squares)[::-1] / squares.sum())
    assert table["share"].sum() == pytest.approx(1)


def test_shares_belong_to_coordinates():
    x, y = sample(100, 8, falling=True)
    turn = rotation(8, seed=1)
    shares = gap_share_by_dimension(x, y)["share"]
    turned = gap_share_by_dimension(x @ turn, y @ turn)["share"]
    assert abs(shares[0] - turned[0]) > 0.01


def test_shares_in_the_limits():
    x, _ = sample(300, 10)
    assert gap_share_by_dimension(x, x)["share"].isna().all()
    assert gap_share_by_dimension(*isotropic(4000, 32))["share"].max() < 0.5


def test_two_dimensions_carry_most_of_the_gap_of_clip(clip):
    shares = gap_share_by_dimension(clip.x, clip.y)
    assert shares["share"][:2].sum() == pytest.approx(0.69, abs=0.005)
    left = np.delete(np.arange(512), shares["dimension"][:2])
    assert modality_gap(clip.x, clip.y) == pytest.approx(0.851, abs=5e-4)
    assert modality_gap(clip.x[:, left], clip.y[:, left]) == pytest.approx(0.617, abs=1e-3)
    assert linear_separability(clip.x[:, left], clip.y[:, left]) == 1


# ---- the relative gap


@settings(max_examples=40, deadline=None)
@given(**SIZES)
def test_the_relative_gap_agrees_with_distances_of_scipy(n, d, shift, seed):
    x, y = sample(n, d, shift, seed, falling=True)
    a = exact(x)
    b = exact(y)
    paired = ((a - b) ** 2).sum(1).mean() / 4
    within = [pdist(side, "sqeuclidean").mean() / 4 for side in (a, b)]
    expected = paired / (paired + np.mean(within))
    assert relative_modality_gap(x, y) == pytest.approx(expected, abs=1e-6)


def test_the_relative_gap_in_the_limits():
    x, _ = sample(300, 10)
    assert relative_modality_gap(x, x) == 0
    u = np.tile(np.random.default_rng(0).normal(size=7), (40, 1))
    assert relative_modality_gap(u, -u) == pytest.approx(1, abs=1e-6)
    assert relative_modality_gap(u, u) == 0
    assert relative_modality_gap(*isotropic(4000, 32)) == pytest.approx(0.5, abs=0.003)


def test_relative_gap_of_clip_by_the_formula_and_by_two_others(clip):
    assert relative_modality_gap(clip.x, clip.y) == pytest.approx(0.5915, abs=5e-5)
    x = exact(clip.x)
    y = exact(clip.y)
    n = len(x)
    # Other implementations do not halve the distance of partners.
    paired = 1 - (x * y).sum(1).mean()
    cosines_x = np.triu(x @ x.T, 1)
    distances_x = np.triu(1 - x @ x.T, 1)
    distances_y = np.triu(1 - y @ y.T, 1)
    halved = paired / (paired + (distances_x + distances_y).sum() / 2 / (2 * n * (n - 1)))
    mixed = paired / (paired + (cosines_x + distances_y).sum() / (2 * n * (n - 1)))
    assert (round(halved, 2), round(mixed, 2)) == (0.85, 0.73)


# ---- separability


def test_separability_in_the_limits():
    x, y = sample(200, 10)
    assert linear_separability(x, x) == 0.5
    assert linear_separability(x + 9, y - 9) == 1
    assert linear_separability(np.ones((8, 3)), np.ones((8, 3))) == 0.5
    two_pairs = [[1, 0], [1, 0.1]], [[-1, 0], [-1, 0.1]]
    assert linear_separability(*two_pairs) == 1
    assert linear_separability(*isotropic(2000, 8)) == pytest.approx(0.5, abs=0.03)


def test_separability_is_held_out_and_repeatable():
    # With more dimensions than pairs the training accuracy is 1.
    x, y = isotropic(40, 100)
    rows = np.concatenate([unit(x), unit(y)])
    labels = np.repeat([0, 1], 40)
    assert LogisticRegression(C=1e6, max_iter=1000).fit(rows, labels).score(rows, labels) == 1
    accuracy = linear_separability(x, y)
    assert 0.3 < accuracy < 0.7
    assert linear_separability(x, y) == accuracy
    assert len({linear_separability(x, y, seed=seed) for seed in range(4)}) > 1


def test_separability_finds_a_small_shift_that_the_gap_hardly_shows():
    x, y = isotropic(1000, 64)
    x[:, 5] += 2.5
    assert modality_gap(x, y) < 0.4
    # The best plane reaches Phi(2.5 / 2) = 0.894.
    assert 0.86 < linear_separability(x, y) < 0.92


def test_separability_finds_a_difference_in_a_dimension_of_small_variance():
    x, y = isotropic(500, 20)
    x[:, 3] = 0.01 * x[:, 3] + 0.03
    y[:, 3] = 0.01 * y[:, 3] - 0.03
    assert modality_gap(x, y) < 0.1
    assert linear_separability(x, y) > 0.95


def test_groups_keep_near_duplicates_on_one_side_of_a_split():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(40), 5)
    noise = 0.01 * rng.normal(size=(2, 200, 60))
    # Nothing tells x from y but the five copies of each row.
    x, y = rng.normal(size=(2, 40, 60))[:, groups] + noise
    assert linear_separability(x, y) > 0.75
    assert abs(linear_separability(x, y, groups=groups) - 0.5) < 0.2


def test_groups_must_be_a_label_for_each_pair_and_differ():
    x, y = isotropic(200, 5)
    expected = r"Expected groups of shape \(200,\), one for each pair; got \(40,\)"
    with pytest.raises(PairsError, match=expected):
        linear_separability(x, y, groups=range(40))
    with pytest.raises(PairsError, match="at least 2 groups are needed; got 1"):
        linear_separability(x, y, groups=np.zeros(200))
