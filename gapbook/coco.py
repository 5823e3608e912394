"""COCO's captions and images from a folder in COCO's own format, for any CLIP-like checkpoint."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from gapbook.encoders.clip import Checkpoint, embed_images, embed_texts
from gapbook.encoders.inputs import caption_problem
from gapbook.exceptions import PairsError, one_line, quoted
from gapbook.files import path_text
from gapbook.files.image_files import is_file, require_images
from gapbook.pairs import PairedEmbeddings

Split = Literal["val2017", "train2017"]

# The archives of each split's images, and how large they are.
ARCHIVES: dict[Split, str] = {
    "val2017": "val2017.zip (778 MB)",
    "train2017": "train2017.zip (18 GB)",
}


class Captioned(NamedTuple):
    """An image of COCO by the name of its file, with one of its captions."""

    file: str
    caption: str


def read_coco(
    folder: str | os.PathLike[str],
    caption: Literal["first", "last"] = "first",
    limit: int | None = None,
    split: Split = "val2017",
) -> list[tuple[Path, str]]:
    """Read which images of COCO are captioned, and one caption of each.

    Parameters
    ----------
    folder : path
        Holds ``annotations/captions_val2017.json`` (or the file itself), and the images in
        ``val2017``, ``images`` or directly.
    caption : {"first", "last"}
        "first" is the choice of the authors' figures 2a and 3: images by id, each with its first
        annotation. "last" is that of their figure 1 and table 1: images as they first appear among
        the annotations, each with its last.
    limit : int, optional
        How many images to take, the first ones: at least 2.
    split : {"val2017", "train2017"}
        Which part of COCO: the names of its annotations and of its folder of images.

    Returns
    -------
    list of (Path, str)
        The file and the caption of each image.

    Raises
    ------
    PairsError
        If ``caption`` or ``split`` is another word or ``limit`` no such number, if something is
        missing, or if
        the file is not in COCO's format: an image has no name of a file or two of them, two images
        have one file, an image lies outside the folder (links are followed), or a chosen caption is
        blank or no text.
    """
    folder = Path(folder)
    if caption not in ("first", "last"):
        raise PairsError(f"Expected caption 'first' or 'last'; got {quoted(caption)}")
    if limit is not None and (not isinstance(limit, int | np.integer) or limit < 2):
        raise PairsError(f"Expected limit as a number of images, at least 2; got {quoted(limit)}")
    if split not in ARCHIVES:
        raise PairsError(f"Expected split as one of {', '.join(ARCHIVES)}; got {quoted(split)}")
    path = _annotations(folder, split)
    chosen = _captioned(path, caption)[:limit]
    place = _image_folder(folder, split, chosen)
    missing = [each.file for each in chosen if not is_file(place / each.file)]
    if missing or len(chosen) < 2:
        first = quoted(missing[0]) if missing else "none"
        raise PairsError(
            f"Expected at least 2 captioned images, with their files in {path_text(place)}; "
            f"{len(missing)} of {len(chosen)} are missing (first: {first}); "
            f"{_how_to_get(split)}"
        )
    require_images([each.file for each in chosen], place, path)
    return [(place / each.file, each.caption) for each in chosen]


def _annotations(folder: Path, split: Split) -> Path:
    """Return where the annotations lie."""
    name = f"captions_{split}.json"
    for path in (folder / "annotations" / name, folder / name):
        if path.is_file():
            return path
    raise PairsError(f"Expected annotations/{name} in {path_text(folder)}; {_how_to_get(split)}")


def _how_to_get(split: Split) -> str:
    return (
        f"get {ARCHIVES[split]} and annotations_trainval2017.zip (241 MB) of "
        "https://cocodataset.org/#download, and unpack both into the folder"
    )


def _captioned(path: Path, caption: Literal["first", "last"]) -> list[Captioned]:
    """Choose one caption of each image, and the order of images."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
        files = _files(content["images"])
        captions: dict[Any, object] = {}
        for annotation in content["annotations"]:
            image = annotation["image_id"]
            if caption == "last" or image not in captions:
                captions[image] = annotation["caption"]
        # A dict keeps the place at which an image first appeared, whichever caption it has now.
        order = sorted(captions) if caption == "first" else list(captions)
        return [_with_file(image, captions[image], files) for image in order]
    except PairsError as error:
        raise PairsError(f"{path_text(path)} is not in COCO's format: {error}") from None
    # A file that others wrote may hold anything, however deep, in place of lists and names.
    except (ValueError, KeyError, TypeError, RecursionError, OSError) as error:
        reason = one_line(f"{type(error).__name__}: {error}", 200)
        raise PairsError(f"{path_text(path)} is not in COCO's format ({reason})") from None


def _files(images: list[Mapping[str, Any]]) -> dict[Any, str]:
    """Return the file of each image by its id: one each, and no two of one file."""
    files: dict[Any, str] = {}
    images_of: dict[str, Any] = {}
    for image in images:
        number = image["id"]
        file = image["file_name"]
        if not isinstance(file, str) or not file.strip():
            raise PairsError(f"image {quoted(number)} has the file name {quoted(file)}")
        if files.setdefault(number, file) != file:
            raise PairsError(
                f"image {quoted(number)} has two files, {quoted(files[number])} and {quoted(file)}"
            )
        if images_of.setdefault(file, number) != number:
            raise PairsError(
                f"images {quoted(images_of[file])} and {quoted(number)} have one file, "
                f"{quoted(file)}"
            )
    return files


def _with_file(image: object, caption: object, files: Mapping[Any, str]) -> Captioned:
    """Return a caption with the file of its image."""
    if image not in files:
        raise PairsError(f"image {quoted(image)} has a caption, but is not among the images")
    problem = caption_problem(caption)
    if problem is not None:
        raise PairsError(f"the caption of image {quoted(image)} {problem}")
    return Captioned(files[image], str(caption))


def _image_folder(folder: Path, split: Split, captioned: list[Captioned]) -> Path:
    """Return the folder that holds the first image, or where it should lie."""
    places = [folder / split, folder / "images", folder]
    for place in places:
        if captioned and is_file(place / captioned[0].file):
            return place
    return places[0]


def coco_pairs(
    folder: str | os.PathLike[str],
    checkpoint: Checkpoint,
    caption: Literal["first", "last"] = "first",
    limit: int | None = None,
    progress: bool = True,
) -> PairedEmbeddings:
    """Embed COCO's images and one caption of each.

    Parameters
    ----------
    folder, caption, limit
        Which images and captions, as in ``read_coco``.
    checkpoint : Checkpoint
        What embeds them, of ``load_clip``. For random weights in the same place, take
        ``checkpoint._replace(model=random_clip(seed))``.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    PairedEmbeddings
        One row a captioned image.

    Raises
    ------
    PairsError
        As ``read_coco`` and ``embed_images`` do.
    """
    items = read_coco(folder, caption, limit)
    paths = [path for path, _ in items]
    captions = tuple(text for _, text in items)
    x = embed_images(checkpoint, paths, progress=progress)
    y = embed_texts(checkpoint, captions, progress=progress)
    return PairedEmbeddings(
        x,
        y,
        captions=captions,
        source=f"COCO, {caption} caption, {len(items)} pairs",
        license="CC BY 4.0 (captions); images as on Flickr",
    )
