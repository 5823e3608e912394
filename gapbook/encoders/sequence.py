"""What encoders of sequences share: convolutions, and a small transformer that is averaged."""

import torch
from torch import nn

# GlyphCLIP's: the width of its towers, their heads, and the dimensions of its embeddings.
WIDTH = 80
HEADS = 4
EMBEDDING_DIM = 64

# The spread of positions before training: batch normalization brings tokens to one of 1, beside
# which less is lost.
POSITION_SPREAD = 0.3


def convolution(before: int, after: int, stride: int) -> list[nn.Module]:
    """Return the layers of a convolution along a sequence, as in the stem of GlyphCLIP.

    Parameters
    ----------
    before, after : int
        Channels of its input and of its output.
    stride : int
        1, which looks at 3 places at once, or 2, which looks at 5 and halves the length.

    Returns
    -------
    list of torch.nn.Module
        The convolution, batch normalization and GELU.
    """
    reach = stride
    convolve = nn.Conv1d(before, after, 2 * reach + 1, stride, reach, bias=False)
    return [convolve, nn.BatchNorm1d(after), nn.GELU()]


class SequenceTower(nn.Module):
    """A transformer, whose mean over the sequence is projected.

    The mean learns faster than a class token does where both sides are learned from nothing.

    Parameters
    ----------
    length : int
        The longest sequence.
    layers : int
        Transformer layers.
    """

    def __init__(self, length: int, layers: int) -> None:
        super().__init__()
        self.positions = nn.Parameter(POSITION_SPREAD * torch.randn(1, length, WIDTH))
        layer = nn.TransformerEncoderLayer(
            WIDTH, HEADS, 4 * WIDTH, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(WIDTH)
        self.projection = nn.Linear(WIDTH, EMBEDDING_DIM, bias=False)

    def forward(self, tokens: torch.Tensor, is_padding: torch.Tensor | None = None) -> torch.Tensor:
        """Read sequences.

        Parameters
        ----------
        tokens : torch.Tensor of shape (n, length, 80)
            The sequences.
        is_padding : torch.Tensor of shape (n, length), bool, optional
            What is not to be read.

        Returns
        -------
        torch.Tensor of shape (n, 64)
            Embeddings of any length.
        """
        placed = tokens + self.positions[:, : tokens.shape[1]]
        read = self.norm(self.layers(placed, src_key_padding_mask=is_padding))
        if is_padding is None:
            return self.projection(read.mean(dim=1))
        kept = (~is_padding).unsqueeze(2)
        return self.projection((read * kept).sum(dim=1) / kept.sum(dim=1))
