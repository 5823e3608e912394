"""Images of every mode, depth and orientation as 8-bit RGB."""

from pathlib import Path

import numpy as np
import pytest
from helpers import noisy_image
from PIL import Image, ImageOps

from gapbook.encoders.rgb import to_rgb

ORIENTATION = 0x0112
BLACK = [0, 0, 0]
WHITE = [255, 255, 255]
RED = [255, 0, 0]


def smooth_image() -> Image.Image:
    """Return colors that change slowly, which lossy files keep."""
    rows = np.linspace(0, 255, 48)[:, None]
    columns = np.linspace(255, 0, 40)[None, :]
    planes = [rows + 0 * columns, 0 * rows + columns, (rows + columns) / 2]
    return Image.fromarray(np.stack(planes, axis=2).astype(np.uint8))


def test_an_rgb_image_is_unchanged() -> None:
    image = noisy_image(0)
    rgb = to_rgb(image)
    assert rgb.mode == "RGB"
    assert (np.asarray(rgb) == np.asarray(image)).all()


@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_gray_images_and_palettes_have_the_colors_that_they_show(mode: str) -> None:
    image = smooth_image().convert(mode)
    assert (np.asarray(to_rgb(image)) == np.asarray(image.convert("RGB"))).all()


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "HSV"])
def test_other_color_spaces_come_near(mode: str) -> None:
    image = smooth_image()
    rgb = np.asarray(to_rgb(image.convert(mode))).astype(int)
    assert np.abs(rgb - np.asarray(image)).max() <= 8


def test_a_jpeg_of_inks_is_not_inverted(tmp_path: Path) -> None:
    image = smooth_image()
    image.convert("CMYK").save(tmp_path / "inks.jpg", quality=95)
    rgb = np.asarray(to_rgb(Image.open(tmp_path / "inks.jpg"))).astype(int)
    assert np.abs(rgb - np.asarray(image)).mean() < 5


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_upright(orientation: int, tmp_path: Path) -> None:
    image = noisy_image(0)
    # What a camera writes is the scene, turned back by what EXIF says.
    turned_back = {5: 5, 6: 8, 7: 7, 8: 6}.get(orientation, orientation)
    image.getexif()[ORIENTATION] = turned_back
    lying = ImageOps.exif_transpose(image)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    lying.save(tmp_path / "lying.png", exif=exif)
    image.getexif()[ORIENTATION] = 1
    rgb = to_rgb(Image.open(tmp_path / "lying.png"))
    assert (np.asarray(rgb) == np.asarray(image)).all()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
@pytest.mark.parametrize("exif", [b"Exif\0\0garbage", b"Exif\0\0MM\0*\0\0\0\x08\xff\xff"])
def test_notes_of_a_camera_that_cannot_be_read_are_ignored(exif: bytes, tmp_path: Path) -> None:
    smooth_image().save(tmp_path / "odd.jpg", exif=exif)
    assert to_rgb(Image.open(tmp_path / "odd.jpg")).size == smooth_image().size


# A red pixel beside one that is transparent, and black beneath.
SEE_THROUGH = {
    "RGBA": Image.fromarray(np.array([[[*RED, 255], [*BLACK, 0]]], np.uint8)),
    "LA": Image.fromarray(np.array([[[0, 255], [0, 0]]], np.uint8), "LA"),
}


def test_transparent_pixels_are_white_and_not_what_lies_beneath(tmp_path: Path) -> None:
    assert np.asarray(to_rgb(SEE_THROUGH["RGBA"])).tolist() == [[RED, WHITE]]
    assert np.asarray(to_rgb(SEE_THROUGH["LA"])).tolist() == [[BLACK, WHITE]]
    half = Image.new("RGBA", (1, 1), (0, 0, 0, 127))
    assert np.asarray(to_rgb(half)).tolist() == [[[128, 128, 128]]]
    palette = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    palette.putpalette([*RED, *BLACK])
    palette.save(tmp_path / "palette.png", transparency=1)
    assert np.asarray(to_rgb(Image.open(tmp_path / "palette.png"))).tolist() == [[RED, WHITE]]
    key = Image.fromarray(np.array([[RED, BLACK]], np.uint8))
    key.save(tmp_path / "key.png", transparency=tuple(BLACK))
    assert np.asarray(to_rgb(Image.open(tmp_path / "key.png"))).tolist() == [[RED, WHITE]]


@pytest.mark.parametrize(
    ("dtype", "suffix"), [("<u2", "png"), ("<u2", "tif"), (">u2", "tif"), ("<i4", "tif")]
)
def test_gray_values_of_16_bits_keep_their_upper_8(dtype: str, suffix: str, tmp_path: Path) -> None:
    values = np.array([[0, 255, 256, 40_000], [257 * 100, 65_535, 1, 4_095]])
    Image.fromarray(values.astype(dtype)).save(tmp_path / f"deep.{suffix}")
    rgb = np.asarray(to_rgb(Image.open(tmp_path / f"deep.{suffix}")))
    assert rgb[..., 0].tolist() == [[0, 0, 1, 156], [100, 255, 0, 15]]
    assert (rgb == rgb[..., :1]).all()


def test_black_of_16_bits_is_black() -> None:
    assert not np.asarray(to_rgb(Image.new("I;16", (4, 4)))).any()


BAD_GRAY = {
    "8 bits in 16": (np.array([[0, 255]], np.uint16), "from 0 to 255; scale them"),
    "12 bits in 16": (np.array([[0, 4095]], np.uint16), "from 0 to 4095; scale them"),
    "32 bits": (np.array([[0, 2**30]], np.int32), f"from 0 to {2**30}; scale them"),
    "negative": (np.array([[-5, 60_000]], np.int32), "from -5 to 60000; scale them"),
    "floats": (np.array([[0, 1]], np.float32), "floating-point numbers, and where white lies"),
    "NaN": (np.array([[0, np.nan]], np.float32), "floating-point numbers, and where white lies"),
}


@pytest.mark.parametrize(("values", "message"), BAD_GRAY.values(), ids=BAD_GRAY)
def test_gray_values_that_state_no_white_are_refused(values: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        to_rgb(Image.fromarray(values))


def test_the_first_of_several_frames_counts(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    rgb = to_rgb(Image.open(tmp_path / "moving.gif"))
    assert rgb.getpixel((0, 0)) == tuple(RED)
