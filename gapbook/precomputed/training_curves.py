"""The training runs behind chapters 5 and 7, and their curves: ``data/training_curves.csv``.

Each experiment is a recipe by some seeds. Finished runs are kept in ``_build/training_curves``.
"""

import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from gapbook import encoders
from gapbook.files import data_path, write_whole
from gapbook.geometry import modality_gap
from gapbook.geometry.rotations import procrustes, turn_to_gap
from gapbook.glyphs import Glyphs, first_words, load_glyphs, share_image_by_caption
from gapbook.landscape.sigmoid import FIRST_BIAS
from gapbook.precomputed.glyphclip import SEEDS, TAUS, read_history
from gapbook.precomputed.jobs import run_side_by_side
from gapbook.precomputed.tables import to_csv
from gapbook.training import BATCH_SIZE, EPOCHS, LEARNING_RATE, TwoEncoders, embed_pairs, train

# Temperatures by their labels, in the order of tables and figures; None is learned.
TAUS_BY_LABEL: dict[str, float | None] = {
    "1": 1.0,
    "1/10": 0.1,
    "1/20": 0.05,
    "1/30": 1 / 30,
    "1/50": 0.02,
    "1/100": 0.01,
    "learned": None,
}

# The temperatures at which most variants are run: CLIP's own, and a learned one.
MAIN_LABELS = ("1/100", "learned")

# How a run differs from the bundled models.
VARIANTS = {
    "ordinary": "two encoders as they come",
    "amended": "texts turned onto their images before training",
    "turned back": "the same, then turned in the plane of both means so that the ordinary gap is "
    "there again",
    "turned together": "turned in that plane alone, as far as amended ones lie apart",
    "one modality": "two image encoders, two views of each character",
    "same seed": "two image encoders that begin with the same weights",
    "shared": "one tower for both, behind separate embeddings of pixels and of words",
    "deep text": "two towers, and in that of texts as many layers as in the shared one",
    "trained": "the bundled model of temperature 1/100, trained on at a tenth of the rate",
    "first word": "captions cut to their first word, for training and after",
    "two words": "captions cut to their first two words",
    "both cut": "captions cut to their first word, and one image for all characters of a word",
    "no normalization": "embeddings of any length in the loss",
    "8 dimensions": "embeddings of 8 dimensions instead of 64",
    "16 dimensions": "embeddings of 16 dimensions",
    "32 dimensions": "embeddings of 32 dimensions",
    "128 dimensions": "embeddings of 128 dimensions",
    "same seed, third of the rate": "the same, at a third of the learning rate",
    "same seed, tenth of the rate": "the same, at a tenth of the learning rate",
    "sigmoid": "the loss of SigLIP instead of CLIP's, from its start",
    "batches of 256": "batches of 256 pairs instead of 64, in as many epochs",
    "sigmoid, batches of 256": "the loss of SigLIP, in batches of 256 pairs",
}

# Variants whose texts are rotated before training.
ROTATED = ("amended", "turned back", "turned together")

# Variants whose second encoder sees images.
TWINS = ("one modality", "same seed")

# As many as the image tower has, through which texts go in the variant "shared".
DEEP_TEXT_LAYERS = 3

# Variants whose characters are cut, and by what.
CUTS: dict[str, Callable[[Glyphs], Glyphs]] = {
    "first word": first_words,
    "two words": lambda glyphs: first_words(glyphs, 2),
    "both cut": lambda glyphs: share_image_by_caption(first_words(glyphs)),
}

# Variants whose embeddings have another number of dimensions: supplementary figure 16.
DIMENSIONS = {f"{dim} dimensions": dim for dim in (8, 16, 32, 128)}

# The variant of supplementary figure 15, whose dot products are not bounded by 1.
NOT_NORMALIZED = "no normalization"
NOT_NORMALIZED_LABELS = ("1", "learned")

# The temperatures at which the loss of SigLIP is trained.
SIGMOID_LABELS = ("learned", "1/100", "1/10")

# Variants whose batches have another size than ``BATCH_SIZE``.
BATCH_SIZES = {"batches of 256": 256, "sigmoid, batches of 256": 256}

# A model that is trained already is trained on in small steps.
FINE_TUNING_RATE = LEARNING_RATE / 10
# Twins of the same first weights in smaller steps: is their gap the loss's, or that of its steps?
SLOW_TWINS = {
    "same seed, third of the rate": LEARNING_RATE / 3,
    "same seed, tenth of the rate": LEARNING_RATE / 10,
}
RATES = {"trained": FINE_TUNING_RATE} | SLOW_TWINS
FINE_TUNING_EPOCHS = 10

