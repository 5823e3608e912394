"""What several tests need: stand-ins for models."""

import numpy as np
import torch

from gapbook.encoders import Checkpoint, pixels, random_clip
from gapbook.glyphs import caption_tokens


def small_checkpoint() -> Checkpoint:
    """Wrap an untrained small CLIP, with a preparation and a tokenizer of its own."""

    def prepare(batch, return_tensors):
        images = [image.convert("L").resize((32, 32)) for image in batch]
        return {"pixel_values": pixels(np.stack([np.asarray(image) for image in images]))}

    def tokenize(texts, **_):
        return {"input_ids": torch.as_tensor(caption_tokens(texts))}

    return Checkpoint(random_clip(0, size="small"), prepare, tokenize)
