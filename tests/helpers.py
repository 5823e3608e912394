"""Data that the tests of several modules draw or load."""

import numpy as np
import pytest
from hypothesis import strategies as st

from gapbook.pairs import load_pairs, unit_rows
from gapbook.published import locate

# What property tests of measures draw, for ``sample``.
SIZES = {
    "n": st.integers(4, 60),
    "d": st.integers(2, 20),
    "shift": st.sampled_from([0, 0.5, 3, 30]),
    "seed": st.integers(0, 999),
}


def unit(rows):
    """Return rows at unit length, in float64."""
    rows = np.asarray(rows, dtype=np.float64)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def exact(rows):
    """Return unit rows as the package sees them, float32, in float64."""
    return unit_rows(rows).double().numpy()


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


def isotropic(n, d, seed=0):
    """Draw two independent modalities without a cone, float64 (2, n, d), not of unit length."""
    return np.random.default_rng(seed).normal(size=(2, n, d))


def rotation(d, seed=0):
    """Draw an orthogonal matrix (d, d)."""
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]


def pairs_or_skip(name):
    """Load a source of embeddings, or skip the test where its file is not at hand."""
    if locate(name) is None:
        pytest.skip(f"{name} is not at hand: gapbook fetch {name}")
    return load_pairs(name)


def sample_pairs(
    n: int, d: int, seed: int = 0, shift: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Draw pairs that share half of their variance, x moved by ``shift`` and y by -``shift``."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, d))
    x = shared + rng.normal(size=(n, d)) + shift
    y = shared + rng.normal(size=(n, d)) - shift
    return unit(x).astype(np.float32), unit(y).astype(np.float32)


def plain_shift(
    x: np.ndarray, y: np.ndarray, delta: float, sides: str = "both"
) -> tuple[np.ndarray, np.ndarray]:
    """Shift pairs along their gap in float64, as the definition says."""
    share_x, share_y = {"both": (0.5, 0.5), "images": (1, 0), "texts": (0, 1)}[sides]
    x = x.astype(np.float64)
    y = y.astype(np.float64)
    g = x.mean(0) - y.mean(0)
    g /= np.linalg.norm(g)
    return unit(x - share_x * delta * g), unit(y + share_y * delta * g)
