"""Figures of the sigmoid loss."""

import numpy as np
import pandas as pd
from helpers import legend_texts, same_color

from gapbook import plots
from gapbook.plots.style import GREEN, LINE_COLOR


def test_each_panel_has_both_kinds_and_its_threshold() -> None:
    rng = np.random.default_rng(0)
    cosines = pd.concat(
        pd.DataFrame({"panel": panel, "kind": kind, "cosine": rng.normal(mean, 0.1, 50)})
        for panel in ("sigmoid", "softmax")
        for kind, mean in (("partners", 0.7), ("all others", 0.0))
    )
    figure = plots.cosines_about_thresholds(cosines, {"sigmoid": 0.4})
    left, right = figure.axes
    assert [ax.get_title(loc="left") for ax in (left, right)] == ["sigmoid", "softmax"]
    assert [ax.get_xlabel() for ax in (left, right)] == ["cosine", "cosine"]
    assert left.get_xlim() == right.get_xlim()
    assert left.lines[0].get_xdata() == [0.4, 0.4]
    assert not right.lines
    for ax in (left, right):
        assert len(ax.collections) == 2
        for collection in ax.collections:
            x, y = collection.get_paths()[0].vertices.T
            # Partners have the higher cosines.
            color = GREEN if x[y.argmax()] > 0.35 else LINE_COLOR
            assert same_color(collection.get_facecolor()[0, :3], color)
    assert legend_texts(figure) == ["partners", "all others", "threshold"]


def test_both_kinds_have_the_same_area_and_the_cosines_of_their_panel() -> None:
    rng = np.random.default_rng(0)
    cosines = pd.concat(
        pd.DataFrame({"panel": panel, "kind": kind, "cosine": rng.normal(mean, 0.1, n)})
        for panel, mean in (("a", 0.7), ("b", 0.0))
        for kind, n in (("partners", 50), ("all others", 500))
    )
    for ax, (_, drawn) in zip(
        plots.cosines_about_thresholds(cosines, {}).axes, cosines.groupby("panel"), strict=True
    ):
        outlines = [collection.get_paths()[0].vertices for collection in ax.collections]
        for x, y in (outline.T for outline in outlines):
            area = abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2
            np.testing.assert_allclose(area, 1, rtol=1e-6)
        ends = np.concatenate(outlines)[:, 0]
        np.testing.assert_allclose([ends.min(), ends.max()], drawn["cosine"].agg(["min", "max"]))


def test_thresholds_of_different_kinds_are_named_above_their_panels() -> None:
    rows = [(panel, "partners", 0.1 * i) for panel in ("a", "b") for i in range(5)]
    cosines = pd.DataFrame(rows, columns=["panel", "kind", "cosine"])
    names = {"a": "its own", "b": "the best"}
    figure = plots.cosines_about_thresholds(cosines, {"a": 0.4, "b": 0.2}, names)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == ["a (dashed: its own)", "b (dashed: the best)"]
    assert [list(ax.lines[0].get_xdata()) for ax in figure.axes] == [[0.4, 0.4], [0.2, 0.2]]
