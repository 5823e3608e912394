"""Figures of toy problems and free embeddings: a line a temperature, a dot at each minimum."""

import numpy as np
import pandas as pd
import pytest
from helpers import axis_labels, legend_texts, line_points, same_color
from scipy import stats

from gapbook import plots
from gapbook.plots.style import FIRST_COLOR, SECOND_COLOR
from gapbook.simulation import sphere_points


def toy(panel: str, scale: float, least_at: float, **columns: object) -> pd.DataFrame:
    x = np.arange(0, 91, 10)
    loss = np.abs(x - least_at) / scale
    return pd.DataFrame({"panel": panel, "scale": scale, "x": x, "loss": loss} | columns)


def test_toy_losses_are_a_line_and_dots_a_temperature() -> None:
    table = pd.concat([toy("a", 1, 40), toy("a", 100, 0), toy("b", 1, 0), toy("b", 100, 0)])
    figure = plots.toy_losses(table, "angle")
    left, right = figure.axes
    assert len(left.lines) == len(right.lines) == 4
    assert len(left.lines[0].get_xdata()) == 10
    assert line_points(left.lines[1]) == [(40, 0)]
    assert legend_texts(figure) == ["1", "1/100"]
    assert axis_labels(left) == ("angle", "loss")
    assert left.get_xticks().tolist() == [0, 22.5, 45, 67.5, 90]


def test_all_minima_of_equal_loss_are_marked() -> None:
    table = toy("a", 1, 0).assign(loss=[0, 1, 2, 0, 2, 3, 4, 1e-12, 2, 3])
    ax = plots.toy_losses(table, "height").axes[0]
    assert ax.lines[1].get_xdata().tolist() == [0, 30, 70]


def test_a_second_variant_is_dashed_with_open_dots_in_the_same_color() -> None:
    table = pd.concat([toy("a", 1, 40, dashed=False), toy("a", 1, 20, dashed=True)])
    line, dot, dashed, hollow = plots.toy_losses(table, "angle").axes[0].lines
    assert [line.get_linestyle(), dashed.get_linestyle()] == ["-", "--"]
    assert same_color(line.get_color(), dashed.get_color())
    assert hollow.get_markerfacecolor() == "w"
    assert dot.get_markerfacecolor() != "w"
    assert line_points(hollow) == [(20, 0)]


def test_losses_over_the_effective_scale_are_marks_on_the_last_line_with_a_star() -> None:
    table = pd.concat(
        toy("", scale, 0).assign(effective=lambda t: t["scale"] * np.cos(np.radians(t["x"])))
        for scale in (1, 5, 100)
    )
    figure = plots.loss_over_effective_scale(table, (12.3, 0.1), ("angle", "effective scale"))
    left, right = figure.axes
    # three lines and the least loss; two lines of marks, one line, and the star
    assert len(left.lines) == len(right.lines) == 4
    markers = [line.get_marker() for line in right.lines]
    assert markers[2] == "None"
    assert len(set(markers)) == 4
    assert line_points(right.lines[3]) == [(12.3, 0.1)]
    assert right.texts[0].get_text() == "s* = 12.3"
    assert [axis_labels(ax)[0] for ax in (left, right)] == ["angle", "effective scale"]
    assert legend_texts(figure) == ["1", "1/5", "1/100"]
    handles = figure.legends[0].legend_handles
    assert [handle.get_marker() for handle in handles[:2]] == markers[:2]
    assert [line.get_marker() for line in left.lines[:2]] == markers[:2]


def sphere(angle: float):
    angles = np.arange(91)
    curve = (angles, angles / 90)
    figure = plots.sphere_frame(sphere_points(angle), curve, (angle, angle / 90), "frame")
    return figure.axes


def test_the_sphere_shows_both_modalities_and_the_present_angle() -> None:
    ball, ax = sphere(40)
    images, texts = ball.collections
    assert same_color(images.get_facecolor()[0][:3], FIRST_COLOR)
    assert same_color(texts.get_facecolor()[0][:3], SECOND_COLOR)
    n = len(sphere_points(40)[0])
    assert len(images.get_offsets()) == len(texts.get_offsets()) == n
    assert np.linalg.norm(images.get_offsets(), axis=1).max() <= 1 + 1e-9
    assert line_points(ax.lines[1]) == [(40, 0.444444)]
    assert axis_labels(ax)[0] == "angle of the texts below the images (degrees)"
    assert ax.get_ylim() == (0, 2.2)


def test_pairs_are_numbered_until_the_numbers_would_cover_each_other() -> None:
    near, far = sphere(40)[0], sphere(84)[0]
    assert [text.get_text() for text in near.texts] == ["1", "2", "1", "2"]
    assert not far.texts


def test_texts_lie_below_images() -> None:
    images, texts = sphere(60)[0].collections
    assert (texts.get_offsets()[:, 1] < images.get_offsets()[:, 1]).all()


def free_runs() -> pd.DataFrame:
    rows = [
        (panel, tau_label, start, seed, step, gap / (1 + step) + 0.1 * seed)
        for panel in ("right", "mismatched")
        for tau_label, gap in (("1/10", 1), ("1/100", 2))
        for start in ("two cones", "one cone")
        for seed in range(3)
        for step in (0, 1, 9)
    ]
    columns = ["panel", "tau_label", "start", "seed", "step", "gap"]
    return pd.DataFrame(rows, columns=columns)


