"""Embed a folder and its captions into a file, batch by batch, going on where it was interrupted.

Beside the file lies a folder, its journal, with a file for each batch that is done. The name of
such a file follows from the model and from what is in the batch, so that an interrupted run goes on
whatever has changed meanwhile: only batches with changed images or captions are embedded again.
"""

import hashlib
import io
import json
import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gapbook.array_files import suffix_of
from gapbook.checks.arrays import as_numpy
from gapbook.checks.parameters import require_integer
from gapbook.encoders.adapters import Encoder, SoundEncoder
from gapbook.encoders.inputs import check_images
from gapbook.encoders.rgb import open_rgb
from gapbook.exceptions import PairsError, quoted
from gapbook.files import path_text, write_whole
from gapbook.image_folder import (
    groups_of_files,
    read_folder,
    rows_of_files,
    source_of_folder,
)
from gapbook.pairs import PairedEmbeddings, unit_pair

# A ViT-B/32 then needs about 1.5 GB.
BATCH = 64

Progress = Callable[[int], None]


@dataclass
class Side:
    """What is embedded on one side of pairs.

    Parameters
    ----------
    name : str
        The modality.
    items : sequence
        Paths of files, or texts.
    marks : sequence
        What of each item, as JSON, changes when it does.
    read : callable
        Takes an item and its place, and returns what the model takes.
    encode : callable
        Takes what was read of a batch, and returns its embeddings (n, d).
    """

    name: str
    items: Sequence[Any]
    marks: Sequence[Any]
    read: Callable[[Any, int], Any]
    encode: Callable[[list[Any]], np.ndarray]


def embed_folder(
    encoder: Encoder,
    folder: str | os.PathLike[str],
    captions: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    columns: Sequence[str] | None = None,
    batch: int = BATCH,
    progress: Progress = lambda items: None,
) -> PairedEmbeddings:
    r"""Embed the files of a folder and their captions, and save the pairs.

    Parameters
    ----------
    encoder : ImageEncoder or SoundEncoder
        Of ``load_encoder``, or any object with the same methods.
    folder : path
        The folder of images; for a sound encoder, of WAV files.
    captions : path
        The CSV file, as for ``gapbook.image_folder.read_folder``.
    out : path
        The file of pairs to write: ``.safetensors``, ``.npz`` or ``.npy``.
    columns : sequence of two str, optional
        The columns of the file name and of the caption: "image" or, for a sound encoder, "audio",
        and "caption".
    batch : int
        How many files or captions are embedded at once.
    progress : callable
        It is called with the number of files and captions that are done since the last call.

    Returns
    -------
    PairedEmbeddings
        The pairs that were saved: unit rows, one each row of the CSV file.

    Raises
    ------
    PairsError
        As ``read_folder`` does; for groups, which ``.npy`` has no room for; for a file that cannot
        be read, which is named; and where an embedding is not finite or zero. What was done until
        then stays in the journal.
    OSError
        If a file cannot be written.

    Notes
    -----
    The journal is the folder ``.NAME.journal`` beside ``out``, and goes away when ``out`` is
    written, which happens whole or not at all. A file with several captions is embedded once, and
    its captions are a group, of which any is right. Where all captions are of one file, there are
    no groups.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from PIL import Image
    >>> class MeanColor:
    ...     identity = "the mean color, and the length of a text"
    ...     def encode_images(self, images):
    ...         return [np.asarray(image).mean((0, 1)) for image in images]
    ...     def encode_texts(self, texts):
    ...         return [[len(text), 1, 0] for text in texts]
    >>> with TemporaryDirectory() as folder:
    ...     Image.new("RGB", (8, 8), "red").save(f"{folder}/red.png")
    ...     Image.new("RGB", (8, 8), "blue").save(f"{folder}/blue.png")
    ...     _ = Path(folder, "captions.csv").write_text("image,caption\nred.png,a\nblue.png,bb\n")
    ...     pairs = embed_folder(MeanColor(), folder, f"{folder}/captions.csv", f"{folder}/e.npz")
    >>> pairs.x.tolist(), pairs.captions
    ([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], ('a', 'bb'))
    """
    out = Path(out)
    require_integer("batch", batch, low=1)
    is_of_sounds = isinstance(encoder, SoundEncoder)
    what = "sound" if is_of_sounds else "image"
    modality = "audio" if is_of_sounds else "image"
    rows = read_folder(folder, captions, columns or (modality, "caption"), what)
    # The same file may be named in several ways, through dots and links.
    files = [path.resolve() for path, _ in rows]
    different = list(dict.fromkeys(files))
    row_of_files = rows_of_files(files)
    groups = groups_of_files(row_of_files)
    if groups is not None and suffix_of(out) == ".npy":
        raise PairsError(
            "Expected a path ending in .npz or .safetensors, which hold groups, for "
            f"{len(files)} captions of {len(different)} {what}s; got {path_text(out)}"
        )
    texts = [text for _, text in rows]
    first = _sounds(encoder, different) if is_of_sounds else _images(encoder, different)
    second = Side("text", texts, texts, lambda text, _: text, encoder.encode_texts)
    journal = _Journal(out.with_name(f".{out.name}.journal"), encoder.identity)
    embedded = journal.embed(first, batch, progress)
    y = journal.embed(second, batch, progress)
    x = embedded[row_of_files]
    if x.shape != y.shape:
        raise PairsError(
            f"Expected a model of one space; its {what}s have {x.shape[1]} dimensions and its "
            f"texts {y.shape[1]}"
        )
    unit_x, unit_y = unit_pair(x, y)
    pairs = PairedEmbeddings(
        as_numpy(unit_x),
        as_numpy(unit_y),
        modalities=(modality, "text"),
        captions=tuple(texts),
        source=source_of_folder(folder, captions, row_of_files, what),
        groups=groups,
    )
    pairs.save(out)
    journal.remove()
    return pairs


