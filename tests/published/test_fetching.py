"""Downloads: from a server on this machine that answers, lies, breaks off or is not there."""

import hashlib
import http.server
import re
import threading
from pathlib import Path

import numpy as np
import pooch
import pytest

from gapbook.exceptions import FetchError
from gapbook.pairs import PairedEmbeddings, load_pairs
from gapbook.published import RETRIES, fetch, locate, registry, registry_entry, search_folders

CONTENT = np.random.default_rng(0).normal(size=(2, 300, 64)).astype(np.float32)


class Server(http.server.BaseHTTPRequestHandler):
    body = b""
    requests = 0
    breaks = 0  # how many answers break off in the middle

    def do_GET(self):
        cls = type(self)
        cls.requests += 1
        if self.path != "/features_here.npy":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        if cls.requests <= cls.breaks:
            self.wfile.write(self.body[: len(self.body) // 2])
            self.wfile.flush()
            self.connection.close()
        else:
            self.wfile.write(self.body)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serve one registered source, "here", with an empty cache and nothing at hand."""
    np.save(tmp_path / "made.npy", CONTENT)
    handler = type("Handler", (Server,), {"body": (tmp_path / "made.npy").read_bytes()})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as httpd:
        threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
        handler.folder = f"http://127.0.0.1:{httpd.server_port}"
        entry = registry_entry("clasp-uniprot") | {
            "file": "features_here.npy",
            "shape": [2, *CONTENT.shape[1:]],
            "url": f"{handler.folder}/features_here.npy",
            "sha256": hashlib.sha256(handler.body).hexdigest(),
        }
        monkeypatch.setitem(registry(), "here", entry)
        monkeypatch.setenv("GAPBOOK_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.delenv("GAPBOOK_DATA", raising=False)
        monkeypatch.setattr("time.sleep", lambda seconds: None)  # between retries
        yield handler
        httpd.shutdown()


def cached(tmp_path):
    return sorted(path.name for path in tmp_path.glob("cache/*"))


def one_line(error):
    assert "\n" not in str(error.value)
    # no second traceback above the one that counts
    assert error.value.__suppress_context__ or error.value.__context__ is None
    return str(error.value)


def test_a_download_is_kept_and_loads(server, tmp_path, capfd):
    path = fetch("here")
    assert path == tmp_path / "cache" / "features_here.npy"
    assert "100%" in capfd.readouterr().err  # the progress bar
    assert fetch("here") == path and server.requests == 1
    assert locate("here") == ("cached", path)
    pairs = load_pairs("here")
    assert (pairs.x.shape, pairs.source, pairs.license) == ((300, 64), "here", "MIT")
    np.testing.assert_array_equal(pairs.y, PairedEmbeddings(*CONTENT).y)
    assert cached(tmp_path) == ["features_here.npy"]


def test_a_folder_of_files_at_hand_comes_first(server, tmp_path, monkeypatch):
    monkeypatch.setenv("GAPBOOK_DATA", str(tmp_path / "mine"))
    (tmp_path / "mine").mkdir()
    # the folder does not hold it yet
    assert fetch("here").parent.name == "cache"
    assert server.requests == 1
    (tmp_path / "mine" / "features_here.npy").write_bytes(server.body)
    assert fetch("here") == tmp_path / "mine" / "features_here.npy"
    assert locate("here")[0] == "GAPBOOK_DATA"
    assert not any((tmp_path / "mine").glob("tmp*"))


def test_a_wrong_file_at_hand_is_named_and_left_alone(server, tmp_path, monkeypatch):
    monkeypatch.setenv("GAPBOOK_DATA", str(tmp_path))
    (tmp_path / "features_here.npy").write_bytes(b"another")
    with pytest.raises(FetchError) as error:
        fetch("here")
    got = hashlib.sha256(b"another").hexdigest()
    expected = registry()["here"]["sha256"]
    assert (
        f"{tmp_path}/features_here.npy has the wrong sha256: expected {expected}, got {got}"
        in one_line(error)
    )
    assert (tmp_path / "features_here.npy").read_bytes() == b"another"
    assert locate("here") is None and server.requests == 0


def test_a_wrong_download_is_named_and_not_kept(server, tmp_path):
    right = hashlib.sha256(server.body).hexdigest()
    server.body += b"!"
    with pytest.raises(FetchError) as error:
        fetch("here")
    got = hashlib.sha256(server.body).hexdigest()
    for part in (
        "features_here.npy",
        f"expected {right} but got {got}",
        "Deleted download",
        server.folder,
    ):
        assert part in one_line(error)
    assert cached(tmp_path) == []


def test_a_damaged_cached_file_is_downloaded_again(server, tmp_path):
    path = fetch("here")
    path.write_bytes(server.body[:-1])
    assert fetch("here").read_bytes() == server.body
    assert server.requests == 2


def test_a_download_that_breaks_off_is_tried_again(server, tmp_path):
    server.breaks = RETRIES
    assert fetch("here").read_bytes() == server.body
    assert server.requests == 1 + RETRIES
    assert cached(tmp_path) == ["features_here.npy"]


def test_a_server_that_always_breaks_off_leaves_nothing(server, tmp_path):
    server.breaks = 99
    with pytest.raises(FetchError) as error:
        fetch("here")
    assert "cannot download features_here.npy from http://127.0.0.1" in one_line(error)
    assert server.requests == 1 + RETRIES
    assert cached(tmp_path) == []


def test_an_interruption_leaves_nothing(server, tmp_path, monkeypatch):
    from requests import Response

    seen = []

    def interrupted(self, chunk_size):
        yield self.raw.read(1000)
        seen.extend(cached(tmp_path))
        raise KeyboardInterrupt

    monkeypatch.setattr(Response, "iter_content", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch("here")
    assert len(seen) == 1  # a temporary file, under another name
    assert seen != ["features_here.npy"]
    assert cached(tmp_path) == []
    monkeypatch.undo()


def test_no_network_is_one_line_with_both_ways_out(server, tmp_path, monkeypatch):
    monkeypatch.setitem(registry()["here"], "url", "http://127.0.0.1:9/features_here.npy")
    with pytest.raises(FetchError) as error:
        load_pairs("here")
    line = one_line(error)
    address = "http://127.0.0.1:9/features_here.npy"
    assert line.startswith(f"cannot download features_here.npy from {address} (ConnectionError)")
    assert "connect to the internet and try again, or put the file into a folder" in line
    assert line.endswith("name that folder in GAPBOOK_DATA")
    monkeypatch.setitem(registry()["here"], "url", f"{server.folder}/moved.npy")
    with pytest.raises(FetchError, match=r"cannot download .* \(Not Found\)"):
        fetch("here")
    assert cached(tmp_path) == []


def test_a_cache_that_cannot_be_written_is_named(server, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for cache in (tmp_path / "file", tmp_path / "file" / "below"):
        monkeypatch.setenv("GAPBOOK_CACHE", str(cache))
        with pytest.raises(FetchError) as error:
            fetch("here")
        assert f"cannot write features_here.npy into the cache {cache} (" in one_line(error)
        assert "name a folder that can be written in GAPBOOK_CACHE" in str(error.value)
    assert server.requests == 0


def test_a_full_disk_is_named_and_leaves_nothing(server, tmp_path, monkeypatch):
    def full(self, url, path, manager):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", full)
    with pytest.raises(FetchError, match="No space left on device"):
        fetch("here")
    assert cached(tmp_path) == []


def test_unknown_and_missing_sources(monkeypatch):
    with pytest.raises(FetchError, match="did you mean 'clasp-uniprot'"):
        fetch("clasp-uniprod")
    monkeypatch.setitem(registry()["glyphclip"], "file", "glyphclip/nowhere.safetensors")
    assert locate("glyphclip") is None
    with pytest.raises(FetchError, match=r"nowhere\.safetensors is missing"):
        load_pairs("glyphclip")


def test_folders_are_searched_in_the_order_of_the_reader_then_the_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GAPBOOK_DATA", str(tmp_path))
    monkeypatch.setenv("GAPBOOK_CACHE", "~/kept")
    expected = [("GAPBOOK_DATA", tmp_path), ("cached", Path.home() / "kept")]
    assert list(search_folders().items()) == expected


def test_an_empty_variable_counts_as_unset(monkeypatch):
    monkeypatch.setenv("GAPBOOK_DATA", "")
    monkeypatch.setenv("GAPBOOK_CACHE", "")
    assert search_folders() == {"cached": pooch.os_cache("gapbook")}


def test_every_published_source_is_pinned():
    pinned = [entry for entry in registry().values() if "url" in entry]
    assert pinned
    for entry in pinned:
        # the commit of the repository stands in the address, so that the file cannot change
        assert re.search(rf"/[0-9a-f]{{40}}/.*/{re.escape(entry['file'])}$", entry["url"])
        assert len(bytes.fromhex(entry["sha256"])) == 32
        _, n, d = entry["shape"]
        assert entry["bytes"] in (None, 128 + 2 * n * d * 4)
    assert len({entry["sha256"] for entry in pinned}) == len(pinned)


@pytest.mark.parametrize("variable", ["GAPBOOK_DATA", "GAPBOOK_CACHE"])
def test_the_home_of_nobody_is_no_folder(monkeypatch, variable):
    monkeypatch.setenv(variable, "~no_such_user/folder")
    with pytest.raises(FetchError, match=f"^Expected a folder in {variable}; got '~no_such_user"):
        locate("clasp-uniprot")
