"""A server on this machine that answers, lies, breaks off or is not there, and a registry of it."""

import http.server
import re
import threading
from dataclasses import dataclass, field

import numpy as np
import pytest
import yaml
from helpers import sha256


@dataclass
class Served:
    """A file of the server, and how it is served.

    ``cuts`` are numbers of bytes after which one answer each breaks off.
    """

    body: bytes
    etag: str = '"v1"'
    ranges: bool = True
    status: int = 200
    states_length: bool = True
    cuts: list[int] = field(default_factory=list)


class Site:
    """What the server has, and what it was asked for: paths with their ranges."""

    def __init__(self):
        self.files = {}
        self.asked = []
        self.address = ""

    def url(self, name):
        return f"{self.address}/{name}"

    def serve(self, name, body, **how):
        self.files[name] = Served(body, **how)
        return self.files[name]


def _handler(site):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.removeprefix("/")
            wanted = self.headers.get("Range")
            site.asked.append((name, wanted))
            file = site.files.get(name)
            if file is None or file.status != 200:
                self.send_error(404 if file is None else file.status)
                return
            start = 0
            same = self.headers.get("If-Range", file.etag) == file.etag
            if wanted and file.ranges and same:
                start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
                if start >= len(file.body):
                    self.send_error(416)
                    return
                self.send_response(206)
                last = len(file.body) - 1
                self.send_header("Content-Range", f"bytes {start}-{last}/{len(file.body)}")
            else:
                self.send_response(200)
            self.send_header("ETag", file.etag)
            rest = file.body[start:]
            if file.states_length:
                self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            self.wfile.write(rest[: file.cuts.pop(0)] if file.cuts else rest)
            self.wfile.flush()
            self.close_connection = True

        def log_message(self, *_):
            pass

    return Handler


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """The folder of downloads, which does not exist yet; nothing else is at hand."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("GAPBOOK_CACHE", str(folder))
    monkeypatch.delenv("GAPBOOK_DATA", raising=False)
    monkeypatch.delenv("GAPBOOK_REGISTRY", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return folder


@pytest.fixture
def site(cache):
    """The server, still without files."""
    site = Site()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(site)) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        site.address = f"http://127.0.0.1:{server.server_port}"
        yield site
        server.shutdown()


@pytest.fixture
def register(tmp_path, monkeypatch):
    """Function that lays entries over the registry."""
    count = iter(range(100))

    def lay_over(**entries):
        path = tmp_path / f"registry-{next(count)}.yml"
        path.write_text(yaml.safe_dump(entries))
        monkeypatch.setenv("GAPBOOK_REGISTRY", str(path))

    return lay_over


@pytest.fixture
def content():
    """Bytes of a file that no chunk of a download holds whole."""
    return np.random.default_rng(0).bytes(900_000)


@pytest.fixture
def here(site, register, content):
    """One registered file of the server, "here"."""
    register(
        here={
            "kind": "file",
            "file": "here.bin",
            "url": site.url("here.bin"),
            "sha256": sha256(content),
            "bytes": len(content),
            "license": "none",
        }
    )
    return site.serve("here.bin", content)