# Ten times as long as the bundled models are trained: what holds of a model that has learned more?
LONG_EPOCHS = 300

# The temperatures of long ordinary runs, and the variants that are trained long at 1/100.
LONG_LABELS = ("1/100", "learned", "1/30", "1/10")
LONG_VARIANTS = (*ROTATED, *TWINS, "shared")

# What tells runs apart.
KEYS = ["variant", "tau_label", "epochs", "seed"]


@dataclass(frozen=True)
class Experiment:
    """A recipe: the variant, its temperature by label, how long it trains, and its seeds."""

    variant: str
    tau_label: str
    epochs: int = EPOCHS
    seeds: tuple[int, ...] = SEEDS

    def name(self, seed: int) -> str:
        """Name one run, as its file is called, such as amended-learned-30-0.

        Parameters
        ----------
        seed : int
            The seed of the run.

        Returns
        -------
        str
            Variant, temperature, epochs and seed.
        """
        variant = self.variant.replace(" ", "_")
        tau = self.tau_label.replace("/", "_")
        return f"{variant}-{tau}-{self.epochs}-{seed}"


def is_sigmoid(variant: str) -> bool:
    """Say whether a variant is trained with the loss of SigLIP.

    Parameters
    ----------
    variant : str
        One of ``VARIANTS``.
    """
    return variant.startswith("sigmoid")


def bundled_models() -> dict[str, str]:
    """Return the names of the bundled models by the label of their temperature."""
    return {
        label: name
        for name, model_tau in TAUS.items()
        for label, tau in TAUS_BY_LABEL.items()
        if tau == model_tau
    }


def experiments() -> list[Experiment]:
    """Return all experiments, in the order in which their curves are stored."""
    fixed = [label for label, tau in TAUS_BY_LABEL.items() if tau is not None]
    not_bundled = [label for label in TAUS_BY_LABEL if label not in bundled_models()]
    listed = []
    for variant in ("amended", "turned back"):
        listed += [Experiment(variant, label) for label in MAIN_LABELS]
    listed.append(Experiment("turned together", "1/100"))
    listed += [Experiment("ordinary", label) for label in not_bundled]
    listed += [Experiment("trained", label, FINE_TUNING_EPOCHS) for label in fixed]
    listed += [Experiment(variant, "1/100") for variant in (*TWINS, "shared", "deep text")]
    for variant in CUTS:
        listed += [Experiment(variant, label) for label in MAIN_LABELS]
    listed += [Experiment("ordinary", label, LONG_EPOCHS) for label in LONG_LABELS]
    listed += [Experiment(variant, "1/100", LONG_EPOCHS) for variant in LONG_VARIANTS]
    listed += [Experiment(variant, "1/100") for variant in SLOW_TWINS]
    listed += [Experiment("sigmoid", label) for label in SIGMOID_LABELS]
    listed += [Experiment(variant, "learned") for variant in BATCH_SIZES]
    return listed + supplementary_experiments()


def supplementary_experiments() -> list[Experiment]:
    """Return the experiments of supplementary figures 15 and 16: one seed each."""
    listed = [Experiment(NOT_NORMALIZED, label, seeds=(0,)) for label in NOT_NORMALIZED_LABELS]
    listed += [Experiment(variant, "1/100", seeds=(0,)) for variant in DIMENSIONS]
    return listed


def read_curves(own: pd.DataFrame | None = None) -> pd.DataFrame:
    """Read the curves of all runs, and add those of the bundled models.

    Parameters
    ----------
    own : pandas.DataFrame, optional
        What ``run_all`` returned. By default the stored curves.

    Returns
    -------
    pandas.DataFrame
        Columns variant (of ``VARIANTS``), tau_label, epochs, seed, epoch, loss, tau (a number),
        gap, and recalls in both directions, such as image_to_text_r1; one row an epoch. All but
        the loss is measured on held-out pairs.
    """
    curves = _read_stored() if own is None else own
    labels = {name: label for label, name in bundled_models().items()}
    bundled = read_history()
    bundled["tau_label"] = bundled.pop("model").map(labels)
    bundled = bundled.assign(variant="ordinary", epochs=EPOCHS)
    return pd.concat([bundled, curves], ignore_index=True)[list(curves)]


