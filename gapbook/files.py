"""Where bundled data lies, and how a file is written: whole or not at all."""

import contextlib
import os
from importlib.resources import files
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a temporary file in the same folder and move it to ``path``; remove it if anything goes wrong."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise OSError(
            error.errno, f"cannot write {path} ({reason}); an earlier file there is unchanged"
        ) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def data_path(relative: str) -> Path:
    """Return the path of a file that comes with the package, whether or not it exists."""
    return Path(str(files("gapbook.data"))) / relative
