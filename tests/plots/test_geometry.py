"""Figures of measures and causes: a bar a measure, an arrow a run, a dot a source."""

import numpy as np
import pandas as pd
import pytest
from helpers import axis_labels, legend_texts, line_points, same_color

from gapbook import plots
from gapbook.plots.geometry import SOURCE_COLORS
from gapbook.plots.style import FIRST_COLOR, SECOND_COLOR


def test_rank_correlations_are_bars_with_their_numbers() -> None:
    ranks = pd.DataFrame({"all": [0.9, -0.5], "trained": [0.8, 0.1]}, index=["gap", "recall"])
    left, right = plots.rank_correlations_with_gap(ranks, {"all": 15, "trained": 11}).axes
    assert [bar.get_width() for bar in left.patches] == [0.9, -0.5]
    assert [text.get_text() for text in right.texts] == ["0.80", "0.10"]
    # a number stands beyond the end of its bar, or inside a long one
    assert [text.get_ha() for text in left.texts] == ["right", "right"]
    assert left.texts[0].get_position()[0] < 0.9
    assert left.texts[1].get_position()[0] < -0.5
    assert left.get_title(loc="left") == "all: 15 sources"
    assert left.yaxis_inverted()


def test_shares_of_dimensions_add_up_and_removal_starts_at_the_gap() -> None:
    shares = {"a": np.array([0.7, 0.2, 0.1]), "b": np.array([0.5, 0.3, 0.2])}
    removed = pd.DataFrame(
        [("a", 0, 0.8, 1.0), ("a", 2, 0.3, 0.9), ("b", 0, 0.5, 1.0), ("b", 2, 0.2, 0.8)],
        columns=["source", "k", "gap", "separability"],
    )
    figure = plots.gap_in_few_dimensions(shares, removed, {3: np.full(3, 1 / 3)})
    first, second, third = figure.axes
    assert line_points(first.lines[0]) == [(1, 0.7), (2, 0.9), (3, 1)]
    assert line_points(first.lines[2]) == [(1, 0.333333), (2, 0.666667), (3, 1)]
    assert line_points(second.lines[1]) == [(0, 0.5), (2, 0.2)]
    # the first line of the third panel is a guess of two
    assert line_points(third.lines[0]) == [(0, 1), (2, 0.9)]
    assert third.lines[2].get_ydata() == [0.5, 0.5]
    assert legend_texts(figure) == ["a", "b", "by chance, 3 dimensions"]
    assert same_color(first.lines[1].get_color(), second.lines[1].get_color())


def test_an_arrow_leads_from_the_start_to_the_end_of_each_run() -> None:
    table = pd.DataFrame(
        [("a", "GlyphCLIP", 1.2, 0.7, 0.6, 0.9), ("b", "free vectors", 1.0, 0.1, 0, 0.2)],
        columns=["run", "kind", "start", "end", "low", "high"],
    )
    ax = plots.gap_before_and_after(table).axes[0]
    arrows = [(text.xyann, text.xy) for text in ax.texts]
    assert arrows == [((1.2, 0), (0.7, 0)), ((1.0, 1), (0.1, 1))]
    starts = [line_points(line) for line in ax.lines if line.get_marker() == "o"]
    assert starts == [[(1.2, 0)], [(1, 1)]]
    bar = ax.containers[0].lines[2][0].get_segments()[0]
    np.testing.assert_allclose(bar[:, 0], [0.6, 0.9])
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["a", "b"]
    assert legend_texts(ax) == ["GlyphCLIP", "free vectors"]
    assert same_color(ax.containers[1].lines[0].get_color(), SOURCE_COLORS[1])


def test_shared_variance_is_a_dot_of_each_modality_a_run_and_a_label_a_group() -> None:
    table = pd.DataFrame(
        [("1/100", 0.7, 0.5, 0.4), ("1/100", 0.8, 0.5, 0.6), ("1/10", 0.1, 0.9, 1.0)],
        columns=["group", "gap", "x_in_y", "y_in_x"],
    )
    ax = plots.shared_variance_by_gap(table).axes[0]
    images, texts = ax.lines[:2]
    assert line_points(images) == [(0.7, 0.5), (0.8, 0.5), (0.1, 0.9)]
    assert line_points(texts) == [(0.7, 0.4), (0.8, 0.6), (0.1, 1)]
    assert same_color(images.get_color(), FIRST_COLOR)
    assert same_color(texts.get_color(), SECOND_COLOR)
    labels = {text.get_text(): text.xy for text in ax.texts}
    assert labels["1/100"] == pytest.approx((0.75, 0.64))
    assert len(labels) == 2


def test_gaps_by_temperature_are_hollow_where_it_was_learned() -> None:
    table = pd.DataFrame(
        [
            ("whole", 0.1, 0.1, False),
            ("whole", 0.1, 0.2, False),
            ("whole", 0.01, 0.7, False),
            ("whole", 0.02, 0.3, True),
            ("first word", 0.01, 0.9, False),
        ],
        columns=["captions", "tau", "gap", "learned"],
    )
    ax = plots.gap_by_temperature(table).axes[0]
    means, fixed, learned, other = ax.lines
    assert line_points(means) == [(0.01, 0.7), (0.1, 0.15)]
    assert len(fixed.get_xdata()) == 3
    assert learned.get_markerfacecolor() == "w"
    assert fixed.get_markerfacecolor() != "w"
    assert other.get_marker() != fixed.get_marker()
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["1/100", "1/10"]
    assert legend_texts(ax) == ["whole", "first word", "hollow: learned"]
    assert axis_labels(ax) == ("temperature at the end", "modality gap")
