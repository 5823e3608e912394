"""Sounds: how files are read, and what CLAP makes of them."""

import numpy as np
import pytest
from scipy.io import wavfile
from tiny_checkpoints import save_checkpoint

from gapbook.encoders.clap import embed_sounds, load_clap, read_wav
from gapbook.encoders.clip import embed_texts, load_clip
from gapbook.exceptions import PairsError


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    return save_checkpoint("clap", tmp_path_factory.mktemp("tiny-clap"))


@pytest.fixture(scope="module")
def clap(saved):
    return load_clap(saved)


def noise(length, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, length).astype(np.float32)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "float32"])
def test_samples_of_every_type_lie_between_minus_one_and_one(tmp_path, dtype):
    sound = noise(100)
    stored = sound
    if dtype != "float32":
        half = 2.0 ** (8 * np.dtype(dtype).itemsize - 1)
        stored = sound * (half - 1) + (half if dtype == "uint8" else 0)
    wavfile.write(tmp_path / "a.wav", 2000, stored.astype(dtype))
    tolerance = 0.02 if dtype == "uint8" else 1e-4
    np.testing.assert_allclose(read_wav(tmp_path / "a.wav", 2000), sound, atol=tolerance)


def test_channels_are_averaged_and_the_rate_is_changed(tmp_path):
    seconds = np.arange(8000) / 8000
    tone = np.sin(2 * np.pi * 50 * seconds)
    both = np.column_stack([tone, np.zeros(8000)]).astype(np.float32)
    wavfile.write(tmp_path / "a.wav", 8000, both)
    sound = read_wav(tmp_path / "a.wav", 2000)
    wanted = np.sin(2 * np.pi * 50 * np.arange(2000) / 2000) / 2
    assert sound.shape == (2000,)
    # Resampling knows nothing of what lies before and after the sound.
    np.testing.assert_allclose(sound[50:-50], wanted[50:-50], atol=2e-3)


@pytest.mark.parametrize("content", [b"", b"no sound", b"RIFF\x24\0\0\0WAVEfmt "])
def test_a_file_that_is_no_sound_is_named(tmp_path, content):
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(PairsError, match=r"a\.wav cannot be read as one"):
        read_wav(tmp_path / "a.wav", 2000)


def test_a_sound_without_samples_is_refused(tmp_path):
    wavfile.write(tmp_path / "a.wav", 2000, np.zeros(0, np.int16))
    with pytest.raises(PairsError, match=r"a\.wav"):
        read_wav(tmp_path / "a.wav", 2000)


def test_embeddings_are_those_of_transformers_itself(saved, clap):
    from transformers import AutoFeatureExtractor, ClapModel

    # One that is longer than the model takes keeps the extractor from drawing one at random.
    sounds = [noise(1500, seed) for seed in range(3)]
    extractor = AutoFeatureExtractor.from_pretrained(saved)
    inputs = extractor(sounds, sampling_rate=2000, return_tensors="pt")
    inputs["is_longer"][:] = False
    wanted = ClapModel.from_pretrained(saved).eval().get_audio_features(**inputs).pooler_output
    np.testing.assert_allclose(embed_sounds(clap, sounds), wanted.detach().numpy(), atol=1e-6)


def test_the_same_sound_has_the_same_embedding_in_any_batch_however_long(clap):
    sounds = [noise(n, seed=n) for n in (300, 2000, 2001, 9000)]
    together = embed_sounds(clap, sounds)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    assert np.ptp(together, axis=0).max() > 1e-3
    alone = np.concatenate([embed_sounds(clap, [sound]) for sound in sounds])
    np.testing.assert_allclose(alone, together, atol=1e-6)
    beginning = embed_sounds(clap, [sounds[-1][:2000]])
    np.testing.assert_allclose(beginning, together[-1:], atol=1e-6)


def test_captions_have_the_same_embedding_in_any_batch(clap):
    texts = ["a dog", "rain that falls on a roof"]
    together = embed_texts(clap, texts)
    assert (together[0] != together[1]).any()
    np.testing.assert_allclose(embed_texts(clap, texts[:1]), together[:1], atol=1e-6)


def test_a_model_of_images_is_no_model_of_sounds_and_the_other_direction(saved, tmp_path):
    with pytest.raises(ValueError, match=r"cannot be read as a checkpoint|an audio and a text"):
        load_clap(save_checkpoint("clip", tmp_path))
    with pytest.raises(ValueError, match=r"cannot be read as a checkpoint|an image and a text"):
        load_clip(saved)
