"""What several test files draw their inputs from."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from gapbook.glyphs import Glyphs, load_glyphs


def unit(rows: np.ndarray) -> np.ndarray:
    """Bring rows to unit length in their own type."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def sample_pairs(
    n: int, d: int, seed: int = 0, shift: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Draw pairs that share half of their variance, x moved by ``shift`` and y by -``shift``."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, d))
    x = shared + rng.normal(size=(n, d)) + shift
    y = shared + rng.normal(size=(n, d)) - shift
    return unit(x).astype(np.float32), unit(y).astype(np.float32)


def plain_shift(
    x: np.ndarray, y: np.ndarray, delta: float, sides: str = "both"
) -> tuple[np.ndarray, np.ndarray]:
    """Shift pairs along their gap in float64, as the definition says."""
    share_x, share_y = {"both": (0.5, 0.5), "images": (1, 0), "texts": (0, 1)}[sides]
    x = x.astype(np.float64)
    y = y.astype(np.float64)
    g = x.mean(0) - y.mean(0)
    g /= np.linalg.norm(g)
    return unit(x - share_x * delta * g), unit(y + share_y * delta * g)


def few_glyphs(n: int = 200) -> Glyphs:
    """Take the first characters of the validation part."""
    glyphs = load_glyphs().part("validation")
    return Glyphs(glyphs.images[:n], glyphs.names[:n], glyphs.codepoints[:n], glyphs.split[:n])


def noisy_image(seed: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """Draw a color image of noise, rows by columns."""
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, size=(*size, 3), dtype=np.uint8))


def save_tiny_clip(folder: Path) -> None:
    """Save a tiny CLIP with its processor and tokenizer as a checkpoint of transformers is."""
    from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    letters = "abcdefghijklmnopqrstuvwxyz"
    ends = ["<|startoftext|>", "<|endoftext|>"]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters), *ends]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    CLIPTokenizer(vocab=vocabulary, merges=[]).save_pretrained(folder)
    CLIPImageProcessorPil(
        size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}
    ).save_pretrained(folder)
    tower = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    text = tower | {
        "vocab_size": len(vocabulary),
        "max_position_embeddings": 12,
        "bos_token_id": vocabulary[ends[0]],
        "eos_token_id": vocabulary[ends[1]],
        "pad_token_id": vocabulary[ends[1]],
    }
    vision = tower | {"image_size": 32, "patch_size": 16}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        CLIPModel(config).save_pretrained(folder)
