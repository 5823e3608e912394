"""GlyphPairs in four modalities, all four in one model: ``data/modalities/four-*``.

One model is trained by the loss of all six pairs, one by the three pairs with images alone, each by
three seeds at a temperature of 1/100. All runs give their curves, their embeddings and the centers
of what they learned from. Finished runs are kept in ``_build/joint_modalities``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from safetensors.numpy import load_file as load_arrays
from safetensors.torch import load_file

from gapbook.encoders.modalities import MODALITIES
from gapbook.files import data_path
from gapbook.glyphs import Glyphs, load_glyphs
from gapbook.modalities import PAIRS, Pair, embed_modalities
from gapbook.precomputed.glyphclip import SEEDS
from gapbook.precomputed.modality_runs import (
    FOLDER,
    curve_of,
    finish_run,
    half_embeddings,
    read_csv,
    train_missing,
    train_modality_run,
    write_curves,
    write_tensors,
)
from gapbook.training import EPOCHS

# The modality through which the others are bound.
HUB = "image"

# The pairs whose losses are summed, by the name of the model.
TRAINED_PAIRS: dict[str, list[Pair]] = {
    "all pairs": list(PAIRS),
    "through images": [pair for pair in PAIRS if HUB in pair],
}

# CLIP's own temperature.
TAU = 0.01

CURVES = "four-curves.csv"

# What tells runs apart, the first columns of their curves.
KEYS = ["model", "seed", "first", "second"]


class JointRun(NamedTuple):
    """One training run: the name of the model, and the seed."""

    model: str
    seed: int

    @property
    def source(self) -> str:
        """What the file of its embeddings is called, such as four-all-pairs."""
        return "four-" + self.model.replace(" ", "-")

    @property
    def name(self) -> str:
        """What its files are called, such as four-all-pairs-0."""
        return f"{self.source}-{self.seed}"

    @property
    def modalities(self) -> tuple[str, ...]:
        """All modalities."""
        return MODALITIES

    @property
    def trained_pairs(self) -> list[Pair]:
        """The pairs whose losses are summed."""
        return TRAINED_PAIRS[self.model]

    @property
    def tau(self) -> float:
        """The temperature."""
        return TAU


def runs() -> Iterator[JointRun]:
    """Yield all runs, seed by seed.

    Examples
    --------
    >>> [run.name for run in runs()][:3]
    ['four-all-pairs-0', 'four-through-images-0', 'four-all-pairs-1']
    """
    for seed in SEEDS:
        for model in TRAINED_PAIRS:
            yield JointRun(model, seed)


def read_joint_curves() -> pd.DataFrame:
    """Read the curves of all models of four modalities.

    Returns
    -------
    pandas.DataFrame
        Columns model ("all pairs" or "through images"), seed, first and second (modalities), epoch,
        loss (of all trained pairs together in nats; NaN before training), pair_loss (of this pair;
        NaN where it is not trained), tau, gap, recalls at 1 and 10 in both directions, such as
        first_to_second_r1, cpu_seconds (of the whole run; NaN where it was interrupted) and commit
        (of this package's repository). One row an epoch and pair, from epoch 0, the untrained
        model; gap and recalls are those of held-out characters.
    """
    return read_csv(data_path(f"{FOLDER}/{CURVES}"))


class JointEmbeddings(NamedTuple):
    """The embeddings of held-out characters by a model, and the centers of what it learned from."""

    rows: dict[str, np.ndarray]
    centers: dict[str, np.ndarray]


def read_joint_embeddings(model: str, seed: int = 0) -> JointEmbeddings:
    """Read the embeddings of a model of four modalities.

    Parameters
    ----------
    model : str
        "all pairs" or "through images".
    seed : int
        That of the run.

    Returns
    -------
    JointEmbeddings
        ``rows``: arrays (1072, 64) of unit rows by modality, row i of each of the same held-out
        character; and ``centers``: mean rows (64,) of the characters of the training part, in the
        first typeface and the first voice.

    Raises
    ------
    ValueError
        For another model, or a seed that is not stored.
    """
    if model not in TRAINED_PAIRS:
        raise ValueError(f"Expected a model of {', '.join(TRAINED_PAIRS)}; got {model!r}")
    run = JointRun(model, seed)
    stored = load_arrays(data_path(f"{FOLDER}/{run.source}.safetensors"))
    if f"{MODALITIES[0]}.{seed}" not in stored:
        seeds = sorted({name.rsplit(".", 1)[1] for name in stored})
        raise ValueError(f"Expected a seed of {', '.join(seeds)}; got {seed!r}")
    rows = {}
    centers = {}
    for name in MODALITIES:
        half = stored[f"{name}.{seed}"].astype(np.float32)
        rows[name] = half / np.linalg.norm(half, axis=1, keepdims=True)
        centers[name] = stored[f"center.{name}.{seed}"]
    return JointEmbeddings(rows, centers)


def train_run(
    run: JointRun,
    folder: Path,
    commit: str = "",
    epochs: int = EPOCHS,
    glyphs: Glyphs | None = None,
) -> str:
    """Train one run and leave its curve, embeddings and centers in a folder.

    Parameters
    ----------
    run : JointRun
        The run.
    folder, commit, epochs, glyphs
        As in ``gapbook.precomputed.modality_pairs.train_run``.

    Returns
    -------
    str
        What is printed: the name of the run, and how long it took.
    """
    if curve_of(run, folder).exists():
        return run.name
    glyphs = glyphs or load_glyphs()
    curve, model, message = train_modality_run(run, folder, epochs, glyphs)
    tensors = {}
    for name, half in half_embeddings(model, glyphs.part("test")).items():
        tensors[f"{name}.{run.seed}"] = half
    for name, rows in embed_modalities(model, glyphs.part("train")).items():
        tensors[f"center.{name}.{run.seed}"] = torch.as_tensor(rows.mean(axis=0))
    write_tensors(folder / f"{run.name}.safetensors", tensors)
    curve["model"] = run.model
    finish_run(run, folder, curve, commit)
    return message


def write_bundle(parts: Path, bundle: Path) -> None:
    """Put the results of all finished runs into the files of the bundle.

    Parameters
    ----------
    parts : pathlib.Path
        Where ``train_run`` left them.
    bundle : pathlib.Path
        The folder of the bundle.
    """
    finished = [run for run in runs() if curve_of(run, parts).exists()]
    if not finished:
        return
    bundle.mkdir(parents=True, exist_ok=True)
    for source in sorted({run.source for run in finished}):
        tensors: dict[str, torch.Tensor] = {}
        for run in finished:
            if run.source == source:
                tensors |= load_file(parts / f"{run.name}.safetensors")
        write_tensors(bundle / f"{source}.safetensors", tensors)
    write_curves(bundle / CURVES, KEYS, finished, parts)


def main(pattern: str = "") -> None:
    """Train what is not there yet, then write the bundle of all that is.

    Parameters
    ----------
    pattern : str
        A regular expression: runs are left out whose names, such as four-all-pairs-0, it does not
        match.
    """
    parts = Path("_build/joint_modalities")
    train_missing(train_run, runs(), pattern, parts)
    write_bundle(parts, data_path(FOLDER))
