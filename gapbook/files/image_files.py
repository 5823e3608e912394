"""Image files in a folder: those that lie there, and those that a list names."""

import os
from collections.abc import Sequence
from pathlib import Path

from gapbook.exceptions import PairsError, quoted
from gapbook.files import path_text

# What a file of an image ends in, in small letters.
IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def is_file(path: str | os.PathLike[str]) -> bool:
    """Say whether there is a file.

    Parameters
    ----------
    path : path
        Any path. Of a name that no disk takes, there is no file.

    Returns
    -------
    bool
        True for a file and a link to one.
    """
    # os.path, since Path raises an error for a name that is too long or holds a null character.
    return os.path.isfile(path)  # noqa: PTH113


def list_images(folder: Path) -> list[Path]:
    """Return the image files that lie in a folder itself, by name.

    Parameters
    ----------
    folder : pathlib.Path
        The folder.

    Returns
    -------
    list of pathlib.Path
        Files with an ending of ``IMAGE_SUFFIXES`` in small or capital letters. Hidden ones, whose
        name begins with a dot, are left out: systems and editors put them there.
    """
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
    )


def require_images(names: Sequence[str], folder: Path, source: Path, what: str = "images") -> None:
    """Raise ``PairsError`` unless all names lead to files within a folder.

    Parameters
    ----------
    names : sequence of str
        Names of image files, relative to the folder.
    folder : pathlib.Path
        Where they have to lie. Links are followed, and must not lead out of it.
    source : pathlib.Path
        The file that names them, for messages.
    what : str
        What the files are called in messages.
    """
    missing = [name for name in names if not is_file(folder / name)]
    if missing:
        raise PairsError(
            f"{len(missing)} of {len(names)} {what} that {path_text(source.name)} names are not in "
            f"{path_text(folder)} (first: {quoted(missing[0])}); correct the names, or the folder"
        )
    top = folder.resolve()
    outside = []
    for name in names:
        if Path(name).is_absolute() or top not in (folder / name).resolve().parents:
            outside.append(name)
    if outside:
        raise PairsError(
            f"Expected names relative to {path_text(folder)}, of files in it; {len(outside)} of "
            f"{len(names)} in {path_text(source.name)} lie outside or are absolute (first: "
            f"{quoted(outside[0])}); copy these {what} into the folder, or correct the names"
        )
