"""Image sets from folders in the data sets' own formats, and from a hub at a pinned commit."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from gapbook.exceptions import MissingPackageError
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


def test_eurosats_images_count_whatever_their_endings_and_hidden_files_do_not(
    tmp_path: Path,
) -> None:
    names = {
        "SeaLake": ["1.jpg", "2.JPG", "3.jpeg", "4.PNG", ".5.jpg", "notes.txt"],
        "River": ["1.tif"],
        ".ipynb_checkpoints": [],
        "__MACOSX": [],
    }
    for place, files in names.items():
        (tmp_path / place).mkdir()
        for file in files:
            (tmp_path / place / file).touch()
    task = load_benchmark("EuroSAT", tmp_path)
    assert [image.name for image in task.images] == ["1.tif", "1.jpg", "2.JPG", "3.jpeg", "4.PNG"]
    assert len(task.prompts) == 2


class Table(dict):
    """What the hub's package gives: columns with their features."""

    def __init__(self, class_column: str, names: list, /, **columns: list) -> None:
        super().__init__(columns)
        self.features = dict.fromkeys(columns) | {class_column: SimpleNamespace(names=names)}


def use_hub(monkeypatch: pytest.MonkeyPatch, answer: object, version: str = "4.0.0") -> dict:
    """Answer questions to the hub, and return what was asked."""
    asked = {}

    def load_dataset(path, config, split, revision):
        asked.update(path=path, config=config, split=split, revision=revision)
        if isinstance(answer, Exception):
            raise answer
        return answer

    package = SimpleNamespace(load_dataset=load_dataset, __version__=version)
    monkeypatch.setitem(sys.modules, "datasets", package)
    return asked


def test_the_hub_is_asked_for_the_pinned_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["apple", "aquarium_fish"]
    columns = {"img": ["first", "second"], "coarse_label": [7, 8], "fine_label": [1, 0]}
    asked = use_hub(monkeypatch, Table("fine_label", names, **columns))
    task = load_benchmark("CIFAR100", "some/cifar", COMMIT)
    assert asked == {"path": "some/cifar", "config": None, "split": "test", "revision": COMMIT}
    assert task.labels.tolist() == [1, 0] and task.prompts[1] == "a photo of aquarium fish."


BAD_ANSWERS = {
    "none": (ConnectionError("offline"), r"cannot be loaded \(ConnectionError: offline\)"),
    "no images": (Table("label", ["0"], label=[0]), "it has no column img or image"),
    "no labels": (Table("other", ["0"], image=["first"]), "it has no column fine_label or label"),
    "secret labels": (
        Table("label", ["0", "1"], image=["first", "second"], label=[0, -1]),
        r"labels from 0 to 1 .*; 1 are others \(first: -1\), perhaps since they are kept secret",
    ),
}


@pytest.mark.parametrize(("answer", "message"), BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_a_hub_that_does_not_give_what_is_needed_is_named(
    monkeypatch: pytest.MonkeyPatch, answer: object, message: str
) -> None:
    use_hub(monkeypatch, answer)
    with pytest.raises(ValueError, match=message):
        load_benchmark("SVHN", "some/svhn", COMMIT)


@pytest.mark.parametrize("version", ["3.6.0", "2.0.0", "unknown"])
def test_a_package_that_may_run_a_data_sets_code_is_refused(
    monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    asked = use_hub(monkeypatch, Table("label", ["0"], image=["first"], label=[0]), version)
    refused = rf"datasets {version} may run code .*: python -m pip install 'datasets>=4'"
    with pytest.raises(MissingPackageError, match=refused):
        load_benchmark("SVHN", "some/svhn", COMMIT)
    assert not asked


def test_without_the_hubs_package_its_installation_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingPackageError, match="python -m pip install 'datasets>=4'"):
        load_benchmark("SVHN", "some/svhn", COMMIT)


@pytest.mark.parametrize(
    ("name", "source", "revision", "message"),
    [
        ("ImageNet", ".", None, "Expected one of CIFAR10, CIFAR100, EuroSAT, SVHN; got 'ImageNet'"),
        ("EuroSAT", "some/eurosat", COMMIT, "Expected a folder with EuroSAT; some/eurosat is none"),
        ("SVHN", "some/svhn", "main", "a commit of 40 hexadecimal digits, not 'main'"),
    ],
)
def test_bad_names_and_revisions_are_named(
    name: str, source: str, revision: str | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        load_benchmark(name, source, revision)


def test_a_class_without_images_is_named(tmp_path: Path) -> None:
    for place in ("River", "SeaLake"):
        (tmp_path / place).mkdir()
    (tmp_path / "River" / "1.jpg").touch()
    without = r"got 2 folders, 1 of them without images \(first: SeaLake\)"
    with pytest.raises(ValueError, match=without):
        load_benchmark("EuroSAT", tmp_path)


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


@pytest.mark.parametrize("name", ["CIFAR10", "CIFAR100"])
def test_all_of_cifar_has_the_test_split_last(tmp_path: Path, name: str) -> None:
    write_cifar(tmp_path, name)
    test = tmp_path / ("test_batch.bin" if name == "CIFAR10" else "test.bin")
    others = [f"data_batch_{n}.bin" for n in range(1, 6)] if name == "CIFAR10" else ["train.bin"]
    records = np.fromfile(test, np.uint8).reshape(3, -1)
    for other in others:
        records[::-1].tofile(tmp_path / other)
    task = load_benchmark(name, tmp_path, part="all")
    assert task.labels.tolist() == [1, 0, 2] * len(others) + [2, 0, 1]
    np.testing.assert_array_equal(np.asarray(task.images[-1]), PIXELS[2])
    (tmp_path / others[-1]).unlink()
    with pytest.raises(ValueError, match=f"Expected {others[-1]} in"):
        load_benchmark(name, tmp_path, part="all")
    assert len(load_benchmark(name, tmp_path).labels) == 3


def test_all_images_are_of_a_folder_of_cifar_or_eurosat(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Expected all images only of a folder"):
        load_benchmark("SVHN", tmp_path, part="all")
    with pytest.raises(ValueError, match="Expected part 'test' or 'all'; got 'train'"):
        load_benchmark("CIFAR10", tmp_path, part="train")  # type: ignore[arg-type]
