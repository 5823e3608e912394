"""Where bundled data lies, whether a file is there, and how one is written: whole or not at all."""

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from gapbook.exceptions import PairsError


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
    if path.is_file():
        return
    problem = "is a folder" if path.is_dir() else "does not exist"
    raise PairsError(f"Expected {what}; {path} {problem}")


def require_folder(path: Path, what: str = "a folder") -> None:
    """Raise ``PairsError`` unless there is a folder at ``path``; ``what`` names the kind of folder.

    Examples
    --------
    >>> require_folder(Path("nowhere"), "a folder of images")
    Traceback (most recent call last):
    gapbook.exceptions.PairsError: Expected a folder of images; nowhere does not exist
    """
    if path.is_dir():
        return
    problem = "is a file" if path.exists() else "does not exist"
    raise PairsError(f"Expected {what}; {path} {problem}")


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
        A hidden path in the same folder, with the ending of ``path``, since some libraries choose
        the format by the ending.

    Raises
    ------
    OSError
        If writing fails. The message says so, with the path and the reason.

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
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(
            error.errno, f"cannot write {path} ({reason}); an earlier file there is unchanged"
        ) from None
    finally:
        # What went wrong above is worth more than a file that cannot be removed.
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, as ``whole_file`` does."""
    with whole_file(path) as temporary:
        temporary.write_bytes(content)
