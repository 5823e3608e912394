"""A folder of images and a CSV file of captions: what is read, what is refused, and what is embedded."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gapbook.encoders import Checkpoint, embed_images, embed_texts, pixels, random_clip
from gapbook.folders import folder_pairs, read_folder
from gapbook.glyphs import caption_tokens, render
from gapbook.pairs import PairsError

LETTERS = {"a.png": "LATIN SMALL LETTER A", "b.png": "LATIN SMALL LETTER B", "sub/c.png": "a comma, and ünicode"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images" / "sub").mkdir(parents=True)
    for letter, name in zip("abc", LETTERS, strict=True):
        Image.fromarray(render(letter)).save(tmp_path / "images" / name)
    rows = "".join(f'{name},7,"{text}"\n' for name, text in LETTERS.items())
    (tmp_path / "captions.csv").write_text(f"image,score,caption\n{rows}", encoding="utf-8")
    return tmp_path


def wrapped() -> Checkpoint:
    """An untrained small CLIP as a checkpoint, with a preparation and a tokenizer of its own."""

    def prepare(batch, return_tensors):
        return {"pixel_values": pixels(np.stack([np.asarray(image.convert("L")) for image in batch]))}

    return Checkpoint(
        random_clip(0, size="small"), prepare, lambda texts, **_: {"input_ids": torch.as_tensor(caption_tokens(texts))}
    )


def test_rows_come_in_the_order_of_the_file(folder: Path) -> None:
    found = read_folder(folder / "images", folder / "captions.csv")
    assert found == [(folder / "images" / name, text) for name, text in LETTERS.items()]


def test_other_names_of_columns_and_a_byte_order_mark(folder: Path) -> None:
    (folder / "other.csv").write_text("file,text\na.png,NA\nb.png, 12 \n", encoding="utf-8-sig")
    found = read_folder(folder / "images", folder / "other.csv", columns=("file", "text"))
    assert [text for _, text in found] == ["NA", "12"]  # neither a missing value nor a number


def test_pairs_are_the_embeddings_of_the_arrays_themselves(folder: Path) -> None:
    model = wrapped()
    pairs = folder_pairs(folder / "images", folder / "captions.csv", model, progress=False)
    x = embed_images(model.model, np.stack([render(letter) for letter in "abc"]))
    y = embed_texts(model.model, caption_tokens(list(LETTERS.values())))
    np.testing.assert_allclose(pairs.x, x, atol=1e-6)
    np.testing.assert_allclose(pairs.y, y, atol=1e-6)
    assert pairs.captions == tuple(LETTERS.values())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not a CSV file in UTF-8 with a header"),
        (b"image,caption\na.png,\xff\xfe\n", "is not a CSV file in UTF-8"),
        (b'image,caption\na.png,"open', "is not a CSV file in UTF-8"),
        (b"file,caption\na.png,A\n", "columns image and caption .* got file, caption, without image"),
        (b"image,caption\na.png,A\nb.png,\n", r"1 lack one \(first: row 3, the header being 1\)"),
        (b"image,caption\na.png,A\nz.png,Z\n", r"1 of 2 images that captions.csv names are not in .* \(first: z.png\)"),
        (b"image,caption\na.png,A\n", "at least 2 rows below the header .* got 1"),
    ],
)
def test_a_bad_file_is_one_sentence(folder: Path, content: bytes, message: str) -> None:
    (folder / "captions.csv").write_bytes(content)
    with pytest.raises(PairsError, match=message) as told:
        read_folder(folder / "images", folder / "captions.csv")
    assert "\n" not in str(told.value)


def test_a_missing_folder_or_file_is_named(folder: Path) -> None:
    with pytest.raises(PairsError, match=r"folder of images; .*nowhere does not exist"):
        read_folder(folder / "nowhere", folder / "captions.csv")
    with pytest.raises(PairsError, match=r"folder of images; .*captions\.csv is a file"):
        read_folder(folder / "captions.csv", folder / "captions.csv")
    with pytest.raises(PairsError, match=r"CSV file; .*nothing\.csv does not exist"):
        read_folder(folder / "images", folder / "nothing.csv")
