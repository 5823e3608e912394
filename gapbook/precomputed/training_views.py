"""Held-out pairs in the gap view during training, at four temperatures (introduction, chapter 1).

Only the places in the plane are kept, in ``data/glyphclip/views.safetensors``: embeddings of all
these moments would take thirty times as much.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from safetensors.torch import load, load_file, save

from gapbook import encoders
from gapbook.files import data_path, write_whole
from gapbook.geometry import modality_gap
from gapbook.glyphs import Glyphs, load_glyphs
from gapbook.precomputed.glyphclip import FRAME_EPOCHS, FRAME_PAIRS
from gapbook.precomputed.jobs import run_side_by_side
from gapbook.projections import project
from gapbook.training import embed_pairs, train

# From the highest temperature to the lowest, as sliders show them; None is learned.
TAUS = {"1/10": 0.1, "1/30": 1 / 30, "1/100": 0.01, "learned": None}

FILE = "glyphclip/views.safetensors"


class GapView(NamedTuple):
    """Pairs in the gap view at one moment of training.

    Attributes
    ----------
    x2, y2 : numpy.ndarray of shape (150, 2)
        The places of images and of texts: along the gap, and along the first component of the rest.
    gap : float
        The gap of all held-out pairs.
    """

    x2: np.ndarray
    y2: np.ndarray
    gap: float


def read_views() -> dict[tuple[str, int], GapView]:
    """Read the bundled moments of training, of runs with seed 0.

    Returns
    -------
    dict of (str, int) to GapView
        By temperature, such as "1/100", and epoch. The plane is fitted to all held-out pairs of the
        moment; the sign of its second axis is that of the epoch after.
    """
    tensors = load(data_path(FILE).read_bytes())
    views = {}
    for tau in TAUS:
        for epoch in FRAME_EPOCHS:
            x2, y2 = tensors[f"{tau}.{epoch}"].float().numpy()
            views[tau, epoch] = GapView(x2, y2, float(tensors[f"{tau}.{epoch}.gap"]))
    return views


def read_shown() -> Glyphs:
    """Return the 150 held-out characters of the views, in their order.

    Returns
    -------
    Glyphs
        Evenly spaced by code point.
    """
    held_out = load_glyphs().part("test")
    return held_out.subset(_shown_rows(len(held_out)))


def _shown_rows(n: int) -> np.ndarray:
    """Return which of n held-out pairs are shown."""
    return torch.linspace(0, n - 1, FRAME_PAIRS).long().numpy()


def _train_one(tau: str, folder: Path) -> str:
    """Train at one temperature and leave its moments in a folder."""
    done = folder / f"{tau.replace('/', '_')}.safetensors"
    if done.exists():
        return tau
    glyphs = load_glyphs()
    held_out = glyphs.part("test")
    model = encoders.build_glyphclip(0)
    shown = _shown_rows(len(held_out))
    gaps: dict[int, float] = {}
    places: dict[int, np.ndarray] = {}

    def keep_view(epoch: int) -> None:
        if epoch in FRAME_EPOCHS:
            x, y = embed_pairs(model, held_out)
            gaps[epoch] = modality_gap(x, y)
            places[epoch] = np.stack([flat[shown] for flat in project(x, y)])

    train(
        model,
        glyphs.part("train"),
        TAUS[tau],
        seed=0,
        held_out=held_out,
        progress=False,
        after_epoch=keep_view,
    )
    tensors = {}
    for epoch, flat in _with_steady_signs(places).items():
        tensors[f"{tau}.{epoch}"] = torch.as_tensor(flat).half()
        tensors[f"{tau}.{epoch}.gap"] = torch.tensor(gaps[epoch], dtype=torch.float32)
    write_whole(done, save(tensors))
    return tau


def _with_steady_signs(places: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
    """Turn the second axis where it points against that of the epoch after."""
    steady: dict[int, np.ndarray] = {}
    after = None
    for epoch in sorted(places, reverse=True):
        flat = places[epoch].copy()
        if after is not None and (flat[..., 1] * after[..., 1]).sum() < 0:
            flat[..., 1] *= -1
        steady[epoch] = after = flat
    return steady


def main() -> None:
    """Train at each temperature, then write the bundle."""
    parts = Path("_build/training_views")
    parts.mkdir(parents=True, exist_ok=True)
    run_side_by_side(_train_one, [(tau, parts) for tau in TAUS])
    tensors: dict[str, torch.Tensor] = {}
    for tau in TAUS:
        tensors |= load_file(parts / f"{tau.replace('/', '_')}.safetensors")
    write_whole(data_path(FILE), save(tensors))
