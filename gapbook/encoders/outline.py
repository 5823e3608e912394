"""The encoder of outlines: convolutions along the pen's way, then a transformer."""

import math

import torch
from torch import nn

from gapbook.encoders.sequence import WIDTH, SequenceTower, convolution
from gapbook.outlines import STEPS

# Waves an em by which a place is told: the finest is about the width of a stroke.
WAVES = (0.5, 1.0, 2.0, 4.0, 8.0)

# Transformer layers.
LAYERS = 2

# How many steps of the pen become one token: two convolutions of stride 2.
STRIDE = 4


class OutlineEncoder(nn.Module):
    """Embeds characters by their outlines.

    Examples
    --------
    >>> OutlineEncoder().eval()(torch.zeros(2, 48, 5)).shape
    torch.Size([2, 64])
    """

    waves: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        features = 5 + 4 * len(WAVES)
        self.register_buffer("waves", 2 * math.pi * torch.tensor(WAVES), persistent=False)
        layers = [*convolution(features, WIDTH, 2), *convolution(WIDTH, WIDTH, 2)]
        self.front = nn.Sequential(*layers[:-1])
        self.tower = SequenceTower(STEPS // STRIDE, LAYERS)

    def forward(self, steps: torch.Tensor) -> torch.Tensor:
        """Embed outlines.

        Parameters
        ----------
        steps : torch.Tensor of shape (n, 48, 5)
            Steps of the pen, as ``gapbook.outlines.pen_steps`` gives them.

        Returns
        -------
        torch.Tensor of shape (n, 64)
            Embeddings of any length.
        """
        # A place becomes sines and cosines, so that a small move is seen as well as a large one.
        phases = (steps[:, :, :2, None] * self.waves).flatten(2)
        features = torch.cat([steps, phases.sin(), phases.cos()], dim=2)
        return self.tower(self.front(features.transpose(1, 2)).transpose(1, 2))
