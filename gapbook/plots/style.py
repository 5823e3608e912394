"""What all figures share: colors, style, and how a figure comes onto a page."""

import io
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

FIRST, SECOND, LINE = (
    "#0072B2",
    "#D55E00",
    "#999999",
)  # Okabe and Ito's blue, vermilion; a grey for pair lines
GROUPS = ("#009E73", "#CC79A7", "#56B4E9")  # of models, not of modalities: green, purple, sky
STYLE: Any = {
    "figure.facecolor": "white",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "font.size": 10,
    "legend.frameon": False,
    "figure.constrained_layout.use": True,
}


def palette_png(image: Any, colors: int = 256) -> bytes:
    """Encode a Pillow image as PNG with a palette: a third of the size, with no color off by more than a shade."""
    from PIL import Image

    buffer, method = io.BytesIO(), Image.Quantize.MAXCOVERAGE  # rare colors keep theirs
    image.convert("RGB").quantize(colors, method, dither=Image.Dither.NONE).save(
        buffer, "png", optimize=True
    )
    return buffer.getvalue()


def show(fig: Figure, alt: str) -> None:
    """Display a figure once, with an alternative text that states its finding for those who do not see it."""
    from IPython.display import display
    from PIL import Image

    drawn = io.BytesIO()
    fig.savefig(drawn, format="png", dpi=130)
    plt.close(fig)
    display(
        {"image/png": palette_png(Image.open(drawn))},
        metadata={"image/png": {"alt": alt}},
        raw=True,
    )
