"""What training runs of modalities share: they can be resumed, and leave a curve and embeddings."""

import re
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import pandas as pd
import torch
from safetensors.torch import save

from gapbook.encoders.modalities import ModalityEncoders
from gapbook.files import write_whole
from gapbook.full_scale.provenance import provenance
from gapbook.glyphs import Glyphs
from gapbook.modalities import Pair, embed_modalities, train_modalities
from gapbook.precomputed.jobs import WORKERS, run_side_by_side
from gapbook.precomputed.tables import to_csv
from gapbook.training import EPOCHS

# The folder of the bundle, below that of stored data.
FOLDER = "modalities"

# Seconds of processor time that an epoch of each modality takes, for what is said beforehand.
SECONDS_AN_EPOCH = {"image": 2.7, "outline": 1.7, "sound": 3.3, "name": 0.7}

# Digits of a commit that tell it from others.
COMMIT_DIGITS = 10


class ModalityRun(Protocol):
    """One training run of modalities."""

    @property
    def name(self) -> str:
        """What its files are called, such as image-sound-learned-0."""

    @property
    def modalities(self) -> Sequence[str]:
        """The modalities of its model."""

    @property
    def trained_pairs(self) -> Sequence[Pair]:
        """The pairs whose losses are summed."""

    @property
    def tau(self) -> float | None:
        """The temperature; None where it is learned."""

    @property
    def seed(self) -> int:
        """What draws weights, batches and views."""


AnyRun = TypeVar("AnyRun", bound=ModalityRun)


def train_modality_run(
    run: ModalityRun, folder: Path, epochs: int, glyphs: Glyphs
) -> tuple[pd.DataFrame, ModalityEncoders, str]:
    """Train one run, or go on with one that was interrupted.

    Parameters
    ----------
    run : ModalityRun
        The run.
    folder : pathlib.Path
        Where its checkpoint is kept.
    epochs : int
        How often all characters are seen.
    glyphs : Glyphs
        Characters of all parts of the split.

    Returns
    -------
    curve : pandas.DataFrame
        As ``train_modalities`` returns it, with cpu_seconds.
    model : ModalityEncoders
        The trained model.
    message : str
        The name of the run, and how long it took.
    """
    model = ModalityEncoders(run.modalities, run.seed)
    checkpoint = _checkpoint_of(run, folder)
    was_interrupted = checkpoint.exists()
    began = time.process_time()
    curve = train_modalities(
        model,
        glyphs.part("train"),
        run.tau,
        pairs=run.trained_pairs,
        epochs=epochs,
        seed=run.seed,
        held_out=glyphs.part("test"),
        checkpoint=checkpoint,
        progress=False,
    )
    seconds = time.process_time() - began
    curve["cpu_seconds"] = None if was_interrupted else round(seconds)
    return curve, model, f"{run.name}, {seconds:.0f} s of processor time"


def _checkpoint_of(run: ModalityRun, folder: Path) -> Path:
    return folder / f"{run.name}.checkpoint"


def curve_of(run: ModalityRun, folder: Path) -> Path:
    """Return the file of a run's curve, which is there when it is finished.

    Parameters
    ----------
    run, folder
        As in ``train_modality_run``.
    """
    return folder / f"{run.name}.csv"


def finish_run(run: ModalityRun, folder: Path, curve: pd.DataFrame, commit: str) -> None:
    """Write the curve of a finished run with its seed, and remove its checkpoint.

    Parameters
    ----------
    run, folder
        As in ``train_modality_run``.
    curve : pandas.DataFrame
        The curve.
    commit : str
        What the curve says of the code.
    """
    write_whole(curve_of(run, folder), to_csv(curve.assign(seed=run.seed, commit=commit)))
    _checkpoint_of(run, folder).unlink()


def train_missing(
    train_run: Callable[[AnyRun, Path, str], str],
    runs: Iterable[AnyRun],
    pattern: str,
    folder: Path,
) -> None:
    """Train the runs that match and are not finished, and say beforehand how long they take.

    Parameters
    ----------
    train_run : callable
        A function of a module that trains one run: its arguments are the run, the folder and the
        commit of the code, and it returns what is printed then.
    runs : iterable of ModalityRun
        All runs.
    pattern : str
        A regular expression, which some name of a run matches; else the program ends.
    folder : pathlib.Path
        Where the files of runs are put.
    """
    known = list(runs)
    matching = [run for run in known if re.search(pattern, run.name)]
    if not matching:
        example = known[0].name
        sys.exit(f"Expected a pattern that some run matches, such as {example}; got {pattern!r}")
    missing = [run for run in matching if not curve_of(run, folder).exists()]
    minutes = sum(_seconds(run) for run in missing) / WORKERS / 60
    print(
        f"{len(missing)} of {len(matching)} runs are to do: "
        f"about {minutes:.0f} minutes on {WORKERS} cores",
        flush=True,
    )
    folder.mkdir(parents=True, exist_ok=True)
    if missing:
        # Before training, since files may change meanwhile.
        commit = _short_commit()
        run_side_by_side(train_run, [(run, folder, commit) for run in missing])


def _seconds(run: ModalityRun) -> float:
    """Return about how long a run takes, in seconds of processor time."""
    return EPOCHS * sum(SECONDS_AN_EPOCH[modality] for modality in run.modalities)


def _short_commit() -> str:
    """Return the beginning of this package's commit, and a plus sign where files were changed."""
    commit, _, changes = provenance()["commit"].partition(" ")
    return commit[:COMMIT_DIGITS] + ("+" if changes else "")


def half_embeddings(model: ModalityEncoders, glyphs: Glyphs) -> dict[str, torch.Tensor]:
    """Embed characters by each modality, as float16.

    Parameters
    ----------
    model, glyphs
        As in ``embed_modalities``.
    """
    embeddings = embed_modalities(model, glyphs)
    return {name: torch.as_tensor(rows).half() for name, rows in embeddings.items()}


def write_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> None:
    """Write a safetensors file, whole or not at all.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    tensors : dict of str to torch.Tensor
        What it holds.
    """
    write_whole(path, save(tensors))


def read_csv(path: Path) -> pd.DataFrame:
    """Read a curve.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    """
    # Else a commit without letters were a number.
    return pd.read_csv(path, dtype={"commit": str})


def write_curves(
    path: Path, keys: list[str], finished: Iterable[ModalityRun], folder: Path
) -> None:
    """Put the curves of finished runs into one file.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    keys : list of str
        What tells runs apart: the first columns.
    finished : iterable of ModalityRun
        The runs, at least one.
    folder : pathlib.Path
        Where their files are.
    """
    curves = pd.concat([read_csv(curve_of(run, folder)) for run in finished])
    measured = [column for column in curves if column not in keys]
    write_whole(path, to_csv(curves[[*keys, *measured]]))
