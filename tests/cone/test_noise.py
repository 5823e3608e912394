"""Noise through random encoders: tokens cut after the place of reading, and interrupted runs."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gapbook.cone.noise import embed_read, noise_embeddings, noise_tokens
from gapbook.encoders import embed_texts, random_clip


@pytest.mark.slow
def test_tokens_after_the_largest_change_nothing() -> None:
    model = random_clip(0)
    tokens = noise_tokens(4)
    expected = embed_texts(model, tokens)
    assert np.allclose(embed_read(model, tokens, groups=3), expected, atol=1e-6)


def test_another_model_is_refused() -> None:
    with pytest.raises(ValueError, match="Expected one of clip_image, clip_text, resnet18"):
        noise_embeddings("clip", 0, 2)


def test_noise_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gapbook.cone.noise.CHUNK", 2)
    monkeypatch.setattr("gapbook.cone.noise.random_resnet18", lambda seed: Slow(seed))
    whole = noise_embeddings("resnet18", 0, 5)
    Slow.left = 2
    with pytest.raises(KeyboardInterrupt):
        noise_embeddings("resnet18", 0, 5, keep=tmp_path)
    Slow.left = 1  # one chunk is left to do
    assert (noise_embeddings("resnet18", 0, 5, keep=tmp_path) == whole).all()


class Slow:
    """A network that is interrupted after some calls."""

    left = 99
    device = torch.device("cpu")

    def __init__(self, seed: int) -> None:
        self.weight = torch.randn(3, 6, generator=torch.Generator().manual_seed(seed))

    def eval(self) -> "Slow":
        return self

    def __call__(self, pixel_values: torch.Tensor):
        if not Slow.left:
            raise KeyboardInterrupt
        Slow.left -= 1
        return type("Out", (), {"pooler_output": pixel_values.mean((2, 3)) @ self.weight})
