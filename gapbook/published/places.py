"""Where a source may lie on this machine, and whether what lies there is what it should be."""

import hashlib
import json
import os
import re
from contextlib import suppress
from pathlib import Path

import pooch

from gapbook.exceptions import FetchError, quoted
from gapbook.files import write_whole

# Files up to this size are hashed each time; of larger ones it is remembered that they were.
ALWAYS_HASHED = 16 * 2**20

# What the cache remembers of large files: size, time of the last change, sha256.
MEMORY = "checked.json"


def search_folders() -> dict[str, Path]:
    """Return the folders where a published file may lie already, in the order of looking.

    Returns
    -------
    dict of Path
        ``"GAPBOOK_DATA"``, the folder that this environment variable names, where it is set; and
        ``"cached"``, the folder that ``GAPBOOK_CACHE`` names, or else the user's cache folder.

    Raises
    ------
    FetchError
        If one of them begins with ``~`` and a name that is no user's.
    """
    folders = {}
    data = _folder_in("GAPBOOK_DATA")
    if data is not None:
        folders["GAPBOOK_DATA"] = data
    folders["cached"] = _folder_in("GAPBOOK_CACHE") or Path(pooch.os_cache("gapbook"))
    return folders


def _folder_in(variable: str) -> Path | None:
    """Return the folder that an environment variable names, None where it is empty or not set."""
    text = os.environ.get(variable)
    if not text:
        return None
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise FetchError(
            f"Expected a folder in {variable}; got {quoted(text)}: no user has this name"
        ) from None


def sha256_of(path: Path) -> str:
    """Return the sha256 of a file, hashed now, or, if it is large, when it last changed.

    Parameters
    ----------
    path : Path
        The file.

    Notes
    -----
    Hashing gigabytes takes a minute. So of a file above 16 MiB the cache folder remembers size,
    time of the last change and sha256, and the file is hashed again when one of the first two is
    another. Who changes a file and sets its time back is not noticed.
    """
    about = path.stat()
    if about.st_size <= ALWAYS_HASHED:
        return _hashed(path)
    key = str(path.resolve())
    state = [about.st_size, about.st_mtime_ns]
    memory = search_folders()["cached"] / MEMORY
    known = _remembered(memory)
    if known.get(key, [])[:2] == state:
        return str(known[key][2])
    digest = _hashed(path)
    # A cache that cannot be written costs time, no more.
    with suppress(OSError):
        memory.parent.mkdir(parents=True, exist_ok=True)
        known[key] = [*state, digest]
        kept = {file: what for file, what in known.items() if Path(file).exists()}
        write_whole(memory, json.dumps(kept, indent=0).encode())
    return digest


def _hashed(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remembered(memory: Path) -> dict[str, list]:
    try:
        content = json.loads(memory.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(content, dict):
        return {}
    sound = re.compile("[0-9a-f]{64}")
    return {
        key: value
        for key, value in content.items()
        if isinstance(value, list) and len(value) == 3 and sound.fullmatch(str(value[2]))
    }
