"""GlyphCLIP, the small CLIP of characters and their names: its networks and the bundled models.

This module loads transformers, which takes seconds; ``gapbook.encoders`` loads it on first use.
"""

from itertools import pairwise
from typing import Literal

from gapbook.extras import from_extra
from gapbook.files import data_path
from gapbook.glyphs import LENGTH, SIZE, vocabulary

with from_extra("models", "GlyphCLIP"):
    import torch
    from safetensors.torch import load
    from torch import nn
    from transformers import CLIPConfig, CLIPModel

# The width of both towers.
WIDTH = 80

# Dimensions of the embeddings.
EMBEDDING_DIM = 64

# Transformer layers; names are short, so one reads them as well as three.
IMAGE_LAYERS = 3
TEXT_LAYERS = 1

# Pixels a side of the patches: 4 x 4 of them.
PATCH_SIZE = 8

# The second of two image encoders has another seed, far from all that a run is given.
SECOND_SEED_OFFSET = 1_000_000


def glyph_config(width: int, text_layers: int, dim: int = EMBEDDING_DIM) -> CLIPConfig:
    """Describe a small CLIP of 32 x 32 images of one channel and captions of 16 tokens.

    Parameters
    ----------
    width : int
        The width of both towers, a multiple of its 4 heads.
    text_layers : int
        Transformer layers of the text tower; the image tower has 3.
    dim : int
        Dimensions of the embeddings.

    Returns
    -------
    transformers.CLIPConfig
        Text is read at the end token.
    """
    tokens = vocabulary()
    tower = {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_attention_heads": 4,
        "projection_dim": dim,
    }
    text = {
        "num_hidden_layers": text_layers,
        "vocab_size": len(tokens),
        "max_position_embeddings": LENGTH,
        "pad_token_id": tokens["<pad>"],
        "bos_token_id": tokens["<start>"],
        # transformers pools here; if this were 2, it would pool at the largest number.
        "eos_token_id": tokens["<end>"],
    }
    vision = {
        "num_hidden_layers": IMAGE_LAYERS,
        "image_size": SIZE,
        "patch_size": PATCH_SIZE,
        "num_channels": 1,
    }
    return CLIPConfig(text_config=tower | text, vision_config=tower | vision, projection_dim=dim)


