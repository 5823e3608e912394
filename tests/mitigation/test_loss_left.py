"""The loss at the best temperature, and after the gap is closed, against their definitions."""

import numpy as np
import pytest

from gapbook.geometry import modality_gap
from gapbook.landscape import contrastive_loss
from gapbook.landscape.best_temperature import loss_at_best_temperature
from gapbook.mitigation.loss_left import WAYS, compare_ways
from gapbook.pairs import PairedEmbeddings, unit_rows


def sample(n, d, seed=0, shift=0.5):
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, d))
    x, y = shared + rng.normal(size=(n, d)), shared + rng.normal(size=(n, d))
    return unit_rows(x + shift).numpy(), unit_rows(y - shift * np.linspace(-0.5, 1, d)).numpy()


@pytest.mark.parametrize("direction", ["image_to_text", "text_to_image", "symmetric"])
def test_the_best_temperature_is_that_of_a_dense_grid(direction):
    x, y = sample(120, 6)
    taus = np.geomspace(0.01, 10, 2000)
    dense = contrastive_loss(x, y, taus, 30, direction)
    best = loss_at_best_temperature(x, y, 30, direction)
    assert best.loss == pytest.approx(dense.min(), abs=1e-5)
    assert best.tau == pytest.approx(taus[dense.argmin()], rel=0.01)


def test_the_best_temperature_at_both_ends():
    certain = loss_at_best_temperature(np.eye(5), np.eye(5))
    assert certain.loss == pytest.approx(0, abs=1e-9)
    opposite = loss_at_best_temperature(np.eye(5), -np.eye(5))
    assert opposite.loss == pytest.approx(np.log(5), abs=0.02) and opposite.tau > 50


def test_ways_are_compared_on_the_same_halves():
    pairs = PairedEmbeddings(*sample(120, 16))
    table = compare_ways(pairs, 0.1, halves=3, seed=7)
    assert table["way"].tolist() == ["as they are", *WAYS] * 3
    rng = np.random.default_rng(7)
    for _, rows in table.groupby("half"):
        half = pairs.subset(rng.permutation(120)[:60])
        for row in rows.itertuples():
            x, y = (
                (half.x, half.y)
                if row.way == "as they are"
                else WAYS[row.way].fit_transform(half.x, half.y)
            )
            assert row.gap == pytest.approx(modality_gap(x, y), abs=1e-6)
            assert row.given == pytest.approx(contrastive_loss(x, y, [0.1])[0], abs=1e-5)
            assert row.retuned == pytest.approx(contrastive_loss(x, y, [row.tau])[0], abs=1e-5)
            assert row.retuned <= row.given
    assert table.equals(compare_ways(pairs, 0.1, halves=3, seed=7))
