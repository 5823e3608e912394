"""What is at hand: folders of data and checkpoints, the device, and where all is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gapbook.bias.fairface import Faces, read_fairface
from gapbook.coco import read_coco
from gapbook.encoders import embed_images, embed_texts
from gapbook.exceptions import PairsError
from gapbook.full_scale.kept import fingerprint, kept_embeddings
from gapbook.full_scale.pretrained import Loaded, open_clip
from gapbook.published import locate
from gapbook.zeroshot.benchmarks import FILES, Benchmark, Part, load_benchmark

# What each source is, for messages and help.
SOURCES = {
    "coco": "a folder with annotations and val2017 (and train2017) of COCO",
    "clip_b32": "CLIP ViT-B/32: a folder, or openai/clip-vit-base-patch32@COMMIT",
    "clip_b16": "CLIP ViT-B/16: a folder, or openai/clip-vit-base-patch16@COMMIT",
    "resnet18": "a folder with model.safetensors of timm/resnet18.tv_in1k",
    "cifar10": "a folder with the binary version of CIFAR-10",
    "cifar100": "a folder with the binary version of CIFAR-100",
    "eurosat": "a folder with EuroSAT_RGB's folders of images",
    "svhn": "test_32x32.mat of SVHN, or its folder",
    "fairface": "a folder with FairFace's validation images, as files or in Parquet",
}
# Their names in the list of what can be fetched.
REGISTERED = {
    "coco": ("coco-val2017", "coco-annotations"),
    "clip_b32": ("clip-vit-base-patch32",),
    "clip_b16": ("clip-vit-base-patch16",),
    "resnet18": ("resnet18",),
    "cifar10": ("cifar10",),
    "cifar100": ("cifar100",),
    "eurosat": ("eurosat",),
    "svhn": ("svhn-test",),
    "fairface": ("fairface",),
}
TASKS = {"cifar10": "CIFAR10", "cifar100": "CIFAR100", "eurosat": "EuroSAT", "svhn": "SVHN"}

# Networks of each kind in figure 2c.
NETWORKS = 25
# Captioned images of COCO's validation set.
COCO_IMAGES = 5000


@dataclass(frozen=True)
class Inputs:
    """What is measured, on what, and where it is kept.

    Attributes
    ----------
    folder : pathlib.Path
        Where embeddings, prepared images, runs and results are kept.
    places : dict of str to str
        Where each source of ``SOURCES`` is, of those that are at hand.
    device : torch.device
        Where networks run.
    networks : int
        Random networks of each kind: 25 in the paper.
    progress : bool
        Whether to show progress bars.
    """

    folder: Path
    places: dict[str, str] = field(default_factory=dict)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    networks: int = NETWORKS
    progress: bool = False

    def place(self, source: str) -> str:
        """Return where a source is.

        Parameters
        ----------
        source : str
            A key of ``SOURCES``.

        Returns
        -------
        str
            A path, or a name on the hub.

        Raises
        ------
        PairsError
            If it was not named.
        """
        if source not in self.places:
            option = source.replace("_", "-")
            raise PairsError(f"Expected --{option}, {SOURCES[source]}; it was not named")
        return self.places[source]

    def clip(self, source: str) -> Loaded:
        """Load a CLIP.

        Parameters
        ----------
        source : {"clip_b32", "clip_b16"}
            Which.

        Returns
        -------
        Loaded
            The checkpoint on the device, with the digest of its weights.
        """
        return open_clip(self.place(source), self.device)

    def coco_val(self, caption: Any) -> tuple[list[Path], list[str]]:
        """Read COCO's validation images, each with one caption.

        Parameters
        ----------
        caption : {"first", "last"}
            As in ``read_coco``.

        Returns
        -------
        images : list of pathlib.Path
            Their files.
        captions : list of str
            One each.
        """
        items = read_coco(self.place("coco"), caption, COCO_IMAGES)
        return [path for path, _ in items], [text for _, text in items]

    def benchmark(self, source: str, part: Part = "test") -> Benchmark:
        """Read an image set of table 1.

        Parameters
        ----------
        source : str
            A key of ``TASKS``.
        part : {"test", "all"}
            As in ``load_benchmark``.

        Returns
        -------
        Benchmark
            Images, labels and prompts.
        """
        name = TASKS[source]
        folder = Path(self.place(source))
        if folder.name == FILES["SVHN"].records and folder.is_file():
            folder = folder.parent
        if not folder.is_dir():
            raise PairsError(f"Expected --{source}, {SOURCES[source]}; {folder} is no folder")
        return load_benchmark(name, _unpacked(folder, name), part=part)

    def faces(self) -> Faces:
        """Read FairFace's validation images.

        Returns
        -------
        Faces
            Images and labels.
        """
        return read_fairface(self.place("fairface"))

    def embed(self, name: str, loaded: Loaded, items: Sequence[Any], side: str) -> np.ndarray:
        """Embed images or texts by a checkpoint, in float32, or read what was embedded before.

        Parameters
        ----------
        name : str
            What is embedded.
        loaded : Loaded
            By what.
        items : sequence
            Images or texts.
        side : {"images", "texts"}
            Which they are.

        Returns
        -------
        numpy.ndarray of shape (n, d)
            Unit rows, float32.
        """
        function = embed_images if side == "images" else embed_texts
        made_from = {"weights": loaded.weights, side: fingerprint(items)}
        return kept_embeddings(
            self.folder,
            f"{name}-{side}",
            made_from,
            items,
            lambda chunk: function(loaded.checkpoint, chunk),
            self.progress,
        )


def _unpacked(folder: Path, name: str) -> Path:
    """Return the folder of an image set, or the one folder within it that an archive makes."""
    folders = [path for path in sorted(folder.iterdir()) if path.is_dir()]
    if name == "EuroSAT":
        return folders[0] if len(folders) == 1 else folder
    if (folder / FILES[name].records).is_file():
        return folder
    inner = [path for path in folders if (path / FILES[name].records).is_file()]
    return inner[0] if len(inner) == 1 else folder


def fetched_places() -> dict[str, str]:
    """Return where the sources are that ``gapbook fetch`` has fetched.

    Returns
    -------
    dict of str to str
        Paths, by the keys of ``SOURCES``; nothing is downloaded.

    Raises
    ------
    PairsError
        If what belongs into one folder lies apart.
    """
    places = {}
    for source, names in REGISTERED.items():
        at_hand = [locate(name) for name in names]
        paths = [str(place[1]) for place in at_hand if place is not None]
        if len(paths) < len(names):
            continue
        if len(set(paths)) > 1:
            apart = " and ".join(f"{n} in {path}" for n, path in zip(names, paths, strict=True))
            raise PairsError(f"Expected {apart} in one folder: put them together")
        places[source] = paths[0]
    return places


def choose_device(name: str = "") -> torch.device:
    """Choose where networks run.

    Parameters
    ----------
    name : str
        Such as "cpu" or "cuda:1". By default the first GPU with CUDA where there is one.

    Returns
    -------
    torch.device
        The device. On a GPU, matrix products and convolutions are those of float32, without
        TensorFloat-32: the authors used half precision there, which moves cosines by 1e-3.

    Raises
    ------
    PairsError
        For a device that is not there.
    """
    chosen = name or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(chosen)
        torch.zeros(1, device=device)
    # PyTorch has several exceptions for a device that is not there.
    except Exception:
        raise PairsError(f"Expected --device as cpu or cuda; {chosen!r} is not there") from None
    torch.backends.cudnn.allow_tf32 = False
    return device
