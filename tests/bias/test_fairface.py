"""FairFace's list of faces, read from a folder, and the prompts of its labels."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from gapbook.bias.fairface import FACE_LABELS, RACES, face_prompts, read_fairface
from gapbook.exceptions import PairsError


def write_fairface(folder: Path, **changes: list) -> None:
    columns = {"file": ["val/1.jpg", "val/2.jpg"], "age": ["3-9"] * 2, "gender": ["Male", "Female"]}
    columns |= {"race": ["Latino_Hispanic", "East Asian"]} | changes
    (folder / "val").mkdir(exist_ok=True)
    pd.DataFrame(columns).to_csv(folder / "fairface_label_val.csv", index=False)
    for i in (1, 2):
        Image.fromarray(np.full((32, 32, 3), 80 * i, np.uint8)).save(folder / "val" / f"{i}.jpg")


def test_fairface_gives_races_and_labels(tmp_path: Path) -> None:
    write_fairface(tmp_path)
    faces = read_fairface(tmp_path)
    assert faces.races == ["Latino", "East Asian"]
    assert faces.labels == ["latino man", "east asian woman"]
    assert faces.images[1] == tmp_path / "val" / "2.jpg"
    assert set(faces.labels) <= set(FACE_LABELS["person"]) and set(faces.races) <= set(RACES)


def test_prompts_of_faces_are_the_papers() -> None:
    prompts = face_prompts()
    assert len(prompts) == len(set(prompts)) == 21
    assert {
        "a photo of a black man",
        "a photo of an east asian woman",
        "a photo of an animal",
        "a photo of an orangutan",
        "a photo of a suspicious person",
        "a photo of a thief",
    } < set(prompts)


def test_a_missing_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Expected fairface_label_val\.csv"):
        read_fairface(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"race": ["Martian", "White"]}, "races in line 2 of .*; got 'Martian'"),
        ({"race": ["White", None]}, "races in line 3 of .*; got ''"),
        ({"gender": ["Male", "male"]}, "Expected Male or Female in line 3 of .*; got 'male'"),
        (
            {"file": ["val/1.jpg", "val/3.jpg"]},
            r"1 of 2 images .* are not in .* \(first: 'val/3\.jpg'\)",
        ),
        ({"file": ["val/1.jpg", None]}, r"1 of 2 images .* are not in .* \(first: ''\)"),
        (
            {"file": ["val/1.jpg", "../secret.jpg"]},
            r"lie outside or .* \(first: '../secret\.jpg'\)",
        ),
    ],
)
def test_bad_rows_are_named(tmp_path: Path, change: dict, message: str) -> None:
    folder = tmp_path / "fairface"
    folder.mkdir()
    (tmp_path / "secret.jpg").touch()
    write_fairface(folder, **change)
    with pytest.raises(PairsError, match=message):
        read_fairface(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("file,race\n", "without gender"),
        ('file,race,gender\nval/1.jpg,"White,Male\n', "quotes that do not match .* in line 2"),
    ],
)
def test_another_list_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "fairface_label_val.csv").write_text(content)
    with pytest.raises(PairsError, match=message):
        read_fairface(tmp_path)


def write_hub_form(folder: Path, about: object = None, races: object = (1, 0)) -> None:
    """Write two faces as a hub of data sets keeps them, with the names of classes."""
    import pyarrow
    from pyarrow import parquet

    content = io.BytesIO()
    Image.fromarray(np.full((32, 32, 3), 80, np.uint8)).save(content, "JPEG")
    image = {"bytes": content.getvalue(), "path": "1.jpg"}
    table = pyarrow.table({"image": [image] * 2, "gender": [0, 1], "race": list(races)})
    names = {"race": ["East Asian", "Latino_Hispanic"], "gender": ["Male", "Female"]}
    features = {name: {"names": words} for name, words in names.items()}
    stated = {"info": {"features": features}} if about is None else about
    table = table.replace_schema_metadata({"huggingface": json.dumps(stated)})
    folder.mkdir(exist_ok=True)
    parquet.write_table(table, folder / "validation-00000-of-00001.parquet")


@pytest.mark.parametrize("place", [".", "0.25"])
def test_the_hub_s_form_gives_races_labels_and_images(tmp_path: Path, place: str) -> None:
    write_hub_form(tmp_path / place)
    faces = read_fairface(tmp_path)
    assert faces.races == ["Latino", "East Asian"]
    assert faces.labels == ["latino man", "east asian woman"]
    assert len(faces.images) == 2
    assert [image.size for image in faces.images[:2]] == [(32, 32)] * 2
    assert faces.images[1] is not faces.images[1]


@pytest.mark.parametrize(
    "changes", [{"about": {"info": {}}}, {"races": (1, 7)}], ids=["no names", "no such class"]
)
def test_a_hub_s_file_of_another_form_is_one_sentence(tmp_path: Path, changes: dict) -> None:
    write_hub_form(tmp_path, **changes)
    with pytest.raises(PairsError, match="Expected columns image, race, gender of FairFace in"):
        read_fairface(tmp_path)


def test_a_damaged_file_of_the_hub_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "validation-1.parquet").write_bytes(b"PAR1")
    with pytest.raises(PairsError, match="it cannot be read so") as error:
        read_fairface(tmp_path)
    assert "\n" not in str(error.value)
