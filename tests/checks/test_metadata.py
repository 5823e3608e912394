"""What a file says about its pairs: valid fields are kept, all others left out, nothing fails."""

import json

import pytest

from gapbook.checks.metadata import is_modality, valid_metadata


def test_what_is_valid_is_kept():
    stated = {
        "modalities": ["video", "größe"],
        "captions": ["one", "two\nlines"],
        "source": "here",
        "license": "MIT",
        "other": 5,
    }
    assert valid_metadata(json.dumps(stated), 2) == {
        "modalities": ("video", "größe"),
        "captions": ("one", "two\nlines"),
        "source": "here",
        "license": "MIT",
    }


NOTHING = {
    "nothing": None,
    "an empty text": "",
    "no JSON": "{modalities}",
    "null": "null",
    "a number": "5",
    "a list": '["modalities"]',
    "deep JSON": "[" * 100_000,
    "deep objects": '{"modalities":' * 50_000,
    "a number of too many digits": '{"source": ' + "9" * 10_000 + "}",
}


@pytest.mark.parametrize("text", NOTHING.values(), ids=NOTHING)
def test_what_is_no_object_says_nothing(text):
    assert valid_metadata(text, 2) == {}


INVALID = {
    "modalities": [
        5,
        None,
        "image",
        ["image"],
        ["a", "a"],
        ["a", ""],
        ["a", " "],
        ["a", 1],
        ["a", "\x1b[31m"],
        ["a", "line\nbreak"],
        ["a", "\ud800"],
        ["a", "b" * 81],
        {"a": 1, "b": 2},
    ],
    "captions": [5, None, "ab", ["a"], ["a", "b", "c"], ["a", None], ["a", 5], {"a": 1, "b": 2}],
    "source": [5, None, ["a"], {}],
    "license": [5, None, ["a"], {}],
}
CASES = [(field, value) for field, values in INVALID.items() for value in values]


@pytest.mark.parametrize(("field", "value"), CASES)
def test_a_field_that_is_not_valid_is_left_out_and_others_are_kept(field, value):
    other = "license" if field == "source" else "source"
    assert valid_metadata(json.dumps({field: value, other: "kept"}), 2) == {other: "kept"}


def test_text_is_printable_and_can_be_written():
    stated = {"captions": ["caf\udce9", "b"], "source": "\x1b[31m\ud800", "license": "x" * 10**6}
    valid = valid_metadata(json.dumps(stated), 2)
    assert valid["captions"] == ("caf?", "b")
    assert valid["source"] == r"\x1b[31m?"
    assert len(valid["license"]) <= 500


def test_a_modality_is_a_short_printable_name():
    assert is_modality("größe") and is_modality("x" * 80)
    for name in ("", " ", "x" * 81, "a\nb", "\udce9", None, 5, b"image"):
        assert not is_modality(name)
