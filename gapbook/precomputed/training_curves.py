"""The training runs behind chapters 4 and 6, and their stored curves: ``python -m gapbook.experiments [pattern]``.

Each experiment is a recipe by some seeds. A call runs what is not there yet, two runs at a time on one thread each; an
interrupted call goes on where it stopped. The curves of all runs come together in ``data/training_curves.csv``.
"""

import os
import re
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from gapbook.encoders import build_glyphclip, load_glyphclip
from gapbook.encoders.glyphclip import TEMPERATURES, GlyphTwins
from gapbook.files import write_whole
from gapbook.geometry import modality_gap
from gapbook.glyphs import Glyphs, first_words, load_glyphs, share_image_by_caption
from gapbook.precomputed.glyphclip import SEEDS, read_history
from gapbook.training import EPOCHS, RATE, embed_pairs, procrustes, train

LABELS = {
    "1": 1.0,
    "1/10": 0.1,
    "1/20": 0.05,
    "1/30": 1 / 30,
    "1/50": 0.02,
    "1/100": 0.01,
    "learned": None,
}
STARTS = {
    "ordinary": "two encoders as they come",
    "amended": "texts turned onto their images before training",
    "turned back": "the same, then turned in the plane of both means so that the ordinary gap is there again",
    "turned together": "turned in that plane alone, as far as amended ones lie apart",
    "one modality": "two image encoders, two views of each character",
    "same seed": "two image encoders that begin with the same weights",
    "shared": "one tower for both, behind separate embeddings of pixels and of words",
    "trained": "the bundled model of temperature 1/100, trained on at a tenth of the rate",
    "first word": "captions cut to their first word, for training and after",
    "two words": "captions cut to their first two words",
    "both cut": "captions cut to their first word, and one image for all characters of a word",
}


@dataclass(frozen=True)
class Experiment:
    """A recipe: what the run starts from, its temperature by label, how long it trains, and its seeds."""

    start: str
    tau: str
    epochs: int = EPOCHS
    seeds: tuple[int, ...] = SEEDS

    def name(self, seed: int) -> str:
        """File name of one run, such as amended-learned-30-0."""
        return f"{self.start.replace(' ', '_')}-{self.tau.replace('/', '_')}-{self.epochs}-{seed}"


BUNDLED = {
    label: name
    for name, tau in TEMPERATURES.items()
    for label, value in LABELS.items()
    if value == tau
}
TURNED = ("amended", "turned back", "turned together")
CUTS: dict[str, Callable[[Glyphs], Glyphs]] = {
    "first word": first_words,
    "two words": lambda glyphs: first_words(glyphs, 2),
    "both cut": lambda glyphs: share_image_by_caption(first_words(glyphs)),
}
EXPERIMENTS = [
    *(Experiment(start, tau) for start in TURNED[:2] for tau in ("1/100", "learned")),
    Experiment("turned together", "1/100"),
    *(Experiment("ordinary", tau) for tau in LABELS if tau not in BUNDLED),
    *(Experiment("trained", tau, 10) for tau in LABELS if tau != "learned"),
    *(Experiment(start, "1/100") for start in ("one modality", "same seed", "shared")),
    *(Experiment(cut, tau) for cut in CUTS for tau in ("1/100", "learned")),
    *(Experiment("ordinary", tau, 300, (0,)) for tau in ("1/100", "learned", "1/30")),
]


def read_curves(own: pd.DataFrame | None = None) -> pd.DataFrame:
    """Read the stored curves, or take those of ``run_all``, and add the bundled models'.

    Columns start, tau (a label), epochs, seed, epoch, loss, temperature, gap and recalls in both directions, all of
    held-out pairs but for the loss.
    """
    if own is None:
        with (files("gapbook.data") / "training_curves.csv").open(encoding="utf-8") as file:
            own = pd.read_csv(file, dtype={"tau": str})
    bundled = read_history().rename(columns={"tau": "temperature"})
    labels = {name: label for label, name in BUNDLED.items()}
    bundled.insert(0, "tau", bundled.pop("model").map(labels))
    return pd.concat([bundled.assign(start="ordinary", epochs=EPOCHS), own], ignore_index=True)[
        list(own)
    ]


def start_of(experiment: Experiment, seed: int) -> tuple[Any, np.ndarray | None]:
    """Build what an experiment trains: the model of a seed, and the rotation of its second side or None."""
    if experiment.start == "trained":
        return load_glyphclip("glyphclip"), None
    if experiment.start in ("one modality", "same seed"):
        return GlyphTwins(seed, same=experiment.start == "same seed"), None
    model = build_glyphclip(seed, shared=experiment.start == "shared")
    if experiment.start not in TURNED:
        return model, None
    x, y = embed_pairs(model, load_glyphs().part("train"))
    rotation = procrustes(x, y)
    if experiment.start == "turned back":
        rotation = rotation @ turn_to_gap(x, y @ rotation, modality_gap(x, y))
    elif experiment.start == "turned together":
        rotation = turn_to_gap(x, y, modality_gap(x, y @ rotation))
    return model, rotation


