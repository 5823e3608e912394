"""What a profile needs of disk, download and time, said before it starts."""

from collections.abc import Iterator

from gapbook.exceptions import PressError
from gapbook.press.profiles import Profile
from gapbook.published import (
    FreeBytes,
    free_bytes,
    in_units,
    kind_of,
    locate,
    registry,
    registry_entry,
    search_folders,
    size_of,
)

# The largest width of a name in the list of sources.
WIDTH = 24


def needs_of(profile: Profile, free: FreeBytes = free_bytes) -> list[str]:
    """Say what a profile needs.

    Parameters
    ----------
    profile : Profile
        The profile, or a part of it.
    free : callable
        Function of a folder that returns the free bytes of its disk.

    Returns
    -------
    list of str
        Lines for a terminal: each source, the sums, the time, and what cannot be had.

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
    for name in profile.sources():
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
            f"profile {profile.name} needs {in_units(needed)} on the disk of {folder}, where "
            f"{in_units(have)} are free; make room, name a folder on another disk in "
            "GAPBOOK_CACHE, or take a part: ONLY=coco, say"
        )
    title = f"profile {profile.name}"
    if profile.only is not None:
        title += f", only {', '.join(sorted(profile.only))}"
    sums = (
        f"  in all {in_units(download)} to download and {in_units(needed)} of disk "
        f"({in_units(have)} are free in {folder})"
    )
    return [f"{title} needs", *lines, sums, _time(profile), *_cannot_be_had(profile)]


def _amounts(coming: int, kept: int) -> str:
    if not coming:
        return "of unknown size"
    return f"{in_units(coming)} to download, {in_units(kept)} on the disk"


def _time(profile: Profile) -> str:
    minutes = profile.total_minutes()
    if not minutes:
        return "  a time that the profile does not state"
    text = f"{minutes / 60:.0f} hours" if minutes >= 120 else f"{minutes:.0f} minutes"
    return f"  about {text} on two CPU cores, besides the download (the profile's own estimate)"


def _cannot_be_had(profile: Profile) -> Iterator[str]:
    """Say what only a person can get, where all of the profile is to run."""
    if profile.only is not None:
        return
    for name, entry in registry().items():
        if kind_of(entry) == "by hand" and locate(name) is None:
            yield f"  {name} cannot be had: {entry['reason']}"