def _read_stored() -> pd.DataFrame:
    return _read_csv(data_path("training_curves.csv"))


def _read_csv(path: Path) -> pd.DataFrame:
    # Else the label "1" were a number.
    return pd.read_csv(path, dtype={"tau_label": str})


def gap_at_loss(curve: pd.DataFrame, losses: Sequence[float]) -> pd.Series:
    """Return the gap of one run where its training loss first falls to given values.

    Parameters
    ----------
    curve : pandas.DataFrame
        One run, with the columns epoch, loss (nats) and gap of ``read_curves``.
    losses : sequence of float
        Values of the training loss in nats.

    Returns
    -------
    pandas.Series
        The gap at each loss, interpolated linearly in the loss between the first epoch at or below
        it and the epoch before; NaN for a loss that the run never reaches, and for one that its
        first epoch is below already.

    Notes
    -----
    An epoch's loss is the mean over its batches, its gap that of held-out pairs after it. The loss
    of single epochs may rise again; only the first crossing counts.

    Examples
    --------
    >>> table = {"epoch": [0, 1, 2, 3], "loss": [None, 3.0, 1.0, 2.0], "gap": [1.2, 1.0, 0.6, 0.5]}
    >>> gap_at_loss(pd.DataFrame(table), [4, 2, 0.5]).tolist()
    [nan, 0.8, nan]
    """
    measured = curve.dropna(subset=["loss"]).sort_values("epoch")
    loss = measured["loss"].to_numpy(float)
    gap = measured["gap"].to_numpy(float)
    gaps = []
    for wanted in losses:
        below = np.flatnonzero(loss <= wanted)
        if len(below) == 0 or below[0] == 0:
            gaps.append(np.nan)
            continue
        crossing = slice(below[0] - 1, below[0] + 1)
        gaps.append(float(np.interp(-wanted, -loss[crossing], gap[crossing])))
    return pd.Series(gaps, pd.Index(losses, name="loss"), name="gap")


def run_experiment(
    experiment: Experiment,
    seed: int,
    folder: Path | None = None,
    progress: bool = False,
    glyphs: Glyphs | None = None,
    after_epoch: Callable[[int], None] | None = None,
) -> pd.DataFrame:
    """Train one run of an experiment.

    Parameters
    ----------
    experiment : Experiment
        The recipe.
    seed : int
        What draws weights, batches and views.
    folder : pathlib.Path, optional
        Where the curve is kept. A run that was interrupted goes on there from its last epoch, and
        one that is finished is read.
    progress : bool
        Whether to show a progress bar.
    glyphs : Glyphs, optional
        Characters of all parts of the split. By default all that there are.
    after_epoch : callable, optional
        Called with the number of each epoch.

    Returns
    -------
    pandas.DataFrame
        The curve of the run, with the columns of ``read_curves``; one row an epoch.
    """
    done = None
    if folder is not None:
        done = folder / f"{experiment.name(seed)}.csv"
        if done.exists():
            return _read_csv(done)
    model, rotation = build_variant(experiment, seed, glyphs)
    history = train(
        model,
        select_glyphs(experiment, "train", glyphs),
        TAUS_BY_LABEL[experiment.tau_label],
        epochs=experiment.epochs,
        seed=seed,
        learning_rate=RATES.get(experiment.variant, LEARNING_RATE),
        rotation=rotation,
        unit_length=experiment.variant != NOT_NORMALIZED,
        loss="sigmoid" if is_sigmoid(experiment.variant) else "softmax",
        batch_size=BATCH_SIZES.get(experiment.variant, BATCH_SIZE),
        held_out=select_glyphs(experiment, "test", glyphs),
        checkpoint=done and done.with_suffix(".checkpoint"),
        progress=progress,
        after_epoch=after_epoch,
    )
    curve = history.assign(
        variant=experiment.variant,
        tau_label=experiment.tau_label,
        epochs=experiment.epochs,
        seed=seed,
    )[[*KEYS, *history]]
    if done:
        write_whole(done, to_csv(curve))
    return curve