class Stem(nn.Sequential):
    """Three 3 x 3 convolutions of stride 2 that replace CLIP's patch embedding.

    They take (b, 1, 32, 32) to (b, width, 4, 4).
    """

    def __init__(self, width: int) -> None:
        layers: list[nn.Module] = []
        channels = (1, width // 4, width // 2, width)
        for before, after in pairwise(channels):
            layers += [
                nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.GELU(),
            ]
        super().__init__(*layers[:-1])

    @property
    def weight(self) -> torch.Tensor:
        """CLIP's embedding layer asks its patch embedding for the type of its weights."""
        weight = self[0].weight
        assert isinstance(weight, torch.Tensor)
        return weight


class GlyphCLIP(CLIPModel):
    """The small CLIP: transformers' own, whose two encoders have the names that training uses."""

    second_sees: Literal["captions", "images"] = "captions"

    def encode_first(self, images: torch.Tensor) -> torch.Tensor:
        """Embed images.

        Parameters
        ----------
        images : torch.Tensor of shape (n, 1, 32, 32)
            Images, 0 for paper and 1 for ink.

        Returns
        -------
        torch.Tensor of shape (n, 64)
            Embeddings of any length.
        """
        return self.get_image_features(pixel_values=images).pooler_output

    def encode_second(self, tokens: torch.Tensor) -> torch.Tensor:
        """Embed captions.

        Parameters
        ----------
        tokens : torch.Tensor of shape (n, 16)
            Token ids, as ``caption_tokens`` gives them.

        Returns
        -------
        torch.Tensor of shape (n, 64)
            Embeddings of any length.
        """
        return self.get_text_features(input_ids=tokens).pooler_output


def build_glyphclip(
    seed: int,
    shared: bool = False,
    text_layers: int = TEXT_LAYERS,
    dim: int = EMBEDDING_DIM,
    first_bias: float | None = None,
) -> GlyphCLIP:
    """Build an untrained GlyphCLIP, by default of 3 image layers, 1 text layer and 64 dimensions.

    Parameters
    ----------
    seed : int
        What draws the weights, by transformers' initialization. They depend on it alone, and the
        caller's random state is untouched.
    shared : bool
        Whether texts go through the image tower's layers, last normalization and projection, so
        that only the embeddings of pixels and of words are separate.
    text_layers : int
        Transformer layers of the text tower, where it is not shared.
    dim : int
        Dimensions of the embeddings, 64 in the bundled models.
    first_bias : float, optional
        Where a bias of the logits starts, as the sigmoid loss needs one. By default there is none.

    Returns
    -------
    GlyphCLIP
        A ``transformers.CLIPModel`` in evaluation mode.
    """
    config = glyph_config(WIDTH, text_layers, dim)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = GlyphCLIP(config)
        model.vision_model.embeddings.patch_embedding = Stem(WIDTH)
    if shared:
        model.text_model.encoder = model.vision_model.encoder
        model.text_model.final_layer_norm = model.vision_model.post_layernorm
        model.text_projection = model.visual_projection
    if first_bias is not None:
        model.logit_bias = nn.Parameter(torch.tensor(first_bias))
    return model.eval()


class GlyphTwins(nn.Module):
    """Two image encoders, each that of a GlyphCLIP: partners are two views of one character.

    Parameters
    ----------
    seed : int
        What draws the weights.
    same : bool
        Whether both encoders begin with the same weights. Either way each is trained by itself.

    Examples
    --------
    >>> twins = GlyphTwins(seed=0)
    >>> twins.encode_second(torch.zeros(2, 1, 32, 32)).shape
    torch.Size([2, 64])
    """

    second_sees: Literal["captions", "images"] = "images"

    def __init__(self, seed: int, same: bool = False) -> None:
        super().__init__()
        self.first = build_glyphclip(seed)
        self.second = build_glyphclip(seed if same else seed + SECOND_SEED_OFFSET)
        for encoder in (self.first, self.second):
            del encoder.text_model, encoder.text_projection
        self.logit_scale = self.first.logit_scale
        del self.first.logit_scale, self.second.logit_scale

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.logit_scale.device

    def encode_first(self, images: torch.Tensor) -> torch.Tensor:
        """Embed images by the first encoder.

        Parameters
        ----------
        images : torch.Tensor of shape (n, 1, 32, 32)
            Images, 0 for paper and 1 for ink.

        Returns
        -------
        torch.Tensor of shape (n, 64)
            Embeddings of any length.
        """
        return self.first.encode_first(images)

    def encode_second(self, images: torch.Tensor) -> torch.Tensor:
        """Embed images by the second encoder.

        Parameters
        ----------
        images : torch.Tensor of shape (n, 1, 32, 32)
            Images, 0 for paper and 1 for ink.

        Returns
        -------
        torch.Tensor of shape (n, 64)
            Embeddings of any length.
        """
        return self.second.encode_first(images)


def load_glyphclip(name: str = "glyphclip") -> GlyphCLIP:
    """Load a bundled model of seed 0.

    Parameters
    ----------
    name : str
        "glyphclip" (trained at temperature 1/100), "glyphclip-t10" (1/10), "glyphclip-learned"
        (learned) or "glyphclip-init" (untrained).

    Returns
    -------
    GlyphCLIP
        The model in evaluation mode. The untrained one is built from its seed, the others are
        read from float16 weights.

    Raises
    ------
    ValueError
        For another name.
    """
    model = build_glyphclip(seed=0)
    if name == "glyphclip-init":
        return model
    trained = sorted(path.stem for path in data_path("glyphclip").glob("glyphclip*.safetensors"))
    if name not in trained:
        raise ValueError(f"Expected one of glyphclip-init, {', '.join(trained)}; got {name!r}")
    model.load_state_dict(load(data_path(f"glyphclip/{name}.safetensors").read_bytes()))
    return model
