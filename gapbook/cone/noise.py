"""Noise as input of random networks, as in the last three rows of the paper's figure 2a.

Noise images are N(0, 1) pixels, noise captions 77 tokens drawn from all 49,408. The module
``gapbook.precomputed.noise_cosines`` measures the cosines of their embeddings at the authors'
sizes.
"""

import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from tqdm import tqdm

from gapbook.array_files import read_array
from gapbook.encoders.clip import embed_images, embed_texts
from gapbook.encoders.random_init import random_clip, random_resnet18
from gapbook.files import write_whole

if TYPE_CHECKING:
    from transformers import CLIPModel

Network = Literal["clip_image", "clip_text", "resnet18"]
Scheme = Literal["openai", "transformers", "default"]

DATA_SEED = 42  # one noise for every network, as in the authors' supplementary figure 5
IMAGE_SIZE = 224  # pixels a side, for CLIP and ResNet-18
VOCABULARY = 49408  # of CLIP's tokenizer
CAPTION_LENGTH = 77  # tokens that CLIP reads
LENGTH_GROUPS = 4  # of captions that are cut at one length
SCHEMES: dict[Network, tuple[Scheme, ...]] = {
    "clip_image": ("openai", "transformers"),
    "clip_text": ("openai", "transformers"),
    "resnet18": ("default",),
}


def noise_images(n: int, stream: int = 0) -> torch.Tensor:
    """Draw images whose pixels are Gaussian noise.

    Parameters
    ----------
    n : int
        The number of images.
    stream : int
        The number of the draw; different draws are independent.

    Returns
    -------
    tensor of shape (n, 3, 224, 224)
        Pixels from N(0, 1), float32.
    """
    return torch.randn(n, 3, IMAGE_SIZE, IMAGE_SIZE, generator=_generator(stream))


def noise_tokens(n: int, stream: int = 0) -> torch.Tensor:
    """Draw captions of random tokens.

    Parameters
    ----------
    n : int
        The number of captions.
    stream : int
        The number of the draw; different draws are independent.

    Returns
    -------
    tensor of int64, shape (n, 77)
        Token ids, uniformly from CLIP's 49,408.
    """
    return torch.randint(0, VOCABULARY, (n, CAPTION_LENGTH), generator=_generator(stream))


def _generator(stream: int) -> torch.Generator:
    return torch.Generator().manual_seed(DATA_SEED + 1000 * stream)


def noise_embeddings(
    model: Network,
    seed: int,
    items: int,
    scheme: Scheme = "openai",
    folder: Path | None = None,
    progress: bool = False,
    chunk_size: int = 100,
) -> np.ndarray:
    """Embed noise by a network of random weights.

    Parameters
    ----------
    model : {"clip_image", "clip_text", "resnet18"}
        The network.
    seed : int
        The seed of its weights. All networks see the same noise.
    items : int
        The number of images or captions.
    scheme : {"openai", "transformers"}
        How the weights of CLIP are initialized; ResNet-18 has one scheme.
    folder : Path, optional
        A folder for finished chunks, from which an interrupted call goes on.
    progress : bool
        Whether to show a progress bar.
    chunk_size : int
        How many items are drawn and embedded at a time. Another size gives other noise.

    Returns
    -------
    ndarray of float32, shape (items, 512)
        Unit rows.

    Raises
    ------
    ValueError
        For another network or scheme.
    """
    if scheme not in SCHEMES.get(model, ()) and model != "resnet18":
        raise ValueError(
            f"Expected one of {', '.join(SCHEMES)} with scheme openai or transformers; "
            f"got {model}, {scheme}"
        )
    embed = _embedder(model, seed, scheme)
    chunks = []
    title = f"{model}, {scheme}, seed {seed}"
    with tqdm(total=items, desc=title, unit="item", disable=not progress) as bar:
        for stream, start in enumerate(range(0, items, chunk_size)):
            size = min(chunk_size, items - start)
            path = folder and folder / f"{model}-{scheme}-{seed}-{start}-{size}.npy"
            if path and path.exists():
                chunk = read_array(path)
            else:
                chunk = embed(size, stream)
                if path:
                    _save(path, chunk)
            chunks.append(chunk)
            bar.update(size)
    return np.concatenate(chunks)


def _embedder(model: Network, seed: int, scheme: Scheme) -> Callable[[int, int], np.ndarray]:
    """Return the function (n, stream) that embeds n items of one draw of noise."""
    if model == "resnet18" or scheme == "default":
        resnet = random_resnet18(seed)
        return lambda n, stream: embed_images(resnet, noise_images(n, stream))
    clip = random_clip(seed, scheme)
    if model == "clip_image":
        return lambda n, stream: embed_images(clip, noise_images(n, stream))
    return lambda n, stream: embed_texts_truncated(clip, noise_tokens(n, stream))


def _save(path: Path, rows: np.ndarray) -> None:
    """Write an array to a file, whole or not at all."""
    content = io.BytesIO()
    np.save(content, rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, content.getvalue())


def embed_texts_truncated(model: "CLIPModel", tokens: torch.Tensor) -> np.ndarray:
    """Embed captions by a model that reads each one at its largest token id, and skip the rest.

    Parameters
    ----------
    model : transformers.CLIPModel
        A CLIP that reads text at the largest token id.
    tokens : tensor of int64, shape (n, length)
        Token ids.

    Returns
    -------
    ndarray of float32, shape (n, d)
        Unit rows, equal to those of ``embed_texts``.

    Notes
    -----
    Attention is causal, so that nothing after the place of reading changes the result. Captions are
    sorted by that place and cut in a few groups of about equal length, which takes about 60 % of
    the time of ``embed_texts``.
    """
    place = tokens.argmax(1)
    order = place.argsort()
    parts = []
    for group in order.tensor_split(LENGTH_GROUPS):
        if len(group):
            parts.append(embed_texts(model, tokens[group, : place[group].max() + 1]))
    ordered = np.concatenate(parts)
    rows = np.empty_like(ordered)
    rows[order.numpy()] = ordered
    return rows
