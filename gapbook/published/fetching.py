"""Find a source on this machine, or get it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from gapbook.exceptions import FetchError, UnavailableError
from gapbook.files import data_path, path_text
from gapbook.published.download import Options, Wanted, download
from gapbook.published.hub import download_snapshot, require_sound, snapshot
from gapbook.published.places import search_folders, sha256_of
from gapbook.published.registry import kind_of, registry, registry_entry
from gapbook.published.space import FreeBytes, free_bytes, in_units
from gapbook.published.unpack import unpack, what_is_wrong

Entry = dict[str, Any]


def locate(name: str) -> tuple[str, Path] | None:
    """Return where a source is at hand.

    Parameters
    ----------
    name : str
        The source.

    Returns
    -------
    tuple of str and Path, or None
        The place ("bundled", "GAPBOOK_DATA" or "cached") and the path, or None where the source is
        missing. A published file counts only where its sha256 is the registered one, and a
        folder only where no file is missing.

    Raises
    ------
    FetchError
        If there is no such source.
    """
    entry = registry_entry(name)
    if kind_of(entry) == "embeddings" and "url" not in entry:
        path = data_path(entry["file"])
        return ("bundled", path) if path.is_file() else None
    for place, folder in search_folders().items():
        there = _path_in(folder, name, entry)
        if there is not None and _problem_of(there, entry) is None:
            return place, _returned(there, folder, entry)
    if kind_of(entry).startswith("hub"):
        found = snapshot(name, entry)
        if found is not None:
            return "cached", found
    return None


def problems_in(folder: Path) -> dict[Path, str | None]:
    """Return what lies in a folder of the sources that are not bundled, and what is wrong with it.

    Parameters
    ----------
    folder : Path
        The folder, such as the one that ``GAPBOOK_DATA`` names.

    Returns
    -------
    dict of str or None by Path
        The end of a sentence for each file and folder of a source; None where it is sound.
    """
    problems = {}
    for name, entry in registry().items():
        if kind_of(entry) == "embeddings" and "url" not in entry:
            continue
        path = _path_in(folder, name, entry)
        if path is not None:
            problems[path] = _problem_of(path, entry)
    return problems


def _path_in(folder: Path, name: str, entry: Entry) -> Path | None:
    """Return the file or the folder of a source below a folder; None where nothing is there."""
    kind = kind_of(entry)
    if kind in ("embeddings", "file"):
        path = folder / entry["file"]
        return path if path.is_file() else None
    path = folder / entry.get("folder", name)
    inner = path / entry.get("subfolder", "")
    if inner.is_dir():
        return inner
    return path if path.is_dir() else None


def _problem_of(path: Path, entry: Entry) -> str | None:
    """Say what is wrong with a file or a folder at hand; None where nothing is."""
    if path.is_file():
        found = sha256_of(path)
        if found == entry["sha256"]:
            return None
        return f"has the wrong sha256: expected {entry['sha256']}, found {found}"
    archive = entry.get("sha256") if kind_of(entry) == "archive" else None
    return what_is_wrong(path, archive, entry.get("required", {}))


def _returned(path: Path, folder: Path, entry: Entry) -> Path:
    """Return what a source is known by: its file or folder, or that of its whole data set."""
    return folder / entry["dataset"] if "dataset" in entry else path


def fetch(
    name: str,
    *,
    progress: bool = True,
    free: FreeBytes = free_bytes,
    pause: float = 1.0,
) -> Path:
    """Return the path of a source, downloading it where it is missing.

    It is looked for in the folder that ``GAPBOOK_DATA`` names, then in the cache
    (``GAPBOOK_CACHE``, or else the user's cache folder); models and data sets of a hub in the hub's
    own cache (``HF_HOME``). What a download needs is compared with the free disk space before it
    begins. One that is cut off, or interrupted, goes on where it was. The sha256 is checked every
    time, and an archive is unpacked whole or not at all.

    Parameters
    ----------
    name : str
        The source.
    progress : bool
        Whether to show progress bars.
    free : callable
        Function of a folder that returns the free bytes of its disk.
    pause : float
        Seconds before a download that broke off is tried again; each further failure doubles them
        long.

    Returns
    -------
    Path
        The file; for what was unpacked and for a hub's models and data sets the folder. The sources
        of one data set have one folder, such as ``coco`` with ``val2017`` and ``annotations``.

    Raises
    ------
    UnavailableError
        One line: no address gives it, or its license must be accepted by hand. A ``FetchError``.
    FetchError
        One line each: the name is unknown, the sha256 is wrong (with file, expected and found), a
        folder at hand lacks files, there is no space, or the cache cannot be written.

    Notes
    -----
    An archive is removed once it is unpacked; the folder remembers its hash, and the names and
    sizes of its files, which are compared every time. Of a large file that stays, see
    ``sha256_of``.
    """
    if at_hand := locate(name):
        return _sound(name, at_hand[1])
    entry = registry_entry(name)
    options = Options(progress, free, pause)
    folders = search_folders()
    _refuse_what_is_there(name, entry, folders)
    cache = folders["cached"]
    try:
        return _GET[kind_of(entry)](name, entry, options)
    except FetchError:
        raise
    except OSError as error:
        problem = (
            f"cannot write {entry.get('file', name)} into the cache {path_text(cache)} "
            f"({error.strerror or error}); name a folder that can be written in GAPBOOK_CACHE"
        )
    # Raised here, outside of the handlers, so that no second traceback stands above it.
    raise FetchError(problem)


def _sound(name: str, path: Path) -> Path:
    """Check the files of a hub, which ``locate`` only counts."""
    entry = registry_entry(name)
    if kind_of(entry).startswith("hub"):
        require_sound(path, entry)
    return path


def _refuse_what_is_there(name: str, entry: Entry, folders: dict[str, Path]) -> None:
    """Raise an error where something else lies in the place of a source, rather than go past it."""
    data = folders.get("GAPBOOK_DATA")
    if data is not None and not data.is_dir():
        raise FetchError(
            f"Expected a folder in GAPBOOK_DATA; {path_text(data)} is none; correct or unset it"
        )
    for place, folder in folders.items():
        path = _path_in(folder, name, entry)
        # A damaged file in the cache is downloaded again.
        if path is None or (place == "cached" and path.is_file()):
            continue
        problem = _problem_of(path, entry)
        if problem is not None:
            remedy = "remove it and" if place == "cached" else "replace or remove it, and"
            raise FetchError(
                f"{path_text(path)} {problem}; {remedy} run gapbook fetch {name} again"
            )


def _get_embeddings(name: str, entry: Entry, options: Options) -> Path:
    if "url" not in entry:
        raise FetchError(
            f"{data_path(entry['file'])} is missing; install gapbook again, or run: "
            "make precomputed NAME=glyphclip"
        )
    return _get_file(name, entry, options)


def _get_file(name: str, entry: Entry, options: Options) -> Path:
    target = search_folders()["cached"] / entry["file"]
    download(target, _wanted(name, entry, 0), options)
    return target


def _get_archive(name: str, entry: Entry, options: Options) -> Path:
    """Get an archive from the reader's folder, the cache or the internet, and unpack it."""
    folders = search_folders()
    cache = folders["cached"]
    archive = cache / entry["file"]
    for place, folder in folders.items():
        path = folder / entry["file"]
        if not path.is_file():
            continue
        found = sha256_of(path)
        if found == entry["sha256"]:
            archive = path
            break
        if place == "GAPBOOK_DATA":
            raise FetchError(
                f"{path_text(path)} has the wrong sha256: expected {entry['sha256']}, found "
                f"{found}; replace or remove it"
            )
    else:
        unpacked = entry.get("about", {}).get("unpacked", 0)
        download(archive, _wanted(name, entry, unpacked), options)
    unpack(archive, cache / entry["folder"], name, entry["sha256"], options)
    if archive.parent == cache:
        archive.unlink()
    return _returned(cache / entry["folder"], cache, entry)


def _wanted(name: str, entry: Entry, unpacked: int) -> Wanted:
    urls = [entry[key] for key in ("url", "mirror") if entry.get(key)]
    return Wanted(name, urls, entry["sha256"], entry.get("bytes"), unpacked)


def _refuse(name: str, entry: Entry, options: Options) -> Path:
    raise UnavailableError(
        f"{name} cannot be fetched: {entry['reason']}; accept it, and put the data into the folder "
        f"{entry['folder']} in a folder that GAPBOOK_DATA names"
    )


_GET: dict[str, Callable[[str, Entry, Options], Path]] = {
    "embeddings": _get_embeddings,
    "file": _get_file,
    "archive": _get_archive,
    "hub model": download_snapshot,
    "hub dataset": download_snapshot,
    "by hand": _refuse,
}


def size_of(entry: Entry) -> tuple[int, int]:
    """Return the bytes to download and those that stay on the disk, as far as they are known.

    Parameters
    ----------
    entry : dict
        What the registry says of a source.

    Returns
    -------
    tuple of two int
        The download, and what stays when it is unpacked; 0 where nothing is known.
    """
    about = entry.get("about", {})
    coming = entry.get("bytes") or about.get("download", 0)
    return coming, about.get("unpacked", 0) or coming


def sources() -> pd.DataFrame:
    """Return a row for each source, of embeddings and of everything else.

    Returns
    -------
    pandas.DataFrame
        The columns are ``name``, ``kind``, ``download``, ``where`` and ``license``. ``where`` is
        "bundled", "cached" or "GAPBOOK_DATA" for a source at hand, else the command that gets it.

    Examples
    --------
    >>> sources().set_index("name").loc["coco-val2017", "download"]
    '816 MB'
    """
    rows = []
    for name, entry in registry().items():
        place = locate(name)
        coming, _ = size_of(entry)
        exact = entry.get("bytes") is not None
        shown = f"{'' if exact else 'about '}{in_units(coming)}" if coming else ""
        if place is not None:
            where = place[0]
        elif kind_of(entry) == "by hand":
            where = "by hand"
        elif kind_of(entry) == "embeddings" and "url" not in entry:
            where = "make precomputed NAME=glyphclip"
        else:
            where = f"gapbook fetch {name}"
        rows.append((name, kind_of(entry), shown, where, entry["license"]))
    return pd.DataFrame(rows, columns=["name", "kind", "download", "where", "license"])
