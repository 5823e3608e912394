"""Noise as input of random networks: reproducible, resumed after an interruption, read in short."""

from pathlib import Path

import numpy as np
import pytest
import torch

from gapbook.cone.noise import (
    embed_texts_truncated,
    noise_embeddings,
    noise_images,
    noise_tokens,
)
from gapbook.encoders import embed_images, embed_texts, random_clip, random_resnet18


def test_noise_is_the_same_each_time_and_another_in_each_stream() -> None:
    assert torch.equal(noise_images(2), noise_images(2))
    assert not torch.equal(noise_images(2), noise_images(2, stream=1))
    assert torch.equal(noise_tokens(2), noise_tokens(2))
    assert not torch.equal(noise_tokens(2), noise_tokens(2, stream=1))


def test_noise_has_the_shape_and_range_of_clips_input() -> None:
    images = noise_images(4)
    assert images.shape == (4, 3, 224, 224)
    assert float(images.mean()) == pytest.approx(0, abs=0.01)
    assert float(images.std()) == pytest.approx(1, abs=0.01)
    tokens = noise_tokens(100)
    assert tokens.shape == (100, 77)
    assert 0 <= int(tokens.min()) < 100
    assert 49_308 < int(tokens.max()) < 49_408


def test_embeddings_are_those_of_the_noise_chunk_by_chunk() -> None:
    rows = noise_embeddings("resnet18", 0, 3, chunk_size=2)
    network = random_resnet18(0)
    expected = [embed_images(network, noise_images(2)), embed_images(network, noise_images(1, 1))]
    np.testing.assert_allclose(rows, np.concatenate(expected), atol=1e-6)


def test_an_interrupted_call_goes_on_with_what_it_finds(tmp_path: Path) -> None:
    whole = noise_embeddings("resnet18", 0, 5, folder=tmp_path, chunk_size=2)
    first, second, last = sorted(tmp_path.iterdir())
    second.unlink()
    np.save(first, np.zeros((2, 512), np.float32))  # so that it shows whether this file is read
    resumed = noise_embeddings("resnet18", 0, 5, folder=tmp_path, chunk_size=2)
    assert (resumed[:2] == 0).all()
    np.testing.assert_allclose(resumed[2:], whole[2:], atol=1e-6)
    assert sorted(tmp_path.iterdir()) == [first, second, last]


def test_captions_that_are_cut_give_the_same_embeddings() -> None:
    model = random_clip(0)
    tokens = noise_tokens(6)
    rows = embed_texts_truncated(model, tokens)
    np.testing.assert_allclose(rows, embed_texts(model, tokens), atol=1e-6)


def test_an_unknown_network_is_named() -> None:
    with pytest.raises(ValueError, match="Expected one of clip_image, clip_text, resnet18"):
        noise_embeddings("clip", 0, 2)
