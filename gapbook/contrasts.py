"""Comparisons of training runs: contrasts, seed by seed, and what explains their ends."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from gapbook.exceptions import PairsError
from gapbook.geometry import t_interval

# An interval from fewer seeds says nothing.
FEWEST_SEEDS = 3


def contrast_runs(
    ends: pd.DataFrame, contrasts: Mapping[str, Mapping[str, float]], value: str = "gap"
) -> pd.DataFrame:
    """Compare what runs end with, paired by seed, at each length of training.

    Parameters
    ----------
    ends : pandas.DataFrame
        One row a run at its end, with the columns run (its name), epochs (its length), seed, and
        that of the value.
    contrasts : mapping of str to mapping of str to float
        The weights of runs in each contrast, by their names.
    value : str
        The column that is compared.

    Returns
    -------
    pandas.DataFrame
        Columns seeds (how many have all runs of the contrast), mean, low, high and half_width (the
        95 % t-interval over seeds, NaN for fewer than three), in the unit of the value; one row a
        contrast and length, named contrast and epochs. A length without a common seed has no row.

    Raises
    ------
    PairsError
        For a run that no row has, and for two ends of one run, length and seed.

    Examples
    --------
    >>> table = {"run": ["a", "b"] * 3, "epochs": 30, "seed": [0, 0, 1, 1, 2, 2]}
    >>> table["gap"] = [1.0, 0.5, 1.5, 0.75, 1.25, 0.25]
    >>> found = contrast_runs(pd.DataFrame(table), {"a over b": {"a": 1, "b": -1}})
    >>> int(found["seeds"].iloc[0]), float(found["mean"].iloc[0])
    (3, 0.75)
    """
    if ends.duplicated(["run", "epochs", "seed"]).any():
        raise PairsError("Expected one row for each run, length and seed; got some of them twice")
    wide = ends.pivot_table(value, ["epochs", "seed"], "run")
    rows = {}
    for name, weights in contrasts.items():
        missing = sorted(set(weights) - set(wide.columns))
        if missing:
            raise PairsError(f"Expected runs that are in the table; got {', '.join(missing)}")
        differences = (wide[list(weights)] * pd.Series(weights)).sum(axis=1, skipna=False)
        for epochs, of_seeds in differences.dropna().groupby("epochs"):
            row = {"seeds": len(of_seeds), "mean": of_seeds.mean()}
            if len(of_seeds) >= FEWEST_SEEDS:
                interval = t_interval(of_seeds)._asdict()
                row |= {part: interval[part] for part in ("low", "high", "half_width")}
            rows[name, epochs] = row
    places = pd.MultiIndex.from_tuples(rows, names=["contrast", "epochs"])
    columns = ["seeds", "mean", "low", "high", "half_width"]
    return pd.DataFrame(list(rows.values()), places, columns)


class RunsFit(NamedTuple):
    """What a plain least-squares fit over runs explains; see ``explain_runs``."""

    r2: float
    low: float
    high: float
    left_out: float
    coefficients: pd.Series
    residuals: pd.Series


def explain_runs(
    ends: pd.DataFrame,
    value: str,
    predictors: Sequence[str],
    group: str = "variant",
    *,
    seed: int = 0,
    replicates: int = 1000,
) -> RunsFit:
    """Fit a value of runs by least squares, and say how much of its variance that explains.

    Parameters
    ----------
    ends : pandas.DataFrame
        One row a run, with the columns of the value, the predictors and the group.
    value : str
        The column that is explained.
    predictors : sequence of str
        The columns that explain it, linearly and with an intercept.
    group : str
        The column of kinds of runs, of which there must be at least two.
    seed : int
        What draws groups for the interval.
    replicates : int
        How often they are drawn.

    Returns
    -------
    RunsFit
        r2, the share of the variance that the fit explains; low and high, the ends of its 95 %
        bootstrap interval over whole groups; left_out, the share of the variance that is explained
        where each group is predicted by a fit to all others; coefficients, by predictor and
        "intercept"; and residuals by run, value minus fit, in the unit of the value.

    Raises
    ------
    PairsError
        For fewer than two groups, values that are not finite, or fewer runs than coefficients.

    Notes
    -----
    r2 is 1 where the fit is exact, 0 where it is no better than the mean. ``left_out`` is below 0
    where the mean of all runs predicts a group better than the others' fit does. A bootstrap
    replicate draws as many groups as there are, with all their runs, and fits anew.

    Examples
    --------
    >>> runs = pd.DataFrame({"variant": list("aabb"), "tau": [0, 1, 2, 3], "gap": [1, 3, 5, 7]})
    >>> fit = explain_runs(runs, "gap", ["tau"])
    >>> round(fit.r2, 6), round(fit.left_out, 6), fit.coefficients.round(6).to_dict()
    (1.0, 1.0, {'intercept': 1.0, 'tau': 2.0})
    """
    names = ["intercept", *predictors]
    x = ends.assign(intercept=1.0)[names].to_numpy(float)
    y = ends[value].to_numpy(float)
    labels = ends[group].to_numpy()
    members = [np.flatnonzero(labels == name) for name in pd.unique(labels)]
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise PairsError("Expected finite values and predictors; drop runs that have none")
    if len(members) < 2 or len(y) < len(names):
        raise PairsError(
            f"Expected at least two groups and {len(names)} runs; got {len(members)} and {len(y)}"
        )
    coefficients = _least_squares(x, y)
    predicted = np.empty(len(y))
    for rows in members:
        others = np.delete(np.arange(len(y)), rows)
        predicted[rows] = x[rows] @ _least_squares(x[others], y[others])
    rng = np.random.default_rng(seed)
    drawn_r2 = []
    for _ in range(replicates):
        draws = rng.integers(len(members), size=len(members))
        drawn = np.concatenate([members[i] for i in draws])
        fitted = x[drawn] @ _least_squares(x[drawn], y[drawn])
        drawn_r2.append(_explained(y[drawn], fitted))
    low, high = np.nanquantile(drawn_r2, [0.025, 0.975])
    fitted = x @ coefficients
    return RunsFit(
        _explained(y, fitted),
        float(low),
        float(high),
        _explained(y, predicted),
        pd.Series(coefficients, names),
        pd.Series(y - fitted, ends.index),
    )


def _least_squares(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.linalg.lstsq(x, y, rcond=None)[0]


def _explained(y: np.ndarray, predicted: np.ndarray) -> float:
    """Return the share of the variance that a prediction explains; NaN where there is none."""
    variance = ((y - y.mean()) ** 2).sum()
    if variance == 0:
        return float("nan")
    return float(1 - ((y - predicted) ** 2).sum() / variance)
