"""Vectors that a quantizer left as steps of 8 bits, made numbers again by the range it had."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gapbook.exceptions import PairsError, quoted

# Of 8 bits: from the smallest step to the largest.
STEPS = 255
# The step of int8 that stands for the low end is -128.
OFFSETS = {"int8": 128, "uint8": 0}

Range = Sequence[ArrayLike]


def dequantized_sides(
    x: Any, y: Any, ranges: Range | Mapping[str, Range]
) -> tuple[np.ndarray, np.ndarray]:
    """Return both sides as numbers, where a side of 8 bits has its range.

    Parameters
    ----------
    x, y : array or tensor (n, d)
        The sides. With one range for both, a side that is not of 8 bits stays as it is.
    ranges : (low, high), or mapping of "x" and "y" to (low, high)
        The range of both sides, or of each: numbers, or arrays (d,).

    Returns
    -------
    tuple of two arrays (n, d)
        The sides.

    Raises
    ------
    PairsError
        If a range is none, or nothing that it is for has 8 bits.
    """
    sides = {"x": x, "y": y}
    if isinstance(ranges, Mapping):
        named = dict(ranges)
        if not named or not set(named) <= set(sides):
            raise PairsError(f"Expected ranges under x and y; got {quoted(list(named))}")
    else:
        named = {name: ranges for name, side in sides.items() if _type_name(side) in OFFSETS}
    if not named:
        raise PairsError(
            f"Expected int8 or uint8 to dequantize; got {_type_name(x)} and {_type_name(y)}: "
            "leave dequantize out"
        )
    for name, limits in named.items():
        sides[name] = dequantized(sides[name], limits, name)
    return sides["x"], sides["y"]


def dequantized(steps: Any, limits: Range, name: str = "x") -> np.ndarray:
    """Return the numbers that steps of 8 bits stand for.

    Parameters
    ----------
    steps : array or tensor (n, d) of int8 or uint8
        The steps.
    limits : (low, high)
        The range of the numbers: those of the whole array, or arrays (d,) for each dimension.
    name : str
        What messages call the array.

    Returns
    -------
    numpy.ndarray (n, d), float32
        ``low + (high - low) (q + o) / 255`` for a step q, with o = 128 for int8 and 0 for uint8.

    Raises
    ------
    PairsError
        If the steps have another type, or the range is none.

    Examples
    --------
    >>> dequantized(np.array([[0, 255]], np.uint8), (-1, 1)).tolist()
    [[-1.0, 1.0]]
    >>> dequantized(np.array([[-128, 127]], np.int8), (-1, 1)).tolist()
    [[-1.0, 1.0]]
    """
    kind = _type_name(steps)
    if kind not in OFFSETS:
        raise PairsError(
            f"Expected int8 or uint8 to dequantize in {name}; got {kind}: leave dequantize out"
        )
    low, high = _range(limits)
    array = np.asarray(steps)
    for limit in (low, high):
        if limit.ndim and limit.shape != array.shape[-1:]:
            raise PairsError(
                f"Expected a range of two numbers, or of arrays {array.shape[-1:]}, for {name}; "
                f"got shape {limit.shape}"
            )
    fraction = (array.astype(np.float32) + OFFSETS[kind]) / STEPS
    return (low + (high - low) * fraction).astype(np.float32)


def _type_name(array: Any) -> str:
    return str(array.dtype).removeprefix("torch.")


def _range(limits: Range) -> tuple[np.ndarray, np.ndarray]:
    try:
        low, high = (np.asarray(limit, np.float32) for limit in limits)
        is_range = bool(np.isfinite(low).all() and np.isfinite(high).all() and (low < high).all())
    except (TypeError, ValueError):
        is_range = False
    if not is_range:
        raise PairsError(
            f"Expected a range as two finite numbers, low < high; got {quoted(limits)}"
        )
    return low, high
