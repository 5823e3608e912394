"""Data that the tests of several modules draw."""

import numpy as np


def unit(rows):
    """Return rows at unit length, in float64."""
    rows = np.asarray(rows, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def sample(n, d, shift=0.5, seed=0, falling=False):
    """Draw pairs that share a part and differ by a shift: float32 (n, d), not of unit length.

    x moves by ``shift`` in every dimension, y by half of it in the other direction. With
    ``falling``, the variance falls from dimension to dimension as 1 / k.
    """
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, d))
    x = shared + rng.normal(size=(n, d))
    y = shared + rng.normal(size=(n, d))
    if falling:
        scale = np.arange(1, d + 1) ** -0.5
        x = scale * x
        y = scale * y
    return (x + shift).astype(np.float32), (y - shift / 2).astype(np.float32)