def _images(encoder: Any, files: list[Path]) -> Side:
    check_images(files)
    marks = [_mark(path) for path in files]
    return Side("image", files, marks, open_rgb, encoder.encode_images)


def _sounds(encoder: Any, files: list[Path]) -> Side:
    from gapbook.encoders.clap import read_wav

    marks = [_mark(path) for path in files]
    rate = encoder.sampling_rate
    return Side("audio", files, marks, lambda path, _: read_wav(path, rate), encoder.encode_sounds)


def _mark(path: Path) -> list[Any]:
    """Return what of a file changes when it is written again."""
    state = path.stat()
    return [os.fspath(path), state.st_size, state.st_mtime_ns]


class _Journal:
    """Batches that are done, each in a file of its own."""

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder = folder
        self.identity = identity
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise PairsError(f"Expected a folder at {path_text(folder)}, or nothing; delete it")

    def embed(self, side: Side, batch: int, progress: Progress) -> np.ndarray:
        """Return the embeddings of a side, of which those that are done are read."""
        blocks: list[np.ndarray] = []
        for start in range(0, len(side.items), batch):
            items = side.items[start : start + batch]
            path = self._path(side.name, side.marks[start : start + batch])
            rows = _read_rows(path, len(items))
            if rows is None:
                rows = _encoded(side, items, start)
                self._write(path, rows)
            if blocks and rows.shape[1] != blocks[0].shape[1]:
                raise PairsError(
                    f"Expected embeddings of {blocks[0].shape[1]} dimensions, as the first; "
                    f"those of {side.name} {start + 1} and what follows have {rows.shape[1]}"
                )
            blocks.append(rows)
            progress(len(items))
        return np.concatenate(blocks)

    def _path(self, side: str, marks: Sequence[Any]) -> Path:
        content = json.dumps([self.identity, side, list(marks)])
        digest = hashlib.sha256(content.encode("utf-8", "surrogateescape")).hexdigest()
        return self.folder / f"{digest}.npy"

    def _write(self, path: Path, rows: np.ndarray) -> None:
        self.folder.mkdir(exist_ok=True)
        content = io.BytesIO()
        np.save(content, rows)
        write_whole(path, content.getvalue())

    def remove(self) -> None:
        """Remove the batches, and the folder unless something else was put there."""
        for path in self.folder.glob("*.npy"):
            path.unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()


def _read_rows(path: Path, n: int) -> np.ndarray | None:
    """Return the embeddings of a batch that is done; None where they are not there, or damaged."""
    try:
        rows = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    is_sound = rows.ndim == 2 and len(rows) == n and rows.dtype == np.float32
    return rows if is_sound else None


def _encoded(side: Side, items: Sequence[Any], start: int) -> np.ndarray:
    """Return the embeddings of a batch, checked; what is wrong with them names the batch."""
    opened = [side.read(item, start + i) for i, item in enumerate(items)]
    where = f"{side.name} {start + 1} to {start + len(items)}"
    try:
        rows = np.asarray(side.encode(opened), np.float32)
    except PairsError as error:
        raise PairsError(f"Of {where}: {error}") from None
    if rows.ndim != 2 or len(rows) != len(items):
        raise PairsError(
            f"Expected embeddings of shape ({len(items)}, d) of {where}; got {rows.shape}"
        )
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1) | ~rows.any(axis=1))
    if len(bad):
        place = int(bad[0])
        raise PairsError(
            f"Expected embeddings that are finite and not zero; that of {side.name} "
            f"{start + place + 1}, {quoted(items[place])}, is not"
        )
    return rows
