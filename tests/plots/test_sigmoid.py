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
