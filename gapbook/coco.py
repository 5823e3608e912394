"""COCO's captions and images from a folder in COCO's own format, for any CLIP-like checkpoint."""

import json
import os
from pathlib import Path
from typing import Literal, NamedTuple

from gapbook.encoders.clip import Checkpoint, embed_images, embed_texts
from gapbook.exceptions import PairsError
from gapbook.pairs import PairedEmbeddings

ANNOTATIONS = "captions_val2017.json"
HOW_TO_GET = (
    "get val2017.zip (778 MB) and annotations_trainval2017.zip (241 MB) of "
    "https://cocodataset.org/#download, and unpack both into the folder"
)


class Captioned(NamedTuple):
    """An image of COCO by the name of its file, with one of its captions."""

    file: str
    caption: str


def read_coco(
    folder: str | os.PathLike[str],
    caption: Literal["first", "last"] = "first",
    limit: int | None = None,
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
        How many images to take, the first ones.

    Returns
    -------
    list of (Path, str)
        The file and the caption of each image.

    Raises
    ------
    PairsError
        If ``caption`` is another word, something is missing, or the file is not in COCO's format.
    """
    folder = Path(folder)
    if caption not in ("first", "last"):
        raise PairsError(f"Expected caption 'first' or 'last'; got {caption!r}")
    chosen = _captioned(_annotations(folder), caption)[:limit]
    place = _image_folder(folder, chosen)
    missing = [each.file for each in chosen if not (place / each.file).is_file()]
    if missing or len(chosen) < 2:
        first = missing[0] if missing else "none"
        raise PairsError(
            f"Expected at least 2 captioned images, with their files in {place}; {len(missing)} of "
            f"{len(chosen)} are missing (first: {first}); {HOW_TO_GET}"
        )
    return [(place / each.file, each.caption) for each in chosen]


def _annotations(folder: Path) -> Path:
    """Return where the annotations lie."""
    for path in (folder / "annotations" / ANNOTATIONS, folder / ANNOTATIONS):
        if path.is_file():
            return path
    raise PairsError(f"Expected annotations/{ANNOTATIONS} in {folder}; {HOW_TO_GET}")


def _captioned(path: Path, caption: Literal["first", "last"]) -> list[Captioned]:
    """Choose one caption of each image, and the order of images."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        files = {image["id"]: image["file_name"] for image in content["images"]}
        captions: dict[int, str] = {}
        for annotation in content["annotations"]:
            image = annotation["image_id"]
            if caption == "last" or image not in captions:
                captions[image] = annotation["caption"]
        # A dict keeps the place at which an image first appeared, whichever caption it has now.
        order = sorted(captions) if caption == "first" else list(captions)
        return [Captioned(files[image], captions[image]) for image in order]
    except (ValueError, KeyError, TypeError) as error:
        raise PairsError(
            f"{path} is not in COCO's format ({type(error).__name__}: {error})"
        ) from None


def _image_folder(folder: Path, captioned: list[Captioned]) -> Path:
    """Return the folder that holds the first image, or where it should lie."""
    places = [folder / "val2017", folder / "images", folder]
    for place in places:
        if captioned and (place / captioned[0].file).is_file():
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
        As ``read_coco`` does.
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
