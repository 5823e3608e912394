"""Figures of zero-shot classification: percentages, a line a model, marks of chosen amounts."""

import numpy as np
import pandas as pd
import pytest
from helpers import axis_labels, legend_texts, line_points, same_color
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from gapbook import plots
from gapbook.plots import labels as plots_labels
from gapbook.plots.style import GROUP_COLORS

DELTAS = [-1.0, 0.0, 1.0]
STEPS = pd.DataFrame(
    {"low": [-9.0, 0.0, 2.0], "high": [0.0, 2.0, 8.0], "accuracy": [0.1, 0.5, 0.3]}
)


def evaluated(*tasks: str) -> pd.DataFrame:
    """Return what shifts do to tasks, for two kinds of text and two models."""
    rows = [
        {
            "texts": texts,
            "task": task,
            "tau": tau,
            "n": 1200,
            "best_delta": 0.0,
            "best_gain": 0.09,
            "delta": 1.0,
            "difference": gain,
            "low": gain - 0.01,
            "high": gain + 0.02,
            "survives": tau == "1/10",
            "accuracies": np.array([0.1, high, 0.3]),
        }
        for texts in ("prompts", "names")
        for task, gain in zip(tasks, (0.05, -0.01, 0.0, 0.0), strict=False)
        for tau, high in (("1/100", 0.4), ("1/10", 0.5))
    ]
    return pd.DataFrame(rows)


def accuracy(*tasks: str) -> Figure:
    table = evaluated(*tasks)
    prompts = table[table["texts"] == "prompts"]
    return plots.accuracy_by_shift(prompts, DELTAS, dict.fromkeys(tasks, 0.2))


def test_accuracy_is_a_line_a_model_in_percent() -> None:
    figure = accuracy("a", "b")
    for ax in figure.axes[:2]:
        lines = [line for line in ax.lines if len(line.get_xdata()) == 3]
        by_color = {to_hex(line.get_color()): line_points(line) for line in lines}
        assert by_color == {
            plots_labels.look("1/100").color: [(-1, 10), (0, 40), (1, 30)],
            plots_labels.look("1/10").color: [(-1, 10), (0, 50), (1, 30)],
        }
        assert ax.get_ylim() == (0, pytest.approx(56))
    titles = [ax.get_title(loc="left") for ax in figure.axes[:2]]
    assert titles == ["a, n = 1,200", "b, n = 1,200"]


def test_chosen_amounts_are_marked() -> None:
    ax = accuracy("a").axes[0]
    color = plots_labels.look("1/10").color
    circles = [line for line in ax.lines if line.get_marker() == "o" and line.get_color() == color]
    best, elsewhere = circles
    assert line_points(best) == [(0, 50)]
    assert best.get_markerfacecolor() == "none"
    assert line_points(elsewhere) == [(1, 30)]
    assert elsewhere.get_markerfacecolor() == color
    assert best.get_markersize() > elsewhere.get_markersize()


def test_the_share_of_the_largest_class_is_a_dashed_line() -> None:
    ax = accuracy("a").axes[0]
    dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert dashed[0].get_ydata() == [20, 20]


def test_two_panels_stand_in_a_row_with_labels_at_the_edges() -> None:
    figure = accuracy(*"abcd")
    assert len(figure.axes) == 4
    assert [ax.get_ylabel() for ax in figure.axes] == ["accuracy, %", ""] * 2
    assert [bool(ax.get_xlabel()) for ax in figure.axes] == [False] * 2 + [True] * 2
    expected = ["1/10", "1/100", "best of 40 here", "chosen elsewhere", "largest class"]
    assert legend_texts(figure) == expected


def test_gains_are_dots_with_intervals() -> None:
    figure = plots.gains_with_intervals(evaluated("digit", "case"))
    left, right = figure.axes
    intervals, dots, hollow = left.collections
    np.testing.assert_allclose(dots.get_offsets()[:, 0], [5, 5, -1, -1])
    spans = [line[:, 0] for line in intervals.get_segments()]
    np.testing.assert_allclose(spans, [[4, 7], [4, 7], [-2, 1], [-2, 1]])
    assert [tick.get_text() for tick in left.get_yticklabels()] == ["digit", "case"]
    assert [ax.get_title(loc="left") for ax in (left, right)] == ["prompts", "names"]
    # white within, where a gain does not survive: the model at 1/100
    np.testing.assert_allclose(hollow.get_offsets(), dots.get_offsets()[::2])


def test_the_best_gain_on_the_same_images_is_a_tick() -> None:
    ax = plots.gains_with_intervals(evaluated("digit", "case")).axes[0]
    ticks = [line for line in ax.lines if line.get_marker() == "|"]
    assert [line.get_xdata().tolist() for line in ticks] == [[9] * 4]


def test_a_gain_without_a_shift_has_no_interval() -> None:
    table = evaluated("digit", "case")
    table.loc[table["task"] == "case", "delta"] = 0.0
    figure = plots.gains_with_intervals(table)
    intervals, dots, _ = figure.axes[0].collections
    assert len(intervals.get_segments()) == 2
    assert len(dots.get_offsets()) == 4
    expected = ["1/10", "1/100", "best of 40 here", "survives correction"]
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
    (drawn,) = right.collections
    np.testing.assert_allclose(drawn.get_array(), [[75, 25], [0, 100]])
    assert drawn.get_clim() == (0, 100)
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