def build_variant(
    experiment: Experiment, seed: int, glyphs: Glyphs | None = None
) -> tuple[TwoEncoders, np.ndarray | None]:
    """Build what an experiment trains.

    Parameters
    ----------
    experiment, seed, glyphs
        As in ``run_experiment``.

    Returns
    -------
    model : TwoEncoders
        The model before its first step.
    rotation : numpy.ndarray of shape (d, d) or None
        What turns its second side, found on the pairs for training.
    """
    variant = experiment.variant
    if variant == "trained":
        return encoders.load_glyphclip("glyphclip"), None
    if variant in (*TWINS, *SLOW_TWINS):
        return encoders.GlyphTwins(seed, same=variant.startswith("same seed")), None
    if variant == "deep text":
        return encoders.build_glyphclip(seed, text_layers=DEEP_TEXT_LAYERS), None
    if variant in DIMENSIONS:
        return encoders.build_glyphclip(seed, dim=DIMENSIONS[variant]), None
    if is_sigmoid(variant):
        return encoders.build_glyphclip(seed, first_bias=FIRST_BIAS), None
    model = encoders.build_glyphclip(seed, shared=variant == "shared")
    if variant not in ROTATED:
        return model, None
    x, y = embed_pairs(model, select_glyphs(experiment, "train", glyphs))
    rotation = procrustes(x, y)
    if variant == "turned back":
        rotation = rotation @ turn_to_gap(x, y @ rotation, modality_gap(x, y))
    elif variant == "turned together":
        rotation = turn_to_gap(x, y, modality_gap(x, y @ rotation))
    return model, rotation


def select_glyphs(experiment: Experiment, part: str, glyphs: Glyphs | None = None) -> Glyphs:
    """Select the characters of one part, with captions and images cut as the experiment has it.

    Parameters
    ----------
    experiment : Experiment
        The recipe.
    part : {"train", "validation", "test"}
        Part of the split.
    glyphs : Glyphs, optional
        Characters of all parts. By default all that there are.

    Returns
    -------
    Glyphs
        The characters.
    """
    everything = load_glyphs() if glyphs is None else glyphs
    selected = everything.part(part)
    if experiment.variant in CUTS:
        return CUTS[experiment.variant](selected)
    return selected


def run_all(folder: Path, pattern: str = "") -> pd.DataFrame:
    """Run what is missing in a folder.

    Parameters
    ----------
    folder : pathlib.Path
        Where curves are kept.
    pattern : str
        A regular expression: runs are left out whose names it does not match.

    Returns
    -------
    pandas.DataFrame
        All curves that are in the folder now.
    """
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(experiment, seed, folder) for experiment, seed in _matching_runs(pattern)]
    run_side_by_side(_run_one, jobs)
    paths = [folder / f"{experiment.name(seed)}.csv" for experiment, seed in _matching_runs("")]
    return pd.concat([_read_csv(path) for path in paths if path.exists()])


def _run_one(experiment: Experiment, seed: int, folder: Path) -> str:
    run_experiment(experiment, seed, folder)
    return experiment.name(seed)


def _matching_runs(pattern: str) -> list[tuple[Experiment, int]]:
    """Return experiment and seed of all runs whose names match."""
    return [
        (experiment, seed)
        for experiment in experiments()
        for seed in experiment.seeds
        if re.search(pattern, experiment.name(seed))
    ]


def merge_curves(stored: pd.DataFrame, fresh: pd.DataFrame) -> pd.DataFrame:
    """Put fresh curves in place of stored ones of the same runs, and keep the others.

    Parameters
    ----------
    stored, fresh : pandas.DataFrame
        Curves, with the columns of ``read_curves``.

    Returns
    -------
    pandas.DataFrame
        The curves in the order of the experiments.
    """
    curves: dict[object, pd.DataFrame] = {}
    for table in (stored, fresh):
        curves |= dict(iter(table.groupby(KEYS)))
    runs = [(e.variant, e.tau_label, e.epochs, seed) for e in experiments() for seed in e.seeds]
    return pd.concat([curves[run] for run in runs if run in curves], ignore_index=True)


def main(pattern: str = "") -> None:
    """Bring the stored curves up to date.

    Parameters
    ----------
    pattern : str
        A regular expression: runs are left out whose names it does not match.
    """
    if not _matching_runs(pattern):
        experiment, seed = _matching_runs("")[0]
        example = experiment.name(seed)
        sys.exit(f"Expected a pattern that some run matches, such as {example}; got {pattern!r}")
    fresh = run_all(Path("_build/training_curves"), pattern)
    curves = merge_curves(_read_stored(), fresh)
    write_whole(data_path("training_curves.csv"), to_csv(curves))
