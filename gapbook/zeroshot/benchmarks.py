"""Read the public image sets of the paper's table 1 from folders, with the paper's prompts.

Folders hold what the data sets' own pages offer; nothing is unpickled. CIFAR and SVHN also come
from a hub of data sets, at a pinned commit, where the package of the same name, ``datasets``, is
installed: version 4 or later, since earlier ones can run code that comes with a data set.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gapbook.exceptions import MissingPackageError, one_line
from gapbook.files import path_text
from gapbook.files.image_files import list_images

if TYPE_CHECKING:
    from PIL import Image

    Images = list[Image.Image] | list[Path]

PROMPTS = {  # the paper's table 3
    "CIFAR10": "a photo of {}.",
    "CIFAR100": "a photo of {}.",
    "EuroSAT": "a centered satellite photo of {}.",
    "SVHN": 'a street sign of the number: "{}".',
}


Part = Literal["test", "all"]


class ArchiveFiles(NamedTuple):
    """The files that are read from an archive: records, class names if any, and where to get it.

    ``other_records`` are those that the test split leaves out and the whole data set has.
    """

    records: str
    class_names: str
    page: str
    other_records: tuple[str, ...] = ()


FILES = {
    "CIFAR10": ArchiveFiles(
        "test_batch.bin",
        "batches.meta.txt",
        "cifar-10-binary.tar.gz of cs.toronto.edu/~kriz/cifar.html",
        tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    ),
    "CIFAR100": ArchiveFiles(
        "test.bin",
        "fine_label_names.txt",
        "cifar-100-binary.tar.gz of cs.toronto.edu/~kriz/cifar.html",
        ("train.bin",),
    ),
    "SVHN": ArchiveFiles("test_32x32.mat", "", "test_32x32.mat of ufldl.stanford.edu/housenumbers"),
}

# From this version on, datasets runs no code of a data set.
SAFE_DATASETS = 4
INSTALL_DATASETS = f"python -m pip install 'datasets>={SAFE_DATASETS}'"

# What archives made on a Mac hold beside their own folders.
MAC_FOLDER = "__MACOSX"


class Benchmark(NamedTuple):
    """An image set for zero-shot classification.

    Attributes
    ----------
    images : list of PIL.Image.Image or Path
        The n images.
    labels : ndarray of integers, shape (n,)
        The class of each image.
    prompts : list of str
        The class text of each class.
    """

    images: "Images"
    labels: np.ndarray
    prompts: list[str]


class _Labeled(NamedTuple):
    """Images, the class of each one, and the names of the classes."""

    images: "Images"
    labels: ArrayLike
    classes: list[str]


def load_benchmark(
    name: str,
    source: str | os.PathLike[str],
    revision: str | None = None,
    part: Part = "test",
) -> Benchmark:
    """Load one of the image sets of the paper's table 1: its test split, or for EuroSAT all images.

    Parameters
    ----------
    name : {"CIFAR10", "CIFAR100", "EuroSAT", "SVHN"}
        The image set.
    source : path or str
        A folder: CIFAR's binary version, SVHN's ``test_32x32.mat`` (its label 10 is the digit 0),
        or EuroSAT's folders of images, whose names become words ("SeaLake" becomes "sea lake"). For
        all but EuroSAT, also a name on the hub of data sets.
    revision : str, optional
        The commit on the hub, 40 hexadecimal digits.
    part : {"test", "all"}
        Of CIFAR in a folder: the test split, or all images, those of the test split last.

    Returns
    -------
    Benchmark
        The images, their labels and the prompts.

    Raises
    ------
    ValueError
        For an unknown name, for all images of what is no folder of CIFAR or EuroSAT, and where
        something is missing or has another format.
    MissingPackageError
        For a name on the hub, without ``datasets`` in version 4 or later.

    Notes
    -----
    Of EuroSAT's folders, hidden ones and hidden files are left out, and images count whether their
    endings are written in small or capital letters.
    """
    if name not in PROMPTS:
        raise ValueError(f"Expected one of {', '.join(PROMPTS)}; got {name!r}")
    if part not in ("test", "all"):
        raise ValueError(f"Expected part 'test' or 'all'; got {part!r}")
    folder = Path(source)
    if part == "all" and (name == "SVHN" or not folder.is_dir()):
        raise ValueError(f"Expected all images only of a folder of CIFAR or EuroSAT; got {name}")
    if not folder.is_dir():
        labeled = _from_hub(name, os.fspath(source), revision)
    elif name == "EuroSAT":
        labeled = _from_class_folders(folder)
    else:
        labeled = _from_records(name, folder, part)
    words = [name_of_class.replace("_", " ") for name_of_class in labeled.classes]
    prompts = [PROMPTS[name].format(word) for word in words]
    return Benchmark(labeled.images, np.asarray(labeled.labels, dtype=int), prompts)


def _from_records(name: str, folder: Path, part: Part) -> _Labeled:
    """Read the records of CIFAR or SVHN."""
    from PIL import Image

    files = FILES[name]
    records = [files.records] if part == "test" else [*files.other_records, files.records]
    for file in (*records, files.class_names):
        if file and not (folder / file).is_file():
            raise ValueError(f"Expected {file} in {folder}; unpack {files.page}")
    images = []
    labels: list[int] = []
    for file in records:
        path = folder / file
        try:
            if name == "SVHN":
                pixels, own = _read_svhn(path)
            else:
                pixels, own = _read_cifar(path, fine=name == "CIFAR100")
            images += [Image.fromarray(np.ascontiguousarray(image)) for image in pixels]
            labels += own.tolist()
        except Exception as error:  # SciPy and NumPy each have their own for a damaged file
            raise ValueError(f"{path} is damaged or not of {files.page} ({error})") from None
    classes = [str(digit) for digit in range(10)]
    if files.class_names:
        classes = (folder / files.class_names).read_text().split()
    return _Labeled(images, labels, classes)


def _read_svhn(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, 32, 32, 3) and labels (n,) of SVHN's matrix."""
    from scipy.io import loadmat

    content = loadmat(path)
    return content["X"].transpose(3, 0, 1, 2), content["y"].reshape(-1) % 10


