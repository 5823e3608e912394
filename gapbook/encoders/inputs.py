"""One gate for captions and one for images, before any of them reaches a model."""

import os
from collections.abc import Sequence
from numbers import Number
from typing import TYPE_CHECKING, Any

import numpy as np

from gapbook.exceptions import PairsError, one_line, quoted
from gapbook.extras import from_extra
from gapbook.files import path_text

if TYPE_CHECKING:
    from PIL import Image


# A strip of one pixel by 60,000 would be enlarged to gigabytes before a model sees its middle.
# Qwen2-VL's image processor has the same bound.
LARGEST_RATIO_OF_SIDES = 200


def check_captions(captions: object) -> list[str]:
    """Return captions as a list, or name the first one that is none.

    Parameters
    ----------
    captions : list, tuple, array or Series of str
        The captions, one each.

    Returns
    -------
    list of str
        The same captions.

    Raises
    ------
    PairsError
        For anything but a list of strings: one string, a table, token ids, None or NaN in place of
        a caption, bytes, or several captions in place of one; and for a caption that is blank,
        since it stands for a missing one.

    Examples
    --------
    >>> check_captions(["a cat", None])
    Traceback (most recent call last):
    gapbook.exceptions.PairsError: Expected captions as text that is not blank; captions[1] is None
    (1 of 2 are no captions); correct them, or leave their pairs out
    """
    items = _as_list(captions, "captions")
    problems = {}
    for position, caption in enumerate(items):
        problem = caption_problem(caption)
        if problem is not None:
            problems[position] = problem
    if problems:
        position, problem = next(iter(problems.items()))
        raise PairsError(
            f"Expected captions as text that is not blank; captions[{position}] {problem} "
            f"({len(problems)} of {len(items)} are no captions); correct them, or leave their "
            "pairs out"
        )
    return [str(caption) for caption in items]


def caption_problem(caption: object) -> str | None:
    r"""Say what is wrong with a caption, as the second half of a sentence; None if nothing is.

    Parameters
    ----------
    caption : object
        What stands in the place of a caption.

    Returns
    -------
    str or None
        Such as "is None".

    Examples
    --------
    >>> caption_problem(["a cat", "one cat"])
    'is a list of 2: give each caption a row of its own, and repeat its image'
    >>> print(caption_problem("\u200b"), caption_problem(7), caption_problem("a cat"))
    is blank is a number, 7 None
    """
    if not isinstance(caption, str):
        return _what_it_is(caption)
    if not any(letter.isprintable() and not letter.isspace() for letter in caption):
        # Characters of no width and control characters show nothing, either.
        return "is blank"
    try:
        caption.encode()
    except UnicodeEncodeError:
        return f"is not Unicode text, {quoted(caption)}: read its file in the right encoding"
    return None


def _what_it_is(caption: object) -> str:
    """Say in words what stands in the place of a caption."""
    if caption is None:
        return "is None"
    if isinstance(caption, bytes):
        return f"is bytes, {quoted(caption)}: decode them"
    if isinstance(caption, float) and np.isnan(caption):
        return "is NaN, a missing value"
    if isinstance(caption, Number):
        return f"is a number, {quoted(caption)}"
    if isinstance(caption, list | tuple):
        return (
            f"is a {type(caption).__name__} of {len(caption)}: give each caption a row of its own, "
            "and repeat its image"
        )
    return f"is {_kind(caption)}"


def check_images(images: object) -> list[Any]:
    """Return images as a list, or name the first one that is none.

    Of a file only the beginning is read, so that a wrong one is named before others are embedded.

    Parameters
    ----------
    images : list, tuple, array or Series of PIL images and paths
        The images, one each.

    Returns
    -------
    list of PIL.Image.Image, str and path
        The same images.

    Raises
    ------
    PairsError
        For anything but a list of PIL images and paths: one image, one path, a generator, arrays of
        pixels; and for an image without pixels or more than 200 times as long as wide, or a path
        of no image file.
    MissingPackageError
        If Pillow is not installed.

    Examples
    --------
    >>> check_images("photos/1.jpg")
    Traceback (most recent call last):
    gapbook.exceptions.PairsError: Expected a list of images, [first, second]; got one string,
    'photos/1.jpg'
    """
    items = _as_list(images, "images")
    with from_extra("models", "Embedding images"):
        import PIL  # noqa: F401
    for position, image in enumerate(items):
        problem = _image_problem(image)
        if problem is not None:
            raise PairsError(
                "Expected images of PIL or paths of image files; "
                f"{image_name(image, position)} {problem}"
            )
    return items


