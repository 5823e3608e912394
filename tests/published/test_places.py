"""What is remembered of large files, so that they are not hashed each time."""

import hashlib
import json
import os

import pytest

from gapbook.published.places import ALWAYS_HASHED, MEMORY, sha256_of


@pytest.fixture
def large(tmp_path):
    path = tmp_path / "large.bin"
    path.write_bytes(bytes(ALWAYS_HASHED + 1))
    return path


def hashed(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def change_unseen(path):
    """Change a byte, and set the time of the last change back."""
    about = path.stat()
    with path.open("r+b") as file:
        file.write(b"!")
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))


def test_a_large_file_is_hashed_once_as_long_as_it_does_not_change(large, cache):
    first = sha256_of(large)
    assert first == hashed(large)
    change_unseen(large)
    assert sha256_of(large) == first
    os.utime(large)
    assert sha256_of(large) == hashed(large) != first


def test_a_small_file_is_hashed_each_time(tmp_path, cache):
    path = tmp_path / "small.bin"
    path.write_bytes(bytes(1000))
    sha256_of(path)
    change_unseen(path)
    assert sha256_of(path) == hashed(path)
    assert not cache.exists()


@pytest.mark.parametrize("damage", ["{", "[]", '{"a": 1}', '{"a": [1, 2, "no hash"]}'])
def test_a_damaged_memory_costs_time_only(large, cache, damage):
    cache.mkdir()
    (cache / MEMORY).write_text(damage)
    assert sha256_of(large) == hashed(large)
    assert str(large) in json.loads((cache / MEMORY).read_text())


def test_a_cache_that_cannot_be_written_costs_time_only(large, tmp_path, monkeypatch):
    monkeypatch.setenv("GAPBOOK_CACHE", str(large / "below"))
    assert sha256_of(large) == hashed(large)
