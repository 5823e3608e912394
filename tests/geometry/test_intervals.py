"""Intervals against redraws of a known population, and the jackknife against measuring the rest."""

import math

import numpy as np
import pandas as pd
import pytest
from helpers import sample
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats
from scipy.stats import binomtest, norm

from gapbook import PairsError
from gapbook.geometry import (
    Z95,
    cka,
    effective_rank,
    hubness,
    isoscore,
    linear_separability,
    mmd,
    modality_gap,
    neighbor_agreement,
    t_interval,
    uniformity,
)
from gapbook.geometry.intervals import (
    bootstrap_intervals,
    covariance_intervals,
    jackknife_groups,
    kernel_intervals,
    neighbor_intervals,
    wilson_interval,
)
from gapbook.pairs import unit_pair, unit_rows

TRIALS = 120
# Intervals that are wider than they need to be.
CONSERVATIVE = {
    "gap_share_top2",
    "hubness_image_to_text",
    "hubness_text_to_image",
    "neighbor_agreement",
}


@pytest.fixture(scope="module")
def redraws():
    """Return estimates in 120 samples of 200 pairs: {shift: {name: array (120, 3)}}."""
    found = {}
    for shift in (0.0, 0.4):
        x, y = unit_pair(*sample(200 * TRIALS, 6, shift, seed=5, falling=True))
        rows = {}
        for trial in range(TRIALS):
            a = x[200 * trial :][:200]
            b = y[200 * trial :][:200]
            estimates = bootstrap_intervals(a, b, trial, replicates=200)
            if shift:
                estimates |= covariance_intervals(a, b, trial)
                estimates |= kernel_intervals(a, b)
                estimates |= neighbor_intervals(a, b, 10, trial)
            for name, estimate in estimates.items():
                rows.setdefault(name, []).append(estimate)
        found[shift] = {name: np.array(row) for name, row in rows.items()}
    return found


def share_inside(rows, truth):
    _, low, high = rows.T
    return ((low <= truth) & (truth <= high)).mean()


def relative_width(rows):
    """Return the mean width of intervals over that of a normal 95 % interval of the values."""
    values, low, high = rows.T
    return (high - low).mean() / (2 * Z95 * values.std(ddof=1))


def test_intervals_cover_the_mean_of_samples_as_often_as_they_should(redraws):
    """The mean must lie in 95 % of the intervals, less three errors of 120 trials: 0.89."""
    for name, rows in redraws[0.4].items():
        assert share_inside(rows, rows[:, 0].mean()) >= 0.89, name
        widest = 2.5 if name in CONSERVATIVE else 1.25
        assert 0.8 < relative_width(rows) < widest, name


def test_intervals_of_mmd_and_cka_near_zero_and_of_separability_are_conservative():
    """Unrelated samples of one distribution, and the probe on pairs: 100 samples of 80."""
    x = unit_rows(sample(8000, 6, 0, seed=1, falling=True)[0])
    y = unit_rows(sample(8000, 6, 0, seed=2, falling=True)[0])
    paired_x, paired_y = unit_pair(*sample(8000, 6, 0.3, seed=1, falling=True))
    rows = []
    for trial in range(100):
        part = slice(80 * trial, 80 * trial + 80)
        separability = linear_separability(paired_x[part], paired_y[part], trial)
        rows.append(
            [
                kernel_intervals(x[part], y[part])["mmd"],
                covariance_intervals(x[part], y[part], trial)["cka_debiased"],
                wilson_interval(separability, 80),
            ]
        )
    for estimates in np.array(rows).transpose(1, 0, 2):
        # The standard error of this ratio is 0.1.
        assert relative_width(estimates) > 1.2
        assert share_inside(estimates, estimates[:, 0].mean()) >= 0.97


def test_the_unbiased_squared_gap_is_right_where_the_gap_is_not(redraws):
    for shift in (0.0, 0.4):
        population = sample(100_000, 6, shift, seed=9, falling=True)
        squared_gap = modality_gap(*population) ** 2
        rows = redraws[shift]["squared_gap_unbiased"]
        error = rows[:, 0].std() / TRIALS**0.5
        assert abs(rows[:, 0].mean() - squared_gap) < 3 * error + 1e-4
        assert share_inside(rows, squared_gap) >= 0.89
    # The gap of samples of a population without one.
    assert redraws[0.0]["modality_gap"][:, 0].mean() > 0.05


