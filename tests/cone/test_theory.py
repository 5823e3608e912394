"""Caps of the sphere, infinite-width theory, Theorems 1 and 2, and the gap of two cones."""

import math

import numpy as np
import pytest
import torch
from helpers import unit
from hypothesis import given, settings
from hypothesis import strategies as st

from gapbook.cone import (
    arccos_map,
    between_seed_share,
    cap_fraction,
    component_share,
    cosine_by_depth,
    predicted_gap,
    relu_cosine_by_depth,
    theorem1_probability,
)
from gapbook.cone.networks import BIASES
from gapbook.encoders import embed_images, embed_texts, random_clip, random_resnet18
from gapbook.exceptions import PairsError
from gapbook.geometry import cosine_stats, gap_vector, modality_gap
from gapbook.glyphs import caption_tokens, load_glyphs
from gapbook.press.paper import paper_value

# ---- caps


@given(st.floats(-1, 1))
def test_caps_in_two_and_three_dimensions_have_closed_forms(cosine: float) -> None:
    opening = math.acos(cosine)
    assert cap_fraction(cosine, 2) == pytest.approx(opening / (2 * math.pi), abs=1e-7)
    assert cap_fraction(cosine, 3) == pytest.approx((1 - math.cos(opening / 2)) / 2, abs=1e-7)


def test_the_papers_shares_of_the_circle_and_of_the_sphere() -> None:
    assert cap_fraction(0.56, 2) == pytest.approx(paper_value("paper.cone.2d_fraction"), abs=2e-4)
    assert cap_fraction(0.56, 3) == pytest.approx(0.0584, abs=5e-5)  # the paper prints 0.0334
    assert cap_fraction(0.56, 512) < 2.0**-512


@pytest.mark.parametrize("to_axis", [0.0, 0.3, 0.6])
def test_a_cap_holds_its_share_of_random_points(to_axis: float) -> None:
    """40,000 points: four standard errors are at most 0.01."""
    points = unit(np.random.default_rng(0).normal(size=(40_000, 5)))
    share = (points[:, 0] >= to_axis).mean()
    opening_cosine = 2 * to_axis**2 - 1  # of twice the angle to the axis
    assert cap_fraction(opening_cosine, 5) == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize("d", [3, 512, 5_000, 200_000])
@pytest.mark.parametrize("cosine", [-0.9, 0.1, 0.56, 0.9999])
def test_logarithm_agrees_with_an_integral_where_the_share_underflows(
    d: int, cosine: float
) -> None:
    half_angle = math.acos(cosine) / 2
    cap = log_integral_of_sines(half_angle, d)
    sphere = log_integral_of_sines(math.pi / 2, d) + math.log(2)
    assert cap_fraction(cosine, d, log=True) == pytest.approx(cap - sphere, rel=2e-4, abs=1e-5)


def log_integral_of_sines(top: float, d: int) -> float:
    """Integrate sin(t)^(d - 2) from 0 to top by the trapezoidal rule; return the logarithm."""
    t = np.linspace(0, top, 2_000_001)[1:]
    logs = (d - 2) * np.log(np.sin(t))
    return float(logs.max() + np.log(np.trapezoid(np.exp(logs - logs.max()), t)))


def test_the_logarithm_goes_on_smoothly_where_the_share_underflows() -> None:
    """Shares fall by a nearly constant factor with each dimension, on both sides of the change."""
    first = next(d for d in range(2, 5000) if cap_fraction(0.9, d) < 1e-290)
    logs = np.array([cap_fraction(0.9, d, log=True) for d in range(first - 4, first + 4)])
    assert np.abs(np.diff(logs, 2)).max() < 1e-5


def test_a_cap_is_at_most_half_the_sphere_and_at_least_nothing() -> None:
    assert cap_fraction(-1, 9) == 0.5
    assert cap_fraction(1, 9) == 0
    assert cap_fraction(1, 9, log=True) == -math.inf


@pytest.mark.parametrize(("cosine", "d"), [(1.01, 3), (0.5, 1), (math.nan, 3)])
def test_caps_want_a_cosine_and_two_dimensions(cosine: float, d: int) -> None:
    with pytest.raises(ValueError, match="Expected a cosine in"):
        cap_fraction(cosine, d)


