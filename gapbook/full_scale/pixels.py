"""Images cut to what a network sees, kept as bytes: decoded once for many networks and epochs."""

import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.lib.format import open_memmap
from tqdm import tqdm

from gapbook.array_files import read_array
from gapbook.encoders import Checkpoint
from gapbook.encoders.clip import embed_in_batches
from gapbook.encoders.inputs import check_images
from gapbook.encoders.rgb import open_rgb
from gapbook.exceptions import PairsError
from gapbook.files import path_text, write_whole
from gapbook.full_scale.kept import digest, fingerprint

# Images that are prepared between two notes of how far it is.
CHUNK = 256
# What torchvision's networks were trained on.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Preparation(NamedTuple):
    """How images become what a network sees.

    Attributes
    ----------
    name : str
        What tells preparations apart, in names of files.
    cut : callable
        Takes an RGB image of PIL to bytes of shape (3, side, side).
    mean, std : tuple of float
        What is subtracted from each color, from 0 to 1, and what the rest is divided by.
    """

    name: str
    cut: Callable[[Any], np.ndarray]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def normalize(self, pixels: torch.Tensor) -> torch.Tensor:
        """Turn bytes into the numbers that a network sees.

        Parameters
        ----------
        pixels : torch.Tensor of uint8, shape (n, 3, side, side)
            What ``cut`` made.

        Returns
        -------
        torch.Tensor of the same shape
            float32, on the same device.
        """
        mean = torch.tensor(self.mean, device=pixels.device)[:, None, None]
        std = torch.tensor(self.std, device=pixels.device)[:, None, None]
        return (pixels.float() / 255 - mean) / std


def imagenet_preparation(side: int) -> Preparation:
    """Return the preparation by ImageNet's colors that the authors gave ResNet and random networks.

    Parameters
    ----------
    side : int
        Pixels a side.

    Returns
    -------
    Preparation
        The shorter side becomes ``side`` (bilinear, as in torchvision), and the middle is cut out.
    """
    return Preparation(
        f"imagenet-{side}", lambda image: _middle(image, side), IMAGENET_MEAN, IMAGENET_STD
    )


def _middle(image: Any, side: int) -> np.ndarray:
    """Resize as torchvision's Resize and CenterCrop do."""
    from PIL import Image

    width, height = image.size
    if width <= height:
        size = (side, int(side * height / width))
    else:
        size = (int(side * width / height), side)
    resized = image.resize(size, Image.Resampling.BILINEAR)
    left = round((size[0] - side) / 2)
    top = round((size[1] - side) / 2)
    cut = resized.crop((left, top, left + side, top + side))
    return np.asarray(cut).transpose(2, 0, 1)


def clip_preparation(checkpoint: Checkpoint) -> Preparation:
    """Return a checkpoint's own preparation.

    Parameters
    ----------
    checkpoint : Checkpoint
        Of ``load_clip``.

    Returns
    -------
    Preparation
        Its bytes, normalized, are what the checkpoint's processor gives.
    """
    processor = checkpoint.processor

    def cut(image: Any) -> np.ndarray:
        made = processor([image], do_rescale=False, do_normalize=False, return_tensors="np")
        return made["pixel_values"][0]

    settings = {name: str(value) for name, value in processor.to_dict().items()}
    return Preparation(
        f"clip-{digest(settings)}", cut, tuple(processor.image_mean), tuple(processor.image_std)
    )


class PixelStore:
    """Prepared images in a file, which is not read into memory.

    Parameters
    ----------
    array : numpy.ndarray of uint8, shape (n, 3, side, side)
        The images.
    preparation : Preparation
        How they were made, and how they are normalized.
    name : str
        What tells them apart from others.
    """

    def __init__(self, array: np.ndarray, preparation: Preparation, name: str) -> None:
        self.array = array
        self.preparation = preparation
        self.name = name

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, rows: Any) -> torch.Tensor:
        return torch.from_numpy(np.array(self.array[rows]))


