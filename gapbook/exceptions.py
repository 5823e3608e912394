"""What can go wrong, by kind, and how a message shows text that others wrote."""

import difflib
import os
import reprlib
from collections.abc import Iterable

# Enough for a path or a name; a file may hold a key of a million characters.
QUOTED_CHARACTERS = 80
# A message of the package and the longest paths fit; a library may quote a whole header.
LINE_CHARACTERS = 1000


class PairsError(ValueError):
    """The input is not a set of paired embeddings; the message says what was expected."""


class ColumnsError(PairsError):
    """A sound file has other arrays than those asked for."""


class FetchError(RuntimeError):
    """A source is unknown, or its file cannot be had or is not the file it should be."""


class UnavailableError(FetchError):
    """A source cannot be had: no address answers, or a license must be accepted by hand."""


class MissingPackageError(ImportError):
    """A package that only some inputs need is not installed; the message says how to get it."""


class PressError(Exception):
    """The book cannot be made as asked; the message says why and what to do."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return half a sentence that suggests the known name nearest to ``name``, or lists them.

    Examples
    --------
    >>> nearest("seedz", ["seeds", "epochs"])
    "did you mean 'seeds'?"
    >>> nearest("width", ["seeds", "epochs"])
    'there are seeds, epochs'
    """
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    return f"there are {', '.join(names[:20]) or 'none'}"


# Errors whose message says what was expected, what came and what to do.
EXPLAINED = (PairsError, FetchError, MissingPackageError, PressError, OSError)


def reason(error: BaseException) -> str:
    r"""Return one line on what went wrong.

    Parameters
    ----------
    error : BaseException
        Any error.

    Returns
    -------
    str
        The message of an error that this package or the system words; of any other its kind, too.

    Examples
    --------
    >>> reason(PairsError("Expected two\narrays"))
    'Expected two arrays'
    >>> reason(KeyError("x"))
    "unexpected KeyError: 'x'"
    """
    if isinstance(error, MemoryError) or "allocate memory" in str(error):
        return one_line(f"not enough memory: {error}".rstrip(": "))
    if isinstance(error, EXPLAINED):
        return one_line(str(error))
    return one_line(f"unexpected {type(error).__name__}: {error}".rstrip(": "))


def quoted(value: object, limit: int = QUOTED_CHARACTERS) -> str:
    r"""Return what others wrote as a message may show it: quoted, printable and short.

    Names in a file, a file's own name and the messages of libraries may hold escape sequences,
    which a terminal would obey, or a million characters.

    Parameters
    ----------
    value : object
        Text, bytes, a path or any other object, such as what a file states in place of text.
    limit : int
        About how many characters are shown. More are left out in the middle.

    Returns
    -------
    str
        The ``repr`` of ``value``, shortened.

    Examples
    --------
    >>> print(quoted("image"), quoted("\x1b[31mred"), quoted(b"PK"), quoted(["x", 5]))
    'image' '\x1b[31mred' b'PK' ['x', 5]
    >>> len(quoted("x" * 1_000_000))
    80
    """
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    short = reprlib.Repr()
    short.maxstring = limit
    short.maxother = limit
    short.maxlong = limit
    try:
        text = short.repr(value)
    except Exception:
        # An object whose repr fails has a kind all the same.
        text = f"<{type(value).__name__}>"
    return _shortened(text, limit)


def one_line(text: str, limit: int = LINE_CHARACTERS) -> str:
    r"""Return a message as one printable line of bounded length.

    Parameters
    ----------
    text : str
        A message, perhaps that of a library, with text that others wrote in it.
    limit : int
        The largest number of characters. More are left out in the middle.

    Returns
    -------
    str
        The message with single blanks, in which characters that do not print are escaped.

    Examples
    --------
    >>> one_line("first\nsecond")
    'first second'
    >>> print(one_line("\x1b[31mred, sk\xf8n"))
    \x1b[31mred, skøn
    """
    return _shortened(printable(" ".join(text.split())), limit)


def printable(text: str) -> str:
    r"""Return a line of text in which characters that a terminal would obey are escaped.

    Examples
    --------
    >>> print(printable("\x1b[31mred"))
    \x1b[31mred
    """
    shown = []
    for character in text:
        shown.append(character if character.isprintable() else repr(character)[1:-1])
    return "".join(shown)


def _shortened(text: str, limit: int) -> str:
    """Leave out the middle of a text that is longer than ``limit``."""
    if len(text) <= limit:
        return text
    start = (limit - 3) // 2
    end = limit - 3 - start
    return f"{text[:start]}...{text[-end:]}"
