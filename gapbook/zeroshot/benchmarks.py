"""Read public image sets and FairFace from folders, with the prompts of the paper's tables 1 and 2 (chapter 5).

Folders hold what the data sets' own pages offer; nothing is pickled. CIFAR and SVHN also come from a hub of data sets,
at a pinned commit, where the package of the same name, ``datasets``, is installed.
"""

import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

PROMPTS = {  # the paper's table 3
    "CIFAR10": "a photo of {}.",
    "CIFAR100": "a photo of {}.",
    "EuroSAT": "a centered satellite photo of {}.",
    "SVHN": 'a street sign of the number: "{}".',
}
FILES = {  # records, class names: of the archives that the pages offer
    "CIFAR10": (
        "test_batch.bin",
        "batches.meta.txt",
        "cifar-10-binary.tar.gz of cs.toronto.edu/~kriz/cifar.html",
    ),
    "CIFAR100": (
        "test.bin",
        "fine_label_names.txt",
        "cifar-100-binary.tar.gz of cs.toronto.edu/~kriz/cifar.html",
    ),
    "SVHN": ("test_32x32.mat", "", "test_32x32.mat of ufldl.stanford.edu/housenumbers"),
}


class Benchmark(NamedTuple):
    """Images (Pillow's or paths), the number of each one's class (n,), and the prompt of each class."""

    images: list[Any]
    labels: np.ndarray
    prompts: list[str]


def load_benchmark(
    name: str, source: str | os.PathLike[str], revision: str | None = None
) -> Benchmark:
    """Load the images that the paper's table 1 is about: the test split, or for EuroSAT all of them.

    ``name`` is CIFAR10, CIFAR100, EuroSAT or SVHN. ``source`` is a folder: CIFAR's binary version, SVHN's
    ``test_32x32.mat`` (its label 10 is the digit 0), EuroSAT's folders of images, whose names become words ("SeaLake":
    sea lake); or, but for EuroSAT, a name on the hub with ``revision``, a commit of 40 hexadecimal digits. ValueError
    for an unknown name and where something is missing or of another format.
    """
    if name not in PROMPTS:
        raise ValueError(f"Expected one of {', '.join(PROMPTS)}; got {name!r}")
    folder = Path(source)
    if not folder.is_dir():
        images, labels, classes = _from_hub(name, os.fspath(source), revision)
    elif name == "EuroSAT":
        images, labels, classes = _class_folders(folder)
    else:
        images, labels, classes = _records(name, folder)
    return Benchmark(
        images,
        np.asarray(labels, dtype=int),
        [PROMPTS[name].format(c.replace("_", " ")) for c in classes],
    )


def _records(name: str, folder: Path) -> tuple[list[Any], Any, list[str]]:
    """Read CIFAR's binary records, label bytes and three planes of 32 x 32, or SVHN's matrix of images."""
    from PIL import Image

    records, names, page = FILES[name]
    if missing := [file for file in (records, names) if file and not (folder / file).is_file()]:
        raise ValueError(f"Expected {missing[0]} in {folder}; unpack {page}")
    try:
        if name == "SVHN":
            from scipy.io import loadmat

            content = loadmat(folder / records)
            pixels, labels = content["X"].transpose(3, 0, 1, 2), content["y"].reshape(-1) % 10
            classes = [str(digit) for digit in range(10)]
        else:
            extra = 1 if name == "CIFAR10" else 2  # the second one is the fine label
            rows = np.fromfile(folder / records, np.uint8).reshape(-1, extra + 3072)
            pixels, labels = (
                rows[:, extra:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1),
                rows[:, extra - 1],
            )
            classes = (folder / names).read_text().split()
        return [Image.fromarray(np.ascontiguousarray(image)) for image in pixels], labels, classes
    except Exception as error:  # SciPy and NumPy each have their own for a damaged file
        raise ValueError(f"{folder / records} is damaged or not of {page} ({error})") from None


def _class_folders(folder: Path) -> tuple[list[Any], list[int], list[str]]:
    places = sorted(place for place in folder.iterdir() if place.is_dir())
    files = [
        sorted(file for file in place.iterdir() if file.suffix in (".jpg", ".png", ".tif"))
        for place in places
    ]
    if len(places) < 2 or not all(files):
        raise ValueError(
            f"Expected a folder of images for each class in {folder}, as in EuroSAT's EuroSAT_RGB.zip"
        )
    classes = [re.sub(r"(?<=[a-z])(?=[A-Z])", " ", place.name).lower() for place in places]
    return (
        [file for some in files for file in some],
        [i for i, some in enumerate(files) for _ in some],
        classes,
    )


def _from_hub(
    name: str, source: str, revision: str | None
) -> tuple[list[Any], list[int], list[str]]:
    if name == "EuroSAT" or not re.fullmatch(r"[\w-]+/[\w.-]+", source):
        raise ValueError(f"Expected a folder with {name}; {source} is none")
    if not re.fullmatch("[0-9a-f]{40}", revision or ""):
        raise ValueError(
            f"{source} is no folder here; to load it from the hub, give revision, a commit of 40 hexadecimal digits, "
            f"not {revision!r}"
        )
    try:
        import datasets
    except ImportError:
        raise ValueError(
            f"{source} is no folder here; to load it from the hub, pip install datasets"
        ) from None
    config = "cropped_digits" if name == "SVHN" else None
    try:
        table = datasets.load_dataset(source, config, split="test", revision=revision)
    except Exception as error:  # the hub, the file system and datasets each have their own
        raise ValueError(
            f"{source} at {revision} cannot be loaded ({type(error).__name__}: {error})"
        ) from error
    image = next(key for key in ("img", "image") if key in table.features)
    label = next(key for key in ("fine_label", "label") if key in table.features)
    return list(table[image]), list(table[label]), list(table.features[label].names)
