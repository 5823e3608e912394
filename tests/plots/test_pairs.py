"""Figures of pairs: every pair a point of each modality, every run a line, every row a dot."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from helpers import axis_labels, legend_texts, line_points, same_color

from gapbook import plots
from gapbook.plots.labels import look
from gapbook.plots.style import FIRST_COLOR, SECOND_COLOR

RNG = np.random.default_rng(0)


def places(n: int = 20) -> tuple[np.ndarray, np.ndarray]:
    return RNG.normal(size=(n, 2)), RNG.normal(size=(n, 2))


def test_clouds_draw_each_modality_in_its_color_and_mark() -> None:
    a, b = places()
    ax = plt.figure().subplots()
    plots.clouds(ax, a, b, ("photo", "word"))
    _, images, texts = ax.collections
    np.testing.assert_array_equal(images.get_offsets(), a)
    np.testing.assert_array_equal(texts.get_offsets(), b)
    assert same_color(images.get_facecolor()[0][:3], FIRST_COLOR)
    assert same_color(texts.get_facecolor()[0][:3], SECOND_COLOR)
    circle, diamond = (len(marks.get_paths()[0].vertices) for marks in (images, texts))
    assert circle > diamond == 5
    assert [images.get_label(), texts.get_label()] == ["photo", "word"]


def test_links_join_partners() -> None:
    a, b = places()
    ax = plt.figure().subplots()
    plots.clouds(ax, a, b)
    links = ax.collections[0].get_segments()
    np.testing.assert_array_equal(links, np.stack([a, b], axis=1))


def test_many_pairs_get_some_150_links() -> None:
    ax = plt.figure().subplots()
    plots.clouds(ax, *places(1000))
    links, images, _ = ax.collections
    assert 100 <= len(links.get_segments()) <= 170
    assert len(images.get_offsets()) == 1000


def test_a_grid_has_a_panel_a_title_and_hides_the_rest() -> None:
    figure = plots.clouds_grid({"one": places(), "two": places(), "three": places()})
    assert [ax.get_title(loc="left") for ax in figure.axes] == ["one", "two", "three", ""]
    assert [ax.axison for ax in figure.axes] == [True, True, True, False]
    assert figure.axes[0].get_xticks().size == 0


def test_labeled_axes_are_shared_and_have_ticks() -> None:
    panels = {"one": places(), "two": places()}
    figure = plots.clouds_grid(panels, axis_labels=("along", "across"))
    left, right = figure.axes
    assert axis_labels(left) == axis_labels(right) == ("along", "across")
    assert left.get_xlim() == right.get_xlim()
    assert left.get_xticks().size


def test_a_grid_names_the_modalities_of_each_panel() -> None:
    panels = {"one": places(), "two": places()}
    left, right = plots.clouds_grid(panels, {"two": ("video", "word")}).axes
    assert legend_texts(left) == ["image", "text"]
    assert legend_texts(right) == ["video", "word"]


def test_captions_of_a_batch_stand_as_they_are_with_dollars_too() -> None:
    captions = ["$5 and $6 {", "_x", r"\frac$$"]
    figure = plots.contrastive_batch(np.zeros((3, 4, 4)), captions, np.eye(3))
    figure.canvas.draw()
    ax = figure.axes[0]
    shown = [label.get_text().replace("\n", " ") for label in ax.get_xticklabels()]
    assert shown == captions
    assert not any(label.get_parse_math() for label in ax.get_xticklabels())


def test_a_batch_shows_every_cosine_at_its_place_and_frames_partners() -> None:
    similarity = np.array([[0.9, 0.1, 0.2], [0.3, 0.8, 0.4], [0.5, 0.6, 0.7]])
    images = np.zeros((3, 4, 4), np.uint8)
    figure = plots.contrastive_batch(images, ["one", "two", "three"], similarity)
    ax = figure.axes[0]
    written = {text.get_position(): text.get_text() for text in ax.texts}
    assert written[(1, 0)] == "0.10"
    assert written[(0, 1)] == "0.30"
    assert len(written) == 9
    framed = [patch.get_center() for patch in ax.patches]
    np.testing.assert_allclose(framed, [[0, 0], [1, 1], [2, 2]], atol=1e-9)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["one", "two", "three"]
    assert len(ax.child_axes) == 3


def test_text_on_dark_cells_is_white() -> None:
    figure = plots.contrastive_batch(np.zeros((2, 4, 4)), ["a", "b"], np.array([[1, 0], [0, 1.0]]))
    colors = {text.get_text(): text.get_color() for text in figure.axes[0].texts}
    assert colors == {"1.00": "k", "0.00": "w"}


def test_blocks_hold_all_cosines_of_both_modalities() -> None:
    x, y = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in places(6))
    ax = plots.similarity_blocks({"model": (x, y)}).axes[0]
    drawn = ax.images[0].get_array()
    assert drawn.shape == (12, 12)
    z = np.concatenate([x, y])
    np.testing.assert_allclose(np.sort(drawn, axis=None), np.sort(z @ z.T, axis=None))
    np.testing.assert_allclose(np.sort(np.diag(drawn[:6, 6:])), np.sort((x * y).sum(axis=1)))
    assert ax.get_title(loc="left") == "model"


def test_dots_have_intervals_and_sources_share_a_line() -> None:
    table = pd.DataFrame(
        [
            ("a", 0.5, 0.4, 0.7, "trained"),
            ("a", 0.6, 0.5, 0.7, "trained"),
            ("b", 1, 1, 1, "random"),
        ],
        columns=["source", "value", "low", "high", "group"],
    )
    ax = plots.dots_with_intervals(table, "gap").axes[0]
    trained, random = ax.containers
    assert line_points(trained.lines[0]) == [(0.5, 0), (0.6, 0)]
    assert line_points(random.lines[0]) == [(1, 1)]
    bars = trained.lines[2][0].get_segments()
    np.testing.assert_allclose([bar[:, 0] for bar in bars], [[0.4, 0.7], [0.5, 0.7]])
    assert ax.get_xlabel() == "gap"
    assert legend_texts(ax) == ["trained", "random"]
    assert ax.yaxis_inverted()


def test_the_gap_by_epoch_is_a_line_a_run_and_a_color_a_model() -> None:
    runs = [(model, seed) for model in ("1/100", "1/10") for seed in range(3)]
    history = pd.DataFrame(
        [(*run, epoch, number + epoch) for number, run in enumerate(runs) for epoch in range(4)],
        columns=["model", "seed", "epoch", "gap"],
    )
    ax = plots.gap_by_epoch(history).axes[0]
    lines = [line for line in ax.lines if len(line.get_xdata())]
    drawn = {tuple(line.get_ydata()): line.get_color() for line in lines}
    assert sorted(drawn) == [tuple(number + np.arange(4)) for number in range(6)]
    for number in range(6):
        expected = look("1/100").color if number < 3 else look("1/10").color
        assert same_color(drawn[tuple(number + np.arange(4))], expected)
    assert axis_labels(ax) == ("epoch", "modality gap")
    assert legend_texts(ax) == ["1/10", "1/100"]
    assert ax.get_legend().get_title().get_text() == ""


def test_frames_of_training_have_the_same_axes_whatever_they_show() -> None:
    frames = [plots.training_frame(*places(), f"epoch {i}", (1, 2)).axes[0] for i in (0, 9)]
    assert [ax.get_title(loc="left") for ax in frames] == ["epoch 0", "epoch 9"]
    for ax in frames:
        assert ax.get_xlim() == (-1, 1)
        assert ax.get_ylim() == (-2, 2)
        assert axis_labels(ax)[0] == "along the line through both means"
        # In some frame points lie in every corner.
        ax.figure.canvas.draw()
        [legend] = ax.figure.legends
        assert not legend.get_window_extent().overlaps(ax.get_tightbbox())
