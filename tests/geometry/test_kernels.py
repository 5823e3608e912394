"""MMD and CKA against full matrices, scikit-learn and published estimates."""

import numpy as np
import pytest
import torch
from helpers import SIZES, exact, isotropic, rotation, sample, tensor_pair
from hypothesis import given, settings
from scipy.spatial.distance import cdist, pdist
from sklearn.metrics.pairwise import rbf_kernel

from gapbook.exceptions import PairsError
from gapbook.geometry import cka, mmd, modality_gap
from gapbook.geometry.kernels import kernel_sums


def off_diagonal(matrix):
    return matrix[~np.eye(len(matrix), dtype=bool)]


@settings(max_examples=40, deadline=None)
@given(**SIZES)
def test_mmd_agrees_with_full_matrices(n, d, shift, seed):
    x, y = sample(n, d, shift, seed, falling=True)
    a = exact(x)
    b = exact(y)
    for t in (0.5, 2):
        xx = off_diagonal(rbf_kernel(a, a, gamma=t))
        yy = off_diagonal(rbf_kernel(b, b, gamma=t))
        xy = off_diagonal(rbf_kernel(a, b, gamma=t))
        yx = off_diagonal(rbf_kernel(b, a, gamma=t))
        assert mmd(x, y, t) == pytest.approx((xx + yy - xy - yx).mean(), abs=2e-6)


@pytest.mark.parametrize("n", [511, 512, 513, 1025])
def test_mmd_over_several_tiles(n):
    x, y = sample(n, 12, falling=True)
    a = exact(x)
    b = exact(y)
    across = off_diagonal(np.exp(-2 * cdist(a, b, "sqeuclidean")))
    within = [np.exp(-2 * pdist(side, "sqeuclidean")).mean() for side in (a, b)]
    assert mmd(x, y) == pytest.approx(sum(within) - 2 * across.mean(), abs=1e-6)


@pytest.mark.parametrize("rows_per_tile", [1, 7, 40, 100])
def test_tiles_make_no_difference(rows_per_tile):
    x, y = tensor_pair(*sample(40, 5))
    whole = kernel_sums(x, y, 2.0)
    torch.testing.assert_close(kernel_sums(x, y, 2.0, rows_per_tile), whole)


@settings(max_examples=40, deadline=None)
@given(**SIZES)
def test_cka_agrees_with_centered_gram_matrices(n, d, shift, seed):
    x, y = sample(n, d, shift, seed, falling=True)
    a = exact(x)
    b = exact(y)
    center = np.eye(n) - 1 / n
    k = center @ a @ a.T @ center
    m = center @ b @ b.T @ center
    expected = (k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum())
    assert cka(x, y) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("n", "d"), [(12, 300), (40, 1500), (60, 60)])
def test_cka_of_few_pairs_in_many_dimensions_is_the_same(n, d):
    x, y = sample(n, d, falling=True)
    a = exact(x) - exact(x).mean(0)
    b = exact(y) - exact(y).mean(0)
    norms = np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b)
    assert cka(x, y) == pytest.approx(np.linalg.norm(a.T @ b) ** 2 / norms, rel=1e-9)


def plain_unbiased(k, m):
    """Return the unbiased dependence of two Gram matrices: a mean over quadruples of rows."""
    rows = set(range(len(k)))
    total = 0.0
    count = 0
    for i in rows:
        for j in rows - {i}:
            for q in rows - {i, j}:
                for r in rows - {i, j, q}:
                    total += k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q])
                    count += 1
    return total / count


@pytest.mark.parametrize("n", [4, 7])
def test_debiased_cka_is_a_mean_over_quadruples_of_different_rows(n):
    x, y = sample(n, 5, falling=True)
    k = exact(x) @ exact(x).T
    m = exact(y) @ exact(y).T
    norms = plain_unbiased(k, k) * plain_unbiased(m, m)
    assert cka(x, y, debiased=True) == pytest.approx(plain_unbiased(k, m) / norms**0.5, abs=1e-5)


def test_identical_modalities():
    x, _ = sample(300, 10, falling=True)
    assert mmd(x, x) == pytest.approx(0, abs=1e-12)
    assert cka(x, x) == pytest.approx(1, abs=1e-12)
    assert cka(x, x, debiased=True) == pytest.approx(1, abs=1e-12)


def test_collapsed_modalities():
    u = np.tile(np.random.default_rng(0).normal(size=7), (40, 1))
    assert mmd(u, -u) == pytest.approx(2 - 2 * np.exp(-8), abs=1e-5)
    assert np.isnan([cka(u, -u), cka(u, u)]).all()
    x, _ = sample(40, 7)
    assert np.isnan([cka(u, -u, debiased=True), cka(u, x, debiased=True)]).all()


def test_isotropic_modalities():
    assert mmd(*isotropic(4000, 32)) == pytest.approx(0, abs=1e-4)


def test_unrelated_modalities_have_half_of_cka_where_pairs_are_as_few_as_dimensions():
    x, y = isotropic(256, 256)
    assert cka(x, y) == pytest.approx(0.5, abs=0.01)
    assert cka(x, y, debiased=True) == pytest.approx(0, abs=0.01)


@pytest.mark.parametrize("measure", [mmd, lambda x, y: cka(x, y, debiased=True)])
def test_unbiased_estimates_have_no_bias(measure):
    """Two samples of one distribution: the mean over many draws is 0 within three errors."""
    values = np.array([measure(*isotropic(30, 6, seed)) for seed in range(200)])
    assert abs(values.mean()) < 3 * values.std() / 200**0.5
    assert (values < 0).mean() > 0.3


def test_a_small_t_turns_mmd_into_the_squared_gap():
    x, y = (exact(side) for side in sample(200, 8, shift=1, falling=True))
    unbiased = modality_gap(x, y) ** 2 - np.var(x - y, axis=0, ddof=1).sum() / 200
    assert mmd(x, y, t=1e-3) / 2e-3 == pytest.approx(unbiased, rel=5e-3)


@settings(max_examples=25, deadline=None)
@given(**SIZES)
def test_kernels_depend_neither_on_a_rotation_nor_on_the_order_nor_on_a_swap(n, d, shift, seed):
    x, y = (side.astype(np.float64) for side in sample(n, d, min(shift, 3), seed, falling=True))
    turn = rotation(d, seed)
    order = np.random.default_rng(seed).permutation(n)
    for other in ((x @ turn, y @ turn), (x[order], y[order]), (y, x), (3 * x, y / 7)):
        assert mmd(*other) == pytest.approx(mmd(x, y), abs=2e-5)
        assert cka(*other) == pytest.approx(cka(x, y), abs=2e-5, nan_ok=True)
        # With few pairs it is a ratio of estimates near 0, where rounding shows.
        if n >= 12:
            debiased = cka(x, y, debiased=True)
            assert cka(*other, debiased=True) == pytest.approx(debiased, abs=2e-5, nan_ok=True)


def test_a_rotation_of_one_modality_leaves_cka_alone():
    x, y = sample(100, 8, falling=True)
    assert cka(x @ rotation(8), y) == pytest.approx(cka(x, y), abs=1e-6)


@pytest.mark.parametrize("t", [0, -1, float("nan")])
def test_the_sharpness_must_be_positive(t):
    x, y = isotropic(10, 4)
    with pytest.raises(PairsError, match="Expected t above 0; got"):
        mmd(x, y, t)
