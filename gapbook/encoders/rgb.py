"""Images of any kind as a viewer shows them: upright, on white, in 8-bit RGB."""

from typing import TYPE_CHECKING

import numpy as np

from gapbook.encoders.inputs import image_name
from gapbook.exceptions import PairsError, one_line

if TYPE_CHECKING:
    import os

    from PIL import Image

# An image of 12 bits has no larger value, and one of 8 bits none above 255.
LARGEST_OF_12_BITS = 2**12 - 1
LARGEST_OF_16_BITS = 2**16 - 1


def open_rgb(image: "Image.Image | str | os.PathLike[str]", position: int) -> "Image.Image":
    """Return an image, or the image in a file, upright and in 8-bit RGB.

    Parameters
    ----------
    image : PIL.Image.Image or path
        The image.
    position : int
        Its place in the list of images, for messages.

    Returns
    -------
    PIL.Image.Image
        As ``to_rgb`` makes it.

    Raises
    ------
    PairsError
        If the image is truncated or damaged, or ``to_rgb`` refuses it. The message names it.
    """
    from PIL import Image

    try:
        if isinstance(image, Image.Image):
            return to_rgb(image)
        with Image.open(image) as file:
            return to_rgb(file)
    # Pillow has many exceptions for a damaged file.
    except Exception as error:
        raise PairsError(
            f"{image_name(image, position)} cannot be embedded: {one_line(str(error), 400)}"
        ) from None


def to_rgb(image: "Image.Image") -> "Image.Image":
    """Turn an image upright and convert it to 8-bit RGB.

    Parameters
    ----------
    image : PIL.Image.Image
        An image of any mode. Of several frames or pages, the first is taken.

    Returns
    -------
    PIL.Image.Image
        Of mode RGB. An RGB image without a note on its orientation is unchanged.

    Raises
    ------
    ValueError
        For floating-point pixels, whose white nobody states, and for gray values of more than
        8 bits that are negative, above 65,535, or all below 4,096: these may be 8 or 12 bits in a
        wider type, and would be almost black.

    Notes
    -----
    EXIF's orientation is applied, as every viewer does. Transparent pixels are laid on white, as a
    page shows them; dropping the transparency would show colors that nobody sees, most often black.
    Gray values of 16 bits keep their upper 8 bits, and Pillow does the same to 16-bit colors. CMYK
    is converted without a color profile.
    """
    from PIL import Image, ImageOps

    upright = ImageOps.exif_transpose(image)
    if upright.mode == "F":
        raise ValueError(
            "its pixels are floating-point numbers, and where white lies is not stated; scale them "
            "to 0 to 255 and save them in 8 bits"
        )
    if upright.mode.startswith("I"):
        upright = _upper_8_bits(upright)
    if "transparency" in upright.info or upright.getbands()[-1] in ("A", "a"):
        colors = upright.convert("RGBA")
        white = Image.new("RGBA", colors.size, "white")
        upright = Image.alpha_composite(white, colors)
    return upright.convert("RGB")


def _upper_8_bits(image: "Image.Image") -> "Image.Image":
    """Return the upper 8 bits of gray values of 16 bits, which may stand in 32."""
    from PIL import Image

    values = np.asarray(image)
    low = int(values.min())
    high = int(values.max())
    if low < 0 or high > LARGEST_OF_16_BITS or 0 < high <= LARGEST_OF_12_BITS:
        raise ValueError(
            f"expected gray values of 16 bits, 0 to 65535 and some above {LARGEST_OF_12_BITS}; "
            f"these go from {low} to {high}; scale them to 0 to 255 and save them in 8 bits"
        )
    return Image.fromarray((values >> 8).astype(np.uint8))
