"""Training: what a step sees, runs that are interrupted, rotations, and what is refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import few_glyphs

from gapbook.checkpoints import read_checkpoint
from gapbook.encoders import GlyphTwins, build_glyphclip, embed_images, embed_texts
from gapbook.exceptions import PairsError
from gapbook.geometry import modality_gap
from gapbook.glyphs import Glyphs, caption_tokens, load_glyphs
from gapbook.precomputed.glyphclip import read_history
from gapbook.training import augment, embed_pairs, evaluate, train


@pytest.fixture(scope="module")
def few() -> Glyphs:
    return few_glyphs()


def test_augmentation_shifts_by_at_most_two_pixels() -> None:
    image = torch.zeros(400, 1, 32, 32)
    image[:, 0, 16, 16] = 1
    places = augment(image, np.random.default_rng(0)).nonzero()[:, 2:] - 16
    assert len(places) == 400
    assert places.abs().max() == 2
    assert len(torch.unique(places, dim=0)) == 25


def test_a_fixed_temperature_stays_and_a_learned_one_moves(few: Glyphs) -> None:
    fixed = train(build_glyphclip(0), few, 0.05, epochs=2, progress=False)["tau"]
    assert fixed.to_numpy() == pytest.approx(0.05, rel=1e-6)
    learned = train(build_glyphclip(0), few, None, epochs=2, progress=False)["tau"]
    assert learned.iloc[0] == pytest.approx(0.07)
    assert abs(learned.iloc[-1] - 0.07) > 1e-4
    assert learned.min() >= 0.01 - 1e-9


def test_batches_of_another_size_take_other_steps_and_have_checkpoints_of_their_own(
    few: Glyphs, tmp_path: Path
) -> None:
    path = tmp_path / "run.checkpoint"
    settings = {"epochs": 1, "progress": False, "checkpoint": path}
    train(build_glyphclip(0), few, 0.05, batch_size=100, **settings)
    assert read_checkpoint(path)[0]["step"] == len(few) // 100
    with pytest.raises(PairsError, match="Expected a checkpoint of"):
        train(build_glyphclip(0), few, 0.05, **settings)


@pytest.mark.parametrize("size", [1, 0, 500])
def test_batches_of_one_pair_or_of_more_than_there_are_are_refused(few: Glyphs, size: int) -> None:
    with pytest.raises(ValueError, match="batch"):
        train(build_glyphclip(0), few, 0.05, batch_size=size, epochs=1, progress=False)


def test_the_history_is_what_evaluation_says(few: Glyphs) -> None:
    model = build_glyphclip(0)
    history = train(model, few, 0.05, epochs=1, held_out=few, progress=False)
    assert history["epoch"].tolist() == [0, 1]
    assert history["loss"].isna().tolist() == [True, False]
    for name, value in evaluate(model, few).items():
        assert history[name].iloc[-1] == pytest.approx(value, abs=1e-6)


@pytest.mark.parametrize("tau", [0.05, None])
def test_a_run_resumed_after_ctrl_c_equals_an_uninterrupted_one(
    few: Glyphs, tmp_path: Path, tau: float | None
) -> None:
    def interrupt(epoch: int) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    settings = {"epochs": 3, "held_out": few, "progress": False}
    path = tmp_path / "run.checkpoint"
    whole = build_glyphclip(0)
    expected = train(whole, few, tau, **settings)
    with pytest.raises(KeyboardInterrupt):
        train(build_glyphclip(0), few, tau, checkpoint=path, after_epoch=interrupt, **settings)
    resumed = build_glyphclip(5)  # its weights are replaced by those of the checkpoint
    history = train(resumed, few, tau, checkpoint=path, **settings)
    pd.testing.assert_frame_equal(history, expected, rtol=1e-6)
    pairs = zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_a_rotation_is_applied_in_loss_and_history_and_stays_as_it_is(few: Glyphs) -> None:
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(64, 64)))[0]
    model = build_glyphclip(0)
    history = train(model, few, 0.05, epochs=1, rotation=rotation, held_out=few, progress=False)
    x = embed_images(model, few.images)
    y = embed_texts(model, caption_tokens(few.names))
    assert history["gap"].iloc[-1] == pytest.approx(modality_gap(x, y @ rotation), abs=1e-6)
    plain = train(build_glyphclip(0), few, 0.05, epochs=1, held_out=few, progress=False)
    assert abs(plain["loss"].iloc[-1] - history["loss"].iloc[-1]) > 1e-3


def test_both_of_the_twins_learn_and_part(few: Glyphs) -> None:
    twins = GlyphTwins(0, same=True)
    before = [p.clone() for p in twins.second.parameters()]
    train(twins, few, 0.05, epochs=1, held_out=few, progress=False)
    after = list(twins.second.parameters())
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    pairs = zip(twins.first.parameters(), after, strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs)


def test_twins_see_two_faces_of_a_character(few: Glyphs) -> None:
    x, y = embed_pairs(GlyphTwins(0, same=True), few)
    assert np.abs(x - y).max() > 0.01


def test_a_shared_tower_stays_shared_in_training(few: Glyphs) -> None:
    model = build_glyphclip(0, shared=True)
    train(model, few, 0.05, epochs=1, progress=False)
    assert model.text_projection is model.visual_projection
    assert model.text_model.encoder is model.vision_model.encoder


# ---- what is refused


def test_bad_settings_get_one_sentence(few: Glyphs) -> None:
    model = build_glyphclip(0)
    with pytest.raises(ValueError, match=r"tau as a positive number or None \(learned\); got 0.0"):
        train(model, few, 0.0)
    with pytest.raises(ValueError, match="at least a batch of 64 characters; got 10"):
        train(model, few_glyphs(10), 0.1)
    with pytest.raises(ValueError, match="orthogonal matrix"):
        train(model, few, 0.05, epochs=1, rotation=2 * np.eye(64), progress=False)


def test_the_checkpoint_of_another_run_is_refused(few: Glyphs, tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    settings = {"epochs": 1, "checkpoint": path, "progress": False}
    train(build_glyphclip(0), few, 0.05, **settings)
    sentence = r"Expected a checkpoint of .*'tau': 0.1.* is of .*'tau': 0.05"
    with pytest.raises(ValueError, match=sentence):
        train(build_glyphclip(0), few, 0.1, **settings)
    with pytest.raises(ValueError, match=r"Expected a checkpoint of .*'rotation'"):
        train(build_glyphclip(0), few, 0.05, rotation=np.eye(64)[::-1], **settings)


# ---- the whole training


@pytest.mark.slow
def test_retraining_agrees_within_the_spread_over_seeds() -> None:
    glyphs = load_glyphs()
    history = train(
        build_glyphclip(0),
        glyphs.part("train"),
        0.1,
        seed=0,
        held_out=glyphs.part("test"),
        progress=False,
    )
    stored = read_history().query("model == 'glyphclip-t10'").groupby("seed").last()
    directions = ("image_to_text", "text_to_image")
    for column in ["gap", *(f"{direction}_r{k}" for direction in directions for k in (1, 10))]:
        distance = abs(history[column].iloc[-1] - stored[column][0])
        assert distance <= 3 * stored[column].std(), column


def test_the_sigmoid_loss_learns_its_scale_and_its_bias() -> None:
    glyphs = few_glyphs()
    model = build_glyphclip(0, first_bias=-10.0)
    history = train(model, glyphs, loss="sigmoid", epochs=2, progress=False)
    assert history["loss"][2] < history["loss"][1]
    assert history["bias"][0] == -10
    assert history["tau"][0] == pytest.approx(0.1)
    assert history["bias"][2] != history["bias"][1]


def test_the_sigmoid_loss_needs_a_bias() -> None:
    with pytest.raises(ValueError, match="this one has no logit_bias"):
        train(build_glyphclip(0), few_glyphs(), loss="sigmoid", epochs=1, progress=False)
