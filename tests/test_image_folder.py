"""A folder of images and a CSV file of captions: what is read, refused and embedded."""

from pathlib import Path

import numpy as np
import pytest
from helpers import small_checkpoint
from PIL import Image

from gapbook.encoders import embed_images, embed_texts
from gapbook.exceptions import PairsError
from gapbook.geometry import retrieval
from gapbook.glyphs import caption_tokens, render
from gapbook.image_folder import folder_pairs, read_folder

LETTERS = {
    "a.png": "LATIN SMALL LETTER A",
    "b.png": "LATIN SMALL LETTER B",
    "sub/c.png": "a comma, and ünicode",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images" / "sub").mkdir(parents=True)
    for letter, name in zip("abc", LETTERS, strict=True):
        Image.fromarray(render(letter)).save(tmp_path / "images" / name)
    rows = "".join(f'{name},7,"{text}"\n' for name, text in LETTERS.items())
    (tmp_path / "captions.csv").write_text(f"image,score,caption\n{rows}", encoding="utf-8")
    return tmp_path


def test_rows_come_in_the_order_of_the_file(folder: Path) -> None:
    rows = read_folder(folder / "images", folder / "captions.csv")
    assert rows == [(folder / "images" / name, text) for name, text in LETTERS.items()]


def test_other_names_of_columns_and_a_byte_order_mark(folder: Path) -> None:
    (folder / "other.csv").write_text("file,text\na.png,NA\nb.png, 12 \n", encoding="utf-8-sig")
    rows = read_folder(folder / "images", folder / "other.csv", columns=("file", "text"))
    assert [text for _, text in rows] == ["NA", "12"]  # neither a missing value nor a number


def test_pairs_are_the_embeddings_of_the_arrays_themselves(folder: Path) -> None:
    model = small_checkpoint()
    pairs = folder_pairs(folder / "images", folder / "captions.csv", model, progress=False)
    x = embed_images(model.model, np.stack([render(letter) for letter in "abc"]))
    y = embed_texts(model.model, caption_tokens(list(LETTERS.values())))
    np.testing.assert_allclose(pairs.x, x, atol=1e-6)
    np.testing.assert_allclose(pairs.y, y, atol=1e-6)
    assert pairs.captions == tuple(LETTERS.values())


def test_several_captions_an_image_are_equal_rows_and_the_source_says_so(folder: Path) -> None:
    texts = [f"{word} LETTER {letter}" for letter in "AB" for word in ("SMALL", "CAPITAL", "LATIN")]
    names = [f"{name}.png" for name in "aaabbb"]
    rows = [f"{name},{text}\n" for name, text in zip(names, texts, strict=True)]
    # an image's rows need not stand together
    order = [0, 3, 1, 4, 2, 5]
    (folder / "captions.csv").write_text("image,caption\n" + "".join(rows[i] for i in order))
    prepared: list[int] = []
    checkpoint = small_checkpoint()

    def count_images(batch, return_tensors):
        prepared.append(len(batch))
        return checkpoint.processor(batch, return_tensors)

    pairs = folder_pairs(
        folder / "images",
        folder / "captions.csv",
        checkpoint._replace(processor=count_images),
        progress=False,
    )
    # each image is embedded once
    assert sum(prepared) == 2
    assert pairs.captions == tuple(texts[i] for i in order)
    np.testing.assert_array_equal(pairs.x[[0, 2, 4]], pairs.x[[0, 0, 0]])
    np.testing.assert_array_equal(pairs.x[[1, 3, 5]], pairs.x[[1, 1, 1]])
    assert (pairs.x[0] != pairs.x[1]).any()
    assert pairs.source.endswith("(6 captions of 2 images)")
    # any caption of an image is right, and two images are the candidates
    assert pairs.groups.tolist() == [0, 1, 0, 1, 0, 1]
    recalls = retrieval(pairs.x, pairs.y, ks=[2], groups=pairs.groups)["recall"]
    assert recalls.tolist()[1] == 1


def test_one_caption_an_image_needs_no_note(folder: Path) -> None:
    pairs = folder_pairs(
        folder / "images", folder / "captions.csv", small_checkpoint(), progress=False
    )
    assert pairs.source == "images and captions.csv"


def test_images_outside_the_folder_are_refused(folder: Path) -> None:
    secret = folder / "secret.png"
    inside = folder / "images" / "a.png"
    secret.write_bytes(inside.read_bytes())
    (folder / "images" / "link.png").symlink_to(secret)
    for name in ("../secret.png", "sub/../../secret.png", "link.png", str(secret), str(inside)):
        (folder / "captions.csv").write_text(f"image,caption\nb.png,B\n{name},A\n")
        with pytest.raises(
            PairsError, match=r"relative to .*images, of files in it; 1 of 2 .*\(first: '"
        ):
            read_folder(folder / "images", folder / "captions.csv")


def test_names_through_links_and_dots_that_stay_in_the_folder_are_read(folder: Path) -> None:
    (folder / "images" / "link.png").symlink_to(folder / "images" / "a.png")
    (folder / "elsewhere").symlink_to(folder / "images")
    (folder / "captions.csv").write_text("image,caption\nlink.png,A\nsub/../b.png,B\n")
    assert [text for _, text in read_folder(folder / "elsewhere", folder / "captions.csv")] == [
        "A",
        "B",
    ]


def test_the_same_file_under_several_names_is_embedded_once(folder: Path) -> None:
    (folder / "images" / "link.png").symlink_to(folder / "images" / "a.png")
    rows = "".join(f"{name},A\n" for name in ("a.png", "./a.png", "sub/../a.png", "link.png"))
    (folder / "captions.csv").write_text(f"image,caption\n{rows}b.png,B\n")
    pairs = folder_pairs(
        folder / "images", folder / "captions.csv", small_checkpoint(), progress=False
    )
    assert pairs.source.endswith("(5 captions of 2 images)")
    assert pairs.groups.tolist() == [0, 0, 0, 0, 1]


def test_captions_may_have_several_lines_and_any_quotes(folder: Path) -> None:
    captions = ["first,\nsecond", 'a "big", dog', '5" screen']
    rows = ['a.png,"first,\nsecond"\n', 'b.png,"a ""big"", dog"\n', 'sub/c.png,5" screen\n']
    (folder / "captions.csv").write_text("image,caption\n" + "".join(rows))
    read = read_folder(folder / "images", folder / "captions.csv")
    assert [text for _, text in read] == captions


def test_a_caption_that_swallows_a_row_is_refused(folder: Path) -> None:
    # In quotes that match, so that no parser could know.
    rows = 'a.png,7,"5 inch screen\nb.png,7,B\nsub/c.png,7,7 inch screen"\na.png,7,A\n'
    (folder / "captions.csv").write_text(f"image,score,caption\n{rows}")
    swallowed = (
        r"row in line 2 of .*captions\.csv opens a quote and goes on over the row of 'b\.png'"
    )
    with pytest.raises(PairsError, match=swallowed):
        read_folder(folder / "images", folder / "captions.csv")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the columns image and caption in its first line; .* is empty"),
        (b"image,caption\na.png,\xff\xfe\n", "a CSV file in UTF-8; line 2"),
        (
            b'image,caption\na.png,"open',
            "quotes that do not match in the row that begins in line 2",
        ),
        (
            b'image,caption\na.png,"say \\"hi\\" now"\nb.png,B\n',
            "quotes that do not match in the row that begins in line 2",
        ),
        (b"file,caption\na.png,A\n", "columns image and caption .*'file, caption', without image"),
        (
            b"image,caption\na.png,A\nb.png,\n",
            r"1 lack one \(first: line 3, the header being 1\)",
        ),
        (b'image,caption\na.png,"A\nB"\n\nb.png,\n', r"1 lack one \(first: line 5"),
        (b"image,caption\na.png,A\nb.png,\xe2\x80\x8b\n", r"1 lack one \(first: line 3"),
        (b"image,caption\na.png,A\n,B\n", r"1 lack one \(first: line 3"),
        (
            b"image,caption\na.png,A\nz.png,Z\n",
            r"1 of 2 images that captions.csv names are not in .* \(first: 'z.png'\)",
        ),
        (
            b"image,caption\na.png,A\n" + b"z" * 300 + b".png,Z\n",
            r"1 of 2 images .* are not in .* correct the names",
        ),
        (
            b"image,caption\na.png,A, or B\nb.png,B\n",
            "line 2 has 3; a cell that holds a comma, .* stands in double quotes",
        ),
        (b"image,caption\na.png,A\n", "at least 2 rows below the header .* got 1"),
    ],
)
def test_a_bad_file_is_one_sentence(folder: Path, content: bytes, message: str) -> None:
    (folder / "captions.csv").write_bytes(content)
    with pytest.raises(PairsError, match=message) as error:
        read_folder(folder / "images", folder / "captions.csv")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("columns", ["image", ("image",), ("image", "image"), ("image", 5), None])
def test_columns_are_two_names(folder: Path, columns: object) -> None:
    with pytest.raises(PairsError, match="names of two columns, of the image and of the caption"):
        read_folder(folder / "images", folder / "captions.csv", columns=columns)


def test_a_missing_folder_or_file_is_named(folder: Path) -> None:
    with pytest.raises(PairsError, match=r"folder of images; .*nowhere does not exist"):
        read_folder(folder / "nowhere", folder / "captions.csv")
    with pytest.raises(PairsError, match=r"folder of images; .*captions\.csv is a file"):
        read_folder(folder / "captions.csv", folder / "captions.csv")
    with pytest.raises(PairsError, match=r"CSV file; .*nothing\.csv does not exist"):
        read_folder(folder / "images", folder / "nothing.csv")
