"""Two-dimensional views of paired embeddings. Each is fitted on both modalities together."""

import warnings
from typing import Literal

import numpy as np

from gapbook.extras import from_extra
from gapbook.geometry import gap_vector
from gapbook.geometry.sums import FEW_DIMENSIONS

# Below this length a gap is rounding, and its direction arbitrary.
MIN_GAP = 1e-12

# What the two axes of the view along the gap are.
GAP_VIEW_LABELS = ("along the line through both means", "largest variance at right angles")

# UMAP starts from random places; with a fixed seed a page shows the same picture every time.
UMAP_SEED = 0


def project(
    x: np.ndarray,
    y: np.ndarray,
    method: Literal["gap", "pca", "svd", "umap"] = "gap",
) -> tuple[np.ndarray, np.ndarray]:
    """Project unit rows of two modalities onto one plane.

    Parameters
    ----------
    x, y : array of shape (n, d)
        Embeddings of the first and of the second modality, one row an item.
    method : {"gap", "pca", "svd", "umap"}
        What the two axes of the plane are.

        * ``"gap"``: the unit gap vector (0 halfway between the two means), and the first principal
          component of what is orthogonal to it.
        * ``"pca"``: the first two principal components of the centered rows.
        * ``"svd"``: the same without centering, as in the paper's supplement.
        * ``"umap"``: UMAP with its defaults and a fixed seed.

    Returns
    -------
    tuple of two arrays of shape (n, 2)
        The places of the first and of the second modality.

    Raises
    ------
    ValueError
        If ``method`` is another one.

    Notes
    -----
    With ``"gap"``, distances along the first axis are true distances: the means lie a gap apart.
    Where the means coincide, that axis is arbitrary. UMAP keeps neighborhoods, not distances. The
    sign of a component is settled by its largest loading, which is positive.

    Examples
    --------
    >>> x, y = np.eye(3)[[0, 0]], np.eye(3)[[1, 1]]
    >>> a, b = project(x, y)
    >>> [round(float(v), 4) for v in (a[0, 0], b[0, 0])]  # a gap of sqrt(2)
    [0.7071, -0.7071]
    """
    z = np.concatenate([x, y]).astype(np.float64)
    if method == "gap":
        flat = _gap_plane(z, gap_vector(x, y))
    elif method == "pca":
        flat = _components(z - z.mean(axis=0), 2)
    elif method == "svd":
        flat = _components(z, 2)
    elif method == "umap":
        flat = _umap(z)
    else:
        raise ValueError(f'Expected one of "gap", "pca", "svd", "umap"; got {method!r}')
    return flat[: len(x)], flat[len(x) :]


def _gap_plane(z: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """Return the places of rows along the gap and along the first component of the rest."""
    axis = gap / max(float(np.linalg.norm(gap)), MIN_GAP)
    centered = z - z.mean(axis=0)
    place = centered @ axis
    rest = centered - np.outer(place, axis)
    return np.column_stack([place, _components(rest, 1)])


def _components(z: np.ndarray, k: int) -> np.ndarray:
    """Project rows onto the top k eigenvectors of the sum of their products (d, d)."""
    # One rule for centered and for uncentered rows, and for rows that are all 0. scikit-learn needs
    # two classes for it, gives the same numbers, and warns where nothing varies.
    n, d = z.shape
    if d > max(n, FEW_DIMENSIONS):
        # The same from products of rows (n, n), which are fewer.
        squares, places = np.linalg.eigh(z @ z.T)
        lengths = np.sqrt(np.maximum(squares, MIN_GAP))
        axes = (z.T @ (places / lengths))[:, ::-1][:, :k]
    else:
        axes = np.linalg.eigh(z.T @ z)[1][:, ::-1][:, :k]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(k)])
    return z @ axes


def _umap(z: np.ndarray) -> np.ndarray:
    """Embed rows by UMAP, which compiles for some 20 seconds at its first fit in a process."""
    with from_extra("chapters", "UMAP"):
        from umap import UMAP

    with warnings.catch_warnings():
        # A fixed seed means one thread, which UMAP says each time.
        warnings.filterwarnings("ignore", message="n_jobs value")
        return UMAP(random_state=UMAP_SEED).fit_transform(z)
