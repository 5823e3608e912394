"""GlyphPairs in four modalities, each two of them trained: ``data/modalities``.

Six pairs of images, outlines, spoken and written names, at two temperatures, by three seeds. All
runs give their curves, those of seed 0 their embeddings too. Finished runs are kept in
``_build/modality_pairs``.
"""

import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from safetensors.torch import load_file, save

from gapbook.encoders.modalities import MODALITIES, ModalityEncoders
from gapbook.files import data_path, write_whole
from gapbook.full_scale.provenance import provenance
from gapbook.glyphs import Glyphs, load_glyphs
from gapbook.modalities import PAIRS, Pair, embed_modalities, train_modalities
from gapbook.precomputed.glyphclip import SEEDS
from gapbook.precomputed.jobs import WORKERS, run_side_by_side
from gapbook.training import EPOCHS

# The temperatures by their labels: CLIP's own, and a learned one.
TAUS: dict[str, float | None] = {"1/100": 0.01, "learned": None}

# The seed whose embeddings are kept: those of all would take ten megabytes.
KEPT_SEED = 0

# Seconds of processor time that an epoch of each modality takes, for what is said beforehand.
SECONDS_AN_EPOCH = {"image": 2.7, "outline": 1.7, "sound": 3.3, "name": 0.7}

FOLDER = "modalities"
CURVES = "curves.csv"
UNTRAINED = "untrained"

# What tells runs apart, the first columns of their curves.
KEYS = ["first", "second", "tau_label", "seed"]

# Digits of a commit that tell it from others.
COMMIT_DIGITS = 10


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
    def seconds(self) -> float:
        """About how long it takes, in seconds of processor time."""
        return EPOCHS * sum(SECONDS_AN_EPOCH[modality] for modality in self.pair)


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
    return _read(data_path(f"{FOLDER}/{CURVES}"))


def _read(path: Path) -> pd.DataFrame:
    # Else a commit without letters were a number.
    return pd.read_csv(path, dtype={"commit": str})


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
    done = folder / f"{run.name}.csv"
    if done.exists():
        return run.name
    glyphs = glyphs or load_glyphs()
    held_out = glyphs.part("test")
    model = ModalityEncoders(run.pair, run.seed)
    checkpoint = folder / f"{run.name}.checkpoint"
    was_interrupted = checkpoint.exists()
    began = time.process_time()
    curve = train_modalities(
        model,
        glyphs.part("train"),
        TAUS[run.tau_label],
        epochs=epochs,
        seed=run.seed,
        held_out=held_out,
        checkpoint=checkpoint,
        progress=False,
    )
    seconds = time.process_time() - began
    if run.seed == KEPT_SEED:
        x, y = _half_embeddings(model, held_out).values()
        tensors = {f"x.{run.seed}": x, f"y.{run.seed}": y}
        write_whole(folder / f"{run.source}.safetensors", save(tensors))
    curve["tau_label"] = run.tau_label
    curve["seed"] = run.seed
    curve["cpu_seconds"] = None if was_interrupted else round(seconds)
    curve["commit"] = commit
    write_whole(done, _to_csv(curve))
    checkpoint.unlink()
    return f"{run.name}, {seconds:.0f} s of processor time"


def _short_commit() -> str:
    """Return the beginning of this package's commit, and a plus sign where files were changed."""
    commit, _, changes = provenance()["commit"].partition(" ")
    return commit[:COMMIT_DIGITS] + ("+" if changes else "")


def _half_embeddings(model: ModalityEncoders, glyphs: Glyphs) -> dict[str, torch.Tensor]:
    """Embed characters by each modality, as float16."""
    embeddings = embed_modalities(model, glyphs)
    return {name: torch.as_tensor(rows).half() for name, rows in embeddings.items()}


def _to_csv(curves: pd.DataFrame) -> bytes:
    return curves.to_csv(index=False, float_format="%.5g").encode()


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
    finished = [run for run in runs() if (parts / f"{run.name}.csv").exists()]
    for run in finished:
        if run.seed == KEPT_SEED:
            name = f"{run.source}.safetensors"
            write_whole(bundle / name, save(load_file(parts / name)))
    untrained = ModalityEncoders(MODALITIES, KEPT_SEED)
    embeddings = _half_embeddings(untrained, glyphs.part("test"))
    tensors = {f"{name}.{KEPT_SEED}": rows for name, rows in embeddings.items()}
    write_whole(bundle / f"{UNTRAINED}.safetensors", save(tensors))
    if finished:
        curves = pd.concat([_read(parts / f"{run.name}.csv") for run in finished])
        measured = [column for column in curves if column not in KEYS]
        write_whole(bundle / CURVES, _to_csv(curves[[*KEYS, *measured]]))


def _matching_runs(pattern: str, parts: Path) -> list[Run]:
    """Return the runs that match and are not finished, and say how long they take."""
    matching = [run for run in runs() if re.search(pattern, run.name)]
    if not matching:
        example = next(runs()).name
        sys.exit(f"Expected a pattern that some run matches, such as {example}; got {pattern!r}")
    missing = [run for run in matching if not (parts / f"{run.name}.csv").exists()]
    minutes = sum(run.seconds for run in missing) / WORKERS / 60
    print(
        f"{len(missing)} of {len(matching)} runs are to do: "
        f"about {minutes:.0f} minutes on {WORKERS} cores",
        flush=True,
    )
    return missing


def main(pattern: str = "") -> None:
    """Train what is not there yet, then write the bundle of all that is.

    Parameters
    ----------
    pattern : str
        A regular expression: runs are left out whose names, such as image-sound-learned-0, it does
        not match.
    """
    parts = Path("_build/modality_pairs")
    missing = _matching_runs(pattern, parts)
    parts.mkdir(parents=True, exist_ok=True)
    if missing:
        # Before training, since files may change meanwhile.
        commit = _short_commit()
        run_side_by_side(train_run, [(run, parts, commit) for run in missing])
    write_bundle(parts, data_path(FOLDER))
