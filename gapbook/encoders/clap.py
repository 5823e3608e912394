"""Turn sounds and captions into embeddings by CLAP, through transformers."""

import os
from collections.abc import Sequence
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gapbook.encoders.clip import (
    Checkpoint,
    as_weights,
    embed_in_batches,
    load_checkpoint,
    pooled,
)
from gapbook.exceptions import PairsError, one_line
from gapbook.extras import from_extra
from gapbook.files import path_text

with from_extra("models", "An encoder"):
    import torch


def load_clap(name_or_path: str | os.PathLike[str], revision: str | None = None) -> Checkpoint:
    """Load a CLAP checkpoint of transformers, a model of sounds and captions.

    Parameters
    ----------
    name_or_path, revision
        As for ``gapbook.encoders.clip.load_clip``.

    Returns
    -------
    Checkpoint
        The model in evaluation mode, its feature extractor in the place of an image processor, and
        its tokenizer. ``embed_texts`` embeds captions by it.

    Raises
    ------
    ValueError, MissingPackageError
        As ``load_clip`` does.
    """
    return load_checkpoint(name_or_path, "audio", revision)


def read_wav(path: str | os.PathLike[str], rate: int) -> np.ndarray:
    """Read a sound as one channel at a wanted rate.

    Parameters
    ----------
    path : path
        A WAV file, of any number of channels.
    rate : int
        Samples a second, such as 48,000 for CLAP. A file of another rate is resampled.

    Returns
    -------
    numpy.ndarray of shape (length,)
        The mean of the channels, float32, from -1 to 1 for integers in the file.

    Raises
    ------
    PairsError
        If the file is no WAV file or damaged, or holds no samples.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from scipy.io import wavfile
    >>> with TemporaryDirectory() as folder:
    ...     wavfile.write(f"{folder}/a.wav", 8000, np.array([[0, 0], [16384, 0]], np.int16))
    ...     read_wav(f"{folder}/a.wav", 8000).tolist()
    [0.0, 0.25]
    """
    from scipy.io import wavfile
    from scipy.signal import resample_poly

    try:
        stated, samples = wavfile.read(path)
    # SciPy has several exceptions for a damaged file.
    except Exception as error:
        raise PairsError(
            f"Expected a WAV file; {path_text(path)} cannot be read as one "
            f"({one_line(str(error), 200)}); convert other formats"
        ) from None
    if not samples.size or stated < 1:
        raise PairsError(f"Expected a sound; {path_text(path)} holds no samples")
    values = _from_minus_one_to_one(samples).reshape(len(samples), -1).mean(1)
    if stated != rate:
        common = gcd(stated, rate)
        values = resample_poly(values, rate // common, stated // common)
    return values.astype(np.float32)


def _from_minus_one_to_one(samples: np.ndarray) -> np.ndarray:
    """Return samples in float64; unsigned ones have their zero in the middle."""
    if samples.dtype.kind == "f":
        return samples.astype(np.float64)
    half = 2.0 ** (8 * samples.dtype.itemsize - 1)
    zero = half if samples.dtype.kind == "u" else 0.0
    return (samples - zero) / half


def embed_sounds(
    checkpoint: Checkpoint, sounds: Sequence[ArrayLike], progress: bool = False
) -> np.ndarray:
    """Embed sounds by CLAP.

    Parameters
    ----------
    checkpoint : Checkpoint
        Of ``load_clap``.
    sounds : sequence of arrays (length,)
        Sounds of one channel at the rate ``checkpoint.processor.sampling_rate``, as ``read_wav``
        returns them.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    numpy.ndarray of shape (n, d)
        Unit rows, float32.

    Raises
    ------
    PairsError
        For no sounds, and where an embedding is not finite.

    Notes
    -----
    Of a sound that is longer than the model takes (10 seconds), the beginning counts. The feature
    extractor of transformers would draw a part at random, and so would give other embeddings each
    time, which would depend on what else is in the batch.
    """
    network = checkpoint.model
    extractor = checkpoint.processor

    def encode(batch: Sequence[ArrayLike]) -> torch.Tensor:
        beginnings = [np.asarray(sound)[: extractor.nb_max_samples] for sound in batch]
        inputs: Any = extractor(
            beginnings, sampling_rate=extractor.sampling_rate, return_tensors="pt"
        )
        # Where none is longer, the extractor calls one of them so at random.
        inputs["is_longer"] = torch.zeros(len(beginnings), 1, dtype=torch.bool)
        return pooled(network, network.get_audio_features(**as_weights(inputs, network)))

    return embed_in_batches(network, encode, list(sounds), "audio", progress)
