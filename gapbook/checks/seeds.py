"""Which seeds of random numbers can be given."""

import numbers

from gapbook.exceptions import PairsError, quoted

# scikit-learn takes 32 bits, and a seed must mean the same in every library.
MAX_SEED = 2**32 - 1


def require_seed(seed: object) -> None:
    """Raise ``PairsError`` unless a seed is an integer that all libraries take.

    Examples
    --------
    >>> require_seed(2**32)
    Traceback (most recent call last):
    gapbook.exceptions.PairsError: Expected seed as an integer from 0 to 4294967295; got 4294967296
    """
    is_integer = isinstance(seed, numbers.Integral) and not isinstance(seed, bool)
    if not is_integer or not 0 <= int(seed) <= MAX_SEED:  # type: ignore[call-overload]
        raise PairsError(f"Expected seed as an integer from 0 to {MAX_SEED}; got {quoted(seed)}")
