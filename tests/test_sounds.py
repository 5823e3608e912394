"""The bundled spoken names, and what makes them of samples."""

import numpy as np
import pytest
from helpers import few_glyphs

from gapbook.exceptions import PairsError
from gapbook.files import data_path
from gapbook.glyphs import Glyphs, characters, load_glyphs
from gapbook.precomputed.sounds import mel_filters, spectrogram
from gapbook.sounds import BANDS, FILE, MAX_FRAMES, VOICES, load_sounds

RATE = 22_050


def tone(hertz: float, seconds: float = 0.5) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    return 0.5 * np.sin(2 * np.pi * hertz * time)


def test_every_character_is_spoken_by_every_voice() -> None:
    glyphs = load_glyphs()
    sounds = load_sounds(glyphs)
    assert sounds.shape == (len(VOICES), len(glyphs), MAX_FRAMES, BANDS)
    assert sounds.dtype == np.uint8
    lengths = sounds.any(axis=3).sum(axis=2)
    assert lengths.min() > 5
    # What is over stays over, and what is heard is nowhere 0.
    spoken = np.arange(MAX_FRAMES) < lengths[:, :, None]
    assert (sounds[spoken] > 0).all()
    assert not sounds[~spoken].any()


def test_longer_names_take_longer_to_say() -> None:
    glyphs = load_glyphs()
    seconds = load_sounds(glyphs)[0].any(axis=2).sum(axis=1)
    letters = [len(name) for name in glyphs.names]
    assert np.corrcoef(seconds, letters)[0, 1] > 0.8


def test_the_same_name_does_not_sound_the_same_by_two_voices() -> None:
    first, second = load_sounds(few_glyphs())
    assert (first != second).any(axis=(1, 2)).all()


def test_rows_are_those_of_the_characters_asked_for() -> None:
    glyphs = load_glyphs()
    everything = load_sounds(glyphs)
    part = glyphs.part("test")
    assert (load_sounds(part) == everything[:, glyphs.split == "test"]).all()


def test_the_bundled_file_has_the_characters_of_the_list_and_stays_small() -> None:
    with np.load(data_path(FILE), allow_pickle=False) as file:
        assert file["codepoints"].tolist() == characters()["codepoint"].to_list()
        assert file["lengths"].sum() == len(file["frames"])
    assert data_path(FILE).stat().st_size < 4e6


def test_unknown_characters_are_refused() -> None:
    few = few_glyphs(3)
    strange = Glyphs(few.images, few.names, np.array([65, 3, 10**6]), few.split)
    with pytest.raises(PairsError, match=r"got code point 3 \(2 of 3 are no such characters\)"):
        load_sounds(strange)


def test_callers_may_change_what_they_get() -> None:
    few = few_glyphs(2)
    load_sounds(few)[:] = 0
    assert load_sounds(few).any()


def test_filters_are_triangles_from_low_to_high() -> None:
    filters = mel_filters(RATE)
    assert filters.shape == (BANDS, 1025)
    assert filters.min() == 0
    assert filters.max() <= 1
    assert (np.diff(filters.argmax(axis=1)) > 0).all()


def test_a_higher_tone_is_heard_in_a_higher_band() -> None:
    loudest = [spectrogram(tone(hertz), RATE).mean(axis=0).argmax() for hertz in (200, 800, 4000)]
    assert loudest == sorted(set(loudest))


def test_a_louder_tone_has_higher_levels_and_frames_follow_every_25_ms() -> None:
    quiet = spectrogram(tone(800) / 10, RATE)
    loud = spectrogram(tone(800), RATE)
    assert quiet.shape == loud.shape == (19, BANDS)
    assert loud.mean() > quiet.mean()
    assert len(spectrogram(tone(800, seconds=4), RATE)) == MAX_FRAMES
    assert (spectrogram(np.zeros(RATE), RATE) == 1).all()
