"""The loss after the gap is closed, against its definition."""

import numpy as np
import pytest

from gapbook.geometry import modality_gap
from gapbook.landscape import loss_at_temperatures
from gapbook.mitigation.loss_left import MITIGATIONS, losses_after_mitigation
from gapbook.pairs import PairedEmbeddings


def sample_pairs(n: int, d: int, seed: int = 0) -> PairedEmbeddings:
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, d))
    x = shared + rng.normal(size=(n, d)) + 0.5
    y = shared + rng.normal(size=(n, d)) - 0.5 * np.linspace(-0.5, 1, d)
    return PairedEmbeddings(x, y)


def test_mitigations_are_compared_on_the_same_halves() -> None:
    pairs = sample_pairs(120, 16)
    table = losses_after_mitigation(pairs, 0.1, halves=3, seed=7)
    assert table["mitigation"].tolist() == ["as they are", *MITIGATIONS] * 3
    rng = np.random.default_rng(7)
    for _, rows in table.groupby("half"):
        half = pairs.subset(rng.permutation(120)[:60])
        for row in rows.itertuples():
            x, y = half.x, half.y
            if row.mitigation != "as they are":
                x, y = MITIGATIONS[str(row.mitigation)].fit_transform(x, y)
            assert row.gap == pytest.approx(modality_gap(x, y), abs=1e-6)
            assert row.loss == pytest.approx(loss_at_temperatures(x, y, [0.1])[0], abs=1e-5)
            at_best = loss_at_temperatures(x, y, [row.best_tau])[0]
            assert row.best_loss == pytest.approx(at_best, abs=1e-5)
            assert row.best_loss <= row.loss


def test_the_same_seed_draws_the_same_halves() -> None:
    pairs = sample_pairs(60, 8)
    table = losses_after_mitigation(pairs, 0.1, halves=2, seed=7)
    assert table.equals(losses_after_mitigation(pairs, 0.1, halves=2, seed=7))
    assert not table.equals(losses_after_mitigation(pairs, 0.1, halves=2, seed=8))
