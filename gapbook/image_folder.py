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
    """Read pairs of an image and a caption, one each row of a CSV file, in its order.

    Parameters
    ----------
    images : path
        The folder of images.
    captions : path
        The CSV file, in UTF-8. A caption that holds a comma stands in double quotes. An image with
        several captions has several rows.
    columns : sequence of two str
        The columns of the file name, relative to the folder, and of the caption; others are
        ignored.

    Returns
    -------
    list of (Path, str)
        The file and the caption of each row.

    Raises
    ------
    PairsError
        If the folder, the file, a column, a caption or an image is missing, if an image lies
        outside the folder (links are followed), or if there are fewer than 2 rows.
    """
    folder = Path(images)
    path = Path(captions)
    if not folder.is_dir():
        got = "is a file" if folder.exists() else "does not exist"
        raise PairsError(f"Expected a folder of images; {folder} {got}")
    names, texts = _read_columns(path, columns)
    _refuse_missing(names, folder, path)
    _refuse_outside(names, folder, path)
    return [(folder / name, text) for name, text in zip(names, texts, strict=True)]


def _refuse_missing(names: Sequence[str], folder: Path, path: Path) -> None:
    """Raise an error where an image is not there."""
    # os.path, since Path raises an error for a name that is too long for the disk.
    missing = [name for name in names if not os.path.isfile(folder / name)]  # noqa: PTH113
    if missing:
        raise PairsError(
            f"{len(missing)} of {len(names)} images that {path.name} names are not in {folder} "
            f"(first: {shorten(missing[0], 80)}); correct the names, or the folder"
        )


def _refuse_outside(names: Sequence[str], folder: Path, path: Path) -> None:
    """Raise an error where a name leads out of the folder."""
    top = folder.resolve()
    outside = []
    for name in names:
        if Path(name).is_absolute() or top not in (folder / name).resolve().parents:
            outside.append(name)
    if outside:
        raise PairsError(
            f"Expected names relative to {folder}, of files in it; {len(outside)} of {len(names)} "
            f"in {path.name} lie outside or are absolute (first: {outside[0]}); copy these images "
            "into the folder, or correct the names"
        )


def _read_columns(path: Path, columns: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return both columns of a CSV file, at least 2 rows and none empty."""
    table = _read_csv(path)
    absent = [name for name in columns if name not in table]
    if absent:
        got = ", ".join(map(str, table.columns))
        raise PairsError(
            f"Expected the columns {' and '.join(columns)} in {path}; got {got}, "
            f"without {absent[0]}"
        )
    names, texts = (table[name].str.strip() for name in columns)
    empty = table.index[(names == "") | (texts == "")]
    if len(empty):
        raise PairsError(
            f"Expected an image and a caption in each row of {path}; {len(empty)} lack one (first: "
            f"row {empty[0] + 2}, the header being 1); fill or remove them"
        )
    if len(names) < 2:
        raise PairsError(f"Expected at least 2 rows below the header of {path}; got {len(names)}")
    return names.tolist(), texts.tolist()


def _read_csv(path: Path) -> pd.DataFrame:
    """Read a CSV file as text: neither missing values nor numbers."""
    if not path.is_file():
        got = "is a folder" if path.is_dir() else "does not exist"
        raise PairsError(f"Expected a CSV file; {path} {got}")
    try:
        with warnings.catch_warnings():
            # pandas would only warn, and drop what follows a comma without quotes
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                path, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False
            )
    # pandas' own errors and UnicodeDecodeError are ValueErrors
    except (ValueError, pd.errors.ParserWarning) as error:
        reason = " ".join(str(error).split())
        raise PairsError(
            f"{path} is not a CSV file in UTF-8 with a header ({reason}); a caption that holds a "
            "comma stands in double quotes"
        ) from None


def folder_pairs(
    images: str | os.PathLike[str],
    captions: str | os.PathLike[str],
    checkpoint: Checkpoint,
    columns: Sequence[str] = COLUMNS,
    progress: bool = True,
) -> PairedEmbeddings:
    """Embed the images of a folder and their captions.

    Parameters
    ----------
    images, captions, columns
        The files, as in ``read_folder``.
    checkpoint : Checkpoint
        What embeds them, of ``load_clip``.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    PairedEmbeddings
        One row each row of the CSV file. ``source`` says so where an image has several.

    Raises
    ------
    PairsError
        As ``read_folder`` does.
    ValueError
        If a file is no image.

    Notes
    -----
    An image with several captions is embedded once and stands in as many equal rows. Such pairs
    have lower recall: an image's other captions count as wrong, and its equal rows tie, so that
    with three captions or more no caption ranks its image first. Intervals, which take pairs as
    independent, are too narrow. Keep one row an image to compare with other numbers.
    """
    items = read_folder(images, captions, columns)
    texts = [text for _, text in items]
    different = list(dict.fromkeys(path for path, _ in items))
    row_of = {path: row for row, path in enumerate(different)}
    embedded = embed_images(checkpoint, different, progress=progress)
    x = embedded[[row_of[path] for path, _ in items]]
    y = embed_texts(checkpoint, texts, progress=progress)
    source = f"{Path(images).name} and {Path(captions).name}"
    if len(different) < len(items):
        source += f" ({len(items)} captions of {len(different)} images: equal rows lower recall)"
    return PairedEmbeddings(x, y, captions=tuple(texts), source=source)
