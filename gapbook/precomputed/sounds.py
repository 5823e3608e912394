"""The characters' names spoken by espeak-ng, in ``data/glyphpairs/sounds.npz``.

Needs the program espeak-ng (``apt-get install espeak-ng``). Another version of it speaks otherwise.
"""

import io
import subprocess
import sys
import wave
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from shutil import which

import numpy as np

from gapbook.files import data_path, write_whole
from gapbook.glyphs import characters
from gapbook.precomputed.jobs import WORKERS
from gapbook.sounds import (
    FILE,
    MAX_FRAMES,
    RANGE,
    SECONDS_PER_FRAME,
    VOICES,
    Voice,
    band_corners,
)

PROGRAM = "espeak-ng"

# What a frame listens to, in seconds: twice the time between frames, as usual.
SECONDS_HEARD = 0.05

# Points of the Fourier transform, a power of 2 above the samples of a frame.
FOURIER_POINTS = 2048

# The natural logarithm of the least power that is told from silence.
QUIETEST = -8

# Levels are rounded to steps of so many, 2.3 decibels: the file shrinks by half.
STEP = 8


def speak(name: str, voice: Voice) -> tuple[np.ndarray, int]:
    """Speak a name.

    Parameters
    ----------
    name : str
        What is said, in small letters: capital ones may be spelled.
    voice : Voice
        The voice and its speed.

    Returns
    -------
    samples : numpy.ndarray of shape (n,)
        The sound, from -1 to 1, float32.
    rate : int
        Samples a second.
    """
    command = [PROGRAM, "-v", voice.name, "-s", str(voice.speed), "--stdout", name.lower()]
    spoken = subprocess.run(command, capture_output=True, check=True).stdout
    # The program writes a length that is not that of the file, since it does not know it yet.
    with wave.open(io.BytesIO(spoken)) as file:
        rate = file.getframerate()
        samples = np.frombuffer(file.readframes(len(spoken)), np.int16)
    return samples.astype(np.float32) / 32768, rate


@cache
def mel_filters(rate: int) -> np.ndarray:
    """Return triangular filters that are evenly spaced in mel, the pitch that ears hear.

    Parameters
    ----------
    rate : int
        Samples a second.

    Returns
    -------
    numpy.ndarray of shape (24, 1025)
        The weight of each frequency in each band, at most 1.

    Notes
    -----
    ``mel = 2595 log10(1 + hertz / 700)``; each band rises from the center of the one below and
    falls to that of the one above.
    """
    corners = band_corners()
    frequencies = np.linspace(0, rate / 2, FOURIER_POINTS // 2 + 1)
    rising = (frequencies - corners[:-2, None]) / np.diff(corners)[:-1, None]
    falling = (corners[2:, None] - frequencies) / np.diff(corners)[1:, None]
    return np.clip(np.minimum(rising, falling), 0, None)


def spectrogram(samples: np.ndarray, rate: int) -> np.ndarray:
    """Turn sound into frames of logarithmic power in bands of mel.

    Parameters
    ----------
    samples : numpy.ndarray of shape (n,)
        The sound, from -1 to 1.
    rate : int
        Samples a second.

    Returns
    -------
    numpy.ndarray of shape (frames, 24), uint8
        At most 100 frames, of 1 to 255.
    """
    heard = round(SECONDS_HEARD * rate)
    apart = round(SECONDS_PER_FRAME * rate)
    windows = np.lib.stride_tricks.sliding_window_view(samples, heard)[::apart][:MAX_FRAMES]
    power = np.abs(np.fft.rfft(windows * np.hanning(heard), FOURIER_POINTS)) ** 2
    level = (np.log(power @ mel_filters(rate).T + 1e-6) - QUIETEST) / RANGE
    steps = np.rint(255 * level / STEP) * STEP
    return np.clip(steps, 1, 255).astype(np.uint8)


def _spoken_frames(name: str, voice: Voice) -> np.ndarray:
    return spectrogram(*speak(name, voice))


def main() -> None:
    """Speak all names by all voices and write the file."""
    if which(PROGRAM) is None:
        sys.exit(f"Expected the program {PROGRAM}; it is not installed: apt-get install {PROGRAM}")
    table = characters()
    frames: list[np.ndarray] = []
    lengths = []
    with ThreadPoolExecutor(WORKERS) as pool:
        for voice in VOICES:
            spoken = list(pool.map(partial(_spoken_frames, voice=voice), table["name"]))
            frames += spoken
            lengths.append([len(sound) for sound in spoken])
            print(f"finished {voice.name}", flush=True)
    content = io.BytesIO()
    np.savez_compressed(
        content,
        codepoints=table["codepoint"].to_numpy(np.int32),
        lengths=np.array(lengths, np.uint8),
        frames=np.concatenate(frames),
    )
    write_whole(Path(data_path(FILE)), content.getvalue())
