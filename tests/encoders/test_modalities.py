"""Encoders of outlines and sounds, and models of several modalities."""

import numpy as np
import pytest
import torch
from helpers import few_glyphs

from gapbook.encoders import build_glyphclip
from gapbook.encoders.modalities import MODALITIES, ModalityEncoders, check_modalities
from gapbook.encoders.sound import SoundEncoder
from gapbook.modalities import INPUTS
from gapbook.sounds import load_sounds


def test_every_modality_is_embedded_in_the_same_space() -> None:
    glyphs = few_glyphs(5)
    model = ModalityEncoders(MODALITIES, seed=0)
    for name in MODALITIES:
        assert model.encode(name, INPUTS[name](glyphs)).shape == (5, 64)


@pytest.mark.parametrize("name", MODALITIES)
def test_weights_of_an_encoder_depend_on_the_seed_alone(name: str) -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    other = "image" if name == "name" else "name"
    inputs = INPUTS[name](few_glyphs(3))
    with torch.inference_mode():
        alone = ModalityEncoders([name, other], seed=0).encode(name, inputs)
        among_all = ModalityEncoders(MODALITIES, seed=0).encode(name, inputs)
        other_seed = ModalityEncoders(MODALITIES, seed=1).encode(name, inputs)
    assert torch.equal(alone, among_all)
    assert (alone - other_seed).abs().max() > 0.1
    assert torch.equal(torch.random.get_rng_state(), before)


def test_encoders_of_images_and_names_are_those_of_glyphclip() -> None:
    glyphs = few_glyphs(4)
    model = ModalityEncoders(["image", "name"], seed=3)
    clip = build_glyphclip(3)
    with torch.inference_mode():
        images = INPUTS["image"](glyphs)
        assert torch.equal(model.encode("image", images), clip.encode_first(images))
        names = INPUTS["name"](glyphs)
        assert torch.equal(model.encode("name", names), clip.encode_second(names))


def test_a_sound_is_embedded_alike_beside_a_longer_one() -> None:
    sounds = torch.as_tensor(load_sounds(few_glyphs())[0])
    lengths = sounds.any(dim=2).sum(dim=1)
    by_length = sounds[lengths.argsort()]
    torch.manual_seed(0)
    encoder = SoundEncoder().eval()
    with torch.inference_mode():
        together = encoder(by_length)
        for row in (0, 50, 100, 150, 199):
            alone = encoder(by_length[[row]])
            np.testing.assert_allclose(alone[0], together[row], atol=1e-5)
    assert lengths.min() < lengths.max()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["image", "video"], "Expected modalities of image, outline, sound, name; got 'video'"),
        ("image", "Expected at least two different modalities; got image"),
        (["image", "image"], "at least two different modalities; got image, image"),
        ([], "at least two different modalities; got none"),
    ],
)
def test_other_sets_of_modalities_are_refused(names: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_modalities(names)
