"""Random networks: their features, their mean cosines by depth, and the paper's figure 2b."""

import numpy as np
import pandas as pd
import pytest
import torch

from gapbook.cone import cosine_by_depth, linear_cosine_by_depth, stats_by_depth
from gapbook.cone.networks import BIASES, STEPS, features_by_depth
from gapbook.press.paper import paper_curves, paper_value

# ---- features


def last_features(names: list[str] | str, depths: int = 2) -> dict[str, torch.Tensor]:
    layers = features_by_depth(names, depths, 50, 32)
    return {name: features for name, depth, features in layers if depth == depths}


@pytest.mark.parametrize("name", STEPS)
def test_every_network_keeps_the_shape_and_is_finite(name: str) -> None:
    features = last_features(name)[name]
    assert features.shape == (50, 32)
    assert features.isfinite().all()


@pytest.mark.parametrize("name", ["relu", "linear+relu+linear", "linear+batchnorm+relu", "sigmoid"])
def test_networks_that_end_in_a_relu_or_sigmoid_are_not_negative(name: str) -> None:
    assert (last_features(name)[name] >= 0).all()


def test_the_order_of_layers_matters() -> None:
    last = last_features(["relu+linear", "linear+relu+batchnorm", "linear+batchnorm+relu"])
    assert (last["relu+linear"] < 0).any()
    assert float(last["linear+relu+batchnorm"].mean()) == pytest.approx(0, abs=1e-6)
    assert float(last["linear+batchnorm+relu"].mean()) > 0.1


def test_networks_of_one_seed_share_weights_whichever_are_asked_for() -> None:
    both = cosine_by_depth(["tanh", "relu"], depths=2, n=30, d=16, seeds=[1, 0])
    alone = cosine_by_depth("relu", depths=2, n=30, d=16, seeds=[0])
    relu = both.query("activation == 'relu' and seed == 0")
    assert relu["cosine"].tolist() == alone["cosine"].tolist()


def test_other_seeds_give_other_networks() -> None:
    table = cosine_by_depth("relu", depths=1, n=30, d=16, seeds=[0, 1])
    assert table.query("depth == 1")["cosine"].nunique() == 2


def test_the_callers_random_state_is_untouched() -> None:
    torch.manual_seed(9)
    before = torch.random.get_rng_state()
    cosine_by_depth("relu", depths=1, n=30, d=16, seeds=[0])
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("names", "bias"),
    [("gelu", "normal"), (["relu", "x"], "normal"), ([], "none"), ("relu", "off")],
)
def test_unknown_networks_are_named(names: list[str] | str, bias: str) -> None:
    message = "Expected activations among sigmoid, .* and bias among normal, uniform, none; got"
    with pytest.raises(ValueError, match=message):
        cosine_by_depth(names, bias=bias)


# ---- cosines by depth


def test_one_row_for_each_network_seed_and_depth() -> None:
    table = cosine_by_depth(["tanh", "relu"], depths=2, n=30, d=16, seeds=[1, 0])
    assert list(table) == ["activation", "bias", "seed", "depth", "cosine"]
    assert len(table) == len(table[["activation", "seed", "depth"]].drop_duplicates()) == 2 * 2 * 3


@pytest.mark.parametrize("name", ["relu", "maxout", "residual"])
def test_the_mean_is_that_of_the_full_matrix(name: str) -> None:
    table = cosine_by_depth(name, depths=3, n=60, d=32, seeds=[4]).set_index("depth")["cosine"]
    for _, depth, features in features_by_depth(name, 3, 60, 32, seed=4):
        unit = torch.nn.functional.normalize(features.double())
        assert table[depth] == pytest.approx(float((unit @ unit.T).mean()), abs=1e-7)


