"""Two-dimensional views of paired embeddings. Each is fitted on both modalities together."""

import numpy as np

from gapbook.geometry import gap_vector


def project(
    x: np.ndarray, y: np.ndarray, method: str = "gap", seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Project unit rows ``(n, d)`` of two modalities onto one plane: ``(n, 2)`` for each.

    * ``"gap"``: along the unit gap vector (0 halfway between the two means) and along the first principal component
      of what is orthogonal to it. Distances along the first axis are true distances: the means lie a gap apart.
    * ``"pca"``: the first two principal components of the centered rows.
    * ``"svd"``: the same without centering, as in the paper's supplement.
    * ``"umap"``: UMAP with its defaults, which keeps neighborhoods and not distances; ``seed`` fixes it.

    Raises ValueError for another method; for ``"gap"`` where the means coincide, the gap axis is arbitrary.

    >>> x, y = np.eye(3)[[0, 0]], np.eye(3)[[1, 1]]
    >>> a, b = project(x, y)
    >>> [round(float(v), 4) for v in (a[0, 0], b[0, 0])]  # a gap of sqrt(2)
    [0.7071, -0.7071]
    """
    z = np.concatenate([x, y]).astype(np.float64)
    if method == "gap":
        gap = gap_vector(x, y)
        axis = gap / max(float(np.linalg.norm(gap)), 1e-12)
        z -= z.mean(axis=0)
        along = z @ axis
        flat = np.column_stack([along, _components(z - np.outer(along, axis), 1)])
    elif method in ("pca", "svd"):
        flat = _components(z - z.mean(axis=0) if method == "pca" else z, 2)
    elif method == "umap":
        flat = _umap(z, seed)
    else:
        raise ValueError(f'Expected one of "gap", "pca", "svd", "umap"; got {method!r}')
    return flat[: len(x)], flat[len(x) :]


def _components(z: np.ndarray, k: int) -> np.ndarray:
    """Project rows onto the top k eigenvectors of their d x d Gram matrix, each with its largest entry positive."""
    axes = np.linalg.eigh(z.T @ z)[1][:, ::-1][:, :k]
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(k)])
    return z @ axes


def _umap(z: np.ndarray, seed: int) -> np.ndarray:
    import warnings

    from umap import UMAP  # compiles for some 20 seconds at its first fit

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="n_jobs value")
        return UMAP(random_state=seed).fit_transform(z)
