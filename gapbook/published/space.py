"""Whether what is about to be written fits on the disk, and how numbers of bytes are shown."""

import shutil
from collections.abc import Callable
from pathlib import Path

from gapbook.exceptions import FetchError
from gapbook.files import path_text

# Returns the free bytes of the disk that a folder lies on.
FreeBytes = Callable[[Path], int]


def free_bytes(folder: Path) -> int:
    """Return the free bytes of a disk.

    Parameters
    ----------
    folder : Path
        A folder on it, which need not exist yet.
    """
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def in_units(count: float) -> str:
    """Return a number of bytes with three digits and a unit.

    Parameters
    ----------
    count : float
        The number of bytes.

    Examples
    --------
    >>> in_units(815_585_330), in_units(19_336_861_798), in_units(740)
    ('816 MB', '19.3 GB', '740 bytes')
    """
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            value = count / size
            return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
    return f"{count:.0f} bytes"


def require_space(
    folder: Path, what: str, download: int, unpacked: int, free: FreeBytes, variable: str
) -> None:
    """Raise an error unless a download and what is unpacked of it fit on the disk.

    Parameters
    ----------
    folder : Path
        Where it would be written.
    what : str
        What needs the space, for the message.
    download, unpacked : int
        Bytes that are still to come, and those that unpacking writes.
    free : callable
        Function of a folder that returns the free bytes of its disk.
    variable : str
        The environment variable that names another folder.

    Raises
    ------
    FetchError
        If they do not fit, with the numbers.
    """
    needed = download + unpacked
    have = free(folder)
    if needed <= have:
        return
    parts = [f"{in_units(download)} to download"] if download else []
    if unpacked:
        parts.append(f"{in_units(unpacked)} unpacked")
    raise FetchError(
        f"{what} needs {in_units(needed)} on the disk of {path_text(folder)} "
        f"({' and '.join(parts)}), where {in_units(have)} are free; make room, or name a folder on "
        f"another disk in {variable}"
    )
