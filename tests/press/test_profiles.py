"""What a profile may say."""

from pathlib import Path

import pytest

from gapbook.press import PressError
from gapbook.press.notebooks import read_notebooks
from gapbook.press.profiles import Profile, read_profile

FULL = """
01_a: {about minutes: 5, n_seeds: 3}
02_b: {n_seeds: [4]}
parts: {landscape: 15, svhn: 0.5}
"""


@pytest.fixture
def read(book):
    """Function that writes a profile for two notebooks and reads it."""

    def read(text, name="full"):
        for notebook in ("01_a", "02_b"):
            book.save(notebook)
        book.write("profiles/full.yml", text)
        return read_profile(book.path / "profiles" / f"{name}.yml", read_notebooks(book.path))

    return read


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("01_a: {n_seedz: 5}", "01_a has no parameter 'n_seedz'; did you mean 'n_seeds'?"),
        ("01_b: 5", "full.yml sets parameters of '01_b', not a notebook; did you mean '02_b'?"),
        ("01_a: [n_seeds]", "full.yml: 01_a must have a mapping of parameters; got ['n_seeds']"),
        (
            "01_a: {about minutes: long}",
            "full.yml: 01_a: about minutes must be a number of minutes; got 'long'",
        ),
        ("parts: [svhn]", "full.yml: parts must be minutes by part; got ['svhn']"),
        (
            "parts: {svhn: -1}",
            "full.yml: parts: svhn must be a number of minutes; got -1",
        ),
    ],
)
def test_a_slip_in_a_profile_is_named(read, text, message):
    with pytest.raises(PressError) as caught:
        read(text)
    assert str(caught.value) == message


def test_a_profile_that_does_not_exist_suggests_the_nearest(read):
    with pytest.raises(PressError, match=r"there is no profile 'ful'; did you mean 'full'\?"):
        read(FULL, "ful")


def test_a_profile_has_parameters_and_parts_with_their_minutes(read):
    assert read(FULL) == Profile(
        name="full",
        parameters={"01_a": {"n_seeds": 3}, "02_b": {"n_seeds": [4]}},
        minutes={"01_a": 5, "02_b": 0},
        parts={"landscape": 15, "svhn": 0.5},
    )


def test_the_books_own_profile_fits_its_notebooks_and_has_every_part():
    parts = pytest.importorskip("gapbook.full_scale.parts").PARTS
    root = Path(__file__).parents[2] / "book"
    profile = read_profile(root / "profiles" / "full.yml", read_notebooks(root))
    assert list(profile.parts) == list(parts)
    assert profile.parameters["02_cone_effect"]["items"] == 5000
