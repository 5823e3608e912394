"""What a run at the paper's own scale needs of disk, download and time, said before it starts."""

from collections.abc import Iterable

from gapbook.exceptions import PressError
from gapbook.published import (
    FreeBytes,
    free_bytes,
    in_units,
    kind_of,
    locate,
    registry_entry,
    search_folders,
    size_of,
)

# The largest width of a name in the list of sources.
WIDTH = 24


def needs_of(
    title: str, sources: Iterable[str], minutes: float, free: FreeBytes = free_bytes
) -> list[str]:
    """Say what a run needs.

    Parameters
    ----------
    title : str
        What runs.
    sources : iterable of str
        Names of the sources that it needs.
    minutes : float
        How long it takes on two CPU cores; 0 where that is not known.
    free : callable
        Function of a folder that returns the free bytes of its disk.

    Returns
    -------
    list of str
        Lines for a terminal: each source, the sums, and the time.

    Raises
    ------
    PressError
        If the disk has no room for it.
    """
    folder = search_folders()["cached"]
    lines = []
    download = 0
    stays = 0
    largest = 0
    for name in sources:
        entry = registry_entry(name)
        place = locate(name)
        if place is not None:
            lines.append(f"  {name:{WIDTH}} at hand: {place[1]}")
            continue
        coming, kept = size_of(entry)
        lines.append(f"  {name:{WIDTH}} {_amounts(coming, kept)}; {entry['license']}")
        download += coming
        stays += kept
        if kind_of(entry) == "archive":
            # The archive itself goes when it is unpacked.
            largest = max(largest, coming)
    have = free(folder)
    needed = stays + largest
    if needed > have:
        raise PressError(
            f"{title} needs {in_units(needed)} on the disk of {folder}, where {in_units(have)} "
            "are free; make room, name a folder on another disk in GAPBOOK_CACHE, or take a part: "
            "ONLY=coco, say"
        )
    sums = (
        f"  in all {in_units(download)} to download and {in_units(needed)} of disk "
        f"({in_units(have)} are free in {folder})"
    )
    return [f"{title} needs", *lines, sums, _time(minutes)]


def _amounts(coming: int, kept: int) -> str:
    if not coming:
        return "of unknown size"
    return f"{in_units(coming)} to download, {in_units(kept)} on the disk"


def _time(minutes: float) -> str:
    if not minutes:
        return "  a time that the profile does not state"
    text = f"{minutes / 60:.0f} hours" if minutes >= 120 else f"{minutes:.0f} min"
    return f"  about {text} on two CPU cores, besides the download (an estimate; a GPU is faster)"
