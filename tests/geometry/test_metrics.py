"""Measures since 2022 against SciPy, scikit-learn, published code steps and plain float64 arithmetic."""

import os

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist, pdist
from scipy.stats import skew
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.neighbors import NearestNeighbors

from gapbook.exceptions import PairsError
from gapbook.geometry import (
    alignment,
    cka,
    effective_rank,
    gap_share_by_dimension,
    gap_vector,
    hubness,
    isoscore,
    k_occurrence,
    linear_separability,
    mmd,
    modality_gap,
    neighbor_agreement,
    neighbor_overlap,
    relative_modality_gap,
    uniformity,
)
from gapbook.geometry.kernels import cka_of
from gapbook.geometry.sums import Sums
from gapbook.pairs import load_pairs, unit_rows
from gapbook.published import locate

SIZES = {
    "n": st.integers(4, 60),
    "d": st.integers(2, 20),
    "shift": st.sampled_from([0, 0.5, 3, 30]),
}
SIZES["seed"] = st.integers(0, 999)


def exact(rows):
    """Return unit rows as the package sees them, in float64."""
    return unit_rows(rows).double().numpy()


def sample(n, d, shift=0.5, seed=0):
    """Draw pairs that share a part and differ by a shift, in dimensions of falling variance."""
    rng = np.random.default_rng(seed)
    shared, scale = rng.normal(size=(n, d)), np.arange(1, d + 1) ** -0.5
    x, y = (scale * (shared + rng.normal(size=(n, d))) for _ in range(2))
    return (x + shift).astype(np.float32), (y - shift / 2).astype(np.float32)


def isotropic(n, d, seed=0):
    return np.random.default_rng(seed).normal(size=(2, n, d))


def without_ties(a, b, k):
    """Say whether no neighbor is nearly as near as the next, so that rounding cannot change their order."""
    lists = [a @ b.T, b @ a.T, *(side @ side.T - 9 * np.eye(len(side)) for side in (a, b))]
    steps = [np.diff(np.sort(cosines, axis=1), axis=1)[:, len(a) - k - 1] for cosines in lists]
    return min(step.min() for step in steps) > 1e-6


def off_diagonal(matrix):
    return matrix[~np.eye(len(matrix), dtype=bool)]


# --- against other code ------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(**SIZES)
def test_distances_of_partners_and_others_agree_with_scipy(n, d, shift, seed):
    x, y = sample(n, d, shift, seed)
    a, b = exact(x), exact(y)
    paired, within = (
        np.linalg.norm(a - b, axis=1),
        [pdist(side, "sqeuclidean").mean() / 4 for side in (a, b)],
    )
    assert alignment(x, y) == pytest.approx((paired**2).mean(), abs=1e-12)
    assert alignment(x, y, alpha=1) == pytest.approx(paired.mean(), abs=1e-12)
    expected = (paired**2).mean() / 4
    assert relative_modality_gap(x, y) == pytest.approx(
        expected / (expected + np.mean(within)), abs=1e-6
    )
    for t in (0.5, 2, 7):
        assert uniformity(x, t) == pytest.approx(
            np.log(np.exp(-t * pdist(a, "sqeuclidean")).mean()), abs=1e-5
        )


@settings(max_examples=40, deadline=None)
@given(**SIZES)
def test_kernels_agree_with_full_matrices(n, d, shift, seed):
    x, y = sample(n, d, shift, seed)
    a, b = exact(x), exact(y)
    for t in (0.5, 2):
        k = (rbf_kernel(*sides, gamma=t) for sides in ((a, a), (b, b), (a, b), (b, a)))
        xx, yy, xy, yx = map(off_diagonal, k)
        assert mmd(x, y, t) == pytest.approx((xx + yy - xy - yx).mean(), abs=2e-6)
    center = np.eye(n) - 1 / n
    k, m = center @ a @ a.T @ center, center @ b @ b.T @ center
    assert cka(x, y) == pytest.approx(
        (k * m).sum() / np.sqrt((k * k).sum() * (m * m).sum()), abs=1e-6
    )


