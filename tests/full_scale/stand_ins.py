"""Stand-ins for the paper's data and checkpoints: small, and in the same formats.

``build`` writes archives and files as their publishers offer them, and checkpoints in the layout of
a hub's cache.
"""

import io
import json
import tarfile
import zipfile
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file
from tiny_checkpoints import byte_clip

from gapbook.bias.fairface import RACES

VAL_IMAGES = 40
TRAIN_IMAGES = 30
SIDE = 48

# What the hub calls the checkpoints, and the commits of the stand-ins.
MODELS = {
    "clip_b32": ("openai/clip-vit-base-patch32", "3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268"),
    "clip_b16": ("openai/clip-vit-base-patch16", "57c216476eefef5ab752ec549e440a49ae4ae5f3"),
    "resnet18": ("timm/resnet18.tv_in1k", "bbd144b3e5565108aad885f145491d11bc6ce807"),
}
# Of the hub's FairFace, as its files name its classes.
HUB_RACES = [
    "East Asian",
    "Indian",
    "Black",
    "White",
    "Middle Eastern",
    "Latino_Hispanic",
    "Southeast Asian",
]
HUB_GENDERS = ["Male", "Female"]
TEN = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
LANDS = ["AnnualCrop", "Forest", "HerbaceousVegetation", "Highway", "Industrial"]
LANDS += ["Pasture", "PermanentCrop", "Residential", "River", "SeaLake"]
CLASSES = {
    "CIFAR10": TEN,
    "CIFAR100": [f"thing_{number}" for number in range(100)],
    "EuroSAT": LANDS,
}
COLORS = ["red", "green", "blue", "yellow", "white", "black", "orange", "purple", "gray", "brown"]
SHAPES = ("ellipse", "rectangle")


