"""The figure of what mitigations gain and cost: a row a mitigation, a panel a measure."""

import numpy as np
import pandas as pd
import pytest
from helpers import legend_texts, same_color

from gapbook import plots
from gapbook.plots.mitigation import SOURCE_LOOKS

MEANS = {"gap": 0.8, "recall": 0.3}
MEASURES = {"recall": "held-out R@1", "gap": "modality gap"}


def summary(sources: tuple[str, ...] = ("CLIP", "GlyphCLIP")) -> pd.DataFrame:
    rows = []
    for number, source in enumerate(sources):
        for place, mitigation in enumerate(("none", "noise", "centering")):
            for measure, mean in MEANS.items():
                mean += 0.1 * place + number
                rows.append((source, measure, mitigation, mean, mean - 0.05, mean + 0.02))
    columns = ["source", "measure", "mitigation", "mean", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def test_a_panel_a_measure_and_a_row_a_mitigation_the_highest_on_top() -> None:
    figure = plots.mitigation_panels(summary(), MEASURES)
    assert [ax.get_xlabel() for ax in figure.axes] == list(MEASURES.values())
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert names == ["centering", "noise", "none"]
    low, high = figure.axes[0].get_ylim()
    assert low > high


def test_the_first_measure_alone_orders_the_rows() -> None:
    table = summary()
    is_gap = table["measure"] == "gap"
    turned = -table.loc[is_gap, ["mean", "high", "low"]].to_numpy()
    table.loc[is_gap, ["mean", "low", "high"]] = turned
    for measures, top in ((MEASURES, "centering"), (dict(reversed(MEASURES.items())), "none")):
        ax = plots.mitigation_panels(table, measures).axes[0]
        assert ax.get_yticklabels()[0].get_text() == top


def test_a_mark_stands_at_the_mean_with_its_interval() -> None:
    ax = plots.mitigation_panels(summary(), MEASURES).axes[1]
    marks, _, (bars,) = ax.containers[1]
    np.testing.assert_allclose(marks.get_xdata(), [2.0, 1.9, 1.8])
    np.testing.assert_allclose(bars.get_segments()[0][:, 0], [1.95, 2.02])


def test_sources_stand_apart_in_colors_and_shapes_of_their_own() -> None:
    for ax in plots.mitigation_panels(summary(), MEASURES).axes:
        first, second = (container[0] for container in ax.containers)
        assert np.all(second.get_ydata() - first.get_ydata() > 0.2)
        for line, (color, marker) in zip((first, second), SOURCE_LOOKS, strict=True):
            assert same_color(line.get_color(), color)
            assert line.get_marker() == marker
    assert len({color for color, _ in SOURCE_LOOKS}) == len(SOURCE_LOOKS)


def test_dotted_lines_show_where_nothing_is_done() -> None:
    ax = plots.mitigation_panels(summary(), MEASURES).axes[0]
    dotted = [line.get_xdata()[0] for line in ax.lines if line.get_linestyle() == ":"]
    assert dotted == pytest.approx([0.3, 1.3])


def test_measures_begin_at_zero_and_negative_ones_are_not_cut() -> None:
    for ax in plots.mitigation_panels(summary(), MEASURES).axes:
        assert ax.get_xlim()[0] == 0
    losses = summary()
    losses[["mean", "low", "high"]] -= 1
    ax = plots.mitigation_panels(losses, MEASURES).axes[0]
    assert ax.get_xlim()[0] < losses["low"].min()


def test_one_legend_stands_above_the_first_panel() -> None:
    figure = plots.mitigation_panels(summary(), MEASURES)
    assert legend_texts(figure.axes[0]) == ["CLIP", "GlyphCLIP"]
    figure.canvas.draw()
    legend = figure.axes[0].get_legend().get_window_extent()
    assert legend.y0 >= figure.axes[0].get_window_extent().y1 - 1
    assert figure.axes[1].get_legend() is None


def test_more_sources_than_looks_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 2"):
        plots.mitigation_panels(summary(("a", "b", "c")), MEASURES)


def test_changes_have_a_line_a_model_in_each_panel_and_their_intervals() -> None:
    rows = [
        (panel, model, amount, 0.1 * amount, 0.1 * amount - 0.02, 0.1 * amount + 0.03)
        for panel in ("clean", "with noise")
        for model in ("GlyphCLIP", "CLIP")
        for amount in (1.0, 0.0, 0.5)
    ]
    columns = ["panel", "model", "amount", "change", "change_low", "change_high"]
    figure = plots.changes_by_amount(pd.DataFrame(rows, columns=columns), "share")
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["clean", "with noise"]
    assert legend_texts(figure) == ["GlyphCLIP", "CLIP"]
    for ax in figure.axes:
        assert ax.get_xlabel() == "share"
        assert len(ax.containers) == 2
        for bars in ax.containers:
            heights = np.asarray(bars.lines[0].get_ydata(), float)
            np.testing.assert_allclose(heights, [0, 0.05, 0.1], atol=1e-12)
            ends = [segment[:, 1] for segment in bars.lines[2][0].get_segments()]
            np.testing.assert_allclose(
                np.asarray(ends, float), [[-0.02, 0.03], [0.03, 0.08], [0.08, 0.13]]
            )