def plain_unbiased(k, m):
    """Return the unbiased dependence of two Gram matrices as the mean over all quadruples of different rows."""
    n, total, count = len(k), 0.0, 0
    for i in range(n):
        for j in set(range(n)) - {i}:
            for q in set(range(n)) - {i, j}:
                for r in set(range(n)) - {i, j, q}:
                    total += k[i, j] * (m[i, j] + m[q, r] - 2 * m[i, q])
                    count += 1
    return total / count


@pytest.mark.parametrize("n", [4, 7])
def test_debiased_cka_is_a_mean_over_quadruples_of_different_rows(n):
    x, y = sample(n, 5)
    k, m = (exact(side) @ exact(side).T for side in (x, y))
    top, first, second = plain_unbiased(k, m), plain_unbiased(k, k), plain_unbiased(m, m)
    assert cka(x, y, debiased=True) == pytest.approx(top / (first * second) ** 0.5, abs=1e-5)


@settings(max_examples=40, deadline=None)
@given(**SIZES)
def test_spectra_agree_with_singular_values_and_the_published_steps(n, d, shift, seed):
    x, _ = sample(n, d, shift, seed)
    a = exact(x)
    for rows, center in ((a - a.mean(0), True), (a, False)):
        shares = np.linalg.svd(rows, compute_uv=False)
        shares = shares[shares > 1e-6 * shares[0]] / shares.sum()
        assert effective_rank(x, center) == pytest.approx(
            np.exp(-(shares * np.log(shares)).sum()), rel=1e-4
        )
    # the seven steps of Rudman et al., in their order
    variances = np.linalg.eigvalsh(np.cov(a.T))
    variances = variances * np.sqrt(d) / np.linalg.norm(variances)
    defect = np.linalg.norm(variances - 1) / np.sqrt(2 * (d - np.sqrt(d)))
    used = (d - defect**2 * (d - np.sqrt(d))) ** 2 / d**2
    assert isoscore(x) == pytest.approx((d * used - 1) / (d - 1), abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(k=st.integers(1, 8), **SIZES)
def test_neighbors_agree_with_scikit_learn(k, n, d, shift, seed):
    k = min(k, n - 1)
    x, y = sample(n, d, min(shift, 3), seed)
    a, b = exact(x), exact(y)
    assume(without_ties(a, b, k))
    counts = k_occurrence(x, y, k)
    for direction, queries, candidates in (("image_to_text", a, b), ("text_to_image", b, a)):
        near = (
            NearestNeighbors(n_neighbors=k)
            .fit(candidates)
            .kneighbors(queries, return_distance=False)
        )
        np.testing.assert_array_equal(counts[direction], np.bincount(near.ravel(), minlength=n))
        expected = skew(np.bincount(near.ravel(), minlength=n)) if np.ptp(counts[direction]) else 0
        found = hubness(x, y, k).set_index("direction").loc[direction, "skewness"]
        assert found == pytest.approx(expected, abs=1e-9)
    lists = [
        NearestNeighbors(n_neighbors=k).fit(side).kneighbors(return_distance=False)
        for side in (a, b)
    ]
    expected = [len(set(one) & set(other)) / k for one, other in zip(*lists, strict=True)]
    np.testing.assert_allclose(neighbor_overlap(x, y, k), expected)
    assert neighbor_agreement(x, y, k) == pytest.approx(np.mean(expected))


def test_shares_of_the_gap_are_sorted_and_whole():
    x, y = sample(80, 9)
    table = gap_share_by_dimension(x, y)
    squares = gap_vector(x, y) ** 2
    assert list(table.columns) == ["dimension", "share"]
    assert table["dimension"].tolist() == np.argsort(-squares).tolist()
    np.testing.assert_allclose(table["share"], np.sort(squares)[::-1] / squares.sum())
    assert table["share"].sum() == pytest.approx(1)


# --- tiles, devices and sums -------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [511, 512, 513, 1025])
def test_tiles_make_no_difference(n):
    x, y = sample(n, 12)
    a, b = exact(x), exact(y)
    assert uniformity(x) == pytest.approx(
        np.log(np.exp(-2 * pdist(a, "sqeuclidean")).mean()), abs=1e-6
    )
    across = off_diagonal(np.exp(-2 * cdist(a, b, "sqeuclidean")))
    within = [np.exp(-2 * pdist(side, "sqeuclidean")).mean() for side in (a, b)]
    assert mmd(x, y) == pytest.approx(sum(within) - 2 * across.mean(), abs=1e-6)
    near = np.argsort(-(a @ b.T), axis=1)[:, :10]
    np.testing.assert_array_equal(
        k_occurrence(x, y)["image_to_text"], np.bincount(near.ravel(), minlength=n)
    )


def test_strips_make_no_difference(monkeypatch):
    x, y = sample(300, 6)
    whole = k_occurrence(x, y), neighbor_overlap(x, y)
    monkeypatch.setattr("gapbook.geometry.neighbors.TILE", 7)
    assert all(np.array_equal(whole[0][way], counts) for way, counts in k_occurrence(x, y).items())
    assert np.array_equal(neighbor_overlap(x, y), whole[1])


def test_sums_of_parts_add_up_in_any_order_and_can_be_taken_away():
    x, y = (unit_rows(side) for side in sample(90, 7))
    first, second, third = (Sums.of(x[i : i + 30], y[i : i + 30]) for i in (0, 30, 60))
    for merged in (first + second + third, third + (first + second)):
        assert cka_of(merged, True) == pytest.approx(cka(x, y, debiased=True), abs=1e-12)
    rest = Sums.of(x, y) - second
    assert rest.n == 60
    torch.testing.assert_close(rest.xy, (first + third).xy, atol=1e-12, rtol=0)


# --- limits ------------------------------------------------------------------------------------------------------


def test_identical_modalities():
    x, _ = sample(300, 10)
    for zero in (alignment(x, x), relative_modality_gap(x, x), mmd(x, x)):
        assert zero == pytest.approx(0, abs=1e-12)
    for one in (cka(x, x), cka(x, x, debiased=True), neighbor_agreement(x, x)):
        assert one == pytest.approx(1, abs=1e-12)
    assert gap_share_by_dimension(x, x)["share"].isna().all()


def test_collapsed_modalities():
    u = np.tile(np.random.default_rng(0).normal(size=7), (40, 1))
    assert alignment(u, -u) == pytest.approx(4, abs=1e-6)
    assert relative_modality_gap(u, -u) == pytest.approx(1, abs=1e-6)
    assert relative_modality_gap(u, u) == 0
    assert uniformity(u) == pytest.approx(0, abs=1e-6)
    assert mmd(u, -u) == pytest.approx(2 - 2 * np.exp(-8), abs=1e-5)
    assert effective_rank(u) == effective_rank(u, center=False) == 1
    assert isoscore(u) == 0
    assert np.isnan([cka(u, -u), cka(u, u), isoscore(np.ones((3, 1)))]).all()
    assert hubness(u, -u)["skewness"].tolist() == [0, 0]
    assert k_occurrence(u, -u)["image_to_text"].tolist() == pytest.approx([10] * 40)  # all tie


def test_isotropic_modalities():
    x, y = isotropic(4000, 32)
    assert alignment(x, y) == pytest.approx(2, abs=0.02)
    assert relative_modality_gap(x, y) == pytest.approx(0.5, abs=0.003)
    assert uniformity(x) == pytest.approx(-4 + 8 / 32, abs=0.03)
    assert mmd(x, y) == pytest.approx(0, abs=1e-4)
    assert effective_rank(x) == pytest.approx(32, abs=0.2)
    assert isoscore(x) == pytest.approx(1, abs=0.02)
    assert neighbor_agreement(x, y) == pytest.approx(10 / 3999, abs=0.001)
    assert gap_share_by_dimension(x, y)["share"].max() < 0.5


def test_unrelated_modalities_have_half_of_cka_where_pairs_are_as_few_as_dimensions():
    x, y = isotropic(256, 256)
    assert cka(x, y) == pytest.approx(0.5, abs=0.01)
    assert cka(x, y, debiased=True) == pytest.approx(0, abs=0.01)


def test_unbiased_estimates_have_no_bias():
    """Two samples of one distribution: means over many draws are 0 within three standard errors."""
    draws = [isotropic(30, 6, seed) for seed in range(200)]
    for measure in (mmd, lambda x, y: cka(x, y, debiased=True)):
        values = np.array([measure(*draw) for draw in draws])
        assert abs(values.mean()) < 3 * values.std() / 200**0.5
        assert (values < 0).mean() > 0.3


def test_a_small_t_turns_mmd_into_the_squared_gap():
    x, y = (exact(side) for side in sample(200, 8, shift=1))
    unbiased = modality_gap(x, y) ** 2 - np.var(x - y, axis=0, ddof=1).sum() / 200
    assert mmd(x, y, t=1e-3) / 2e-3 == pytest.approx(unbiased, rel=5e-3)


def test_isoscore_is_blind_to_the_cone_and_uniformity_is_not():
    rng = np.random.default_rng(0)
    sphere = rng.normal(size=(3000, 20))
    cone = np.concatenate(
        [0.1 * exact(sphere), np.full((3000, 1), 1)], axis=1
    )  # a cap about one more dimension
    assert isoscore(cone) == pytest.approx(isoscore(sphere) * 19 / 20, abs=0.01)
    assert uniformity(cone) > -0.1 > -3 > uniformity(sphere)
    assert effective_rank(cone, center=False) < 0.75 * effective_rank(cone)


def test_one_candidate_that_answers_all_is_a_hub():
    x, y = isotropic(200, 30)
    assert abs(hubness(x, x, k=1)["skewness"]).max() == 0
    center = np.concatenate([y[:199], np.ones((1, 30))])
    assert hubness(x + 1, center, k=1)["skewness"][0] > 13 > hubness(x, y, k=1)["skewness"][0]


# --- invariances -------------------------------------------------------------------------------------------------

BOTH = {
    "alignment": alignment,
    "relative_modality_gap": relative_modality_gap,
    "mmd": mmd,
    "cka": cka,
    "debiased cka": lambda x, y: cka(x, y, debiased=True),
    "neighbor_agreement": lambda x, y: neighbor_agreement(x, y, k=3),
}
ONE = {"uniformity": uniformity, "effective_rank": effective_rank, "isoscore": isoscore}


@settings(max_examples=25, deadline=None)
@given(**SIZES)
def test_no_measure_depends_on_a_joint_rotation_the_order_of_pairs_or_a_swap(n, d, shift, seed):
    x, y = (side.astype(np.float64) for side in sample(n, d, min(shift, 3), seed))
    assume(without_ties(exact(x), exact(y), 3))
    rng = np.random.default_rng(seed)
    rotation, order = np.linalg.qr(rng.normal(size=(d, d)))[0], rng.permutation(n)
    for name, measure in BOTH.items():
        if name == "debiased cka" and n < 12:
            continue  # a ratio of estimates near 0, where rounding shows
        value = measure(x, y)
        for other in ((x @ rotation, y @ rotation), (x[order], y[order]), (y, x), (3 * x, y / 7)):
            assert measure(*other) == pytest.approx(value, abs=2e-5, nan_ok=True), name
    for name, measure in ONE.items():
        for other in (x @ rotation, x[order], 5 * x):
            assert measure(other) == pytest.approx(measure(x), abs=1e-4), name
    counts = k_occurrence(x, y, k=3)
    assert np.array_equal(k_occurrence(y, x, k=3)["text_to_image"], counts["image_to_text"])
    assert np.array_equal(
        k_occurrence(x[order], y[order], k=3)["image_to_text"], counts["image_to_text"][order]
    )


def test_rotating_one_modality_leaves_structure_alone_and_shares_belong_to_coordinates():
    x, y = sample(100, 8)
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0]
    assert cka(x @ rotation, y) == pytest.approx(cka(x, y), abs=1e-6)
    assert neighbor_agreement(x @ rotation, y) == pytest.approx(neighbor_agreement(x, y), abs=1e-9)
    shares, turned = (
        gap_share_by_dimension(x, y),
        gap_share_by_dimension(x @ rotation, y @ rotation),
    )
    assert abs(shares["share"][0] - turned["share"][0]) > 0.01