def picture(number: int, side: int = SIDE) -> Image.Image:
    """Draw a shape of a color on a noisy ground: what a caption can name."""
    rng = np.random.default_rng(number)
    ground = rng.integers(0, 256, (side, side + number % 9, 3), dtype=np.uint8)
    image = Image.fromarray(ground)
    draw = ImageDraw.Draw(image)
    box = [side // 4, side // 4, 3 * side // 4, 3 * side // 4]
    getattr(draw, SHAPES[number % 2])(box, fill=COLORS[number % len(COLORS)])
    return image


def jpeg(image: Image.Image, **options: Any) -> bytes:
    """Return an image as the bytes of a JPEG file."""
    content = io.BytesIO()
    image.save(content, "JPEG", **options)
    return content.getvalue()


def odd_jpeg(number: int) -> bytes:
    """Return one of COCO's pictures; some are gray, CMYK, or rotated by EXIF."""
    image = picture(number)
    if number % 10 == 1:
        return jpeg(image.convert("L"))
    if number % 10 == 2:
        return jpeg(image.convert("CMYK"))
    if number % 10 == 3:
        exif = Image.Exif()
        exif[0x0112] = 6
        return jpeg(image, exif=exif)
    return jpeg(image)


def captions_of(number: int) -> list[str]:
    """Return one to five captions of a picture."""
    color = COLORS[number % len(COLORS)]
    shape = SHAPES[number % 2]
    return [f"A {color} {shape}, number {number}, version {i}." for i in range(1 + number % 5)]


def build(folder: Path) -> Path:
    """Write all stand-ins into a folder: archives and files, and ``hub``, a cache of models."""
    folder.mkdir(parents=True)
    _coco(folder)
    _cifar(folder)
    _svhn(folder)
    _eurosat(folder)
    _fairface(folder)
    _checkpoints(folder / "hub")
    return folder


def _coco(folder: Path) -> None:
    with zipfile.ZipFile(folder / "annotations_trainval2017.zip", "w") as annotations:
        for split, count, first in (("val2017", VAL_IMAGES, 0), ("train2017", TRAIN_IMAGES, 100)):
            numbers = range(first, first + count)
            images = [
                {
                    "id": 7 * n,
                    "file_name": f"{n:012d}.jpg",
                    "coco_url": f"http://images.cocodataset.org/{split}/{n:012d}.jpg",
                }
                for n in numbers
            ]
            texts = [(7 * n, text) for n in numbers for text in captions_of(n)]
            # As in COCO, annotations are in no order of images.
            order = np.random.default_rng(0).permutation(len(texts))
            listed = [
                {"id": int(i), "image_id": texts[i][0], "caption": texts[i][1]} for i in order
            ]
            content = json.dumps({"images": images, "annotations": listed})
            annotations.writestr(f"annotations/captions_{split}.json", content)
            with zipfile.ZipFile(folder / f"{split}.zip", "w") as pictures:
                for n in numbers:
                    pictures.writestr(f"{split}/{n:012d}.jpg", odd_jpeg(n))


def _cifar(folder: Path) -> None:
    planes = np.random.default_rng(0).integers(0, 256, (200, 3072), dtype=np.uint8)
    ten = {"batches.meta.txt": "\n".join(CLASSES["CIFAR10"]).encode()}
    for i, name in enumerate(["test_batch", *(f"data_batch_{n}" for n in range(1, 6))]):
        labels = np.arange(20, dtype=np.uint8)[:, None] % 10
        ten[f"{name}.bin"] = np.hstack([labels, planes[20 * i : 20 * i + 20]]).tobytes()
    _tar(folder / "cifar-10-binary.tar.gz", "cifar-10-batches-bin", ten)
    hundred = {"fine_label_names.txt": "\n".join(CLASSES["CIFAR100"]).encode()}
    fine = np.arange(100, dtype=np.uint8)[:, None]
    for i, name in enumerate(["test", "train"]):
        records = np.hstack([fine // 5, fine, planes[100 * i : 100 * i + 100]])
        hundred[f"{name}.bin"] = records.tobytes()
    _tar(folder / "cifar-100-binary.tar.gz", "cifar-100-binary", hundred)


def _tar(path: Path, folder: str, files: dict[str, bytes]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(f"{folder}/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def _svhn(folder: Path) -> None:
    from scipy.io import savemat

    pixels = np.random.default_rng(1).integers(0, 256, (32, 32, 3, 20), dtype=np.uint8)
    # Its label 10 is the digit 0.
    labels = 1 + np.arange(20, dtype=np.uint8)[:, None] % 10
    savemat(folder / "test_32x32.mat", {"X": pixels, "y": labels})


def _eurosat(folder: Path) -> None:
    with zipfile.ZipFile(folder / "EuroSAT_RGB.zip", "w") as archive:
        for i, name in enumerate(CLASSES["EuroSAT"]):
            for j in range(3):
                content = jpeg(picture(10 * i + j, 64))
                archive.writestr(f"EuroSAT_RGB/{name}/{name}_{j + 1}.jpg", content)


def _fairface(folder: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    people = list(product(RACES, HUB_GENDERS)) * 2
    files = [jpeg(picture(200 + i, 32)) for i in range(len(people))]
    races = [race.replace("Latino", "Latino_Hispanic") for race, _ in people]
    genders = [gender for _, gender in people]
    lines = ["file,age,gender,race,service_test"]
    with zipfile.ZipFile(folder / "fairface-img-margin025-trainval.zip", "w") as archive:
        for i, content in enumerate(files):
            lines.append(f"val/{i + 1}.jpg,20-29,{genders[i]},{races[i]},False")
            archive.writestr(f"val/{i + 1}.jpg", content)
        archive.writestr("fairface_label_val.csv", "\n".join(lines) + "\n")
    features = {
        "image": {"_type": "Image"},
        "gender": {"names": HUB_GENDERS, "_type": "ClassLabel"},
        "race": {"names": HUB_RACES, "_type": "ClassLabel"},
    }
    table = pyarrow.table(
        {
            "image": [{"bytes": content, "path": f"{i}.jpg"} for i, content in enumerate(files)],
            "gender": [HUB_GENDERS.index(gender) for gender in genders],
            "race": [HUB_RACES.index(race) for race in races],
        }
    )
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    path = folder / "validation-00000-of-00001.parquet"
    parquet.write_table(table.replace_schema_metadata(about), path)


def _checkpoints(cache: Path) -> None:
    for seed, source in enumerate(("clip_b32", "clip_b16")):
        byte_clip(_snapshot(cache, source), seed)
    # That commit of ViT-B/16 has no safetensors.
    folder = _snapshot(cache, "clip_b16")
    weights = folder / "model.safetensors"
    from safetensors.torch import load_file

    state = load_file(weights)
    state["vision_model.embeddings.position_ids"] = torch.arange(17)[None]
    torch.save(state, folder / "pytorch_model.bin")
    weights.unlink()
    folder = _snapshot(cache, "resnet18")
    folder.mkdir(parents=True)
    save_file(resnet_weights((8, 16, 32, 64)), folder / "model.safetensors")


def _snapshot(cache: Path, source: str) -> Path:
    name, commit = MODELS[source]
    return cache / f"models--{name.replace('/', '--')}" / "snapshots" / commit


def resnet_weights(widths: tuple[int, ...], depth: int = 2) -> dict[str, torch.Tensor]:
    """Draw the weights of a ResNet of basic blocks, by the names of torchvision and timm."""
    generator = torch.Generator().manual_seed(0)
    weights: dict[str, torch.Tensor] = {}

    def convolution(name: str, after: int, before: int, size: int) -> None:
        scale = (2 / (after * size * size)) ** 0.5
        drawn = torch.randn(after, before, size, size, generator=generator)
        weights[f"{name}.weight"] = scale * drawn

    def normalization(name: str, width: int) -> None:
        weights[f"{name}.weight"] = 0.5 + torch.rand(width, generator=generator)
        weights[f"{name}.bias"] = 0.1 * torch.randn(width, generator=generator)
        weights[f"{name}.running_mean"] = 0.1 * torch.randn(width, generator=generator)
        weights[f"{name}.running_var"] = 0.5 + torch.rand(width, generator=generator)

    convolution("conv1", widths[0], 3, 7)
    normalization("bn1", widths[0])
    before = widths[0]
    for stage, width in enumerate(widths, start=1):
        for block in range(depth):
            name = f"layer{stage}.{block}"
            convolution(f"{name}.conv1", width, before, 3)
            normalization(f"{name}.bn1", width)
            convolution(f"{name}.conv2", width, width, 3)
            normalization(f"{name}.bn2", width)
            if before != width:
                convolution(f"{name}.downsample.0", width, before, 1)
                normalization(f"{name}.downsample.1", width)
            before = width
    weights["fc.weight"] = torch.zeros(10, before)
    weights["fc.bias"] = torch.zeros(10)
    return weights
