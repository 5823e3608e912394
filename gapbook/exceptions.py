"""What can go wrong, by kind, and the half sentence that suggests a name."""

import difflib
from collections.abc import Iterable


class PairsError(ValueError):
    """The input is not a set of paired embeddings; the message says what was expected."""


class ColumnsError(PairsError):
    """A sound file has other arrays than those asked for."""


class FetchError(RuntimeError):
    """A source is unknown, or its file cannot be had or is not the file it should be."""


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