def measures_of_groups(x, y, k):
    """Return what the jackknife measures, from the start."""
    skews = hubness(x, y, k).set_index("direction")["skewness"]
    return {
        "effective_rank_x": effective_rank(x),
        "isoscore_y": isoscore(y),
        "cka_debiased": cka(x, y, debiased=True),
        "hubness_image_to_text": skews["image_to_text"],
        "hubness_text_to_image": skews["text_to_image"],
        "neighbor_agreement": neighbor_agreement(x, y, k),
    }


def test_leaving_a_group_out_is_measuring_the_others():
    """The jackknife takes sums away, or neighbors from lists: the same as starting anew."""
    x, y = unit_pair(*sample(60, 5, falling=True))
    left_out = []
    for group in jackknife_groups(60, seed=0):
        left = np.setdiff1d(np.arange(60), group)
        left_out.append(measures_of_groups(x[left], y[left], k=4))
    estimates = covariance_intervals(x, y, seed=0) | neighbor_intervals(x, y, 4, seed=0)
    # The quantile of Student's t with 19 degrees of freedom.
    quantile = 2.0930240544
    for name in left_out[0]:
        values = np.array([measures[name] for measures in left_out])
        error = ((19 / 20) * ((values - values.mean()) ** 2).sum()) ** 0.5
        value, low, high = estimates[name]
        assert (high - low) / 2 == pytest.approx(quantile * error, rel=1e-6), name
        assert (high + low) / 2 == pytest.approx(value)


def test_leaving_a_pair_out_of_kernel_sums_is_measuring_the_others():
    x, y = unit_pair(*sample(25, 5, falling=True))
    rests = [np.delete(np.arange(25), i) for i in range(25)]
    of_x = np.array([uniformity(x[rest]) for rest in rests])
    of_both = np.array([mmd(x[rest], y[rest]) for rest in rests])
    for name, values in (("uniformity_x", of_x), ("mmd", of_both)):
        error = ((24 / 25) * ((values - values.mean()) ** 2).sum()) ** 0.5
        _, low, high = kernel_intervals(x, y)[name]
        assert (high - low) / 2 == pytest.approx(Z95 * error, rel=1e-4)


@pytest.mark.parametrize(("hits", "n"), [(0, 40), (13, 40), (40, 40), (1, 2)])
def test_the_wilson_interval_agrees_with_scipy(hits, n):
    expected = binomtest(hits, n).proportion_ci(method="wilson")
    value, low, high = wilson_interval(hits / n, n)
    assert value == hits / n
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_z95_leaves_a_fortieth_on_either_side():
    assert norm.sf(Z95) == pytest.approx(0.025, abs=1e-12)


runs = arrays(np.float64, st.integers(2, 30), elements=st.floats(-1e3, 1e3))


@given(runs, st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_it_is_the_interval_of_scipys_t_test(values, confidence):
    interval = t_interval(values, confidence)
    if interval.sd > 1e-9:
        expected = stats.ttest_1samp(values, 0).confidence_interval(confidence)
        assert interval.low == pytest.approx(expected.low, rel=1e-9, abs=1e-9)
        assert interval.high == pytest.approx(expected.high, rel=1e-9, abs=1e-9)
    assert interval.mean == pytest.approx(values.mean())
    assert interval.sd == pytest.approx(values.std(ddof=1))


@given(runs)
def test_its_ends_are_a_half_width_from_the_mean(values):
    mean, low, high, _, half_width = t_interval(values)
    assert low == mean - half_width
    assert high == mean + half_width


def test_equal_values_have_an_interval_of_no_width():
    assert t_interval([0.5, 0.5, 0.5]) == (0.5, 0.5, 0.5, 0.0, 0.0)


def test_many_values_have_the_interval_of_a_normal_distribution():
    values = np.arange(10_000) % 2
    assert t_interval(values).half_width == pytest.approx(1.96 * 0.5 / 100, rel=1e-3)


def test_a_list_an_array_and_a_series_have_one_interval_of_plain_floats():
    values = [1.0, 2.0, 4.0]
    interval = t_interval(values)
    assert t_interval(np.array(values)) == interval
    assert t_interval(pd.Series(values, index=[7, 8, 9])) == interval
    assert {type(number) for number in interval} == {float}


@pytest.mark.parametrize(
    "values", [[], [1.0], 1.0, [[1.0, 2.0], [3.0, 4.0]], [1.0, math.nan], [1.0, math.inf]]
)
def test_what_has_no_interval_is_refused(values):
    with pytest.raises(PairsError, match="needs a row of at least two finite numbers"):
        t_interval(values)


@pytest.mark.parametrize("confidence", [0, 1, 95, -0.5, math.nan])
def test_a_confidence_is_a_share(confidence):
    with pytest.raises(PairsError, match="a confidence lies between 0 and 1"):
        t_interval([1.0, 2.0], confidence)
