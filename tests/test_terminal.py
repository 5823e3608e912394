"""What a command prints, and how little of what libraries say."""

import io
import logging
import os
import sys
import threading
import warnings

import pytest

from gapbook.exceptions import PairsError
from gapbook.terminal import print_path, print_text, quiet_libraries, readable


class Dropped:
    """An object that fails while it is taken away."""

    def __del__(self):
        raise RuntimeError("dropped")


def say_everything():
    warnings.warn("a warning", stacklevel=1)
    logging.getLogger("library").error("an error that is logged")
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    Dropped()


def test_libraries_say_nothing_in_the_block_and_something_after_it(capsys):
    hooks = (sys.unraisablehook, threading.excepthook)
    with quiet_libraries():
        say_everything()
    assert capsys.readouterr().err == ""
    assert (sys.unraisablehook, threading.excepthook) == hooks
    assert logging.getLogger("library").isEnabledFor(logging.ERROR)
    with pytest.warns(UserWarning, match="a warning"):
        warnings.warn("a warning", stacklevel=1)


def test_an_error_in_the_block_passes_and_ends_the_quiet():
    with pytest.raises(PairsError), quiet_libraries():
        raise PairsError("Expected numbers")
    assert logging.getLogger("library").isEnabledFor(logging.ERROR)


def test_lines_stay_lines_and_escapes_are_shown(capsys):
    print_text("first\n\x1b[31msecond\x9b\u202e\udce9\n\nthird – größe")
    printed = capsys.readouterr().out
    assert printed == "first\n\\x1b[31msecond\\x9b\\u202e\\udce9\n\nthird – größe\n"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
@pytest.mark.parametrize("path", ["a.npz", "größe.npz", "caf\udce9.npz"])
def test_a_path_is_printed_in_the_bytes_of_the_file_system(monkeypatch, path, encoding):
    stream = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(stream, encoding=encoding))
    print_path(path)
    assert stream.getvalue() == os.fsencode(path) + b"\n"


@pytest.mark.parametrize("text", ["plain", "größe 図", "\ud800", "a\udce9\ud800", "\udcff" * 3])
def test_any_argument_can_be_written(text):
    readable(text).encode()
    assert readable(readable(text)) == readable(text)
