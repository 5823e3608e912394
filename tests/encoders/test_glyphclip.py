"""The small CLIP: how it reads text, its weights, its twins, and the models that come along."""

import numpy as np
import pytest
import torch
from helpers import few_glyphs

from gapbook import load_pairs
from gapbook.encoders import (
    GlyphTwins,
    build_glyphclip,
    embed_images,
    embed_texts,
    load_glyphclip,
    pixels,
)
from gapbook.geometry import modality_gap
from gapbook.glyphs import caption_tokens, load_glyphs, vocabulary
from gapbook.precomputed.glyphclip import TAUS
from gapbook.training import embed_pairs


def test_text_is_pooled_at_the_end_token_and_padding_does_not_matter() -> None:
    model = build_glyphclip(0)
    tokens = torch.as_tensor(caption_tokens(["SNOWMAN", "GREEK SMALL LETTER ALPHA"]))
    end = (tokens == vocabulary()["<end>"]).int().argmax(dim=1)
    other_padding = tokens.clone()
    other_padding[0, end[0] + 1 :] = vocabulary()["GREEK"]
    with torch.inference_mode():
        states = model.text_model(input_ids=tokens).last_hidden_state
        by_hand = model.text_projection(states[torch.arange(2), end])
        assert torch.allclose(model.encode_second(tokens), by_hand, atol=1e-6)
        assert torch.allclose(model.encode_second(other_padding)[0], by_hand[0], atol=1e-6)


def test_weights_depend_on_the_seed_alone_and_the_callers_random_state_is_untouched() -> None:
    images = few_glyphs(3).images
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first, same, other = (embed_images(build_glyphclip(seed), images) for seed in (0, 0, 1))
    assert (first == same).all()
    assert np.abs(first - other).max() > 0.1
    assert (torch.random.get_rng_state() == before).all()


def test_both_encoders_are_those_that_embed_images_and_texts() -> None:
    glyphs = few_glyphs(20)
    model = build_glyphclip(0)
    x, y = embed_pairs(model, glyphs)
    assert (x == embed_images(model, glyphs.images)).all()
    assert (y == embed_texts(model, caption_tokens(glyphs.names))).all()


def test_a_shared_tower_has_no_second_set_of_layers() -> None:
    shared = build_glyphclip(0, shared=True)
    separate = build_glyphclip(0)
    count = [sum(p.numel() for p in model.parameters()) for model in (shared, separate)]
    assert count[0] < count[1]
    assert shared.text_projection is shared.visual_projection
    assert shared.text_model.encoder is shared.vision_model.encoder


def test_twins_are_two_image_encoders_with_one_temperature() -> None:
    twins = GlyphTwins(0)
    first = {id(p) for p in twins.first.parameters()}
    assert first.isdisjoint(id(p) for p in twins.second.parameters())
    assert sum(p is twins.logit_scale for p in twins.parameters()) == 1
    images = pixels(few_glyphs(5).images)
    with torch.inference_mode():
        assert torch.equal(
            twins.encode_second(images), twins.second.get_image_features(images).pooler_output
        )
        assert not torch.equal(twins.encode_first(images), twins.encode_second(images))


def test_twins_of_one_seed_begin_equal() -> None:
    glyphs = few_glyphs()
    same = GlyphTwins(0, same=True)
    pairs = zip(same.first.parameters(), same.second.parameters(), strict=True)
    assert all(torch.equal(a, b) and a is not b for a, b in pairs)
    assert modality_gap(*embed_pairs(same, glyphs)) < 0.1
    assert modality_gap(*embed_pairs(GlyphTwins(0), glyphs)) > 1


@pytest.mark.parametrize("name", [*TAUS, "glyphclip-init"])
def test_bundled_weights_give_the_bundled_embeddings(name: str) -> None:
    held_out = load_glyphs().part("test")
    pairs = load_pairs(name)
    assert list(pairs.captions) == held_out.names
    x, y = embed_pairs(load_glyphclip(name), held_out)
    assert np.abs(x - pairs.x).max() < 0.01
    assert np.abs(y - pairs.y).max() < 0.01


def test_an_unknown_model_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"one of glyphclip-init, glyphclip.*got 'glyphclip-t11'"):
        load_glyphclip("glyphclip-t11")
