"""The one list of embedding sources, and the download of those that their authors published."""

import difflib
import os
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

RETRIES = 2
TIMEOUT = 10  # seconds without an answer


class FetchError(RuntimeError):
    """A source is unknown, or its file cannot be had or is not the file it should be."""


@lru_cache
def registry() -> dict[str, dict[str, Any]]:
    """Return the description of every source, by name, as it stands in ``data/registry.yml``.

    >>> registry()["clip-coco"]["shape"]
    [2, 500, 512]
    """
    return yaml.safe_load(data_path("registry.yml").read_text(encoding="utf-8"))


def data_path(relative: str) -> Path:
    """Return the path of a file that comes with the package, whether or not it exists."""
    return Path(str(files("gapbook.data"))) / relative


def source(name: str) -> dict[str, Any]:
    """Return the registry's entry for a source; raise ``FetchError`` with the nearest name where there is none.

    >>> source("clip-coc")
    Traceback (most recent call last):
    gapbook.published.FetchError: unknown source 'clip-coc', did you mean 'clip-coco'? Known: glyphclip, ...
    """
    sources = registry()
    if name not in sources:
        near = difflib.get_close_matches(str(name), sources, n=1)
        hint = f", did you mean {near[0]!r}?" if near else "."
        raise FetchError(f"unknown source {name!r}{hint} Known: {', '.join(sources)}")
    return sources[name]


def cache_folder() -> Path:
    """Return the folder of downloads: ``GAPBOOK_CACHE``, or else the user's cache folder for gapbook."""
    import pooch

    return Path(os.environ.get("GAPBOOK_CACHE") or pooch.os_cache("gapbook")).expanduser()


def locate(name: str) -> tuple[str, Path] | None:
    """Return where a source's file is at hand ("bundled", "GAPBOOK_DATA" or "cached") and its path, or None.

    A published file counts only where its sha256 is the registered one.
    """
    entry = source(name)
    if "url" not in entry:
        path = data_path(entry["file"])
        return ("bundled", path) if path.is_file() else None
    for place, path in _places(entry["file"]):
        if path.is_file() and _sha256(path) == entry["sha256"]:
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
    entry = source(name)
    found = locate(name)
    if found:
        return found[1]
    if "url" not in entry:
        raise FetchError(f"{data_path(entry['file'])} is missing; install gapbook again, or run: make glyphclip")
    for place, path in _places(entry["file"]):
        if place == "GAPBOOK_DATA" and path.is_file():
            raise FetchError(_wrong_hash(path, entry["sha256"], _sha256(path)) + "; replace or remove it")
    return _download(entry["file"], entry["url"], entry["sha256"])


def _places(file: str) -> list[tuple[str, Path]]:
    """Return where a published file may lie already, in the order of looking."""
    at_hand = os.environ.get("GAPBOOK_DATA")
    places = [("GAPBOOK_DATA", Path(at_hand).expanduser() / file)] if at_hand else []
    return [*places, ("cached", cache_folder() / file)]


def _sha256(path: Path) -> str:
    import pooch

    return pooch.file_hash(str(path))


def _wrong_hash(what: object, expected: str, got: str) -> str:
    return f"{what} has the wrong sha256: expected {expected}, found {got}"


def _download(file: str, url: str, sha256: str) -> Path:
    """Download into the cache by way of pooch, which checks a temporary file before it moves it in place."""
    import pooch
    from requests.exceptions import RequestException

    found = []

    def download(url: str, path: str, manager: pooch.Pooch) -> None:
        pooch.HTTPDownloader(progressbar=True, timeout=TIMEOUT)(url, path, manager)
        found.append(_sha256(Path(path)))

    cache = pooch.create(cache_folder(), "", registry={file: sha256}, urls={file: url}, retry_if_failed=RETRIES)
    try:
        return Path(cache.fetch(file, downloader=download))
    except RequestException as error:
        answer = getattr(error.response, "status_code", None)
        reason = f"the server answered {answer}" if answer else type(error).__name__
        raise FetchError(
            f"cannot download {file} from {url} ({reason}); connect to the internet and try again, "
            "or put the file into a folder and name that folder in GAPBOOK_DATA"
        ) from None
    except OSError as error:
        raise FetchError(
            f"cannot write {file} into the cache {cache_folder()} ({error.strerror or error}); "
            "name a folder that can be written in GAPBOOK_CACHE"
        ) from None
    except ValueError:
        raise FetchError(_wrong_hash(f"{file} from {url}", sha256, found[-1]) + "; it was not kept") from None
