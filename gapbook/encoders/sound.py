"""The encoder of spoken names: convolutions along time, then a transformer."""

import torch
from torch import nn

from gapbook.encoders.sequence import WIDTH, SequenceTower
from gapbook.sounds import BANDS, MAX_FRAMES

# Transformer layers.
LAYERS = 2

# How many frames become one token of 0.1 s: two convolutions of stride 2.
STRIDE = 4

# Half of the levels that a byte can state.
MIDDLE = 128


class SoundEncoder(nn.Module):
    """Embeds spoken names by their spectrograms.

    Examples
    --------
    >>> SoundEncoder()(torch.ones(2, 100, 24, dtype=torch.uint8)).shape
    torch.Size([2, 64])
    """

    def __init__(self) -> None:
        super().__init__()
        self.front = nn.Sequential(
            nn.Conv1d(BANDS, WIDTH, 5, stride=2, padding=2),
            nn.GELU(),
            nn.Conv1d(WIDTH, WIDTH, 5, stride=2, padding=2),
            nn.GELU(),
        )
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
        # What is long over in all sounds of the batch costs time and says nothing. Two tokens more
        # are kept, since convolutions reach over them: an embedding does not depend on the batch.
        longest = STRIDE * (int((~is_over).sum(dim=1).max()) // STRIDE + 3)
        heard = sounds[:, :longest].float() / MIDDLE - 1
        heard = heard.masked_fill(is_over[:, :longest, None], 0)
        tokens = self.front(heard.transpose(1, 2)).transpose(1, 2)
        return self.tower(tokens, is_over[:, :longest:STRIDE])
