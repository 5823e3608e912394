"""Encoders: networks that turn images and captions into embeddings, through transformers."""

import os
import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from gapbook.glyphclip import TEMPERATURES, build_glyphclip, load_glyphclip
from gapbook.glyphs import LENGTH, SIZE, vocabulary

if TYPE_CHECKING:
    from transformers import CLIPConfig, CLIPModel, ResNetModel


__all__ = [
    "TEMPERATURES",
    "Checkpoint",
    "build_glyphclip",
    "embed_images",
    "embed_texts",
    "load_clip",
    "load_glyphclip",
    "pixels",
    "random_clip",
    "random_resnet18",
]


def random_clip(seed: int, scheme: str = "openai", size: str = "ViT-B/32") -> "CLIPModel":
    """Build an untrained CLIP whose weights depend on ``seed`` alone; the caller's random state is untouched.

    ``scheme`` is "openai", how CLIP's authors start their own training, or "transformers", how the library fills a
    new model. The latter makes the image tower's value projections 3.5 times smaller and its output projections 1.7
    times larger: attention writes half as much of an image into the class token, where all images start alike, and
    the cone of images is narrower.

    ``size`` is "ViT-B/32" (151,277,313 parameters, embeddings of 512 dimensions) or "small" (1 x 32 x 32 images and
    captions of 16 tokens, 64 dimensions). ViT-B/32 reads text at the largest token id, as CLIP's own code does.
    ValueError for another scheme or size.

    >>> sum(p.numel() for p in random_clip(0, size="small").parameters())
    350273
    """
    from transformers import CLIPModel

    if scheme not in ("openai", "transformers"):
        raise ValueError(f"Expected scheme 'openai' or 'transformers'; got {scheme!r}")
    config = _clip_config(size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = CLIPModel(config)
        if scheme == "openai":
            _openai_weights(model)
    return model.eval()


def _clip_config(size: str) -> "CLIPConfig":
    from transformers import CLIPConfig

    if size == "ViT-B/32":
        return CLIPConfig(text_config={"eos_token_id": 2})  # 2: the largest id
    if size != "small":
        raise ValueError(f"Expected size 'ViT-B/32' or 'small'; got {size!r}")
    tokens = vocabulary()
    tower = {"hidden_size": 64, "intermediate_size": 256, "num_attention_heads": 4, "projection_dim": 64}
    ends = {f"{end}_token_id": tokens[f"<{word}>"] for end, word in (("pad", "pad"), ("bos", "start"), ("eos", "end"))}
    text = {"num_hidden_layers": 3, "vocab_size": len(tokens), "max_position_embeddings": LENGTH}
    vision = {"num_hidden_layers": 3, "image_size": SIZE, "patch_size": 8, "num_channels": 1}
    return CLIPConfig(text_config=tower | text | ends, vision_config=tower | vision, projection_dim=64)


def _openai_weights(model: "CLIPModel") -> None:
    """Fill both towers as the code that CLIP was published with: its own scheme for text, PyTorch's for most of images.

    Source: ``initialize_parameters`` and ``VisionTransformer`` of openai/CLIP, clip/model.py.
    """
    normal, text, vision = nn.init.normal_, model.text_model, model.vision_model
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            module.reset_parameters()
    for layer in (*text.encoder.layers, *vision.encoder.layers):
        attention = layer.self_attn
        for part in (attention.q_proj, attention.k_proj, attention.v_proj):
            bound = (6 / (4 * attention.embed_dim)) ** 0.5  # Xavier of the three in one (3 width, width) matrix
            nn.init.uniform_(part.weight, -bound, bound)
        for part in (attention.q_proj, attention.k_proj, attention.v_proj, attention.out_proj):
            nn.init.zeros_(part.bias)
    width, depth = text.config.hidden_size, text.config.num_hidden_layers
    for layer in text.encoder.layers:
        attention = layer.self_attn
        for part in (attention.q_proj, attention.k_proj, attention.v_proj):
            normal(part.weight, std=width**-0.5)
        normal(layer.mlp.fc1.weight, std=(2 * width) ** -0.5)
        for part in (attention.out_proj, layer.mlp.fc2):
            normal(part.weight, std=(width * 2 * depth) ** -0.5)
    normal(text.embeddings.token_embedding.weight, std=0.02)
    normal(text.embeddings.position_embedding.weight, std=0.01)
    normal(model.text_projection.weight, std=width**-0.5)
    scale = vision.config.hidden_size**-0.5
    for weight in (vision.embeddings.class_embedding, vision.embeddings.position_embedding.weight):
        normal(weight, std=scale)
    normal(model.visual_projection.weight, std=scale)


def random_resnet18(seed: int, size: str = "ResNet-18") -> "ResNetModel":
    """Build an untrained ResNet-18, 11,176,512 parameters, whose weights depend on ``seed`` alone.

    Convolutions are normal with variance 2 / (k k channels_out), as in torchvision and in transformers alike. Its
    features (512) average the output of a ReLU: none is negative, and so no cosine of two of them. ``size`` "small"
    takes 1 x 32 x 32 images and is an eighth as wide (64). ValueError for another size.
    """
    from transformers import ResNetConfig, ResNetModel

    if size not in ("ResNet-18", "small"):
        raise ValueError(f"Expected size 'ResNet-18' or 'small'; got {size!r}")
    width, channels = (64, 3) if size == "ResNet-18" else (8, 1)
    config = ResNetConfig(
        num_channels=channels,
        embedding_size=width,
        hidden_sizes=[width, 2 * width, 4 * width, 8 * width],
        depths=[2, 2, 2, 2],
        layer_type="basic",
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ResNetModel(config).eval()


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
    safe: Any = {"local_files_only": True, "trust_remote_code": False}  # without the latter transformers asks
    try:
        model = AutoModel.from_pretrained(folder, use_safetensors=True, **safe)
        processor = AutoImageProcessor.from_pretrained(folder, backend="pil", **safe)
        tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
    except Exception as error:  # transformers, safetensors and tokenizers each have their own for a bad checkpoint
        reason = textwrap.shorten(str(error), 300, placeholder=" ...") or type(error).__name__
        if "contains custom code" in reason or "references custom code" in reason:
            reason = "it needs code of its own, which is never run; take one whose kind transformers knows"
        raise ValueError(f"{name} cannot be read as a checkpoint of transformers: {reason}") from error
    if not all(hasattr(model, f"get_{side}_features") for side in ("image", "text")):
        raise ValueError(f"Expected a model with an image and a text tower; {name} is a {type(model).__name__}")
    return Checkpoint(model.eval(), processor, tokenizer)


def _download(name: str, revision: str | None) -> Path:
    """Return the folder of a checkpoint of the hub, downloaded unless it is cached."""
    from huggingface_hub import errors, snapshot_download

    if not re.fullmatch(r"[\w-][\w.-]*(/[\w.-]+)?", name):
        raise ValueError(f"Expected a folder or a name on the hub such as openai/clip-vit-base-patch32; got {name}")
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
        raise ValueError(f"{name} at revision {revision} is not on the hub; check both, or your access") from None
    except (errors.HfHubHTTPError, errors.LocalEntryNotFoundError, OSError) as error:
        raise ValueError(
            f"{name} is not in the cache and the hub does not answer ({type(error).__name__}): give a folder"
        ) from error


def pixels(images: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Turn ``(n, 32, 32)`` uint8 images into the network's input ``(n, 1, 32, 32)``, 0 for paper and 1 for ink."""
    return torch.as_tensor(images).unsqueeze(1).float() / 255


def embed_images(model: Any, images: Any, batch_size: int | None = None, progress: bool = False) -> np.ndarray:
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
        network, inputs = model, images if torch.is_tensor(images) and images.ndim == 4 else pixels(images)

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


def embed_texts(model: Any, texts: Any, batch_size: int | None = None, progress: bool = False) -> np.ndarray:
    """Embed captions by a model in evaluation mode: unit rows ``(n, d)`` float32.

    A ``Checkpoint`` takes strings, which its tokenizer cuts at the model's length; a bare model takes ``(n, length)``
    token ids. ValueError for a single string, or for no captions.
    """
    if not isinstance(model, Checkpoint):
        return _embed(model, "text", torch.as_tensor(texts), lambda batch: {"input_ids": batch}, batch_size, progress)
    if isinstance(texts, str):
        raise ValueError(f"Expected a list of captions; got one string, {texts[:40]!r}")
    text = model.model.config.text_config
    fill = True if text.model_type == "clip_text_model" else "max_length"  # others were trained on full length

    def prepare(batch: Any) -> dict[str, torch.Tensor]:
        return model.tokenizer(
            list(batch), padding=fill, truncation=True, max_length=text.max_position_embeddings, return_tensors="pt"
        )

    return _embed(model.model, "text", texts, prepare, batch_size, progress)


def _embed(network: Any, side: str, inputs: Any, prepare: Any, batch_size: int | None, progress: bool) -> np.ndarray:
    encode = getattr(network.eval(), f"get_{side}_features", network)
    step = batch_size or (512 if torch.is_tensor(inputs) else 64)
    if not len(inputs):
        raise ValueError(f"Expected at least 1 {side}; got none")
    rows = []
    with torch.inference_mode():
        for start in tqdm(range(0, len(inputs), step), desc=f"{side}s", unit="batch", disable=not progress):
            batch = {key: value.to(network.device) for key, value in prepare(inputs[start : start + step]).items()}
            rows.append(encode(**batch).pooler_output.flatten(1).float().cpu())
    return nn.functional.normalize(torch.cat(rows), dim=1).numpy()
