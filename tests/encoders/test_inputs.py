"""What may stand in a list of captions and of images, and how the first wrong item is named."""

import re
from collections import UserList
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import noisy_image
from PIL import Image

from gapbook.encoders.inputs import check_captions, check_images
from gapbook.exceptions import PairsError

CAPTIONS = ["a cat", " two dogs\n", "ein Hündchen, 犬 🐕"]


@pytest.mark.parametrize("kind", [list, tuple, np.array, pd.Series, pd.Index, UserList])
def test_captions_come_as_any_sequence_and_stay_as_they_are(kind: type) -> None:
    captions = check_captions(kind(CAPTIONS))
    assert captions == CAPTIONS
    assert {type(caption) for caption in captions} == {str}


BAD_CAPTIONS = {
    "None": (None, "is None"),
    "NaN": (float("nan"), "is NaN, a missing value"),
    "missing value of pandas": (pd.NA, "is a NAType"),
    "integer": (7, "is a number, 7"),
    "boolean": (True, "is a number, True"),
    "number of NumPy": (np.float32(0.5), "is a number, "),
    "bytes": (b"a cat", "is bytes, b'a cat': decode them"),
    "list of captions": (["a cat", "one cat"], "is a list of 2: give each caption a row of"),
    "pair of captions": (("a cat", "one cat"), "is a tuple of 2: give each caption a row of"),
    "array of captions": (np.array(["a cat", "one cat"]), "is an array of shape (2,)"),
    "dictionary": ({"caption": "a cat"}, "is a dict"),
    "path": (Path("a.txt"), "is one path, a.txt"),
    "nothing": ("", "is blank"),
    "blanks": (" \t\n\N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}", "is blank"),
    "characters without width": ("\N{ZERO WIDTH SPACE}\N{ZERO WIDTH NO-BREAK SPACE}", "is blank"),
    "control characters": ("\x00\x1b", "is blank"),
    "half a character": ("a cat \ud83d", r"is not Unicode text, 'a cat \ud83d': read its file in"),
}


@pytest.mark.parametrize(("caption", "problem"), BAD_CAPTIONS.values(), ids=BAD_CAPTIONS)
def test_what_is_no_caption_is_named_with_its_place(caption: object, problem: str) -> None:
    with pytest.raises(PairsError, match=rf"captions\[1\] {re.escape(problem)}") as error:
        check_captions(["a cat", caption, "a dog", caption])
    assert "(2 of 4 are no captions)" in str(error.value)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 400


def test_what_is_no_caption_is_shown_in_short() -> None:
    with pytest.raises(PairsError) as error:
        check_captions([b"x" * 10**6])
    assert len(str(error.value)) < 400


NO_LISTS = {
    "string": ("a cat", "got one string, 'a cat'"),
    "bytes": (b"a cat", "got bytes, b'a cat'"),
    "None": (None, "got None"),
    "number": (7, "got an int"),
    "generator": ((text for text in CAPTIONS), "got a generator"),
    "set": (set(CAPTIONS), "got a set"),
    "dictionary": ({"a.png": "a cat"}, "got a dict"),
    # Iterated, it would give the names of its columns.
    "table": (pd.DataFrame({"caption": CAPTIONS}), "got a DataFrame of shape (3, 1)"),
    "table of strings": (np.array([CAPTIONS, CAPTIONS]), "got an array of shape (2, 3)"),
    "string in an array": (np.array("a cat"), "got an array"),
    "token ids": (torch.zeros(2, 16), "got a Tensor of shape (2, 16)"),
}


@pytest.mark.parametrize(("captions", "came"), NO_LISTS.values(), ids=NO_LISTS)
def test_what_is_no_list_of_captions_is_named(captions: object, came: str) -> None:
    with pytest.raises(PairsError, match=rf"list of captions, .*; {re.escape(came)}"):
        check_captions(captions)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    noisy_image(0).save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.mark.parametrize("kind", [list, tuple, UserList, pd.Series])
def test_images_come_as_any_sequence_of_images_and_paths(kind: type, path: Path) -> None:
    images = [noisy_image(1), path, str(path)]
    assert check_images(kind(images)) == images
    assert check_images(np.array([str(path)])) == [str(path)]


def test_what_is_no_list_of_images_is_named_and_no_pixels_are_shown(path: Path) -> None:
    pixels = np.zeros((2, 48, 40, 3), np.uint8)
    cases = {
        f"got one path, {path}": path,
        f"got one string, '{path}'": str(path),
        "got an Image": noisy_image(0),
        "got a generator": (image for image in [noisy_image(0)]),
        "got an array of shape (2, 48, 40, 3); make each image one of PIL, by PIL.": pixels,
        "got a Tensor of shape (2, 48, 40, 3); make each image one of PIL": torch.tensor(pixels),
    }
    for came, images in cases.items():
        with pytest.raises(PairsError, match=rf"list of images, .*; {re.escape(came)}") as error:
            check_images(images)
        assert len(str(error.value)) < 200 + len(str(path))


BAD_IMAGES = {
    "None": (None, "images[1] is None"),
    "bytes": (b"a.png", "images[1] is bytes, b'a.png'"),
    "number": (7, "images[1] is an int"),
    "pixels": (
        np.zeros((40, 40, 3), np.uint8),
        "images[1] is an array of shape (40, 40, 3); make each image one of PIL",
    ),
    "list": (["a.png"], "images[1] is a list"),
    "no pixels": (Image.new("RGB", (0, 5)), "images[1] has no pixels"),
    "strip": (Image.new("RGB", (1, 201)), "images[1] is 1 x 201 pixels, a strip of which"),
}


@pytest.mark.parametrize(("image", "problem"), BAD_IMAGES.values(), ids=BAD_IMAGES)
def test_what_is_no_image_is_named_with_its_place(image: object, problem: str) -> None:
    with pytest.raises(PairsError, match=re.escape(problem)) as error:
        check_images([noisy_image(0), image])
    assert "\n" not in str(error.value)


BAD_FILES = {
    "text": (b"no image", "is no image file that Pillow knows"),
    "empty": (b"", "is no image file that Pillow knows"),
    "pointer of Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\n",
        "is no image file that Pillow knows",
    ),
    "missing": (None, "does not exist"),
}


@pytest.mark.parametrize(("content", "problem"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_file_that_is_no_image_is_named(path: Path, content: bytes | None, problem: str) -> None:
    bad = path.with_name("b.jpg")
    if content is not None:
        bad.write_bytes(content)
    named = re.escape(f"images[1], {bad}, {problem}")
    for spelling in (bad, str(bad)):
        with pytest.raises(PairsError, match=named):
            check_images([path, spelling])


def test_a_folder_and_names_that_no_disk_takes_are_named(path: Path) -> None:
    with pytest.raises(PairsError, match=r"images\[0\], .*, is a folder"):
        check_images([path.parent])
    for name in ("x" * 5000, "a\0b"):
        with pytest.raises(PairsError, match="does not exist") as error:
            check_images([name])
        assert len(str(error.value)) < 400
        assert str(error.value).isprintable()


def test_an_image_of_more_pixels_than_pillow_opens_is_named(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(PairsError, match=r"a\.png, cannot be read as an image \(Image size"):
        check_images([path])
