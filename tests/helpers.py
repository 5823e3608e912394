"""What several test files draw their inputs from."""

import numpy as np


def unit(rows: np.ndarray) -> np.ndarray:
    """Bring rows to unit length in their own type."""
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


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
