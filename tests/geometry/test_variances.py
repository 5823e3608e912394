"""Variances of two modalities by direction, after centering."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from gapbook.exceptions import PairsError
from gapbook.geometry.variances import (
    equalize_covariances,
    equalize_variances,
    variance_within,
)


@pytest.fixture
def sides():
    """Two modalities that differ in mean and in variance, but for the last direction's."""
    rng = np.random.default_rng(0)
    scales = np.array([0.1, 0.05, 0.02, 0.02])
    far = np.array([0, 0, 0, 5.0])
    x = far + 2 * scales * rng.standard_normal((4000, 4))
    y = far + [1, 0, 0, 0] + scales * rng.standard_normal((4000, 4))
    return x, y


def centered_units(sides):
    """Return both sides at unit length, less their means."""
    units = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides]
    return [unit - unit.mean(axis=0) for unit in units]


def test_equal_variances_have_no_ratio_and_no_mean(sides):
    centered = centered_units(sides)
    along = np.linalg.eigh(sum(side.T @ side for side in centered))[1]
    x, y = equalize_variances(*sides)
    np.testing.assert_allclose([x.mean(axis=0), y.mean(axis=0)], 0, atol=1e-9)
    of_x = ((x @ along) ** 2).mean(axis=0)
    of_y = ((y @ along) ** 2).mean(axis=0)
    np.testing.assert_allclose(of_x, of_y, rtol=1e-4)
    before = np.mean([((side @ along) ** 2).mean(axis=0) for side in centered], axis=0)
    np.testing.assert_allclose(of_x, before, rtol=1e-4)


def test_equal_covariances_are_equal_along_every_direction(sides):
    x, y = equalize_covariances(*sides, shrinkage=0)
    np.testing.assert_allclose(x.T @ x, y.T @ y, rtol=1e-6, atol=1e-9)
    before = np.mean([side.T @ side for side in centered_units(sides)], axis=0)
    np.testing.assert_allclose(x.T @ x, before, rtol=1e-6, atol=1e-6)


def test_shrinkage_is_a_share_of_the_mean_variance(sides):
    centered = centered_units(sides)
    covariances = [side.T @ side / len(side) for side in centered]
    shrunk = [each + 0.3 * np.diag(each).mean() * np.eye(4) for each in covariances]
    color = sqrtm(sum(shrunk) / 2)
    moved = equalize_covariances(*sides, shrinkage=0.3)
    for side, covariance, found in zip(centered, shrunk, moved, strict=True):
        expected = side @ np.linalg.inv(sqrtm(covariance)) @ color
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_unseen_pairs_are_moved_by_what_was_learned_from_others(sides):
    x, y = sides
    seen = x[:2000], y[:2000]
    for equalize in (equalize_variances, equalize_covariances):
        new, other = equalize(x[2000:], y[2000:], seen)
        all_new, all_other = equalize(x, y, seen)
        np.testing.assert_allclose(new, all_new[2000:])
        np.testing.assert_allclose(other, all_other[2000:])


def test_variance_lies_within_shared_directions_and_outside_others():
    rng = np.random.default_rng(0)
    wide = np.array([3, 3, 0.1, 0.1, 0.1, 0.1])
    x = rng.standard_normal((2000, 6)) * wide
    same = variance_within(x, rng.standard_normal((2000, 6)) * wide, directions=2)
    assert same.own > 0.9
    assert same.other == pytest.approx(same.own, abs=0.01)
    other = variance_within(x, rng.standard_normal((2000, 6)) * wide[::-1], directions=2)
    assert other.own == pytest.approx(same.own)
    assert other.other < 0.05


def test_directions_are_not_fitted_to_the_rows_that_are_measured():
    noise = np.random.default_rng(0).standard_normal((2, 60, 40))
    share = variance_within(*noise, directions=10)
    assert share == pytest.approx((0.25, 0.25), abs=0.06)


def test_all_variance_lies_within_all_directions(sides):
    assert variance_within(*sides, directions=4) == pytest.approx((1, 1))


@pytest.mark.parametrize("directions", [0, 5])
def test_directions_that_there_are_not_are_refused(sides, directions):
    with pytest.raises(PairsError, match=f"from 1 to 4; got {directions}"):
        variance_within(*sides, directions=directions)


def test_shrinkage_below_zero_is_refused(sides):
    with pytest.raises(PairsError, match="shrinkage"):
        equalize_covariances(*sides, shrinkage=-1)


def test_what_is_no_pair_is_refused():
    with pytest.raises(PairsError):
        variance_within(np.eye(3), np.eye(4))
