"""Contrasts of training runs: weighted sums of what they end with, seed by seed."""

from collections.abc import Mapping

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
