"""The one list of embedding sources, and the download of those that their authors published."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import pooch
import yaml

from gapbook.exceptions import FetchError, nearest
from gapbook.files import data_path

RETRIES = 2
TIMEOUT = 10  # seconds without an answer


@lru_cache
def registry() -> dict[str, dict[str, Any]]:
    """Return the description of every source, by name, as it stands in ``data/registry.yml``.

    >>> registry()["clip-coco"]["shape"]
    [2, 500, 512]
    """
    return yaml.safe_load(data_path("registry.yml").read_text(encoding="utf-8"))


def source(name: str) -> dict[str, Any]:
    """Return the registry's entry for a source; raise ``FetchError`` with the nearest name where there is none.

    >>> source("clip-coc")
    Traceback (most recent call last):
    gapbook.exceptions.FetchError: unknown source 'clip-coc'; did you mean 'clip-coco'?
    """
    if name not in registry():
        raise FetchError(f"unknown source {name!r}; {nearest(name, registry())}")
    return registry()[name]


def _folders() -> dict[str, Path]:
    """Return the folders where a published file may lie already, in the order of looking."""
    cache = os.environ.get("GAPBOOK_CACHE") or pooch.os_cache("gapbook")
    folders = {"GAPBOOK_DATA": os.environ.get("GAPBOOK_DATA"), "cached": cache}
    return {place: Path(folder).expanduser() for place, folder in folders.items() if folder}


def locate(name: str) -> tuple[str, Path] | None:
    """Return where a source's file is at hand ("bundled", "GAPBOOK_DATA" or "cached") and its path, or None.

    A published file counts only where its sha256 is the registered one.
    """
    entry = source(name)
    if "url" not in entry:
        path = data_path(entry["file"])
        return ("bundled", path) if path.is_file() else None
    for place, folder in _folders().items():
        path = folder / entry["file"]
        if path.is_file() and pooch.file_hash(str(path)) == entry["sha256"]:
            return place, path
    return None


def fetch(name: str) -> Path:
    """Return the path of a source's file, downloading it where it is not at hand.

    Looks in the folder that ``GAPBOOK_DATA`` names, then in the cache (``GAPBOOK_CACHE``, or else the user's cache
    folder), then downloads with a progress bar and ``RETRIES`` retries. The sha256 is checked every time; a download
    that fails or is interrupted leaves no file behind.

    Raises ``FetchError``, one line each: unknown name, wrong sha256 (with file, expected and found), no network,
    cache that cannot be written.
    """
    if found := locate(name):
        return found[1]
    entry = source(name)
    if "url" not in entry:
        raise FetchError(
            f"{data_path(entry['file'])} is missing; install gapbook again, or run: make glyphclip"
        )
    folders = _folders()
    if "GAPBOOK_DATA" in folders and (given := folders["GAPBOOK_DATA"] / entry["file"]).is_file():
        hashes = f"expected {entry['sha256']}, found {pooch.file_hash(str(given))}"
        raise FetchError(f"{given} has the wrong sha256: {hashes}; replace or remove it")
    return _download(entry["file"], entry["url"], entry["sha256"], folders["cached"])


def _download(file: str, url: str, sha256: str, folder: Path) -> Path:
    """Download by way of pooch, which checks a temporary file before it moves it in place."""
    from requests.exceptions import RequestException

    cache = pooch.create(
        folder, "", registry={file: sha256}, urls={file: url}, retry_if_failed=RETRIES
    )
    try:
        return Path(
            cache.fetch(file, downloader=pooch.HTTPDownloader(progressbar=True, timeout=TIMEOUT))
        )
    except RequestException as error:
        reason = getattr(error.response, "reason", type(error).__name__)
        problem = (
            f"cannot download {file} from {url} ({reason}); connect to the internet and try again, "
        )
        problem += "or put the file into a folder and name that folder in GAPBOOK_DATA"
    except OSError as error:
        problem = f"cannot write {file} into the cache {folder} ({error.strerror or error}); "
        problem += "name a folder that can be written in GAPBOOK_CACHE"
    except ValueError as error:  # the hash: pooch names file, expected and found
        problem = f"{error} It came from {url}"
    raise FetchError(problem)
