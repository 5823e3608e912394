"""Caps of the sphere, random networks against theory and the authors' figure, shares of variance, gap of cones."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gapbook.cone import (
    arccos_map,
    between_seed_share,
    cap_fraction,
    component_share,
    cosine_by_depth,
    linear_cosine_by_depth,
    predicted_gap,
    relu_cosine_by_depth,
    stats_by_depth,
    theorem1_probability,
)
from gapbook.cone.networks import BIASES, STEPS, features_by_depth
from gapbook.cone.theory import _log_cap
from gapbook.encoders import embed_images, embed_texts, random_clip, random_resnet18
from gapbook.exceptions import PairsError
from gapbook.geometry import cosine_stats, gap_vector, modality_gap
from gapbook.glyphs import caption_tokens, load_glyphs
from gapbook.press.paper import paper_curves, paper_value

# ---- caps


@given(st.floats(-1, 1))
def test_caps_in_two_and_three_dimensions_have_closed_forms(cosine: float) -> None:
    angle = math.acos(cosine)
    assert cap_fraction(cosine, 2) == pytest.approx(angle / (2 * math.pi), abs=1e-7)
    assert cap_fraction(cosine, 3) == pytest.approx((1 - math.cos(angle / 2)) / 2, abs=1e-7)
    assert cap_fraction(cosine, 2, "half") == pytest.approx(angle / math.pi, abs=1e-7)
    assert cap_fraction(cosine, 3, "half") == pytest.approx((1 - cosine) / 2, abs=1e-7)


def test_the_papers_shares_of_the_circle_and_of_the_sphere() -> None:
    assert cap_fraction(0.56, 2) == pytest.approx(paper_value("paper.cone.2d_fraction"), abs=2e-4)
    assert cap_fraction(0.56, 3) == pytest.approx(0.0584, abs=5e-5)  # the paper prints 0.0334
    assert cap_fraction(0.56, 512) < 2.0**-512


@pytest.mark.parametrize("cosine", [-0.4, 0.3])
def test_a_cap_holds_its_share_of_random_points(cosine: float) -> None:
    x = np.random.default_rng(0).normal(size=(40_000, 5))
    share = (x[:, 0] / np.linalg.norm(x, axis=1) >= cosine).mean()
    assert cap_fraction(cosine, 5, "half") == pytest.approx(share, abs=4 * 0.5 / 200)


@pytest.mark.parametrize("d", [3, 512, 5_000, 200_000])
@pytest.mark.parametrize("cosine", [-0.9, 0.1, 0.56, 0.9999])
def test_logarithm_agrees_with_an_integral_where_the_share_underflows(
    d: int, cosine: float
) -> None:
    half = math.acos(cosine) / 2

    def log_integral(top: float) -> float:  # of sin(t)^(d - 2) from 0 to top
        t = np.linspace(0, top, 2_000_001)[1:]
        logs = (d - 2) * np.log(np.sin(t))
        return float(logs.max() + np.log(np.trapezoid(np.exp(logs - logs.max()), t)))

    expected = log_integral(half) - log_integral(math.pi / 2) - math.log(2)
    assert cap_fraction(cosine, d, log=True) == pytest.approx(expected, rel=2e-4, abs=1e-5)
    if expected > -600:
        assert cap_fraction(cosine, d) == pytest.approx(math.exp(expected), rel=2e-2)


@given(st.floats(0.05, 0.95), st.integers(2, 400))
def test_series_of_the_logarithm_agrees_with_the_share_where_both_work(x: float, d: int) -> None:
    share = cap_fraction(1 - 2 * x, d)
    assert _log_cap(x, (d - 1) / 2) == pytest.approx(math.log(share), rel=1e-9, abs=1e-12)


def test_limits_and_errors_of_caps() -> None:
    assert (cap_fraction(1, 9), cap_fraction(-1, 9), cap_fraction(-1, 9, "half")) == (0, 0.5, 1)
    assert cap_fraction(1, 9, log=True) == -math.inf
    for bad in ((1.01, 3), (0.5, 1), (0.5, 3, "full"), (math.nan, 3)):
        with pytest.raises(ValueError, match="Expected a cosine in"):
            cap_fraction(*bad)


# ---- theory


def test_one_layer_maps_cosines_as_drawn_weights_do() -> None:
    """Oracle: a million units of one layer, for two inputs of cosine 0.3 and squared length 2: standard error 0.001."""
    rng = np.random.default_rng(0)
    u, v = 2**0.5 * np.array([[1, 0], [0.3, 0.91**0.5]])
    weights, shift = rng.normal(size=(1_000_000, 2)), rng.normal(size=1_000_000)
    for b in (0.0, 1 / 3, 1.0):
        x, y = ((weights @ h + b**0.5 * shift).clip(0) for h in (u, v))
        c, q = arccos_map(0.3, 2.0, b)
        assert c == pytest.approx(x @ y / np.linalg.norm(x) / np.linalg.norm(y), abs=0.004)
        assert q == pytest.approx((x @ x) / 1_000_000, rel=0.006)


@given(st.floats(-1, 1), st.floats(1e-3, 1e4), st.floats(0, 10))
def test_the_map_stays_in_range_and_never_opens_the_cone(c: float, q: float, b: float) -> None:
    new, length = arccos_map(c, q, b)
    assert -1e-12 <= new <= 1 + 1e-12 and new >= c - 1e-9 and length == (b + q) / 2
    assert arccos_map(np.array([c, 1.0]), q, b)[0] == pytest.approx([new, 1])


@pytest.mark.parametrize("bias", list(BIASES))
def test_recursion_agrees_with_a_wide_network(bias: str) -> None:
    """At width 2,048 one network scatters by 0.006 (0.011 at 512): four seeds by 0.003."""
    wide = cosine_by_depth(
        "relu", depths=4, n=64, d=2048, bias=bias, seeds=range(4), diagonal=False
    )
    expected = relu_cosine_by_depth(4, BIASES[bias], q=2048)
    assert wide.groupby("depth")["cosine"].mean().to_numpy() == pytest.approx(expected, abs=0.013)


def test_without_bias_the_cone_narrows_by_a_power_and_with_it_geometrically() -> None:
    plain, biased = (1 - relu_cosine_by_depth(10_000, bias) for bias in (False, True))
    for depth, off in ((1_000, 0.04), (10_000, 0.005)):
        assert plain[depth] * depth**2 == pytest.approx(9 * math.pi**2 / 2, rel=off)
    assert biased[25] / biased[24] == pytest.approx(0.5, abs=0.02) and plain[25] / plain[24] > 0.9


@pytest.mark.parametrize("bias", list(BIASES))
def test_linear_networks_follow_their_closed_form(bias: str) -> None:
    """Eight seeds scatter by 0.007 at layer 25 with normal bias: their mean by 0.0025."""
    found = (
        cosine_by_depth("linear", bias=bias, n=512, diagonal=False)
        .groupby("depth")["cosine"]
        .mean()
    )
    assert found.to_numpy() == pytest.approx(linear_cosine_by_depth(25, BIASES[bias]), abs=0.01)


# ---- the authors' figure

CURVES = {key: curve for key, curve in paper_curves().items() if key.startswith("curve.fig2b.")}


@pytest.fixture(scope="module")
def bands() -> pd.DataFrame:
    """Mean and standard deviation over 8 seeds, by activation, bias and depth."""
    names = {
        bias: sorted({curve.network for curve in CURVES.values() if curve.bias == bias})
        for bias in BIASES
    }
    table = pd.concat([cosine_by_depth(names[bias], bias=bias) for bias in BIASES])
    return table.groupby(["activation", "bias", "depth"])["cosine"].agg(["mean", "std"])


@pytest.mark.parametrize("key", CURVES)
def test_the_authors_curves_lie_in_the_band_of_seeds(bands: pd.DataFrame, key: str) -> None:
    """One run lies within 4 sd of the mean of 8: their sd is itself uncertain by a quarter, and layers go together."""
    curve = CURVES[key]
    band = bands.loc[(curve.network, curve.bias)].loc[curve.x]
    room = 4 * band["std"] + curve.uncertainty
    off = (band["mean"] - curve.y).abs() - room
    assert off.max() <= 0, (
        f"{off.idxmax()} layers: {curve.y[curve.x.index(off.idxmax())]}, band {band.loc[off.idxmax()]}"
    )


def test_relu_agrees_with_the_printed_table(bands: pd.DataFrame) -> None:
    band = bands.loc[("relu", "normal")]
    printed = np.array([paper_value(f"fig2b.bias.relu.L{depth:02}") for depth in range(26)])
    assert (np.abs(band["mean"] - printed) <= 4 * band["std"] + 1e-6).all()
    assert 0.005 < band["std"].loc[3:7].mean() < 0.04  # so the test can fail


# ---- cosines by depth


def test_mean_is_that_of_the_full_matrix_and_of_the_distribution() -> None:
    table = cosine_by_depth(
        ["relu", "maxout", "residual"], depths=3, n=60, d=32, seeds=[4]
    ).set_index("activation")
    apart = cosine_by_depth("relu", depths=3, n=60, d=32, seeds=[4], diagonal=False)["cosine"]
    assert apart.to_numpy() == pytest.approx(
        [s.mean for s in stats_by_depth("relu", 3, 60, 32, seed=4)], abs=1e-6
    )
    for name, depth, h in features_by_depth(["relu", "maxout", "residual"], 3, 60, 32, seed=4):
        unit = (h / h.norm(dim=1, keepdim=True)).double()
        found = table.loc[name].set_index("depth").loc[depth, "cosine"]
        assert found == pytest.approx(float((unit @ unit.T).mean()), abs=1e-7)


def test_columns_and_reproducibility() -> None:
    one = cosine_by_depth(["tanh", "relu"], depths=2, n=30, d=16, seeds=[1, 0])
    assert list(one) == ["activation", "bias", "seed", "depth", "cosine"] and len(one) == 2 * 2 * 3
    torch.manual_seed(9)
    before = torch.random.get_rng_state()
    alone = cosine_by_depth(
        "relu", depths=2, n=30, d=16, seeds=[0]
    )  # the same whichever others are asked for
    assert (
        one.query("activation == 'relu' and seed == 0")["cosine"].tolist()
        == alone["cosine"].tolist()
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    assert (
        cosine_by_depth("relu", 1, 30, 16, seeds=[1])["cosine"].iloc[1] != alone["cosine"].iloc[1]
    )


@pytest.mark.parametrize(
    ("names", "bias"),
    [("gelu", "normal"), (["relu", "x"], "normal"), ([], "none"), ("relu", "off")],
)
def test_unknown_networks_are_named(names, bias: str) -> None:
    with pytest.raises(
        ValueError,
        match=r"Expected activations among sigmoid, .* and bias among normal, uniform, none; got",
    ):
        cosine_by_depth(names, bias=bias)


def test_all_steps_keep_the_shape_and_their_order_matters() -> None:
    last = {name: h for name, depth, h in features_by_depth(STEPS, 2, 50, 32) if depth == 2}
    assert all(h.shape == (50, 32) and h.isfinite().all() for h in last.values())
    for name in ("relu", "linear+relu+linear", "linear+batchnorm+relu", "maxout", "sigmoid"):
        assert (last[name] >= 0).all() == (name != "maxout")
    assert (last["relu+linear"] < 0).any() and abs(
        float(last["linear+relu+batchnorm"].mean())
    ) < 1e-6


def test_batch_norm_after_relu_removes_the_cone_and_before_it_bounds_it() -> None:
    """Centered features have mean cosine near 0; normalized ones before a ReLU stay at one layer's 1 / pi to 0.5."""
    names = ["relu", "linear+batchnorm+relu", "linear+relu+batchnorm", "residual"]
    table = (
        cosine_by_depth(names, n=256, d=256, seeds=[0, 1])
        .query("depth == 25")
        .groupby("activation")["cosine"]
        .mean()
    )
    assert table["relu"] > 0.999 and 0.25 < table["linear+batchnorm+relu"] < 0.5
    assert abs(table["linear+relu+batchnorm"]) < 0.02 and 0.5 < table["residual"] < table["relu"]


