"""The runs of all four modalities at once, and what they leave behind."""

from pathlib import Path

import numpy as np
import pytest
from helpers import glyphs_to_train
from safetensors.numpy import load_file

from gapbook.encoders.modalities import MODALITIES
from gapbook.files import data_path
from gapbook.geometry import modality_gap, retrieval
from gapbook.glyphs import Glyphs
from gapbook.modalities import PAIRS
from gapbook.precomputed.joint_modalities import (
    TRAINED_PAIRS,
    JointRun,
    read_joint_curves,
    read_joint_embeddings,
    runs,
    train_run,
    write_bundle,
)
from gapbook.precomputed.modality_runs import read_csv
from gapbook.training import EPOCHS


@pytest.fixture(scope="module")
def few() -> Glyphs:
    """Return 64 characters to learn from and 20 to test on."""
    return glyphs_to_train(64)


def test_the_bound_model_learns_from_pairs_with_images_alone() -> None:
    assert TRAINED_PAIRS["all pairs"] == list(PAIRS)
    assert TRAINED_PAIRS["through images"] == [
        ("image", "outline"),
        ("image", "sound"),
        ("image", "name"),
    ]


def test_a_run_leaves_curve_embeddings_and_centers_and_the_bundle_has_all_seeds(
    few: Glyphs, tmp_path: Path
) -> None:
    first = JointRun("through images", 0)
    second = JointRun("through images", 1)
    assert train_run(first, tmp_path, "abc", 1, few).startswith("four-through-images-0, ")
    train_run(second, tmp_path, "abc", 1, few)
    assert train_run(first, tmp_path, "abc", 1, few) == "four-through-images-0"
    write_bundle(tmp_path, tmp_path / "bundle")
    written = sorted(path.name for path in (tmp_path / "bundle").iterdir())
    assert written == ["four-curves.csv", "four-through-images.safetensors"]
    curves = read_csv(tmp_path / "bundle" / "four-curves.csv")
    assert curves.groupby(["model", "seed", "epoch"]).size().tolist() == [len(PAIRS)] * 4
    never = curves[(curves["first"] != "image") & (curves["epoch"] == 1)]
    assert never["pair_loss"].isna().all()
    assert never["gap"].notna().all()
    stored = load_file(tmp_path / "bundle" / "four-through-images.safetensors")
    for seed in (0, 1):
        for name in MODALITIES:
            assert stored[f"{name}.{seed}"].shape == (20, 64)
            assert stored[f"{name}.{seed}"].dtype == np.float16
            center = stored[f"center.{name}.{seed}"]
            assert 0 < np.linalg.norm(center) < 1
            # It is of other characters than the rows.
            mean = stored[f"{name}.{seed}"].astype(np.float32).mean(axis=0)
            assert np.abs(center - mean).max() > 1e-3
    assert not np.array_equal(stored["image.0"], stored["image.1"])


def test_nothing_is_bundled_before_a_run_is_finished(tmp_path: Path) -> None:
    write_bundle(tmp_path, tmp_path / "bundle")
    assert list(tmp_path.iterdir()) == []


def test_stored_embeddings_are_those_of_the_curves() -> None:
    curves = read_joint_curves()
    by_run = curves.groupby(["model", "seed"])
    stored = {JointRun(model, seed) for model, seed in by_run.groups}
    assert stored <= set(runs())
    assert stored >= {run for run in runs() if run.seed == 0}
    assert (by_run.size() == (EPOCHS + 1) * len(PAIRS)).all()
    assert curves["commit"].notna().all()
    ends = curves[curves["epoch"] == EPOCHS].set_index(["model", "seed", "first", "second"])
    for run in stored:
        rows = read_joint_embeddings(run.model, run.seed).rows
        for name in MODALITIES:
            np.testing.assert_allclose(np.linalg.norm(rows[name], axis=1), 1, atol=1e-6)
        for first, second in PAIRS:
            row = ends.loc[(run.model, run.seed, first, second)]
            x = rows[first]
            y = rows[second]
            assert modality_gap(x, y) == pytest.approx(row["gap"], abs=2e-3)
            recall = retrieval(x, y).set_index(["direction", "k"])["recall"]
            assert recall["image_to_text", 10] == pytest.approx(
                row["first_to_second_r10"], abs=0.01
            )


def test_centers_are_those_of_characters_that_held_out_ones_resemble() -> None:
    stored = read_joint_embeddings("all pairs")
    for name in MODALITIES:
        held_out = stored.rows[name].mean(axis=0)
        center = stored.centers[name]
        assert not np.array_equal(held_out, center)
        cosine = held_out @ center / np.linalg.norm(held_out) / np.linalg.norm(center)
        assert cosine > 0.9


def test_other_models_and_seeds_are_refused() -> None:
    with pytest.raises(ValueError, match="model of all pairs, through images; got 'half'"):
        read_joint_embeddings("half")
    with pytest.raises(ValueError, match=r"seed of 0.*; got 7"):
        read_joint_embeddings("all pairs", 7)


def test_the_bundle_is_small() -> None:
    sizes = [path.stat().st_size for path in data_path("modalities").glob("four-*")]
    assert sum(sizes) < 5e6
