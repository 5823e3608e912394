"""The bundled places of pairs during training."""

from itertools import pairwise

import numpy as np
import pytest

from gapbook.precomputed.glyphclip import FRAME_EPOCHS, FRAME_PAIRS, read_history
from gapbook.precomputed.training_views import TAUS, read_shown, read_views

MODELS = {"1/10": "glyphclip-t10", "1/100": "glyphclip", "learned": "glyphclip-learned"}


def test_every_temperature_has_every_moment() -> None:
    views = read_views()
    assert list(views) == [(tau, epoch) for tau in TAUS for epoch in FRAME_EPOCHS]
    for view in views.values():
        assert view.x2.shape == view.y2.shape == (FRAME_PAIRS, 2)
        assert np.isfinite([view.x2, view.y2]).all()
    assert len(read_shown()) == FRAME_PAIRS


@pytest.mark.parametrize("tau", MODELS)
def test_gaps_are_those_of_the_bundled_runs(tau: str) -> None:
    history = read_history().query("model == @MODELS[@tau] and seed == 0").set_index("epoch")["gap"]
    for (label, epoch), view in read_views().items():
        if label == tau:
            # another processor rounds differently, and training makes more of it
            assert view.gap == pytest.approx(history[epoch], abs=0.06)


def test_means_lie_about_a_gap_apart_along_the_first_axis() -> None:
    for view in read_views().values():
        apart = view.x2[:, 0].mean() - view.y2[:, 0].mean()
        assert apart == pytest.approx(view.gap, abs=0.05)


def test_all_runs_start_from_the_same_place() -> None:
    views = read_views()
    first = views["1/100", 0]
    for tau in TAUS:
        np.testing.assert_allclose(np.abs(views[tau, 0].x2), np.abs(first.x2), atol=1e-3)


def test_the_second_axis_does_not_flip_between_moments() -> None:
    views = read_views()
    for tau in TAUS:
        for epoch, after in pairwise(FRAME_EPOCHS):
            now = np.concatenate([views[tau, epoch].x2, views[tau, epoch].y2])[:, 1]
            then = np.concatenate([views[tau, after].x2, views[tau, after].y2])[:, 1]
            assert now @ then > 0
