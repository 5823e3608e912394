"""How much memory there is, asked before an array takes more of it."""

import os
from pathlib import Path

from gapbook.exceptions import PairsError

# What a container may use, where this process runs in one (cgroup version 2).
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


def require_memory(needed: int, what: str) -> None:
    """Raise ``PairsError`` if something needs more memory than this machine has.

    An array that is larger than the memory would be refused by some systems, and granted by others,
    which end the process when it is filled.

    Parameters
    ----------
    needed : int
        The number of bytes.
    what : str
        What needs them, as the start of a sentence.

    Raises
    ------
    PairsError
        With both numbers in the message.

    Examples
    --------
    >>> require_memory(1000, "a small array")
    >>> require_memory(10**18, "x of shape (1000000000, 1000)")
    Traceback (most recent call last):
    gapbook.exceptions.PairsError: x of shape (1000000000, 1000) needs 1000000.0 TB of memory; ...
    """
    there = total_memory()
    if there is not None and needed > there:
        raise PairsError(
            f"{what} needs {size_text(needed)} of memory; this machine has {size_text(there)}: "
            "take fewer rows"
        )


def total_memory() -> int | None:
    """Return the bytes of memory that this process may use, None where the system does not say."""
    try:
        memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
    try:
        return min(memory, int(CGROUP_LIMIT.read_text()))
    # No container, or one without a limit ("max").
    except (OSError, ValueError):
        return memory


def size_text(count: int) -> str:
    """Return a number of bytes in words.

    Examples
    --------
    >>> size_text(800), size_text(3_200_000_000)
    ('800 bytes', '3.2 GB')
    """
    for unit, size in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} bytes"