def _image_problem(image: object) -> str | None:
    """Say what is wrong with an image, as the second half of a sentence; None if nothing is."""
    from PIL import Image

    if isinstance(image, str | os.PathLike):
        return _file_problem(image)
    if not isinstance(image, Image.Image):
        return f"is {_kind(image)}{_advice(image)}"
    return _size_problem(image)


def _size_problem(image: "Image.Image") -> str | None:
    """Say what is wrong with the size of an image, as the second half of a sentence."""
    short, long = sorted(image.size)
    if not short:
        return "has no pixels"
    if long > LARGEST_RATIO_OF_SIDES * short:
        return (
            f"is {image.width} x {image.height} pixels, a strip of which a model sees next to "
            f"nothing: cut it, to at most {LARGEST_RATIO_OF_SIDES} times as long as wide"
        )
    return None


def _file_problem(path: str | os.PathLike[str]) -> str | None:
    """Say what is wrong with an image file, as far as its beginning tells."""
    from PIL import Image, UnidentifiedImageError

    # os.path, since Path raises an error for a name that is too long for the disk.
    if not os.path.isfile(path):  # noqa: PTH113
        return "is a folder" if os.path.isdir(path) else "does not exist"  # noqa: PTH112
    try:
        with Image.open(path) as image:
            return _size_problem(image)
    except UnidentifiedImageError:
        return "is no image file that Pillow knows"
    # Pillow has many exceptions for a damaged file.
    except Exception as error:
        return f"cannot be read as an image ({one_line(str(error), 300)})"


def image_name(image: object, position: int) -> str:
    """Return what a message calls an image: its place in the list, and its path if it has one.

    Parameters
    ----------
    image : object
        A PIL image, a path, or what stands in its place.
    position : int
        Its place in the list.

    Returns
    -------
    str
        The subject of a sentence.

    Examples
    --------
    >>> image_name("photos/1.jpg", 3)
    'images[3], photos/1.jpg,'
    """
    if isinstance(image, str | os.PathLike):
        return f"images[{position}], {path_text(image)},"
    file = getattr(image, "filename", "")
    if file:
        return f"images[{position}], of {path_text(file)},"
    return f"images[{position}]"


def _as_list(items: object, what: str) -> list[Any]:
    """Return a sequence as a list, or say what came in its place."""
    if getattr(items, "ndim", None) == 1 and hasattr(items, "tolist"):
        # An array, or a Series or Index of pandas, whose elements may have any type.
        return list(items)  # type: ignore[call-overload]
    if isinstance(items, str | bytes) or not isinstance(items, Sequence):
        raise PairsError(
            f"Expected a list of {what}, [first, second]; got {_kind(items)}{_advice(items)}"
        )
    return list(items)


def _advice(value: object) -> str:
    """Say what to do with pixels; nothing for other things."""
    if len(getattr(value, "shape", ())) < 2 or hasattr(value, "columns"):
        return ""
    return "; make each image one of PIL, by PIL.Image.fromarray"


def _kind(value: object) -> str:
    """Name the kind of what was given, and show it where it is short."""
    if value is None:
        return "None"
    if isinstance(value, bytes):
        return f"bytes, {quoted(value)}"
    if isinstance(value, str):
        return f"one string, {quoted(value)}"
    if isinstance(value, os.PathLike):
        return f"one path, {path_text(value)}"
    shape = getattr(value, "shape", None)
    name = type(value).__name__.replace("ndarray", "array")
    article = "an" if name[:1].lower() in "aeiou" else "a"
    if isinstance(shape, tuple) and shape:
        return f"{article} {name} of shape {tuple(shape)}"
    return f"{article} {name}"
