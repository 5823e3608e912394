"""Held-out characters in DejaVu Serif, by all bundled GlyphCLIPs: ``glyphclip/serif.safetensors``.

Of seeds other than 0 no weights are bundled, so these models are trained again. What they say of
the Sans pictures must be what is bundled.
"""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save

from gapbook.encoders.clip import embed_images
from gapbook.encoders.glyphclip import GlyphCLIP, build_glyphclip, load_glyphclip
from gapbook.exceptions import PairsError
from gapbook.files import data_path, write_whole
from gapbook.glyphs import load_glyphs
from gapbook.pairs import load_pairs
from gapbook.precomputed.glyphclip import SEEDS, TAUS
from gapbook.precomputed.jobs import run_side_by_side
from gapbook.training import train

FACE = "DejaVuSerif"

# Bundled embeddings and weights are of half precision.
SAME = 0.002


def serif_embeddings(model: GlyphCLIP) -> np.ndarray:
    """Embed the held-out characters that DejaVu Serif has.

    Parameters
    ----------
    model : GlyphCLIP
        Any model of the book.

    Returns
    -------
    array (n, 64)
        Unit rows, in the order of code points.
    """
    return embed_images(model, load_glyphs(FACE).part("test").images)


def _model(name: str, seed: int, folder: Path) -> GlyphCLIP:
    """Return a bundled model: of seed 0 from its weights, of others trained again."""
    if seed == 0:
        return load_glyphclip(name)
    model = build_glyphclip(seed)
    checkpoint = folder / f"{name}.{seed}.checkpoint"
    train(model, load_glyphs().part("train"), TAUS[name], seed=seed, checkpoint=checkpoint)
    return model


def _embed(name: str, seed: int, folder: Path) -> str:
    """Leave the embeddings of one model in a folder."""
    run = f"{name}.{seed}"
    done = folder / f"{run}.safetensors"
    if done.exists():
        return run
    model = _model(name, seed, folder)
    bundled = np.asarray(load_pairs(name, seed).x)
    difference = np.abs(embed_images(model, load_glyphs().part("test").images) - bundled).max()
    if difference > SAME:
        raise PairsError(
            f"Expected {run} to embed as the bundled model does; it differs by {difference:.4f}: "
            "run python -m gapbook.precomputed glyphclip on this machine first"
        )
    write_whole(done, save({run: torch.as_tensor(serif_embeddings(model)).half()}))
    return run


def main() -> None:
    """Train what is not there yet, then write the file."""
    folder = Path("_build/serif")
    folder.mkdir(parents=True, exist_ok=True)
    run_side_by_side(_embed, [(name, seed, folder) for seed in SEEDS for name in TAUS])
    tensors = {"codepoints": torch.as_tensor(load_glyphs(FACE).part("test").codepoints).int()}
    for seed in SEEDS:
        for name in TAUS:
            run = f"{name}.{seed}"
            tensors[run] = load_file(folder / f"{run}.safetensors")[run]
    write_whole(data_path("glyphclip/serif.safetensors"), save(tensors))
