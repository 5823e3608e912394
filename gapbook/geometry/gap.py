"""How far apart two modalities lie, and how well a plane separates them."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from gapbook.exceptions import PairsError
from gapbook.geometry.arrays import to_numpy
from gapbook.geometry.sum_measures import first_order_value
from gapbook.geometry.tiles import mean_row
from gapbook.pairs import unit_pair


def gap_vector(x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Return the gap vector, the difference of the means of unit rows.

    Parameters
    ----------
    x, y : array (n, d)
        Pairs: row i of x belongs to row i of y. Rows are brought to unit length.

    Returns
    -------
    numpy.ndarray (d,)
        ``mean(x) - mean(y)`` in float64, dimensionless.

    Raises
    ------
    PairsError
        If x and y are not pairs of embeddings.

    Notes
    -----
    It is zero for identical modalities, tends to zero for any two isotropic ones as n grows, and is
    2 u for modalities collapsed to u and -u.

    References
    ----------
    Liang et al. 2022, section 4.2.

    Examples
    --------
    >>> gap_vector([[1, 0], [0, 1]], [[1, 0], [1, 0]])
    array([-0.5,  0.5])
    """
    unit_x, unit_y = unit_pair(x, y)
    return to_numpy(mean_row(unit_x) - mean_row(unit_y))


def modality_gap(x: ArrayLike, y: ArrayLike) -> float:
    """Return the modality gap, the distance between the means of unit rows.

    Parameters
    ----------
    x, y : array (n, d)
        Pairs: row i of x belongs to row i of y. Rows are brought to unit length.

    Returns
    -------
    float
        ``|mean(x) - mean(y)|``, a distance between 0 and 2.

    Raises
    ------
    PairsError
        If x and y are not pairs of embeddings.

    Notes
    -----
    It is 0 for identical modalities, sqrt(2 / n) on average for isotropic ones, and 2 for
    modalities collapsed to antipodes.

    References
    ----------
    Liang et al. 2022, section 4.2.

    Examples
    --------
    >>> modality_gap([[3, 0], [2, 0]], [[-1, 0], [-5, 0]])
    2.0
    """
    return float(np.linalg.norm(gap_vector(x, y)))


def relative_modality_gap(x: ArrayLike, y: ArrayLike) -> float:
    """Return the relative modality gap, the part that the distance of partners is of all distance.

    Parameters
    ----------
    x, y : array (n, d)
        Pairs: row i of x belongs to row i of y. Rows are brought to unit length.

    Returns
    -------
    float
        ``P / (P + (I_x + I_y) / 2)``, a fraction.

    Raises
    ------
    PairsError
        If x and y are not pairs of embeddings.

    Notes
    -----
    With ``d(a, b) = (1 - cos(a, b)) / 2``, P is the mean of ``d(x_i, y_i)`` over pairs, and I_x is
    the mean of ``d(x_i, x_j)`` over i != j. The relative gap is 0 for identical modalities, about
    0.5 for independent isotropic ones, and 1 for modalities collapsed to two points.

    Implementations differ. On the published CLIP embeddings of 500 COCO pairs the value is 0.5915,
    by the formula as by its authors' code. Another public version gives 0.8527: it leaves the half
    out of P but not of I, and it divides sums over i < j by 2 n (n - 1), as if they ran over both
    orders. One that does the same and adds up cosines of x in the place of distances gives 0.7309.

    References
    ----------
    Schrodi et al. 2024.

    Examples
    --------
    >>> x = [[1, 0], [0, 1]]
    >>> round(relative_modality_gap(x, [[-1, 0], [0, -1]]), 4), relative_modality_gap(x, x)
    (0.6667, 0.0)
    """
    return first_order_value("relative_modality_gap", x, y)


def gap_share_by_dimension(x: ArrayLike, y: ArrayLike) -> pd.DataFrame:
    """Return how much each coordinate adds to the squared gap, largest first.

    Parameters
    ----------
    x, y : array (n, d)
        Pairs: row i of x belongs to row i of y. Rows are brought to unit length.

    Returns
    -------
    pandas.DataFrame
        A row for each coordinate with the columns ``dimension``, its index, and ``share``, a
        fraction. Shares sum to 1; for identical modalities they are NaN.

    Raises
    ------
    PairsError
        If x and y are not pairs of embeddings.

    Notes
    -----
    The share of coordinate k is ``(mean(x) - mean(y))_k^2 / |mean(x) - mean(y)|^2``. Shares belong
    to the coordinates of the model: a rotation of both modalities changes them and nothing else.

    References
    ----------
    Schrodi et al. 2024, who found that few coordinates drive the gap.

    Examples
    --------
    >>> shares = gap_share_by_dimension([[0.6, 0.8], [0.8, 0.6]], [[0, 1], [0, 1]])
    >>> shares.round(4).to_numpy().tolist()
    [[0.0, 0.8448], [1.0, 0.1552]]
    """
    squares = gap_vector(x, y) ** 2
    order = np.argsort(-squares, kind="stable")
    total = squares.sum() or np.nan
    return pd.DataFrame({"dimension": order, "share": squares[order] / total})


def linear_separability(
    x: ArrayLike, y: ArrayLike, seed: int = 0, groups: ArrayLike | None = None
) -> float:
    """Return the held-out accuracy of a linear probe that tells rows of x from rows of y.

    The probe is logistic regression on standardized features, in five folds of pairs (fewer for
    n < 5). Both members of a pair are on the same side of a split.

    Parameters
    ----------
    x, y : array (n, d)
        Pairs: row i of x belongs to row i of y. Rows are brought to unit length.
    seed : int
        The seed that shuffles the folds.
    groups : array (n,), optional
        Labels of groups. Pairs of one group stay on one side of every split, since near-duplicates
        in different folds flatter the probe.

    Returns
    -------
    float
        The accuracy, a fraction.

    Raises
    ------
    PairsError
        If x and y are not pairs of embeddings, or if groups are not one label for each pair or all
        the same.

    Notes
    -----
    It is exactly 0.5 for identical modalities, about 0.5 for two samples of one distribution (and
    for modalities collapsed to one point), and 1 where a plane separates them.

    Examples
    --------
    >>> linear_separability([[1, 0], [1, 0.1], [1, -0.1]], [[-1, 0], [-1, 0.1], [-1, -0.1]])
    1.0
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, KFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    unit_x, unit_y = unit_pair(x, y)
    a = to_numpy(unit_x)
    b = to_numpy(unit_y)
    n = len(a)
    if groups is None:
        folds = KFold(min(5, n), shuffle=True, random_state=seed)
    else:
        if np.shape(groups) != (n,):
            raise PairsError(
                f"Expected groups of shape ({n},), one for each pair; got {np.shape(groups)}"
            )
        group_count = len(np.unique(groups))
        if group_count < 2:
            raise PairsError("at least 2 groups are needed; got 1")
        folds = GroupKFold(min(5, group_count))
    hits = 0
    for train, test in folds.split(a, groups=groups):
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
        probe.fit(np.concatenate([a[train], b[train]]), np.repeat([0, 1], len(train)))
        hits += int((probe.predict(a[test]) == 0).sum())
        hits += int((probe.predict(b[test]) == 1).sum())
    return hits / (2 * n)
