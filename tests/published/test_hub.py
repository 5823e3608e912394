"""Models and data sets of a hub on this machine, at one commit."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from gapbook.exceptions import FetchError, UnavailableError
from gapbook.published import fetch, locate, registry

COMMIT = "0123456789" * 4
NEXT = COMMIT[::-1]
FILES = {"config.json": b"{}", "model.safetensors": b"weights", "flax.msgpack": b"not wanted"}


def git_hash(body):
    return hashlib.sha1(f"blob {len(body)}\0".encode() + body).hexdigest()


class Hub:
    """What the hub has: files by path at one commit, and the paths that it was asked for."""

    def __init__(self):
        self.files = dict(FILES)
        self.commit = COMMIT
        self.sent = {}
        self.asked = []

    def answer(self, path):
        """Return the body and the hash of what lies at a path, None where nothing does."""
        if not path.startswith(("/api/models/some/model", "/api/datasets/some/set")):
            name = path.partition(f"/resolve/{self.commit}/")[2]
            body = self.files.get(name)
            return None if body is None else (self.sent.get(name, body), git_hash(body))
        last = path.rsplit("/", 1)[-1]
        if "/tree/" in path:
            tree = [
                {"type": "file", "path": name, "size": len(body), "oid": git_hash(body)}
                for name, body in self.files.items()
            ]
            return None if last != self.commit else (json.dumps(tree).encode(), "")
        known = ("main", self.commit, "model", "set")
        about = {"id": "some/set", "sha": self.commit, "siblings": []}
        return (json.dumps(about).encode(), "") if last in known else None


@pytest.fixture
def hub(cache, tmp_path, monkeypatch, register):
    """A hub with one model and one data set, and an empty cache of the hub."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            path = self.path.partition("?")[0]
            hub.asked.append(path)
            found = hub.answer(path)
            self.send_response(404 if found is None else 200)
            if found is None:
                self.send_header("X-Error-Code", "RevisionNotFound")
            body, etag = found or (b"{}", "none")
            self.send_header("X-Repo-Commit", hub.commit)
            self.send_header("ETag", f'"{etag}"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    model = {
        "kind": "hub model",
        "repository": "some/model",
        "revision": COMMIT,
        "files": ["config.json", "*.safetensors"],
        "required": {"config.json": 1, "*.safetensors": 1},
        "license": "none",
    }
    faces = {
        "kind": "hub dataset",
        "repository": "some/set",
        "files": ["0.25/validation-*"],
        "required": {"*validation*": 1},
        "subfolder": "0.25",
        "license": "none",
    }
    register(model=model, faces=faces)
    yield hub
    server.shutdown()
    server.server_close()


def kept(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_the_wanted_files_of_the_pinned_commit_are_downloaded_once(hub, monkeypatch):
    folder = fetch("model", progress=False)
    assert folder.name == COMMIT
    assert kept(folder) == ["config.json", "model.safetensors"]
    asked = len(hub.asked)
    assert fetch("model") == folder and locate("model") == ("cached", folder)
    assert len(hub.asked) == asked


def test_another_commit_is_named(hub, register):
    register(model=registry()["model"] | {"revision": NEXT})
    with pytest.raises(UnavailableError, match=f"some/model at commit {NEXT} is not on the hub"):
        fetch("model", progress=False)


def test_no_network_is_one_sentence(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UnavailableError) as error:
        fetch("model", progress=False)
    assert str(error.value).startswith("cannot download model: the hub does not give some/model (")
    assert "\n" not in str(error.value) and error.value.__suppress_context__


def test_a_disk_without_room_is_named_before_the_download(hub, tmp_path):
    with pytest.raises(FetchError, match=r"model needs 9 bytes .*where 8 bytes .* in HF_HOME"):
        fetch("model", progress=False, free=lambda folder: 8)
    assert not [
        path for path in hub.asked if path.endswith("safetensors") and "resolve" not in path
    ]
    assert not list((tmp_path / "hub").rglob("*.safetensors"))


def test_a_revision_without_a_file_that_is_needed_is_named(hub):
    del hub.files["model.safetensors"]
    with pytest.raises(FetchError, match=r"holds 0 of the 1 files \*.safetensors"):
        fetch("model", progress=False)


def test_what_arrives_damaged_is_not_kept(hub, tmp_path):
    hub.sent["model.safetensors"] = b"WEIGHTS"
    with pytest.raises(FetchError) as error:
        fetch("model", progress=False)
    right = git_hash(b"weights")
    found = git_hash(b"WEIGHTS")
    assert f"has the wrong hash: expected {right}, found {found}" in str(error.value)
    assert locate("model") is None
    hub.sent.clear()
    assert (fetch("model", progress=False) / "model.safetensors").read_bytes() == b"weights"


def test_the_registry_may_state_the_hash_of_a_file(hub, register):
    stated = {"file": "model.safetensors", "sha256": hashlib.sha256(b"others").hexdigest()}
    register(model=registry()["model"] | stated)
    with pytest.raises(FetchError, match=f"expected {stated['sha256']}, found "):
        fetch("model", progress=False)
    assert locate("model") is None


def test_a_file_that_was_damaged_later_is_named_each_time(hub):
    path = fetch("model", progress=False) / "model.safetensors"
    path.resolve().write_bytes(b"Weights")
    with pytest.raises(FetchError, match=r"model\.safetensors has the wrong hash"):
        fetch("model")


def test_a_missing_file_is_downloaded_again(hub):
    path = fetch("model", progress=False) / "model.safetensors"
    path.unlink()
    assert locate("model") is None
    assert (fetch("model", progress=False) / "model.safetensors").is_file()


def test_a_download_that_ended_early_goes_on(hub):
    hub.files["notes.txt"] = b"notes"
    entry = registry()["model"]
    entry["files"].append("notes.txt")
    path = fetch("model", progress=False) / "notes.txt"
    path.unlink()
    assert locate("model") is None
    assert (fetch("model", progress=False) / "notes.txt").read_bytes() == b"notes"


def test_a_folder_of_the_readers_own_comes_first(hub, tmp_path, monkeypatch):
    monkeypatch.setenv("GAPBOOK_DATA", str(tmp_path / "mine"))
    mine = tmp_path / "mine" / "model"
    mine.mkdir(parents=True)
    (mine / "config.json").touch()
    with pytest.raises(FetchError, match=r"mine/model holds 0 of the 1 files \*.safetensors"):
        fetch("model", progress=False)
    (mine / "model.safetensors").touch()
    assert fetch("model") == mine
    assert hub.asked == []


def test_without_a_pinned_commit_the_first_fetch_states_one_and_keeps_to_it(hub, cache, capsys):
    hub.files = {"0.25/validation-0.parquet": b"faces", "1.25/validation-0.parquet": b"others"}
    folder = fetch("faces", progress=False)
    assert folder.name == "0.25" and kept(folder) == ["validation-0.parquet"]
    said = capsys.readouterr().err
    assert f"pins no commit of faces; the hub's is {COMMIT} now" in said
    assert json.loads((cache / "faces.commit.json").read_text())["commit"] == COMMIT
    # The hub moves on; this machine does not, and is not silent where it would have to.
    hub.commit = NEXT
    assert fetch("faces") == folder
    assert capsys.readouterr().err == ""
    (folder / "validation-0.parquet").unlink()
    with pytest.raises(UnavailableError, match=f"some/set at commit {COMMIT} is not on the hub"):
        fetch("faces", progress=False)
