"""Captions as the token ids that a text tower takes: cut at its length, padded, with an end."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gapbook.exceptions import PairsError
from gapbook.extras import from_extra

with from_extra("models", "An encoder"):
    import torch
    from torch import nn

if TYPE_CHECKING:
    from gapbook.encoders.clip import Checkpoint

# What these text towers say of a caption is read where its end token stands.
READ_AT_END = {
    "aimv2_text_model",
    "clip_text_model",
    "clipseg_text_model",
    "groupvit_text_model",
    "metaclip_2_text_model",
    "owlv2_text_model",
    "owlvit_text_model",
}

# These mask what a caption is padded with, and need no more of it than a batch does.
MASKS_PADDING = {"clap_text_model", "clip_text_model"}

# transformers reads a caption at its largest token id where the end token's id is this one, the
# value in configurations of CLIP that were saved before 2023.
FORMER_END = 2


def tokenize(checkpoint: "Checkpoint", captions: Sequence[str]) -> Any:
    """Turn captions into what a checkpoint's text tower takes.

    Parameters
    ----------
    checkpoint : Checkpoint
        The model and its tokenizer.
    captions : sequence of str
        The captions.

    Returns
    -------
    mapping of str to torch.Tensor
        What the tokenizer returns: token ids of shape (n, length), and for most models a mask.

    Raises
    ------
    PairsError
        If the tokenizer cannot pad, or its ids are not those of the model.

    Notes
    -----
    CLIP and CLAP mask what a caption is padded with, and get as little as the batch allows; other
    models were trained on their full length.
    """
    tokenizer = checkpoint.tokenizer
    if getattr(tokenizer, "pad_token", "none stated") is None:
        raise PairsError(
            "Expected a tokenizer with a padding token, since captions differ in length; set "
            "tokenizer.pad_token, to its eos_token if it has one"
        )
    text = text_config(checkpoint.model)
    options: dict[str, Any] = {"padding": "max_length"}
    length = max_tokens(checkpoint.model)
    if length is None or getattr(text, "model_type", "") in MASKS_PADDING:
        options["padding"] = True
    if length is not None:
        options["max_length"] = length
    inputs = tokenizer(list(captions), truncation=True, return_tensors="pt", **options)
    check_tokens(checkpoint.model, inputs["input_ids"])
    _check_ends(text, tokenizer, inputs["input_ids"])
    return inputs


def text_config(network: Any) -> Any:
    """Return the configuration of a network's text tower.

    Parameters
    ----------
    network : torch.nn.Module
        Any network.

    Returns
    -------
    transformers.PreTrainedConfig or None
        None where the network has no such thing.
    """
    return getattr(getattr(network, "config", None), "text_config", None)


def max_tokens(network: Any) -> int | None:
    """Return the largest number of tokens that a network's text tower takes.

    Parameters
    ----------
    network : torch.nn.Module
        A network with a text tower.

    Returns
    -------
    int or None
        None where the network does not say.

    Notes
    -----
    The positions of RoBERTa and its kin begin after the padding token's id p, so that m positions
    hold m - p - 1 tokens: 514 hold 512.
    """
    positions = getattr(text_config(network), "max_position_embeddings", None)
    if positions is None:
        return None
    for name, module in network.named_modules():
        if not (name.endswith("position_embeddings") and isinstance(module, nn.Embedding)):
            continue
        if module.padding_idx is not None:
            return int(module.num_embeddings - module.padding_idx - 1)
    return int(positions)


def check_tokens(network: Any, tokens: torch.Tensor) -> None:
    """Raise ``PairsError`` for what are no token ids of a network's text tower.

    Parameters
    ----------
    network : torch.nn.Module
        A network with a text tower.
    tokens : torch.Tensor of shape (n, length)
        Token ids.
    """
    if tokens.ndim != 2 or tokens.is_floating_point() or tokens.dtype == torch.bool:
        raise PairsError(
            f"Expected token ids, integers of shape (n, length); got {tokens.dtype} of shape "
            f"{tuple(tokens.shape)}"
        )
    known = getattr(text_config(network), "vocab_size", None)
    if known is not None and tokens.numel():
        low = int(tokens.min())
        high = int(tokens.max())
        if low < 0 or high >= known:
            raise PairsError(
                f"Expected token ids from 0 to {known - 1}, which the text tower knows; got {low} "
                f"to {high}; take the tokenizer that belongs to the model"
            )
    longest = max_tokens(network)
    if longest is not None and tokens.shape[1] > longest:
        raise PairsError(
            f"Expected at most {longest} tokens a caption, the length of the model; got "
            f"{tokens.shape[1]}"
        )


def _check_ends(text: Any, tokenizer: Any, tokens: torch.Tensor) -> None:
    """Raise an error where a caption lacks the end token at which the text tower reads it.

    Without one the first token is read, and all captions have the same embedding.
    """
    if getattr(text, "model_type", "") not in READ_AT_END:
        return
    end = getattr(text, "eos_token_id", None)
    if end is None or end == FORMER_END:
        end = getattr(tokenizer, "eos_token_id", None)
    if not isinstance(end, int):
        return
    without = int((tokens != end).all(dim=1).sum())
    if without:
        raise PairsError(
            f"Expected the end token, id {end}, in each caption, since the text tower reads there; "
            f"the tokenizer leaves it out of {without} of {len(tokens)}; take the tokenizer that "
            "belongs to the model"
        )
