"""Three ways to close a gap, and the loss at the best temperature, against their definitions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gapbook.closing import WAYS, close_gap, compare_ways, loss_at_best_temperature, turn_to_gap, turn_together
from gapbook.geometry import modality_gap
from gapbook.landscape import contrastive_loss, shift
from gapbook.pairs import PairedEmbeddings, PairsError, unit_rows


def sample(n, d, seed=0, shift=0.5):
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, d))
    x, y = shared + rng.normal(size=(n, d)), shared + rng.normal(size=(n, d))
    return unit_rows(x + shift).numpy(), unit_rows(y - shift * np.linspace(-0.5, 1, d)).numpy()


def lengths(x, y):
    return [float(np.linalg.norm(side.mean(0, dtype=np.float64))) for side in (x, y)]


@settings(max_examples=40)
@given(seed=st.integers(0, 999), d=st.integers(2, 12), share=st.floats(-0.5, 1))
def test_a_turn_takes_its_share_of_the_angle_and_bends_nothing(seed, d, share):
    x, y = sample(30, d, seed)
    a, b = close_gap(x, y, share, "rotate")
    assert (a == x).all()
    assert np.abs(b @ b.T - y @ y.T).max() < 1e-6
    rotation = turn_together(x, y, share)
    assert np.abs(rotation @ rotation.T - np.eye(d)).max() < 1e-12
    assert np.linalg.det(rotation) == pytest.approx(1)
    u, v = lengths(x, y)

    def angle(p, q):
        p, q = p.mean(0, dtype=np.float64) / u, q.mean(0, dtype=np.float64) / v
        return 2 * np.arctan2(np.linalg.norm(p - q), np.linalg.norm(p + q))

    assert angle(a, b) == pytest.approx(abs(1 - share) * angle(x, y), abs=1e-5) or (1 - share) * angle(x, y) > np.pi
    still = np.linalg.svd(np.stack([x.mean(0), y.mean(0)]), full_matrices=True)[2][2:]  # at right angles to the plane
    assert np.abs(still @ rotation - still).max(initial=0) < 1e-6


def test_at_share_1_the_three_ways_have_the_gaps_that_they_promise():
    x, y = sample(400, 64)
    left = {way: modality_gap(*close_gap(x, y, 1, way)) for way in WAYS}
    assert left["rotate"] == pytest.approx(abs(np.subtract(*lengths(x, y))), abs=1e-6)
    assert max(left["translate"], left["center"]) < 0.1 * modality_gap(x, y)
    for way in WAYS:
        untouched = close_gap(x, y, 0, way)
        assert np.abs(untouched[0] - x).max() < 1e-6 and np.abs(untouched[1] - y).max() < 1e-6
    half = shift(x, y, 0.25 * modality_gap(x, y))
    assert all(np.allclose(p, q, atol=1e-6) for p, q in zip(close_gap(x, y, 0.5, "translate"), half, strict=True))
    wanted = x - 0.5 * x.mean(0)
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    assert np.allclose(close_gap(x, y, 0.5, "center")[0], wanted, atol=1e-6)


@settings(max_examples=40)
@given(seed=st.integers(0, 999), share=st.floats(0.01, 0.99))
def test_turn_to_gap_gives_that_gap(seed, share):
    x, y = sample(30, 6, seed)
    a, b = lengths(x, y)
    gap = abs(a - b) + share * (a + b - abs(a - b))
    assert modality_gap(x, y @ turn_to_gap(x, y, gap)) == pytest.approx(gap, abs=1e-5)


def test_what_cannot_be_turned_is_refused():
    x, y = sample(30, 6)
    with pytest.raises(PairsError, match="Expected way as one of translate, center, rotate; got 'push'"):
        close_gap(x, y, 1, "push")
    with pytest.raises(PairsError, match=r"Expected a gap between 0\.\d+ and \d\.\d+; got 3\.000"):
        turn_to_gap(x, y, 3.0)
    for a, b in ((x, x), (np.eye(6)[[0, 1]] * [[1], [1]], np.eye(6)[[0, 0]] * [[1], [-1]])):
        with pytest.raises(PairsError, match="Expected two means that span a plane"):
            turn_together(a, b)


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
            x, y = (half.x, half.y) if row.way == "as they are" else close_gap(half.x, half.y, 1, row.way)
            assert row.gap == pytest.approx(modality_gap(x, y), abs=1e-6)
            assert row.given == pytest.approx(contrastive_loss(x, y, [0.1])[0], abs=1e-5)
            assert row.retuned == pytest.approx(contrastive_loss(x, y, [row.tau])[0], abs=1e-5)
            assert row.retuned <= row.given
    assert table.equals(compare_ways(pairs, 0.1, halves=3, seed=7))
