"""How one frame of a figure that moves is encoded."""

import io

from matplotlib.figure import Figure
from PIL import Image

from gapbook.interactive.markup import data_uri

# Pixels an inch of each frame, a quarter more than a page's own 96, so that it stays sharp.
DPI = 120

# Colors of a frame: plots have few, and each bit less makes a page of many frames lighter.
COLORS = 48


def png_frame(figure: Figure) -> str:
    """Return a figure as a small PNG, in a data URI.

    Parameters
    ----------
    figure : Figure
        The figure.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=DPI, facecolor="white", format="png")
    return data_uri(Image.open(buffer), COLORS)
