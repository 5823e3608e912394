"""The sigmoid loss of SigLIP: each pair of a batch is a yes-or-no question of its own."""

import torch
from numpy.typing import ArrayLike
from torch.nn.functional import softplus

# Where scale and bias start in SigLIP: nearly all pairs of a batch are wrong, and said to be so.
FIRST_SCALE = 10.0
FIRST_BIAS = -10.0


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
