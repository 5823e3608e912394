"""The encoder of spoken names: convolutions along time, then a transformer."""

import torch
from torch import nn

from gapbook.encoders.sequence import WIDTH, SequenceTower, convolution
from gapbook.sounds import BANDS, MAX_FRAMES

# Transformer layers: convolutions hear words, so that one reads them, as one reads written names.
LAYERS = 1

# How many frames become one token of 0.1 s: two of the convolutions halve the length.
STRIDE = 4

# Tokens after the end at which convolutions look.
REACH = 5


class SoundEncoder(nn.Module):
    """Embeds spoken names by their spectrograms.

    Examples
    --------
    >>> SoundEncoder().eval()(torch.ones(2, 100, 24, dtype=torch.uint8)).shape
    torch.Size([2, 64])
    """

    def __init__(self) -> None:
        super().__init__()
        layers = [
            *convolution(BANDS, WIDTH, 2),
            *convolution(WIDTH, 2 * WIDTH, 1),
            *convolution(2 * WIDTH, 2 * WIDTH, 2),
            *convolution(2 * WIDTH, 2 * WIDTH, 1),
            *convolution(2 * WIDTH, WIDTH, 1),
        ]
        self.front = nn.Sequential(*layers[:-1])
        self.tower = SequenceTower(MAX_FRAMES // STRIDE, LAYERS)

    def forward(self, sounds: torch.Tensor) -> torch.Tensor:
        """Embed spoken names.

        Parameters
        ----------
        sounds : torch.Tensor of shape (n, 100, 24), uint8
            Spectrograms, as ``gapbook.sounds.load_sounds`` gives them; 0 after the end.

        Returns
        -------
        torch.Tensor of shape (n, 64)
            Embeddings of any length.
        """
        is_over = (sounds == 0).all(dim=2)
        # What is over in the whole batch costs time; as much is kept as convolutions look at.
        longest = STRIDE * (int((~is_over).sum(dim=1).max()) // STRIDE + REACH)
        heard = sounds[:, :longest].float() / 128 - 1
        heard = heard.masked_fill(is_over[:, :longest, None], 0)
        tokens = self.front(heard.transpose(1, 2)).transpose(1, 2)
        return self.tower(tokens, is_over[:, :longest:STRIDE])