def test_without_the_diagonal_the_mean_is_that_of_the_distribution() -> None:
    table = cosine_by_depth("relu", depths=3, n=60, d=32, seeds=[4], diagonal=False)
    means = [stats.mean for stats in stats_by_depth("relu", 3, 60, 32, seed=4)]
    assert table["cosine"].to_numpy() == pytest.approx(means, abs=1e-6)


def test_batch_norm_after_relu_removes_the_cone_and_before_it_bounds_it() -> None:
    """Centered features have mean cosine near 0; normalized before a ReLU, 1/pi to 0.5."""
    names = ["relu", "linear+batchnorm+relu", "linear+relu+batchnorm", "residual"]
    table = cosine_by_depth(names, n=256, d=256, seeds=[0, 1]).query("depth == 25")
    cosine = table.groupby("activation")["cosine"].mean()
    assert cosine["relu"] > 0.999
    assert 0.25 < cosine["linear+batchnorm+relu"] < 0.5
    assert abs(cosine["linear+relu+batchnorm"]) < 0.02
    assert 0.5 < cosine["residual"] < cosine["relu"]


# ---- the authors' figure

CURVES = {key: curve for key, curve in paper_curves().items() if key.startswith("curve.fig2b.")}
AUTHORS_INPUTS = 1024


def without_diagonal(cosines: np.ndarray) -> np.ndarray:
    """Turn the authors' means over all pairs of inputs into those over different ones."""
    return (cosines * AUTHORS_INPUTS - 1) / (AUTHORS_INPUTS - 1)


@pytest.fixture(scope="module")
def bands() -> pd.DataFrame:
    """Mean and standard deviation over 8 seeds, by activation, bias and depth.

    128 inputs do: the spread over seeds is that of the weights.
    """
    tables = []
    for bias in BIASES:
        names = sorted({curve.network for curve in CURVES.values() if curve.bias == bias})
        tables.append(cosine_by_depth(names, n=128, bias=bias, diagonal=False))
    groups = pd.concat(tables).groupby(["activation", "bias", "depth"])
    return groups["cosine"].agg(["mean", "std"])


@pytest.mark.parametrize("bias", BIASES)
def test_linear_networks_follow_their_closed_form(bands: pd.DataFrame, bias: str) -> None:
    """Eight seeds scatter by 0.011 at layer 25 with normal bias: their mean by 0.004."""
    means = bands.loc[("linear", bias)]["mean"].to_numpy()
    assert means == pytest.approx(linear_cosine_by_depth(25, BIASES[bias]), abs=0.01)


@pytest.mark.parametrize("key", CURVES)
def test_the_authors_curves_lie_in_the_band_of_seeds(bands: pd.DataFrame, key: str) -> None:
    """One run lies within 4 sd of the mean of 8: their sd is itself uncertain by a quarter."""
    curve = CURVES[key]
    band = bands.loc[(curve.network, curve.bias)].loc[curve.x]
    distance = np.abs(band["mean"] - without_diagonal(np.array(curve.y)))
    beyond = distance - 4 * band["std"] - curve.uncertainty
    assert beyond.max() <= 0, f"{beyond.idxmax()} layers, band {band.loc[beyond.idxmax()]}"


def test_relu_agrees_with_the_printed_table(bands: pd.DataFrame) -> None:
    band = bands.loc[("relu", "normal")]
    printed = np.array([paper_value(f"fig2b.bias.relu.L{depth:02}") for depth in range(26)])
    distance = np.abs(band["mean"] - without_diagonal(printed))
    # the authors' inputs scatter a little as well
    assert (distance <= 4 * band["std"] + 1e-4).all()


def test_the_bands_are_narrow_enough_to_exclude_another_network(bands: pd.DataFrame) -> None:
    relu = bands.loc[("relu", "normal")]
    tanh = bands.loc[("tanh", "normal")]
    assert 0.005 < relu["std"].loc[3:7].mean() < 0.04
    apart = np.abs(relu["mean"] - tanh["mean"]) > 4 * (relu["std"] + tanh["std"])
    assert apart.loc[1:7].all()