# ---- Theorem 1


def test_sampled_pairs_of_outputs_are_those_of_real_layers() -> None:
    """Oracle: whole weight matrices, 400 draws of width 16, where the probability is far from 0 and 1."""
    rng, c = np.random.default_rng(0), 0.9
    u, v = 2.0 * np.array([1, 0, 0]), np.array([c, (1 - c**2) ** 0.5, 0])
    grew = 0
    for _ in range(2000):
        weights, shift = rng.normal(size=(16, 3)) / 4, rng.normal(size=16) / 4
        x, y = (weights @ u + shift).clip(0), (weights @ v + shift).clip(0)
        grew += x @ y / (np.linalg.norm(x) * np.linalg.norm(y)) > c
    found = theorem1_probability(c, ratio=2.0, width=16, draws=8000)
    assert 0.1 < found.probability < 0.9 and found.low < found.probability < found.high
    assert found.probability == pytest.approx(
        grew / 2000, abs=4 * (0.25 / 2000 + 0.25 / 8000) ** 0.5
    )


def test_the_condition_the_slack_and_the_gain() -> None:
    inside, outside = theorem1_probability(0.2), theorem1_probability(0.9, ratio=4.0)
    assert inside.condition and inside.probability == 1 and inside.low > 0.99
    assert not outside.condition and outside.slack < 0  # 0.9 > 2 / 4.25
    start = theorem1_probability(0.0, norm=512**0.5)  # the first layer of Fig. 2b
    assert start.slack == pytest.approx(1 / 513) and start.gain == pytest.approx(0.3193, abs=1e-4)
    assert theorem1_probability(0.0, norm=512**0.5, bias=False).slack == pytest.approx(0, abs=1e-12)
    assert theorem1_probability(0.5, draws=50, seed=1) == theorem1_probability(
        0.5, draws=50, seed=1
    )


