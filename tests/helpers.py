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


def parquet_table(pairs, columns=("x", "y"), fixed=False):
    """Return pairs as a table of Parquet: two columns of vectors, of a fixed length or not."""
    import pyarrow

    width = pairs.x.shape[1] if fixed else -1
    kind = pyarrow.list_(pyarrow.float32(), width)
    arrays = [pyarrow.array(list(side), type=kind) for side in (pairs.x, pairs.y)]
    return pyarrow.table(dict(zip(columns, arrays, strict=True)))
