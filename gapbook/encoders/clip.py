"""Encoders: networks that turn images and captions into embeddings, through transformers."""

import os
import re
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from tqdm import tqdm


class Checkpoint(NamedTuple):
    """A CLIP-like model with the image processor and the tokenizer that belong to it."""

    model: Any
    processor: Any
    tokenizer: Any


def load_clip(name_or_path: str | os.PathLike[str], revision: str | None = None) -> Checkpoint:
    """Load any CLIP-like checkpoint of transformers (CLIP, SigLIP, ...) from a local folder or a model hub.

    A name on the hub, such as "openai/clip-vit-base-patch32", needs ``revision``, the commit's 40 hexadecimal digits,
    so that the weights cannot change unseen. Reads safetensors only and runs no code that comes with a checkpoint.
    Environment variables: ``HF_ENDPOINT`` another hub, ``HF_HOME`` the cache. ValueError where the folder, the name or
    the revision is wrong, the network is down, or the checkpoint needs code of its own or lacks a tower.
    """
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    name = os.fspath(name_or_path)
    folder = Path(name) if Path(name).is_dir() else _download(name, revision)
    if not any(folder.glob("*.safetensors")):
        raise ValueError(
            f"{name} has no .safetensors weights, and others are not read: convert it with save_pretrained"
        )
    safe: Any = {
        "local_files_only": True,
        "trust_remote_code": False,
    }  # without the latter transformers asks
    try:
        model = AutoModel.from_pretrained(folder, use_safetensors=True, **safe)
        processor = AutoImageProcessor.from_pretrained(folder, backend="pil", **safe)
        tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
    except (
        Exception
    ) as error:  # transformers, safetensors and tokenizers each have their own for a bad checkpoint
        reason = textwrap.shorten(str(error), 300, placeholder=" ...") or type(error).__name__
        if "contains custom code" in reason or "references custom code" in reason:
            reason = "it needs code of its own, which is never run; take one whose kind transformers knows"
        raise ValueError(
            f"{name} cannot be read as a checkpoint of transformers: {reason}"
        ) from error
    if not all(hasattr(model, f"get_{side}_features") for side in ("image", "text")):
        raise ValueError(
            f"Expected a model with an image and a text tower; {name} is a {type(model).__name__}"
        )
    return Checkpoint(model.eval(), processor, tokenizer)


def _download(name: str, revision: str | None) -> Path:
    """Return the folder of a checkpoint of the hub, downloaded unless it is cached."""
    from huggingface_hub import errors, snapshot_download

    if not re.fullmatch(r"[\w-][\w.-]*(/[\w.-]+)?", name):
        raise ValueError(
            f"Expected a folder or a name on the hub such as openai/clip-vit-base-patch32; got {name}"
        )
    if not re.fullmatch("[0-9a-f]{40}", revision or ""):
        raise ValueError(
            f"{name} is no folder here; to load it from the hub, give revision, a commit of 40 hexadecimal digits, "
            f"not {revision!r}"
        )
    hub = os.environ.get("HF_ENDPOINT") or None
    wanted = ["*.json", "*.txt", "*.model", "*.safetensors"]
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=wanted, endpoint=hub))
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.HFValidationError):
        raise ValueError(
            f"{name} at revision {revision} is not on the hub; check both, or your access"
        ) from None
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, OSError) as error:
        raise ValueError(
            f"{name} is not in the cache and the hub does not answer ({type(error).__name__}): give a folder"
        ) from error


def pixels(images: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Turn ``(n, 32, 32)`` uint8 images into the network's input ``(n, 1, 32, 32)``, 0 for paper and 1 for ink."""
    return torch.as_tensor(images).unsqueeze(1).float() / 255


def embed_images(
    model: Any, images: Any, batch_size: int | None = None, progress: bool = False
) -> np.ndarray:
    """Embed images by a model in evaluation mode: unit rows ``(n, d)`` float32, after the projection where it has one.

    A ``Checkpoint`` takes PIL images or paths of image files and prepares them as it was trained. A bare model, of
    ``random_clip``, ``random_resnet18`` or ``load_glyphclip``, takes ``(n, 32, 32)`` uint8 characters or a tensor
    ``(n, channels, height, width)`` of what its network sees. ValueError for a file that is no image, or for none.
    """
    if isinstance(model, Checkpoint):
        network, inputs = model.model, images

        def prepare(batch: Any) -> dict[str, torch.Tensor]:
            return model.processor([_open(image) for image in batch], return_tensors="pt")

    else:
        network, inputs = (
            model,
            images if torch.is_tensor(images) and images.ndim == 4 else pixels(images),
        )

        def prepare(batch: Any) -> dict[str, torch.Tensor]:
            return {"pixel_values": batch}

    return _embed(network, "image", inputs, prepare, batch_size, progress)


def _open(image: Any) -> Any:
    from PIL import Image

    if isinstance(image, Image.Image):
        return image.convert("RGB")
    try:
        with Image.open(image) as file:
            return file.convert("RGB")
    except Exception as error:  # Pillow has many for a damaged file
        raise ValueError(f"Expected an image or the path of one; got {image} ({error})") from None


def embed_texts(
    model: Any, texts: Any, batch_size: int | None = None, progress: bool = False
) -> np.ndarray:
    """Embed captions by a model in evaluation mode: unit rows ``(n, d)`` float32.

    A ``Checkpoint`` takes strings, which its tokenizer cuts at the model's length; a bare model takes ``(n, length)``
    token ids. ValueError for a single string, or for no captions.
    """
    if not isinstance(model, Checkpoint):
        return _embed(
            model,
            "text",
            torch.as_tensor(texts),
            lambda batch: {"input_ids": batch},
            batch_size,
            progress,
        )
    if isinstance(texts, str):
        raise ValueError(f"Expected a list of captions; got one string, {texts[:40]!r}")
    text = model.model.config.text_config
    fill = (
        True if text.model_type == "clip_text_model" else "max_length"
    )  # others were trained on full length

    def prepare(batch: Any) -> dict[str, torch.Tensor]:
        return model.tokenizer(
            list(batch),
            padding=fill,
            truncation=True,
            max_length=text.max_position_embeddings,
            return_tensors="pt",
        )

    return _embed(model.model, "text", texts, prepare, batch_size, progress)


def _embed(
    network: Any, side: str, inputs: Any, prepare: Any, batch_size: int | None, progress: bool
) -> np.ndarray:
    encode = getattr(network.eval(), f"get_{side}_features", network)
    step = batch_size or (512 if torch.is_tensor(inputs) else 64)
    if not len(inputs):
        raise ValueError(f"Expected at least 1 {side}; got none")
    rows = []
    with torch.inference_mode():
        for start in tqdm(
            range(0, len(inputs), step), desc=f"{side}s", unit="batch", disable=not progress
        ):
            batch = {
                key: value.to(network.device)
                for key, value in prepare(inputs[start : start + step]).items()
            }
            rows.append(encode(**batch).pooler_output.flatten(1).float().cpu())
    return nn.functional.normalize(torch.cat(rows), dim=1).numpy()
