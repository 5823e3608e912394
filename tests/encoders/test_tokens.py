"""How many tokens a text tower takes, and tokenizers that do not belong to it."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tiny_checkpoints import ROBERTA_TOKENS, save_checkpoint

from gapbook.encoders import Checkpoint, load_clip, random_clip, random_resnet18
from gapbook.encoders.tokens import max_tokens, tokenize
from gapbook.exceptions import PairsError


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    return load_clip(save_checkpoint("clip", tmp_path_factory.mktemp("tiny-clip")))


def test_the_length_of_a_text_tower_is_that_of_its_positions(
    tiny: Checkpoint, tmp_path: Path
) -> None:
    assert max_tokens(tiny.model) == 12
    assert max_tokens(random_clip(0, size="small")) == 16
    assert max_tokens(load_clip(save_checkpoint("altclip", tmp_path)).model) == ROBERTA_TOKENS
    assert max_tokens(random_resnet18(0, "small")) is None


def test_clip_pads_to_the_longest_caption_of_a_batch_and_others_to_their_length(
    tiny: Checkpoint, tmp_path: Path
) -> None:
    assert tokenize(tiny, ["a", "b c"])["input_ids"].shape == (2, 4)
    other = load_clip(save_checkpoint("altclip", tmp_path))
    assert tokenize(other, ["a", "b c"])["input_ids"].shape == (2, ROBERTA_TOKENS)


def test_a_tokenizer_that_cannot_pad_is_refused(tiny: Checkpoint) -> None:
    def split(captions: list, **_: object) -> dict:
        raise AssertionError("not called")

    split.pad_token = None
    with pytest.raises(PairsError, match=r"padding token.*; set tokenizer\.pad_token"):
        tokenize(tiny._replace(tokenizer=split), ["a", "b c"])


def foreign(tokens: list[list[int]], end: int | None = None) -> object:
    """Return a tokenizer that has ids of its own for every caption."""

    class Tokenizer(SimpleNamespace):
        def __call__(self, captions: list, **_: object) -> dict:
            return {"input_ids": torch.tensor(tokens)}

    return Tokenizer(eos_token_id=end)


def test_a_tokenizer_of_another_model_is_refused(tiny: Checkpoint) -> None:
    own = tokenize(tiny, ["a"])["input_ids"][0].tolist()
    end = own[-1]
    with pytest.raises(
        PairsError, match=r"ids from 0 to 53, .* got 1 to 49407; take the tokenizer"
    ):
        tokenize(tiny._replace(tokenizer=foreign([[1, 49_407]])), ["a"])
    # Read at the first token, all captions would be equal.
    without_end = tiny._replace(tokenizer=foreign([own, [*own[:-1], 1]]))
    with pytest.raises(PairsError, match=f"end token, id {end}, .* out of 1 of 2"):
        tokenize(without_end, ["a", "b"])


def test_a_model_that_reads_at_the_largest_id_needs_the_end_token_too(tiny: Checkpoint) -> None:
    # So do configurations of CLIP before 2023: the end token's id in them is 2.
    former = random_clip(0)
    assert former.config.text_config.eos_token_id == 2
    start, end = 49_406, 49_407
    whole = Checkpoint(former, None, foreign([[start, 320, end]], end))
    assert tokenize(whole, ["a"])["input_ids"].shape == (1, 3)
    cut = Checkpoint(former, None, foreign([[start, 320, 321]], end))
    with pytest.raises(PairsError, match=f"end token, id {end}, .* out of 1 of 1"):
        tokenize(cut, ["a"])
