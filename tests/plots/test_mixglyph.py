"""The figure of mixed search."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from gapbook import plots


@pytest.fixture
def table():
    rows = [
        {"model": model, "method": method, "mean": mean, "low": mean - 0.1, "high": mean + 0.2}
        for model, mean in (("glyphclip", 0.4), ("glyphclip-t10", 0.6))
        for method in ("raw", "centering", "CSLS")
    ]
    return pd.DataFrame(rows)


def test_each_method_and_model_has_a_mark_with_its_interval(table):
    fig = plots.methods_by_model(table, "nDCG@10")
    (ax,) = fig.axes
    assert [text.get_text() for text in ax.get_yticklabels()] == ["raw", "centering", "CSLS"]
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert labels == ["GlyphCLIP at 1/10", "GlyphCLIP at 1/100"]
    marks, _, (bars,) = ax.containers[1]
    np.testing.assert_allclose(marks.get_xdata(), 0.4)
    np.testing.assert_allclose([segment[:, 0] for segment in bars.get_segments()], [[0.3, 0.6]] * 3)
    # the first method stands on top
    low, high = ax.get_ylim()
    assert low > high
    plt.close(fig)


def test_a_model_of_one_seed_has_a_mark_without_interval(table):
    table[["low", "high"]] = np.nan
    fig = plots.methods_by_model(table, "nDCG@10")
    assert len(fig.axes[0].containers) == 2
    plt.close(fig)
