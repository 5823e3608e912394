"""Encoders of images and texts: checkpoints, random weights, and the small CLIP of the book."""

from gapbook.encoders.clip import Checkpoint, embed_images, embed_texts, load_clip, pixels
from gapbook.encoders.glyphclip import TEMPERATURES, build_glyphclip, load_glyphclip
from gapbook.encoders.random_init import random_clip, random_resnet18
