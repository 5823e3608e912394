"""Alignment, uniformity, effective rank and IsoScore against SciPy, spectra and published steps."""

import numpy as np
import pytest
import torch
from helpers import SIZES, exact, isotropic, rotation, sample
from hypothesis import given, settings
from scipy.spatial.distance import pdist

from gapbook.exceptions import PairsError
from gapbook.geometry import alignment, effective_rank, isoscore, uniformity

OF_ONE_MODALITY = {"uniformity": uniformity, "effective_rank": effective_rank, "isoscore": isoscore}


@settings(max_examples=40, deadline=None)
@given(**SIZES)
def test_alignment_and_uniformity_agree_with_distances_of_scipy(n, d, shift, seed):
    x, y = sample(n, d, shift, seed, falling=True)
    a = exact(x)
    paired = np.linalg.norm(a - exact(y), axis=1)
    assert alignment(x, y) == pytest.approx((paired**2).mean(), abs=1e-12)
    assert alignment(x, y, alpha=1) == pytest.approx(paired.mean(), abs=1e-12)
    squares = pdist(a, "sqeuclidean")
    for t in (0.5, 2, 7):
        assert uniformity(x, t) == pytest.approx(np.log(np.exp(-t * squares).mean()), abs=1e-5)


@pytest.mark.parametrize("n", [511, 512, 513, 1025])
def test_uniformity_over_several_tiles(n):
    x, _ = sample(n, 12, falling=True)
    expected = np.log(np.exp(-2 * pdist(exact(x), "sqeuclidean")).mean())
    assert uniformity(x) == pytest.approx(expected, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(**SIZES)
def test_effective_rank_agrees_with_singular_values(n, d, shift, seed):
    x, _ = sample(n, d, shift, seed, falling=True)
    a = exact(x)
    for rows, center in ((a - a.mean(0), True), (a, False)):
        shares = np.linalg.svd(rows, compute_uv=False)
        shares = shares[shares > 1e-6 * shares[0]] / shares.sum()
        expected = np.exp(-(shares * np.log(shares)).sum())
        assert effective_rank(x, center) == pytest.approx(expected, rel=1e-4)


@settings(max_examples=40, deadline=None)
@given(**SIZES)
def test_isoscore_agrees_with_the_published_steps(n, d, shift, seed):
    """The seven steps of Rudman et al., in their order."""
    x, _ = sample(n, d, shift, seed, falling=True)
    variances = np.linalg.eigvalsh(np.cov(exact(x).T))
    variances = variances * np.sqrt(d) / np.linalg.norm(variances)
    defect = np.linalg.norm(variances - 1) / np.sqrt(2 * (d - np.sqrt(d)))
    used = (d - defect**2 * (d - np.sqrt(d))) ** 2 / d**2
    assert isoscore(x) == pytest.approx((d * used - 1) / (d - 1), abs=1e-6)


@pytest.mark.parametrize(("n", "d"), [(12, 300), (40, 1500)])
def test_the_shape_of_few_rows_of_many_dimensions(n, d):
    x, _ = sample(n, d, falling=True)
    a = exact(x)
    for rows, center in ((a - a.mean(0), True), (a, False)):
        shares = np.linalg.svd(rows, compute_uv=False)
        shares = shares[shares > 3e-7 * shares[0]]
        shares /= shares.sum()
        expected = np.exp(-(shares * np.log(shares)).sum())
        assert effective_rank(x, center) == pytest.approx(expected, rel=1e-9)
    variances = np.linalg.svd(a - a.mean(0), compute_uv=False) ** 2
    directions = variances.sum() ** 2 / (variances**2).sum()
    assert isoscore(x) == pytest.approx((directions - 1) / (d - 1), rel=1e-9)
    assert effective_rank(x[[0, 0, 0]]) == 1
    assert isoscore(x[[0, 0, 0]]) == 0


def test_identical_modalities_are_aligned():
    x, _ = sample(300, 10, falling=True)
    assert alignment(x, x) == pytest.approx(0, abs=1e-12)


def test_collapsed_modalities():
    u = np.tile(np.random.default_rng(0).normal(size=7), (40, 1))
    assert alignment(u, -u) == pytest.approx(4, abs=1e-6)
    assert uniformity(u) == pytest.approx(0, abs=1e-6)
    assert effective_rank(u) == effective_rank(u, center=False) == 1
    assert isoscore(u) == 0
    assert np.isnan(isoscore(np.ones((3, 1))))


def test_isotropic_modalities():
    x, y = isotropic(4000, 32)
    assert alignment(x, y) == pytest.approx(2, abs=0.02)
    assert uniformity(x) == pytest.approx(-4 + 8 / 32, abs=0.03)
    assert effective_rank(x) == pytest.approx(32, abs=0.2)
    assert isoscore(x) == pytest.approx(1, abs=0.02)


def test_isoscore_is_blind_to_the_cone_and_uniformity_is_not():
    sphere = np.random.default_rng(0).normal(size=(3000, 20))
    # A cap about one more dimension.
    cone = np.concatenate([0.1 * exact(sphere), np.full((3000, 1), 1)], axis=1)
    assert isoscore(cone) == pytest.approx(isoscore(sphere) * 19 / 20, abs=0.01)
    assert uniformity(cone) > -0.1 > -3 > uniformity(sphere)
    assert effective_rank(cone, center=False) < 0.75 * effective_rank(cone)


@settings(max_examples=25, deadline=None)
@given(**SIZES)
def test_shape_depends_neither_on_a_rotation_nor_on_the_order_nor_on_a_swap(n, d, shift, seed):
    x, y = (side.astype(np.float64) for side in sample(n, d, min(shift, 3), seed, falling=True))
    turn = rotation(d, seed)
    order = np.random.default_rng(seed).permutation(n)
    for other in ((x @ turn, y @ turn), (x[order], y[order]), (y, x), (3 * x, y / 7)):
        assert alignment(*other) == pytest.approx(alignment(x, y), abs=2e-5)
    for name, measure in OF_ONE_MODALITY.items():
        for other in (x @ turn, x[order], 5 * x):
            assert measure(other) == pytest.approx(measure(x), abs=1e-4), name


def test_exponents_must_be_positive():
    x, y = isotropic(10, 4)
    with pytest.raises(PairsError, match="Expected alpha above 0; got 0"):
        alignment(x, y, 0)
    with pytest.raises(PairsError, match="Expected t above 0; got -1"):
        uniformity(x, -1)


def test_uniformity_of_a_kernel_that_underflows_is_minus_infinity():
    assert uniformity(isotropic(10, 4)[0], 1e4) == -np.inf


@pytest.mark.parametrize("measure", OF_ONE_MODALITY.values(), ids=OF_ONE_MODALITY)
def test_measures_of_one_modality_share_the_gate_and_leave_input_alone(measure):
    x, _ = sample(30, 6, falling=True)
    kept = x.copy()
    expected = measure(x)
    with_gradient = torch.tensor(x, requires_grad=True) * 1
    in_columns = np.asfortranarray(x.astype(np.float64))
    for form in (x.tolist(), with_gradient, in_columns):
        assert measure(form) == pytest.approx(expected, abs=1e-6)
    x.flags.writeable = False
    assert type(measure(x)) is float
    assert np.array_equal(x, kept)
    with pytest.raises(PairsError, match="at least 2 rows of x are needed; got 1"):
        measure(kept[:1])
    kept[17] = np.nan
    with pytest.raises(PairsError, match=r"x has non-finite values in 1 row \(first: 17\)"):
        measure(kept)
