"""Turn images and captions into embeddings by any CLIP-like network, through transformers."""

import os
import re
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch.nn.functional import normalize
from tqdm import tqdm

if TYPE_CHECKING:
    from PIL import Image

# Images or captions that a checkpoint sees at once: a ViT-B/32 then needs about 1.5 GB.
CHECKPOINT_BATCH = 64

# Rows of a tensor that a bare network sees at once: these networks are small.
TENSOR_BATCH = 512


class Checkpoint(NamedTuple):
    """A CLIP-like model with the image processor and the tokenizer that belong to it."""

    model: Any
    processor: Any
    tokenizer: Any


def load_clip(name_or_path: str | os.PathLike[str], revision: str | None = None) -> Checkpoint:
    """Load any CLIP-like checkpoint of transformers (CLIP, SigLIP, ...).

    Parameters
    ----------
    name_or_path : str or path
        A local folder, or a name on a model hub, such as "openai/clip-vit-base-patch32".
    revision : str, optional
        For a name on the hub: the commit's 40 hexadecimal digits, so that the weights cannot
        change unseen.

    Returns
    -------
    Checkpoint
        The model in evaluation mode, its image processor and its tokenizer.

    Raises
    ------
    ValueError
        Where the folder, the name or the revision is wrong, the network is down, or the
        checkpoint needs code of its own or lacks a tower.

    Notes
    -----
    Reads safetensors only and runs no code that comes with a checkpoint. Environment variables:
    ``HF_ENDPOINT`` is another hub, ``HF_HOME`` the cache.
    """
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer

    name = os.fspath(name_or_path)
    folder = Path(name) if Path(name).is_dir() else _download(name, revision)
    if not any(folder.glob("*.safetensors")):
        raise ValueError(
            f"{name} has no .safetensors weights, and others are not read: convert it with "
            "save_pretrained"
        )
    # Without trust_remote_code transformers would ask at the terminal.
    safe: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        model = AutoModel.from_pretrained(folder, use_safetensors=True, **safe)
        processor = AutoImageProcessor.from_pretrained(folder, backend="pil", **safe)
        tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
    # transformers, safetensors and tokenizers each have exceptions of their own.
    except Exception as error:
        raise ValueError(
            f"{name} cannot be read as a checkpoint of transformers: {_short_reason(error)}"
        ) from error
    if not all(hasattr(model, f"get_{side}_features") for side in ("image", "text")):
        raise ValueError(
            f"Expected a model with an image and a text tower; {name} is a {type(model).__name__}"
        )
    return Checkpoint(model.eval(), processor, tokenizer)


def _short_reason(error: Exception) -> str:
    """Say in one line why transformers refused a checkpoint."""
    reason = textwrap.shorten(str(error), 300, placeholder=" ...") or type(error).__name__
    if "contains custom code" in reason or "references custom code" in reason:
        return (
            "it needs code of its own, which is never run; take one whose kind transformers knows"
        )
    return reason


def _download(name: str, revision: str | None) -> Path:
    """Return the folder of a checkpoint of the hub, downloaded unless it is cached."""
    from huggingface_hub import errors, snapshot_download

    if not re.fullmatch(r"[\w-][\w.-]*(/[\w.-]+)?", name):
        raise ValueError(
            "Expected a folder or a name on the hub such as openai/clip-vit-base-patch32; "
            f"got {name}"
        )
    if not re.fullmatch("[0-9a-f]{40}", revision or ""):
        raise ValueError(
            f"{name} is no folder here; to load it from the hub, give revision, a commit of 40 "
            f"hexadecimal digits, not {revision!r}"
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
            f"{name} is not in the cache and the hub does not answer ({type(error).__name__}): "
            "give a folder"
        ) from error


def pixels(images: ArrayLike | torch.Tensor) -> torch.Tensor:
    """Turn gray images into what a network of one channel sees.

    Parameters
    ----------
    images : array or torch.Tensor of shape (n, height, width)
        Gray images, uint8.

    Returns
    -------
    torch.Tensor of shape (n, 1, height, width)
        The same from 0 to 1, float32.
    """
    return torch.as_tensor(images).unsqueeze(1).float() / 255


