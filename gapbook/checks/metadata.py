"""What a file says about its pairs: a stranger's words, of which the valid ones are kept."""

import json
from typing import Any

from gapbook.exceptions import one_line

# What may be stated; the names are those of the fields of ``PairedEmbeddings``.
METADATA = ("modalities", "captions", "source", "license")
# The name of an array of groups, and the key that says how many there are.
GROUPS = "groups"
# A name stands in tables and figures.
NAME_CHARACTERS = 80
LINE_CHARACTERS = 500


def valid_metadata(text: str | None, n: int) -> dict[str, Any]:
    """Return what metadata validly say about n pairs.

    Other programs may write anything under the same name, so that nothing here is an error: what is
    not as ``PairedEmbeddings.save`` writes it is left out, one field at a time.

    Parameters
    ----------
    text : str or None
        JSON, perhaps: an object with the keys ``METADATA``.
    n : int
        The number of pairs.

    Returns
    -------
    dict
        Those that are there and valid: ``modalities``, two different printable names of at most 80
        characters; ``captions``, n strings; ``source`` and ``license``, each one printable line.

    Examples
    --------
    >>> valid_metadata('{"modalities": ["video", "text"], "license": 5}', n=2)
    {'modalities': ('video', 'text')}
    >>> valid_metadata("[" * 100_000, n=2)
    {}
    """
    try:
        stated = json.loads(text or "")
    # No JSON, too deep, or a number with too many digits.
    except (ValueError, RecursionError):
        return {}
    if not isinstance(stated, dict):
        return {}
    valid = {
        "modalities": _valid_modalities(stated.get("modalities")),
        "captions": _valid_captions(stated.get("captions"), n),
        "source": _valid_line(stated.get("source")),
        "license": _valid_line(stated.get("license")),
    }
    return {key: value for key, value in valid.items() if value is not None}


def states_groups(text: str | None) -> bool:
    """Say whether metadata state that there is an array of groups beside the pairs.

    Examples
    --------
    >>> states_groups('{"groups": 2}'), states_groups('{"groups": "many"}'), states_groups(None)
    (True, False, False)
    """
    try:
        stated = json.loads(text or "")
    except (ValueError, RecursionError):
        return False
    return isinstance(stated, dict) and type(stated.get(GROUPS)) is int


def is_modality(name: object) -> bool:
    """Say whether something can name a modality: printable text that is neither blank nor long."""
    return (
        isinstance(name, str)
        and name.isprintable()
        and bool(name.strip())
        and len(name) <= NAME_CHARACTERS
    )


def _valid_modalities(names: object) -> tuple[str, str] | None:
    if not isinstance(names, list) or len(names) != 2 or not all(map(is_modality, names)):
        return None
    first, second = names
    return None if first == second else (first, second)


def _valid_captions(captions: object, n: int) -> tuple[str, ...] | None:
    if not isinstance(captions, list) or len(captions) != n:
        return None
    if not all(isinstance(caption, str) for caption in captions):
        return None
    return tuple(whole_characters(caption) for caption in captions)


def _valid_line(text: object) -> str | None:
    if not isinstance(text, str):
        return None
    return one_line(whole_characters(text), LINE_CHARACTERS)


def whole_characters(text: str) -> str:
    r"""Return text in which a question mark stands for each half of a character.

    Names of files that are not UTF-8 have such halves (lone surrogates of UTF-16), which no file
    can hold as text.

    Examples
    --------
    >>> whole_characters("caf\udce9")
    'caf?'
    """
    return text.encode(errors="replace").decode()
