"""The one list of embedding sources, and the download of those that their authors published."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import pooch
import yaml

from gapbook.exceptions import FetchError, nearest, quoted
from gapbook.files import data_path

# How often a download that breaks off is tried again.
RETRIES = 2

# Seconds without an answer after which a server counts as not there.
TIMEOUT = 10


@lru_cache
def registry() -> dict[str, dict[str, Any]]:
    """Return the description of every source, as it stands in ``data/registry.yml``.

    Returns
    -------
    dict of dict
        By name of the source: file, license, shape and more; ``url`` and ``sha256`` where its
        authors published it.

    Examples
    --------
    >>> registry()["clip-coco"]["shape"]
    [2, 500, 512]
    """
    return yaml.safe_load(data_path("registry.yml").read_text(encoding="utf-8"))


def registry_entry(name: str) -> dict[str, Any]:
    """Return the registry's entry for one source.

    Parameters
    ----------
    name : str
        The source.

    Raises
    ------
    FetchError
        If there is no such source; the message suggests the nearest name.

    Examples
    --------
    >>> registry_entry("clip-coc")
    Traceback (most recent call last):
    gapbook.exceptions.FetchError: unknown source 'clip-coc'; did you mean 'clip-coco'?
    """
    if name not in registry():
        raise FetchError(f"unknown source {name!r}; {nearest(name, registry())}")
    return registry()[name]


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


def locate(name: str) -> tuple[str, Path] | None:
    """Return where the file of a source is at hand.

    Parameters
    ----------
    name : str
        The source.

    Returns
    -------
    tuple of str and Path, or None
        The place ("bundled", "GAPBOOK_DATA" or "cached") and the path, or None where the file is
        not at hand. A published file counts only where its sha256 is the registered one.

    Raises
    ------
    FetchError
        If there is no such source.
    """
    entry = registry_entry(name)
    if "url" not in entry:
        path = data_path(entry["file"])
        return ("bundled", path) if path.is_file() else None
    for place, folder in search_folders().items():
        path = folder / entry["file"]
        if path.is_file() and pooch.file_hash(str(path)) == entry["sha256"]:
            return place, path
    return None


def fetch(name: str) -> Path:
    """Return the path of a source's file, downloading it where it is not at hand.

    The file is looked for in the folder that ``GAPBOOK_DATA`` names, then in the cache
    (``GAPBOOK_CACHE``, or else the user's cache folder). A download shows a progress bar and is
    tried again where it breaks off. The sha256 is checked every time; a download that fails or is
    interrupted leaves no file behind.

    Parameters
    ----------
    name : str
        The source.

    Raises
    ------
    FetchError
        One line each: the name is unknown, the sha256 is wrong (with file, expected and got), there
        is no network, or the cache cannot be written.
    """
    if at_hand := locate(name):
        return at_hand[1]
    entry = registry_entry(name)
    if "url" not in entry:
        raise FetchError(
            f"{data_path(entry['file'])} is missing; install gapbook again, or run: "
            "make precomputed NAME=glyphclip"
        )
    folders = search_folders()
    if "GAPBOOK_DATA" in folders:
        _refuse_another_file(folders["GAPBOOK_DATA"] / entry["file"], entry["sha256"])
    return _download(entry["file"], entry["url"], entry["sha256"], folders["cached"])


def _refuse_another_file(path: Path, sha256: str) -> None:
    """Raise an error where a file in the reader's own folder is not the registered one."""
    if path.is_file():
        got = pooch.file_hash(str(path))
        raise FetchError(
            f"{path} has the wrong sha256: expected {sha256}, got {got}; replace or remove it"
        )


def _download(file: str, url: str, sha256: str, folder: Path) -> Path:
    """Download by way of pooch, which checks a temporary file before it moves it in place."""
    from requests.exceptions import RequestException

    cache = pooch.create(
        folder, "", registry={file: sha256}, urls={file: url}, retry_if_failed=RETRIES
    )
    downloader = pooch.HTTPDownloader(progressbar=True, timeout=TIMEOUT)
    try:
        return Path(cache.fetch(file, downloader=downloader))
    except RequestException as error:
        reason = getattr(error.response, "reason", type(error).__name__)
        problem = (
            f"cannot download {file} from {url} ({reason}); connect to the internet and try again, "
            "or put the file into a folder and name that folder in GAPBOOK_DATA"
        )
    except OSError as error:
        problem = (
            f"cannot write {file} into the cache {folder} ({error.strerror or error}); "
            "name a folder that can be written in GAPBOOK_CACHE"
        )
    except ValueError as error:
        # The hash is wrong: pooch's own message names file, expected and got.
        problem = f"{error} It came from {url}"
    # Raised here, outside of the handlers, so that no second traceback stands above it.
    raise FetchError(problem)
