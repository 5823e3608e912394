"""Measure where two modalities lie on the sphere: gap, cosines, retrieval, separability, and one report of them all.

Every function takes NumPy arrays or torch tensors (n, d), on any device and of any float type, brings rows to unit
length by the gate in ``gapbook.pairs`` (whose ``PairsError`` names what is wrong), and leaves its input as it was.
Work runs on the input's device in tiles: no n by n matrix exists at any time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from gapbook.pairs import PairedEmbeddings, PairsError, unit_pair, unit_rows

TILE = 512  # rows and columns of one tile of cosines
FINE = 2**22  # bins that [-1, 1] is cut into to find quartiles: 4.8e-7 wide
TIE = float(torch.finfo(torch.float32).eps)  # cosines of float32 rows that differ by less are equal
Z95 = 1.959964  # standard normal quantile of a 95 % interval


def gap_vector(x: Any, y: Any) -> np.ndarray:
    """Return the gap vector, mean(x) - mean(y) of unit rows: float64 (d,), dimensionless.

    Zero for identical modalities and for any two isotropic ones as n grows; 2 u for modalities collapsed to u and -u.
    Raises ``PairsError``. Source: Liang et al. 2022, section 4.2.

    >>> gap_vector([[1, 0], [0, 1]], [[1, 0], [1, 0]])
    array([-0.5,  0.5])
    """
    unit_x, unit_y = unit_pair(x, y)
    return (unit_x.mean(0, dtype=torch.float64) - unit_y.mean(0, dtype=torch.float64)).cpu().numpy()


def modality_gap(x: Any, y: Any) -> float:
    """Return the modality gap, ||mean(x) - mean(y)|| of unit rows: a distance between 0 and 2.

    0 for identical modalities, sqrt(2 / n) on average for isotropic ones, 2 for modalities collapsed to antipodes.
    Raises ``PairsError``. Source: Liang et al. 2022, section 4.2.

    >>> modality_gap([[3, 0], [2, 0]], [[-1, 0], [-5, 0]])
    2.0
    """
    return float(np.linalg.norm(gap_vector(x, y)))


class Histogram(NamedTuple):
    """Counts (bins,) and edges (bins + 1,) over [-1, 1], as from ``numpy.histogram``."""

    counts: np.ndarray
    edges: np.ndarray


@dataclass(frozen=True, eq=False)
class CosineStats:
    """Statistics of the cosines of all n (n - 1) ordered pairs of different rows; ``std`` is the population's."""

    mean: float
    std: float
    min: float
    q25: float
    median: float
    q75: float
    max: float
    n_pairs: int
    histogram: Histogram


