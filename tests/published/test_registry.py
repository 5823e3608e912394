"""The list of sources, and another one that is laid over it."""

import re

import pytest

from gapbook.exceptions import FetchError
from gapbook.published import embedding_sources, registry, sources_named
from gapbook.published.registry import NEEDED, kind_of

HEXADECIMAL = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")


@pytest.mark.parametrize("name", registry())
def test_every_source_says_what_its_kind_needs(name):
    entry = registry()[name]
    missing = [key for key in (*NEEDED[kind_of(entry)], "license") if not entry.get(key)]
    assert missing == []
    for key in ("sha256", "revision"):
        assert HEXADECIMAL.fullmatch(entry.get(key) or 40 * "0")
    if "url" in entry:
        assert len(entry["sha256"]) == 64


def test_every_embedding_that_is_downloaded_is_pinned():
    pinned = [entry for entry in embedding_sources().values() if "url" in entry]
    assert pinned
    for entry in pinned:
        # the commit of the repository stands in the address, so that the file cannot change
        assert re.search(rf"/[0-9a-f]{{40}}/.*/{re.escape(entry['file'])}$", entry["url"])
        _, n, d = entry["shape"]
        assert entry["bytes"] in (None, 128 + 2 * n * d * 4)


def test_no_two_sources_are_one_file_or_one_folder():
    for key in ("sha256", "folder"):
        values = [entry[key] for entry in registry().values() if key in entry]
        assert len(set(values)) == len(values)


def test_a_data_set_names_all_of_its_sources():
    assert set(sources_named("coco")) == {"coco-val2017", "coco-annotations", "coco-train2017"}
    with pytest.raises(FetchError, match="unknown source 'cocoa'; did you mean 'coco'"):
        sources_named("cocoa")


def test_another_registry_is_laid_over_it_key_by_key(register):
    before = registry()["cifar10"]
    register(cifar10={"url": "http://127.0.0.1/other"})
    assert registry()["cifar10"] == before | {"url": "http://127.0.0.1/other"}
    assert "glyphclip" in registry()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "which is no YAML: while parsing a flow node"),
        ("[1]", "a mapping of keys was expected for each name of a source; got {'': [1]}"),
        ("new: 5", "a mapping of keys was expected for each name of a source; got {'new': 5}"),
        ("new: {kind: file, license: a, file: b, url: c}", "new lacks sha256"),
        ("new: {kind: fil, license: a}", "new has the kind 'fil'; did you mean 'file'?"),
        ("cifar10: {file: ../a}", "must have a path below a folder as file; got ../a"),
        ("cifar10: {folder: /etc}", "must have a path below a folder as folder; got /etc"),
    ],
)
def test_a_registry_that_cannot_be_used_is_named(tmp_path, monkeypatch, text, message):
    path = tmp_path / "mine.yml"
    path.write_text(text)
    monkeypatch.setenv("GAPBOOK_REGISTRY", str(path))
    with pytest.raises(FetchError) as error:
        registry()
    assert "mine.yml" in str(error.value) and message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_registry_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("GAPBOOK_REGISTRY", str(tmp_path / "none.yml"))
    with pytest.raises(FetchError, match=r"none.yml', which cannot be read: No such file"):
        registry()
