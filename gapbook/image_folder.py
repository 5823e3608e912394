"""A folder of images and a CSV file of captions, for any CLIP-like checkpoint."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gapbook.encoders.clip import Checkpoint, embed_images, embed_texts
from gapbook.encoders.inputs import caption_problem
from gapbook.exceptions import PairsError, quoted
from gapbook.files import path_text, require_folder
from gapbook.files.csv_rows import CsvRow, read_rows
from gapbook.files.image_files import is_file, require_images
from gapbook.groups import several_a_group
from gapbook.pairs import PairedEmbeddings

COLUMNS = ("image", "caption")


def read_folder(
    images: str | os.PathLike[str],
    captions: str | os.PathLike[str],
    columns: Sequence[str] = COLUMNS,
    what: str = "image",
) -> list[tuple[Path, str]]:
    """Read pairs of an image and a caption, one each row of a CSV file, in its order.

    Parameters
    ----------
    images : path
        The folder of images.
    captions : path
        The CSV file, in UTF-8, with commas between its columns. A caption that holds a comma, a
        quote or a line break stands in double quotes, and a quote in it is written twice; one with
        a backslash, as Spark writes it by default, is refused. An image with several captions has
        several rows.
    columns : sequence of two str
        The columns of the file name, relative to the folder, and of the caption; others are
        ignored.
    what : str
        What the files are, for messages: images, or for example sounds.

    Returns
    -------
    list of (Path, str)
        The file and the caption of each row, without blanks around them.

    Raises
    ------
    PairsError
        If the folder, the file, a column, a caption or an image is missing, if an image lies
        outside the folder (links are followed), if there are fewer than 2 rows, or if quotes do not
        match. A caption of several lines, one of which is a row of an image in the folder, is taken
        for an open quote. The message names the line of the file.
    """
    names = _two_columns(columns)
    folder = Path(images)
    path = Path(captions)
    require_folder(folder, f"a folder of {what}s")
    rows = read_rows(path, names)
    _refuse_bad_rows(rows, path, what)
    for row in rows:
        _refuse_swallowed_rows(row, folder, path)
    require_images([row.cells[0] for row in rows], folder, path, f"{what}s")
    return [(folder / row.cells[0], row.cells[1]) for row in rows]


def _two_columns(columns: Sequence[str]) -> tuple[str, str]:
    """Return the names of the two columns."""
    named = isinstance(columns, list | tuple) and all(isinstance(name, str) for name in columns)
    if not named or len(columns) != 2 or columns[0] == columns[1]:
        raise PairsError(
            "Expected columns as the names of two columns, of the image and of the caption; got "
            f"{quoted(columns)}"
        )
    return columns[0], columns[1]


def _refuse_bad_rows(rows: Sequence[CsvRow], path: Path, what: str) -> None:
    """Raise an error where a row lacks a file or a caption, or there are too few rows."""
    bad = []
    for row in rows:
        name, caption = row.cells
        if not name or caption_problem(caption):
            bad.append(row.line)
    if bad:
        article = "an" if what[0] in "aeiou" else "a"
        raise PairsError(
            f"Expected {article} {what} and a caption in each row of {path_text(path)}; "
            f"{len(bad)} lack one (first: line {bad[0]}, the header being 1); fill or remove them"
        )
    if len(rows) < 2:
        raise PairsError(
            f"Expected at least 2 rows below the header of {path_text(path)}; got {len(rows)}"
        )


def _refuse_swallowed_rows(row: CsvRow, folder: Path, path: Path) -> None:
    """Raise an error where a caption goes on over rows below it, after a quote without an end."""
    for cells in row.continued:
        name = cells[0] if cells else ""
        if name and is_file(folder / name):
            raise PairsError(
                f"The row in line {row.line} of {path_text(path)} opens a quote and goes on over "
                f"the row of {quoted(name)}; close the quote, or double it where it belongs to the "
                "caption"
            )


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
        One row each row of the CSV file. Where an image has several captions, these are a group.

    Raises
    ------
    PairsError
        As ``read_folder`` and ``embed_images`` do.

    Notes
    -----
    An image with several captions is embedded once. Its captions are a group, of which any is
    right. Where all captions are of one image, there are no groups.
    """
    items = read_folder(images, captions, columns)
    texts = [text for _, text in items]
    # The same file may be named in several ways, through dots and links.
    files = [path.resolve() for path, _ in items]
    different = dict(zip(files, (path for path, _ in items), strict=True))
    rows = rows_of_files(files)
    x = embed_images(checkpoint, list(different.values()), progress=progress)[rows]
    y = embed_texts(checkpoint, texts, progress=progress)
    return PairedEmbeddings(
        x,
        y,
        captions=tuple(texts),
        source=source_of_folder(images, captions, rows, "image"),
        groups=groups_of_files(rows),
    )


def rows_of_files(files: Sequence[Path]) -> np.ndarray:
    """Return for each file the number of the different ones before its first mention.

    Examples
    --------
    >>> rows_of_files([Path("b.png"), Path("a.png"), Path("b.png")]).tolist()
    [0, 1, 0]
    """
    row_of = {file: row for row, file in enumerate(dict.fromkeys(files))}
    return np.array([row_of[file] for file in files])


def groups_of_files(rows: np.ndarray) -> np.ndarray | None:
    """Return the groups of captions; None where each file has one, or one file has them all.

    Examples
    --------
    >>> groups_of_files(np.array([0, 1, 0])).tolist(), groups_of_files(np.array([0, 1]))
    ([0, 1, 0], None)
    """
    is_of_one_file = rows.max() == 0
    return None if is_of_one_file else several_a_group(rows)


def source_of_folder(
    folder: str | os.PathLike[str],
    captions: str | os.PathLike[str],
    rows: np.ndarray,
    what: str,
) -> str:
    """Say what pairs are of, and how many files have the captions where some have several.

    Examples
    --------
    >>> source_of_folder("photos", "captions.csv", np.array([0, 1, 0]), "image")
    'photos and captions.csv (3 captions of 2 images)'
    """
    source = f"{Path(folder).name} and {Path(captions).name}"
    n_files = int(rows.max()) + 1
    if n_files < len(rows):
        plural = "" if n_files == 1 else "s"
        source += f" ({len(rows)} captions of {n_files} {what}{plural})"
    return source
