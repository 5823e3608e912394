"""The tokens that CLIP's towers read, with what all inputs share and without."""

import pytest
import torch

from gapbook.cone import reading_cosines
from gapbook.encoders import embed_images, embed_texts, random_clip
from gapbook.geometry import cosine_stats

STREAM = torch.Generator().manual_seed(0)
IMAGES = torch.randn(30, 1, 32, 32, generator=STREAM)
# all are read at their last place, by a token of their own
TEXTS = torch.randint(0, 200, (30, 16), generator=STREAM)
TEXTS[:, -1] = 230 + torch.arange(30)


@pytest.fixture
def model():
    return random_clip(0, size="small")


def test_images_start_with_one_class_token_unless_each_has_its_own(model) -> None:
    assert reading_cosines(model, IMAGES)[0] == pytest.approx(1, abs=1e-5)
    assert abs(reading_cosines(model, IMAGES, shared_start=False)[0]) < 0.05


def test_the_narrow_cone_of_images_goes_with_the_shared_class_token(model) -> None:
    assert reading_cosines(model, IMAGES)[-1] > 0.9
    assert reading_cosines(model, IMAGES, shared_start=False)[-1] < 0.5


def test_texts_share_positions_and_the_mean_of_the_activation(model) -> None:
    own = reading_cosines(model, TEXTS)
    assert own[0] == pytest.approx(0.2, abs=0.1)
    assert abs(reading_cosines(model, TEXTS, shared_start=False)[0]) < 0.05
    neither = reading_cosines(model, TEXTS, shared_start=False, gelu=False)
    assert abs(neither[-1]) < 0.1
    assert neither[-1] < reading_cosines(model, TEXTS, gelu=False)[-1] < own[-1]


def test_the_last_state_is_what_the_tower_answers_with(model) -> None:
    with torch.inference_mode():
        states = model.vision_model(IMAGES, output_hidden_states=True).hidden_states[-1]
    assert reading_cosines(model, IMAGES)[-1] == pytest.approx(cosine_stats(states[:, 0]).mean)


@pytest.mark.parametrize("inputs", [IMAGES, TEXTS], ids=["images", "texts"])
def test_a_model_is_left_as_it_was(model, inputs) -> None:
    embed = embed_images if inputs is IMAGES else embed_texts
    before = embed(model, inputs)
    reading_cosines(model, inputs, shared_start=False, gelu=False)
    assert (embed(model, inputs) == before).all()


def test_own_tokens_follow_their_seed(model) -> None:
    first, again, other = (
        reading_cosines(model, IMAGES, shared_start=False, seed=seed) for seed in (0, 0, 1)
    )
    assert first == again
    assert first[0] != other[0]
