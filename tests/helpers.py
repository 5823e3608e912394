"""What several tests need: stand-ins for models, and what a figure shows."""

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

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


def axis_labels(ax: Axes) -> tuple[str, str]:
    """Return the labels of the horizontal and of the vertical axis."""
    return ax.get_xlabel(), ax.get_ylabel()


def legend_texts(owner: Axes | Figure) -> list[str]:
    """Return what the legend of axes, or the first one of a figure, says."""
    legend = owner.legends[0] if isinstance(owner, Figure) else owner.get_legend()
    return [text.get_text() for text in legend.get_texts()]


def line_points(line: Line2D) -> list[tuple[float, float]]:
    """Return the points of a line, rounded."""
    return [(round(float(x), 6), round(float(y), 6)) for x, y in line.get_xydata()]


def same_color(a: object, b: object) -> bool:
    """Say whether two colors are equal, whatever the form they are written in."""
    return bool(np.allclose(to_rgb(a), to_rgb(b)))
