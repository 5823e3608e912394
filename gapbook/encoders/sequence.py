"""What encoders of sequences share: convolutions, and a small transformer with a class token."""

import torch
from torch import nn

# GlyphCLIP's: the width of its towers, their heads, and the dimensions of its embeddings.
WIDTH = 80
HEADS = 4
EMBEDDING_DIM = 64

# The spread of the class token before training, as in BERT.
CLASS_SPREAD = 0.02

# That of positions: batch normalization brings tokens to a spread of 1, beside which less is lost.
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
    """A transformer that reads a sequence at a class token, and projects what it read.

    Parameters
    ----------
    length : int
        The longest sequence.
    layers : int
        Transformer layers.
    """

    def __init__(self, length: int, layers: int) -> None:
        super().__init__()
        self.start = nn.Parameter(CLASS_SPREAD * torch.randn(1, 1, WIDTH))
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
        n, length, _ = tokens.shape
        placed = tokens + self.positions[:, :length]
        placed = torch.cat([self.start.expand(n, -1, -1), placed], dim=1)
        if is_padding is not None:
            is_padding = nn.functional.pad(is_padding, (1, 0))
        read = self.layers(placed, src_key_padding_mask=is_padding)
        return self.projection(self.norm(read[:, 0]))
