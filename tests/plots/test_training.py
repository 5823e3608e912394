"""Figures of training runs: the mean and the range over seeds, and the authors' values."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from helpers import axis_labels, legend_texts, line_points, same_color
from matplotlib.colors import to_rgb

from gapbook import plots
from gapbook.plots.style import GROUP_COLORS, LINE_COLOR
from gapbook.plots.training import VARIANT_STYLES, line_styles


def curves(lines: tuple[str, ...], panels: tuple[str, ...] = ("gap",)) -> pd.DataFrame:
    """Three seeds a line, which lie 1 below, on and 1 above a straight line."""
    rows = [
        (panel, line, seed, epoch, 10 * place + epoch + seed - 1)
        for panel in panels
        for place, line in enumerate(lines, start=1)
        for seed in range(3)
        for epoch in range(4)
    ]
    return pd.DataFrame(rows, columns=["panel", "line", "seed", "epoch", "gap"])


def test_a_curve_is_the_mean_over_seeds_and_its_band_their_range() -> None:
    ax = plots.curves_over_epochs(curves(("ordinary",))).axes[0]
    assert line_points(ax.lines[0]) == [(0, 10), (1, 11), (2, 12), (3, 13)]
    band = ax.collections[0].get_paths()[0].vertices
    assert band[band[:, 0] == 2, 1].min() == 11
    assert band[band[:, 0] == 2, 1].max() == 13
    assert axis_labels(ax) == ("epoch", "modality gap")


def test_variants_have_their_styles_on_every_panel_and_in_the_legend() -> None:
    table = curves(("amended", "ordinary", "turned back"), ("1/100", "learned"))
    figure = plots.curves_over_epochs(table)
    for ax in figure.axes:
        for line, name in zip(ax.lines, ("amended", "ordinary", "turned back"), strict=True):
            color, dashes = VARIANT_STYLES[name]
            assert same_color(line.get_color(), color)
            assert line.is_dashed() == bool(dashes)
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["1/100", "learned"]
    assert legend_texts(figure) == ["amended", "ordinary", "turned back"]
    handles = figure.legends[0].legend_handles
    assert [handle.is_dashed() for handle in handles] == [False, False, True]


def test_another_value_is_drawn_and_panels_may_have_axes_of_their_own() -> None:
    table = curves(("1", "1/100"), ("a", "b")).rename(columns={"gap": "recall"})
    table["recall"] = table["recall"].where(table["panel"] == "a", table["recall"] / 100)
    left, right = plots.curves_over_epochs(table, "recall", "R@1", sharey=False).axes
    assert left.get_ylabel() == "R@1"
    assert right.get_ylabel() == ""
    assert right.get_ylim()[1] < 1 < left.get_ylim()[1]
    shared = plots.curves_over_epochs(table, "recall", "R@1").axes
    assert shared[0].get_ylim() == shared[1].get_ylim()


def test_temperatures_are_darker_the_lower_they_are_and_learned_is_dashed() -> None:
    styles = line_styles(["1", "1/10", "1/100", "learned"])
    brightness = [np.sum(to_rgb(styles[name][0])) for name in ("1", "1/10", "1/100")]
    assert brightness == sorted(brightness, reverse=True)
    assert [bool(dashes) for _, dashes in styles.values()] == [False, False, False, True]
    assert list(styles) == ["1", "1/10", "1/100", "learned"]


def test_temperatures_of_similar_shades_differ_in_their_dashes() -> None:
    dashes = [line_styles([tau])[tau][1] for tau in ("1/10", "1/20", "1/30", "1/50", "1/100")]
    assert all(one != other for one, other in pairwise(dashes))


def test_variants_keep_their_styles_whatever_is_drawn_with_them() -> None:
    assert line_styles(["shared"]) == {"shared": VARIANT_STYLES["shared"]}
    assert len(set(VARIANT_STYLES.values())) == len(VARIANT_STYLES)


def test_losses_have_styles_and_the_softmax_is_the_ordinary_one() -> None:
    styles = line_styles(["softmax", "sigmoid"])
    assert styles["softmax"] == VARIANT_STYLES["ordinary"]
    assert styles["sigmoid"] not in VARIANT_STYLES.values()


def test_each_run_is_a_mark_beside_the_open_circles_of_the_authors() -> None:
    runs = pd.DataFrame(
        [(10, 0.1, 0.2, "fixed"), (100, 0.7, 0.25, "fixed"), (45, 0.3, 0.24, "learned")],
        columns=["scale", "gap", "recall", "kind"],
    )
    authors = pd.DataFrame({"scale": [10, 100], "gap": [0.3, 0.9], "recall": [0.3, 0.4]})
    left, right = plots.gap_and_recall_by_scale(runs, authors).axes
    for ax, column in ((left, "gap"), (right, "recall")):
        marks = ax.collections[0]
        np.testing.assert_allclose(marks.get_offsets(), runs[["scale", column]])
        assert line_points(ax.lines[0]) == list(authors[["scale", column]].itertuples(index=False))
        assert ax.get_xscale() == "log"
    colors = left.collections[0].get_facecolor()[:, :3]
    assert same_color(colors[0], GROUP_COLORS[0])
    assert same_color(colors[2], GROUP_COLORS[1])
    assert legend_texts(left) == ["CLIP, fine-tuned (published)", "fixed", "learned"]
    assert right.get_legend() is None
    assert axis_labels(left) == ("1 / temperature", "modality gap")
    assert right.get_ylabel() == "R@1, both directions"


def test_a_long_run_is_drawn_with_every_law_on_logarithmic_axes() -> None:
    measured = {name: pd.Series([1, 0.5, 0.3], index=[1, 2, 4]) for name in ("1/100", "learned")}
    fits = {name: {"power": 1.1 * gaps, "log": 0.9 * gaps} for name, gaps in measured.items()}
    figure = plots.gap_decay_with_fits(measured, fits)
    for ax in figure.axes:
        assert line_points(ax.lines[0]) == [(1, 1), (2, 0.5), (4, 0.3)]
        assert line_points(ax.lines[1]) == [(1, 1.1), (2, 0.55), (4, 0.33)]
        assert len(ax.lines) == 3
        assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert legend_texts(figure.axes[-1]) == ["measured", "power", "log"]
    assert figure.axes[0].get_ylabel() == "modality gap"


def test_a_run_without_fits_is_an_error() -> None:
    with pytest.raises(KeyError, match="1/100"):
        plots.gap_decay_with_fits({"1/100": pd.Series([1.0], index=[1])}, {})


def test_gap_over_loss_has_a_line_a_run_in_the_color_of_its_length() -> None:
    rows = [
        (panel, epochs, seed, epoch, 4 / (1 + epoch) if epoch else np.nan, 1 - epoch / 10)
        for panel in ("1/100", "learned")
        for epochs in (3, 6)
        for seed in range(2)
        for epoch in range(epochs + 1)
    ]
    table = pd.DataFrame(rows, columns=["panel", "epochs", "seed", "epoch", "loss", "gap"])
    figure = plots.gap_by_loss(table)
    for ax in figure.axes:
        lines = [line for line in ax.lines if len(line.get_xdata()) > 1]
        # Where they coincide, the longer runs are still seen, at both sides of the shorter ones.
        assert [len(line.get_xdata()) for line in lines] == [6, 6, 3, 3]
        assert lines[0].get_linewidth() > lines[2].get_linewidth()
        expected = [(2, 0.9), (4 / 3, 0.8), (1, 0.7)]
        np.testing.assert_allclose(line_points(lines[2]), expected, rtol=1e-5)
        assert same_color(lines[0].get_color(), lines[1].get_color())
        assert not same_color(lines[0].get_color(), lines[2].get_color())
        ends = [line for line in ax.lines if len(line.get_xdata()) == 1]
        assert len(ends) == len(lines)
        assert min(end.get_zorder() for end in ends) > max(line.get_zorder() for line in lines)
        left, right = ax.get_xlim()
        assert left > right, "training runs from left to right"
        assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log"), "a ratio of gaps is a distance"
    assert axis_labels(figure.axes[0]) == ("training loss (nats)", "modality gap")
    assert legend_texts(figure) == ["3 epochs", "6 epochs"]


def test_ends_of_two_lengths_stand_on_one_line_a_run_and_may_have_different_seeds() -> None:
    rows = [("a", 30, 0, 0.7, 0.2), ("a", 30, 1, 0.8, 0.3), ("a", 300, 0, 0.4, 0.5)]
    rows.append(("b", 30, 0, 0.1, 0.2))
    ends = pd.DataFrame(rows, columns=["run", "epochs", "seed", "gap", "recall"])
    figure = plots.ends_by_length(ends, {"gap": "modality gap", "recall": "R@1"})
    left, right = figure.axes
    means, short, long, other_means, other = left.lines
    np.testing.assert_allclose(line_points(means), [(0.75, 0), (0.4, 0)])
    assert line_points(short) == [(0.7, 0), (0.8, 0)]
    assert line_points(long) == [(0.4, 0)]
    assert line_points(other_means) == line_points(other) == [(0.1, 1)]
    assert [label.get_text() for label in left.get_yticklabels()] == ["a", "b"]
    bottom, top = left.get_ylim()
    assert bottom > top, "the first run stands at the top"
    assert right.get_xlabel() == "R@1"
    assert legend_texts(figure) == ["30 epochs", "300 epochs"]


def test_a_later_panel_that_reaches_higher_is_not_cut() -> None:
    """All panels share one axis, whose top must be that of the highest."""
    rows = [
        (panel, "ordinary", seed, epoch, height + 0.1 * seed)
        for panel, height in (("low", 1.0), ("high", 5.0))
        for seed in range(2)
        for epoch in (0, 1)
    ]
    table = pd.DataFrame(rows, columns=["panel", "line", "seed", "epoch", "gap"])
    for ax in plots.curves_over_epochs(table).axes:
        assert ax.get_ylim()[0] == 0
        assert ax.get_ylim()[1] > 5.1


def test_all_runs_have_a_curve_and_their_ends_a_mark_of_their_kind() -> None:
    rows = [
        (run, line, epoch, 4 / (epoch + 1) if epoch else None, 1 - 0.1 * epoch)
        for run, line in [("a", "1/10"), ("b", "sigmoid"), ("c", "")]
        for epoch in range(4)
    ]
    curves = pd.DataFrame(rows, columns=["run", "line", "epoch", "loss", "gap"])
    ends = pd.DataFrame({"kind": ["ordinary", "cut"], "fitted": [0.4, 0.6], "gap": [0.5, 0.7]})
    figure = plots.gap_and_fit(curves, ends)
    left, right = figure.axes
    assert len(left.lines) == 3
    for line in left.lines:
        np.testing.assert_allclose(line_points(line), [(2, 0.9), (4 / 3, 0.8), (1, 0.7)], 1e-5)
    # What has no line of its own is gray, behind all others.
    assert same_color(left.lines[0].get_color(), LINE_COLOR)
    handles = left.get_legend().legend_handles
    for line, handle in zip(left.lines, [handles[2], *handles[:2]], strict=True):
        assert same_color(line.get_color(), handle.get_color())
    first, second = left.get_xlim()
    assert first > second, "training runs from left to right"
    assert [text.get_text() for text in left.get_legend().get_texts()] == [
        "1/10",
        "sigmoid",
        "others",
    ]
    assert [text.get_text() for text in right.get_legend().get_texts()] == ["ordinary", "cut"]
    marks, other_marks, diagonal = right.lines
    assert line_points(marks) == [(0.4, 0.5)]
    assert line_points(other_marks) == [(0.6, 0.7)]
    assert line_points(diagonal) == [(0, 0), (0.7, 0.7)]
    assert left.get_ylim()[0] == right.get_ylim()[0] == 0


def test_ends_of_models_have_a_color_each_and_are_hollow_where_nothing_was_trained() -> None:
    rows = [
        ("a, b", "alone", True, 0.7, 0.2),
        ("a, b", "bound", False, 0.8, 0.3),
        ("a, c", "alone", True, 0.4, 0.5),
        ("a, c", "bound", True, 0.5, 0.6),
    ]
    ends = pd.DataFrame(rows, columns=["pair", "model", "is_trained", "gap", "recall"])
    figure = plots.ends_by_model(ends, {"gap": "modality gap", "recall": "R@10"})
    left, right = figure.axes
    alone, hollow, full = left.lines
    np.testing.assert_allclose(line_points(alone), [(0.7, -0.11), (0.4, 0.89)])
    np.testing.assert_allclose(line_points(hollow), [(0.8, 0.11)])
    np.testing.assert_allclose(line_points(full), [(0.5, 1.11)])
    assert same_color(alone.get_markerfacecolor(), GROUP_COLORS[0])
    assert same_color(hollow.get_markeredgecolor(), GROUP_COLORS[1])
    assert same_color(hollow.get_markerfacecolor(), "white")
    assert same_color(full.get_markerfacecolor(), GROUP_COLORS[1])
    assert [label.get_text() for label in left.get_yticklabels()] == ["a, b", "a, c"]
    bottom, top = left.get_ylim()
    assert bottom > top, "the first pair stands at the top"
    assert right.get_xlabel() == "R@10"
    assert legend_texts(figure) == ["alone", "bound", "never trained"]