def cosine_stats(x: Any, bins: int = 100, progress: bool = False) -> CosineStats:
    """Return mean, std, min, quartiles, max and histogram of x_i . x_j over all i != j: x (n, d), no n by n memory.

    The mean is (||sum x_i||^2 - sum ||x_i||^2) / (n (n - 1)) in float64. The rest comes from float32 tiles of the
    upper triangle: quartiles, interpolated as ``numpy.percentile`` does, from counts in bins 4.8e-7 wide, so that they
    are right to 1e-6; a cosine on an edge of the histogram, to float32 rounding, may fall on either side of it.
    Collapsed rows: mean 1, std 0. Isotropic rows: mean 0, std 1 / sqrt(d). ``progress`` shows a bar.
    Raises ``PairsError``. Source: Liang et al. 2022, section 3 and figure 2a.

    >>> stats = cosine_stats([[1, 0], [0, 1], [0, -1]])
    >>> stats.mean, stats.min, stats.median, stats.n_pairs
    (-0.333..., -1.0, 0.0, 6)
    """
    if isinstance(bins, bool) or not isinstance(bins, int | np.integer) or bins < 1:
        raise PairsError(f"Expected bins as a positive integer; got {bins!r}")
    unit = unit_rows(x)
    n_pairs = len(unit) * (len(unit) - 1)
    total = unit.sum(0, dtype=torch.float64)
    mean = float(total @ total - _squares(unit).sum()) / n_pairs
    per_bin = -(-FINE // bins)
    half = bins * per_bin / 2  # fine bins to one unit of cosine
    counts = torch.from_numpy(np.zeros(bins * per_bin, np.int64)).to(unit.device)  # NumPy leaves empty pages untouched
    one = counts.new_ones(1)
    low, high, squares = 1.0, -1.0, 0.0
    for cosines in _upper_tiles(unit, progress):
        least, most = cosines.aminmax()
        low, high = min(low, float(least)), max(high, float(most))
        squares += float(torch.linalg.vector_norm(cosines - mean, dtype=torch.float64)) ** 2
        index = cosines.mul_(half).add_(half).int().clamp_(max=len(counts) - 1)
        counts.index_add_(0, index, one.expand(len(index)))
    fine = counts.cpu().numpy()
    q25, median, q75 = (min(max(q, low), high) for q in _quantiles(fine, half, (0.25, 0.5, 0.75)))
    histogram = Histogram(2 * fine.reshape(bins, per_bin).sum(1), np.linspace(-1, 1, bins + 1))
    return CosineStats(mean, (2 * squares / n_pairs) ** 0.5, low, q25, median, q75, high, n_pairs, histogram)


def _squares(unit: torch.Tensor) -> torch.Tensor:
    """Return ||x_i||^2 (n,), which is 1 but for the rounding of float32."""
    return torch.linalg.vector_norm(unit, dim=1, dtype=torch.float64) ** 2


def _upper_tiles(unit: torch.Tensor, progress: bool) -> Iterator[torch.Tensor]:
    """Yield the cosines of all i < j, one flat tile at a time."""
    from tqdm import tqdm

    starts = range(0, len(unit), TILE)
    above = torch.ones(TILE, TILE, dtype=torch.bool, device=unit.device).triu_(1)
    tiles = [(i, j) for i in starts for j in starts if i < j or (i == j and i + 1 < len(unit))]
    for i, j in tqdm(tiles, desc="cosines", unit="tile", disable=not progress):
        cosines = (unit[i : i + TILE] @ unit[j : j + TILE].T).clamp_(-1, 1)
        rows = len(cosines)
        yield cosines.reshape(-1) if i < j else cosines[above[:rows, :rows]]


def _quantiles(fine: np.ndarray, half: float, levels: Sequence[float]) -> list[float]:
    """Interpolate quantiles of values that each stand for two equal ones, from their counts in fine bins."""
    upto = np.cumsum(fine)
    count = int(upto[-1])

    def value(rank: int) -> float:  # of the sorted values, taken as evenly spread within their bin
        place = int(np.searchsorted(upto, rank, side="right"))
        inside = (rank - (upto[place] - fine[place]) + 0.5) / fine[place]
        return float((place + inside) / half - 1)

    found = []
    for level in levels:
        rank, rest = divmod(level * (2 * count - 1), 1)
        lower, upper = value(int(rank) // 2), value(min(int(rank) + 1, 2 * count - 1) // 2)
        found.append(lower + rest * (upper - lower))
    return found


def retrieval_ranks(x: Any, y: Any) -> dict[str, np.ndarray]:
    """Return the rank of each query's partner, from 0, in both directions: {direction: float64 (n,)}.

    The rank is the number of strictly better candidates plus half the number of other candidates that tie, where
    cosines within 1.2e-7 (the rounding of float32 rows) tie. Cosines are float64, so that duplicates tie in every
    tile. "image_to_text" takes rows of x as queries and y as candidates, "text_to_image" the reverse, whatever the
    modalities. Identical modalities: 0, where rows differ; collapsed ones: (n - 1) / 2. Raises ``PairsError``.

    >>> retrieval_ranks([[1, 0], [0, 1]], [[1, 0], [1, 0]])["image_to_text"].tolist()
    [0.5, 0.5]
    """
    a, b = unit_pair(x, y)
    n = len(a)
    own = torch.cat([(a[i : i + TILE].double() * b[i : i + TILE].double()).sum(1) for i in range(0, n, TILE)])
    halves = torch.zeros(2, n, dtype=torch.int64, device=a.device)  # 2 for each better candidate, 1 for each tie
    for i in range(0, n, TILE):
        rows, queries = slice(i, i + TILE), a[i : i + TILE].double()
        for j in range(0, n, TILE):
            columns = slice(j, j + TILE)
            cosines = queries @ b[columns].double().T
            for side, partner, dim, part in ((0, own[rows, None], 1, rows), (1, own[None, columns], 0, columns)):
                halves[side, part] += (cosines > partner + TIE).sum(dim) + (cosines >= partner - TIE).sum(dim)
    ranks = (halves - 1).cpu().numpy() / 2  # each partner ties with itself
    return {"image_to_text": ranks[0], "text_to_image": ranks[1]}


def retrieval(x: Any, y: Any, ks: Sequence[int] = (1, 5, 10)) -> pd.DataFrame:
    """Return recall at each k in both directions: a DataFrame with columns direction, k, recall (a fraction).

    recall = share of queries whose partner has rank < k, ranks as in ``retrieval_ranks`` (ties count half). Identical
    modalities: 1, where rows differ; independent ones: k / n; collapsed ones: 0 while 2 k < n. Raises ``PairsError``.

    >>> retrieval([[1, 0], [0, 1]], [[1, 0.1], [0.9, 1]], ks=[1])["recall"].tolist()
    [1.0, 1.0]
    """
    if np.ndim(ks) != 1 or not len(ks) or not all(isinstance(k, int | np.integer) and k >= 1 for k in ks):
        raise PairsError(f"Expected ks as positive integers, such as (1, 5, 10); got {ks!r}")
    ranks = retrieval_ranks(x, y)
    rows = [(direction, int(k), float((rank < k).mean())) for direction, rank in ranks.items() for k in ks]
    return pd.DataFrame(rows, columns=["direction", "k", "recall"])


def linear_separability(x: Any, y: Any, seed: int = 0, groups: Any = None) -> float:
    """Return the held-out accuracy of a linear probe that tells rows of x from rows of y: a fraction.

    Logistic regression on standardized features, five folds (fewer for n < 5) of pairs: both members of a pair are on
    the same side of a split. ``seed`` shuffles the folds. Near-duplicates in different folds flatter the probe: with
    ``groups`` (n,), pairs of one group stay together. Exactly 0.5 for identical modalities, about 0.5 for two samples
    of one distribution (and for collapsed equal ones), 1 where a plane parts them. Raises ``PairsError``.

    >>> linear_separability([[1, 0], [1, 0.1], [1, -0.1]], [[-1, 0], [-1, 0.1], [-1, -0.1]])
    1.0
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, KFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    a, b = (side.cpu().numpy() for side in unit_pair(x, y))
    if groups is not None and np.shape(groups) != (len(a),):
        raise PairsError(f"Expected groups of shape ({len(a)},), one for each pair; got {np.shape(groups)}")
    folds = min(5, len(a) if groups is None else len(np.unique(groups)))
    if folds < 2:
        raise PairsError("at least 2 groups are needed; got 1")
    split = KFold(folds, shuffle=True, random_state=seed) if groups is None else GroupKFold(folds)
    hits = 0
    for train, test in split.split(a, groups=groups):
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        probe.fit(np.concatenate([a[train], b[train]]), np.repeat([0, 1], len(train)))
        hits += int((probe.predict(a[test]) == 0).sum() + (probe.predict(b[test]) == 1).sum())
    return hits / (2 * len(a))


def gap_report(pairs: PairedEmbeddings, seed: int = 0, replicates: int = 1000) -> pd.DataFrame:
    """Return every measure of this module: a tidy DataFrame with columns metric, value, low, high, unit.

    ``cosine_within_*`` are means over different rows of one side, ``cosine_paired`` the mean of x_i . y_i and
    ``cosine_across`` of all x_i . y_j, i = j included. low and high are a 95 % interval for a redraw of the pairs: for
    gap and cosines the percentiles of a bootstrap (``replicates``, ``seed``) in which a pair drawn twice is never
    compared with its copy; for recalls (candidates held fixed) and separability Wilson's binomial interval, n trials.
    The gap's interval is that of the gap of *this many* pairs, whose square noise lifts by the sum of variances over n:
    near zero it lies too high. n_pairs and dimension have none: NaN. Raises ``PairsError``.

    >>> report = gap_report(PairedEmbeddings([[4, 3], [4, -3], [5, 0]], [[-4, 3], [-4, -3], [-5, 0]]))
    >>> report.set_index("metric").loc["cosine_across", ["value", "low", "high"]].astype(float).round(2).tolist()
    [-0.75, -0.79, -0.71]
    """
    if not isinstance(pairs, PairedEmbeddings):
        raise PairsError(
            f"Expected PairedEmbeddings; got {type(pairs).__name__}: use PairedEmbeddings.from_arrays(x, y)"
        )
    n, d = pairs.x.shape
    x, y = unit_pair(pairs.x, pairs.y)
    values = _moments(x, y, torch.ones(1, n, dtype=torch.float64))
    redrawn = _bootstrap(x, y, seed, replicates)
    rows: list[tuple] = [("n_pairs", n, np.nan, np.nan, "pairs"), ("dimension", d, np.nan, np.nan, "dimensions")]
    for name, value in values.items():
        low, high = np.nanpercentile(redrawn[name], [2.5, 97.5])
        rows.append((name, float(value[0]), low, high, "distance" if name == "modality_gap" else "cosine"))
    recalls = retrieval(x, y)
    shares = dict(zip("r" + recalls["k"].astype(str) + "_" + recalls["direction"], recalls["recall"], strict=True))
    shares["linear_separability"] = linear_separability(x, y, seed)
    rows += [(name, share, *_wilson(share, n), "fraction") for name, share in shares.items()]
    return pd.DataFrame(rows, columns=["metric", "value", "low", "high", "unit"])


def _moments(x: torch.Tensor, y: torch.Tensor, weights: torch.Tensor) -> dict[str, np.ndarray]:
    """Return gap and mean cosines for each row of weights (r, n), which count how often a pair was drawn: sums to n.

    Gap and cosine_across are averages of terms of two different pairs, n - 1 parts of n, and of terms of a pair with
    itself, one part. Copies of a pair never count as two different ones, so that redraws scatter about the value of
    the sample without bias.
    """
    n = len(x)
    sum_x, sum_y = torch.zeros(2, len(weights), x.shape[1], dtype=torch.float64)
    own = torch.empty(n, 2, dtype=torch.float64)  # x_i . y_i and ||x_i - y_i||^2
    for i in range(0, n, TILE):
        block_x, block_y = x[i : i + TILE].double(), y[i : i + TILE].double()
        own[i : i + TILE] = torch.stack([(block_x * block_y).sum(1), (block_x - block_y).square().sum(1)], 1)
        sum_x += weights[:, i : i + TILE] @ block_x
        sum_y += weights[:, i : i + TILE] @ block_y
    twice = weights**2
    apart = n**2 - twice.sum(1)
    apart[apart == 0] = torch.nan  # one pair drawn n times
    cross = ((sum_x * sum_y).sum(1) - twice @ own[:, 0]) / apart
    moved = ((sum_x - sum_y).square().sum(1) - twice @ own[:, 1]) / apart
    paired, length = (weights @ own / n).T
    moments = {
        "modality_gap": (((n - 1) * moved + length) / n).clamp(min=0).sqrt(),
        "cosine_within_x": (sum_x.square().sum(1) - twice @ _squares(x)) / apart,
        "cosine_within_y": (sum_y.square().sum(1) - twice @ _squares(y)) / apart,
        "cosine_paired": paired,
        "cosine_across": ((n - 1) * cross + paired) / n,
    }
    return {name: value.numpy() for name, value in moments.items()}


def _bootstrap(x: torch.Tensor, y: torch.Tensor, seed: int, replicates: int) -> dict[str, np.ndarray]:
    """Return the moments of redraws of the pairs with replacement, some at a time to bound memory."""
    rng, n, parts = np.random.default_rng(seed), len(x), []
    step = max(1, 2**22 // n)
    for start in range(0, replicates, step):
        count = min(step, replicates - start)
        drawn = rng.integers(n, size=(count, n)) + n * np.arange(count)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=drawn.size).reshape(drawn.shape)
        parts.append(_moments(x, y, torch.from_numpy(weights).double()))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _wilson(share: float, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % score interval of a share among n trials."""
    middle, spread = share + Z95**2 / (2 * n), Z95 * (share * (1 - share) / n + (Z95 / (2 * n)) ** 2) ** 0.5
    low, high = (middle - spread) / (1 + Z95**2 / n), (middle + spread) / (1 + Z95**2 / n)
    return max(low, 0.0), min(high, 1.0)