def test_width_makes_it_certain() -> None:
    """Near cosine 1 the gain is small: narrow layers often miss it, wide ones do not."""
    few, many = (
        theorem1_probability(0.95, norm=3.0, width=width).probability for width in (4, 4096)
    )
    assert few < 0.9 and many > 0.99


@pytest.mark.parametrize(
    "bad", [{"cosine": 2}, {"cosine": 0, "ratio": 0}, {"cosine": 0, "draws": 0}]
)
def test_theorem1_wants_sensible_numbers(bad: dict) -> None:
    with pytest.raises(ValueError, match="Expected a cosine in"):
        theorem1_probability(**bad)


# ---- seeds


def clouds(seeds: int, n: int, d: int, spread: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(seeds, 1, d)) + spread * rng.normal(size=(seeds, n, d))
    return x / np.linalg.norm(x, axis=2, keepdims=True)


@given(st.integers(2, 6), st.integers(2, 20), st.integers(2, 10), st.floats(0.01, 10))
@settings(max_examples=30, deadline=None)
def test_share_equals_the_decomposition_of_variance(
    seeds: int, n: int, d: int, spread: float
) -> None:
    x = clouds(seeds, n, d, spread)
    total = x.reshape(-1, d).var(0).sum()
    share = between_seed_share(x)
    assert share == pytest.approx(x.mean(1).var(0).sum() / total, abs=1e-5)
    values = np.linalg.svd(x.reshape(-1, d) - x.mean((0, 1)), compute_uv=False) ** 2
    assert component_share(x) == pytest.approx(values[: seeds - 1].sum() / values.sum(), abs=1e-4)
    assert component_share(x) >= share - 1e-5
    cosine = np.mean([s.mean + (1 - s.mean) / n for s in map(cosine_stats, x)])  # of all n^2 pairs
    length = np.sum(x.mean((0, 1)) ** 2)
    assert share == pytest.approx((cosine - length) / (1 - length), abs=1e-5)


