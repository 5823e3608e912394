"""The loss at the best temperature against a dense grid and at both ends."""

import numpy as np
import pytest
from helpers import sample_pairs

from gapbook.landscape import loss_at_best_temperature, loss_at_temperatures
from gapbook.landscape.contrastive import DIRECTIONS


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_the_best_temperature_is_that_of_a_dense_grid(direction: str) -> None:
    x, y = sample_pairs(120, 6)
    taus = np.geomspace(0.1, 5, 1000)
    dense = loss_at_temperatures(x, y, taus, 30, direction)
    best = loss_at_best_temperature(x, y, 30, direction)
    assert best.loss == pytest.approx(dense.min(), abs=1e-5)
    assert best.tau == pytest.approx(taus[dense.argmin()], rel=0.02)


def test_certain_pairs_have_loss_0() -> None:
    assert loss_at_best_temperature(np.eye(5), np.eye(5)).loss == pytest.approx(0, abs=1e-9)


def test_opposite_pairs_have_the_loss_of_a_guess_at_the_highest_temperature() -> None:
    best = loss_at_best_temperature(np.eye(5), -np.eye(5))
    assert best.loss == pytest.approx(np.log(5), abs=0.02)
    assert best.tau > 50
