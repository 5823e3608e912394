"""The runs of all pairs of modalities, and what they leave behind."""

from pathlib import Path

import pandas as pd
import pytest
from helpers import glyphs_to_train
from safetensors.numpy import load_file

from gapbook.encoders.modalities import MODALITIES
from gapbook.geometry import modality_gap, retrieval
from gapbook.glyphs import Glyphs
from gapbook.modalities import PAIRS, Pair
from gapbook.pairs import load_pairs
from gapbook.precomputed.glyphclip import SEEDS
from gapbook.precomputed.modality_pairs import (
    KEPT_SEED,
    TAUS,
    Run,
    read_curves,
    runs,
    train_run,
    write_bundle,
)
from gapbook.training import EPOCHS


@pytest.fixture(scope="module")
def few() -> Glyphs:
    """Return 80 characters to learn from and 20 to test on."""
    return glyphs_to_train(80)


def test_every_pair_is_run_at_every_temperature_by_every_seed() -> None:
    everything = list(runs())
    assert len({run.name for run in everything}) == len(PAIRS) * len(TAUS) * len(SEEDS)
    first = everything[: len(PAIRS)]
    assert [run.pair for run in first] == list(PAIRS)
    assert {(run.tau_label, run.seed) for run in first} == {("1/100", 0)}


def test_a_run_leaves_its_curve_and_the_first_seed_its_embeddings(
    few: Glyphs, tmp_path: Path
) -> None:
    first = Run(("outline", "sound"), "1/100", 0)
    second = Run(("outline", "sound"), "learned", 1)
    assert train_run(first, tmp_path, "abc", 1, few).startswith("outline-sound-0, ")
    train_run(second, tmp_path, "abc", 1, few)
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == [
        "outline-sound-0.csv",
        "outline-sound-learned-1.csv",
        "outline-sound.safetensors",
    ]
    curve = pd.read_csv(tmp_path / "outline-sound-learned-1.csv")
    assert curve["epoch"].tolist() == [0, 1]
    assert curve[["first", "second", "tau_label", "seed", "commit"]].to_numpy()[0].tolist() == [
        "outline",
        "sound",
        "learned",
        1,
        "abc",
    ]
    embeddings = load_file(tmp_path / "outline-sound.safetensors")
    assert {name: rows.shape for name, rows in embeddings.items()} == {
        "x.0": (20, 64),
        "y.0": (20, 64),
    }


def test_a_finished_run_is_not_trained_again(few: Glyphs, tmp_path: Path) -> None:
    run = Run(("sound", "name"), "1/100", 2)
    (tmp_path / f"{run.name}.csv").write_text("done")
    assert train_run(run, tmp_path, glyphs=few) == run.name
    assert [path.read_text() for path in tmp_path.iterdir()] == ["done"]


def test_the_bundle_has_what_is_finished(few: Glyphs, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    train_run(Run(("image", "name"), "1/100", 0), parts, "abc", 1, few)
    bundle = tmp_path / "bundle"
    write_bundle(parts, bundle, few)
    written = sorted(path.name for path in bundle.iterdir())
    assert written == ["curves.csv", "image-name.safetensors", "untrained.safetensors"]
    untrained = load_file(bundle / "untrained.safetensors")
    assert set(untrained) == {f"{name}.0" for name in MODALITIES}
    curves = pd.read_csv(bundle / "curves.csv")
    assert len(curves) == 2
    assert list(curves)[:6] == ["first", "second", "tau_label", "seed", "epoch", "loss"]


def test_the_stored_curves_are_whole_and_of_all_pairs() -> None:
    curves = read_curves()
    by_run = curves.groupby(["first", "second", "tau_label", "seed"])
    stored = {Run((first, second), tau, seed) for first, second, tau, seed in by_run.groups}
    assert stored <= set(runs())
    assert stored >= {run for run in runs() if run.seed == KEPT_SEED}
    assert (by_run.size() == EPOCHS + 1).all()
    assert curves["commit"].notna().all()


@pytest.mark.parametrize(
    ("ending", "tau_label", "epoch"),
    [("", "1/100", EPOCHS), ("-learned", "learned", EPOCHS), ("-init", "1/100", 0)],
)
@pytest.mark.parametrize("pair", PAIRS)
def test_stored_embeddings_are_those_of_the_curves(
    pair: Pair, ending: str, tau_label: str, epoch: int
) -> None:
    pairs = load_pairs("-".join(pair) + ending)
    assert pairs.modalities == pair
    columns = ["first", "second", "tau_label", "seed", "epoch"]
    row = read_curves().set_index(columns).loc[(*pair, tau_label, 0, epoch)]
    assert modality_gap(pairs.x, pairs.y) == pytest.approx(row["gap"], abs=2e-3)
    recall = retrieval(pairs.x, pairs.y).set_index(["direction", "k"])["recall"]
    assert recall["image_to_text", 10] == pytest.approx(row["first_to_second_r10"], abs=0.01)
