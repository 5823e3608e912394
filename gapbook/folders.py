"""A folder of images and a CSV file of captions, for any CLIP-like checkpoint."""

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from gapbook.encoders import Checkpoint, embed_images, embed_texts
from gapbook.pairs import PairedEmbeddings, PairsError

COLUMNS = ("image", "caption")


def read_folder(
    images: str | os.PathLike[str], captions: str | os.PathLike[str], columns: Sequence[str] = COLUMNS
) -> list[tuple[Path, str]]:
    """Return (image path, caption) of each row of a CSV file, in its order.

    The file is in UTF-8 and has a header with the two ``columns``, a file name relative to the folder ``images`` and a
    caption; others are ignored. A caption that holds a comma stands in double quotes. An image with several captions
    has several rows; recall then counts each other caption of it as wrong. Raises ``PairsError`` where the folder, the
    file, a column, a caption or an image is missing, and for fewer than 2 rows.
    """
    folder, path = Path(images), Path(captions)
    if not folder.is_dir():
        raise PairsError(
            f"Expected a folder of images; {folder} {'is a file' if folder.exists() else 'does not exist'}"
        )
    if not path.is_file():
        raise PairsError(f"Expected a CSV file; {path} {'is a folder' if path.is_dir() else 'does not exist'}")
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False)
    except ValueError as error:  # pandas' own errors and UnicodeDecodeError are of this kind
        raise PairsError(f"{path} is not a CSV file in UTF-8 with a header ({' '.join(str(error).split())})") from None
    if absent := [name for name in columns if name not in table]:
        got = ", ".join(map(str, table.columns))
        raise PairsError(f"Expected the columns {' and '.join(columns)} in {path}; got {got}, without {absent[0]}")
    names, texts = (table[name].str.strip() for name in columns)
    empty = table.index[(names == "") | (texts == "")]
    if len(empty):
        raise PairsError(
            f"Expected an image and a caption in each row of {path}; {len(empty)} lack one (first: row "
            f"{empty[0] + 2}, the header being 1); fill or remove them"
        )
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise PairsError(
            f"{len(missing)} of {len(names)} images that {path.name} names are not in {folder} (first: {missing[0]}); "
            "correct the names, or the folder"
        )
    if len(names) < 2:
        raise PairsError(f"Expected at least 2 rows below the header of {path}; got {len(names)}")
    return [(folder / name, text) for name, text in zip(names, texts, strict=True)]


def folder_pairs(
    images: str | os.PathLike[str],
    captions: str | os.PathLike[str],
    checkpoint: Checkpoint,
    columns: Sequence[str] = COLUMNS,
    progress: bool = True,
) -> PairedEmbeddings:
    """Embed the images of a folder and their captions by a checkpoint of ``load_clip``; files as in ``read_folder``.

    Raises ``PairsError``, and ValueError for a file that is no image.
    """
    items = read_folder(images, captions, columns)
    texts = [text for _, text in items]
    x = embed_images(checkpoint, [path for path, _ in items], progress=progress)
    y = embed_texts(checkpoint, texts, progress=progress)
    return PairedEmbeddings(x, y, captions=tuple(texts), source=f"{Path(images).name} and {Path(captions).name}")
