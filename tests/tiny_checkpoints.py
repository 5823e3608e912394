"""Tiny checkpoints of several kinds, with random weights, as ``save_pretrained`` writes them."""

from pathlib import Path
from typing import Any

import torch

LETTERS = "abcdefghijklmnopqrstuvwxyz"
TOWER = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
}
IMAGE_TOWER = TOWER | {"image_size": 32, "patch_size": 16}

# RoBERTa's positions begin after the id of the padding token, here 1: so many tokens fit.
ROBERTA_POSITIONS = 22
ROBERTA_TOKENS = 20


def save_checkpoint(kind: str, folder: Path, dtype: torch.dtype = torch.float32) -> Path:
    """Save a tiny checkpoint of a kind, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    text = {"roberta": _roberta_tokens, "clip": _clip_tokens}[TOKENS[kind]](folder)
    if kind == "clap":
        _feature_extractor(folder)
    else:
        _image_processor(folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        MODELS[kind](TOWER | text).to(dtype).save_pretrained(folder)
    return folder


def _clip_tokens(folder: Path) -> dict[str, Any]:
    """Save a tokenizer of letters, and return what a text tower has to know of it."""
    from transformers import CLIPTokenizer

    ends = ["<|startoftext|>", "<|endoftext|>"]
    tokens = [*LETTERS, *(f"{letter}</w>" for letter in LETTERS), *ends]
    numbers = {token: i for i, token in enumerate(tokens)}
    CLIPTokenizer(vocab=numbers, merges=[]).save_pretrained(folder)
    return {
        "vocab_size": len(tokens),
        "max_position_embeddings": 12,
        "bos_token_id": numbers[ends[0]],
        "eos_token_id": numbers[ends[1]],
        "pad_token_id": numbers[ends[1]],
    }


def _roberta_tokens(folder: Path) -> dict[str, Any]:
    """Save a tokenizer of letters, and return what a text tower has to know of it."""
    from transformers import XLMRobertaTokenizer

    ends = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0)]
    tokens = [*ends, *((letter, -3.0) for letter in LETTERS), ("<mask>", 0.0)]
    XLMRobertaTokenizer(vocab=tokens).save_pretrained(folder)
    return {
        "vocab_size": len(tokens),
        "max_position_embeddings": ROBERTA_POSITIONS,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
    }


def _image_processor(folder: Path) -> None:
    from transformers import CLIPImageProcessorPil

    size = {"height": 32, "width": 32}
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=size).save_pretrained(folder)


def _feature_extractor(folder: Path) -> None:
    """Save what turns sounds of at most a second, at 2,000 Hz, into spectrograms."""
    from transformers import ClapFeatureExtractor

    ClapFeatureExtractor(
        feature_size=16,
        sampling_rate=2000,
        hop_length=32,
        fft_window_size=128,
        max_length_s=1,
        frequency_min=50,
        frequency_max=1000,
        truncation="fusion",
    ).save_pretrained(folder)


def _clip(text: dict[str, Any]) -> Any:
    from transformers import CLIPConfig, CLIPModel

    config = CLIPConfig(text_config=text, vision_config=IMAGE_TOWER, projection_dim=8)
    return CLIPModel(config)


def _flava(text: dict[str, Any]) -> Any:
    from transformers import FlavaConfig, FlavaModel

    config = FlavaConfig(
        text_config=text, image_config=IMAGE_TOWER, multimodal_config=TOWER, projection_dim=8
    )
    return FlavaModel(config)


def _aimv2(text: dict[str, Any]) -> Any:
    from transformers import Aimv2Config, Aimv2Model

    config = Aimv2Config(text_config=text, vision_config=IMAGE_TOWER, projection_dim=8)
    return Aimv2Model(config)


def _altclip(text: dict[str, Any]) -> Any:
    from transformers import AltCLIPConfig, AltCLIPModel

    text = text | {"project_dim": 16}
    config = AltCLIPConfig(text_config=text, vision_config=IMAGE_TOWER, projection_dim=8)
    return AltCLIPModel(config)


def _dual_roberta(text: dict[str, Any]) -> Any:
    from transformers import (
        RobertaConfig,
        VisionTextDualEncoderConfig,
        VisionTextDualEncoderModel,
        ViTConfig,
    )

    config = VisionTextDualEncoderConfig(
        vision_config=ViTConfig(**IMAGE_TOWER).to_dict(),
        text_config=RobertaConfig(**text, type_vocab_size=1).to_dict(),
        projection_dim=8,
    )
    return VisionTextDualEncoderModel(config)


def _siglip(text: dict[str, Any]) -> Any:
    from transformers import SiglipConfig, SiglipModel

    text = text | {"projection_size": 16}
    return SiglipModel(SiglipConfig(text_config=text, vision_config=IMAGE_TOWER))


def _clap(text: dict[str, Any]) -> Any:
    from transformers import ClapConfig, ClapModel

    audio = {
        "window_size": 2,
        "num_mel_bins": 16,
        "spec_size": 32,
        "patch_size": 4,
        "patch_stride": [4, 4],
        "patch_embeds_hidden_size": 8,
        "depths": [1, 1],
        "num_attention_heads": [2, 2],
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "enable_fusion": True,
    }
    config = ClapConfig(text_config=text, audio_config=audio, projection_dim=8)
    return ClapModel(config)


MODELS = {
    "aimv2": _aimv2,
    "altclip": _altclip,
    "clap": _clap,
    "clip": _clip,
    "dual_roberta": _dual_roberta,
    "flava": _flava,
    "siglip": _siglip,
}
TOKENS = {
    "aimv2": "clip",
    "altclip": "roberta",
    "clap": "roberta",
    "clip": "clip",
    "dual_roberta": "roberta",
    "flava": "clip",
    "siglip": "clip",
}


def byte_clip(folder: Path, seed: int = 0) -> Path:
    """Save a tiny CLIP that reads all printable ASCII, at the largest token id, into 64 dimensions.

    Its configuration is of the kind that the hub's checkpoints of CLIP have.
    """
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    letters = [chr(code) for code in range(33, 127)]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    numbers = {token: i for i, token in enumerate(tokens)}
    CLIPTokenizer(vocab=numbers, merges=[]).save_pretrained(folder)
    size = {"height": 32, "width": 32}
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=size).save_pretrained(folder)
    tower = TOWER | {"hidden_size": 32, "intermediate_size": 64}
    text = {
        "vocab_size": len(tokens),
        "max_position_embeddings": 77,
        "bos_token_id": 0,
        # Where it is 2, transformers reads at the largest token id.
        "eos_token_id": 2,
        "pad_token_id": 1,
    }
    vision = {"image_size": 32, "patch_size": 8}
    config = CLIPConfig(text_config=tower | text, vision_config=tower | vision, projection_dim=64)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        CLIPModel(config).save_pretrained(folder)
    return folder
