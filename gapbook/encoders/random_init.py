"""Encoders with random weights: CLIP's two, and ResNet-18."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from gapbook.extras import from_extra

with from_extra("models", "An encoder"):
    import torch
    from torch import nn

if TYPE_CHECKING:
    from transformers import CLIPConfig, CLIPModel, ResNetConfig, ResNetModel

# The small CLIP of `random_clip`: both towers are alike.
SMALL_WIDTH = 64
SMALL_TEXT_LAYERS = 3


def random_clip(
    seed: int,
    scheme: Literal["openai", "transformers"] = "openai",
    size: "Literal['ViT-B/32', 'small'] | CLIPConfig" = "ViT-B/32",
) -> "CLIPModel":
    """Build an untrained CLIP.

    Parameters
    ----------
    seed : int
        What draws the weights. They depend on it alone, and the caller's random state is
        untouched.
    scheme : {"openai", "transformers"}
        The weight initialization: as in the original CLIP code, or the library's default.
    size : {"ViT-B/32", "small"} or transformers.CLIPConfig
        151,277,313 parameters and embeddings of 512 dimensions; or 350,273 and 64, for images of
        1 x 32 x 32 and captions of 16 tokens. ViT-B/32 reads text at the largest token id, as
        CLIP's own code does. A configuration, such as that of a checkpoint, gives a network of its
        sizes.

    Returns
    -------
    transformers.CLIPModel
        The model in evaluation mode.

    Raises
    ------
    ValueError
        For another scheme or size.

    Notes
    -----
    The scheme "transformers" makes the image tower's value projections 3.5 times smaller and its
    output projections 1.7 times larger than "openai". Attention then writes half as much of an
    image into the class token, where all images start alike, and the cone of images is narrower.

    Examples
    --------
    >>> sum(p.numel() for p in random_clip(0, size="small").parameters())
    350273
    """
    with from_extra("models", "A CLIP"):
        from transformers import CLIPModel

    if scheme not in ("openai", "transformers"):
        raise ValueError(f"Expected scheme 'openai' or 'transformers'; got {scheme!r}")
    config = _clip_config(size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = CLIPModel(config)
        if scheme == "openai":
            _draw_openai_weights(model)
    return model.eval()


def _clip_config(size: "str | CLIPConfig") -> "CLIPConfig":
    from transformers import CLIPConfig

    if isinstance(size, CLIPConfig):
        return size
    if size == "small":
        from gapbook.encoders.glyphclip import glyph_config

        return glyph_config(SMALL_WIDTH, SMALL_TEXT_LAYERS)
    if size != "ViT-B/32":
        raise ValueError(f"Expected size 'ViT-B/32' or 'small'; got {size!r}")
    # An end token of 2 makes transformers read text at the largest id.
    return CLIPConfig(text_config={"eos_token_id": 2})


def _draw_openai_weights(model: "CLIPModel") -> None:
    """Fill both towers as the code that CLIP was published with.

    Text has a scheme of its own; most of the image tower has PyTorch's. Source:
    ``initialize_parameters`` and ``VisionTransformer`` of openai/CLIP, clip/model.py.
    """
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            module.reset_parameters()
    text = model.text_model
    vision = model.vision_model
    _draw_attention((*text.encoder.layers, *vision.encoder.layers))
    _draw_text_tower(text)
    width = text.config.hidden_size
    nn.init.normal_(model.text_projection.weight, std=width**-0.5)
    scale = vision.config.hidden_size**-0.5
    nn.init.normal_(vision.embeddings.class_embedding, std=scale)
    nn.init.normal_(vision.embeddings.position_embedding.weight, std=scale)
    nn.init.normal_(model.visual_projection.weight, std=scale)


def _draw_attention(layers: Iterable[Any]) -> None:
    """Fill attention as PyTorch's own layer does, which holds queries, keys and values in one."""
    for layer in layers:
        attention = layer.self_attn
        inputs = (attention.q_proj, attention.k_proj, attention.v_proj)
        # Xavier's bound of the one matrix (3 width, width).
        bound = (6 / (4 * attention.embed_dim)) ** 0.5
        for part in inputs:
            nn.init.uniform_(part.weight, -bound, bound)
        for part in (*inputs, attention.out_proj):
            nn.init.zeros_(part.bias)


def _draw_text_tower(text: Any) -> None:
    """Fill the text tower by the scheme that CLIP's code has for it."""
    width = text.config.hidden_size
    depth = text.config.num_hidden_layers
    for layer in text.encoder.layers:
        attention = layer.self_attn
        for part in (attention.q_proj, attention.k_proj, attention.v_proj):
            nn.init.normal_(part.weight, std=width**-0.5)
        nn.init.normal_(layer.mlp.fc1.weight, std=(2 * width) ** -0.5)
        for part in (attention.out_proj, layer.mlp.fc2):
            nn.init.normal_(part.weight, std=(width * 2 * depth) ** -0.5)
    nn.init.normal_(text.embeddings.token_embedding.weight, std=0.02)
    nn.init.normal_(text.embeddings.position_embedding.weight, std=0.01)


def random_resnet18(
    seed: int, size: "Literal['ResNet-18', 'small'] | ResNetConfig" = "ResNet-18"
) -> "ResNetModel":
    """Build an untrained ResNet-18.

    Parameters
    ----------
    seed : int
        What draws the weights. They depend on it alone.
    size : {"ResNet-18", "small"} or transformers.ResNetConfig
        11,176,512 parameters and features of 512 dimensions, for images of 3 channels; or an
        eighth as wide, 64 dimensions, for images of 1 x 32 x 32; or what a configuration says.

    Returns
    -------
    transformers.ResNetModel
        The model in evaluation mode.

    Raises
    ------
    ValueError
        For another size.

    Notes
    -----
    Convolutions are normal with variance 2 / (k k channels_out), as in torchvision and in
    transformers alike. Features average the output of a ReLU: none is negative, and so no cosine
    of two of them.
    """
    with from_extra("models", "A ResNet"):
        from transformers import ResNetConfig

    if isinstance(size, ResNetConfig):
        return _draw_resnet(seed, size)
    if size not in ("ResNet-18", "small"):
        raise ValueError(f"Expected size 'ResNet-18' or 'small'; got {size!r}")
    width = 64 if size == "ResNet-18" else 8
    config = ResNetConfig(
        num_channels=3 if size == "ResNet-18" else 1,
        embedding_size=width,
        hidden_sizes=[width, 2 * width, 4 * width, 8 * width],
        depths=[2, 2, 2, 2],
        layer_type="basic",
    )
    return _draw_resnet(seed, config)


def _draw_resnet(seed: int, config: "ResNetConfig") -> "ResNetModel":
    """Build a ResNet whose weights depend on the seed alone."""
    from transformers import ResNetModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return ResNetModel(config).eval()
