"""GlyphPairs in four modalities, each two of them trained: ``data/modalities``.

Six pairs of images, outlines, spoken and written names, at two temperatures, by three seeds. All
runs give their curves, those of seed 0 their embeddings too. Finished runs are kept in
``_build/modality_pairs``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from safetensors.torch import load_file

from gapbook.encoders.modalities import MODALITIES, ModalityEncoders
from gapbook.files import data_path
from gapbook.glyphs import Glyphs, load_glyphs
from gapbook.modalities import PAIRS, Pair
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

# The temperatures by their labels: CLIP's own, and a learned one.
TAUS: dict[str, float | None] = {"1/100": 0.01, "learned": None}

# The seed whose embeddings are kept: those of all would take ten megabytes.
KEPT_SEED = 0

CURVES = "curves.csv"
UNTRAINED = "untrained"

# What tells runs apart, the first columns of their curves.
KEYS = ["first", "second", "tau_label", "seed"]


class Run(NamedTuple):
    """One training run: the modalities, the temperature by its label, and the seed."""

    pair: Pair
    tau_label: str
    seed: int

    @property
    def source(self) -> str:
        """What ``load_pairs`` calls its embeddings, such as image-sound-learned."""
        suffix = "" if self.tau_label == "1/100" else f"-{self.tau_label}"
        return "-".join(self.pair) + suffix

    @property
    def name(self) -> str:
        """What its files are called, such as image-sound-learned-0."""
        return f"{self.source}-{self.seed}"

    @property
    def modalities(self) -> Pair:
        """The modalities of its model."""
        return self.pair

    @property
    def trained_pairs(self) -> list[Pair]:
        """The one pair whose loss it has."""
        return [self.pair]

    @property
    def tau(self) -> float | None:
        """The temperature; None where it is learned."""
        return TAUS[self.tau_label]


def runs() -> Iterator[Run]:
    """Yield all runs, those first whose embeddings are kept.

    Examples
    --------
    >>> next(runs()).name, len(list(runs()))
    ('image-outline-0', 36)
    """
    for seed in SEEDS:
        for tau_label in TAUS:
            for pair in PAIRS:
                yield Run(pair, tau_label, seed)


def read_curves() -> pd.DataFrame:
    """Read the curves of all runs.

    Returns
    -------
    pandas.DataFrame
        Columns first and second (modalities), tau_label ("1/100" or "learned"), seed, epoch, loss
        (nats; NaN before training), tau (a number), gap, recalls at 1 and 10 in both directions,
        such as first_to_second_r1, cpu_seconds (of the whole run; NaN where it was interrupted) and
        commit (of this package's repository). One row an epoch, from 0, the untrained model; gap
        and recalls are those of held-out characters.
    """
    return read_csv(data_path(f"{FOLDER}/{CURVES}"))


def train_run(
    run: Run, folder: Path, commit: str = "", epochs: int = EPOCHS, glyphs: Glyphs | None = None
) -> str:
    """Train one run and leave its curve, and for one seed its embeddings, in a folder.

    Parameters
    ----------
    run : Run
        The run. One that is finished in the folder is not trained again, and one that was
        interrupted goes on from its last epoch.
    folder : pathlib.Path
        Where its files are put.
    commit : str
        What the curve says of the code.
    epochs : int
        How often all characters are seen.
    glyphs : Glyphs, optional
        Characters of all parts of the split. By default all that there are.

    Returns
    -------
    str
        What is printed: the name of the run, and how long it took.
    """
    if curve_of(run, folder).exists():
        return run.name
    glyphs = glyphs or load_glyphs()
    curve, model, message = train_modality_run(run, folder, epochs, glyphs)
    if run.seed == KEPT_SEED:
        x, y = half_embeddings(model, glyphs.part("test")).values()
        tensors = {f"x.{run.seed}": x, f"y.{run.seed}": y}
        write_tensors(folder / f"{run.source}.safetensors", tensors)
    curve["tau_label"] = run.tau_label
    # There is one pair, whose loss is the loss.
    finish_run(run, folder, curve.drop(columns="pair_loss"), commit)
    return message


def write_bundle(parts: Path, bundle: Path, glyphs: Glyphs | None = None) -> None:
    """Put the results of all finished runs into the files of the bundle.

    Parameters
    ----------
    parts : pathlib.Path
        Where ``train_run`` left them.
    bundle : pathlib.Path
        The folder of the bundle.
    glyphs : Glyphs, optional
        As in ``train_run``.
    """
    glyphs = glyphs or load_glyphs()
    bundle.mkdir(parents=True, exist_ok=True)
    finished = [run for run in runs() if curve_of(run, parts).exists()]
    for run in finished:
        if run.seed == KEPT_SEED:
            name = f"{run.source}.safetensors"
            write_tensors(bundle / name, load_file(parts / name))
    untrained = ModalityEncoders(MODALITIES, KEPT_SEED)
    embeddings = half_embeddings(untrained, glyphs.part("test"))
    tensors = {f"{name}.{KEPT_SEED}": rows for name, rows in embeddings.items()}
    write_tensors(bundle / f"{UNTRAINED}.safetensors", tensors)
    if finished:
        write_curves(bundle / CURVES, KEYS, finished, parts)


def main(pattern: str = "") -> None:
    """Train what is not there yet, then write the bundle of all that is.

    Parameters
    ----------
    pattern : str
        A regular expression: runs are left out whose names, such as image-sound-learned-0, it does
        not match.
    """
    parts = Path("_build/modality_pairs")
    train_missing(train_run, runs(), pattern, parts)
    write_bundle(parts, data_path(FOLDER))
