"""Where bundled data lies, whether a file is there, and how one is written: whole or not at all."""

import errno
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from pathlib import Path

from gapbook.exceptions import PairsError, quoted

# What lies at a path, by its mode.
IS_A = {
    stat.S_ISREG: "is a file",
    stat.S_ISDIR: "is a folder",
    stat.S_ISFIFO: "is a named pipe",
    stat.S_ISSOCK: "is a socket",
    stat.S_ISCHR: "is a device",
    stat.S_ISBLK: "is a device",
}


# Longer paths are shortened in messages.
LONGEST_PATH = 200


class NotWrittenError(OSError):
    """A file could not be written; the message names it and says why."""


def data_path(relative: str) -> Path:
    """Return the path of a file that comes with the package, whether or not it exists.

    Parameters
    ----------
    relative : str
        The path below the folder of bundled data, with forward slashes.

    Returns
    -------
    pathlib.Path
        The path on this machine.

    Examples
    --------
    >>> data_path("registry.yml").is_file()
    True
    """
    return Path(str(files("gapbook.data"))) / relative


def require_file(path: Path, what: str = "a file") -> None:
    """Raise ``PairsError`` unless there is a file at ``path``; ``what`` names the kind of file.

    Examples
    --------
    >>> require_file(Path("nowhere.csv"), "a CSV file")
    Traceback (most recent call last):
    gapbook.exceptions.PairsError: Expected a CSV file; nowhere.csv does not exist
    """
    problem = _what_is_at(path)
    if problem != "is a file":
        raise PairsError(f"Expected {what}; {path_text(path)} {problem}")


def require_folder(path: Path, what: str = "a folder") -> None:
    """Raise ``PairsError`` unless there is a folder at ``path``; ``what`` names the kind of folder.

    Examples
    --------
    >>> require_folder(Path("nowhere"), "a folder of images")
    Traceback (most recent call last):
    gapbook.exceptions.PairsError: Expected a folder of images; nowhere does not exist
    """
    problem = _what_is_at(path)
    if problem != "is a folder":
        raise PairsError(f"Expected {what}; {path_text(path)} {problem}")


def path_text(path: str | os.PathLike[str]) -> str:
    r"""Return a path as a message shows it: as it is, or quoted where it does not print or is long.

    Examples
    --------
    >>> path_text("a/b.npz"), path_text("\x1b[31m.npz")
    ('a/b.npz', "'\\x1b[31m.npz'")
    """
    text = os.fspath(path)
    if text.isprintable() and len(text) <= LONGEST_PATH:
        return text
    return quoted(text, LONGEST_PATH)


def _what_is_at(path: Path) -> str:
    """Say in words what lies at a path, of a link what it leads to."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return _why_nothing_is_at(path, error)
    except ValueError:
        # A null character, which no file system knows.
        return "does not exist"
    return next((words for is_kind, words in IS_A.items() if is_kind(mode)), "is no file")


def _why_nothing_is_at(path: Path, error: OSError) -> str:
    if error.errno == errno.ELOOP:
        return "is a link that leads back to itself"
    if error.errno not in (errno.ENOENT, errno.ENOTDIR):
        return f"cannot be reached ({error.strerror})"
    if path.is_symlink():
        return "is a link to what does not exist"
    return "does not exist"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path to write to, and move what is there to ``path`` afterwards.

    An error, an interruption or a full disk within the block leaves an earlier file at ``path`` as
    it was, and no temporary file behind.

    Parameters
    ----------
    path : pathlib.Path
        Where the file shall be. Its folder must exist.

    Yields
    ------
    pathlib.Path
        A path with the name of ``path``, since some libraries choose the format by the ending, in a
        hidden folder beside it that only this user can open.

    Raises
    ------
    NotWrittenError
        If writing fails: an ``OSError``. The message says so, with the path and the reason.

    Notes
    -----
    The file keeps the permissions of an earlier one; a new one gets those of any new file. A link
    at ``path`` is replaced by the file, and what it leads to stays as it is: in a folder that
    others can write to, a link may lead anywhere.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "numbers.txt")
    ...     with whole_file(path) as temporary:
    ...         _ = temporary.write_text("1 2 3")
    ...     path.read_text()
    '1 2 3'
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".gapbook-") as folder:
            temporary = Path(folder) / path.name
            yield temporary
            _finish(temporary, path)
    except NotWrittenError:
        # Another file, within this block.
        raise
    except OSError as error:
        reason = error.strerror or str(error)
        raise NotWrittenError(
            error.errno,
            f"cannot write {path_text(path)} ({reason}); an earlier file there is unchanged",
        ) from None


def _finish(temporary: Path, path: Path) -> None:
    """Put a written file on the disk and in its place, with the permissions of an earlier one."""
    with temporary.open("rb+") as file:
        # What a power cut leaves is the earlier file or the whole new one.
        os.fsync(file.fileno())
    if path.is_file() and not path.is_symlink():
        temporary.chmod(stat.S_IMODE(path.stat().st_mode) & 0o777)
    temporary.replace(path)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, as ``whole_file`` does."""
    write_all({path: content})


def write_all(contents: Mapping[Path, bytes]) -> None:
    """Write several files as ``whole_file`` does, and put none in its place before all are written.

    Parameters
    ----------
    contents : mapping of pathlib.Path to bytes
        What each file shall hold.

    Raises
    ------
    NotWrittenError
        If one of them cannot be written. Earlier files at all paths are unchanged.
    """
    with ExitStack() as stack:
        for path, content in contents.items():
            stack.enter_context(whole_file(path)).write_bytes(content)
