"""Figures of zero-shot classification: percentages, a line a model, marks of chosen amounts."""

import numpy as np
import pandas as pd
import pytest
from helpers import axis_labels, legend_texts, line_points, same_color

from gapbook import plots
from gapbook.plots.style import GROUP_COLORS

DELTAS = [-1.0, 0.0, 1.0]
STEPS = pd.DataFrame(
    {"low": [-9.0, 0.0, 2.0], "high": [0.0, 2.0, 8.0], "accuracy": [0.1, 0.5, 0.3]}
)


def accuracies(panels: str) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, float]]:
    table = pd.concat(
        pd.DataFrame({"panel": panel, "line": line, "delta": DELTAS, "accuracy": [0.1, high, 0.3]})
        for panel in panels
        for line, high in (("1/100", 0.4), ("1/10", 0.5))
    )
    points = pd.DataFrame(
        [
            (panel, "1/10", kind, delta, 0.5)
            for panel in panels
            for kind, delta in (("best", 0.0), ("honest", 1.0))
        ],
        columns=["panel", "line", "kind", "delta", "accuracy"],
    )
    return table, points, dict.fromkeys(panels, 0.2)


def test_accuracy_is_a_line_a_model_in_percent() -> None:
    figure = plots.accuracy_by_shift(*accuracies("ab"))
    for ax in figure.axes[:2]:
        lines = {line.get_label(): line for line in ax.lines}
        assert line_points(lines["1/100"]) == [(-1, 10), (0, 40), (1, 30)]
        assert same_color(lines["1/10"].get_color(), GROUP_COLORS[1])
        assert ax.get_ylim() == (0, pytest.approx(56))
    assert [ax.get_title(loc="left") for ax in figure.axes[:2]] == ["a", "b"]


def test_chosen_amounts_are_marked_where_there_are_any() -> None:
    ax = plots.accuracy_by_shift(*accuracies("a")).axes[0]
    circles = [line for line in ax.lines if line.get_marker() == "o" and len(line.get_xdata())]
    best, elsewhere = circles
    assert line_points(best) == [(0, 50)]
    assert best.get_markerfacecolor() == "none"
    assert line_points(elsewhere) == [(1, 50)]
    assert same_color(elsewhere.get_markerfacecolor(), GROUP_COLORS[1])
    assert best.get_markersize() > elsewhere.get_markersize()


def test_the_share_of_the_largest_class_is_a_dashed_line() -> None:
    ax = plots.accuracy_by_shift(*accuracies("a")).axes[0]
    dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert dashed[0].get_ydata() == [20, 20]


def test_three_panels_stand_in_a_row_with_labels_at_the_edges() -> None:
    figure = plots.accuracy_by_shift(*accuracies("abcd"))
    assert len(figure.axes) == 6
    assert [ax.get_ylabel() for ax in figure.axes] == ["accuracy, %", "", ""] * 2
    assert [bool(ax.get_xlabel()) for ax in figure.axes] == [False] * 3 + [True] * 3
    expected = ["1/100", "1/10", "best of 40 here", "chosen elsewhere", "largest class"]
    assert legend_texts(figure) == expected


def gains() -> pd.DataFrame:
    rows = [
        (panel, task, line, 0.09, gain, gain - 0.01, gain + 0.02, line == "1/10")
        for panel in ("prompts", "names")
        for task, gain in (("digit", 0.05), ("case", -0.01))
        for line in ("1/100", "1/10")
    ]
    columns = ["panel", "row", "line", "best", "value", "low", "high", "survives"]
    return pd.DataFrame(rows, columns=columns)


def test_gains_are_dots_with_intervals_filled_where_they_survive() -> None:
    left, right = plots.gains_with_intervals(gains()).axes
    dots = [line for line in left.lines if line.get_marker() == "o"]
    assert [dot.get_xdata().tolist() for dot in dots] == [[5], [-1], [5], [-1]]
    fills = [dot.get_markerfacecolor() for dot in dots]
    assert fills == ["w", "w", GROUP_COLORS[1], GROUP_COLORS[1]]
    intervals = left.collections[0].get_segments()
    np.testing.assert_allclose([line[:, 0] for line in intervals], [[4, 7], [-2, 1]])
    assert [tick.get_text() for tick in left.get_yticklabels()] == ["digit", "case"]
    assert [ax.get_title(loc="left") for ax in (left, right)] == ["prompts", "names"]


