"""Unpack an archive whole or not at all, and notice what is missing of a folder later."""

import gzip
import json
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple

from tqdm import tqdm

from gapbook.exceptions import FetchError, one_line, quoted
from gapbook.files import path_text
from gapbook.published.download import Options
from gapbook.published.space import require_space

# What an unpacked folder is of: written with it, before it gets its name.
MARKER = ".gapbook.json"

# What archives made on a Mac hold beside their own folder.
MAC_FOLDER = "__MACOSX"

DAMAGED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    gzip.BadGzipFile,
    EOFError,
    # an encrypted member, or a compression that this Python lacks
    RuntimeError,
)


class _Member(NamedTuple):
    """A file in an archive: its path there, its size, and a function that opens it."""

    path: PurePosixPath
    size: int
    open: Callable[[], IO[bytes]]


def unpack(archive: Path, folder: Path, name: str, sha256: str, options: Options) -> None:
    """Unpack a zip or tar archive into a new folder.

    Parameters
    ----------
    archive : Path
        The archive, whose hash has been checked.
    folder : Path
        The folder to make. Where the archive holds one folder, that is its content, without the
        folder around it.
    name : str
        The source, for the progress bar and for messages.
    sha256 : str
        The hash of the archive, which the folder remembers with the names and sizes of its files.
    options : Options
        How to fetch.

    Raises
    ------
    FetchError
        If the archive is damaged, holds a link or a member that would leave the folder, or has no
        room on the disk. Nothing stays.

    Notes
    -----
    Members go into a hidden folder beside ``folder``, which is renamed when all are there: an
    interruption leaves no folder, and no part of one.
    """
    temporary = folder.parent / f".{folder.name}-unpacking"
    # Left by a process that was killed.
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        with _members(archive) as members:
            total = sum(member.size for member in members)
            require_space(folder.parent, name, 0, total, options.free, "GAPBOOK_CACHE")
            temporary.mkdir(parents=True)
            _write_members(members, temporary, name, options.progress)
        content = _content(temporary)
        marker = {"source": name, "sha256": sha256, "files": sizes_below(content)}
        (content / MARKER).write_text(json.dumps(marker), encoding="utf-8")
        content.rename(folder)
    except FetchError:
        # A RuntimeError, too.
        raise
    except DAMAGED as error:
        reason = one_line(f"{type(error).__name__}: {error}", 200)
        raise FetchError(
            f"{path_text(archive)} cannot be unpacked ({reason}); nothing of it was kept"
        ) from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        # The folder around it, if there is nothing else in it.
        with suppress(OSError):
            folder.parent.rmdir()


def sizes_below(folder: Path) -> dict[str, int]:
    """Return the size of each file below a folder by its path there, hidden ones left out."""
    sizes = {}
    for path in sorted(folder.rglob("*")):
        if not path.name.startswith(".") and path.is_file():
            sizes[path.relative_to(folder).as_posix()] = path.stat().st_size
    return sizes


def what_is_wrong(folder: Path, sha256: str | None, required: Mapping[str, int]) -> str | None:
    """Say what an unpacked folder lacks.

    Parameters
    ----------
    folder : Path
        A folder that exists.
    sha256 : str, optional
        The hash of the archive that it should be of.
    required : mapping of str to int
        Number of files by pattern, for a folder that was not unpacked by :func:`unpack`.

    Returns
    -------
    str or None
        The end of a sentence on the folder; None where it is whole.
    """
    marker = _read_marker(folder)
    if marker is None:
        for pattern, count in required.items():
            there = sum(1 for path in folder.glob(pattern) if path.is_file())
            if there < count:
                return f"holds {there} of the {count} files {pattern} that belong there"
        return None
    if sha256 is not None and marker.get("sha256") != sha256:
        return (
            f"is of another archive, of sha256 {marker.get('sha256')}, where {sha256} is expected"
        )
    expected: dict[str, int] = marker["files"]
    wrong = [file for file, size in expected.items() if _size(folder / file) != size]
    if not wrong:
        return None
    return (
        f"lacks {len(wrong)} of its {len(expected)} files, or they have another size "
        f"(first: {quoted(wrong[0])})"
    )


def _read_marker(folder: Path) -> dict | None:
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(marker, dict) or not isinstance(marker.get("files"), dict):
        return None
    return marker


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


@contextmanager
def _members(archive: Path) -> Iterator[list[_Member]]:
    """Open an archive and list its files, all of which may be unpacked."""
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            yield [_of_zip(file, info) for info in file.infolist() if not info.is_dir()]
    else:
        with tarfile.open(archive) as tar:
            yield [_of_tar(tar, info) for info in tar if not info.isdir()]


def _of_zip(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    mode = info.external_attr >> 16
    is_file = stat.S_IFMT(mode) in (0, stat.S_IFREG)
    path = _checked(info.filename, is_file, str(archive.filename))
    return _Member(path, info.file_size, lambda: archive.open(info))


def _of_tar(archive: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    path = _checked(info.name, info.isreg(), str(archive.name))

    def opened() -> IO[bytes]:
        content = archive.extractfile(info)
        assert content is not None
        return content

    return _Member(path, info.size, opened)


def _checked(name: str, is_file: bool, archive: str) -> PurePosixPath:
    """Return the path of a member, unless it leaves the folder or is no file."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or ":" in name or "\0" in name:
        raise FetchError(
            f"{path_text(archive)} has the member {quoted(name)}, which would leave the folder; "
            "nothing of it was unpacked"
        )
    if not is_file:
        raise FetchError(
            f"{path_text(archive)} has the member {quoted(name)}, which is a link or a device; "
            "nothing of it was unpacked"
        )
    return path


def _write_members(members: list[_Member], folder: Path, name: str, progress: bool) -> None:
    total = sum(member.size for member in members)
    with tqdm(
        desc=f"{name} unpacked", total=total, unit="B", unit_scale=True, disable=not progress
    ) as bar:
        for member in members:
            path = folder / member.path
            path.parent.mkdir(parents=True, exist_ok=True)
            with member.open() as source, path.open("wb") as target:
                shutil.copyfileobj(source, target, 2**20)
            bar.update(member.size)


def _content(folder: Path) -> Path:
    """Return the one folder that an archive holds, or else the folder that it was unpacked into."""
    top = [path for path in folder.iterdir() if path.name != MAC_FOLDER]
    if len(top) == 1 and top[0].is_dir():
        return top[0]
    return folder
