"""The sigmoid loss of SigLIP: each pair of a batch is a yes-or-no question of its own."""

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike
from torch.nn.functional import softplus

from gapbook.checks.arrays import as_numpy
from gapbook.pairs import unit_pair

# Where scale and bias start in SigLIP: nearly all pairs of a batch are wrong, and said to be so.
FIRST_SCALE = 10.0
FIRST_BIAS = -10.0

# Rows that are compared with all others at once.
ROWS_PER_BLOCK = 256
# Thresholds that are tried, from -1 to 1.
THRESHOLDS = 2001


def sigmoid_loss(
    x: torch.Tensor | ArrayLike,
    y: torch.Tensor | ArrayLike,
    scale: float | torch.Tensor,
    bias: float | torch.Tensor,
) -> torch.Tensor:
    """Compute the sigmoid loss of one batch of pairs.

    Parameters
    ----------
    x, y : array or torch.Tensor of shape (n, d)
        Embeddings of images and texts, a pair a row, usually of unit length: they are taken as
        they are.
    scale : float or torch.Tensor
        One over the temperature.
    bias : float or torch.Tensor
        What is added to all logits.

    Returns
    -------
    torch.Tensor
        The sum over the n questions of an image, averaged over images, in nats: a scalar that can
        be differentiated.

    Raises
    ------
    ValueError
        For sides of different lengths.

    Notes
    -----
    ``mean_i sum_j log(1 + exp(-z_ij (scale x_i . y_j + bias)))`` with ``z_ij`` 1 for partners and
    -1 for all others. It is ``n log 2`` where all logits are 0. It goes to 0 where a threshold
    ``-bias / scale`` parts the cosines of partners from all others and the scale grows: it asks for
    a margin about one threshold, not that a partner be ahead in its own row as the softmax does.

    References
    ----------
    Zhai et al. 2023, equation 1.

    Examples
    --------
    >>> x = torch.eye(2)
    >>> round(sigmoid_loss(x, x, scale=0.0, bias=0.0).item(), 6)
    1.386294
    >>> round(sigmoid_loss(x, x, scale=20.0, bias=-10.0).item(), 6)
    9.1e-05
    """
    logits = torch.as_tensor(x) @ torch.as_tensor(y).T * scale + bias
    if logits.ndim != 2 or logits.shape[0] != logits.shape[1]:
        raise ValueError(f"Expected as many images as texts; got {tuple(logits.shape)}")
    partners = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
    signed = torch.where(partners, -logits, logits)
    return softplus(signed).sum(1).mean()


def threshold_margins(x: ArrayLike, y: ArrayLike, threshold: float | None = None) -> pd.Series:
    """Measure how far one threshold parts the cosines of partners from all others.

    Parameters
    ----------
    x, y : array (n, d)
        Pairs: row i of x belongs to row i of y. Rows are brought to unit length.
    threshold : float, optional
        A cosine. By default the best one.

    Returns
    -------
    pandas.Series
        ``threshold``; ``partners_above`` and ``others_below``, the shares of the cosines of
        partners and of all others on the right side of it, the latter interpolated between
        thresholds in steps of 0.001; ``items_apart``, the share of pairs of which the partners'
        cosine is above it and none of the 2 (n - 1) others is; ``best_threshold``, in steps of
        0.001 the one at which the mean of both shares is the highest, and this mean,
        ``best_accuracy``; and ``margin``, half of the lowest cosine of partners less the highest of
        all others.

    Raises
    ------
    PairsError
        If x and y are not pairs of embeddings.

    Notes
    -----
    Pairs are an (m, b)-constellation where all partners' cosines are at least b + m and all others
    at most b - m. The largest such m, over all b, is ``margin``: 1 at most, and below 0 where no
    threshold parts them all.

    References
    ----------
    Bangachev et al. 2025, for constellations.

    Examples
    --------
    >>> found = threshold_margins(np.eye(3), np.eye(3), threshold=0.25)
    >>> found[["partners_above", "items_apart", "margin"]].tolist()
    [1.0, 1.0, 0.5]
    """
    a, b = (as_numpy(side).astype(float) for side in unit_pair(x, y))
    n = len(a)
    partners = (a * b).sum(axis=1)
    steps = np.linspace(-1, 1, THRESHOLDS)
    # How many of the others lie at or below each threshold.
    below = np.zeros(THRESHOLDS)
    highest = np.full(n, -np.inf)
    for start in range(0, n, ROWS_PER_BLOCK):
        rows = np.arange(start, min(start + ROWS_PER_BLOCK, n))
        cosines = a[rows] @ b.T
        cosines[rows - start, rows] = -np.inf
        highest[rows] = np.maximum(highest[rows], cosines.max(axis=1))
        highest = np.maximum(highest, cosines.max(axis=0))
        in_order = np.sort(cosines, axis=None)
        below += np.searchsorted(in_order, steps, side="right") - len(rows)
    others_below = below / (n * (n - 1))
    partners_above = 1 - np.searchsorted(np.sort(partners), steps, side="left") / n
    accuracy = (others_below + partners_above) / 2
    best = int(accuracy.argmax())
    chosen = steps[best] if threshold is None else threshold
    return pd.Series(
        {
            "threshold": chosen,
            "partners_above": (partners >= chosen).mean(),
            "others_below": np.interp(chosen, steps, others_below),
            "items_apart": ((partners >= chosen) & (highest <= chosen)).mean(),
            "best_threshold": steps[best],
            "best_accuracy": accuracy[best],
            "margin": (partners.min() - highest.max()) / 2,
        }
    )
