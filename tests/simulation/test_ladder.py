"""The ladder from free vectors to encoders."""

import numpy as np
import pandas as pd
import pytest

from gapbook.simulation.ladder import MEASURED_STEPS, RUNGS, train_rung


def late_gap(name, rate, seeds=range(2), steps=300):
    """Return the mean gap of the later steps of plain gradient descent."""
    curves = [train_rung(name, seed, steps=steps, sgd_rate=rate) for seed in seeds]
    later = pd.concat(curves).query("step >= 50")
    return later["gap"].mean()


@pytest.mark.parametrize("name", RUNGS)
def test_every_rung_begins_without_a_gap_but_for_chance(name):
    curve = train_rung(name, seed=0, steps=2)
    assert curve["step"].tolist() == [0, 2]
    # Two means of 256 free vectors differ by chance; twins with equal weights are equal.
    chance = 2 * (0.5 * 2 / 256) ** 0.5 if RUNGS[name].kind == "vectors" else 1e-6
    assert curve["gap"][0] <= chance


def test_a_run_depends_on_its_seed_alone():
    first = train_rung("MLP, features centered", seed=3, steps=10)
    again = train_rung("MLP, features centered", seed=3, steps=10)
    other = train_rung("MLP, features centered", seed=4, steps=10)
    pd.testing.assert_frame_equal(first, again)
    assert not np.allclose(first["gap"], other["gap"])


def test_steps_are_measured_up_to_the_last():
    curve = train_rung("free vectors", seed=0, steps=30)
    assert curve["step"].tolist() == [step for step in MEASURED_STEPS if step <= 30]


def test_gap_of_twins_grows_as_the_root_of_the_rate():
    """A random walk against a pull has a spread that is proportional to the root of its steps."""
    ratio = late_gap("MLP, features centered", 3e-3) / late_gap("MLP, features centered", 3e-4)
    assert 10**0.5 / 1.6 < ratio < 10**0.5 * 1.6


def test_without_noise_equal_twins_stay_equal():
    curve = train_rung("MLP, features in a cone", 0, steps=30, sgd_rate=3e-3, noise_until=0)
    assert curve["gap"].max() < 1e-4


def test_a_run_goes_its_own_way_until_its_noise_ends():
    settings = {"seed": 0, "steps": 50, "sgd_rate": 3e-3}
    noisy = train_rung("MLP, features in a cone", **settings)
    ended = train_rung("MLP, features in a cone", noise_until=20, **settings)
    pd.testing.assert_frame_equal(noisy[noisy["step"] <= 20], ended[ended["step"] <= 20])
    assert noisy["gap"].iloc[-1] != ended["gap"].iloc[-1]


def test_larger_batches_open_a_smaller_gap():
    settings = {"seed": 0, "steps": 200, "sgd_rate": 3e-3}
    small = train_rung("MLP, features centered", **settings)
    large = train_rung("MLP, features centered", batch_size=256, **settings)
    assert large["gap"].iloc[-1] < 0.75 * small["gap"].iloc[-1]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "no rung"}, "Expected one of free vectors"),
        ({"name": "free vectors", "tau": 0}, "Expected tau as a positive number; got 0"),
        ({"name": "free vectors", "sgd_rate": -1}, "Expected sgd_rate as a positive number"),
        ({"name": "free vectors", "batch_size": 257}, "Expected batch_size from 2 to 256; got 257"),
        ({"name": "free vectors", "batch_size": 1}, "Expected batch_size from 2 to 256; got 1"),
    ],
)
def test_what_cannot_be_trained_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        train_rung(seed=0, **settings)
