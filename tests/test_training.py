"""The small CLIP: its pooling, its loss, training that can be resumed, and the models that come with the package."""

import numpy as np
import pandas as pd
import pytest
import torch

from gapbook import load_pairs, modality_gap, retrieval
from gapbook.encoders import (
    TEMPERATURES,
    build_glyphclip,
    embed_images,
    embed_texts,
    load_glyphclip,
)
from gapbook.glyphs import Glyphs, caption_tokens, load_glyphs, vocabulary
from gapbook.precomputed.glyphclip import SEEDS, read_frames, read_history
from gapbook.training import augment, contrastive_loss, train

RECALLS = [f"{direction}_r{k}" for direction in ("image_to_text", "text_to_image") for k in (1, 10)]


@pytest.fixture(scope="module")
def few() -> Glyphs:
    glyphs = load_glyphs().part("validation")
    return Glyphs(
        glyphs.images[:200], glyphs.names[:200], glyphs.codepoints[:200], glyphs.split[:200]
    )


def test_text_is_pooled_at_the_end_token_and_padding_does_not_matter() -> None:
    model, tokens = (
        build_glyphclip(0),
        torch.as_tensor(caption_tokens(["SNOWMAN", "GREEK SMALL LETTER ALPHA"])),
    )
    with torch.inference_mode():
        states = model.text_model(input_ids=tokens).last_hidden_state
        end = (tokens == vocabulary()["<end>"]).int().argmax(dim=1)
        by_hand = model.text_projection(states[torch.arange(2), end])
        changed = tokens.clone()
        changed[0, end[0] + 1 :] = vocabulary()["GREEK"]
        assert torch.allclose(
            model.get_text_features(input_ids=tokens).pooler_output, by_hand, atol=1e-6
        )
        assert torch.allclose(
            model.get_text_features(input_ids=changed).pooler_output[0], by_hand[0], atol=1e-6
        )


def test_weights_depend_on_the_seed_alone(few: Glyphs) -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    one, same, other = (embed_images(build_glyphclip(seed), few.images[:3]) for seed in (0, 0, 1))
    assert (one == same).all() and np.abs(one - other).max() > 0.1
    assert (torch.random.get_rng_state() == before).all()


def test_loss_equals_a_hand_written_one() -> None:
    x, y = (
        v / np.linalg.norm(v, axis=1, keepdims=True)
        for v in np.random.default_rng(0).normal(size=(2, 5, 3))
    )
    logits = np.exp(x @ y.T / 0.2)
    by_hand = -np.mean([np.log(np.diag(logits) / logits.sum(axis=axis)).mean() for axis in (0, 1)])
    assert float(contrastive_loss(torch.tensor(x), torch.tensor(y), 0.2)) == pytest.approx(
        by_hand, abs=1e-12
    )


def test_augmentation_shifts_by_at_most_two_pixels() -> None:
    image = torch.zeros(400, 1, 32, 32)
    image[:, 0, 16, 16] = 1
    places = augment(image, np.random.default_rng(0)).nonzero()[:, 2:] - 16
    assert len(places) == 400 and places.abs().max() == 2 and len(torch.unique(places, dim=0)) == 25


def test_a_fixed_temperature_stays_and_a_learned_one_moves(few: Glyphs) -> None:
    fixed = train(build_glyphclip(0), few, 0.05, epochs=2, progress=False)
    learned = train(build_glyphclip(0), few, None, epochs=2, progress=False)
    assert fixed["tau"].to_numpy() == pytest.approx(0.05, rel=1e-6)
    assert (
        learned["tau"].iloc[0] == pytest.approx(0.07) and abs(learned["tau"].iloc[-1] - 0.07) > 1e-4
    )
    assert learned["tau"].min() >= 0.01 - 1e-9


@pytest.mark.parametrize("temperature", [0.05, None])
def test_a_run_resumed_after_ctrl_c_equals_an_uninterrupted_one(
    few: Glyphs, tmp_path, temperature
) -> None:
    def interrupt(epoch: int) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    path, whole, broken = tmp_path / "run.checkpoint", build_glyphclip(0), build_glyphclip(0)
    expected = train(whole, few, temperature, epochs=4, held_out=few, progress=False)
    with pytest.raises(KeyboardInterrupt):
        train(
            broken,
            few,
            temperature,
            epochs=4,
            held_out=few,
            checkpoint=path,
            after_epoch=interrupt,
            progress=False,
        )
    resumed = build_glyphclip(5)  # its weights are replaced by those of the checkpoint
    history = train(
        resumed, few, temperature, epochs=4, held_out=few, checkpoint=path, progress=False
    )
    pd.testing.assert_frame_equal(history, expected, rtol=1e-6)
    assert all(
        torch.equal(a, b)
        for a, b in zip(whole.state_dict().values(), resumed.state_dict().values(), strict=True)
    )


