"""What the gap of two image encoders is a gap of, encoders or typefaces: ``data/twin_faces.csv``.

``gapbook.training.evaluate`` shows upright typefaces to the first encoder of twins and oblique
ones to the second, so the gap that it measures is of encoders *and* of typefaces. Here each is
measured alone.
"""

from pathlib import Path

import pandas as pd

from gapbook.encoders.clip import embed_in_batches, pixels
from gapbook.files import data_path, write_whole
from gapbook.geometry import modality_gap
from gapbook.glyphs import FACES, Glyphs, all_faces
from gapbook.precomputed.glyphclip import SEEDS
from gapbook.precomputed.jobs import run_side_by_side
from gapbook.precomputed.tables import to_csv
from gapbook.precomputed.training_curves import (
    LONG_EPOCHS,
    TAUS_BY_LABEL,
    TWINS,
    Experiment,
    build_variant,
    select_glyphs,
)
from gapbook.training import TwoEncoders, train

# Encoder and typeface of either side, by what is compared.
COMPARISONS = {
    "two encoders, two faces": (("first", "upright"), ("second", "oblique")),
    "two encoders, upright": (("first", "upright"), ("second", "upright")),
    "two encoders, oblique": (("first", "oblique"), ("second", "oblique")),
    "first encoder, two faces": (("first", "upright"), ("first", "oblique")),
    "second encoder, two faces": (("second", "upright"), ("second", "oblique")),
}

# The temperature of all runs of twins.
TAU_LABEL = "1/100"


def read_twin_faces() -> pd.DataFrame:
    """Read the stored table.

    Returns
    -------
    pandas.DataFrame
        Columns variant (of ``TWINS``), epochs, seed, compared (of ``COMPARISONS``) and gap, on
        held-out characters at the end of training.
    """
    return pd.read_csv(data_path("twin_faces.csv"))


def gaps_by_faces(model: TwoEncoders, glyphs: Glyphs) -> dict[str, float]:
    """Measure the gap between two encoders, and between two typefaces.

    Parameters
    ----------
    model : TwoEncoders
        Two image encoders, such as ``GlyphTwins``.
    glyphs : Glyphs
        Characters.

    Returns
    -------
    dict of str to float
        The distance of the means, by what is compared. Both encoders see the same images in
        "two encoders, upright" and "two encoders, oblique"; one encoder sees the same characters
        in two typefaces in the last two.

    Notes
    -----
    The distance of two means has a bias: it is above 0 for one encoder, too.
    """
    upright, _, oblique, _ = FACES
    images = all_faces(glyphs, (upright, oblique))
    sides = {}
    for face, pictures in zip(("upright", "oblique"), images, strict=True):
        shown = pixels(pictures)
        sides["first", face] = embed_in_batches(model, model.encode_first, shown, "image")
        sides["second", face] = embed_in_batches(model, model.encode_second, shown, "image")
    return {
        name: modality_gap(sides[left], sides[right]) for name, (left, right) in COMPARISONS.items()
    }


def measure_run(experiment: Experiment, seed: int, folder: Path) -> pd.DataFrame:
    """Train a run of twins, or take up its checkpoint, and measure its gaps.

    Parameters
    ----------
    experiment : Experiment
        A variant of twins.
    seed : int
        The seed of the run.
    folder : pathlib.Path
        Where checkpoints are kept.

    Returns
    -------
    pandas.DataFrame
        The rows of the run, with the columns of ``read_twin_faces``.
    """
    model, _ = build_variant(experiment, seed)
    train(
        model,
        select_glyphs(experiment, "train"),
        TAUS_BY_LABEL[experiment.tau_label],
        epochs=experiment.epochs,
        seed=seed,
        held_out=select_glyphs(experiment, "test"),
        checkpoint=folder / f"{experiment.name(seed)}.checkpoint",
        progress=False,
    )
    gaps = gaps_by_faces(model, select_glyphs(experiment, "test"))
    table = pd.DataFrame({"compared": list(gaps), "gap": list(gaps.values())})
    table.insert(0, "variant", experiment.variant)
    table.insert(1, "epochs", experiment.epochs)
    table.insert(2, "seed", seed)
    return table


def _run_one(experiment: Experiment, seed: int, folder: Path) -> str:
    path = folder / f"{experiment.name(seed)}.faces.csv"
    if not path.exists():
        write_whole(path, to_csv(measure_run(experiment, seed, folder)))
    return experiment.name(seed)


def main() -> None:
    """Measure runs of 30 epochs, and of 300 those that ``training_curves`` has trained here."""
    folder = Path("_build/training_curves")
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(Experiment(variant, TAU_LABEL), seed, folder) for variant in TWINS for seed in SEEDS]
    for variant in TWINS:
        long = Experiment(variant, TAU_LABEL, LONG_EPOCHS)
        trained = [seed for seed in SEEDS if (folder / f"{long.name(seed)}.csv").exists()]
        jobs += [
            (long, seed, folder)
            for seed in trained
            if (folder / f"{long.name(seed)}.checkpoint").exists()
        ]
    run_side_by_side(_run_one, jobs)
    paths = [folder / f"{experiment.name(seed)}.faces.csv" for experiment, seed, _ in jobs]
    fresh = pd.concat([pd.read_csv(path) for path in paths], ignore_index=True)
    write_whole(data_path("twin_faces.csv"), to_csv(fresh))
