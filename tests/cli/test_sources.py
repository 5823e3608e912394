"""The commands ``list`` and ``fetch``."""

import json
import os
import signal
import time
from pathlib import Path

import pytest
from helpers import sha256
from local_site import serving

from gapbook import cli


def test_sources_are_listed(capsys):
    assert cli.main(["list"]) == 0
    assert "glyphclip-learned" in capsys.readouterr().out


def test_the_path_of_a_source_is_printed(capsys):
    assert cli.main(["fetch", "glyphclip"]) == 0
    assert Path(capsys.readouterr().out.strip()).is_file()


@pytest.fixture
def registered(tmp_path, monkeypatch):
    """A server with the files of the sources "one" and "two", and an empty cache."""
    monkeypatch.setenv("GAPBOOK_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("GAPBOOK_REGISTRY", str(tmp_path / "registry.yml"))
    monkeypatch.delenv("GAPBOOK_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as site:
        entries = {}
        for name in ("one", "two"):
            body = name.encode() * 100_000
            site.serve(name, body)
            entry = {"kind": "file", "file": name, "url": site.url(name), "license": "none"}
            entries[name] = entry | {"sha256": sha256(body), "bytes": len(body)}
        (tmp_path / "registry.yml").write_text(json.dumps(entries))
        yield site


def test_several_sources_are_fetched_and_their_paths_printed(registered, tmp_path, capsys):
    assert cli.main(["fetch", "--quiet", "one", "two"]) == 0
    printed = capsys.readouterr()
    assert printed.out.split() == [str(tmp_path / "cache" / name) for name in ("one", "two")]
    assert printed.err == ""


def test_a_slip_in_the_last_name_is_found_before_the_first_download(registered, capsys):
    assert cli.main(["fetch", "one", "twoo"]) == 2
    assert capsys.readouterr().err == "gapbook: unknown source 'twoo'; did you mean 'two'?\n"
    assert registered.asked == []


def test_a_source_that_cannot_be_fetched_is_one_line(registered, capsys, tmp_path):
    registered.serve("one", b"x" * 300_000)
    assert cli.main(["fetch", "--quiet", "one"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("gapbook: one from http://127.0.0.1")
    assert "has the wrong sha256" in printed.err and printed.err.count("\n") == 1
    assert list((tmp_path / "cache").iterdir()) == []


def test_an_interrupted_download_keeps_what_has_arrived_and_says_so(
    registered, tmp_path, monkeypatch, capsys
):
    from urllib3 import HTTPResponse

    def stream(self, amount, decode_content):
        yield self.read(1000, decode_content=decode_content)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(5)

    monkeypatch.setattr(HTTPResponse, "stream", stream)
    assert cli.main(["fetch", "--quiet", "one"]) == 130
    message = "gapbook: interrupted; what has arrived is kept, and the same command goes on from"
    assert capsys.readouterr().err == f"{message} there\n"
    assert (tmp_path / "cache" / "one.part").stat().st_size == 1000


def test_a_source_with_a_typo_gets_a_suggestion(capsys):
    assert cli.main(["fetch", "glyphclop"]) == 2
    message = capsys.readouterr().err
    assert message == "gapbook: unknown source 'glyphclop'; did you mean 'glyphclip'?\n"
