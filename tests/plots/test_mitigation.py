"""Figures of what mitigations gain and cost: a mark a mitigation in every panel."""

import numpy as np
import pandas as pd
import pytest
from helpers import legend_texts, same_color

from gapbook import plots
from gapbook.plots.mitigation import MITIGATION_MARKERS

MEANS = {"gap": 0.8, "hubness": 1.5, "recall": 0.3}


def summary(sources: tuple[str, ...] = ("CLIP", "GlyphCLIP")) -> pd.DataFrame:
    rows = []
    for number, source in enumerate(sources):
        for place, mitigation in enumerate(("none", "centering", "noise")):
            for measure, mean in MEANS.items():
                mean += 0.1 * place + number
                rows.append((source, measure, mitigation, mean, mean - 0.05, mean + 0.02))
    columns = ["source", "measure", "mitigation", "mean", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def draw(table: pd.DataFrame):
    against = {"gap": "modality gap", "hubness": "hubness (skewness)"}
    return plots.tradeoff_panels(table, against, "recall", "held-out R@1")


def test_panels_are_a_column_a_source_and_a_row_a_measure() -> None:
    figure = draw(summary())
    assert len(figure.axes) == 4
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == ["CLIP", "GlyphCLIP", "", ""]
    assert [ax.get_ylabel() for ax in figure.axes] == ["held-out R@1", "", "held-out R@1", ""]
    of_gap, of_hubs = ["modality gap"] * 2, ["hubness (skewness)"] * 2
    assert [ax.get_xlabel() for ax in figure.axes] == of_gap + of_hubs


def marks(ax) -> np.ndarray:
    """Return where the marks of a panel stand."""
    return ax.collections[-1].get_offsets().data


def test_a_mark_stands_at_the_means_with_both_intervals() -> None:
    ax = draw(summary()).axes[3]
    np.testing.assert_allclose(marks(ax), [[2.5, 1.3], [2.6, 1.4], [2.7, 1.5]])
    across, upward = (bars.get_segments()[0] for bars in ax.containers[0].lines[2])
    np.testing.assert_allclose(across, [[2.45, 1.3], [2.52, 1.3]])
    np.testing.assert_allclose(upward, [[2.5, 1.25], [2.5, 1.32]])


def test_marks_and_bars_have_the_color_of_their_mitigation() -> None:
    for ax in draw(summary()).axes:
        colors = [MITIGATION_MARKERS[name][0] for name in ("none", "centering", "noise")]
        of_bars = ax.containers[0].lines[2][0].get_colors()
        for color, mark, bar in zip(
            colors, ax.collections[-1].get_facecolors(), of_bars, strict=True
        ):
            assert same_color(mark, color)
            assert same_color(bar, color)


def test_marks_of_mitigations_have_shapes_of_their_own() -> None:
    shapes = draw(summary()).axes[0].collections[-1].get_paths()
    assert len({len(shape.vertices) for shape in shapes}) == 3


def test_a_dotted_line_shows_where_nothing_is_done() -> None:
    for ax, recall in zip(draw(summary()).axes, (0.3, 1.3, 0.3, 1.3), strict=True):
        assert ax.lines[-1].get_linestyle() == ":"
        assert ax.lines[-1].get_ydata() == pytest.approx([recall, recall])


def test_one_legend_serves_all_panels() -> None:
    assert legend_texts(draw(summary())) == ["none", "centering", "noise"]


def test_styles_differ() -> None:
    assert len(set(MITIGATION_MARKERS.values())) == len(MITIGATION_MARKERS)
