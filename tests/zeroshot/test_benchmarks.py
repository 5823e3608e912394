"""Image sets from folders in the data sets' own formats, and from a hub at a pinned commit."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from gapbook.zeroshot.benchmarks import load_benchmark

COMMIT = "0123456789abcdef0123456789abcdef01234567"
# image, row, column, color
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)


def write_cifar(folder: Path, name: str) -> None:
    planes = PIXELS.transpose(0, 3, 1, 2).reshape(3, -1)
    labels = np.array([[2], [0], [1]], np.uint8)
    if name == "CIFAR10":
        np.hstack([labels, planes]).tofile(folder / "test_batch.bin")
        (folder / "batches.meta.txt").write_text("airplane\nautomobile\nbird\n\n")
    else:
        coarse_labels = 9 - labels
        np.hstack([coarse_labels, labels, planes]).tofile(folder / "test.bin")
        (folder / "fine_label_names.txt").write_text("apple\naquarium_fish\nbaby\n")


@pytest.mark.parametrize(
    ("name", "second"), [("CIFAR10", "automobile"), ("CIFAR100", "aquarium fish")]
)
def test_cifar_comes_from_its_binary_version(tmp_path: Path, name: str, second: str) -> None:
    write_cifar(tmp_path, name)
    task = load_benchmark(name, tmp_path)
    assert task.labels.tolist() == [2, 0, 1]
    assert task.prompts[1] == f"a photo of {second}." and len(task.prompts) == 3
    np.testing.assert_array_equal(np.stack([np.asarray(image) for image in task.images]), PIXELS)


def test_svhn_has_its_zero_under_ten(tmp_path: Path) -> None:
    savemat(tmp_path / "test_32x32.mat", {"X": PIXELS.transpose(1, 2, 3, 0), "y": [[10], [1], [9]]})
    task = load_benchmark("SVHN", tmp_path)
    assert task.labels.tolist() == [0, 1, 9]
    assert task.prompts[0] == 'a street sign of the number: "0".' and len(task.prompts) == 10
    np.testing.assert_array_equal(np.asarray(task.images[2]), PIXELS[2])


def test_eurosats_folders_become_words(tmp_path: Path) -> None:
    for name, count in (("SeaLake", 2), ("AnnualCrop", 1)):
        (tmp_path / name).mkdir()
        for i in range(count):
            Image.fromarray(PIXELS[i]).save(tmp_path / name / f"{name}_{i}.jpg")
    task = load_benchmark("EuroSAT", tmp_path)
    assert task.prompts == [
        "a centered satellite photo of annual crop.",
        "a centered satellite photo of sea lake.",
    ]
    assert task.labels.tolist() == [0, 1, 1] and task.images[1].name == "SeaLake_0.jpg"


def test_the_hub_is_asked_for_the_pinned_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    fine = SimpleNamespace(names=["apple", "aquarium_fish"])

    class Table(dict):
        def __init__(self, **columns):
            super().__init__(columns)
            self.features = dict.fromkeys(columns) | {"fine_label": fine}

    def load_dataset(path, config, split, revision):
        asked.update(path=path, config=config, split=split, revision=revision)
        return Table(img=["first", "second"], coarse_label=[7, 8], fine_label=[1, 0])

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    task = load_benchmark("CIFAR100", "some/cifar", COMMIT)
    assert asked == {"path": "some/cifar", "config": None, "split": "test", "revision": COMMIT}
    assert task.labels.tolist() == [1, 0] and task.prompts[1] == "a photo of aquarium fish."


def test_a_hub_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def load_dataset(*args, **kwargs):
        raise ConnectionError("offline")

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    with pytest.raises(
        ValueError, match=r"some/svhn at 0123.* cannot be loaded \(ConnectionError: offline\)"
    ):
        load_benchmark("SVHN", "some/svhn", COMMIT)


@pytest.mark.parametrize(
    ("name", "source", "revision", "message"),
    [
        ("ImageNet", ".", None, "Expected one of CIFAR10, CIFAR100, EuroSAT, SVHN; got 'ImageNet'"),
        ("EuroSAT", "some/eurosat", COMMIT, "Expected a folder with EuroSAT; some/eurosat is none"),
        ("SVHN", "some/svhn", "main", "a commit of 40 hexadecimal digits, not 'main'"),
        ("SVHN", "some/svhn", COMMIT, "pip install datasets"),
    ],
)
def test_bad_names_and_revisions_are_named(
    monkeypatch: pytest.MonkeyPatch, name: str, source: str, revision: str | None, message: str
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ValueError, match=message):
        load_benchmark(name, source, revision)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("CIFAR100", "Expected test.bin in .*; unpack cifar-100-binary.tar.gz"),
        ("CIFAR10", "test_batch.bin is damaged"),
        ("SVHN", "test_32x32.mat is damaged"),
        ("EuroSAT", "Expected a folder of images for each class"),
    ],
)
def test_bad_folders_are_named(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "test_32x32.mat").write_bytes(b"no matrix")
    (tmp_path / "test_batch.bin").write_bytes(b"too short")
    (tmp_path / "batches.meta.txt").write_text("airplane")
    with pytest.raises(ValueError, match=message):
        load_benchmark(name, tmp_path)
