"""Figures of the sigmoid loss."""

import numpy as np
import pandas as pd
from helpers import legend_texts

from gapbook import plots


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
    assert left.lines[0].get_xdata() == [0.4, 0.4]
    assert not right.lines
    assert len(left.collections) == len(right.collections) == 2
    assert legend_texts(figure) == ["partners", "all others", "threshold"]


def test_thresholds_of_different_kinds_are_named_above_their_panels() -> None:
    rows = [(panel, "partners", 0.1 * i) for panel in ("a", "b") for i in range(5)]
    cosines = pd.DataFrame(rows, columns=["panel", "kind", "cosine"])
    names = {"a": "its own", "b": "the best"}
    figure = plots.cosines_about_thresholds(cosines, {"a": 0.4, "b": 0.2}, names)
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert titles == ["a (dashed: its own)", "b (dashed: the best)"]