# ---- infinite width


@pytest.mark.parametrize("b", [0.0, 1 / 3, 1.0])
def test_one_layer_maps_cosines_as_drawn_weights_do(b: float) -> None:
    """A million units, two inputs of cosine 0.3 and squared length 2: standard error 0.001."""
    rng = np.random.default_rng(0)
    u = 2**0.5 * np.array([1, 0])
    v = 2**0.5 * np.array([0.3, 0.91**0.5])
    weights = rng.normal(size=(1_000_000, 2))
    biases = b**0.5 * rng.normal(size=1_000_000)
    x = (weights @ u + biases).clip(0)
    y = (weights @ v + biases).clip(0)
    c, q = arccos_map(0.3, 2.0, b)
    assert c == pytest.approx(x @ y / np.linalg.norm(x) / np.linalg.norm(y), abs=0.004)
    assert q == pytest.approx((x @ x) / 1_000_000, rel=0.006)


@given(st.floats(-1, 1), st.floats(1e-3, 1e4), st.floats(0, 10))
def test_the_map_stays_in_range_and_never_opens_the_cone(c: float, q: float, b: float) -> None:
    new_c, new_q = arccos_map(c, q, b)
    assert -1e-12 <= new_c <= 1 + 1e-12
    assert new_c >= c - 1e-9
    assert new_q == (b + q) / 2
    assert arccos_map(np.array([c, 1.0]), q, b)[0] == pytest.approx([new_c, 1])


@pytest.mark.parametrize("bias", BIASES)
def test_recursion_agrees_with_a_wide_network(bias: str) -> None:
    """At width 2,048 one network scatters by 0.006 (0.011 at 512): four seeds by 0.003."""
    wide = cosine_by_depth(
        "relu", depths=4, n=64, d=2048, bias=bias, seeds=range(4), diagonal=False
    )
    expected = relu_cosine_by_depth(4, BIASES[bias], q=2048)
    means = wide.groupby("depth")["cosine"].mean().to_numpy()
    assert means == pytest.approx(expected, abs=0.013)


@pytest.mark.parametrize(("depth", "error"), [(1_000, 0.04), (10_000, 0.005)])
def test_without_bias_the_cone_narrows_by_a_power(depth: int, error: float) -> None:
    opening = 1 - relu_cosine_by_depth(depth, bias=False)[-1]
    assert opening * depth**2 == pytest.approx(9 * math.pi**2 / 2, rel=error)


def test_with_bias_the_cone_narrows_geometrically() -> None:
    biased = 1 - relu_cosine_by_depth(25, bias=True)
    plain = 1 - relu_cosine_by_depth(25, bias=False)
    assert biased[25] / biased[24] == pytest.approx(0.5, abs=0.02)
    assert plain[25] / plain[24] > 0.9


# ---- Theorem 1


def test_sampled_pairs_of_outputs_are_those_of_real_layers() -> None:
    """Whole weight matrices of width 16, where the probability is far from 0 and 1."""
    rng = np.random.default_rng(0)
    cosine = 0.9
    u = 2.0 * np.array([1, 0, 0])
    v = np.array([cosine, (1 - cosine**2) ** 0.5, 0])
    raised = 0
    for _ in range(2000):
        weights = rng.normal(size=(16, 3)) / 4
        biases = rng.normal(size=16) / 4
        x = (weights @ u + biases).clip(0)
        y = (weights @ v + biases).clip(0)
        raised += x @ y / (np.linalg.norm(x) * np.linalg.norm(y)) > cosine
    estimate = theorem1_probability(cosine, ratio=2.0, width=16, draws=8000)
    assert 0.1 < estimate.probability < 0.9
    assert estimate.low < estimate.probability < estimate.high
    error = (0.25 / 2000 + 0.25 / 8000) ** 0.5
    assert estimate.probability == pytest.approx(raised / 2000, abs=4 * error)


def test_where_the_condition_holds_the_cosine_grows() -> None:
    estimate = theorem1_probability(0.2)
    assert estimate.condition
    assert estimate.probability == 1
    assert estimate.low > 0.99


