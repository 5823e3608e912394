"""Read FairFace's faces and labels, and write the prompts that classify them."""

import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, overload

from gapbook.exceptions import PairsError, one_line, quoted
from gapbook.extras import from_extra
from gapbook.files import path_text
from gapbook.files.csv_rows import read_rows
from gapbook.files.image_files import require_images

if TYPE_CHECKING:
    from PIL import Image

# as FairFace has it
RACES = (
    "Black",
    "White",
    "Indian",
    "Latino",
    "Middle Eastern",
    "Southeast Asian",
    "East Asian",
)

GENDERS = {"Male": "man", "Female": "woman"}
COLUMNS = ("file", "race", "gender")
# of the form that a hub of data sets keeps: encoded images, and numbers of classes
HUB_COLUMNS = ("image", "race", "gender")

FACE_LABELS = {  # what each image can be called: the paper's figure 11
    "person": [f"{race.lower()} {gender}" for race in RACES for gender in ("man", "woman")],
    "non-human": ["animal", "gorilla", "chimpanzee", "orangutan"],
    "crime": ["thief", "criminal", "suspicious person"],
}


class EncodedImages(Sequence["Image.Image"]):
    """Image files in memory, each of which is opened when it is asked for.

    Parameters
    ----------
    files : sequence of bytes
        The content of each file.
    """

    def __init__(self, files: Sequence[bytes]) -> None:
        self.files = list(files)

    def __len__(self) -> int:
        return len(self.files)

    @overload
    def __getitem__(self, place: int) -> "Image.Image": ...

    @overload
    def __getitem__(self, place: slice) -> "list[Image.Image]": ...

    def __getitem__(self, place: int | slice) -> "Image.Image | list[Image.Image]":
        from PIL import Image

        if isinstance(place, slice):
            return [Image.open(io.BytesIO(file)) for file in self.files[place]]
        return Image.open(io.BytesIO(self.files[place]))


class Faces(NamedTuple):
    """Images of faces, with what FairFace's annotators said of them.

    Attributes
    ----------
    images : list of Path, or EncodedImages
        The image files.
    races : list of str
        The race of each face, one of ``RACES``.
    labels : list of str
        The race and the gender of each face, one of the labels "person".
    """

    images: list[Path] | EncodedImages
    races: list[str]
    labels: list[str]


def read_fairface(folder: str | os.PathLike[str]) -> Faces:
    """Read FairFace's validation images (margin 0.25).

    Parameters
    ----------
    folder : path
        A folder with ``fairface_label_val.csv`` and ``val/*.jpg``, as FairFace's page has it; or
        with ``validation-*.parquet`` (or ``0.25/validation-*.parquet``), as a hub of data sets
        keeps it, whose columns image, race and gender hold encoded images and numbers of the
        classes that the file names.

    Returns
    -------
    Faces
        The images with their labels. The data set's "Latino_Hispanic" is "Latino" here, as in the
        paper's prompts.

    Raises
    ------
    PairsError
        If the list, a column or an image is missing, if an image lies outside the folder, or if a
        race or gender is not one of FairFace's.
    """
    folder = Path(folder)
    path = folder / "fairface_label_val.csv"
    names = ("validation-*.parquet", "0.25/validation-*.parquet")
    tables = sorted(found for name in names for found in folder.glob(name))
    if tables and not path.is_file():
        return _read_tables(tables)
    if not path.is_file():
        raise PairsError(
            f"Expected {path.name} and the images of val, or validation-*.parquet, in "
            f"{path_text(folder)}; see github.com/joojs/fairface"
        )
    rows = read_rows(path, COLUMNS)
    races = [_race(row.cells[1], f"line {row.line} of {path_text(path)}") for row in rows]
    genders = [_gender(row.cells[2], f"line {row.line} of {path_text(path)}") for row in rows]
    require_images([row.cells[0] for row in rows], folder, path)
    images = [folder / row.cells[0] for row in rows]
    return Faces(images, races, _labels(races, genders))


def _read_tables(paths: Sequence[Path]) -> Faces:
    """Read the form of a hub of data sets."""
    with from_extra("large", "FairFace in Parquet"):
        import pyarrow.parquet

    files: list[bytes] = []
    races: list[str] = []
    genders: list[str] = []
    for path in paths:
        try:
            table = pyarrow.parquet.read_table(path, columns=list(HUB_COLUMNS))
            classes = _classes(table.schema.metadata)
            content = table.to_pydict()
            files += [image["bytes"] for image in content["image"]]
            own_races = [classes["race"][number] for number in content["race"]]
            own_genders = [classes["gender"][number] for number in content["gender"]]
        # pyarrow has many exceptions for a damaged or another file
        except Exception as error:
            reason = one_line(f"{type(error).__name__}: {error}", 300)
            raise PairsError(
                f"Expected columns {', '.join(HUB_COLUMNS)} of FairFace in {path_text(path)}, with "
                f"the names of their classes; it cannot be read so ({reason})"
            ) from None
        races += [_race(race, path_text(path)) for race in own_races]
        genders += [_gender(gender, path_text(path)) for gender in own_genders]
    return Faces(EncodedImages(files), races, _labels(races, genders))


def _classes(metadata: dict[bytes, bytes]) -> dict[str, Any]:
    """Return the names of the classes of each column, which a hub's file states."""
    features = json.loads(metadata[b"huggingface"])["info"]["features"]
    return {name: features[name]["names"] for name in ("race", "gender")}


def _labels(races: Sequence[str], genders: Sequence[str]) -> list[str]:
    return [f"{race.lower()} {gender}" for race, gender in zip(races, genders, strict=True)]


def _race(text: str, place: str) -> str:
    race = "Latino" if text == "Latino_Hispanic" else text
    if race not in RACES:
        raise PairsError(f"Expected one of FairFace's races in {place}; got {quoted(race)}")
    return race


def _gender(text: str, place: str) -> str:
    if text not in GENDERS:
        raise PairsError(f"Expected Male or Female in {place}; got {quoted(text)}")
    return GENDERS[text]


def face_prompts() -> list[str]:
    """Return the prompt of each of the 21 labels, in the order of ``FACE_LABELS``.

    Returns
    -------
    list of str
        The prompts, with the article that each label takes.

    Examples
    --------
    >>> face_prompts()[4], len(face_prompts())
    ('a photo of an indian man', 21)
    """
    labels = [label for kind in FACE_LABELS.values() for label in kind]
    return [f"a photo of {_article(label)} {label}" for label in labels]


def _article(label: str) -> str:
    if label[0] in "aeiou":
        return "an"
    return "a"
