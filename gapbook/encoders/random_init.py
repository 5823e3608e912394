"""Encoders with random weights: CLIP's two, and ResNet-18."""

from typing import TYPE_CHECKING

import torch
from torch import nn

from gapbook.glyphs import LENGTH, SIZE, vocabulary

if TYPE_CHECKING:
    from transformers import CLIPConfig, CLIPModel, ResNetModel


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
    tower = {
        "hidden_size": 64,
        "intermediate_size": 256,
        "num_attention_heads": 4,
        "projection_dim": 64,
    }
    ends = {
        f"{end}_token_id": tokens[f"<{word}>"]
        for end, word in (("pad", "pad"), ("bos", "start"), ("eos", "end"))
    }
    text = {"num_hidden_layers": 3, "vocab_size": len(tokens), "max_position_embeddings": LENGTH}
    vision = {"num_hidden_layers": 3, "image_size": SIZE, "patch_size": 8, "num_channels": 1}
    return CLIPConfig(
        text_config=tower | text | ends, vision_config=tower | vision, projection_dim=64
    )


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
            bound = (
                6 / (4 * attention.embed_dim)
            ) ** 0.5  # Xavier of the three in one (3 width, width) matrix
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