def embed_images(
    model: Any, images: Sequence[Any] | ArrayLike | torch.Tensor, progress: bool = False
) -> np.ndarray:
    """Embed images by a model in evaluation mode.

    Parameters
    ----------
    model : Checkpoint or torch.nn.Module
        A checkpoint, or a bare network such as those of ``random_clip``, ``random_resnet18`` and
        ``load_glyphclip``.
    images : sequence of PIL images and paths, array or torch.Tensor
        For a checkpoint: PIL images or paths of image files, which are prepared as it was
        trained. For a bare network: gray images of shape (n, height, width), uint8, or a tensor
        of shape (n, channels, height, width), which is what the network sees.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    numpy.ndarray of shape (n, d)
        Unit rows, float32, after the projection where the model has one.

    Raises
    ------
    ValueError
        For a file that is no image, or for no images.
    """
    if not isinstance(model, Checkpoint):
        inputs = images if torch.is_tensor(images) and images.ndim == 4 else pixels(images)
        encode = getattr(model, "get_image_features", model)
        return embed_in_batches(
            model, lambda batch: encode(pixel_values=batch).pooler_output, inputs, "image", progress
        )

    def encode_files(batch: Sequence[Any]) -> torch.Tensor:
        inputs = model.processor([_open(image) for image in batch], return_tensors="pt")
        return model.model.get_image_features(**_on_device(inputs, model.model)).pooler_output

    return embed_in_batches(model.model, encode_files, images, "image", progress)


def _open(image: "Image.Image | str | os.PathLike[str]") -> "Image.Image":
    """Return an image, or the image in a file, in colors."""
    from PIL import Image

    if isinstance(image, Image.Image):
        return image.convert("RGB")
    try:
        with Image.open(image) as file:
            return file.convert("RGB")
    # Pillow has many exceptions for a damaged file.
    except Exception as error:
        raise ValueError(f"Expected an image or the path of one; got {image} ({error})") from None


def embed_texts(
    model: Any, texts: Sequence[str] | ArrayLike | torch.Tensor, progress: bool = False
) -> np.ndarray:
    """Embed captions by a model in evaluation mode.

    Parameters
    ----------
    model : Checkpoint or torch.nn.Module
        A checkpoint, or a bare network with a text tower.
    texts : sequence of str, array or torch.Tensor
        For a checkpoint: captions, which its tokenizer cuts at the model's length. For a bare
        network: token ids of shape (n, length).
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    numpy.ndarray of shape (n, d)
        Unit rows, float32.

    Raises
    ------
    ValueError
        For a single string, or for no captions.
    """
    if not isinstance(model, Checkpoint):
        return embed_in_batches(
            model,
            lambda batch: model.get_text_features(input_ids=batch).pooler_output,
            torch.as_tensor(texts),
            "text",
            progress,
        )
    if isinstance(texts, str):
        raise ValueError(f"Expected a list of captions; got one string, {texts[:40]!r}")
    text = model.model.config.text_config
    # CLIP masks what a caption is padded with; other models were trained on the full length.
    padding = True if text.model_type == "clip_text_model" else "max_length"

    def encode_captions(batch: Sequence[str]) -> torch.Tensor:
        inputs = model.tokenizer(
            list(batch),
            padding=padding,
            truncation=True,
            max_length=text.max_position_embeddings,
            return_tensors="pt",
        )
        return model.model.get_text_features(**_on_device(inputs, model.model)).pooler_output

    return embed_in_batches(model.model, encode_captions, texts, "text", progress)


def _on_device(inputs: Any, network: Any) -> dict[str, torch.Tensor]:
    return {name: value.to(network.device) for name, value in inputs.items()}


def embed_in_batches(
    network: Any,
    encode: Callable[[Any], torch.Tensor],
    inputs: Any,
    side: str,
    progress: bool = False,
) -> np.ndarray:
    """Embed inputs batch by batch by a network in evaluation mode.

    Parameters
    ----------
    network : torch.nn.Module
        What is put into evaluation mode, and where tensors are brought to.
    encode : callable
        Takes a batch of inputs and returns its embeddings, (b, d).
    inputs : sequence or torch.Tensor
        What is embedded.
    side : str
        What the inputs are called in messages: "image" or "text".
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    numpy.ndarray of shape (n, d)
        Unit rows, float32.

    Raises
    ------
    ValueError
        For no inputs.
    """
    if not len(inputs):
        raise ValueError(f"Expected at least 1 {side}; got none")
    network.eval()
    step = TENSOR_BATCH if torch.is_tensor(inputs) else CHECKPOINT_BATCH
    starts = range(0, len(inputs), step)
    embeddings = []
    with torch.inference_mode():
        for start in tqdm(starts, desc=f"{side}s", unit="batch", disable=not progress):
            batch = inputs[start : start + step]
            if torch.is_tensor(batch):
                batch = batch.to(network.device)
            embeddings.append(encode(batch).flatten(1).float().cpu())
    return normalize(torch.cat(embeddings), dim=1).numpy()
