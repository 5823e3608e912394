"""What all interactive figures share: how markup is shown, and how files come into it."""

from base64 import b64encode
from dataclasses import dataclass
from importlib.resources import files

from PIL import Image

from gapbook.plots.style import palette_png


@dataclass(frozen=True, repr=False)
class Interactive:
    """A figure that notebooks show as its markup, which needs no kernel and no other file.

    Attributes
    ----------
    markup : str
        The HTML, with style, script and images inside.
    summary : str
        What a console shows in its place.
    """

    markup: str
    summary: str

    def _repr_html_(self) -> str | None:
        return self.markup

    def __repr__(self) -> str:
        return f"<{self.summary}>"


def asset(name: str) -> str:
    """Return a script or style sheet of this package as the element that embeds it.

    Comments on lines of their own and indentation stay behind.

    Parameters
    ----------
    name : str
        The file in ``gapbook/interactive``, such as ``"sliders.js"``.
    """
    tag = "script" if name.endswith(".js") else "style"
    content = (files("gapbook.interactive") / name).read_text(encoding="utf-8")
    lines = [line.strip() for line in content.splitlines()]
    kept = "\n".join(line for line in lines if not line.startswith("//"))
    return f"<{tag}>{kept}</{tag}>"


def data_uri(image: Image.Image, colors: int) -> str:
    """Return an image as a PNG data URI with a palette, which suits plots and glyphs.

    Parameters
    ----------
    image : Pillow image
        The image.
    colors : int
        The number of colors in the palette, at most 256.
    """
    return f"data:image/png;base64,{b64encode(palette_png(image, colors)).decode()}"
