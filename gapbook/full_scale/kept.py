"""Embeddings that are kept on the disk chunk by chunk, so that an interrupted call goes on."""

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from gapbook.exceptions import PairsError
from gapbook.files import path_text, write_whole

# Items of a chunk: at 0.1 s an image on a CPU, an interruption costs a minute.
CHUNK = 512
# Hexadecimal digits of a digest in the name of a folder.
DIGITS = 16


def kept_embeddings(
    folder: Path,
    name: str,
    made_from: dict[str, Any],
    items: Any,
    embed: Callable[[Any], np.ndarray],
    progress: bool = False,
) -> np.ndarray:
    """Embed items chunk by chunk, or read the chunks that an earlier call embedded.

    Parameters
    ----------
    folder : pathlib.Path
        Where all is kept; chunks go into ``embeddings``.
    name : str
        What is embedded, for the folder's name and the progress bar.
    made_from : dict
        What the embeddings depend on besides the items: other contents, other chunks.
    items : sequence, torch.Tensor or PixelStore
        What is embedded, with a length and slices.
    embed : callable
        Embeds a slice of items.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    numpy.ndarray of shape (n, d)
        The embeddings.

    Raises
    ------
    PairsError
        For a chunk that is damaged.
    """
    stated = {**made_from, "items": len(items), "chunk": CHUNK}
    place = folder / "embeddings" / f"{name}-{digest(stated)}"
    place.mkdir(parents=True, exist_ok=True)
    write_whole(place / "made_from.json", json.dumps(stated, indent=1).encode())
    starts = range(0, len(items), CHUNK)
    rows = []
    for start in tqdm(starts, desc=name, unit="chunk", disable=not progress):
        size = min(CHUNK, len(items) - start)
        path = place / f"{start:06d}.npy"
        if not path.exists():
            content = io.BytesIO()
            np.save(content, embed(items[start : start + size]))
            write_whole(path, content.getvalue())
        rows.append(_read(path, size))
    return np.concatenate(rows)


def _read(path: Path, size: int) -> np.ndarray:
    try:
        rows = np.load(path, allow_pickle=False)
    except (ValueError, EOFError):
        rows = np.empty(0)
    if rows.ndim != 2 or len(rows) != size:
        raise PairsError(f"Expected {size} embeddings in {path_text(path)}; delete it: damaged")
    return rows


def digest(stated: dict[str, Any]) -> str:
    """Return a short digest of what is stated.

    Parameters
    ----------
    stated : dict
        Numbers and strings by name.

    Returns
    -------
    str
        16 hexadecimal digits.

    Examples
    --------
    >>> digest({"weights": "a", "items": 2})
    'f042d2189f5e4bfc'
    """
    text = json.dumps(stated, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def fingerprint(items: Iterable[Any]) -> str:
    """Tell whether items are the same ones as before.

    Parameters
    ----------
    items : iterable of str, path, bytes, array or PIL image
        Of a path, the name and the size of the file count; of all else the content.

    Returns
    -------
    str
        16 hexadecimal digits.

    Examples
    --------
    >>> fingerprint(["a cat"]) == fingerprint(["a dog"])
    False
    """
    whole = hashlib.sha256()
    # Encoded images are compared as they are, not pixel by pixel.
    for item in getattr(items, "files", items):
        content = _content(item)
        whole.update(len(content).to_bytes(8, "little"))
        whole.update(content)
    return whole.hexdigest()[:DIGITS]


def _content(item: Any) -> bytes:
    if isinstance(item, bytes):
        return item
    if isinstance(item, os.PathLike):
        path = Path(item)
        return f"{path.name} {path.stat().st_size}".encode()
    if isinstance(item, str):
        return item.encode()
    return item.tobytes()


def file_digest(paths: Iterable[Path]) -> str:
    """Return the sha256 of files, one after the other.

    Parameters
    ----------
    paths : iterable of pathlib.Path
        The files.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    whole = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while block := file.read(2**20):
                whole.update(block)
    return whole.hexdigest()
