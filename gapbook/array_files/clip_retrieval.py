"""The folder that clip-retrieval writes: shards of images and of texts, each in a folder."""

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gapbook.array_files.read import read_side
from gapbook.checks.memory import require_memory
from gapbook.exceptions import PairsError
from gapbook.files import path_text

IMAGES = "img_emb"
TEXTS = "text_emb"


class ClipRetrieval(NamedTuple):
    """Both sides of a folder, and captions where its metadata have them."""

    x: np.ndarray
    y: np.ndarray
    captions: tuple[str, ...] | None


def is_clip_retrieval(folder: Path) -> bool:
    """Say whether a folder has a folder of shards as clip-retrieval names them."""
    return any(_shards(folder, side) for side in (IMAGES, TEXTS))


def read_clip_retrieval(folder: Path) -> ClipRetrieval:
    """Return the embeddings of images and texts, shard by shard in the order of their numbers.

    Parameters
    ----------
    folder : pathlib.Path
        A folder with ``img_emb/img_emb_0.npy``, ``text_emb/text_emb_0.npy`` and so on, in which row
        i of a shard belongs to row i of the other with its number. Captions are the column
        ``caption`` of ``metadata/metadata_0.parquet`` and so on, where all are there and pyarrow is
        installed.

    Returns
    -------
    ClipRetrieval
        The arrays (n, d), not yet checked.

    Raises
    ------
    PairsError
        If a side or one of its shards is missing, or two shards differ in length.
    """
    images = _shards(folder, IMAGES)
    texts = _shards(folder, TEXTS)
    _require_partners(folder, images, texts)
    numbers = sorted(images)
    size = sum(shards[number].stat().st_size for shards in (images, texts) for number in numbers)
    require_memory(size, f"what is in {path_text(folder)}")
    sides_x = []
    sides_y = []
    for number in numbers:
        x = read_side(images[number])
        y = read_side(texts[number])
        if len(x) != len(y):
            raise PairsError(
                f"{path_text(images[number])} has {len(x)} rows and {path_text(texts[number])} "
                f"{len(y)}: row i of one must belong to row i of the other, so write both again "
                "for the same samples"
            )
        sides_x.append(x)
        sides_y.append(y)
    captions = _captions(folder, numbers, [len(side) for side in sides_x])
    return ClipRetrieval(_joined(sides_x, images), _joined(sides_y, texts), captions)


def _shards(folder: Path, name: str) -> dict[int, Path]:
    """Return the shards of one side by number."""
    pattern = re.compile(rf"{name}_(\d{{1,9}})\.npy")
    shards: dict[int, Path] = {}
    if not (folder / name).is_dir():
        return shards
    for path in sorted((folder / name).iterdir()):
        match = pattern.fullmatch(path.name)
        if match:
            shards[int(match[1])] = path
    return shards


def _require_partners(folder: Path, images: dict[int, Path], texts: dict[int, Path]) -> None:
    """Raise ``PairsError`` unless each shard of one side has its partner on the other."""
    for name, shards, other in ((IMAGES, images, TEXTS), (TEXTS, texts, IMAGES)):
        if not shards:
            raise PairsError(
                f"{path_text(folder)} has {other} and no shards {name}/{name}_0.npy: both sides "
                "are needed (clip-retrieval inference --enable_image True --enable_text True)"
            )
    alone = sorted(images.keys() ^ texts.keys())
    if alone:
        path = images.get(alone[0]) or texts[alone[0]]
        raise PairsError(
            f"{path_text(path)} has no partner with its number among the shards of the other "
            f"side ({len(alone)} in all): write it, or move it elsewhere"
        )


def _joined(sides: list[Any], shards: dict[int, Path]) -> np.ndarray:
    widths = sorted({side.shape[1] for side in sides})
    if len(widths) > 1:
        raise PairsError(
            f"Expected vectors of one length in {path_text(next(iter(shards.values())).parent)}; "
            f"got lengths {widths[:5]}: keep the shards of one model"
        )
    return np.concatenate(sides)


def _captions(folder: Path, numbers: list[int], lengths: list[int]) -> tuple[str, ...] | None:
    """Return the captions of all shards, None where they are not all there."""
    try:
        import pyarrow.parquet
    except ModuleNotFoundError:
        return None
    captions: list[str] = []
    for number, length in zip(numbers, lengths, strict=True):
        path = folder / "metadata" / f"metadata_{number}.parquet"
        try:
            column = pyarrow.parquet.read_table(path, columns=["caption"]).column("caption")
        # Vectors are what counts: captions that cannot be read are left alone.
        except Exception:
            return None
        if len(column) != length:
            return None
        captions += ["" if caption is None else str(caption) for caption in column.to_pylist()]
    return tuple(captions)