def test_free_vectors_are_means_over_seeds_without_step_0() -> None:
    figure = plots.gap_of_free_vectors(free_runs(), "step of Adam")
    left, right = figure.axes
    assert len(left.lines) == len(right.lines) == 4
    assert line_points(left.lines[0]) == [(1, 0.6), (9, 0.2)]
    assert [line.is_dashed() for line in left.lines] == [False, True, False, True]
    assert same_color(left.lines[0].get_color(), left.lines[1].get_color())
    assert axis_labels(left) == ("step of Adam", "modality gap")
    assert right.get_ylabel() == ""
    assert left.get_xscale() == "log"
    assert legend_texts(figure) == ["1/10", "1/100", "two cones", "one cone"]


def test_their_bands_are_95_percent_t_intervals() -> None:
    band = plots.gap_of_free_vectors(free_runs()).axes[0].collections[0].get_paths()[0].vertices
    seeds = np.array([0.5, 0.6, 0.7])
    expected = stats.t.interval(0.95, 2, seeds.mean(), stats.sem(seeds))
    ends = band[np.isclose(band[:, 0], 1), 1]
    assert (ends.min(), ends.max()) == pytest.approx(expected)


def test_gradient_flow_has_a_line_a_run_and_the_predicted_power_at_the_right() -> None:
    flows = {"1/10": pd.DataFrame({"time": [1, 10, 100], "gap": [1, 0.5, 0.1]})}
    tau = np.array([0.07, 0.05, 0.03])
    learned = {"1": (pd.DataFrame({"tau": tau, "gap": 10 * tau}), 2.0)}
    left, right = plots.gap_under_gradient_flow(flows, learned).axes
    assert line_points(left.lines[0]) == [(1, 1), (10, 0.5), (100, 0.1)]
    measured, predicted = right.lines
    np.testing.assert_allclose(measured.get_ydata(), 10 * tau)
    np.testing.assert_allclose(predicted.get_ydata(), 0.7 * (tau / 0.07) ** 2)
    assert (right.get_xscale(), right.get_yscale()) == ("log", "log")
    assert [tick.get_text() for tick in right.get_xticklabels()] == ["0.02", "0.03", "0.05", "0.07"]
    assert right.get_legend().get_title().get_text() == "rate of log s"
    assert axis_labels(left) == ("time (gradient flow)", "modality gap")


def test_forces_of_the_sketch_are_tangents_that_close_the_gap_at_the_left() -> None:
    figure = plots.forces_on_the_circle(0.6)
    for ax, sign in zip(figure.axes, (-1, 1), strict=True):
        _, left_of_image, _, left_of_text = [arrow for arrow in ax.texts if not arrow.get_text()]
        for arrow, height in ((left_of_image, 0.6), (left_of_text, -0.6)):
            place = np.array([0.8, height])
            assert (np.array(arrow.xy) - place) @ place == pytest.approx(0)
            # toward the middle, or away from it
            assert np.sign(arrow.xy[1] - height) == sign * np.sign(height)


def ladder_runs() -> pd.DataFrame:
    """Return two panels of two lines, three seeds each, with gaps that are known."""
    rows = []
    for panel, line, height in (("a", "one", 1.0), ("a", "two", 2.0), ("b", "one", 3.0)):
        for seed in range(3):
            for step in (0, 2, 20):
                row = {"panel": panel, "line": line, "seed": seed, "step": step}
                rows.append(row | {"gap": height + 0.1 * (seed - 1)})
    return pd.DataFrame(rows)


def test_ladder_has_a_panel_for_each_kind_and_the_mean_over_seeds() -> None:
    first, second = plots.gap_of_ladder(ladder_runs()).axes
    assert [ax.get_title(loc="left") or ax.get_title() for ax in (first, second)] == ["a", "b"]
    heights = [line.get_ydata().tolist() for line in first.lines if len(line.get_ydata())]
    assert heights == [pytest.approx([1.0] * 3), pytest.approx([2.0] * 3)]
    assert [text.get_text() for text in first.get_legend().get_texts()] == ["one", "two"]
    # The panel that reaches highest is not the first.
    assert first.get_ylim()[0] == 0
    assert first.get_ylim()[1] > 3.1


def test_ladder_is_drawn_over_another_column_with_its_label() -> None:
    curves = ladder_runs().assign(progress=lambda rows: 3 * rows["step"])
    first = plots.gap_of_ladder(curves, over="progress", label="steps times rate").axes[0]
    assert first.get_xlabel() == "steps times rate"
    drawn = [line.get_xdata() for line in first.lines if len(line.get_xdata())]
    np.testing.assert_allclose(drawn, [[0, 6, 60], [0, 6, 60]])


def test_ladder_begins_at_step_0_which_a_logarithmic_axis_would_leave_out() -> None:
    ax = plots.gap_of_ladder(ladder_runs()).axes[0]
    assert ax.get_xlim()[0] == 0
    places = ax.transData.transform([[0, 1], [2, 1], [20, 1], [200, 1]])[:, 0]
    # Tenfold steps are equally far apart from the first step on, and 0 has a place before it.
    assert places[2] - places[1] == pytest.approx(places[3] - places[2], rel=0.01)
    assert places[0] < places[1]
    # Before the first step there is no tick but that of 0.
    assert ax.get_xticks().tolist() == [0, 10]