def _read_cifar(path: Path, fine: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return images (n, 32, 32, 3) and labels (n,) of CIFAR's records of label bytes and planes."""
    # CIFAR-100 has the coarse label before the fine one
    label_bytes = 2 if fine else 1
    records = np.fromfile(path, np.uint8).reshape(-1, label_bytes + 3 * 32 * 32)
    planes = records[:, label_bytes:].reshape(-1, 3, 32, 32)
    return planes.transpose(0, 2, 3, 1), records[:, label_bytes - 1]


def _from_class_folders(folder: Path) -> _Labeled:
    """Read a folder that has a folder of images for each class."""
    images: list[Path] = []
    labels: list[int] = []
    classes: list[str] = []
    without = []
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        if place.name.startswith(".") or place.name == MAC_FOLDER:
            continue
        own = list_images(place)
        if not own:
            without.append(place.name)
        images += own
        labels += [len(classes)] * len(own)
        classes.append(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", place.name).lower())
    if len(classes) < 2 or without:
        raise ValueError(
            f"Expected a folder of images for each class in {path_text(folder)}, as in EuroSAT's "
            f"EuroSAT_RGB.zip; got {len(classes)} folders, {len(without)} of them without images "
            f"(first: {without[0] if without else 'none'})"
        )
    return _Labeled(images, labels, classes)


def _from_hub(name: str, source: str, revision: str | None) -> _Labeled:
    """Load the test split from the hub of data sets, at a pinned commit."""
    if name == "EuroSAT" or not re.fullmatch(r"[\w-]+/[\w.-]+", source):
        raise ValueError(f"Expected a folder with {name}; {source} is none")
    if not re.fullmatch("[0-9a-f]{40}", revision or ""):
        raise ValueError(
            f"{source} is no folder here; to load it from the hub, give revision, "
            f"a commit of 40 hexadecimal digits, not {revision!r}"
        )
    datasets = _import_datasets(source)
    config = "cropped_digits" if name == "SVHN" else None
    try:
        table = datasets.load_dataset(source, config, split="test", revision=revision)
        features = table.features
        image = _first_of(("img", "image"), features)
        label = _first_of(("fine_label", "label"), features)
        classes = list(features[label].names)
        labels = np.asarray(list(table[label]), dtype=int)
        images = list(table[image])
    # The hub, the file system and datasets each have their own, for other columns, too.
    except Exception as error:
        reason = one_line(f"{type(error).__name__}: {error}", 300)
        raise ValueError(f"{source} at {revision} cannot be loaded ({reason})") from error
    unknown = labels[(labels < 0) | (labels >= len(classes))]
    if len(unknown):
        raise ValueError(
            f"Expected labels from 0 to {len(classes) - 1} in the test split of {source}; "
            f"{len(unknown)} are others (first: {unknown[0]}), perhaps since they are kept secret"
        )
    return _Labeled(images, labels, classes)


def _first_of(names: Sequence[str], features: Mapping[str, Any]) -> str:
    """Return the first name that is a column of a table."""
    for name in names:
        if name in features:
            return name
    raise ValueError(f"it has no column {' or '.join(names)}")


def _import_datasets(source: str) -> Any:
    """Return the package that loads from the hub, where it runs no code of a data set."""
    try:
        import datasets
    except ImportError:
        raise MissingPackageError(
            f"{source} is no folder here; the hub needs datasets, which is not installed: "
            f"{INSTALL_DATASETS}"
        ) from None
    version = str(datasets.__version__)
    major = version.partition(".")[0]
    if not major.isdecimal() or int(major) < SAFE_DATASETS:
        raise MissingPackageError(
            f"{source} is no folder here; datasets {version} may run code that comes with a data "
            f"set: {INSTALL_DATASETS}"
        )
    return datasets
