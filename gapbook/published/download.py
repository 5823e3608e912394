"""Download one file, whole or not at all; what has arrived is kept and gone on from."""

import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from tqdm import tqdm

from gapbook.exceptions import FetchError, UnavailableError, one_line
from gapbook.files import path_text
from gapbook.published.space import FreeBytes, free_bytes, in_units, require_space

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from requests import Response

# How often in a row a download that breaks off, and has not got further, is tried again.
RETRIES = 2

# Seconds without an answer after which a server counts as not there, and between two pieces.
TIMEOUT = (10, 60)

CHUNK = 2**18

PART = ".part"

# Answers after which asking again is of use.
PASSING = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Options:
    """How to fetch, besides what.

    Attributes
    ----------
    progress : bool
        Whether to show a progress bar.
    free : callable
        Function of a folder that returns the free bytes of its disk.
    pause : float
        Seconds before the first retry; each further one waits twice as long.
    """

    progress: bool = True
    free: FreeBytes = free_bytes
    pause: float = 1.0


@dataclass(frozen=True)
class Wanted:
    """A file as the registry states it: its addresses in the order of trying, hash and size."""

    name: str
    urls: Sequence[str]
    sha256: str
    size: int | None = None
    unpacked: int = 0


class _BrokenError(Exception):
    """An address did not give the file; ``again`` says whether it may when asked once more."""

    def __init__(self, reason: str, again: bool) -> None:
        super().__init__(reason)
        self.again = again


class _AnotherFileError(Exception):
    """What an address offers has another size than the file that is wanted."""


