"""COCO's captions and images from a folder in COCO's own format, for any CLIP-like checkpoint."""

import json
import os
from pathlib import Path

from gapbook.encoders.clip import Checkpoint, embed_images, embed_texts
from gapbook.exceptions import PairsError
from gapbook.pairs import PairedEmbeddings

NAME = "captions_val2017.json"
GET = (
    "get val2017.zip (778 MB) and annotations_trainval2017.zip (241 MB) of https://cocodataset.org/#download, "
    "and unpack both into the folder"
)


def read_coco(
    folder: str | os.PathLike[str], caption: str = "first", limit: int | None = None
) -> list[tuple[Path, str]]:
    """Return (image path, caption) of each captioned image, the ``limit`` first ones where it is given.

    The folder holds ``annotations/captions_val2017.json`` (or the file itself) and the images in ``val2017``,
    ``images`` or directly. ``caption`` "first" is that of the authors' figure 2a and 3: images by id, each with its
    first annotation; "last" that of their figure 1 and table 1: images as they first appear among the annotations,
    each with its last. Raises ``PairsError`` where something is missing or is not in COCO's format.
    """
    folder = Path(folder)
    if caption not in ("first", "last"):
        raise PairsError(f"Expected caption 'first' or 'last'; got {caption!r}")
    path = next(
        (path for path in (folder / "annotations" / NAME, folder / NAME) if path.is_file()), None
    )
    if path is None:
        raise PairsError(f"Expected annotations/{NAME} in {folder}; {GET}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        names = {image["id"]: image["file_name"] for image in content["images"]}
        captions: dict[int, str] = {}
        for item in content["annotations"]:
            if caption == "last" or item["image_id"] not in captions:
                captions[item["image_id"]] = item["caption"]
        chosen = list(captions if caption == "last" else sorted(captions))[:limit]
        files = [names[key] for key in chosen]
    except (ValueError, KeyError, TypeError) as error:
        raise PairsError(
            f"{path} is not in COCO's format ({type(error).__name__}: {error})"
        ) from None
    places = [folder / "val2017", folder / "images", folder]
    place = next((place for place in places if files and (place / files[0]).is_file()), places[0])
    missing = [name for name in files if not (place / name).is_file()]
    if missing or len(files) < 2:
        raise PairsError(
            f"Expected at least 2 captioned images, with their files in {place}; "
            f"{len(missing)} of {len(files)} are missing (first: {missing[0] if missing else 'none'}); {GET}"
        )
    return [(place / name, captions[key]) for name, key in zip(files, chosen, strict=True)]


def coco_pairs(
    folder: str | os.PathLike[str],
    checkpoint: Checkpoint,
    caption: str = "first",
    limit: int | None = None,
    progress: bool = True,
) -> PairedEmbeddings:
    """Embed COCO's images and one caption of each, chosen as in ``read_coco``, by a checkpoint of ``load_clip``.

    Random weights in the same place: ``checkpoint._replace(model=random_clip(seed))``. Raises ``PairsError``.
    """
    items = read_coco(folder, caption, limit)
    paths, captions = [path for path, _ in items], tuple(text for _, text in items)
    x = embed_images(checkpoint, paths, progress=progress)
    y = embed_texts(checkpoint, captions, progress=progress)
    source = f"COCO, {caption} caption, {len(items)} pairs"
    return PairedEmbeddings(
        x, y, captions=captions, source=source, license="CC BY 4.0 (captions); images as on Flickr"
    )
