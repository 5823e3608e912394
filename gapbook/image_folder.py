"""A folder of images and a CSV file of captions, for any CLIP-like checkpoint."""

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from textwrap import shorten

import pandas as pd

from gapbook.encoders.clip import Checkpoint, embed_images, embed_texts
from gapbook.exceptions import PairsError
from gapbook.pairs import PairedEmbeddings

COLUMNS = ("image", "caption")


def read_folder(
    images: str | os.PathLike[str],
    captions: str | os.PathLike[str],
    columns: Sequence[str] = COLUMNS,
) -> list[tuple[Path, str]]:
    """Return (image path, caption) of each row of a CSV file, in its order.

    The file is in UTF-8 and has a header with the two ``columns``, a file name relative to the folder ``images`` and a
    caption; others are ignored. A caption that holds a comma stands in double quotes. Each row is a pair: an image with
    several captions has several rows. Raises ``PairsError`` where the folder, the file, a column, a caption or an image
    is missing, where an image lies outside the folder (links are followed), and for fewer than 2 rows.
    """
    folder, path = Path(images), Path(captions)
    if not folder.is_dir():
        raise PairsError(
            f"Expected a folder of images; {folder} {'is a file' if folder.exists() else 'does not exist'}"
        )
    names, texts = _read_columns(path, columns)
    missing = [name for name in names if not os.path.isfile(folder / name)]  # noqa: PTH113 (a long name is no error)
    if missing:
        raise PairsError(
            f"{len(missing)} of {len(names)} images that {path.name} names are not in {folder} (first: "
            f"{shorten(missing[0], 80)}); correct the names, or the folder"
        )
    top = folder.resolve()
    outside = [
        name
        for name in names
        if Path(name).is_absolute() or top not in (folder / name).resolve().parents
    ]
    if outside:
        raise PairsError(
            f"Expected names relative to {folder}, of files in it; {len(outside)} of {len(names)} in {path.name} lie "
            f"outside or are absolute (first: {outside[0]}); copy these images into the folder, or correct the names"
        )
    return [(folder / name, text) for name, text in zip(names, texts, strict=True)]


def _read_columns(path: Path, columns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return both columns of a CSV file, at least 2 rows and none empty."""
    if not path.is_file():
        raise PairsError(
            f"Expected a CSV file; {path} {'is a folder' if path.is_dir() else 'does not exist'}"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "error", pd.errors.ParserWarning
            )  # pandas would drop what follows a bare comma
            table = pd.read_csv(
                path, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False
            )
    except (
        ValueError,
        pd.errors.ParserWarning,
    ) as error:  # pandas' own and UnicodeDecodeError are ValueErrors
        raise PairsError(
            f"{path} is not a CSV file in UTF-8 with a header ({' '.join(str(error).split())}); a caption that holds a "
            "comma stands in double quotes"
        ) from None
    if absent := [name for name in columns if name not in table]:
        got = ", ".join(map(str, table.columns))
        raise PairsError(
            f"Expected the columns {' and '.join(columns)} in {path}; got {got}, without {absent[0]}"
        )
    names, texts = (table[name].str.strip() for name in columns)
    empty = table.index[(names == "") | (texts == "")]
    if len(empty):
        raise PairsError(
            f"Expected an image and a caption in each row of {path}; {len(empty)} lack one (first: row "
            f"{empty[0] + 2}, the header being 1); fill or remove them"
        )
    if len(names) < 2:
        raise PairsError(f"Expected at least 2 rows below the header of {path}; got {len(names)}")
    return names.tolist(), texts.tolist()


def folder_pairs(
    images: str | os.PathLike[str],
    captions: str | os.PathLike[str],
    checkpoint: Checkpoint,
    columns: Sequence[str] = COLUMNS,
    progress: bool = True,
) -> PairedEmbeddings:
    """Embed the images of a folder and their captions by a checkpoint of ``load_clip``; files as in ``read_folder``.

    An image with several captions is embedded once and stands in as many equal rows, which ``source`` then says.
    Such pairs have lower recall: an image's other captions count as wrong, and its equal rows tie, so that with three
    captions or more no caption ranks its image first. Intervals, which take pairs as independent, are too narrow.
    Keep one row an image to compare with other numbers. Raises ``PairsError``, and ValueError for a file that is no
    image.
    """
    items = read_folder(images, captions, columns)
    texts = [text for _, text in items]
    places = {path: i for i, path in enumerate(dict.fromkeys(path for path, _ in items))}
    x = embed_images(checkpoint, list(places), progress=progress)[
        [places[path] for path, _ in items]
    ]
    y = embed_texts(checkpoint, texts, progress=progress)
    source = f"{Path(images).name} and {Path(captions).name}"
    if len(places) < len(items):
        source += f" ({len(items)} captions of {len(places)} images: equal rows lower recall)"
    return PairedEmbeddings(x, y, captions=tuple(texts), source=source)