def download(target: Path, wanted: Wanted, options: Options) -> None:
    """Download a file into its place.

    Parameters
    ----------
    target : Path
        Where the file shall be. Its folder is made.
    wanted : Wanted
        The file.
    options : Options
        How to fetch.

    Raises
    ------
    UnavailableError
        If no address gives it: a ``FetchError``. What has arrived stays.
    FetchError
        If the disk has no room for it, its sha256 or size is another one (then nothing stays), or
        another process downloads it.
    OSError
        If it cannot be written. What has arrived stays.

    Notes
    -----
    What has arrived lies beside the target, with ``.part`` after its name, and a small ``.json``
    file that says which version it is of. A server is asked for the rest of just that version; one
    that cannot give it, or has another version now, sends the file from its start.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    with _Part.opened(target) as part:
        problems = []
        for url in wanted.urls:
            try:
                _receive(part, url, wanted, options)
                break
            except (_BrokenError, _AnotherFileError) as error:
                problems.append((url, error))
        else:
            raise _not_had(target, problems, part.size)
        found = part.hash.hexdigest()
        if found != wanted.sha256:
            part.remove()
            raise FetchError(
                f"{target.name} from {url} has the wrong sha256: expected {wanted.sha256}, found "
                f"{found}; it was deleted, so try again later, and report it if it stays so"
            )
        part.finish()


def _not_had(target: Path, problems: Sequence[tuple[str, Exception]], arrived: int) -> FetchError:
    """Return the error for a file that no address gave."""
    tried = ", nor ".join(f"from {url} ({one_line(str(error), 200)})" for url, error in problems)
    stays = f"; {in_units(arrived)} have arrived, and the same command goes on" if arrived else ""
    kind: type[FetchError] = UnavailableError
    if any(isinstance(error, _AnotherFileError) for _, error in problems):
        kind = FetchError
    return kind(
        f"cannot download {target.name} {tried}{stays}; connect to the internet and try again, "
        "or put the file into a folder and name that folder in GAPBOOK_DATA"
    )


class _Part:
    """What has arrived of a file: its content, hash and version."""

    def __init__(self, target: Path, file: BinaryIO) -> None:
        self.target = target
        self.file = file
        self.path = _beside(target, PART)
        self.about = _beside(target, f"{PART}.json")
        self.hash = hashlib.sha256()
        self.size = 0
        self.version: dict[str, Any] = {}

    @classmethod
    @contextmanager
    def opened(cls, target: Path) -> Iterator["_Part"]:
        """Open the part of a file, and read what has arrived; no other process may write it."""
        with _beside(target, PART).open("a+b") as file:
            _lock(file, target)
            part = cls(target, file)
            part._read()
            try:
                yield part
            finally:
                if not part.size:
                    # Nothing has arrived: leave nothing.
                    part.remove()

    def _read(self) -> None:
        with suppress(OSError, ValueError):
            version = json.loads(self.about.read_text(encoding="utf-8"))
            if isinstance(version, dict):
                self.version = version
        self.file.seek(0)
        while chunk := self.file.read(CHUNK):
            self.hash.update(chunk)
            self.size += len(chunk)

    def restart(self) -> None:
        """Forget what has arrived."""
        self.file.truncate(0)
        self.hash = hashlib.sha256()
        self.size = 0

    def is_of(self, version: dict[str, Any]) -> None:
        """Note which version of the file arrives."""
        if version != self.version:
            self.version = version
            self.about.write_text(json.dumps(version), encoding="utf-8")

    def append(self, chunk: bytes) -> None:
        self.file.write(chunk)
        self.hash.update(chunk)
        self.size += len(chunk)

    def remove(self) -> None:
        self.restart()
        self.path.unlink(missing_ok=True)
        self.about.unlink(missing_ok=True)

    def finish(self) -> None:
        """Put the whole file on the disk and in its place."""
        self.file.flush()
        os.fsync(self.file.fileno())
        self.path.replace(self.target)
        self.about.unlink(missing_ok=True)


def _beside(target: Path, suffix: str) -> Path:
    return target.with_name(target.name + suffix)


def _lock(file: BinaryIO, target: Path) -> None:
    """Refuse to write what another process writes; its end frees the file."""
    if fcntl is None:
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FetchError(
            f"another process downloads {path_text(target)} just now; wait for its end"
        ) from None
    except OSError:
        # A file system without locks.
        return


def _receive(part: _Part, url: str, wanted: Wanted, options: Options) -> None:
    """Receive the rest of a file from one address, which may break off now and then."""
    failures = 0
    furthest = part.size
    while True:
        try:
            _receive_once(part, url, wanted, options)
            return
        except _BrokenError as error:
            failures += 1
            if part.size > furthest:
                failures = 0
                furthest = part.size
            if not error.again or failures > RETRIES:
                raise
            time.sleep(options.pause * 2**failures)


def _receive_once(part: _Part, url: str, wanted: Wanted, options: Options) -> None:
    """Ask once for the rest of a file, and write what comes."""
    if wanted.size is not None:
        if part.size > wanted.size:
            part.restart()
        if part.size == wanted.size:
            return
        _require_space(part, wanted, wanted.size, options)
    with _ask(part, url) as response:
        total = _total(response, part)
        if wanted.size is not None and total is not None and total != wanted.size:
            raise _AnotherFileError(f"it has {total} bytes there, where {wanted.size} are expected")
        if wanted.size is None and total is not None:
            _require_space(part, wanted, total, options)
        _write(part, response, total, wanted, options)


def _require_space(part: _Part, wanted: Wanted, total: int, options: Options) -> None:
    require_space(
        part.target.parent,
        wanted.name,
        total - part.size,
        wanted.unpacked,
        options.free,
        "GAPBOOK_CACHE",
    )


@contextmanager
def _ask(part: _Part, url: str) -> Iterator["Response"]:
    """Ask for what has not arrived; where the server has another version, for all of it."""
    import requests

    try:
        response = requests.get(url, headers=_headers(part, url), stream=True, timeout=TIMEOUT)
        if part.size and not _goes_on(response, part, url):
            response.close()
            part.restart()
            response = requests.get(url, headers=_headers(part, url), stream=True, timeout=TIMEOUT)
    except requests.RequestException as error:
        # An address that is none is a ValueError, too.
        again = not isinstance(error, ValueError)
        raise _BrokenError(type(error).__name__, again) from None
    with response:
        if response.status_code not in (200, 206):
            reason = response.reason or f"status {response.status_code}"
            raise _BrokenError(reason, again=response.status_code in PASSING)
        if response.status_code == 200:
            part.restart()
        part.is_of(_version(response, url))
        yield response


def _headers(part: _Part, url: str) -> dict[str, str]:
    """Return what to ask for: the bytes of the file as they are, from where the last one ended."""
    headers = {"Accept-Encoding": "identity"}
    if part.size:
        headers["Range"] = f"bytes={part.size}-"
        mark = part.version.get("etag") or part.version.get("modified")
        # A weak mark says that two versions mean the same, not that their bytes are.
        if mark and part.version.get("url") == url and not mark.startswith("W/"):
            headers["If-Range"] = mark
    return headers


def _version(response: "Response", url: str) -> dict[str, Any]:
    return {
        "url": url,
        "etag": response.headers.get("ETag"),
        "modified": response.headers.get("Last-Modified"),
    }


def _goes_on(response: "Response", part: _Part, url: str) -> bool:
    """Tell whether an answer may be used: the rest of the version that has arrived, or all."""
    if response.status_code == 206:
        start, _ = _range(response)
        same = part.version.get("url") != url or _version(response, url) == part.version
        return start == part.size and same
    # The server finds no rest of what has arrived, so this is of another version.
    return response.status_code != 416


def _range(response: "Response") -> tuple[int | None, int | None]:
    """Return where the content of an answer starts in the file, and the size of the file."""
    text = response.headers.get("Content-Range", "")
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", text.strip())
    if match is None:
        return None, None
    return int(match[1]), int(match[2]) if match[2] != "*" else None


def _total(response: "Response", part: _Part) -> int | None:
    """Return the size of the whole file, as far as the server says."""
    if response.status_code == 206:
        return _range(response)[1]
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _write(
    part: _Part, response: "Response", total: int | None, wanted: Wanted, options: Options
) -> None:
    """Write what a server sends, in the bytes of the file."""
    from urllib3.exceptions import HTTPError

    limit = wanted.size or total
    with tqdm(
        desc=part.target.name,
        total=limit,
        initial=part.size,
        unit="B",
        unit_scale=True,
        disable=not options.progress,
    ) as bar:
        try:
            for chunk in response.raw.stream(CHUNK, decode_content=False):
                part.append(chunk)
                bar.update(len(chunk))
                if limit is not None and part.size > limit:
                    part.restart()
                    raise _AnotherFileError(f"it has more than the {limit} bytes expected")
        except (HTTPError, ConnectionError) as error:
            raise _BrokenError(f"broken off: {type(error).__name__}", again=True) from None
        finally:
            part.file.flush()
    if limit is not None and part.size < limit:
        raise _BrokenError(f"broken off at {part.size} of {limit} bytes", again=True)
