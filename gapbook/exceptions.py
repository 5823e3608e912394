"""What can go wrong, by kind, and the half sentence that suggests a name."""

import difflib
from collections.abc import Iterable


class PairsError(ValueError):
    """The input is not a set of paired embeddings; the message says what was expected and what came."""


class FetchError(RuntimeError):
    """A source is unknown, or its file cannot be had or is not the file it should be."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Half a sentence that suggests the known name nearest to ``name``, or lists those there are.

    >>> nearest("seedz", ["seeds", "epochs"])
    "did you mean 'seeds'?"
    """
    names = list(known)
    close = difflib.get_close_matches(name, names, n=1)
    return (
        f"did you mean {close[0]!r}?" if close else f"there are {', '.join(names[:20]) or 'none'}"
    )


class PressError(Exception):
    """The book cannot be made as asked; the message says why and what to do."""


class ColumnsError(PairsError):
    """A sound file that has other arrays than those asked for."""


class MissingPackageError(ImportError):
    """A package that only large inputs need is not installed; the message says how to get it."""
