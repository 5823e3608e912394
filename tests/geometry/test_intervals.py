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
    group_hubness_intervals,
    group_wilson_interval,
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


@pytest.mark.parametrize("n", [2, 7, 300, 500, 5000])
def test_the_wilson_interval_of_no_hit_begins_at_zero_and_of_all_ends_at_one(n):
    assert wilson_interval(0.0, n).low == 0
    assert wilson_interval(1.0, n).high == 1


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


# ---- pairs in groups


def near_duplicates(groups=60, each=5, noise=0.02, seed=0):
    """Draw images with texts that differ by little: groups hold hardly more than one pair."""
    images, texts = sample(groups, 8, shift=0.3, seed=seed)
    numbers = np.repeat(np.arange(groups), each)
    y = texts[numbers] + noise * np.random.default_rng(seed).normal(size=(len(numbers), 8))
    return *unit_pair(images[numbers], y.astype(np.float32)), numbers


def width(estimate):
    return estimate.high - estimate.low


def test_intervals_of_near_duplicates_are_those_of_groups():
    x, y, groups = near_duplicates()
    first = np.arange(0, len(x), 5)
    by_group = bootstrap_intervals(x, y, 0, 500, groups)
    by_row = bootstrap_intervals(x, y, 0, 500)
    of_first = bootstrap_intervals(x[first], y[first], 0, 500)
    for name in ("modality_gap", "cosine_paired", "alignment", "cosine_within_y"):
        assert width(by_group[name]) > 1.8 * width(by_row[name]), name
        assert width(by_group[name]) == pytest.approx(width(of_first[name]), rel=0.05), name
        assert by_group[name].value == pytest.approx(of_first[name].value, abs=0.01), name
    by_group = covariance_intervals(x, y, 0, groups)
    by_row = covariance_intervals(x, y, 0)
    of_first = covariance_intervals(x[first], y[first], 0)
    for name in ("effective_rank_x", "isoscore_y", "cka"):
        assert width(by_group[name]) > 1.3 * width(by_row[name]), name
        assert by_group[name].value == pytest.approx(of_first[name].value, abs=0.02), name
    assert by_group["cka_debiased"] == of_first["cka_debiased"]


def test_intervals_of_groups_of_any_size_hold_the_truth_as_often_as_they_say():
    def draw(groups, rng):
        numbers = np.repeat(np.arange(groups), rng.integers(1, 8, size=groups))
        images, captions = rng.normal(size=(2, groups, 4))
        y = 0.5 * images + captions
        y = y[numbers] + 0.5 * rng.normal(size=(len(numbers), 4))
        return *unit_pair(images[numbers] + 0.4, y - 0.2), numbers

    rng = np.random.default_rng(0)
    names = ("modality_gap", "cosine_within_x", "cosine_paired")
    truth = bootstrap_intervals(*draw(20_000, rng)[:2], 0, 1)
    by_group = dict.fromkeys(names, 0)
    by_row = dict.fromkeys(names, 0)
    for trial in range(100):
        x, y, groups = draw(80, rng)
        estimates = bootstrap_intervals(x, y, trial, 200, groups)
        of_rows = bootstrap_intervals(x, y, trial, 200)
        for name in names:
            value = truth[name].value
            by_group[name] += estimates[name].low <= value <= estimates[name].high
            by_row[name] += of_rows[name].low <= value <= of_rows[name].high
    assert min(by_group.values()) >= 88
    assert max(by_row.values()) <= 80


def test_intervals_of_groups_of_one_pair_are_those_of_pairs():
    x, y = unit_pair(*sample(50, 6))
    alone = np.arange(50)
    pairs = [bootstrap_intervals(x, y, 3, 40), covariance_intervals(x, y, 3)]
    grouped = [bootstrap_intervals(x, y, 3, 40, alone), covariance_intervals(x, y, 3, alone)]
    for plain, estimates in zip(pairs, grouped, strict=True):
        assert list(plain) == list(estimates)
        for name, estimate in plain.items():
            assert estimates[name] == pytest.approx(estimate, rel=1e-6), name
    of_pairs = neighbor_intervals(x, y, 5, 3)
    for name, estimate in group_hubness_intervals(x, y, alone, 5, 3).items():
        assert estimate == pytest.approx(of_pairs[name]), name


def test_parts_of_the_jackknife_hold_whole_groups():
    groups = np.random.default_rng(0).permutation(np.repeat(np.arange(50), 3))
    parts = jackknife_groups(len(groups), 0, groups)
    assert sorted(np.concatenate(parts)) == list(range(150))
    assert len(parts) == 20
    for part in parts:
        assert set(np.unique(groups[part], return_counts=True)[1]) == {3}


def test_the_jackknife_of_hubness_measures_the_rest():
    x, y, groups = near_duplicates(40, 3, noise=0.5)
    k = 4
    estimates = group_hubness_intervals(x, y, groups, k, seed=0)
    left_out = {name: [] for name in estimates}
    for part in jackknife_groups(len(x), 0, groups):
        rest = np.setdiff1d(np.arange(len(x)), part)
        table = hubness(x[rest], y[rest], k, groups[rest]).set_index("direction")["skewness"]
        for name, values in left_out.items():
            values.append(table[name.removeprefix("hubness_")])
    for name, values in left_out.items():
        error = (19 / 20 * ((values - np.mean(values)) ** 2).sum()) ** 0.5
        half_width = stats.t.ppf(0.975, 19) * error
        assert estimates[name].high - estimates[name].value == pytest.approx(half_width), name


@pytest.mark.parametrize("alike", [True, False])
def test_trials_of_groups_count_as_many_as_are_independent(alike):
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(200), 5)
    if alike:
        hits = rng.integers(2, size=200).astype(float)[groups]
    else:
        hits = rng.integers(2, size=1000).astype(float)
    estimate = group_wilson_interval(hits, groups)
    expected = wilson_interval(hits.mean(), 200 if alike else 1000)
    assert width(estimate) == pytest.approx(width(expected), rel=0.1)
    assert estimate.value == hits.mean()


def test_trials_that_are_all_hits_count_once_a_group():
    groups = np.repeat(np.arange(30), 4)
    for share in (0.0, 1.0):
        assert group_wilson_interval(np.full(120, share), groups) == wilson_interval(share, 30)
    hits = np.random.default_rng(0).integers(2, size=50).astype(float)
    alone = group_wilson_interval(hits, np.arange(50))
    assert alone == pytest.approx(wilson_interval(hits.mean(), 50))
