"""Figures of cones and random networks: a line a network, a dot a measurement."""

import numpy as np
import pandas as pd
import pytest
from helpers import axis_labels, legend_texts, line_points, same_color
from scipy.integrate import trapezoid

from gapbook import plots
from gapbook.geometry import cosine_stats
from gapbook.plots.cone import NETWORK_STYLES
from gapbook.plots.style import GROUP_COLORS

RNG = np.random.default_rng(0)
DEPTHS = [0, 1, 2]


def by_depth(panel: str, network: str, end: float, **columns: object) -> pd.DataFrame:
    runs = []
    for seed, offset in enumerate((-0.1, 0, 0.1)):
        cosine = np.linspace(0, end, 3) + offset
        fixed = {"panel": panel, "network": network, "seed": seed, "depth": DEPTHS}
        runs.append(pd.DataFrame(fixed | {"cosine": cosine} | columns))
    return pd.concat(runs)


def test_histograms_are_densities_with_the_mean_in_the_legend() -> None:
    stats = {
        name: cosine_stats(RNG.normal(size=(30, 4)) + mean)
        for name, mean in (("glyphclip-t10", 0), ("glyphclip", 3))
    }
    wide = {"wide": stats["glyphclip-t10"]}
    left, right = plots.cosine_histograms({"Images": stats, "Texts": wide}).axes
    assert [len(ax.lines) for ax in (left, right)] == [2, 1]
    for line, (name, each) in zip(left.lines, stats.items(), strict=True):
        assert max(line.get_ydata()) == pytest.approx(
            max(each.histogram.counts) / each.n_pairs / np.diff(each.histogram.edges)[0]
        )
        assert same_color(line.get_color(), plots.look(name).color)
    assert legend_texts(left) == [
        f"{plots.label(name)}: {each.mean:.2f}" for name, each in stats.items()
    ]
    assert left.get_yscale() == "log"
    assert axis_labels(left) == ("cosine of two items", "density")


def test_each_network_is_a_dot_in_the_color_of_its_initialization() -> None:
    table = pd.DataFrame(
        {
            "network": ["images", "images", "texts"],
            "initialization": ["OpenAI", "library", "OpenAI"],
            "mean": [0.9, 0.99, 0.4],
        }
    )
    ax = plots.cones_by_network(table).axes[0]
    dots = [x for dot in ax.collections for x, _ in np.asarray(dot.get_offsets())]
    assert sorted(dots) == [0.4, 0.9, 0.99]
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["images", "texts"]
    assert legend_texts(ax) == ["OpenAI", "library"]
    assert axis_labels(ax) == ("mean cosine", "")


def test_caps_are_labeled_by_their_dimension() -> None:
    ax = plots.caps_by_dimension([2, 3, 512], [-0.5, -1, -66], "A cap").axes[0]
    assert line_points(ax.lines[0]) == [(2, -0.5), (3, -1), (512, -66)]
    assert [text.get_text() for text in ax.texts] == ["2", "3", "512"]
    assert ax.get_title(loc="left") == "A cap"
    assert ax.get_xscale() == "log"


def test_each_network_has_its_line_its_band_and_its_style() -> None:
    table = pd.concat([by_depth("p", "relu", 0.9), by_depth("p", "sigmoid", 1)])
    ax = plots.cosine_by_depth(table).axes[0]
    band, _ = ax.collections
    assert band.get_paths()[0].get_extents().y0 == pytest.approx(-0.1)
    assert band.get_paths()[0].get_extents().y1 == pytest.approx(1)
    relu, sigmoid = ax.lines
    assert np.array(line_points(relu)) == pytest.approx(np.array([(0, 0), (1, 0.45), (2, 0.9)]))
    color, dash = NETWORK_STYLES["sigmoid"]
    assert same_color(sigmoid.get_color(), color)
    assert sigmoid.get_linestyle() == dash
    assert legend_texts(ax) == ["ReLU", "sigmoid"]
    assert axis_labels(ax) == ("layers", "mean cosine")


def test_what_the_authors_report_and_theory_are_in_the_legend_of_their_panel() -> None:
    measured = by_depth("left", "relu", 0.9, paper=[0, np.nan, 0.8])
    exact = by_depth("right", "linear", 0.5, theory=[0, 0.2, 0.4])
    left, right = plots.cosine_by_depth(pd.concat([measured, exact])).axes
    assert legend_texts(left) == ["ReLU", "the authors"]
    assert legend_texts(right) == ["linear", "infinite width"]
    dots = next(line for line in left.lines if line.get_marker() == "o")
    assert line_points(dots)[2] == (2, 0.8)


def test_panels_share_their_vertical_axis_unless_told_otherwise() -> None:
    table = pd.concat([by_depth("left", "relu", 1), by_depth("right", "linear", 0.01)])
    left, right = plots.cosine_by_depth(table).axes
    assert left.get_ylim() == right.get_ylim()
    left, right = plots.cosine_by_depth(table, sharey=False).axes
    assert left.get_ylim() != right.get_ylim()


