"""Downloads that break off, go on, find another file, or have no room."""

import fcntl
import json

import pytest

from gapbook.exceptions import FetchError, UnavailableError
from gapbook.published import fetch
from gapbook.published.download import RETRIES
from gapbook.published.registry import registry


def names(cache):
    return sorted(path.name for path in cache.iterdir())


def interrupted_at(size, monkeypatch):
    """Interrupt the first download once it has this many bytes."""
    from urllib3 import HTTPResponse

    def stream(self, amount, decode_content):
        yield self.read(size, decode_content=decode_content)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(HTTPResponse, "stream", stream)
        with pytest.raises(KeyboardInterrupt):
            fetch("here", pause=0)


def one_line(error):
    assert "\n" not in str(error.value)
    # no second traceback above the one that counts
    assert error.value.__suppress_context__ or error.value.__context__ is None
    return str(error.value)


def test_a_file_is_downloaded_once(here, site, cache, content, capfd):
    path = fetch("here")
    assert path == cache / "here.bin" and path.read_bytes() == content
    assert "100%" in capfd.readouterr().err
    assert fetch("here") == path
    assert site.asked == [("here.bin", None)]
    assert names(cache) == ["here.bin"]


def test_without_progress_nothing_is_printed(here, capfd):
    fetch("here", progress=False)
    assert capfd.readouterr() == ("", "")


def test_a_cut_connection_goes_on_where_it_was(here, site, cache, content):
    here.cuts = [500_000, 100_000]
    assert fetch("here", pause=0).read_bytes() == content
    ranges = [asked for _, asked in site.asked]
    assert ranges == [None, "bytes=500000-", "bytes=600000-"]
    assert names(cache) == ["here.bin"]


def test_an_address_that_gets_no_further_is_given_up_and_the_part_stays(here, site, cache, content):
    here.cuts = [500_000] + [0] * 9
    with pytest.raises(UnavailableError) as error:
        fetch("here", pause=0)
    # one that got further, and then as many failures in a row as there are tries
    assert len(site.asked) == 1 + 1 + RETRIES
    line = one_line(error)
    assert f"cannot download here.bin from {site.url('here.bin')} (broken off" in line
    assert "500 kB have arrived, and the same command goes on" in line
    assert names(cache) == ["here.bin.part", "here.bin.part.json"]
    here.cuts = []
    assert fetch("here").read_bytes() == content
    assert site.asked[-1] == ("here.bin", "bytes=500000-")
    assert names(cache) == ["here.bin"]


def test_an_interruption_keeps_the_part_and_the_next_call_goes_on(
    here, site, cache, content, monkeypatch
):
    interrupted_at(300_000, monkeypatch)
    assert names(cache) == ["here.bin.part", "here.bin.part.json"]
    assert (cache / "here.bin.part").read_bytes() == content[:300_000]
    assert fetch("here").read_bytes() == content
    assert site.asked[-1] == ("here.bin", "bytes=300000-")


def test_a_server_that_ignores_ranges_starts_again(here, site, cache, content, monkeypatch):
    interrupted_at(300_000, monkeypatch)
    here.ranges = False
    assert fetch("here").read_bytes() == content
    assert site.asked[-1] == ("here.bin", "bytes=300000-")


def test_a_server_that_ignores_ranges_and_always_breaks_off_is_given_up(here, site):
    here.ranges = False
    here.cuts = [300_000] * 9
    with pytest.raises(UnavailableError, match="broken off"):
        fetch("here", pause=0)
    # The first one got further.
    assert len(site.asked) == 1 + 1 + RETRIES


@pytest.mark.parametrize("heeds", [True, False])
def test_a_file_that_changed_meanwhile_is_not_mixed_with_the_old_one(
    here, site, cache, content, monkeypatch, register, heeds
):
    here.body = content[::-1]
    interrupted_at(300_000, monkeypatch)
    here.body = content
    here.etag = '"v2"'
    if not heeds:
        # The server sends the rest of the new version whatever the part is of.
        about = cache / "here.bin.part.json"
        about.write_text(json.dumps(json.loads(about.read_text()) | {"etag": 'W/"v1"'}))
    assert fetch("here").read_bytes() == content
    assert site.asked[-1][1] == (None if not heeds else "bytes=300000-")


def test_a_part_that_is_longer_than_the_file_is_forgotten(here, site, cache, content):
    cache.mkdir()
    (cache / "here.bin.part").write_bytes(content + b"more")
    assert fetch("here").read_bytes() == content
    assert site.asked == [("here.bin", None)]