def test_a_full_disk_leaves_the_earlier_checkpoint(few: Glyphs, tmp_path, monkeypatch) -> None:
    path = tmp_path / "run.checkpoint"
    train(build_glyphclip(0), few, 0.05, epochs=1, checkpoint=path, progress=False)
    before = path.read_bytes()

    def full(tensors, target, metadata):
        target.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gapbook.training.save_file", full)
    from gapbook.training import Run

    with pytest.raises(OSError, match="No space left"):
        Run(build_glyphclip(0), {"temperature": 0.05, "rate": 1e-3, "epochs": 1}, steps=1).save(
            path
        )
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == [path.name]


def test_bad_training_input_is_refused_in_one_sentence(few: Glyphs, tmp_path) -> None:
    with pytest.raises(ValueError, match="positive temperature or None"):
        train(build_glyphclip(0), few, 0.0)
    path = tmp_path / "run.checkpoint"
    train(build_glyphclip(0), few, 0.05, epochs=1, checkpoint=path, progress=False)
    with pytest.raises(
        ValueError,
        match=r"Expected a checkpoint of .*'temperature': 0.1.* is of .*'temperature': 0.05",
    ):
        train(build_glyphclip(0), few, 0.1, epochs=1, checkpoint=path, progress=False)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"run\.checkpoint is no checkpoint, or damaged"):
        train(build_glyphclip(0), few, 0.05, epochs=1, checkpoint=path, progress=False)
    with pytest.raises(ValueError, match="Expected one of glyphclip-init, glyphclip"):
        load_glyphclip("glyphclip-t11")


@pytest.mark.parametrize("name", [*TEMPERATURES, "glyphclip-init"])
def test_bundled_weights_give_the_bundled_embeddings(name: str) -> None:
    held_out, model, pairs = load_glyphs().part("test"), load_glyphclip(name), load_pairs(name)
    assert list(pairs.captions) == held_out.names
    assert np.abs(embed_images(model, held_out.images) - pairs.x).max() < 0.01
    assert np.abs(embed_texts(model, caption_tokens(held_out.names)) - pairs.y).max() < 0.01


@pytest.mark.parametrize("seed", SEEDS)
def test_bundled_models_reach_what_the_book_promises(seed: int) -> None:
    gaps = {}
    for name in [*TEMPERATURES, "glyphclip-init"]:
        pairs = load_pairs(name, seed=seed)
        gaps[name] = modality_gap(pairs.x, pairs.y)
        recall = retrieval(pairs.x, pairs.y).set_index("k")["recall"]
        if name != "glyphclip-init":
            assert recall[1].min() >= 0.19 and recall[10].min() >= 0.59, name
    assert (
        gaps["glyphclip"] >= 0.6 and gaps["glyphclip-t10"] <= 0.15 and gaps["glyphclip-init"] >= 1.1
    )


def test_history_ends_where_the_embeddings_are() -> None:
    last = read_history().groupby(["model", "seed"]).last()
    for (name, seed), row in last.iterrows():
        pairs = load_pairs(name, seed=seed)
        assert row["gap"] == pytest.approx(modality_gap(pairs.x, pairs.y), abs=1e-3)
        recall = retrieval(pairs.x, pairs.y, ks=(10,)).set_index("direction")["recall"]
        assert row["image_to_text_r10"] == pytest.approx(recall["image_to_text"], abs=0.003)
    assert len(last) == 9
    frames = read_frames()
    assert modality_gap(frames[30].x, frames[30].y) == pytest.approx(
        last.loc[("glyphclip", 0), "gap"], abs=0.08
    )


@pytest.mark.slow
def test_retraining_agrees_within_the_spread_over_seeds() -> None:
    glyphs, model = load_glyphs(), build_glyphclip(0)
    again = train(
        model, glyphs.part("train"), 0.1, seed=0, held_out=glyphs.part("test"), progress=False
    ).iloc[-1]
    last = read_history().query("model == 'glyphclip-t10'").groupby("seed").last()
    for column in ["gap", *RECALLS]:
        assert abs(again[column] - last[column][0]) <= 3 * last[column].std(), column
