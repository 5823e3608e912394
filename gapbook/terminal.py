"""What a command reads and prints, on any terminal and in any locale; an error is one line."""

import logging
import os
import shutil
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gapbook.exceptions import EXPLAINED, printable, reason


def open_standard_streams() -> None:
    """Open the standard streams that this process was started without.

    Otherwise the next file that is opened would become stdout or stderr, and what is printed would
    be written into it.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free descriptor is this one.
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (until the end)
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (until the end)


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Print no warnings, logs and errors of other threads in the block.

    What a library has to say to programmers is not for those who run a command. What a reader must
    know of the numbers is in the notes of the report.
    """
    hooks = (sys.unraisablehook, threading.excepthook)
    level = logging.root.manager.disable
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        sys.unraisablehook = _say_nothing
        threading.excepthook = _say_nothing
        try:
            yield
        finally:
            logging.disable(level)
            sys.unraisablehook, threading.excepthook = hooks


def _say_nothing(_: object) -> None:
    """Take the place of a hook that prints."""


def print_error(error: BaseException, debug: bool = False) -> None:
    """Print one line on stderr, after a traceback with all that led to it if ``debug``."""
    # A terminal that is gone cannot be told.
    with suppress(OSError):
        if debug:
            _show_causes(error)
            traceback.print_exception(error)
        hint = "" if isinstance(error, (*EXPLAINED, MemoryError)) else " (--debug shows where)"
        print(f"gapbook: {reason(error)}{hint}", file=sys.stderr, flush=True)


def clear_line() -> None:
    """Erase what stands on the line of a terminal: a progress bar that could not be closed.

    An interruption that comes while a bar is being made leaves nobody to close it.
    """
    with suppress(OSError):
        if sys.stderr.isatty():
            width = shutil.get_terminal_size().columns - 1
            print(f"\r{' ' * width}\r", end="", file=sys.stderr, flush=True)


def _show_causes(error: BaseException | None) -> None:
    """Let a traceback show the errors in whose place others were raised."""
    while error is not None:
        error.__suppress_context__ = error.__cause__ is not None
        error = error.__cause__ or error.__context__


def print_text(text: str) -> None:
    """Print lines on stdout, without what a terminal would obey, in any encoding."""
    lines = [printable(line) for line in text.split("\n")]
    encoding = sys.stdout.encoding or "utf-8"
    try:
        "–".encode(encoding)
    except UnicodeEncodeError:
        lines = [line.replace("–", "-") for line in lines]
    encoded = "\n".join(lines).encode(encoding, "backslashreplace")
    print(encoded.decode(encoding), flush=True)


def print_path(path: Path) -> None:
    """Print a path on stdout in the bytes that the file system knows it by."""
    try:
        print(path, flush=True)
    except UnicodeEncodeError:
        sys.stdout.buffer.write(os.fsencode(path) + os.fsencode(os.linesep))
        sys.stdout.flush()


def readable(text: str) -> str:
    r"""Return an argument or a file name as text that every encoding of Unicode can write.

    Python decodes them by the locale, and keeps bytes that do not fit as lone surrogates. Here they
    are read as UTF-8; what is none becomes the replacement character.

    Examples
    --------
    >>> readable("gr\udcc3\udcb6\udcc3\udc9fe"), readable("caf\udce9.npz"), readable("größe")
    ('größe', 'caf�.npz', 'größe')
    """
    try:
        content = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # Surrogates that stand for no byte.
        content = text.encode("utf-8", "replace")
    return content.decode("utf-8", "replace")
