"""The probability of a match at a cosine."""

import numpy as np
import pytest
from scipy.special import expit

from gapbook.exceptions import PairsError
from gapbook.report.calibration import (
    Calibration,
    calibrate_cosines,
    own_probability_in_words,
)


def two_normals(n, apart, seed=0):
    """Cosines whose log odds are linear: those of partners and others differ in the mean alone."""
    rng = np.random.default_rng(seed)
    cosines = rng.normal(0.2, 0.1, (n, n))
    cosines[np.diag_indices(n)] += apart
    return cosines


def test_the_fit_finds_the_log_odds_of_two_normal_distributions():
    """Their scale is the distance over the variance, and even odds are halfway."""
    fitted = calibrate_cosines(two_normals(3000, 0.2))
    assert fitted.scale == pytest.approx(0.2 / 0.1**2, rel=0.08)
    assert -fitted.offset / fitted.scale == pytest.approx(0.3, abs=0.01)


def test_losses_are_those_of_pairs_that_were_not_fitted():
    fitted = calibrate_cosines(two_normals(3000, 0.2))
    cosines = two_normals(1000, 0.2, seed=1)
    is_match = np.eye(1000, dtype=bool)
    of_partners = fitted.probability(cosines[is_match])
    of_others = fitted.probability(cosines[~is_match])
    log_loss = -(np.log(of_partners).mean() + np.log(1 - of_others).mean()) / 2
    brier = (((1 - of_partners) ** 2).mean() + (of_others**2).mean()) / 2
    assert fitted.log_loss == pytest.approx(log_loss, abs=0.03)
    assert fitted.brier == pytest.approx(brier, abs=0.01)


def test_cosines_that_tell_nothing_are_no_better_than_to_know_nothing():
    fitted = calibrate_cosines(two_normals(500, 0.0))
    assert fitted.log_loss == pytest.approx(np.log(2), abs=0.01)
    assert fitted.brier == pytest.approx(0.25, abs=0.005)


@pytest.mark.parametrize("cosines", [np.eye(40), np.zeros((40, 40)), np.full((20, 20), 0.3)])
def test_the_fit_stays_finite_where_all_is_told_or_nothing_differs(cosines):
    fitted = calibrate_cosines(cosines)
    assert np.isfinite([fitted.scale, fitted.offset, fitted.log_loss, fitted.brier]).all()


def test_a_prior_shifts_the_log_odds():
    even = Calibration(30.0, -10.0, 0.1, 0.1)
    rare = even.probability(np.array([0.2, 0.4]), prior=0.01)
    np.testing.assert_allclose(rare, expit(np.array([-4.0, 2.0]) - np.log(99)))
    with pytest.raises(PairsError, match="a prior between 0 and 1; got 1"):
        even.probability(0.3, prior=1)


def test_a_models_own_sigmoid_is_judged_by_its_means():
    cosines = two_normals(50, 0.2)
    is_match = np.eye(50, dtype=bool)
    unrelated = cosines[~is_match].reshape(50, 49)
    words = own_probability_in_words(cosines[is_match], unrelated, 100.0, -40.0)
    assert f"is {expit(100 * cosines[is_match] - 40).mean():.3g} for partners" in words
    assert f"and {expit(100 * unrelated - 40).mean():.3g} for unrelated pairs" in words
    assert "exp(-(100.0 c - 40.00))" in words


def test_too_few_pairs_are_refused():
    with pytest.raises(PairsError, match="at least 20 pairs; got 19"):
        calibrate_cosines(np.eye(19))
