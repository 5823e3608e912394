"""A server, an empty cache, and a registry that is laid over the book's own."""

import numpy as np
import pytest
import yaml
from helpers import sha256
from local_site import serving


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
    with serving() as site:
        yield site


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
