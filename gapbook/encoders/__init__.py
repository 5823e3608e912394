"""Encoders of images and texts: checkpoints, random weights, and the small CLIP of the book.

The names below load on first use, so that whoever only embeds by a checkpoint does not wait for
the networks of this book.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gapbook.encoders.clip import Checkpoint, embed_images, embed_texts, load_clip, pixels
    from gapbook.encoders.glyphclip import GlyphTwins, build_glyphclip, load_glyphclip
    from gapbook.encoders.modalities import ModalityEncoders
    from gapbook.encoders.random_init import random_clip, random_resnet18

_HOME = {
    "Checkpoint": "clip",
    "embed_images": "clip",
    "embed_texts": "clip",
    "load_clip": "clip",
    "pixels": "clip",
    "GlyphTwins": "glyphclip",
    "build_glyphclip": "glyphclip",
    "load_glyphclip": "glyphclip",
    "ModalityEncoders": "modalities",
    "random_clip": "random_init",
    "random_resnet18": "random_init",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'gapbook.encoders' has no attribute {name!r}")
    return getattr(import_module(f"gapbook.encoders.{_HOME[name]}"), name)
