"""Which numbers can be given as parameters."""

from typing import Any

import numpy as np

from gapbook.exceptions import PairsError


def require_number(name: str, value: Any, low: float = -np.inf) -> None:
    """Raise ``PairsError`` unless the value is a finite number from ``low``.

    Examples
    --------
    >>> require_number("ridge", -1, low=0)
    Traceback (most recent call last):
    gapbook.exceptions.PairsError: Expected ridge as a finite number from 0; got -1
    """
    kinds = (int, float, np.integer, np.floating)
    is_number = isinstance(value, kinds) and not isinstance(value, bool)
    if not is_number or not np.isfinite(value) or value < low:
        limit = f" from {low:g}" if low > -np.inf else ""
        raise PairsError(f"Expected {name} as a finite number{limit}; got {value!r}")


def require_integer(name: str, value: Any, low: int, high: int | None = None) -> None:
    """Raise ``PairsError`` unless the value is an integer from ``low`` to ``high``.

    Examples
    --------
    >>> require_integer("k", 2.5, low=1, high=9)
    Traceback (most recent call last):
    gapbook.exceptions.PairsError: Expected k as an integer from 1 to 9; got 2.5
    """
    is_integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not is_integer or value < low or (high is not None and value > high):
        limits = f"from {low}" if high is None else f"from {low} to {high}"
        raise PairsError(f"Expected {name} as an integer {limits}; got {value!r}")
