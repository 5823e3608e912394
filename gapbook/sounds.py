"""GlyphPairs as sounds: the characters' names, spoken by a program and kept as spectrograms.

``python -m gapbook.precomputed sounds`` makes the bundled file again.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from gapbook.exceptions import PairsError
from gapbook.files import data_path
from gapbook.glyphs import Glyphs

FILE = "glyphpairs/sounds.npz"

# Bands of frequencies: enough to tell vowels apart.
BANDS = 24

# Time between frames, in seconds: a vowel or a consonant lasts two frames or more.
SECONDS_PER_FRAME = 0.025

# Hertz of the lowest and the highest band: what tells sounds of speech apart.
LOWEST = 80
HIGHEST = 8000

# The range of the levels 0 to 255, as natural logarithms of power.
RANGE = 17

# Frames a name: 2.5 s, at which the end of a few names is cut off.
MAX_FRAMES = 100


class Voice(NamedTuple):
    """A voice of espeak-ng, and how fast it speaks, in words a minute."""

    name: str
    speed: int


# The first voice is the one that models are tested on; the others are augmentation.
VOICES = (Voice("en-us", 290), Voice("en-gb+f3", 290))


def band_corners() -> np.ndarray:
    """Return where the bands of a spectrogram begin, peak and end.

    Returns
    -------
    array of shape (26,)
        Frequencies in hertz, evenly spaced in mel. Band i begins at item i, peaks at item i + 1 and
        ends at item i + 2.

    Notes
    -----
    ``mel = 2595 log10(1 + hertz / 700)``, the pitch that ears hear.

    Examples
    --------
    >>> band_corners()[[0, 1, -1]].round().tolist()
    [80.0, 159.0, 8000.0]
    """
    low, high = 2595 * np.log10(1 + np.array([LOWEST, HIGHEST]) / 700)
    return 700 * (10 ** (np.linspace(low, high, BANDS + 2) / 2595) - 1)


@cache
def _bundled() -> tuple[np.ndarray, np.ndarray]:
    """Return code points and spectrograms (voices, characters, frames, bands) of the file."""
    with np.load(data_path(FILE), allow_pickle=False) as file:
        codepoints = file["codepoints"]
        lengths = file["lengths"]
        frames = file["frames"]
    sounds = np.zeros((*lengths.shape, MAX_FRAMES, BANDS), np.uint8)
    spoken = np.arange(MAX_FRAMES) < lengths[:, :, None]
    sounds[spoken] = frames
    # All callers get the same arrays, since they are kept.
    sounds.flags.writeable = False
    return codepoints, sounds


def load_sounds(glyphs: Glyphs) -> np.ndarray:
    """Return the spoken names of characters.

    Parameters
    ----------
    glyphs : Glyphs
        The characters. Their code points say which names are meant, not their captions.

    Returns
    -------
    array of shape (n_voices, n, 100, 24), uint8
        Mel spectrograms by voice (``VOICES``), character, frame of 25 ms and band, from low to
        high. 0 stands for frames after the end, 1 to 255 for logarithms of power, in steps of
        17 / 255 nats.

    Raises
    ------
    PairsError
        For characters that are not of GlyphPairs.

    Examples
    --------
    >>> from gapbook.glyphs import load_glyphs
    >>> sounds = load_sounds(load_glyphs().part("test"))
    >>> sounds.shape
    (2, 1072, 100, 24)
    """
    codepoints, sounds = _bundled()
    places = np.searchsorted(codepoints, glyphs.codepoints).clip(max=len(codepoints) - 1)
    unknown = codepoints[places] != glyphs.codepoints
    if unknown.any():
        first = int(glyphs.codepoints[unknown][0])
        raise PairsError(
            f"Expected characters of GlyphPairs, whose names were spoken; got code point {first} "
            f"({int(unknown.sum())} of {len(glyphs)} are no such characters)"
        )
    return sounds[:, places]
