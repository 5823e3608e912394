"""What encoders of sequences share: a class token, positions and a small transformer."""

import torch
from torch import nn

# GlyphCLIP's: the width of its towers, their heads, and the dimensions of its embeddings.
WIDTH = 80
HEADS = 4
EMBEDDING_DIM = 64

# The spread of positions and class tokens before training, as in BERT.
FIRST_SPREAD = 0.02


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
        self.start = nn.Parameter(FIRST_SPREAD * torch.randn(1, 1, WIDTH))
        self.positions = nn.Parameter(FIRST_SPREAD * torch.randn(1, length, WIDTH))
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
