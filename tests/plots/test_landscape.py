"""Figures of losses over a shift: a line a temperature, a dot at each minimum."""

import itertools

import numpy as np
import pandas as pd
import pytest
from helpers import axis_labels, legend_texts, line_points, same_color

from gapbook import plots
from gapbook.plots.labels import tau_color
from gapbook.plots.landscape import MITIGATION_STYLES


def losses(panel: str, line: str, least_at: float) -> pd.DataFrame:
    signed = np.array([1.5, 1, 0.5, 0, -0.5])
    loss = (signed - least_at) ** 2
    return pd.DataFrame({"panel": panel, "line": line, "signed": signed, "loss": loss})


def test_each_line_has_a_dot_at_its_minimum() -> None:
    table = pd.concat([losses("a", "1/100", 1), losses("a", "1/10", 0)])
    ax = plots.loss_curves(table, {"a": 0.7}).axes[0]
    assert line_points(ax.lines[1]) == [(1, 0)]
    assert line_points(ax.lines[3]) == [(0, 0)]
    assert len(ax.lines[0].get_xdata()) == 5
    assert same_color(ax.lines[2].get_color(), tau_color(0.1))


def test_the_present_gap_is_a_dashed_line_and_the_gap_closes_to_the_right() -> None:
    figure = plots.loss_curves(losses("a", "1/100", 1), {"a": 0.7}, "temperature")
    ax = figure.axes[0]
    assert ax.lines[-1].get_xdata() == [0.7, 0.7]
    assert ax.lines[-1].get_linestyle() == "--"
    assert ax.get_xlim() == (2, -2)
    assert figure.legends[0].get_title().get_text() == "temperature"
    assert legend_texts(figure) == ["1/100", "minimum", "present gap"]


def test_many_lines_get_a_sequence_of_colors() -> None:
    table = pd.concat([losses("a", f"1/{n}", 1) for n in range(5)])
    lines = plots.loss_curves(table, {"a": 1}).axes[0].lines[:-1:2]
    assert len({tuple(line.get_color()) for line in lines}) == 5


def test_there_is_a_panel_for_each_curve_and_no_other() -> None:
    table = pd.concat([losses(panel, "1/100", 1) for panel in "abc"])
    figure = plots.loss_curves(table, dict.fromkeys("abc", 1))
    assert [ax.get_title(loc="left") for ax in figure.axes] == [*"abc"]


def test_each_mitigation_has_its_value_its_interval_and_its_style() -> None:
    rows = [
        (source, mitigation, measure, value, value - 0.1, value + 0.2)
        for source in ("run 0", "run 1")
        for measure, value in (("fixed", 2.0), ("retuned", 1.0))
        for mitigation in MITIGATION_STYLES
    ]
    columns = ["source", "mitigation", "measure", "value", "low", "high"]
    panels = {"At 1/100": "fixed", "At the best": "retuned"}
    figure = plots.loss_by_mitigation(pd.DataFrame(rows, columns=columns), panels)
    left, right = figure.axes
    assert len(left.containers) == len(MITIGATION_STYLES)
    for group, (color, marker) in zip(left.containers, MITIGATION_STYLES.values(), strict=True):
        dots = group.lines[0]
        assert dots.get_xdata().tolist() == [2, 2]
        assert same_color(dots.get_color(), color)
        assert dots.get_marker() == marker
        bar = group.lines[2][0].get_segments()[0]
        np.testing.assert_allclose(bar[:, 0], [1.9, 2.2])
    assert right.containers[0].lines[0].get_xdata().tolist() == [1, 1]
    # rows of one source stand around its tick, each at a height of its own
    heights = [group.lines[0].get_ydata()[0] for group in left.containers]
    assert np.mean(heights) == pytest.approx(0)
    assert len(set(heights)) == len(heights)
    assert [tick.get_text() for tick in left.get_yticklabels()] == ["run 0", "run 1"]
    assert legend_texts(figure) == list(MITIGATION_STYLES)


def test_a_frame_of_shifted_pairs_marks_where_it_is_on_both_curves() -> None:
    curve = losses("a", "1/100", 1).assign(retuned=lambda table: table["loss"] / 2)
    a = np.zeros((4, 2))
    left, right = plots.shift_frame(a, a + 0.5, curve, 2, "Shift 0.5").axes
    assert left.get_title(loc="left") == "Shift 0.5"
    assert len(left.collections[1].get_offsets()) == 4
    at_100, here, at_best, here_too = right.lines
    assert line_points(here) == [(0.5, 0.25)]
    assert line_points(here_too) == [(0.5, 0.125)]
    assert at_100.get_linestyle() != at_best.get_linestyle()
    assert right.get_xlim() == (2, -2)
    assert axis_labels(right) == ("signed distance of the means", "symmetric loss (nats)")


def test_neighboring_temperatures_differ_in_dashes_too() -> None:
    table = pd.concat([losses("a", tau, 1) for tau in ("1/20", "1/30", "1/50", "1/100")])
    lines = plots.loss_curves(table, {"a": 1}).axes[0].lines[:-1:2]
    looks = [line.get_linestyle() for line in lines]
    assert all(look != following for look, following in itertools.pairwise(looks))


def test_the_legend_stands_in_the_place_that_three_panels_leave_over() -> None:
    table = pd.concat([losses(panel, "1/100", 1) for panel in "abc"])
    figure = plots.loss_curves(table, dict.fromkeys("abc", 1))
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    assert not any(legend.overlaps(ax.get_window_extent()) for ax in figure.axes)
    assert legend.x1 < figure.bbox.x1
