"""Turn images and captions into embeddings by any CLIP-like network, through transformers."""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from tqdm import tqdm

from gapbook.encoders.inputs import check_captions, check_images
from gapbook.encoders.rgb import open_rgb
from gapbook.encoders.tokens import check_tokens, tokenize
from gapbook.exceptions import PairsError, one_line, quoted
from gapbook.extras import from_extra

with from_extra("models", "An encoder"):
    import torch
    from torch.nn.functional import normalize

# Weights of older checkpoints, pickled.
PICKLED = "pytorch_model.bin"

# Images or captions that a checkpoint sees at once: a ViT-B/32 then needs about 1.5 GB.
CHECKPOINT_BATCH = 64

# Rows of a tensor that a bare network sees at once: these networks are small.
TENSOR_BATCH = 512


class Checkpoint(NamedTuple):
    """A CLIP-like model with the image processor and the tokenizer that belong to it."""

    model: Any
    processor: Any
    tokenizer: Any


def load_clip(
    name_or_path: str | os.PathLike[str],
    revision: str | None = None,
    dtype: torch.dtype | Literal["auto"] = torch.float32,
) -> Checkpoint:
    """Load any CLIP-like checkpoint of transformers (CLIP, SigLIP, ...).

    Parameters
    ----------
    name_or_path : str or path
        A local folder, or a name on a model hub, such as "openai/clip-vit-base-patch32".
    revision : str, optional
        For a name on the hub: the commit's 40 hexadecimal digits, so that the weights cannot
        change unseen.
    dtype : torch.dtype or "auto"
        The precision in which the model runs, whatever the checkpoint was saved in. "auto" is that
        of the checkpoint, such as float16: half the memory, but embeddings that differ from those
        of float32, and activations above 65,504 become infinite.

    Returns
    -------
    Checkpoint
        The model in evaluation mode, its image processor and its tokenizer. A tokenizer without a
        padding token pads with its end token, as CLIP's does.

    Raises
    ------
    ValueError
        Where the folder, the name, the revision or the precision is wrong, the network is down, or
        the checkpoint needs code of its own, or lacks a tower or weights, which would be random.
    MissingPackageError
        If transformers is not installed.

    Notes
    -----
    Reads safetensors and runs no code that comes with a checkpoint. A folder without safetensors
    may hold ``pytorch_model.bin`` instead, which is read with ``weights_only``, so that it cannot
    run code either; from the hub only safetensors are taken. Environment variables: ``HF_ENDPOINT``
    is another hub, ``HF_HOME`` the cache.
    """
    return load_checkpoint(name_or_path, "image", revision, dtype)