def store_pixels(
    folder: Path,
    name: str,
    images: Sequence[Any],
    preparation: Preparation,
    progress: bool = False,
) -> PixelStore:
    """Prepare images, or go on where an earlier call stopped, or open what it finished.

    Parameters
    ----------
    folder : pathlib.Path
        Where all is kept; files go into ``pixels``.
    name : str
        What the images are, for the file's name and the progress bar.
    images : sequence of path or PIL image
        The images.
    preparation : Preparation
        How they are cut.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    PixelStore
        The images: 150 kB each at 224 x 224.

    Raises
    ------
    PairsError
        For an image that cannot be read, and where there is too little space.
    """
    made_from = {"images": fingerprint(images), "preparation": preparation.name}
    path = folder / "pixels" / f"{name}-{digest(made_from)}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _fill(path, name, images, preparation, progress)
    return PixelStore(read_array(path, mapped=True), preparation, path.stem)


def _fill(
    path: Path, name: str, images: Sequence[Any], preparation: Preparation, progress: bool
) -> None:
    """Prepare all images into an unfinished file, and give it its name when it is whole."""
    unfinished = path.with_suffix(".unfinished")
    note = path.with_suffix(".rows")
    first = preparation.cut(open_rgb(check_images(images[:1])[0], 0))
    done = 0
    if unfinished.exists() and note.exists():
        done = int(note.read_text())
        array = open_memmap(unfinished, "r+")
    else:
        _require_space(path.parent, len(images) * first.nbytes)
        array = open_memmap(unfinished, "w+", np.uint8, (len(images), *first.shape))
    # PIL decodes and resizes outside of Python's lock.
    with (
        ThreadPoolExecutor() as pool,
        tqdm(total=len(images), initial=done, desc=f"{name}: pixels", disable=not progress) as bar,
    ):
        for start in range(done, len(images), CHUNK):
            chunk = check_images(images[start : start + CHUNK])
            opened = pool.map(open_rgb, chunk, range(start, start + len(chunk)))
            for i, cut in enumerate(pool.map(preparation.cut, opened)):
                array[start + i] = cut
            array.flush()
            write_whole(note, str(start + len(chunk)).encode())
            bar.update(len(chunk))
    del array
    unfinished.replace(path)
    note.unlink(missing_ok=True)


def _require_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise PairsError(
            f"Prepared images need {needed / 1e9:.1f} GB in {path_text(folder)}; {free / 1e9:.1f} "
            "GB are free; name another folder with --folder"
        )


def embed_store(network: Any, store: PixelStore, count: int | None = None) -> np.ndarray:
    """Embed the images of a store by a bare network, of which a few hundred are held at a time.

    Parameters
    ----------
    network : torch.nn.Module
        A CLIP, or a network of images alone.
    store : PixelStore
        The images.
    count : int, optional
        How many, the first ones. By default all.

    Returns
    -------
    numpy.ndarray of shape (count, d)
        Unit rows, float32.
    """
    end = len(store) if count is None else count
    parts = []
    for start in range(0, end, CHUNK):
        pixels = store[start : min(start + CHUNK, end)]
        parts.append(embed_pixels(network, pixels, store.preparation))
    return np.concatenate(parts)


def embed_pixels(network: Any, pixels: torch.Tensor, preparation: Preparation) -> np.ndarray:
    """Embed prepared images by a bare network.

    Parameters
    ----------
    network : torch.nn.Module
        A CLIP, or a network of images alone.
    pixels : torch.Tensor of uint8, shape (n, 3, side, side)
        The images.
    preparation : Preparation
        How they are normalized.

    Returns
    -------
    numpy.ndarray of shape (n, d)
        Unit rows, float32.
    """

    def encode(batch: list[torch.Tensor]) -> torch.Tensor:
        seen = preparation.normalize(torch.stack(batch).to(network.device))
        features = getattr(network, "get_image_features", network)(pixel_values=seen)
        return features.pooler_output

    # A list is taken in batches of a few dozen, a tensor in larger ones: these networks are large.
    return embed_in_batches(network, encode, list(pixels), "image")
