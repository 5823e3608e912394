import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from gapbook import PairsError
from gapbook.geometry import t_interval

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
