"""The training runs of chapters 4 and 6: their recipes, their stored curves, and how they start."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import few_glyphs

from gapbook.encoders import build_glyphclip
from gapbook.geometry import modality_gap
from gapbook.glyphs import Glyphs, all_faces
from gapbook.precomputed.glyphclip import SEEDS
from gapbook.precomputed.training_curves import (
    DIMENSIONS,
    KEYS,
    LONG_EPOCHS,
    NOT_NORMALIZED,
    ROTATED,
    TAUS_BY_LABEL,
    VARIANTS,
    Experiment,
    build_variant,
    bundled_models,
    experiments,
    gap_at_loss,
    is_sigmoid,
    merge_curves,
    read_curves,
    run_experiment,
    select_glyphs,
    supplementary_experiments,
)
from gapbook.training import EPOCHS, embed_pairs


@pytest.fixture
def small_split() -> Glyphs:
    """Characters that are called 120 for training and 80 for the test."""
    glyphs = few_glyphs()
    return replace(glyphs, split=np.repeat(["train", "test"], [120, 80]))


# ---- the stored curves


def test_every_stored_run_is_whole() -> None:
    for run, epochs in read_curves().groupby(KEYS)["epoch"].agg(list).items():
        assert epochs == list(range(run[2] + 1)), run


def test_all_runs_are_stored_but_for_long_ones_which_take_hours() -> None:
    stored = set(read_curves().groupby(KEYS).groups)
    listed = {(e.variant, e.tau_label, e.epochs, seed) for e in experiments() for seed in e.seeds}
    missing = {run for run in listed - stored if run[2] != LONG_EPOCHS}
    # Supplementary figures 15 and 16 come together, or are still to be run.
    supplement = {(e.variant, e.tau_label, e.epochs, 0) for e in supplementary_experiments()}
    assert missing in (set(), supplement)
    bundled = {("ordinary", label, EPOCHS, seed) for label in bundled_models() for seed in SEEDS}
    assert stored - listed == bundled


def test_every_variant_that_is_trained_long_is_trained_short_too() -> None:
    short = set(read_curves().query("epochs == @EPOCHS").groupby(["variant", "tau_label"]).groups)
    long = {(e.variant, e.tau_label) for e in experiments() if e.epochs == LONG_EPOCHS}
    assert long <= short


def test_the_bundled_models_are_among_the_curves() -> None:
    ordinary = read_curves().query("variant == 'ordinary' and epochs == 30")
    assert set(ordinary["tau_label"]) == set(TAUS_BY_LABEL)
    assert bundled_models()["1/100"] == "glyphclip"


def test_variants_are_described() -> None:
    assert set(read_curves()["variant"]) <= set(VARIANTS)


def test_a_fixed_temperature_stays_and_a_learned_one_moves() -> None:
    curves = read_curves()
    fixed = curves[curves["tau_label"] != "learned"]
    taus = fixed["tau_label"].map(TAUS_BY_LABEL).to_numpy(float)
    assert fixed["tau"].to_numpy() == pytest.approx(taus, rel=1e-4)
    learned = curves[curves["tau_label"] == "learned"].groupby(KEYS)["tau"].nunique()
    assert (learned > 10).all()


def test_all_but_the_loss_of_an_untrained_model_is_measured() -> None:
    curves = read_curves()
    assert curves.drop(columns=["loss", "bias"]).notna().all().all()
    assert (curves["bias"].notna() == curves["variant"].map(is_sigmoid)).all()
    assert curves["gap"].between(0, 2).all()
    assert (curves["loss"].isna() == (curves["epoch"] == 0)).all()


@pytest.mark.slow
def test_stored_curves_start_where_their_recipe_starts() -> None:
    first = read_curves().query("epoch == 0 and seed == 0")
    for variant, curves in first.groupby("variant"):
        experiment = Experiment(str(variant), curves["tau_label"].iloc[0])
        model, rotation = build_variant(experiment, 0)
        gap = modality_gap(*embed_pairs(model, select_glyphs(experiment, "test"), rotation))
        assert curves["gap"].to_numpy() == pytest.approx(gap, abs=2e-3), variant


def test_fresh_curves_replace_their_own_and_no_others() -> None:
    stored = read_curves().query("epochs == 30 and variant in ['amended', 'shared']")
    fresh = stored.query("variant == 'shared' and seed == 1").assign(gap=7.0)
    merged = merge_curves(stored, fresh)
    new = (merged["variant"] == "shared") & (merged["seed"] == 1)
    assert len(merged) == len(stored)
    assert new.sum() == len(fresh)
    assert (merged.loc[new, "gap"] == 7).all()
    both = merged[~new].merge(stored, on=[*KEYS, "epoch"], suffixes=("", "_stored"), validate="1:1")
    assert len(both) == len(stored) - len(fresh)
    assert (both["gap"] == both["gap_stored"]).all()


def test_merged_curves_are_in_the_order_of_the_experiments() -> None:
    stored = read_curves().query("epochs == 30 and variant in ['amended', 'shared']")
    merged = merge_curves(stored, stored.iloc[:0])
    backwards = merge_curves(stored.iloc[::-1], stored.iloc[:0])
    assert backwards[KEYS].equals(merged[KEYS])


# ---- the gap at a loss


def test_the_gap_at_a_loss_lies_between_the_epochs_around_it() -> None:
    curve = pd.DataFrame(
        {"epoch": range(4), "loss": [np.nan, 4, 2, 1], "gap": [1.5, 1.2, 0.8, 0.7]}
    )
    assert gap_at_loss(curve, [4, 3, 2, 1.5, 1]).tolist() == pytest.approx(
        [np.nan, 1.0, 0.8, 0.75, 0.7], nan_ok=True
    )
    # The rows may come in any order.
    assert gap_at_loss(curve[::-1], [3]).tolist() == pytest.approx([1.0])


def test_the_gap_at_a_loss_counts_the_first_crossing() -> None:
    loss = [np.nan, 4, 2, 3, 1]
    curve = pd.DataFrame({"epoch": range(5), "loss": loss, "gap": [1.5, 1.2, 0.8, 0.1, 0.2]})
    assert gap_at_loss(curve, [2.5]).item() == pytest.approx(0.9)
    assert gap_at_loss(curve, [1.5]).item() == pytest.approx(0.175)


def test_a_loss_that_a_run_never_reaches_has_no_gap() -> None:
    curve = read_curves().query("variant == 'shared' and seed == 0 and epochs == 30")
    assert gap_at_loss(curve, [1e-6, 50]).isna().all()


# ---- how runs start


def test_starts_have_the_gap_that_they_promise(small_split: Glyphs) -> None:
    glyphs = small_split.part("train")
    model = build_glyphclip(0)
    gaps = {}
    rotations = {}
    for kind in ROTATED:
        rotation = build_variant(Experiment(kind, "1/100"), 0, small_split)[1]
        assert rotation is not None
        assert rotation @ rotation.T == pytest.approx(np.eye(64), abs=1e-6)
        gaps[kind] = modality_gap(*embed_pairs(model, glyphs, rotation))
        rotations[kind] = rotation
    ordinary = modality_gap(*embed_pairs(model, glyphs))
    assert gaps["amended"] < ordinary / 3
    assert gaps["turned back"] == pytest.approx(ordinary, abs=1e-5)
    assert gaps["turned together"] == pytest.approx(gaps["amended"], abs=1e-5)
    # All other directions stay.
    moved = rotations["turned together"] - np.eye(64)
    assert np.linalg.matrix_rank(moved, tol=1e-6) == 2


def test_the_deep_text_tower_alone_has_more_layers() -> None:
    deep = build_variant(Experiment("deep text", "1/100"), 0)[0]
    usual = build_variant(Experiment("ordinary", "1/100"), 0)[0]
    layers = {
        tower: [len(getattr(model, tower).encoder.layers) for model in (deep, usual)]
        for tower in ("text_model", "vision_model")
    }
    assert layers == {"text_model": [3, 1], "vision_model": [3, 3]}


def test_models_of_other_dimensions_have_them(small_split: Glyphs) -> None:
    for variant, dim in DIMENSIONS.items():
        model, rotation = build_variant(Experiment(variant, "1/100"), 0, small_split)
        x, y = embed_pairs(model, small_split.part("test"))
        assert x.shape == y.shape == (80, dim)
        assert rotation is None


def test_without_normalization_the_loss_is_that_of_raw_embeddings(small_split: Glyphs) -> None:
    experiment = Experiment(NOT_NORMALIZED, "1", 1, (0,))
    raw = run_experiment(experiment, 0, glyphs=small_split)
    unit = run_experiment(Experiment("ordinary", "1", 1, (0,)), 0, glyphs=small_split)
    # Both start from the same model, which is measured at unit length.
    assert raw["gap"][0] == unit["gap"][0]
    assert raw["loss"][1] != pytest.approx(unit["loss"][1], abs=1e-3)


def selected(variant: str) -> Glyphs:
    return select_glyphs(Experiment(variant, "learned"), "test")


def test_cut_captions_say_less() -> None:
    whole = selected("ordinary")
    first = selected("first word")
    two = selected("two words")
    words = [name.split() for name in whole.names]
    assert first.names == [w[0] for w in words]
    assert two.names == [" ".join(w[:2]) for w in words]
    assert len(set(first.names)) < len(set(two.names)) < len(set(whole.names))
    assert np.array_equal(first.images, whole.images)


def test_where_both_are_cut_images_show_no_more_than_captions() -> None:
    whole = selected("ordinary")
    both = selected("both cut")
    assert both.names == selected("first word").names
    first_of_its_name = [both.names.index(name) for name in both.names]
    assert np.array_equal(both.images, whole.images[first_of_its_name])
    faces = all_faces(both)
    assert (faces == faces[0]).all()


# ---- runs


def test_an_interrupted_experiment_goes_on_where_it_was(
    small_split: Glyphs, tmp_path: Path
) -> None:
    def interrupt(epoch: int) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    experiment = Experiment("ordinary", "1/10", 2, (0,))
    whole = run_experiment(experiment, 0, glyphs=small_split)
    with pytest.raises(KeyboardInterrupt):
        run_experiment(experiment, 0, tmp_path, glyphs=small_split, after_epoch=interrupt)
    assert not (tmp_path / f"{experiment.name(0)}.csv").exists()
    resumed = run_experiment(experiment, 0, tmp_path, glyphs=small_split)
    assert list(resumed) == list(read_curves().drop(columns="bias"))
    assert resumed["gap"].to_numpy() == pytest.approx(whole["gap"].to_numpy(), abs=1e-6)


def test_a_finished_experiment_is_read_and_not_trained_again(
    small_split: Glyphs, tmp_path: Path
) -> None:
    experiment = Experiment("ordinary", "1", 1, (0,))
    trained = run_experiment(experiment, 0, tmp_path, glyphs=small_split)

    def refuse(epoch: int) -> None:
        raise AssertionError(f"epoch {epoch} is trained again")

    again = run_experiment(experiment, 0, tmp_path, glyphs=small_split, after_epoch=refuse)
    assert again["gap"].to_numpy() == pytest.approx(trained["gap"].to_numpy(), rel=1e-4)
    assert again["tau_label"].tolist() == ["1", "1"]  # a label, not a number
