"""Random networks on noise, the last three rows of Fig. 2a, at the authors' sizes: ``python -m gapbook.noise``.

Noise images are N(0, 1) pixels, noise captions 77 tokens drawn from all 49,408. One line of the table takes some
minutes; an interrupted call goes on where it stopped, and a line that is there is not computed again.
"""

from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from gapbook.encoders.clip import embed_images, embed_texts
from gapbook.encoders.random_init import random_clip, random_resnet18

CHUNK = 100  # noise is drawn, embedded and kept so many items at a time
DATA_SEED = 42  # one noise for every network, as in the authors' Supp. Fig. 5
SCHEMES = {
    "clip_image": ("openai", "transformers"),
    "clip_text": ("openai", "transformers"),
    "resnet18": ("default",),
}


def noise_images(n: int, stream: int = 0) -> torch.Tensor:
    """Draw ``(n, 3, 224, 224)`` pixels from N(0, 1); ``stream`` numbers independent draws."""
    return torch.randn(
        n, 3, 224, 224, generator=torch.Generator().manual_seed(DATA_SEED + 1000 * stream)
    )


def noise_tokens(n: int, stream: int = 0) -> torch.Tensor:
    """Draw ``(n, 77)`` token ids, uniformly from CLIP's 49,408."""
    return torch.randint(
        0, 49408, (n, 77), generator=torch.Generator().manual_seed(DATA_SEED + 1000 * stream)
    )


def noise_embeddings(
    model: str,
    seed: int,
    items: int,
    scheme: str = "openai",
    keep: Path | None = None,
    progress: bool = False,
) -> np.ndarray:
    """Embed noise by a random network: unit rows ``(items, 512)``, float32.

    ``model`` is "clip_image", "clip_text" (with ``scheme``) or "resnet18". ``keep`` names a folder for finished
    chunks, from which an interrupted call goes on. ValueError for another model or scheme.
    """
    if scheme not in SCHEMES.get(model, ()) and model != "resnet18":
        raise ValueError(
            f"Expected one of {', '.join(SCHEMES)} with scheme openai or transformers; got {model}, {scheme}"
        )
    network = random_resnet18(seed) if model == "resnet18" else random_clip(seed, scheme)  # type: ignore[arg-type]
    chunks = []
    bar = tqdm(
        total=items, desc=f"{model}, {scheme}, seed {seed}", unit="item", disable=not progress
    )
    for stream, start in enumerate(range(0, items, CHUNK)):
        size = min(CHUNK, items - start)
        path = keep and keep / f"{model}-{scheme}-{seed}-{start}-{size}.npy"
        if path and path.exists():
            chunks.append(np.load(path, allow_pickle=False))
        else:
            draw, embed = (
                (noise_tokens, embed_read) if model == "clip_text" else (noise_images, embed_images)
            )
            chunks.append(embed(network, draw(size, stream)))
            if path:
                path.parent.mkdir(parents=True, exist_ok=True)
                part = path.with_suffix(".part")
                with part.open("wb") as file:
                    np.save(file, chunks[-1])
                part.replace(path)
        bar.update(size)
    bar.close()
    return np.concatenate(chunks)


def embed_read(model, tokens: torch.Tensor, groups: int = 4) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Embed tokens that are read at the largest id: unit rows, float32, in about 60 % of the time of ``embed_texts``.

    Attention is causal, so what follows the place of reading changes nothing and is cut off, for groups of tokens
    with near places.
    """
    place = tokens.argmax(1)
    out = np.empty((len(tokens), model.config.projection_dim), np.float32)
    for group in place.argsort().tensor_split(groups):
        if len(group):
            out[group.numpy()] = embed_texts(model, tokens[group, : place[group].max() + 1])
    return out