# --- ties and wrong input ----------------------------------------------------------------------------------------


def test_candidates_that_tie_for_the_last_place_share_it():
    x = np.eye(4)[[0, 0, 1, 1]]
    y = np.eye(4)[[0, 0, 0, 2]]
    counts = k_occurrence(x, y, k=2)["image_to_text"]
    # rows 0 and 1 share two places among three equal candidates; rows 2 and 3 two places among four
    assert counts.tolist() == pytest.approx([2 * 2 / 3 + 2 * 2 / 4] * 3 + [2 * 2 / 4])
    doubled = np.repeat(isotropic(30, 5)[0], 2, axis=0)
    assert neighbor_agreement(doubled, doubled, k=2) == pytest.approx(1)


@pytest.mark.parametrize("k", [0, -1, 2.5, True, None, 31])
def test_k_must_be_possible(k):
    x, y = isotropic(30, 4)
    for measure, most in (
        (hubness, 30),
        (k_occurrence, 30),
        (neighbor_agreement, 29),
        (neighbor_overlap, 29),
    ):
        with pytest.raises(PairsError, match=f"Expected k as an integer from 1 to {most}; got"):
            measure(x, y, k)


def test_exponents_must_be_positive():
    x, y = isotropic(10, 4)
    assert uniformity(x, 1e4) == -np.inf
    for call in (
        lambda: alignment(x, y, 0),
        lambda: uniformity(x, -1),
        lambda: mmd(x, y, float("nan")),
    ):
        with pytest.raises(PairsError, match=r"Expected (alpha|t) above 0; got"):
            call()


