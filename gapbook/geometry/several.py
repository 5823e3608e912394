"""More than two modalities of the same items: every pair of them, and all together."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from gapbook.checks.metadata import is_modality
from gapbook.checks.seeds import require_seed
from gapbook.exceptions import PairsError, quoted
from gapbook.geometry.arrays import to_numpy
from gapbook.geometry.intervals import Estimate, jackknife, jackknife_groups
from gapbook.geometry.neighbors import default_neighbors, shares_of_places
from gapbook.geometry.table import SAMPLE_SIZE, measure, require_sample_size
from gapbook.pairs import PairedEmbeddings, unit_rows

COLUMNS = ["x", "y", "metric", "value", "low", "high", "unit"]
# Of rows at unit length: a variance below it is rounding.
ROUNDING = 1e-12
# Queries whose cosines with all rows are held at once.
QUERIES_AT_ONCE = 256


def several_report(
    sides: Mapping[str, ArrayLike],
    seed: int = 0,
    replicates: int = 1000,
    sample: int = SAMPLE_SIZE,
) -> pd.DataFrame:
    """Measure two or more modalities of the same items, as ``gap_report`` does for a mapping.

    Parameters
    ----------
    sides : mapping of str to array (n, d)
        The embeddings of each modality by its name: row i of each is item i. Rows are brought to
        unit length.
    seed : int
        What draws samples, redraws and groups.
    replicates : int
        The number of redraws of the bootstrap of each pair.
    sample : int
        The largest number of items for what compares all rows with all rows.

    Returns
    -------
    pandas.DataFrame
        Columns ``x`` and ``y``, names of modalities, then those of ``gap_report``: metric, value,
        low, high and unit. First all measures of each pair of modalities; then
        ``variance_between`` and ``own_share``, whose x and y are "all"; then ``share_of_results``
        of each modality x in each y.

    Raises
    ------
    PairsError
        If there are fewer than two sides, or they differ in shape, or one is no array of
        embeddings.

    Notes
    -----
    ``variance_between`` is the share of the variance of all rows that lies between the k mean rows:
    ``mean_m |c_m - c|^2 / (1 - |c|^2)``, with ``c_m`` the mean row of modality m and ``c`` that of
    all rows. It is 0 where all modalities have one mean, and 1 where each is a point of its own.
    For two modalities its numerator is the squared half of the gap.

    ``share_of_results`` is the share of modality y among the nearest rows, 10 of them (n // 2 below
    20 items), of a query from x in one index of all rows but the query. ``own_share`` is its mean
    over queries where y is x. One cloud gives ``(n - 1) / (k n - 1)``, clouds far apart give 1.

    Intervals of both are a jackknife of 20 groups of items, in which the index stays as it is.

    Examples
    --------
    >>> rows = np.array([[4.0, 3.0], [4.0, -3.0], [5.0, 0.0]])
    >>> table = several_report({"image": rows, "text": -rows, "sound": rows}, replicates=20)
    >>> table.query("metric == 'modality_gap'")[["x", "y"]].to_numpy().tolist()
    [['image', 'text'], ['image', 'sound'], ['text', 'sound']]
    >>> table.query("metric == 'modality_gap'")["value"].round(3).tolist()
    [1.733, 0.0, 1.733]
    """
    names = _names(sides)
    require_seed(seed)
    require_sample_size(sample)
    unit = {name: to_numpy(unit_rows(sides[name], name)) for name in names}
    _require_one_shape(unit)
    tables = []
    for first, second in combinations(names, 2):
        pairs = PairedEmbeddings(unit[first], unit[second], modalities=(first, second))
        table = measure(pairs, seed, replicates, sample).table
        tables.append(table.assign(x=first, y=second))
    together = _together(unit, seed, sample)
    return pd.concat([*tables, together], ignore_index=True)[COLUMNS]


def _names(sides: Mapping[str, ArrayLike]) -> list[str]:
    """Return the names of the modalities, and refuse what names none."""
    if not isinstance(sides, Mapping) or len(sides) < 2:
        raise PairsError("Expected a mapping of at least two names of modalities to their rows")
    for name in sides:
        if not is_modality(name) or name == "all":
            raise PairsError(
                f"Expected a printable name of a modality, not 'all'; got {quoted(name)}"
            )
    return list(sides)


def _require_one_shape(unit: Mapping[str, np.ndarray]) -> None:
    shapes = {name: rows.shape for name, rows in unit.items()}
    if len(set(shapes.values())) > 1:
        found = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise PairsError(f"Expected all modalities of one shape (n, d); got {found}")


def _together(unit: Mapping[str, np.ndarray], seed: int, sample: int) -> pd.DataFrame:
    """Measure all modalities at once."""
    rows = np.stack(list(unit.values()))
    names = list(unit)
    estimates = [("all", "all", "variance_between", _variance_between(rows, seed))]
    n = rows.shape[1]
    if n > sample:
        drawn = np.sort(np.random.default_rng(seed).choice(n, int(sample), replace=False))
        rows = rows[:, drawn]
    shares = _shares_of_results(rows)
    own = _mean_estimate(np.mean([shares[i, i] for i in range(len(names))], axis=0), seed)
    estimates.append(("all", "all", "own_share", own))
    for i, x in enumerate(names):
        for j, y in enumerate(names):
            share = _mean_estimate(shares[i, j], seed)
            estimates.append((x, y, "share_of_results", share))
    table = [(x, y, metric, *estimate, "fraction") for x, y, metric, estimate in estimates]
    return pd.DataFrame(table, columns=COLUMNS)


def _variance_between(rows: np.ndarray, seed: int) -> Estimate:
    """Return the share of the variance between mean rows; ``rows`` are (k, n, d) at unit length."""
    n = rows.shape[1]
    totals = rows.sum(1, dtype=np.float64)

    def share(sums: np.ndarray, count: int) -> dict[str, float]:
        centers = sums / count
        center = centers.mean(0)
        between = ((centers - center) ** 2).sum(1).mean()
        whole = 1 - float(center @ center)
        return {"share": float(between / whole) if whole > ROUNDING else 0.0}

    left_out = [
        share(totals - rows[:, group].sum(1, dtype=np.float64), n - len(group))
        for group in jackknife_groups(n, seed)
    ]
    return jackknife(share(totals, n), left_out)["share"]


def _shares_of_results(rows: np.ndarray) -> np.ndarray:
    """Return which modality the nearest rows of each query are of: (k, k, n), queries first."""
    k, n, _ = rows.shape
    places = default_neighbors(n)
    index = rows.reshape(k * n, -1)
    shares = np.empty((k, k, n))
    for start in range(0, k * n, QUERIES_AT_ONCE):
        cosines = index[start : start + QUERIES_AT_ONCE] @ index.T
        own = np.arange(len(cosines))
        # Below all cosines: a query does not find itself.
        cosines[own, start + own] = -2
        found = shares_of_places(cosines, places).reshape(-1, k, n).sum(2) / places
        modality, item = np.divmod(start + own, n)
        shares[modality, :, item] = found
    return shares


def _mean_estimate(values: np.ndarray, seed: int) -> Estimate:
    """Return the mean over items with its interval; ``values`` are (n,)."""
    groups = jackknife_groups(len(values), seed)
    left_out = [{"mean": float(np.delete(values, group).mean())} for group in groups]
    return jackknife({"mean": float(values.mean())}, left_out)["mean"]
