"""The contrastive loss (InfoNCE): one definition for one batch, differentiable for tensors.

Training and the toy problems call it. Code that computes the same faster or more exactly, and
cannot be differentiated, is tested against it: ``gapbook.landscape.loss`` for many shifts and
temperatures at once, ``gapbook.simulation.free_vectors`` with its own gradients.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
from array_api_compat import array_namespace, device, is_torch_array
from numpy.typing import ArrayLike

from gapbook.geometry.arrays import Array, as_array

if TYPE_CHECKING:
    import torch

Direction = Literal["image_to_text", "text_to_image", "symmetric"]
ONE_WAY = ("image_to_text", "text_to_image")
DIRECTIONS = (*ONE_WAY, "symmetric")


def contrastive_loss(
    x: ArrayLike,
    y: ArrayLike,
    tau: "float | torch.Tensor",
    direction: Direction = "symmetric",
    labels: Sequence[int] | None = None,
) -> Array:
    """Compute the contrastive loss of one batch of pairs.

    Parameters
    ----------
    x, y : array or torch.Tensor of shape (n, d)
        Embeddings of images and texts, a pair a row, usually of unit length: they are taken as
        they are.
    tau : float or torch.Tensor
        The temperature.
    direction : {"image_to_text", "text_to_image", "symmetric"}
        Which side is asked for its partner on the other one; "symmetric", the CLIP loss, is the
        mean of both.
    labels : sequence of int, optional
        Row i of either side belongs to row ``labels[i]`` of the other. By default to row i.

    Returns
    -------
    numpy.floating or torch.Tensor
        The mean over the batch in nats. Where x, y or tau is a tensor it is a tensor without
        dimensions that can be differentiated.

    Raises
    ------
    ValueError
        For sides of different lengths, another direction, or labels that do not fit.

    Notes
    -----
    ``mean_i [log sum_j exp(x_i . y_j / tau) - x_i . y_i / tau]`` for "image_to_text";
    "text_to_image" sums over images. It is log n where all dot products are equal, as for a
    collapsed modality or a very high temperature, and goes to 0 where each partner is far ahead
    of all others.

    References
    ----------
    van den Oord et al. 2018; Radford et al. 2021, figure 3.

    Examples
    --------
    >>> x = np.eye(2)
    >>> loss = contrastive_loss(x, x, tau=1.0)
    >>> guess = contrastive_loss(0 * x, x, tau=1.0)
    >>> round(float(loss), 6), round(float(guess), 6)
    (0.313262, 0.693147)
    """
    tensors = [value for value in (x, y, tau) if is_torch_array(value)]
    like = tensors[0] if tensors else np.zeros(0)
    logits = _of_kind(x, like) @ _of_kind(y, like).T / tau
    return loss_of_logits(logits, direction, labels)


def loss_of_logits(
    logits: ArrayLike,
    direction: Direction = "symmetric",
    labels: Sequence[int] | None = None,
) -> Array:
    """Compute the contrastive loss of one or more square matrices of logits.

    Parameters
    ----------
    logits : array or torch.Tensor of shape (..., n, n)
        Cosines over tau; rows are images and columns texts.
    direction : {"image_to_text", "text_to_image", "symmetric"}
        "image_to_text" asks each row for its column, "text_to_image" each column for its row,
        "symmetric" is the mean of both.
    labels : sequence of int, optional
        The right column of row i, and the right row of column i, is ``labels[i]``. By default i.

    Returns
    -------
    array or torch.Tensor of shape (...)
        The mean cross-entropy of each matrix in nats; a tensor for a tensor, which can be
        differentiated.

    Raises
    ------
    ValueError
        For matrices that are not square, another direction, or labels that do not fit them.

    Examples
    --------
    >>> round(float(loss_of_logits(np.zeros((6, 6)))), 5)
    1.79176
    """
    table = logits if is_torch_array(logits) else np.asarray(logits)
    if table.ndim < 2 or table.shape[-1] != table.shape[-2]:
        raise ValueError(f"Expected logits of shape (..., n, n); got {tuple(table.shape)}")
    if direction not in DIRECTIONS:
        known = ", ".join(DIRECTIONS)
        raise ValueError(f"Expected direction as one of {known}; got {direction!r}")
    target = _targets(labels, table)
    if direction == "image_to_text":
        return _mean_cross_entropy(table, target)
    if direction == "text_to_image":
        return _mean_cross_entropy(table.swapaxes(-1, -2), target)
    of_rows = _mean_cross_entropy(table, target)
    return (of_rows + _mean_cross_entropy(table.swapaxes(-1, -2), target)) / 2


def _of_kind(rows: ArrayLike, like: Array) -> Array:
    """Return tensors as they are, and all else as an array of the kind of ``like``."""
    return rows if is_torch_array(rows) else as_array(rows, like=like)


def _targets(labels: Sequence[int] | None, table: Array) -> Array:
    """Check labels and return them as n indices, beside logits (..., n, n)."""
    xp = array_namespace(table)
    n = table.shape[-1]
    if labels is None:
        return xp.arange(n, device=device(table))
    target = xp.asarray(labels, device=device(table))
    if target.shape != (n,) or target.min() < 0 or target.max() >= n:
        raise ValueError(f"Expected {n} labels from 0 to {n - 1}; got {labels}")
    return target


def _mean_cross_entropy(table: Array, target: Array) -> Array:
    """Return the mean over rows of log sum exp(row) minus the logit of the target."""
    if is_torch_array(table):
        from torch.nn.functional import cross_entropy

        rows = table.reshape(-1, table.shape[-1])
        targets = target.expand(table.shape[:-1]).reshape(-1)
        losses = cross_entropy(rows, targets, reduction="none")
        return losses.reshape(table.shape[:-1]).mean(-1)
    below = table - table.max(-1, keepdims=True)
    of_targets = np.take_along_axis(
        below, np.broadcast_to(target, table.shape[:-1])[..., None], axis=-1
    )
    return (np.log(np.exp(below).sum(-1)) - of_targets[..., 0]).mean(-1)
