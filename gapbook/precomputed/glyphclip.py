"""Make the bundled GlyphCLIP models again: ``python -m gapbook.bundle [folder]``.

Three temperatures by three seeds, two runs at a time on one thread each. An interrupted call goes on where it
stopped; the bundle changes only when everything is there.
"""

import os
import sys
from concurrent.futures import ProcessPoolExecutor
from importlib.resources import files
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import save_file

from gapbook.encoders import TEMPERATURES, build_glyphclip
from gapbook.encoders.clip import embed_images, embed_texts
from gapbook.geometry import modality_gap
from gapbook.glyphs import Glyphs, caption_tokens, load_glyphs
from gapbook.pairs import PairedEmbeddings, load_pairs
from gapbook.plots import clouds_grid
from gapbook.projections import project
from gapbook.training import train

SEEDS = (0, 1, 2)
FRAMES, FRAME_PAIRS = (
    (0, 1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 22, 26, 30),
    150,
)  # what the epoch slider shows


def embeddings(model, glyphs: Glyphs, suffix: object) -> dict[str, torch.Tensor]:  # type: ignore[no-untyped-def]
    """Embed characters as float16 tensors ``x.<suffix>`` (images) and ``y.<suffix>`` (captions)."""
    x, y = embed_images(model, glyphs.images), embed_texts(model, caption_tokens(glyphs.names))
    return {f"x.{suffix}": torch.as_tensor(x).half(), f"y.{suffix}": torch.as_tensor(y).half()}


def frame_pairs(glyphs: Glyphs) -> Glyphs:
    """Pick the held-out characters that the epoch slider shows: evenly spaced by code point."""
    keep = torch.linspace(0, len(glyphs) - 1, FRAME_PAIRS).long().numpy()
    return Glyphs(
        glyphs.images[keep],
        [glyphs.names[i] for i in keep],
        glyphs.codepoints[keep],
        glyphs.split[keep],
    )


def read_frames() -> dict[int, PairedEmbeddings]:
    """Read the bundled epochs of "glyphclip", seed 0: epoch to 150 held-out pairs."""
    from safetensors.torch import load

    tensors = load((files("gapbook.data") / "glyphclip" / "epochs.safetensors").read_bytes())
    names = frame_pairs(load_glyphs().part("test")).names
    return {
        e: PairedEmbeddings.from_arrays(
            tensors[f"x.{e}"].numpy(), tensors[f"y.{e}"].numpy(), captions=tuple(names)
        )
        for e in FRAMES
    }


def read_history() -> pd.DataFrame:
    """Read the bundled training histories: columns model, seed, epoch, loss, tau, gap, and recall on held-out pairs."""
    with (files("gapbook.data") / "glyphclip" / "history.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


def run(name: str, seed: int, folder: Path) -> Path:
    """Train one model; leave its weights, embeddings, history and frames in ``folder``, one file each."""
    torch.set_num_threads(1)
    done = folder / f"{name}-{seed}.csv"
    if done.exists():
        return done
    glyphs = load_glyphs()
    held_out = glyphs.part("test")
    model = build_glyphclip(seed)

    def keep_frame(epoch: int) -> None:
        if name == "glyphclip" and seed == 0 and epoch in FRAMES:
            save_file(
                embeddings(model, frame_pairs(held_out), epoch),
                folder / f"frame-{epoch}.safetensors",
            )

    save_file(embeddings(model, held_out, seed), folder / f"init-{seed}.safetensors")
    checkpoint = folder / f"{name}-{seed}.checkpoint"
    history = train(
        model,
        glyphs.part("train"),
        TEMPERATURES[name],
        seed=seed,
        held_out=held_out,
        checkpoint=checkpoint,
        after_epoch=keep_frame,
    )
    save_file(embeddings(model, held_out, seed), folder / f"{name}-{seed}.embeddings")
    half = {
        k: v.half() if v.ndim and v.is_floating_point() else v
        for k, v in model.state_dict().items()
    }
    save_file(half, folder / f"{name}-{seed}.weights")
    history.insert(0, "seed", seed)
    history.insert(0, "model", name)
    history.to_csv(done, index=False, float_format="%.5f")
    return done


def collect(parts: Path, bundle: Path) -> None:
    """Put the results of all runs together into the files of the bundle."""
    from safetensors.torch import load_file

    def merge(paths: list[Path], target: Path) -> None:
        save_file({k: v for path in paths for k, v in load_file(path).items()}, target)

    (bundle / "embeddings").mkdir(parents=True, exist_ok=True)
    merge(
        [parts / f"init-{s}.safetensors" for s in SEEDS],
        bundle / "embeddings" / "glyphclip-init.safetensors",
    )
    for name in TEMPERATURES:
        merge(
            [parts / f"{name}-{s}.embeddings" for s in SEEDS],
            bundle / "embeddings" / f"{name}.safetensors",
        )
        save_file(load_file(parts / f"{name}-0.weights"), bundle / f"{name}.safetensors")
    merge([parts / f"frame-{e}.safetensors" for e in FRAMES], bundle / "epochs.safetensors")
    history = pd.concat(
        pd.read_csv(parts / f"{name}-{s}.csv") for name in TEMPERATURES for s in SEEDS
    )
    history.to_csv(bundle / "history.csv", index=False)


def draw_cover(path: Path) -> None:
    """Draw the figure of README and introduction: held-out pairs of seed 0 before and after training."""
    names = {
        "glyphclip-init": "before training",
        "glyphclip": "after, temperature 1/100",
        "glyphclip-t10": "after, 1/10",
    }
    views = {}
    for name, words in names.items():
        pairs = load_pairs(name)
        views[f"{words}: gap {modality_gap(pairs.x, pairs.y):.2f}"] = project(pairs.x, pairs.y)
    axes = ("along the gap vector", "first component of the rest")
    clouds_grid(views, columns=3, axis_labels=axes).savefig(path, dpi=110)


def main(bundle: Path, parts: Path = Path("_build/glyphclip")) -> None:
    """Train what is not there yet, then write the bundle."""
    parts.mkdir(parents=True, exist_ok=True)
    jobs = [(name, seed) for seed in SEEDS for name in TEMPERATURES]
    with ProcessPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        for done in pool.map(run, *zip(*jobs, strict=True), [parts] * len(jobs)):
            print(f"finished {done.stem}", flush=True)
    collect(parts, bundle)
    draw_cover(Path("book/_static/before_after.png"))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "data/glyphclip"))
