"""COCO's own format: which images and captions are chosen, in which order, and what is missing."""

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import small_checkpoint
from PIL import Image

from gapbook.coco import coco_pairs, read_coco
from gapbook.encoders import embed_images, embed_texts
from gapbook.exceptions import PairsError

ANNOTATED = [
    (5, "five first"),
    (9, "nine first"),
    (5, "five last"),
    (2, "two first"),
    (9, "nine last"),
    (2, "two last"),
]


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    """Four images with ids out of order: two captions each, but one image without any."""
    (tmp_path / "annotations").mkdir()
    (tmp_path / "val2017").mkdir()
    images = [{"id": i, "file_name": f"{i:012}.jpg"} for i in (9, 2, 5, 7)]
    for image in images:
        noise = np.random.default_rng(image["id"]).integers(0, 256, (40, 48, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / "val2017" / image["file_name"])
    annotations = [{"image_id": image, "caption": text} for image, text in ANNOTATED]
    write(tmp_path, {"info": {}, "images": images, "annotations": annotations})
    return tmp_path


def write(folder: Path, content: object) -> None:
    (folder / "annotations" / "captions_val2017.json").write_text(json.dumps(content))


def test_the_first_captions_come_by_the_ids_of_images(coco: Path) -> None:
    assert [(path.name, text) for path, text in read_coco(coco)] == [
        ("000000000002.jpg", "two first"),
        ("000000000005.jpg", "five first"),
        ("000000000009.jpg", "nine first"),
    ]


def test_the_last_captions_come_as_images_first_appear(coco: Path) -> None:
    assert [(path.name, text) for path, text in read_coco(coco, "last")] == [
        ("000000000005.jpg", "five last"),
        ("000000000009.jpg", "nine last"),
        ("000000000002.jpg", "two last"),
    ]


def test_a_limit_takes_the_first_images(coco: Path) -> None:
    for caption in ("first", "last"):
        assert read_coco(coco, caption, limit=2) == read_coco(coco, caption)[:2]


@pytest.mark.parametrize("place", ["images", "."])
def test_images_may_lie_elsewhere_in_the_folder(coco: Path, place: str) -> None:
    expected = [(path.name, text) for path, text in read_coco(coco)]
    (coco / place).mkdir(exist_ok=True)
    for path in (coco / "val2017").iterdir():
        path.rename(coco / place / path.name)
    moved = read_coco(coco)
    assert [(path.name, text) for path, text in moved] == expected
    assert all(path.parent == coco / place for path, _ in moved)


def test_annotations_may_lie_in_the_folder_itself(coco: Path) -> None:
    expected = read_coco(coco)
    path = coco / "annotations" / "captions_val2017.json"
    path.rename(coco / path.name)
    assert read_coco(coco) == expected


def test_pairs_are_embeddings_of_the_files_and_captions(coco: Path) -> None:
    checkpoint = small_checkpoint()
    pairs = coco_pairs(coco, checkpoint, progress=False)
    items = read_coco(coco)
    assert pairs.captions == ("two first", "five first", "nine first")
    assert pairs.source == "COCO, first caption, 3 pairs"
    x = embed_images(checkpoint, [path for path, _ in items])
    y = embed_texts(checkpoint, [text for _, text in items])
    np.testing.assert_allclose(pairs.x, x, atol=1e-6)
    np.testing.assert_allclose(pairs.y, y, atol=1e-6)


def test_an_empty_folder_is_told_what_to_get(tmp_path: Path) -> None:
    message = r"Expected annotations/captions_val2017\.json in .*; get val2017\.zip"
    with pytest.raises(PairsError, match=message):
        read_coco(tmp_path)


def test_another_choice_of_captions_is_named(coco: Path) -> None:
    with pytest.raises(PairsError, match="'first' or 'last'; got 'second'"):
        read_coco(coco, "second")


def test_a_missing_image_is_counted_and_named(coco: Path) -> None:
    (coco / "val2017" / "000000000009.jpg").unlink()
    with pytest.raises(PairsError, match=r"1 of 3 are missing \(first: '000000000009\.jpg'\)"):
        read_coco(coco)


@pytest.mark.parametrize("limit", [1, 0, -1, 2.5, True, "2"])
def test_a_limit_is_a_number_of_images(coco: Path, limit: object) -> None:
    with pytest.raises(PairsError, match="limit as a number of images, at least 2; got"):
        read_coco(coco, limit=limit)


def test_one_image_is_too_few(coco: Path) -> None:
    images = [{"id": 5, "file_name": f"{5:012}.jpg"}]
    write(coco, {"images": images, "annotations": [{"image_id": 5, "caption": "five"}]})
    with pytest.raises(PairsError, match=r"at least 2 captioned images.*0 of 1 are missing"):
        read_coco(coco)


def test_a_byte_order_mark_is_no_part_of_the_file(coco: Path) -> None:
    expected = read_coco(coco)
    path = coco / "annotations" / "captions_val2017.json"
    path.write_text(path.read_text(), encoding="utf-8-sig")
    assert read_coco(coco) == expected


BAD_CAPTIONS = {
    "missing": (None, "is None"),
    "number": (5, "is a number, 5"),
    "two in a list": (["a", "b"], "is a list of 2"),
    "blank": (" \n", "is blank"),
    "half a character": ("\ud83d", "is blank"),
    "half a character in text": ("a \ud83d", "is not Unicode text"),
}


@pytest.mark.parametrize("choice", ["first", "last"])
@pytest.mark.parametrize(("caption", "problem"), BAD_CAPTIONS.values(), ids=BAD_CAPTIONS)
def test_a_chosen_caption_that_is_no_text_is_named_with_its_image(
    coco: Path, choice: str, caption: object, problem: str
) -> None:
    images = [{"id": i, "file_name": f"{i:012}.jpg"} for i in (2, 5)]
    texts = ["two", caption] if choice == "last" else [caption, "two"]
    annotations = [{"image_id": 2, "caption": text} for text in texts]
    annotations.append({"image_id": 5, "caption": "five"})
    write(coco, {"images": images, "annotations": annotations})
    with pytest.raises(PairsError, match=rf"COCO's format: the caption of image 2 {problem}"):
        read_coco(coco, choice)
    # The other choice does not take it.
    assert len(read_coco(coco, "first" if choice == "last" else "last")) == 2


BAD_FILES = {
    "no name": (None, "image 9 has the file name None"),
    "number": (9, "image 9 has the file name 9"),
    "blank": (" ", "image 9 has the file name ' '"),
    "another's": ("000000000002.jpg", "images 2 and 9 have one file, '000000000002.jpg'"),
    "above the folder": ("../val2017/../secret.jpg", "lie outside or are absolute"),
    "absolute": ("ABSOLUTE", "lie outside or are absolute"),
    "through a link": ("link.jpg", r"lie outside or are absolute \(first: 'link.jpg'\)"),
    "of Windows": ("val2017\\9.jpg", r"1 of 3 are missing \(first: 'val2017.*9\.jpg'\)"),
    "of no disk": ("a\0b", r"1 of 3 are missing \(first: 'a\\x00b'\)"),
}


@pytest.mark.parametrize(("file", "problem"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_name_of_a_file_is_named(coco: Path, file: object, problem: str) -> None:
    secret = coco / "secret.jpg"
    secret.write_bytes((coco / "val2017" / "000000000009.jpg").read_bytes())
    (coco / "val2017" / "link.jpg").symlink_to(secret)
    path = coco / "annotations" / "captions_val2017.json"
    content = json.loads(path.read_text())
    names = {i: f"{i:012}.jpg" for i in (2, 5)} | {9: str(secret) if file == "ABSOLUTE" else file}
    content["images"] = [{"id": i, "file_name": name} for i, name in names.items()]
    write(coco, content)
    with pytest.raises(PairsError, match=problem) as error:
        read_coco(coco)
    assert str(error.value).isprintable()


def test_an_image_with_two_files_is_refused_and_one_that_stands_there_twice_is_not(
    coco: Path,
) -> None:
    expected = read_coco(coco)
    path = coco / "annotations" / "captions_val2017.json"
    content = json.loads(path.read_text())
    content["images"] *= 2
    write(coco, content)
    assert read_coco(coco) == expected
    content["images"].append({"id": 9, "file_name": "000000000007.jpg"})
    write(coco, content)
    two = "image 9 has two files, '000000000009.jpg' and '000000000007.jpg'"
    with pytest.raises(PairsError, match=two):
        read_coco(coco)


@pytest.mark.parametrize(
    "content",
    [
        [],
        {"images": []},
        {"images": [], "annotations": [{"image_id": 1, "caption": "of no image"}]},
        {"images": 3, "annotations": []},
        {"images": [{"id": [1], "file_name": "a.jpg"}], "annotations": []},
        {"images": [{"id": 1}], "annotations": []},
        {
            "images": [{"id": 1, "file_name": "a.jpg"}, {"id": "b", "file_name": "b.jpg"}],
            "annotations": [{"image_id": 1, "caption": "a"}, {"image_id": "b", "caption": "b"}],
        },
    ],
)
def test_another_format_is_refused(coco: Path, content: object) -> None:
    write(coco, content)
    with pytest.raises(PairsError, match="not in COCO's format"):
        read_coco(coco)


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe", b"[" * 10**5, b'"' + b"x" * 10**5])
def test_a_file_that_is_no_json_is_refused(coco: Path, content: bytes) -> None:
    (coco / "annotations" / "captions_val2017.json").write_bytes(content)
    with pytest.raises(PairsError, match="not in COCO's format") as error:
        read_coco(coco)
    assert len(str(error.value)) < 400 + len(str(coco))


def test_the_training_split_has_its_own_annotations_and_images(coco: Path) -> None:
    content = (coco / "annotations" / "captions_val2017.json").read_text()
    with pytest.raises(
        PairsError, match=r"captions_train2017\.json in .* train2017\.zip \(18 GB\)"
    ):
        read_coco(coco, split="train2017")
    (coco / "annotations" / "captions_train2017.json").write_text(content)
    (coco / "val2017").rename(coco / "train2017")
    items = read_coco(coco, "last", split="train2017")
    assert [path.parent.name for path, _ in items] == ["train2017"] * 3
    with pytest.raises(PairsError, match="Expected split as one of val2017, train2017"):
        read_coco(coco, split="test2017")  # type: ignore[arg-type]
