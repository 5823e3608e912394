"""How far apart two modalities lie, and how well a plane parts them."""

from typing import Any

import numpy as np
import pandas as pd
import torch

from gapbook.exceptions import PairsError
from gapbook.geometry.shape import alignment
from gapbook.geometry.tiles import mean_cosine
from gapbook.pairs import unit_pair


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


def relative_modality_gap(x: Any, y: Any) -> float:
    """Return P / (P + (I_x + I_y) / 2), the part that partners' distance is of all distance: a fraction.

    With d(a, b) = (1 - cos(a, b)) / 2, P is the mean of d(x_i, y_i) over pairs and I_x that of d(x_i, x_j) over i != j.
    0 for identical modalities, about 0.5 for independent isotropic ones, 1 for modalities collapsed to two points. On
    the published CLIP embeddings of 500 COCO pairs it is 0.5915, by the formula as by its authors' code. Another public
    version gives 0.8527: it leaves the half out of P but not of I, and divides sums over i < j by 2 n (n - 1), as if
    they ran over both orders. One that does the same and adds up cosines of x in the place of distances gives 0.7309.
    Raises ``PairsError``. Source: Schrodi et al. 2024.

    >>> x = [[1, 0], [0, 1]]
    >>> round(relative_modality_gap(x, [[-1, 0], [0, -1]]), 4), relative_modality_gap(x, x)
    (0.6667, 0.0)
    """
    unit_x, unit_y = unit_pair(x, y)
    paired = alignment(unit_x, unit_y) / 4  # (1 - cos) / 2, without its rounding near cos = 1
    within = (1 - (mean_cosine(unit_x) + mean_cosine(unit_y)) / 2) / 2
    return paired / (paired + within) if paired else 0.0


def gap_share_by_dimension(x: Any, y: Any) -> pd.DataFrame:
    """Return how much each coordinate adds to the squared gap, largest first: a DataFrame of dimension and share.

    share = (mean(x) - mean(y))_k^2 / ||mean(x) - mean(y)||^2 for coordinate k, a fraction; they sum to 1. NaN for
    identical modalities. Shares belong to the coordinates of the model: a rotation of both modalities changes them and
    nothing else. Raises ``PairsError``. Source: Schrodi et al. 2024, who found few coordinates to drive the gap.

    >>> gap_share_by_dimension([[0.6, 0.8], [0.8, 0.6]], [[0, 1], [0, 1]]).round(4).to_numpy().tolist()
    [[0.0, 0.8448], [1.0, 0.1552]]
    """
    shares = gap_vector(x, y) ** 2
    order = np.argsort(-shares, kind="stable")
    total = shares.sum()
    return pd.DataFrame({"dimension": order, "share": shares[order] / total if total else np.nan})


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
        raise PairsError(
            f"Expected groups of shape ({len(a)},), one for each pair; got {np.shape(groups)}"
        )
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
