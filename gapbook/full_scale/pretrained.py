"""Pretrained networks from folders: CLIP, and ResNet-18 as timm keeps it."""

import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from gapbook.encoders import Checkpoint, load_clip
from gapbook.exceptions import PairsError, one_line
from gapbook.extras import from_extra
from gapbook.files import path_text
from gapbook.full_scale.kept import DIGITS, file_digest

if TYPE_CHECKING:
    from transformers import ResNetModel


class Loaded(NamedTuple):
    """A checkpoint on its device, and the digest of its weights."""

    checkpoint: Checkpoint
    weights: str


def open_clip(place: str, device: torch.device) -> Loaded:
    """Load a CLIP from a folder or from the hub.

    Parameters
    ----------
    place : str
        A folder; or a name on the hub with its commit, such as
        "openai/clip-vit-base-patch32@" and 40 hexadecimal digits.
    device : torch.device
        Where the model shall lie.

    Returns
    -------
    Loaded
        The checkpoint in float32, and the first digits of the sha256 of its weights.

    Raises
    ------
    ValueError
        As ``load_clip`` does.
    """
    name, _, revision = place.partition("@")
    checkpoint = load_clip(name, revision or None)
    weights = _weights_of(checkpoint)
    return Loaded(checkpoint._replace(model=checkpoint.model.to(device)), weights)


def _weights_of(checkpoint: Checkpoint) -> str:
    """Return a digest of a model's weights, wherever they were read from."""
    whole = hashlib.sha256()
    for key, value in checkpoint.model.state_dict().items():
        whole.update(key.encode())
        whole.update(value.cpu().numpy().tobytes())
    return whole.hexdigest()[:DIGITS]


def open_resnet18(place: str, device: torch.device) -> tuple["ResNetModel", str]:
    """Load a ResNet of basic blocks from safetensors, as timm/resnet18.tv_in1k keeps it.

    Parameters
    ----------
    place : str
        The file, or the folder that holds it as ``model.safetensors``.
    device : torch.device
        Where the model shall lie.

    Returns
    -------
    transformers.ResNetModel
        The network without its classifier, in evaluation mode: its features are those of
        torchvision's network before the last layer.
    str
        The first digits of the sha256 of the file.

    Raises
    ------
    PairsError
        If there is no such file, or its weights are not those of such a network.

    Notes
    -----
    timm has torchvision's names: ``conv1``, ``bn1``, ``layer1.0.conv1`` ... ``layer4.1.bn2``, with
    ``downsample`` where the size changes, and ``fc``, which is left out. Widths and depths are read
    from the weights.
    """
    with from_extra("models", "A ResNet"):
        from transformers import ResNetModel

    path = Path(place)
    if path.is_dir():
        path = path / "model.safetensors"
    if not path.is_file():
        raise PairsError(
            f"Expected model.safetensors of timm/resnet18.tv_in1k; {path_text(path)} does not exist"
        )
    try:
        tensors = load_file(path)
        network = ResNetModel(_resnet_config(tensors))
        names = {_name_in_transformers(name): value for name, value in tensors.items()}
        names.pop("", None)
        missing = network.load_state_dict(names, strict=False)
    except (SafetensorError, KeyError, RuntimeError, ValueError) as error:
        raise PairsError(
            f"Expected the weights of a ResNet-18 in {path_text(path)}, by torchvision's names; "
            f"they cannot be read so ({one_line(str(error), 200)})"
        ) from None
    # How many batches were seen says nothing in evaluation mode, and some files leave it out.
    lacking = [key for key in missing.missing_keys if not key.endswith("num_batches_tracked")]
    if lacking or missing.unexpected_keys:
        odd = (lacking + missing.unexpected_keys)[0]
        raise PairsError(
            f"Expected the weights of a ResNet-18 in {path_text(path)}, by torchvision's names; "
            f"{odd} does not fit"
        )
    return network.eval().to(device), file_digest([path])[:DIGITS]


def _resnet_config(tensors: dict[str, torch.Tensor]) -> Any:
    """Read widths and depths of a network of basic blocks from its weights."""
    from transformers import ResNetConfig

    stages = range(1, 5)
    widths = [tensors[f"layer{stage}.0.conv1.weight"].shape[0] for stage in stages]
    depths = []
    for stage in stages:
        blocks = {name.split(".")[1] for name in tensors if name.startswith(f"layer{stage}.")}
        depths.append(len(blocks))
    return ResNetConfig(
        embedding_size=tensors["conv1.weight"].shape[0],
        hidden_sizes=widths,
        depths=depths,
        layer_type="basic",
        downsample_in_first_stage=False,
    )


def _name_in_transformers(name: str) -> str:
    """Return what transformers calls a weight of torchvision's ResNet; nothing for the last layer.

    Examples
    --------
    >>> _name_in_transformers("layer2.0.bn2.weight")
    'encoder.stages.1.layers.0.layer.1.normalization.weight'
    """
    kinds = {"conv": "convolution", "bn": "normalization"}
    if name.startswith("fc."):
        return ""
    if stem := re.fullmatch(r"(conv|bn)1\.(\w+)", name):
        return f"embedder.embedder.{kinds[stem[1]]}.{stem[2]}"
    if inner := re.fullmatch(r"layer(\d)\.(\d+)\.(conv|bn)(\d)\.(\w+)", name):
        stage, block, kind, place, rest = inner.groups()
        layer = f"encoder.stages.{int(stage) - 1}.layers.{block}.layer.{int(place) - 1}"
        return f"{layer}.{kinds[kind]}.{rest}"
    if short := re.fullmatch(r"layer(\d)\.(\d+)\.downsample\.([01])\.(\w+)", name):
        stage, block, place, rest = short.groups()
        kind = "convolution" if place == "0" else "normalization"
        return f"encoder.stages.{int(stage) - 1}.layers.{block}.shortcut.{kind}.{rest}"
    raise KeyError(f"no ResNet of basic blocks has {name}")