def test_the_best_gain_on_the_same_images_is_a_tick() -> None:
    ax = plots.gains_with_intervals(gains()).axes[0]
    ticks = [line for line in ax.lines if line.get_marker() == "|"]
    assert [line.get_xdata().tolist() for line in ticks] == [[9, 9], [9, 9]]


def test_a_gain_without_an_interval_has_no_line() -> None:
    table = gains()
    table.loc[table["row"] == "case", ["low", "high"]] = np.nan
    figure = plots.gains_with_intervals(table)
    segments = figure.axes[0].collections[0].get_segments()
    drawn = [segment for segment in segments if len(segment) and np.isfinite(segment).all()]
    assert len(drawn) == 1
    expected = ["1/100", "1/10", "best of 40 here", "survives correction"]
    assert legend_texts(figure) == expected


def test_every_shift_is_a_step_cut_at_both_ends_with_the_grid_on_it() -> None:
    grid = pd.DataFrame({"delta": DELTAS, "accuracy": [0.1, 0.1, 0.5]})
    figure = plots.accuracy_at_every_shift({"digit": STEPS}, {"digit": grid})
    ax = figure.axes[0]
    heights, edges, _ = ax.patches[0].get_data()
    assert heights.tolist() == [10, 50, 30]
    assert edges.tolist() == [-5, 0, 2, 5]
    assert line_points(ax.lines[0]) == [(-1, 10), (0, 10), (1, 50)]
    assert ax.get_xlim() == (-5, 5)
    assert legend_texts(ax) == ["every shift", "grid of 40"]
    assert axis_labels(ax) == ("shift δ of the images", "accuracy, %")


def test_steps_beyond_the_largest_shift_are_left_out() -> None:
    far = pd.DataFrame({"low": [-9.0, -6.0, 6.0], "high": [-6.0, 6.0, 9.0], "accuracy": 0.5})
    grid = pd.DataFrame({"delta": [0.0], "accuracy": [0.5]})
    ax = plots.accuracy_at_every_shift({"digit": far}, {"digit": grid}).axes[0]
    assert ax.patches[0].get_data().edges.tolist() == [-5, 5]


def test_confusion_is_in_percent_of_each_row_beside_the_present_shift() -> None:
    confusion = np.array([[3, 1], [0, 5]])
    figure = plots.confusion_frame(STEPS, 0.5, 0.5, confusion, ["one", "two"], "δ = 0.5")
    left, right = figure.axes[:2]
    np.testing.assert_allclose(right.images[0].get_array(), [[75, 25], [0, 100]])
    assert right.images[0].get_clim() == (0, 100)
    assert [tick.get_text() for tick in right.get_yticklabels()] == ["one", "two"]
    assert line_points(left.lines[0]) == [(0.5, 50)]
    assert left.get_title(loc="left") == "δ = 0.5"


def test_gains_over_imbalance_have_a_color_and_a_mark_a_kind() -> None:
    table = pd.DataFrame(
        {"imbalance": [0.1, 0.5, 0.9], "gain": [0.02, 0.1, -0.01], "kind": ["a", "b", "a"]}
    )
    ax = plots.gain_by_imbalance(table).axes[0]
    marks = ax.collections[0]
    np.testing.assert_allclose(marks.get_offsets(), [[10, 2], [50, 10], [90, -1]])
    colors = marks.get_facecolor()[:, :3]
    assert same_color(colors[0], GROUP_COLORS[0])
    assert same_color(colors[0], colors[2])
    assert same_color(colors[1], GROUP_COLORS[1])
    assert len({len(path.vertices) for path in marks.get_paths()}) == 2
    assert legend_texts(ax) == ["a", "b"]
    assert ax.get_ylabel() == "gain by a shift, points"
    # the same table can be drawn again
    assert table["gain"].tolist() == [0.02, 0.1, -0.01]
