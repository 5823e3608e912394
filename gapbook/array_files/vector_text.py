"""Vectors that stand in text files as lists of JSON."""

import json
from typing import Any

import numpy as np

from gapbook.exceptions import PairsError, quoted


def as_vector(value: Any, expected: str) -> np.ndarray:
    """Return a list of numbers as an array (d,), or say what was expected."""
    is_list = isinstance(value, list) and bool(value)
    if not is_list or not all(_is_number(number) for number in value):
        raise PairsError(f"{expected}; got {quoted(value)}")
    try:
        return np.array(value, np.float64)
    # An integer of more digits than a float has.
    except OverflowError:
        raise PairsError(f"{expected}; got a number that is too large") from None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def from_json(text: str, expected: str) -> Any:
    """Return the value that JSON text stands for, or say what was expected."""
    try:
        return json.loads(text)
    # No JSON, a number of too many digits, or too deep.
    except (ValueError, RecursionError):
        raise PairsError(f"{expected}; got {quoted(text)}") from None


def stacked(rows: list[np.ndarray], expected: str) -> np.ndarray:
    """Return vectors of one length as an array (n, d)."""
    if not rows:
        return np.empty((0, 0))
    widths = sorted({len(row) for row in rows})
    if len(widths) > 1:
        raise PairsError(f"{expected}, of one length; got lengths {widths[:5]}")
    return np.stack(rows)