def test_limits_and_errors_of_shares() -> None:
    assert between_seed_share(np.tile(clouds(1, 20, 5, 1), (3, 1, 1))) == pytest.approx(
        0, abs=1e-12
    )
    assert component_share(clouds(4, 30, 6, 1), components=6) == pytest.approx(1)
    for function in (between_seed_share, component_share):
        with pytest.raises(PairsError, match="at least 2 seeds"):
            function(clouds(1, 20, 5, 1))
        with pytest.raises(PairsError, match="at least 2 seeds"):
            function([np.ones((3, 2)), np.ones((4, 2))])
        with pytest.raises(PairsError, match="Expected embeddings that vary"):
            function(np.ones((3, 4, 2)))
        with pytest.raises(PairsError, match="row 2 of seed 1 has zero norm"):
            function(np.where(np.arange(24).reshape(2, 4, 3) // 3 == 6, 0.0, 1.0))
        with pytest.raises(PairsError, match="seed 0 has non-finite"):
            function(np.full((2, 4, 3), np.nan))


@pytest.mark.parametrize(
    "kind", ["float16", "float64", "int", "torch", "strided", "list", "gradient"]
)
def test_shares_take_any_kind_of_array(kind: str) -> None:
    x = np.round(8 * clouds(3, 10, 4, 0.5))
    x[..., 0] += 9  # no zero rows
    make = {
        "float16": lambda: x.astype(np.float16), "float64": lambda: x, "int": lambda: x.astype(int),
        "torch": lambda: torch.tensor(x), "strided": lambda: np.repeat(x, 2, axis=2)[..., ::2],
        "list": lambda: x.tolist(),
        "gradient": lambda: torch.tensor(x, requires_grad=True),
    }[kind]()  # fmt: skip
    before = torch.as_tensor(make).clone()
    assert between_seed_share(make) == pytest.approx(between_seed_share(x), abs=1e-6)
    assert component_share(make) == pytest.approx(component_share(x), abs=1e-6)
    assert torch.equal(torch.as_tensor(make), before)


# ---- the gap of two cones


@given(st.integers(2, 30), st.integers(2, 8), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_gap_of_two_cones_is_an_identity(n: int, d: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = (
        rng.normal(size=(n, d)) + rng.normal(size=d),
        rng.normal(size=(n, d)) + rng.normal(size=d),
    )
    x, y = (
        x / np.linalg.norm(x, axis=1, keepdims=True),
        y / np.linalg.norm(y, axis=1, keepdims=True),
    )
    a, b = x.mean(0), y.mean(0)
    cosine = float(np.clip(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)), -1, 1))
    gap = modality_gap(x, y)
    assert predicted_gap(a @ a, b @ b, cosine) == pytest.approx(gap, abs=1e-5)
    assert predicted_gap(cosine_stats(x).mean, cosine_stats(y).mean, cosine, n=n) == pytest.approx(
        gap, abs=1e-3
    )
    assert np.linalg.norm(gap_vector(x, y)) == pytest.approx(gap)


def test_gap_of_the_authors_cones_and_errors() -> None:
    cones = [paper_value(f"fig2a.random_real.clip_{side}.mean") for side in ("image", "text")]
    assert predicted_gap(*cones) == pytest.approx(
        1.1787, abs=1e-4
    )  # measured by them for ViT-B/16: 1.1891
    with pytest.raises(ValueError, match=r"mean cosines in \[0, 1\]"):
        predicted_gap(-0.1, 0.5)
    with pytest.raises(ValueError, match="cosine of centers"):
        predicted_gap(0.1, 0.5, 1.1)


# ---- small encoders


def test_25_small_encoders_have_cones_of_their_own() -> None:
    """In seconds. The image cone is nearly a point, so that its seeds hold all variance; ResNets share an orthant."""
    glyphs = load_glyphs().part("validation")
    images, tokens = glyphs.images[:100], caption_tokens(glyphs.names[:100])
    x = [embed_images(random_clip(seed, size="small"), images) for seed in range(25)]
    y = [embed_texts(random_clip(seed, size="small"), tokens) for seed in range(25)]
    z = [embed_images(random_resnet18(seed, "small"), images) for seed in range(25)]
    assert [between_seed_share(side) for side in (x, y, z)] == pytest.approx(
        [0.989, 0.612, 0.872], abs=0.03
    )
    assert [component_share(side) for side in (x, y, z)] == pytest.approx(
        [0.993, 0.768, 0.922], abs=0.03
    )
    assert [modality_gap(*pair) for pair in zip(x, y, strict=True)] == pytest.approx(
        [1.25] * 25, abs=0.25
    )