def test_where_the_condition_fails_the_bias_alone_does_not_do_it() -> None:
    estimate = theorem1_probability(0.9, ratio=4.0)  # 0.9 > 2 / 4.25
    assert not estimate.condition
    assert estimate.slack < 0


def test_slack_and_gain_of_the_first_layer_of_figure_2b() -> None:
    biased = theorem1_probability(0.0, norm=512**0.5)
    assert biased.slack == pytest.approx(1 / 513)
    assert biased.gain == pytest.approx(0.3193, abs=1e-4)
    assert theorem1_probability(0.0, norm=512**0.5, bias=False).slack == pytest.approx(0, abs=1e-12)


def test_the_same_seed_gives_the_same_draws() -> None:
    first, second = (theorem1_probability(0.5, draws=50, seed=1) for _ in range(2))
    assert first == second


def test_width_makes_it_certain() -> None:
    """Near cosine 1 the gain is small: narrow layers often miss it, wide ones do not."""
    narrow = theorem1_probability(0.95, norm=3.0, width=4)
    wide = theorem1_probability(0.95, norm=3.0, width=4096)
    assert narrow.probability < 0.9
    assert wide.probability > 0.99


@pytest.mark.parametrize(
    "bad", [{"cosine": 2}, {"cosine": 0, "ratio": 0}, {"cosine": 0, "draws": 0}]
)
def test_theorem1_wants_sensible_numbers(bad: dict) -> None:
    with pytest.raises(ValueError, match="Expected a cosine in"):
        theorem1_probability(**bad)


# ---- seeds


