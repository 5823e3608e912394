"""Figures of counts: percentages with intervals on a square-root axis, and p over changes."""

import numpy as np
import pandas as pd
import pytest
from helpers import axis_labels, legend_texts, line_points, same_color

from gapbook import plots
from gapbook.plots.bias import DATA_SET_STYLES


def rates() -> pd.DataFrame:
    rows = [
        (panel, group, shift, rate, rate - 0.01, rate + 0.02)
        for panel in ("crime", "other")
        for group, base in (("A", 0.05), ("B", 0.1))
        for shift, rate in (("-1", 2 * base), ("0", base))
    ]
    return pd.DataFrame(rows, columns=["panel", "group", "shift", "rate", "low", "high"])


def test_each_shift_has_a_mark_and_an_interval_in_each_group() -> None:
    figure = plots.group_rates(rates())
    for ax in figure.axes:
        lines, dots = ax.collections[::2], ax.collections[1::2]
        rates_drawn = [marks.get_offsets()[:, 0].tolist() for marks in dots]
        assert rates_drawn == [[10, 20], [5, 10]]
        outlines = {tuple(marks.get_paths()[0].vertices.ravel()) for marks in dots}
        assert len(outlines) == 2
        first = lines[0].get_segments()
        np.testing.assert_allclose([line[:, 0] for line in first], [[9, 12], [19, 22]])
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["crime", "other"]
    assert [tick.get_text() for tick in figure.axes[0].get_yticklabels()] == ["A", "B"]
    assert legend_texts(figure) == ["-1", "0"]
    assert figure.legends[0].get_title().get_text() == "shift δ"


def test_marks_of_one_group_stand_at_different_heights_around_its_tick() -> None:
    dots = plots.group_rates(rates()).axes[0].collections[1::2]
    first, second = (marks.get_offsets()[:, 1] for marks in dots)
    np.testing.assert_allclose(first + second, [0, 2], atol=1e-12)
    assert (first < second).all()


def test_the_axis_goes_by_the_square_root() -> None:
    ax = plots.group_rates(rates(), label="rate of all, %").axes[0]
    place = ax.transData.transform
    left, quarter, whole = (place((value, 0))[0] for value in (0, 5, 20))
    np.testing.assert_allclose(quarter - left, (whole - left) / 2)
    assert ax.get_xlabel() == "rate of all, %\n(square-root axis)"
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "1", "5", "10", "20"]


def test_printed_rates_are_open_circles_at_the_height_of_their_shift() -> None:
    printed = pd.DataFrame([("crime", "B", "0", 0.12)], columns=["panel", "group", "shift", "rate"])
    figure = plots.group_rates(rates(), printed)
    computed = figure.axes[0].collections[3].get_offsets()
    circles = figure.axes[0].lines[1]
    assert circles.get_markerfacecolor() == "none"
    np.testing.assert_array_equal(circles.get_xdata(), [np.nan, 12])
    assert circles.get_ydata()[1] == computed[1, 1]
    assert legend_texts(figure) == ["-1", "0", "printed"]


def test_a_group_without_a_rate_leaves_its_place_empty() -> None:
    table = rates()
    table = table[~((table["group"] == "A") & (table["shift"] == "0"))]
    ax = plots.group_rates(table).axes[0]
    drawn = ax.collections[3].get_offsets()
    assert drawn[~np.isnan(drawn).any(axis=1)].tolist() == [[10, pytest.approx(1.3)]]


def test_panels_beside_each_other_leave_out_groups_that_none_of_them_has() -> None:
    table = rates()
    third = table[table["panel"] == "crime"].assign(panel="all")
    upper = table[table["group"] == "B"]
    axes = plots.group_rates(pd.concat([upper, third])).axes
    names = [[tick.get_text() for tick in ax.get_yticklabels()] for ax in (axes[0], axes[2])]
    assert names == [["B"], ["A", "B"]]


def test_p_over_changes_is_a_line_a_data_set_with_both_tests_marked() -> None:
    names = ["CIFAR10", "SVHN"]
    curves = pd.concat(
        pd.DataFrame({"panel": panel, "name": name, "share": [0.01, 0.1], "p": [1e-6, 0.2]})
        for panel in ("test", "all")
        for name in names
    )
    marks = pd.DataFrame(
        [("test", "CIFAR10", 0.05, 0.3, 0.04), ("test", "SVHN", 0.02, 0.5, np.nan)],
        columns=["panel", "name", "share", "p", "printed"],
    )
    figure = plots.paired_p_by_changes(curves, marks)
    left, right = figure.axes
    lines = {line.get_label(): line for line in left.lines}
    for name in names:
        color, dash = DATA_SET_STYLES[name]
        assert line_points(lines[name]) == [(1, 1e-6), (10, 0.2)]
        assert same_color(lines[name].get_color(), color)
        assert lines[name].get_linestyle() == dash
    dots = [line_points(line) for line in left.lines if line.get_marker() == "o"]
    assert dots[:2] == [[(5, 0.3)], [(5, 0.04)]]
    assert np.isnan(dots[3][0][1])
    assert left.lines[-1].get_ydata() == [0.05, 0.05]
    # no marks are known for the other panel
    assert len(right.lines) == len(names) + 1
    assert (left.get_xscale(), left.get_yscale()) == ("log", "log")
    assert axis_labels(left) == ("images that changed sides, %", "p")
    assert legend_texts(figure) == [*DATA_SET_STYLES, "unpaired test", "printed"]
