"""What a profile may say, and how its sources become paths."""

from pathlib import Path

import pytest

from gapbook.exceptions import FetchError, UnavailableError
from gapbook.press import PressError
from gapbook.press.notebooks import read_notebooks
from gapbook.press.profiles import at_hand, read_profile, settle

FULL = """
01_a:
  about minutes: 5
  n_seeds: 3
  with sources:
    - n_seeds: {source: [coco-val2017, coco-annotations]}
      about minutes: 60
02_b:
  with sources:
    - n_seeds: {CIFAR10: {source: cifar10}, SVHN: {folder of: svhn-test}, n: 5}
      about minutes: 90
03_c: {n_seeds: 4}
"""


@pytest.fixture
def read(book):
    """Function that writes a profile for three notebooks and reads it."""

    def read(text, name="full"):
        for notebook in ("01_a", "02_b", "03_c"):
            book.save(notebook)
        book.write("profiles/full.yml", text)
        return read_profile(book.path / "profiles" / f"{name}.yml", read_notebooks(book.path))

    return read


def anything(name):
    """Return one folder for the sources of COCO, and a file each for the others."""
    return Path("/data/coco") if name.startswith("coco") else Path(f"/data/{name}/file")


def all_but(*absent):
    def get(name):
        if name in absent:
            raise UnavailableError(f"{name}: no address answers")
        return anything(name)

    return get


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("01_a: {n_seedz: 5}", "01_a has no parameter 'n_seedz'; did you mean 'n_seeds'?"),
        ("01_b: 5", "full.yml sets parameters of '01_b', not a notebook; did you mean '02_b'?"),
        ("01_a: [n_seeds]", "full.yml: 01_a must have a mapping of parameters; got ['n_seeds']"),
        (
            "01_a: {about minutes: long}",
            "full.yml: 01_a must have a number as about minutes; got 'long'",
        ),
        (
            "01_a: {with sources: [5]}",
            "full.yml: 01_a: with sources must list mappings; got 5",
        ),
        (
            "01_a: {with sources: [{n_seedz: {source: cifar10}}]}",
            "01_a has no parameter 'n_seedz'; did you mean 'n_seeds'?",
        ),
        (
            "01_a: {with sources: [{n_seeds: 5}]}",
            "full.yml: 01_a: with sources must name a source; got {'n_seeds': 5}",
        ),
        (
            "01_a: {with sources: [{n_seeds: {source: cifar1}}]}",
            "full.yml: 01_a: with sources: unknown source 'cifar1'; did you mean 'cifar10'?",
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


def test_sources_become_paths_and_folders(read):
    settings = settle(read(FULL), anything)
    assert settings.parameters == {
        "01_a": {"n_seeds": "/data/coco"},
        "02_b": {"n_seeds": {"CIFAR10": "/data/cifar10/file", "SVHN": "/data/svhn-test", "n": 5}},
        "03_c": {"n_seeds": 4},
    }
    assert (settings.only, settings.absent, settings.left_out) == (None, {}, [])


def test_what_cannot_be_had_is_left_out_with_what_belongs_to_it(read):
    settings = settle(read(FULL), all_but("coco-annotations", "cifar10"))
    assert settings.parameters["01_a"] == {"n_seeds": 3}
    assert settings.parameters["02_b"] == {"n_seeds": {"SVHN": "/data/svhn-test", "n": 5}}
    assert settings.absent["cifar10"] == "cifar10: no address answers"
    assert settings.left_out == [
        "01_a runs without n_seeds: no coco-annotations",
        "02_b runs without cifar10",
    ]


def test_a_source_that_is_not_what_it_should_be_stops_everything(read):
    def get(name):
        raise FetchError("val2017.zip has the wrong sha256")

    with pytest.raises(PressError, match=r"^val2017\.zip has the wrong sha256$"):
        settle(read(FULL), get)


def test_what_belongs_into_one_folder_must_lie_there(read):
    with pytest.raises(PressError, match="coco-val2017 in /1/coco-val2017 and coco-annotations in"):
        settle(read(FULL), lambda name: Path("/1", name))


@pytest.mark.parametrize(
    ("words", "notebooks", "sources"),
    [
        (["coco"], {"01_a"}, ["coco-val2017", "coco-annotations"]),
        (["cifar10"], {"02_b"}, ["cifar10"]),
        (
            ["svhn-test", "coco-annotations"],
            {"01_a", "02_b"},
            ["coco-val2017", "coco-annotations", "svhn-test"],
        ),
    ],
)
def test_a_part_has_the_notebooks_and_the_sources_that_belong_to_it(
    read, words, notebooks, sources
):
    part = read(FULL).part(words)
    assert part.only == notebooks
    assert part.sources() == sources
    assert settle(part, anything).only == notebooks


def test_time_is_that_of_what_runs(read):
    profile = read(FULL)
    assert profile.total_minutes() == 155
    assert profile.part(["coco"]).total_minutes() == 65


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("cocoa", "unknown source 'cocoa'; did you mean 'coco'?"),
        ("eurosat", "profile full does not use eurosat; the sources that it uses: coco-val2017, "),
    ],
)
def test_a_part_that_there_is_not_is_named(read, word, message):
    with pytest.raises(PressError) as caught:
        read(FULL).part([word])
    assert message in str(caught.value)


def test_at_hand_downloads_nothing(monkeypatch, tmp_path):
    monkeypatch.setenv("GAPBOOK_CACHE", str(tmp_path))
    monkeypatch.delenv("GAPBOOK_DATA", raising=False)
    with pytest.raises(UnavailableError, match="get it by gapbook fetch cifar10"):
        at_hand("cifar10")
    assert at_hand("glyphclip").is_file()


def test_the_books_own_profile_fits_its_notebooks():
    root = Path(__file__).parents[2] / "book"
    profile = read_profile(root / "profiles" / "full.yml", read_notebooks(root))
    settings = settle(profile, anything)
    assert settings.parameters["02_cone_effect"]["items"] == 5000
    assert settings.parameters["08_mitigation"]["halvings"] == 50
