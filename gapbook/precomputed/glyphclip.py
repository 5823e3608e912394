"""The bundled GlyphCLIP models, in ``data/glyphclip``: three temperatures by three seeds."""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import load, load_file, save

from gapbook import encoders
from gapbook.files import data_path, write_whole
from gapbook.geometry import modality_gap
from gapbook.glyphs import Glyphs, load_glyphs
from gapbook.pairs import PairedEmbeddings, load_pairs
from gapbook.precomputed.jobs import run_side_by_side
from gapbook.training import TwoEncoders, embed_pairs, train

# The temperature of each bundled model; None is learned.
TAUS = {"glyphclip": 0.01, "glyphclip-t10": 0.1, "glyphclip-learned": None}

SEEDS = (0, 1, 2)

# What the slider over epochs shows: the gap moves most in the first epochs.
FRAME_EPOCHS = (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 26, 30)
FRAME_PAIRS = 150

# The picture of README and introduction.
COVER = Path("book/_static/before_after.png")


def read_history() -> pd.DataFrame:
    """Read the training histories of the bundled models.

    Returns
    -------
    pandas.DataFrame
        Columns model, seed, epoch, loss, tau, gap, and recalls on held-out pairs, such as
        image_to_text_r1; one row an epoch, from 0, the untrained model.
    """
    return pd.read_csv(data_path("glyphclip/history.csv"))


def read_frames() -> dict[int, PairedEmbeddings]:
    """Read the bundled epochs of "glyphclip", seed 0.

    Returns
    -------
    dict of int to PairedEmbeddings
        150 held-out pairs by epoch.
    """
    tensors = load(data_path("glyphclip/epochs.safetensors").read_bytes())
    captions = tuple(_frame_glyphs(load_glyphs().part("test")).names)
    frames = {}
    for epoch in FRAME_EPOCHS:
        x = tensors[f"x.{epoch}"].numpy()
        y = tensors[f"y.{epoch}"].numpy()
        frames[epoch] = PairedEmbeddings.from_arrays(x, y, captions=captions)
    return frames


def _frame_glyphs(glyphs: Glyphs) -> Glyphs:
    """Pick the characters that the slider over epochs shows, evenly spaced by code point."""
    return glyphs.subset(torch.linspace(0, len(glyphs) - 1, FRAME_PAIRS).long().numpy())


def _half_embeddings(model: TwoEncoders, glyphs: Glyphs, suffix: object) -> dict[str, torch.Tensor]:
    """Embed characters as float16 tensors ``x.<suffix>`` (images) and ``y.<suffix>`` (captions)."""
    x, y = embed_pairs(model, glyphs)
    return {f"x.{suffix}": torch.as_tensor(x).half(), f"y.{suffix}": torch.as_tensor(y).half()}


def _train_one(name: str, seed: int, folder: Path) -> str:
    """Train one model and leave what the bundle takes of it in a folder, one file each."""
    run = f"{name}-{seed}"
    done = folder / f"{run}.csv"
    if done.exists():
        return run
    glyphs = load_glyphs()
    held_out = glyphs.part("test")
    model = encoders.build_glyphclip(seed)

    def keep_frame(epoch: int) -> None:
        if run == "glyphclip-0" and epoch in FRAME_EPOCHS:
            frame = _half_embeddings(model, _frame_glyphs(held_out), epoch)
            write_whole(folder / f"frame-{epoch}.safetensors", save(frame))

    untrained = _half_embeddings(model, held_out, seed)
    write_whole(folder / f"init-{seed}.safetensors", save(untrained))
    history = train(
        model,
        glyphs.part("train"),
        TAUS[name],
        seed=seed,
        held_out=held_out,
        checkpoint=folder / f"{run}.checkpoint",
        after_epoch=keep_frame,
    )
    trained = _half_embeddings(model, held_out, seed)
    write_whole(folder / f"{run}.embeddings", save(trained))
    weights = {key: _half(value) for key, value in model.state_dict().items()}
    write_whole(folder / f"{run}.weights", save(weights))
    history.insert(0, "seed", seed)
    history.insert(0, "model", name)
    write_whole(done, history.to_csv(index=False, float_format="%.5f").encode())
    return run


def _half(tensor: torch.Tensor) -> torch.Tensor:
    """Return weights in half precision; counts and the temperature stay as they are."""
    return tensor.half() if tensor.ndim and tensor.is_floating_point() else tensor


def _write_bundle(parts: Path, bundle: Path) -> None:
    """Put the results of all runs together into the files of the bundle."""
    (bundle / "embeddings").mkdir(parents=True, exist_ok=True)
    untrained = [parts / f"init-{seed}.safetensors" for seed in SEEDS]
    _merge(untrained, bundle / "embeddings" / "glyphclip-init.safetensors")
    for name in TAUS:
        trained = [parts / f"{name}-{seed}.embeddings" for seed in SEEDS]
        _merge(trained, bundle / "embeddings" / f"{name}.safetensors")
        _merge([parts / f"{name}-0.weights"], bundle / f"{name}.safetensors")
    frames = [parts / f"frame-{epoch}.safetensors" for epoch in FRAME_EPOCHS]
    _merge(frames, bundle / "epochs.safetensors")
    histories = [pd.read_csv(parts / f"{name}-{seed}.csv") for name in TAUS for seed in SEEDS]
    write_whole(bundle / "history.csv", pd.concat(histories).to_csv(index=False).encode())


def _merge(paths: Iterable[Path], target: Path) -> None:
    """Write the tensors of several files into one."""
    tensors: dict[str, torch.Tensor] = {}
    for path in paths:
        tensors |= load_file(path)
    write_whole(target, save(tensors))


def draw_cover(path: Path) -> None:
    """Draw the figure of README and introduction: pairs of seed 0 before and after training.

    Parameters
    ----------
    path : pathlib.Path
        The picture, a PNG file.
    """
    from gapbook.plots import clouds_grid
    from gapbook.projections import GAP_VIEW_LABELS, project

    titles = {
        "glyphclip-init": "before training",
        "glyphclip": "after, temperature 1/100",
        "glyphclip-t10": "after, 1/10",
    }
    views = {}
    for name, title in titles.items():
        pairs = load_pairs(name)
        gap = modality_gap(pairs.x, pairs.y)
        views[f"{title}: gap {gap:.2f}"] = project(pairs.x, pairs.y)
    clouds_grid(views, columns=3, axis_labels=GAP_VIEW_LABELS).savefig(path, dpi=110)


def main() -> None:
    """Train what is not there yet, then write the bundle and draw the cover."""
    parts = Path("_build/glyphclip")
    parts.mkdir(parents=True, exist_ok=True)
    run_side_by_side(_train_one, [(name, seed, parts) for seed in SEEDS for name in TAUS])
    _write_bundle(parts, data_path("glyphclip"))
    if COVER.parent.is_dir():
        draw_cover(COVER)
