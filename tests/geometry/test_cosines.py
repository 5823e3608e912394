"""Cosines within a modality and of partners against sorting and counting all of them."""

import numpy as np
import pytest
import torch
from helpers import isotropic, rotation, sample, tensor_pair, unit
from hypothesis import given, settings
from hypothesis import strategies as st

from gapbook.exceptions import PairsError
from gapbook.geometry import cosine_stats
from gapbook.geometry.cosines import partner_cosine_counts

STATS = ("mean", "std", "min", "q25", "median", "q75", "max")


def plain_cosines(x):
    cosines = (unit(x) @ unit(x).T).clip(-1, 1)
    return cosines[~np.eye(len(cosines), dtype=bool)]


def plain_stats(cosines):
    return [cosines.mean(), cosines.std(), *np.percentile(cosines, [0, 25, 50, 75, 100])]


def values(stats):
    return [getattr(stats, name) for name in STATS]


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(2, 60),
    d=st.integers(1, 20),
    shift=st.sampled_from([0, 0.5, 3, 300]),
    seed=st.integers(0, 999),
)
def test_cosine_stats_agree_with_sorting_all_cosines(n, d, shift, seed):
    x, _ = sample(n, d, shift, seed)
    cosines = plain_cosines(x)
    stats = cosine_stats(x)
    assert values(stats) == pytest.approx(plain_stats(cosines), abs=1e-6)
    assert stats.min <= stats.q25 <= stats.median <= stats.q75 <= stats.max
    assert stats.n_pairs == len(cosines) == stats.histogram.counts.sum()


@pytest.mark.parametrize("n", [511, 512, 513, 1025, 1700])
def test_cosine_stats_over_several_tiles(n):
    x, _ = sample(n, 40)
    cosines = plain_cosines(x)
    stats = cosine_stats(torch.tensor(x), bins=40)
    assert values(stats) == pytest.approx(plain_stats(cosines), abs=1e-6)
    assert stats.mean == pytest.approx(cosines.mean(), abs=1e-8)
    counts, edges = np.histogram(cosines, bins=40, range=(-1, 1))
    np.testing.assert_allclose(stats.histogram.edges, edges, atol=1e-12)
    # Cosines on an edge may fall on either side.
    assert np.abs(stats.histogram.counts - counts).sum() <= 1e-5 * len(cosines) + 4
    assert stats.histogram.counts.sum() == stats.n_pairs == n * (n - 1)


@pytest.mark.parametrize("bins", [1, 2, 7, 100, 1000])
def test_every_number_of_bins_covers_all_pairs(bins):
    x = np.array([[1, 0], [-1, 0], [1, 0], [0, 1]])
    counts, edges = cosine_stats(x, bins=bins).histogram
    expected, _ = np.histogram(plain_cosines(x), bins=bins, range=(-1, 1))
    assert counts.tolist() == expected.tolist()
    assert len(edges) == bins + 1


def test_cosines_in_the_limits():
    collapsed = cosine_stats(np.tile(np.random.default_rng(0).normal(size=9), (700, 1)))
    assert values(collapsed) == pytest.approx([1, 0, 1, 1, 1, 1, 1], abs=3e-7)
    # Products of equal float32 rows exceed 1.
    doubles = np.repeat(np.random.default_rng(0).normal(size=(400, 37)), 2, axis=0)
    assert cosine_stats(doubles).max <= 1
    antipodal = cosine_stats([[1, 2], [-1, -2]])
    assert values(antipodal) == pytest.approx([-1, 0, -1, -1, -1, -1, -1], abs=1e-6)
    of_isotropic = cosine_stats(isotropic(2000, 64)[0])
    assert of_isotropic.mean == pytest.approx(0, abs=2e-3)
    assert of_isotropic.std == pytest.approx(1 / 8, rel=0.01)


def test_cosine_stats_of_a_nearly_collapsed_set_keep_their_digits():
    x = 1000 + np.random.default_rng(0).normal(size=(800, 50))
    cosines = plain_cosines(x)
    stats = cosine_stats(x)
    assert stats.mean == pytest.approx(cosines.mean(), abs=1e-9)
    assert stats.std == pytest.approx(cosines.std(), abs=1e-7)


def test_cosine_stats_depend_neither_on_a_rotation_nor_on_the_order_of_rows():
    x, _ = sample(150, 12)
    order = np.random.default_rng(2).permutation(150)
    for other in (x @ rotation(12), x[order]):
        assert values(cosine_stats(other)) == pytest.approx(values(cosine_stats(x)), abs=2e-6)


def test_progress_shows_a_bar(capfd):
    cosine_stats(np.eye(3))
    assert capfd.readouterr().err == ""
    cosine_stats(np.eye(3), progress=True)
    assert "cosines: 100%" in capfd.readouterr().err


def test_cosine_stats_share_the_gate():
    x, _ = sample(30, 6)
    for bins in (0, 2.5, True):
        with pytest.raises(PairsError, match="Expected bins as a positive integer"):
            cosine_stats(x, bins=bins)
    with pytest.raises(PairsError, match="at least 2 rows of x are needed; got 1"):
        cosine_stats(x[:1])
    x[17] = np.nan
    with pytest.raises(PairsError, match=r"x has non-finite values in 1 row \(first: 17\)"):
        cosine_stats(x)


@pytest.mark.parametrize("n", [2, 511, 513, 1300])
def test_cosines_of_partners_are_counted_in_equal_bins(n):
    x, y = tensor_pair(*sample(n, 20))
    cosines = (x.double() * y.double()).sum(1).numpy()
    expected, _ = np.histogram(cosines, bins=100, range=(-1, 1))
    np.testing.assert_array_equal(partner_cosine_counts(x, y), expected)
    parts = partner_cosine_counts(x[:1], y[:1]) + partner_cosine_counts(x[1:], y[1:])
    np.testing.assert_array_equal(parts, expected)
    # Rounding takes products of equal rows above 1, which is the end of the last bin.
    assert partner_cosine_counts(x, x, bins=4).tolist() == [0, 0, 0, n]
