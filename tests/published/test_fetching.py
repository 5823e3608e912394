"""Where a source is found, in which order, and what is said where it is not or is another file."""

from pathlib import Path

import numpy as np
import pooch
import pytest
from helpers import sha256

from gapbook.exceptions import FetchError, PairsError, UnavailableError
from gapbook.pairs import PairedEmbeddings, load_pairs
from gapbook.published import (
    fetch,
    locate,
    problems_in,
    registry,
    search_folders,
    sources,
)

CONTENT = np.random.default_rng(0).normal(size=(2, 300, 64)).astype(np.float32)


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """The folder that GAPBOOK_DATA names, still empty."""
    folder = tmp_path / "mine"
    folder.mkdir()
    monkeypatch.setenv("GAPBOOK_DATA", str(folder))
    return folder


def one_line(error):
    assert "\n" not in str(error.value)
    # no second traceback above the one that counts
    assert error.value.__suppress_context__ or error.value.__context__ is None
    return str(error.value)


def test_published_embeddings_load_once_they_are_fetched(site, register, tmp_path):
    np.save(tmp_path / "made.npy", CONTENT)
    body = (tmp_path / "made.npy").read_bytes()
    site.serve("features.npy", body)
    register(
        features={
            "file": "features.npy",
            "url": site.url("features.npy"),
            "sha256": sha256(body),
            "shape": [2, 300, 64],
            "modalities": ["image", "text"],
            "license": "MIT",
        }
    )
    pairs = load_pairs("features")
    assert (pairs.x.shape, pairs.source, pairs.license) == ((300, 64), "features", "MIT")
    np.testing.assert_array_equal(pairs.y, PairedEmbeddings(*CONTENT).y)
    with pytest.raises(PairsError, match="features has no seed 1"):
        load_pairs("features", 1)


def test_what_is_no_embeddings_is_not_loaded_as_such(here, site):
    with pytest.raises(FetchError, match="here is no source of embeddings but of kind file"):
        load_pairs("here")
    assert site.asked == []


def test_a_folder_of_files_at_hand_comes_first(here, site, cache, mine, content):
    # The folder does not hold it yet.
    assert fetch("here") == cache / "here.bin"
    (mine / "here.bin").write_bytes(content)
    assert fetch("here") == mine / "here.bin"
    assert locate("here") == ("GAPBOOK_DATA", mine / "here.bin")
    assert len(site.asked) == 1
    assert [path.name for path in mine.iterdir()] == ["here.bin"]


def test_a_wrong_file_at_hand_is_named_and_left_alone(here, site, mine):
    (mine / "here.bin").write_bytes(b"another")
    with pytest.raises(FetchError) as error:
        fetch("here")
    expected = registry()["here"]["sha256"]
    assert one_line(error) == (
        f"{mine}/here.bin has the wrong sha256: expected {expected}, found {sha256(b'another')}; "
        "replace or remove it, and run gapbook fetch here again"
    )
    assert (mine / "here.bin").read_bytes() == b"another"
    assert locate("here") is None and site.asked == []
    assert problems_in(mine).keys() == {mine / "here.bin"}


def test_a_folder_that_is_none_is_named(here, site, mine):
    mine.rmdir()
    with pytest.raises(FetchError, match=f"Expected a folder in GAPBOOK_DATA; {mine} is none"):
        fetch("here")
    assert site.asked == []


def test_a_damaged_cached_file_is_downloaded_again(here, site, content):
    path = fetch("here")
    path.write_bytes(content[:-1] + b"!")
    assert fetch("here").read_bytes() == content
    assert len(site.asked) == 2


def test_a_cache_that_cannot_be_written_is_named(here, site, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    for cache in (tmp_path / "file", tmp_path / "file" / "below"):
        monkeypatch.setenv("GAPBOOK_CACHE", str(cache))
        with pytest.raises(FetchError) as error:
            fetch("here")
        assert f"cannot write here.bin into the cache {cache} (" in one_line(error)
        assert "name a folder that can be written in GAPBOOK_CACHE" in str(error.value)
    assert site.asked == []


def test_a_disk_that_is_full_after_all_keeps_what_has_arrived(here, cache, content, monkeypatch):
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file of this process may grow beyond it: the system refuses to write, as on a full disk.
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, before[1]))
    try:
        with pytest.raises(FetchError) as error:
            fetch("here", pause=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "cannot write here.bin into the cache" in one_line(error)
    assert 0 < (cache / "here.bin.part").stat().st_size <= 600_000
    assert fetch("here").read_bytes() == content


def test_what_needs_a_license_is_refused_with_the_reason_and_taken_from_a_folder(mine):
    with pytest.raises(UnavailableError) as error:
        fetch("hateful-memes")
    assert one_line(error).startswith(
        "hateful-memes cannot be fetched: its license must be accepted by hand"
    )
    assert "GAPBOOK_DATA" in str(error.value)
    (mine / "hateful-memes").mkdir()
    assert fetch("hateful-memes") == mine / "hateful-memes"


def test_unknown_and_missing_sources(register):
    with pytest.raises(FetchError, match="did you mean 'clasp-uniprot'"):
        fetch("clasp-uniprod")
    with pytest.raises(FetchError, match="coco has several sources; name those you want: coco-val"):
        fetch("coco")
    register(glyphclip={"file": "glyphclip/nowhere.safetensors"})
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


def test_all_sources_are_listed_with_size_license_and_place(here, mine, content):
    rows = sources().set_index("name")
    assert list(rows.index) == list(registry())
    assert not rows["license"].eq("").any()
    assert rows.loc["glyphclip", "where"] == "bundled"
    assert rows.loc["here", "where"] == "gapbook fetch here"
    assert rows.loc["hateful-memes", "where"] == "by hand"
    assert rows.loc["coco-train2017", "download"] == "19.3 GB"
    assert rows.loc["fairface", "download"].startswith("about ")
    (mine / "here.bin").write_bytes(content)
    assert sources().set_index("name").loc["here", "where"] == "GAPBOOK_DATA"


@pytest.mark.parametrize("variable", ["GAPBOOK_DATA", "GAPBOOK_CACHE"])
def test_the_home_of_nobody_is_no_folder(monkeypatch, variable):
    monkeypatch.setenv(variable, "~no_such_user/folder")
    with pytest.raises(FetchError, match=f"^Expected a folder in {variable}; got '~no_such_user"):
        locate("clasp-uniprot")