def test_narrowing_is_a_line_a_network_and_a_law_on_both_axes() -> None:
    table = pd.DataFrame(
        [
            (name, seed, depth, 10.0**-depth * (1 + seed))
            for name in ("biases", "no biases")
            for seed in range(3)
            for depth in (1, 2, 3)
        ],
        columns=["network", "seed", "depth", "one_minus_cosine"],
    )
    laws = {"halves": (np.array([1, 2]), np.array([0.5, 0.25]))}
    left, right = plots.one_minus_cosine_by_depth(table, laws).axes
    for ax in (left, right):
        lines = [line for line in ax.lines if len(line.get_xdata())]
        assert len(lines) == 7
        assert line_points(lines[-1]) == [(1, 0.5), (2, 0.25)]
        assert ax.get_yscale() == "log"
    assert [left.get_xscale(), right.get_xscale()] == ["linear", "log"]
    assert legend_texts(right) == ["biases", "no biases", "halves"]
    assert left.get_legend() is None
    assert axis_labels(left) == ("layers", "1 − mean cosine")


def test_a_frame_of_cosines_shows_shares_and_their_mean() -> None:
    histogram = cosine_stats(RNG.normal(size=(20, 4)), bins=10).histogram
    ax = plots.cosine_frame(histogram, 0.25, "4 layers").axes[0]
    assert sum(bar.get_height() for bar in ax.patches) == pytest.approx(1)
    assert ax.lines[0].get_xdata() == [0.25, 0.25]
    assert ax.get_xlim() == (-0.4, 1)
    assert ax.get_ylim() == (0, 1)


def test_growth_leaves_out_what_a_logarithmic_axis_cannot_show() -> None:
    table = pd.DataFrame(
        {
            "setting": "norms 1",
            "cosine": [0, 0.5, 0.9],
            "probability": [1, 1, 0.5],
            "low": [1, 0.9, 0.4],
            "high": [1, 1, 0.6],
            "slack": [0.1, 0, -0.1],
            "gain": [0.2, 0.1, -0.1],
        }
    )
    left, right = plots.cosine_growth(table).axes
    assert line_points(left.lines[0]) == [(0, 1), (0.5, 1), (0.9, 0.5)]
    assert left.lines[-1].get_xdata() == [0.6, 0.6]
    gain, slack = right.lines[:2]
    assert np.isnan(gain.get_ydata()).tolist() == [False, False, True]
    assert np.isnan(slack.get_ydata()).tolist() == [False, True, True]
    assert legend_texts(right) == ["gain, norms 1", "slack (bias alone)"]
    assert axis_labels(left) == ("cosine of u and v", "P(cosine grows)")


def test_a_network_without_a_style_gets_a_color() -> None:
    table = pd.concat([by_depth("p", "class token", 0.9), by_depth("p", "a patch", 0.1)])
    ax = plots.cosine_by_depth(table).axes[0]
    assert [line.get_color() for line in ax.lines] == list(GROUP_COLORS[:2])


def test_highlighted_seeds_stand_before_the_others_which_are_gray() -> None:
    views = {"PCA": {name: RNG.normal(size=(5, 4, 2)) for name in ("image", "text", "ResNet")}}
    figure = plots.seed_clouds(views, highlight=[2, 4])
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == ["PCA: image", "PCA: text", "PCA: ResNet"]
    rest, two, four = figure.axes[0].collections
    red, green, blue = rest.get_facecolor()[0][:3]
    assert red == green == blue
    np.testing.assert_array_equal(two.get_offsets(), views["PCA"]["image"][2])
    np.testing.assert_array_equal(four.get_offsets(), views["PCA"]["image"][4])
    assert same_color(two.get_facecolor()[0][:3], GROUP_COLORS[0])


def test_gaps_stand_over_the_cosine_of_the_centers_beside_the_prediction() -> None:
    cosines = np.array([-0.1, 0, 0.2])
    gaps = np.array([1.3, 1.2, 1.1])
    figure = plots.gap_by_center_cosine(cosines, gaps, (cosines, gaps + 0.01), d=64)
    left, right = figure.axes
    measured = np.asarray(left.collections[0].get_offsets())
    assert measured.tolist() == [[-0.1, 1.3], [0, 1.2], [0.2, 1.1]]
    assert line_points(left.lines[0])[0] == (-0.1, 1.31)
    assert axis_labels(left) == ("cosine of the two means", "modality gap")
    normal = right.lines[0]
    area = trapezoid(normal.get_ydata(), normal.get_xdata())
    assert area == pytest.approx(1, abs=1e-3)
    assert legend_texts(right) == ["N(0, 1/64)"]
