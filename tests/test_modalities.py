"""Training and evaluation of several modalities."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import few_glyphs

from gapbook.encoders import build_glyphclip
from gapbook.encoders.modalities import MODALITIES, ModalityEncoders
from gapbook.geometry import modality_gap, retrieval
from gapbook.glyphs import Glyphs, load_glyphs
from gapbook.modalities import (
    INPUTS,
    MAX_OUTLINE_SHIFT,
    MAX_SOUND_NOISE,
    PAIRS,
    VIEWS,
    ModalitiesRun,
    embed_modalities,
    evaluate_modalities,
    train_modalities,
)
from gapbook.outlines import load_outlines
from gapbook.sounds import load_sounds
from gapbook.training import make_recipe, train

RECALLS = [
    "first_to_second_r1",
    "second_to_first_r1",
    "first_to_second_r10",
    "second_to_first_r10",
]


@pytest.fixture(scope="module")
def few() -> Glyphs:
    return few_glyphs(128)


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_every_modality_has_the_characters_of_the_split(part: str) -> None:
    glyphs = load_glyphs().part(part)
    for name in MODALITIES:
        assert len(INPUTS[name](glyphs)) == len(glyphs)


@pytest.mark.parametrize("name", MODALITIES)
def test_views_depend_on_the_generator_alone(few: Glyphs, name: str) -> None:
    rows = torch.tensor([5, 3, 3])
    view = VIEWS[name](few)
    first, same, other = (view(rows, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert torch.equal(first, other) == (name == "name")
    assert first.shape[1:] == INPUTS[name](few).shape[1:]
    assert first.dtype == INPUTS[name](few).dtype


def test_outlines_are_shifted_as_a_whole_in_one_of_their_faces(few: Glyphs) -> None:
    outlines = torch.as_tensor(load_outlines(few))
    rows = torch.arange(60)
    seen = VIEWS["outline"](few)(rows, np.random.default_rng(0))
    shifts = seen[None, :, :, :2] - outlines[:, rows, :, :2]
    spread = shifts.amax(dim=(2, 3)) - shifts.amin(dim=(2, 3))
    face = (shifts - shifts[:, :, :1]).abs().amax(dim=(2, 3)).argmin(dim=0)
    chosen = shifts[face, rows]
    assert (chosen - chosen[:, :1]).abs().max() < 1e-5
    assert chosen.abs().max() <= MAX_OUTLINE_SHIFT + 1e-5
    assert chosen.abs().max() > MAX_OUTLINE_SHIFT / 2
    assert len(face.unique()) == len(outlines)
    assert spread.shape == (4, 60)
    assert torch.equal(outlines, torch.as_tensor(load_outlines(few)))


def test_sounds_get_noise_while_they_last(few: Glyphs) -> None:
    sounds = torch.as_tensor(load_sounds(few)).int()
    rows = torch.arange(60)
    seen = VIEWS["sound"](few)(rows, np.random.default_rng(0)).int()
    noise = (seen[None] - sounds[:, rows]).abs().amax(dim=(2, 3)).amin(dim=0)
    assert noise.min() > 0
    assert noise.max() <= MAX_SOUND_NOISE
    is_over = (seen == 0).all(dim=2)
    assert ((sounds[:, rows] == 0).all(dim=3) == is_over).all(dim=2).any(dim=0).all()


def test_a_model_of_images_and_names_is_trained_as_glyphclip_is(few: Glyphs) -> None:
    settings = {"epochs": 2, "seed": 3, "held_out": few, "progress": False}
    expected = train(build_glyphclip(0), few, 0.05, **settings)
    history = train_modalities(ModalityEncoders(["image", "name"], 0), few, 0.05, **settings)
    columns = {"image_to_text_r1": "first_to_second_r1", "text_to_image_r10": "second_to_first_r10"}
    for theirs, ours in {"loss": "loss", "tau": "tau", "gap": "gap", **columns}.items():
        np.testing.assert_allclose(history[ours], expected[theirs], rtol=1e-5)


@pytest.mark.parametrize("pair", PAIRS)
def test_training_lowers_the_loss_of_every_pair(few: Glyphs, pair: tuple[str, str]) -> None:
    history = train_modalities(ModalityEncoders(pair, 0), few, 0.05, epochs=8, progress=False)
    assert history["loss"].iloc[-1] < history["loss"].iloc[1] - 0.2


def test_three_modalities_are_trained_at_once_and_all_pairs_are_measured(few: Glyphs) -> None:
    model = ModalityEncoders(["image", "outline", "name"], 0)
    bound = [("image", "outline"), ("image", "name")]
    history = train_modalities(
        model, few, None, pairs=bound, epochs=1, held_out=few, progress=False
    )
    assert history["epoch"].tolist() == [0, 0, 0, 1, 1, 1]
    last = history[history["epoch"] == 1]
    assert last["second"].tolist() == ["outline", "name", "name"]
    assert (last["loss"] == last["loss"].iloc[0]).all()
    assert last["tau"].iloc[0] != history["tau"].iloc[0]
    measured = evaluate_modalities(model, few).reset_index(drop=True)
    np.testing.assert_allclose(last[["gap", *RECALLS]], measured[["gap", *RECALLS]], rtol=1e-5)


def test_the_loss_is_the_sum_over_pairs(few: Glyphs) -> None:
    model = ModalityEncoders(["image", "sound", "name"], 0)
    inputs = {name: INPUTS[name](few) for name in model.modalities}

    def loss(*pairs: tuple[str, str]) -> float:
        recipe = make_recipe(0.1, 1, 0, 64) | {"pairs": pairs}
        return ModalitiesRun(model, recipe, 1).loss(inputs).item()

    alone = [loss(("image", "name")), loss(("sound", "name"))]
    assert loss(("image", "name"), ("sound", "name")) == pytest.approx(sum(alone), rel=1e-5)
    # The order of a pair does not matter, since the loss is symmetric.
    assert loss(("name", "image")) == pytest.approx(alone[0], rel=1e-5)


def test_the_loss_of_each_trained_pair_is_kept_for_each_epoch(few: Glyphs) -> None:
    model = ModalityEncoders(["image", "outline", "name"], 0)
    # The order within a pair is that of the model in the table.
    bound = [("name", "image"), ("image", "outline")]
    history = train_modalities(model, few, 0.1, pairs=bound, epochs=2, held_out=few, progress=False)
    by_pair = history.set_index("epoch").groupby(["first", "second"])["pair_loss"]
    losses = pd.DataFrame(dict(list(by_pair)))
    assert losses.loc[0].isna().all()
    assert losses["outline", "name"].isna().all()
    sums = history.groupby("epoch")["loss"].first()
    trained = losses.drop(columns=[("outline", "name")])
    np.testing.assert_allclose(trained.sum(axis=1)[1:], sums[1:], rtol=1e-5)
    assert (trained.iloc[2] < trained.iloc[1]).all()


def test_evaluation_is_that_of_the_embeddings(few: Glyphs) -> None:
    model = ModalityEncoders(["outline", "sound"], 0)
    embeddings = embed_modalities(model, few)
    (row,) = evaluate_modalities(model, few).to_dict("records")
    x = embeddings["outline"]
    y = embeddings["sound"]
    assert row["gap"] == pytest.approx(modality_gap(x, y))
    recall = retrieval(x, y).set_index(["direction", "k"])["recall"]
    assert row["first_to_second_r10"] == recall["image_to_text", 10]
    assert row["second_to_first_r1"] == recall["text_to_image", 1]


def test_a_resumed_run_equals_an_uninterrupted_one(few: Glyphs, tmp_path: Path) -> None:
    def interrupt(epoch: int) -> None:
        if epoch == 1:
            raise KeyboardInterrupt

    settings = {"epochs": 2, "held_out": few, "progress": False}
    expected = train_modalities(ModalityEncoders(["outline", "sound"], 0), few, **settings)
    path = tmp_path / "run.checkpoint"
    with pytest.raises(KeyboardInterrupt):
        train_modalities(
            ModalityEncoders(["outline", "sound"], 0),
            few,
            checkpoint=path,
            after_epoch=interrupt,
            **settings,
        )
    resumed = ModalityEncoders(["outline", "sound"], 5)
    history = train_modalities(resumed, few, checkpoint=path, **settings)
    pd.testing.assert_frame_equal(history, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        ([["image", "sound"]], "pairs of two modalities of the model, image, name; got .*sound"),
        ([["image", "image"]], "pairs of two modalities of the model"),
        ([], "each modality of the model in a pair; image, name is in none"),
    ],
)
def test_other_pairs_are_refused(few: Glyphs, pairs: list[list[str]], message: str) -> None:
    model = ModalityEncoders(["image", "name"], 0)
    with pytest.raises(ValueError, match=message):
        train_modalities(model, few, 0.1, pairs=pairs, progress=False)