@pytest.mark.parametrize("measure", ONE.values(), ids=ONE)
def test_measures_of_one_modality_share_the_gate_and_leave_input_alone(measure):
    x, _ = sample(30, 6)
    kept, expected = x.copy(), measure(x)
    for form in (
        x.tolist(),
        torch.tensor(x, requires_grad=True) * 1,
        np.asfortranarray(x.astype(np.float64)),
    ):
        assert measure(form) == pytest.approx(expected, abs=1e-6)
    x.flags.writeable = False
    assert type(measure(x)) is float and np.array_equal(x, kept)
    with pytest.raises(PairsError, match=r"x has non-finite values in 1 row \(first: 17\)"):
        measure(np.where(np.arange(30)[:, None] == 17, np.nan, kept))
    with pytest.raises(PairsError, match="at least 2 rows of x are needed; got 1"):
        measure(kept[:1])


# --- the authors' embeddings -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clip():
    if not locate("clip-coco"):
        pytest.skip(
            f"clip-coco is not at hand (GAPBOOK_DATA: {os.environ.get('GAPBOOK_DATA', 'unset')})"
        )
    return load_pairs("clip-coco")


def test_relative_gap_of_clip_by_the_formula_and_by_two_others(clip):
    assert relative_modality_gap(clip.x, clip.y) == pytest.approx(0.5915, abs=5e-5)
    x, y = exact(clip.x), exact(clip.y)
    n, paired = len(x), 1 - (x * y).sum(1).mean()  # not halved
    cos_x = np.triu(x @ x.T, 1)
    far_x, far_y = (np.triu(1 - side @ side.T, 1) for side in (x, y))
    halved = paired / (paired + (far_x + far_y).sum() / 2 / (2 * n * (n - 1)))
    mixed = paired / (paired + (cos_x + far_y).sum() / (2 * n * (n - 1)))
    assert (round(halved, 2), round(mixed, 2)) == (0.85, 0.73)


def test_two_dimensions_carry_most_of_the_gap_of_clip(clip):
    shares = gap_share_by_dimension(clip.x, clip.y)
    assert shares["share"][:2].sum() == pytest.approx(0.69, abs=0.005)
    left = np.delete(np.arange(512), shares["dimension"][:2])
    assert modality_gap(clip.x, clip.y) == pytest.approx(0.851, abs=5e-4)
    assert modality_gap(clip.x[:, left], clip.y[:, left]) == pytest.approx(0.617, abs=1e-3)
    assert linear_separability(clip.x[:, left], clip.y[:, left]) == 1
