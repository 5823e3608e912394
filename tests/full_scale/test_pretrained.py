"""Pretrained networks from folders: what they compute is what their publishers' code computes."""

from pathlib import Path

import pytest
import torch
from full_scale.stand_ins import resnet_weights
from safetensors.torch import load_file, save_file
from tiny_checkpoints import byte_clip
from torch.nn.functional import adaptive_avg_pool2d, batch_norm, conv2d, max_pool2d

from gapbook.encoders import embed_texts
from gapbook.exceptions import PairsError
from gapbook.full_scale.pretrained import open_clip, open_resnet18

CPU = torch.device("cpu")


def plain_resnet(weights: dict[str, torch.Tensor], images: torch.Tensor) -> torch.Tensor:
    """Compute torchvision's ResNet of basic blocks before its last layer, as it is defined."""

    def normalized(x: torch.Tensor, name: str) -> torch.Tensor:
        parts = ("running_mean", "running_var", "weight", "bias")
        mean, variance, weight, bias = (weights[f"{name}.{part}"] for part in parts)
        return batch_norm(x, mean, variance, weight, bias)

    x = conv2d(images, weights["conv1.weight"], stride=2, padding=3)
    x = max_pool2d(normalized(x, "bn1").relu(), 3, stride=2, padding=1)
    for stage in range(1, 5):
        for block in range(2):
            name = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            out = conv2d(x, weights[f"{name}.conv1.weight"], stride=stride, padding=1)
            out = normalized(out, f"{name}.bn1").relu()
            out = normalized(conv2d(out, weights[f"{name}.conv2.weight"], padding=1), f"{name}.bn2")
            if f"{name}.downsample.0.weight" in weights:
                x = conv2d(x, weights[f"{name}.downsample.0.weight"], stride=stride)
                x = normalized(x, f"{name}.downsample.1")
            x = (out + x).relu()
    return adaptive_avg_pool2d(x, 1).flatten(1)


@pytest.fixture
def saved_resnet(tmp_path: Path) -> Path:
    save_file(resnet_weights((8, 16, 32, 64)), tmp_path / "model.safetensors")
    return tmp_path


def test_resnet_computes_what_torchvision_s_does(saved_resnet: Path) -> None:
    network, digest = open_resnet18(str(saved_resnet), CPU)
    images = torch.randn(3, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = network(images).pooler_output.flatten(1)
    expected = plain_resnet(load_file(saved_resnet / "model.safetensors"), images)
    assert expected.std() > 0.01
    assert torch.allclose(features, expected, rtol=1e-4, atol=1e-5)
    assert len(digest) == 16


def test_resnet18_has_its_number_of_parameters(tmp_path: Path) -> None:
    save_file(resnet_weights((64, 128, 256, 512)), tmp_path / "model.safetensors")
    network, _ = open_resnet18(str(tmp_path / "model.safetensors"), CPU)
    assert sum(weight.numel() for weight in network.parameters()) == 11_176_512


@pytest.mark.parametrize("change", ["left out", "added", "another shape", "no safetensors"])
def test_other_weights_are_one_sentence(saved_resnet: Path, change: str) -> None:
    path = saved_resnet / "model.safetensors"
    weights = load_file(path)
    if change == "left out":
        del weights["layer2.0.bn1.running_var"]
    if change == "added":
        weights["layer2.0.conv3.weight"] = torch.zeros(1)
    if change == "another shape":
        weights["layer2.0.conv2.weight"] = torch.zeros(1, 2, 3, 3)
    save_file(weights, path)
    if change == "no safetensors":
        path.write_bytes(b"no such file")
    with pytest.raises(PairsError, match="Expected the weights of a ResNet-18 in") as error:
        open_resnet18(str(saved_resnet), CPU)
    assert "\n" not in str(error.value)


def test_a_pickled_clip_has_the_same_weights_and_embeds_the_same(tmp_path: Path) -> None:
    source = byte_clip(tmp_path / "clip")
    expected = open_clip(str(source), CPU)
    weights = load_file(source / "model.safetensors")
    # Older checkpoints have it, and it is no weight.
    weights["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    torch.save(weights, source / "pytorch_model.bin")
    (source / "model.safetensors").unlink()
    pickled = open_clip(str(source), CPU)
    assert pickled.weights == expected.weights
    texts = ["A red ellipse.", "A green rectangle."]
    same = embed_texts(pickled.checkpoint, texts) == embed_texts(expected.checkpoint, texts)
    assert same.all()
