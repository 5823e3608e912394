"""GlyphCLIPs that are trained with SigLIP's loss, and how far one threshold parts their cosines.

It writes ``glyphclip/sigmoid.safetensors``, held-out embeddings of one model, and
``glyphclip/sigmoid_margins.csv``, measures of all of them. Runs that ``training_curves`` has
finished in ``_build/training_curves`` are taken up there.
"""

from pathlib import Path

import pandas as pd
import torch
from safetensors.numpy import load
from safetensors.torch import save

from gapbook.files import data_path, write_whole
from gapbook.geometry import modality_gap
from gapbook.landscape.sigmoid import threshold_margins
from gapbook.pairs import PairedEmbeddings
from gapbook.precomputed.glyphclip import SEEDS
from gapbook.precomputed.jobs import run_side_by_side
from gapbook.precomputed.tables import to_csv
from gapbook.precomputed.training_curves import (
    SIGMOID_LABELS,
    TAUS_BY_LABEL,
    Experiment,
    build_variant,
    select_glyphs,
)
from gapbook.training import embed_pairs, logit_bias, train

# The model whose embeddings are kept: those of all would take two megabytes.
KEPT = Experiment("sigmoid", "learned")
KEPT_SEED = 0

EMBEDDINGS = "glyphclip/sigmoid.safetensors"
MARGINS = "glyphclip/sigmoid_margins.csv"


def read_embeddings() -> PairedEmbeddings:
    """Read the held-out pairs of the sigmoid model with a learned temperature, seed 0.

    Returns
    -------
    PairedEmbeddings
        Images and texts, in the order of code points.
    """
    tensors = load(data_path(EMBEDDINGS).read_bytes())
    return PairedEmbeddings.from_arrays(tensors["x.0"], tensors["y.0"])


def read_margins() -> pd.DataFrame:
    """Read how far one threshold parts partners from others, in all sigmoid models.

    Returns
    -------
    pandas.DataFrame
        Columns tau_label, seed, part ("train" or "test"), gap, and the measures of
        ``threshold_margins`` at the model's own threshold; two rows a model.
    """
    return pd.read_csv(data_path(MARGINS))


def _measure_one(experiment: Experiment, seed: int, folder: Path) -> str:
    """Leave the measures of one run in a folder, and of one its embeddings."""
    name = experiment.name(seed)
    done = folder / f"{name}.margins"
    if done.exists():
        return name
    model, _ = build_variant(experiment, seed)
    glyphs = {part: select_glyphs(experiment, part) for part in ("train", "test")}
    train(
        model,
        glyphs["train"],
        TAUS_BY_LABEL[experiment.tau_label],
        epochs=experiment.epochs,
        seed=seed,
        loss="sigmoid",
        checkpoint=folder / f"{name}.checkpoint",
        progress=False,
    )
    threshold = -logit_bias(model).item() / torch.exp(model.logit_scale).item()
    rows = []
    for part, selected in glyphs.items():
        x, y = embed_pairs(model, selected)
        place = {"tau_label": experiment.tau_label, "seed": seed, "part": part}
        rows.append(place | {"gap": modality_gap(x, y)} | dict(threshold_margins(x, y, threshold)))
    if (experiment, seed) == (KEPT, KEPT_SEED):
        # The last part is the held-out one.
        tensors = {"x.0": torch.as_tensor(x).half(), "y.0": torch.as_tensor(y).half()}
        write_whole(folder / "sigmoid.safetensors", save(tensors))
    write_whole(done, to_csv(pd.DataFrame(rows)))
    return name


def main() -> None:
    """Measure what is not there yet, then write both files."""
    folder = Path("_build/training_curves")
    folder.mkdir(parents=True, exist_ok=True)
    runs = [(Experiment("sigmoid", label), seed) for label in SIGMOID_LABELS for seed in SEEDS]
    run_side_by_side(_measure_one, [(*run, folder) for run in runs])
    tables = [pd.read_csv(folder / f"{e.name(seed)}.margins") for e, seed in runs]
    write_whole(data_path(MARGINS), to_csv(pd.concat(tables)))
    write_whole(data_path(EMBEDDINGS), (folder / "sigmoid.safetensors").read_bytes())