def data_of(experiment: Experiment, part: str) -> Glyphs:
    """Return one part of the characters, with captions and images cut as the experiment has it."""
    glyphs = load_glyphs().part(part)
    return CUTS[experiment.start](glyphs) if experiment.start in CUTS else glyphs


def turn_to_gap(x: np.ndarray, y: np.ndarray, gap: float) -> np.ndarray:
    """Return a rotation R ``(d, d)`` in the plane of both means after which y R lies ``gap`` from x.

    With lengths a and b of the means, gap^2 = a^2 + b^2 - 2 a b cos(angle) fixes the angle; what is at right angles to
    the plane stays where it is. Raises ValueError where no angle gives that gap.

    >>> x, y = np.array([[1.0, 0.0, 0.0]]), np.array([[0.6, 0.8, 0.0]])
    >>> float((y @ turn_to_gap(x, y, 2**0.5))[0, 1].round(6))
    1.0
    """
    p, q = x.mean(axis=0, dtype=np.float64), y.mean(axis=0, dtype=np.float64)
    a, b = np.linalg.norm(p), np.linalg.norm(q)
    cosine = (a**2 + b**2 - gap**2) / (2 * a * b)
    if not -1 <= cosine <= 1:
        raise ValueError(f"Expected a gap between {abs(a - b):.3f} and {a + b:.3f}; got {gap:.3f}")
    u = p / a
    v = q - (q @ u) * u
    v /= np.linalg.norm(v)
    angle = np.arccos(cosine) - np.arctan2(q @ v, q @ u)
    c, s = np.cos(angle), np.sin(angle)
    plane = np.stack([u, v])
    return np.eye(len(p)) + plane.T @ (np.array([[c, s], [-s, c]]) - np.eye(2)) @ plane


def run(
    experiment: Experiment, seed: int, folder: Path | None = None, progress: bool = False
) -> pd.DataFrame:
    """Train one run of an experiment and return its curve, one row an epoch, as `read_curves` has it.

    With ``folder`` the curve is kept there, and a run that was interrupted goes on from its last epoch.
    """
    done = folder / f"{experiment.name(seed)}.csv" if folder else None
    if done and done.exists():
        return pd.read_csv(done, dtype={"tau": str})
    seen, held_out = (data_of(experiment, part) for part in ("train", "test"))
    model, rotation = start_of(experiment, seed)
    history = train(
        model,
        seen,
        LABELS[experiment.tau],
        epochs=experiment.epochs,
        seed=seed,
        rate=RATE / 10 if experiment.start == "trained" else RATE,
        rotation=rotation,
        held_out=held_out,
        checkpoint=done.with_suffix(".checkpoint") if done else None,
        progress=progress,
    ).rename(columns={"tau": "temperature"})
    labels = {
        "start": experiment.start,
        "tau": experiment.tau,
        "epochs": experiment.epochs,
        "seed": seed,
    }
    curve = pd.concat([pd.DataFrame(labels, index=history.index), history], axis=1)
    if done:
        write_whole(done, curve.to_csv(index=False, float_format="%.5g").encode())
    return curve


def _run_alone(experiment: Experiment, seed: int, folder: Path) -> str:
    torch.set_num_threads(1)
    run(experiment, seed, folder)
    return experiment.name(seed)


def run_all(folder: Path, pattern: str = "") -> pd.DataFrame:
    """Run what is missing in ``folder`` among the experiments that match, and return all curves that there are."""
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [
        (e, seed, folder)
        for e in EXPERIMENTS
        for seed in e.seeds
        if re.search(pattern, e.name(seed))
    ]
    with ProcessPoolExecutor(max_workers=min(2, os.cpu_count() or 1)) as pool:
        for name in pool.map(_run_alone, *zip(*jobs, strict=True)):
            print(f"finished {name}", flush=True)
    paths = [folder / f"{e.name(seed)}.csv" for e in EXPERIMENTS for seed in e.seeds]
    return pd.concat([pd.read_csv(path, dtype={"tau": str}) for path in paths if path.exists()])


def merged(stored: pd.DataFrame, fresh: pd.DataFrame) -> pd.DataFrame:
    """Put fresh curves in place of stored ones of the same runs, in the order of the experiments; keep the others."""
    curves: dict[Any, pd.DataFrame] = {}
    for table in (stored, fresh):
        curves |= dict(iter(table.groupby(["start", "tau", "epochs", "seed"])))
    runs = [(e.start, e.tau, e.epochs, seed) for e in EXPERIMENTS for seed in e.seeds]
    return pd.concat([curves[run] for run in runs if run in curves], ignore_index=True)


def main(pattern: str = "") -> None:
    """Bring ``data/training_curves.csv`` up to date."""
    path = Path("data/training_curves.csv")
    names = [e.name(seed) for e in EXPERIMENTS for seed in e.seeds]
    if not any(re.search(pattern, name) for name in names):
        sys.exit(
            f"Expected a pattern that some experiment matches, such as {names[0]}; got {pattern!r}"
        )
    curves = merged(
        pd.read_csv(path, dtype={"tau": str}), run_all(Path("_build/experiments"), pattern)
    )
    write_whole(path, curves.to_csv(index=False, float_format="%.5g").encode())


if __name__ == "__main__":
    main("".join(sys.argv[1:2]))