def load_checkpoint(
    name_or_path: str | os.PathLike[str],
    side: Literal["image", "audio"],
    revision: str | None = None,
    dtype: torch.dtype | Literal["auto"] = torch.float32,
) -> Checkpoint:
    """Load a checkpoint of transformers with a text tower and a tower of another side.

    Parameters
    ----------
    name_or_path, revision, dtype
        As for ``load_clip``.
    side : {"image", "audio"}
        What the other tower takes. For "audio", the processor is a feature extractor of sounds.

    Returns
    -------
    Checkpoint
        As of ``load_clip``.

    Raises
    ------
    ValueError, MissingPackageError
        As ``load_clip`` does.
    """
    if dtype != "auto" and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise ValueError(
            "Expected dtype 'auto' or a floating-point type, such as torch.float32; got "
            f"{quoted(dtype)}"
        )
    with from_extra("models", "Loading a checkpoint"):
        from transformers import AutoFeatureExtractor, AutoImageProcessor, AutoModel, AutoTokenizer

    name = os.fspath(name_or_path)
    folder = checkpoint_folder(name, revision)
    has_safetensors = any(folder.glob("*.safetensors"))
    if not has_safetensors and not (folder / PICKLED).is_file():
        raise ValueError(
            f"{name} has no .safetensors weights and no {PICKLED}, and others are not read: "
            "convert it with save_pretrained"
        )
    # Without trust_remote_code transformers would ask at the terminal.
    safe: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        model, loading = AutoModel.from_pretrained(
            folder,
            use_safetensors=has_safetensors,
            weights_only=True,
            dtype=dtype,
            output_loading_info=True,
            **safe,
        )
        if side == "image":
            processor = AutoImageProcessor.from_pretrained(folder, backend="pil", **safe)
        else:
            processor = AutoFeatureExtractor.from_pretrained(folder, **safe)
        tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
    # transformers, safetensors and tokenizers each have exceptions of their own.
    except Exception as error:
        raise ValueError(
            f"{name} cannot be read as a checkpoint of transformers: {_short_reason(error)}"
        ) from error
    if not all(hasattr(model, f"get_{tower}_features") for tower in (side, "text")):
        raise ValueError(
            f"Expected a model with an {side} and a text tower; {name} is a {type(model).__name__}"
        )
    missing = sorted(loading["missing_keys"])
    if missing:
        raise ValueError(
            f"{name} lacks {len(missing)} of the weights of a {type(model).__name__}, which would "
            f"be random (first: {quoted(missing[0])}); take a checkpoint that was saved from this "
            "kind of model"
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return Checkpoint(model.eval(), processor, tokenizer)


def checkpoint_folder(name_or_path: str | os.PathLike[str], revision: str | None = None) -> Path:
    """Return the folder of a model: a local one, or that of the hub at one commit.

    Parameters
    ----------
    name_or_path : str or path
        A local folder, or a name on a model hub.
    revision : str, optional
        For a name on the hub: the commit's 40 hexadecimal digits.

    Returns
    -------
    pathlib.Path
        The folder. Of the hub, it is in the cache, and downloaded where it is not there yet.

    Raises
    ------
    ValueError
        Where the folder, the name or the revision is wrong, or the network is down.
    """
    name = os.fspath(name_or_path)
    return Path(name) if Path(name).is_dir() else _download(name, revision)


def _short_reason(error: Exception) -> str:
    """Say in one line why transformers refused a checkpoint."""
    reason = one_line(str(error), 300) or type(error).__name__
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

    Raises
    ------
    PairsError
        For anything else: other types of numbers state no white.

    Examples
    --------
    >>> pixels(np.array([[[0, 255]]], np.uint8)).tolist()
    [[[[0.0, 1.0]]]]
    """
    expected = "Expected gray images as an array of shape (n, height, width), uint8"
    try:
        gray = torch.as_tensor(images)
    except (TypeError, ValueError, RuntimeError):
        raise PairsError(
            f"{expected}; got a {type(images).__name__} of something else; for PIL images and "
            "files take a Checkpoint"
        ) from None
    if gray.ndim != 3 or gray.dtype != torch.uint8:
        kind = str(gray.dtype).removeprefix("torch.")
        raise PairsError(f"{expected}; got {kind} of shape {tuple(gray.shape)}")
    return gray.unsqueeze(1).float() / 255


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
        For a checkpoint: a list of PIL images and paths of image files, which are prepared as it
        was trained. For a bare network: gray images of shape (n, height, width), uint8, or a tensor
        of floating-point numbers of shape (n, channels, height, width), which is what the network
        sees.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    numpy.ndarray of shape (n, d)
        Unit rows, float32, after the projection where the model has one.

    Raises
    ------
    PairsError
        For what is no list of images, for no images, and for an image that cannot be read or is of
        a kind that ``gapbook.encoders.rgb.to_rgb`` refuses, which is named; all files are looked at
        before the first is embedded, but a truncated one is met when its turn comes. Also where an
        embedding is not finite.

    Notes
    -----
    A checkpoint sees images as a viewer shows them: turned upright by their EXIF orientation, with
    transparent pixels on white, in RGB of 8 bits. Gray images of 16 bits are scaled to 8, and those
    of floating-point numbers are refused. Of several frames, the first counts.
    """
    if not isinstance(model, Checkpoint):
        seen = images if _is_what_a_network_sees(images) else _gray(images)
        return embed_in_batches(
            model,
            lambda batch: _image_features(model, {"pixel_values": batch}),
            seen,
            "image",
            progress,
        )
    network = model.model

    def encode(batch: Sequence[tuple[int, Any]]) -> torch.Tensor:
        opened = [open_rgb(image, position) for position, image in batch]
        return _image_features(network, model.processor(opened, return_tensors="pt"))

    numbered = list(enumerate(check_images(images)))
    return embed_in_batches(network, encode, numbered, "image", progress)


def _is_what_a_network_sees(images: Any) -> bool:
    return torch.is_tensor(images) and images.ndim == 4 and images.is_floating_point()


def _gray(images: Any) -> torch.Tensor:
    """Return gray images as a network sees them; none have no shape to be checked."""
    if isinstance(images, Sequence) and not len(images):
        return torch.empty(0)
    return pixels(images)


def _image_features(network: Any, inputs: Any) -> torch.Tensor:
    """Return the embeddings (b, d) of what a network sees of images."""
    encode = getattr(network, "get_image_features", network)
    return pooled(network, encode(**as_weights(inputs, network)))


def embed_texts(
    model: Any, texts: Sequence[str] | ArrayLike | torch.Tensor, progress: bool = False
) -> np.ndarray:
    """Embed captions by a model in evaluation mode.

    Parameters
    ----------
    model : Checkpoint or torch.nn.Module
        A checkpoint, or a bare network with a text tower.
    texts : sequence of str, array or torch.Tensor
        For a checkpoint: a list of captions, which its tokenizer cuts at the model's length. For a
        bare network: token ids of shape (n, length).
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    numpy.ndarray of shape (n, d)
        Unit rows, float32.

    Raises
    ------
    PairsError
        For what is no list of captions, for no captions, and for None, NaN, a number, bytes or a
        list in place of a caption, or a blank one, which stands for a missing one; the first is
        named before any is embedded. Also for token ids that the model does not know, and where an
        embedding is not finite.

    Notes
    -----
    A list of two captions is not taken as one text of two sentences: with several captions an
    image, give each a row.
    """
    if not isinstance(model, Checkpoint):
        tokens = _token_ids(texts)
        if len(tokens):
            check_tokens(model, tokens)
        return embed_in_batches(
            model,
            lambda batch: _text_features(model, {"input_ids": batch}),
            tokens,
            "text",
            progress,
        )
    network = model.model

    def encode(batch: Sequence[str]) -> torch.Tensor:
        return _text_features(network, tokenize(model, batch))

    return embed_in_batches(network, encode, check_captions(texts), "text", progress)


def _token_ids(texts: Any) -> torch.Tensor:
    try:
        return torch.as_tensor(texts)
    except (TypeError, ValueError, RuntimeError):
        raise PairsError(
            "Expected token ids, integers of shape (n, length), for a bare network; got a "
            f"{type(texts).__name__} of something else; for captions take a Checkpoint"
        ) from None


def _text_features(network: Any, inputs: Any) -> torch.Tensor:
    """Return the embeddings (b, d) of captions as token ids."""
    return pooled(network, network.get_text_features(**as_weights(inputs, network)))


def pooled(network: Any, output: Any) -> torch.Tensor:
    """Return the one vector an input that a network gives, (b, d).

    Parameters
    ----------
    network : torch.nn.Module
        The network, which a message names.
    output : torch.Tensor or transformers.utils.ModelOutput
        What its ``get_..._features`` returned.

    Returns
    -------
    torch.Tensor of shape (b, d)
        The vectors.

    Raises
    ------
    PairsError
        If there are several vectors an input, or none.
    """
    features = getattr(output, "pooler_output", output)
    name = type(network).__name__
    if not torch.is_tensor(features):
        raise PairsError(f"Expected a model that gives one vector an input; a {name} gives none")
    if features.ndim == 3 and name.startswith("Flava"):
        # FLAVA projects all tokens, and its contrastive loss compares the first ones.
        return features[:, 0]
    if features.ndim != 2 and features[0].numel() != features.shape[1]:
        raise PairsError(
            f"Expected a model that gives one vector an input; a {name} gives each "
            f"{tuple(features.shape[1:])}, perhaps one a token"
        )
    return features.flatten(1)


def as_weights(inputs: Any, network: Any) -> dict[str, torch.Tensor]:
    """Bring tensors to where a network's weights lie, and floating-point ones to their precision.

    Models differ in whether they convert their inputs themselves.

    Parameters
    ----------
    inputs : mapping of str to torch.Tensor
        What a processor or a tokenizer returned.
    network : torch.nn.Module
        The network that takes them.

    Returns
    -------
    dict of str to torch.Tensor
        The inputs there.
    """
    device = _device(network)
    dtype = next((each.dtype for each in network.parameters() if each.is_floating_point()), None)
    placed = {}
    for name, value in inputs.items():
        moved = value.to(device)
        placed[name] = moved.to(dtype) if moved.is_floating_point() else moved
    return placed


def _device(network: Any) -> torch.device:
    """Return where a network's weights lie; models of transformers say so themselves."""
    if hasattr(network, "device"):
        return network.device
    return next((each.device for each in network.parameters()), torch.device("cpu"))


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
    PairsError
        For no inputs, and where an embedding is not finite.
    """
    if not len(inputs):
        raise PairsError(f"Expected at least 1 {side}; got none")
    network.eval()
    step = TENSOR_BATCH if torch.is_tensor(inputs) else CHECKPOINT_BATCH
    starts = range(0, len(inputs), step)
    embeddings = []
    with torch.inference_mode():
        for start in tqdm(starts, desc=f"{side}s", unit="batch", disable=not progress):
            batch = inputs[start : start + step]
            if torch.is_tensor(batch):
                batch = batch.to(_device(network))
            embedded = encode(batch).flatten(1).float().cpu()
            _refuse_not_finite(embedded, start, side)
            embeddings.append(embedded)
    return normalize(torch.cat(embeddings), dim=1).numpy()


def _refuse_not_finite(embedded: torch.Tensor, start: int, side: str) -> None:
    """Raise an error where an embedding is infinite or NaN; ``start`` is the first one's place."""
    bad = (~embedded.isfinite().all(dim=1)).nonzero()
    if len(bad):
        raise PairsError(
            f"Expected finite embeddings; that of {side} {start + int(bad[0])} is not; check its "
            "input, and run a model in float32 whose activations half precision does not hold"
        )
