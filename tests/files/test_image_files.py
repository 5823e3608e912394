"""Which files of a folder are images, and which names lead out of it."""

import re
from pathlib import Path

import pytest

from gapbook.exceptions import PairsError, quoted
from gapbook.files.image_files import list_images, require_images


def test_images_are_listed_whatever_the_case_of_their_endings(tmp_path: Path) -> None:
    images = ["a.jpg", "b.JPG", "c.Jpeg", "d.PNG", "e.tiff", "f.webp"]
    for name in [*images, ".hidden.jpg", "._a.jpg", "notes.txt", "jpg"]:
        (tmp_path / name).touch()
    assert [path.name for path in list_images(tmp_path)] == images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an image and a link to one that lies outside."""
    folder = tmp_path / "images"
    folder.mkdir()
    (folder / "a.png").touch()
    (tmp_path / "secret.png").touch()
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    return folder


def test_names_that_stay_in_the_folder_pass(folder: Path) -> None:
    (folder.parent / "elsewhere").symlink_to(folder)
    require_images(["a.png", "./a.png", "../images/a.png"], folder, Path("list.csv"))
    elsewhere = folder.parent / "elsewhere"
    require_images(["a.png"], elsewhere, Path("list.csv"))
    # It passes because the image is there.
    (folder / "a.png").unlink()
    with pytest.raises(PairsError, match="1 of 1 images that list"):
        require_images(["a.png"], elsewhere, Path("list.csv"))


@pytest.mark.parametrize("name", ["../secret.png", "link.png", "ABSOLUTE"])
def test_names_that_lead_out_are_refused(folder: Path, name: str) -> None:
    if name == "ABSOLUTE":
        name = str(folder / "a.png")
    shown = re.escape(quoted(name))
    outside = rf"1 of 2 in list\.csv lie outside or are absolute \(first: {shown}\)"
    with pytest.raises(PairsError, match=outside):
        require_images(["a.png", name], folder, Path("list.csv"))


@pytest.mark.parametrize("name", ["b.png", "", ".", "a\0b.png", "x" * 5000, "\x1b[31m.png"])
def test_names_of_no_file_are_counted_and_shown_in_short(folder: Path, name: str) -> None:
    missing = r"1 of 2 images that list\.csv names are not in .*; correct the names, or the folder"
    with pytest.raises(PairsError, match=missing) as error:
        require_images(["a.png", name], folder, Path("list.csv"))
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 400