def test_a_whole_part_is_only_checked(here, site, cache, content):
    cache.mkdir()
    (cache / "here.bin.part").write_bytes(content)
    assert fetch("here").read_bytes() == content
    assert site.asked == []


def test_where_no_size_is_known_a_whole_part_is_asked_for_again(
    here, site, cache, content, register
):
    register(here=registry()["here"] | {"bytes": None})
    cache.mkdir()
    (cache / "here.bin.part").write_bytes(content)
    assert fetch("here").read_bytes() == content
    assert [asked for _, asked in site.asked] == ["bytes=900000-", None]


def test_another_file_of_this_size_is_named_and_not_kept(here, site, cache, content):
    here.body = content[:-1] + b"!"
    with pytest.raises(FetchError) as error:
        fetch("here")
    line = one_line(error)
    expected = registry()["here"]["sha256"]
    assert not isinstance(error.value, UnavailableError)
    assert f"here.bin from {site.url('here.bin')} has the wrong sha256" in line
    assert f"expected {expected}, found " in line
    assert names(cache) == []


@pytest.mark.parametrize(
    ("states_length", "message"),
    [
        (True, "it has 900004 bytes there, where 900000 are expected"),
        (False, "it has more than the 900000 bytes expected"),
    ],
)
def test_a_file_of_another_size_is_not_kept(here, cache, content, states_length, message):
    here.body = content + b"more"
    here.states_length = states_length
    with pytest.raises(FetchError, match=message) as error:
        fetch("here", pause=0)
    assert not isinstance(error.value, UnavailableError)
    assert names(cache) == []


def test_the_mirror_is_tried_where_the_first_address_has_nothing(
    here, site, cache, content, register
):
    register(here=registry()["here"] | {"mirror": site.url("mirrored.bin")})
    del site.files["here.bin"]
    site.serve("mirrored.bin", content)
    assert fetch("here", pause=0).read_bytes() == content
    assert [name for name, _ in site.asked] == ["here.bin", "mirrored.bin"]


def test_the_mirror_goes_on_where_the_first_address_broke_off(here, site, content, register):
    register(here=registry()["here"] | {"mirror": site.url("mirrored.bin")})
    here.cuts = [500_000] + [0] * 9
    site.serve("mirrored.bin", content, etag='"of the mirror"')
    assert fetch("here", pause=0).read_bytes() == content
    assert site.asked[-1] == ("mirrored.bin", "bytes=500000-")


def test_addresses_without_an_answer_are_all_named(here, site, cache, register):
    dead = "http://127.0.0.1:9/here.bin"
    register(here=registry()["here"] | {"url": dead, "mirror": site.url("moved.bin")})
    with pytest.raises(UnavailableError) as error:
        fetch("here", pause=0)
    line = one_line(error)
    assert f"from {dead} (ConnectionError), nor from {site.url('moved.bin')} (Not Found)" in line
    assert line.endswith("put the file into a folder and name that folder in GAPBOOK_DATA")
    assert names(cache) == []


def test_what_may_pass_is_tried_again(here, site):
    here.status = 503
    with pytest.raises(UnavailableError, match="Service Unavailable"):
        fetch("here", pause=0)
    assert len(site.asked) == 1 + RETRIES


def test_a_disk_without_room_is_named_before_anything_is_asked_for(here, site, cache):
    with pytest.raises(FetchError) as error:
        fetch("here", free=lambda folder: 899_999)
    line = one_line(error)
    assert f"here needs 900 kB on the disk of {cache} (900 kB to download)" in line
    assert "where 900 kB are free" in line and line.endswith("in GAPBOOK_CACHE")
    assert site.asked == [] and names(cache) == []
    fetch("here", free=lambda folder: 900_000)


def test_what_has_arrived_needs_no_room_again(here, cache, content):
    cache.mkdir()
    (cache / "here.bin.part").write_bytes(content[:800_000])
    assert fetch("here", free=lambda folder: 100_000).read_bytes() == content


def test_where_no_size_is_known_the_answer_states_it(here, cache, register):
    register(here=registry()["here"] | {"bytes": None})
    with pytest.raises(FetchError, match=r"here needs 900 kB .* where 5 bytes are free"):
        fetch("here", free=lambda folder: 5)


def test_two_processes_do_not_write_one_file(here, cache):
    cache.mkdir()
    with (cache / "here.bin.part").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(FetchError, match=r"another process downloads .*here.bin just now"):
            fetch("here")
