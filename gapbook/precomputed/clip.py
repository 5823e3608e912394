"""The authors' embeddings of CLIP and VideoCLIP in half the bytes: ``data/clip``."""

from pathlib import Path

import numpy as np

from gapbook.files import data_path, write_whole
from gapbook.published import registry


def original_pairs(name: str, folder: Path | None = None) -> np.ndarray:
    """Return both sides of a bundled source as its authors published them.

    Parameters
    ----------
    name : str
        A source whose entry in the registry has an ``original``.
    folder : pathlib.Path, optional
        Where the file lies, or is put. By default the user's cache folder.

    Returns
    -------
    numpy.ndarray of shape (2, n, d)
        The first modality and the second, float32.

    Raises
    ------
    ValueError
        If the file is not the registered one.
    """
    import pooch

    original = registry()[name]["original"]
    path = pooch.retrieve(
        original["url"],
        original["sha256"],
        Path(original["url"]).name,
        folder or pooch.os_cache("gapbook"),
        progressbar=True,
    )
    return np.load(path, allow_pickle=False)


def main() -> None:
    """Write every source that has an original as float16 ``x.0`` and ``y.0``."""
    from safetensors.numpy import save

    for name, entry in registry().items():
        if "original" not in entry:
            continue
        x, y = original_pairs(name).astype(np.float16)
        write_whole(data_path(entry["file"]), save({"x.0": x, "y.0": y}))
        print(f"wrote {entry['file']}")
