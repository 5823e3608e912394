"""How messages show text that others wrote."""

from pathlib import Path

import pytest

from gapbook.exceptions import one_line, quoted, reason

HOSTILE = [
    "\x1b[31mred\x07",
    "\x9b31mred",
    "right to left \u202e",
    "two\nlines\r\u2028",
    "a lone surrogate \udce9",
    "a private character \ue000",
]


class Broken:
    def __repr__(self):
        raise RuntimeError("no repr")


@pytest.mark.parametrize("text", HOSTILE)
def test_what_a_terminal_would_obey_is_escaped(text):
    for shown in (quoted(text), quoted([text]), quoted(Path(text)), one_line(text)):
        assert shown.isprintable()
        shown.encode()


def test_long_text_is_shortened_in_the_middle():
    shown = quoted("begin" + "x" * 100_000 + "end")
    assert len(shown) == 80
    assert shown.startswith("'begin")
    assert shown.endswith("end'")
    line = one_line("begin " + "\x1b" * 100_000 + " end")
    assert len(line) == 1000
    assert line.endswith(" end")


def test_any_object_can_be_quoted():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    for value in (deep, list(range(10**6)), {"a": 10**5000}, Broken(), None, b"\xff" * 1000):
        assert len(quoted(value)) <= 80


def test_what_prints_stays_as_it_is():
    assert quoted("größe") == "'größe'"
    assert one_line("Expected größe; got 図") == "Expected größe; got 図"


def test_an_error_without_a_message_is_named_by_its_kind():
    assert reason(RecursionError()) == "unexpected RecursionError"
    assert reason(MemoryError()) == "not enough memory"
