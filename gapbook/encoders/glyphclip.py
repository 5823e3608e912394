"""GlyphCLIP, the small CLIP of characters and their names: its network and the bundled models."""

from importlib.resources import files
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from gapbook.glyphs import LENGTH, SIZE, vocabulary

if TYPE_CHECKING:
    from transformers import CLIPModel

TEMPERATURES = {
    "glyphclip": 0.01,
    "glyphclip-t10": 0.1,
    "glyphclip-learned": None,
}  # the bundled models; None: learned


class Stem(nn.Sequential):
    """Three 3 x 3 convolutions of stride 2 that replace CLIP's patch embedding: (b, 1, 32, 32) to (b, width, 4, 4)."""

    def __init__(self, width: int) -> None:
        layers: list[nn.Module] = []
        for a, b in ((1, width // 4), (width // 4, width // 2), (width // 2, width)):
            layers += [
                nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(b),
                nn.GELU(),
            ]
        super().__init__(*layers[:-1])

    @property
    def weight(self) -> torch.Tensor:
        """CLIP's embedding layer asks its patch embedding for the type of its weights."""
        weight = self[0].weight
        assert isinstance(weight, torch.Tensor)
        return weight


def build_glyphclip(seed: int, width: int = 80, shared: bool = False) -> "CLIPModel":
    """Build an untrained GlyphCLIP: a CLIP of 3 image layers and 1 text layer, 4 heads, embeddings of 64 dimensions.

    With ``shared`` texts go through the image tower's layers, last normalization and projection; only the embeddings
    of pixels and of words are separate. Weights follow transformers' initialization and depend on ``seed`` alone; the
    caller's random state is untouched.
    """
    from transformers import CLIPConfig, CLIPModel

    tokens = vocabulary()
    tower = {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_attention_heads": 4,
        "projection_dim": 64,
    }
    text = tower | {
        "num_hidden_layers": 1,
        "vocab_size": len(tokens),
        "max_position_embeddings": LENGTH,
        "pad_token_id": tokens["<pad>"],
        "bos_token_id": tokens["<start>"],
        "eos_token_id": tokens[
            "<end>"
        ],  # transformers pools here; at the largest number if this were 2
    }
    vision = tower | {
        "num_hidden_layers": 3,
        "image_size": SIZE,
        "patch_size": 8,
        "num_channels": 1,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=64))
        model.vision_model.embeddings.patch_embedding = Stem(width)
    if shared:
        model.text_model.encoder = model.vision_model.encoder
        model.text_model.final_layer_norm = model.vision_model.post_layernorm
        model.text_projection = model.visual_projection
    return model.eval()


class GlyphTwins(nn.Module):
    """Two image encoders in the shape of a CLIP: what it calls text is another view of an image.

    Their first weights differ, or are the ``same``; either way each is trained by itself.

    >>> twins = GlyphTwins(seed=0)
    >>> twins.get_text_features(torch.zeros(2, 1, 32, 32)).pooler_output.shape
    torch.Size([2, 64])
    """

    def __init__(self, seed: int, same: bool = False) -> None:
        super().__init__()
        self.first, self.second = (
            build_glyphclip(seed),
            build_glyphclip(seed if same else seed + 1_000_000),
        )
        for unused in (self.first, self.second):
            del unused.text_model, unused.text_projection
        self.logit_scale = self.first.logit_scale
        del self.first.logit_scale, self.second.logit_scale
        self.device = torch.device("cpu")

    def get_image_features(self, pixel_values: torch.Tensor) -> Any:
        """Embed images ``(n, 1, 32, 32)`` by the first encoder."""
        return self.first.get_image_features(pixel_values=pixel_values)

    def get_text_features(self, input_ids: torch.Tensor) -> Any:
        """Embed images, ``(n, 1, 32, 32)`` or ``(n, 32, 32)`` uint8, by the second encoder."""
        images = input_ids if input_ids.ndim == 4 else input_ids.unsqueeze(1).float() / 255
        return self.second.get_image_features(pixel_values=images)


def load_glyphclip(name: str = "glyphclip") -> "CLIPModel":
    """Load a bundled model of seed 0: glyphclip (tau 1/100), glyphclip-t10 (1/10), glyphclip-learned, glyphclip-init.

    The untrained one is built from its seed; the others are read from float16 weights. ValueError for another name.
    """
    from safetensors.torch import load

    model = build_glyphclip(seed=0)
    if name == "glyphclip-init":
        return model
    if name not in TEMPERATURES:
        raise ValueError(f"Expected one of glyphclip-init, {', '.join(TEMPERATURES)}; got {name!r}")
    weights = load((files("gapbook.data") / "glyphclip" / f"{name}.safetensors").read_bytes())
    model.load_state_dict(weights)
    return model