def clouds(seeds: int, n: int, d: int, spread: float) -> np.ndarray:
    """Unit rows about a center of their own for each seed: (seeds, n, d)."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(seeds, 1, d)) + spread * rng.normal(size=(seeds, n, d))
    return np.stack([unit(cloud) for cloud in rows])


sizes_of_clouds = given(
    st.integers(2, 6), st.integers(2, 20), st.integers(2, 10), st.floats(0.01, 10)
)


@sizes_of_clouds
@settings(max_examples=30)
def test_share_equals_the_decomposition_of_variance(
    seeds: int, n: int, d: int, spread: float
) -> None:
    x = clouds(seeds, n, d, spread)
    between = x.mean(1).var(0).sum()
    total = x.reshape(-1, d).var(0).sum()
    assert between_seed_share(x) == pytest.approx(between / total, abs=1e-5)


@sizes_of_clouds
@settings(max_examples=30)
def test_share_follows_from_mean_cosines(seeds: int, n: int, d: int, spread: float) -> None:
    x = clouds(seeds, n, d, spread)
    means = np.array([cosine_stats(cloud).mean for cloud in x])
    cosine = (means + (1 - means) / n).mean()  # of all n^2 pairs
    length = np.sum(x.mean((0, 1)) ** 2)
    assert between_seed_share(x) == pytest.approx((cosine - length) / (1 - length), abs=1e-5)


@sizes_of_clouds
@settings(max_examples=30)
def test_component_share_is_that_of_singular_values(
    seeds: int, n: int, d: int, spread: float
) -> None:
    x = clouds(seeds, n, d, spread)
    rows = x.reshape(-1, d) - x.mean((0, 1))
    variances = np.linalg.svd(rows, compute_uv=False) ** 2
    expected = variances[: seeds - 1].sum() / variances.sum()
    assert component_share(x) == pytest.approx(expected, abs=1e-4)
    assert component_share(x) >= between_seed_share(x) - 1e-5


def test_equal_seeds_have_no_share_and_all_components_have_all() -> None:
    equal = np.tile(clouds(1, 20, 5, 1), (3, 1, 1))
    assert between_seed_share(equal) == pytest.approx(0, abs=1e-12)
    assert component_share(clouds(4, 30, 6, 1), components=6) == pytest.approx(1)


ROW_OF_ZEROS = np.where(np.arange(24).reshape(2, 4, 3) // 3 == 6, 0.0, 1.0)


@pytest.mark.parametrize("share", [between_seed_share, component_share])
@pytest.mark.parametrize(
    ("embeddings", "message"),
    [
        (clouds(1, 20, 5, 1), "at least 2 seeds"),
        ([np.ones((3, 2)), np.ones((4, 2))], "at least 2 seeds"),
        (np.ones((3, 4, 2)), "Expected embeddings that vary"),
        (ROW_OF_ZEROS, "row 2 of seed 1 has zero norm"),
        (np.full((2, 4, 3), np.nan), "seed 0 has non-finite"),
    ],
    ids=["one seed", "two shapes", "constant", "zeros", "nan"],
)
def test_bad_embeddings_of_seeds_are_named(share, embeddings, message: str) -> None:
    with pytest.raises(PairsError, match=message):
        share(embeddings)


@pytest.mark.parametrize(
    "kind", ["float16", "float64", "int", "torch", "strided", "list", "gradient"]
)
def test_shares_take_any_kind_of_array(kind: str) -> None:
    x = np.round(8 * clouds(3, 10, 4, 0.5))
    x[..., 0] += 9  # no zero rows
    make = {
        "float16": lambda: x.astype(np.float16),
        "float64": lambda: x,
        "int": lambda: x.astype(int),
        "torch": lambda: torch.tensor(x),
        "strided": lambda: np.repeat(x, 2, axis=2)[..., ::2],
        "list": lambda: x.tolist(),
        "gradient": lambda: torch.tensor(x, requires_grad=True),
    }[kind]
    embeddings = make()
    before = torch.as_tensor(embeddings).clone()
    assert between_seed_share(embeddings) == pytest.approx(between_seed_share(x), abs=1e-6)
    assert component_share(embeddings) == pytest.approx(component_share(x), abs=1e-6)
    assert torch.equal(torch.as_tensor(embeddings), before)


# ---- the gap of two cones


@given(st.integers(2, 30), st.integers(2, 8), st.integers(0, 99))
@settings(max_examples=30)
def test_gap_of_two_cones_is_an_identity(n: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = unit(rng.normal(size=(n, d)) + rng.normal(size=d))
    y = unit(rng.normal(size=(n, d)) + rng.normal(size=d))
    a = x.mean(0)
    b = y.mean(0)
    cosine = float(np.clip(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), -1, 1))
    gap = modality_gap(x, y)
    assert predicted_gap(a @ a, b @ b, cosine) == pytest.approx(gap, abs=1e-5)
    of_different_rows = predicted_gap(cosine_stats(x).mean, cosine_stats(y).mean, cosine, n=n)
    assert of_different_rows == pytest.approx(gap, abs=1e-3)
    assert np.linalg.norm(gap_vector(x, y)) == pytest.approx(gap)


def test_gap_of_the_authors_cones() -> None:
    """They measured 1.1891 for ViT-B/16."""
    image, text = (paper_value(f"fig2a.random_real.clip_{side}.mean") for side in ("image", "text"))
    assert predicted_gap(image, text) == pytest.approx(1.1787, abs=1e-4)


@pytest.mark.parametrize(
    ("cosines", "message"),
    [((-0.1, 0.5), r"mean cosines in \[0, 1\]"), ((0.1, 0.5, 1.1), "cosine of centers")],
)
def test_predicted_gap_wants_cosines(cosines: tuple[float, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        predicted_gap(*cosines)


# ---- small encoders


def test_small_encoders_have_cones_of_their_own() -> None:
    """Image cones are nearly points, so that seeds hold all variance; ResNets share an orthant."""
    glyphs = load_glyphs().part("validation")
    images = glyphs.images[:100]
    tokens = caption_tokens(glyphs.names[:100])
    seeds = range(5)
    of_images = [embed_images(random_clip(seed, size="small"), images) for seed in seeds]
    of_texts = [embed_texts(random_clip(seed, size="small"), tokens) for seed in seeds]
    of_resnet = [embed_images(random_resnet18(seed, "small"), images) for seed in seeds]
    between = [between_seed_share(e) for e in (of_images, of_texts, of_resnet)]
    assert between == pytest.approx([0.987, 0.542, 0.875], abs=0.03)
    components = [component_share(e) for e in (of_images, of_texts, of_resnet)]
    assert components == pytest.approx([0.988, 0.585, 0.883], abs=0.03)
    gaps = [modality_gap(x, y) for x, y in zip(of_images, of_texts, strict=True)]
    assert gaps == pytest.approx([1.25] * 5, abs=0.25)
