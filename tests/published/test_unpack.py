"""Archives, unpacked whole or not at all, and folders of which something is missing."""

import io
import os
import shutil
import stat
import tarfile
import zipfile

import pytest
from helpers import sha256

from gapbook.exceptions import FetchError
from gapbook.published import fetch, locate
from gapbook.published.unpack import MARKER

FILES = {"pictures/a.jpg": b"first", "pictures/b.jpg": b"second one"}


def zip_of(files):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, body in files.items():
            archive.writestr(name, body)
    return content.getvalue()


def tar_of(files, *others):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
        for info in others:
            archive.addfile(info)
    return content.getvalue()


@pytest.fixture
def registered(site, register):
    """Function that serves and registers an archive as the source "pack"."""

    def serve(body, **entry):
        site.serve("pack.zip", body)
        stated = {
            "kind": "archive",
            "file": "pack.zip",
            "folder": "set/pictures",
            "dataset": "set",
            "url": site.url("pack.zip"),
            "sha256": sha256(body),
            "bytes": len(body),
            "about": {"unpacked": 15},
            "required": {"*.jpg": 2},
            "license": "none",
        }
        register(pack=stated | entry)

    return serve


def below(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_an_archive_becomes_a_folder_and_goes(registered, site, cache, make):
    registered(make(FILES))
    folder = fetch("pack")
    assert folder == cache / "set"
    assert (folder / "pictures" / "b.jpg").read_bytes() == b"second one"
    files = ["a.jpg", "b.jpg", MARKER]
    assert below(cache) == sorted(
        ["set", "set/pictures", *(f"set/pictures/{name}" for name in files)]
    )
    assert locate("pack") == ("cached", folder)
    assert fetch("pack") == folder
    assert len(site.asked) == 1


def test_members_without_a_folder_around_them_are_the_content(registered, cache):
    registered(zip_of({"one/a.jpg": b"1", "two/b.jpg": b"2"}))
    fetch("pack")
    assert (cache / "set" / "pictures" / "two" / "b.jpg").is_file()


def test_what_a_mac_adds_is_not_the_content(registered, cache):
    registered(zip_of(FILES | {"__MACOSX/pictures/._a.jpg": b"mac"}))
    fetch("pack")
    assert below(cache / "set" / "pictures") == [MARKER, "a.jpg", "b.jpg"]


@pytest.mark.parametrize("name", ["../out.jpg", "/out.jpg", "a/../../out.jpg", "..\\out.jpg"])
@pytest.mark.parametrize("make", [zip_of, tar_of])
def test_a_member_that_would_leave_the_folder_is_refused(registered, cache, tmp_path, make, name):
    registered(make(FILES | {name: b"out"}))
    with pytest.raises(FetchError, match=r"has the member '.*out.jpg', which would leave the"):
        fetch("pack")
    assert not list(tmp_path.rglob("out.jpg"))
    assert below(cache) == ["pack.zip"]


def test_links_are_refused(registered, cache):
    link = tarfile.TarInfo("pictures/link")
    link.type = tarfile.SYMTYPE
    link.linkname = "/etc"
    registered(tar_of(FILES, link))
    with pytest.raises(FetchError, match="'pictures/link', which is a link or a device"):
        fetch("pack")
    info = zipfile.ZipInfo("pictures/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    registered(zip_of(FILES | {info: b"/etc"}))
    with pytest.raises(FetchError, match="'pictures/link', which is a link or a device"):
        fetch("pack")
    assert not (cache / "set").exists()


def test_a_damaged_archive_leaves_no_folder(registered, cache):
    good = zip_of({"pictures/a.jpg": b"content", "pictures/b.jpg": b"more"})
    registered(good.replace(b"content", b"CONTENT"))
    with pytest.raises(FetchError, match=r"pack.zip cannot be unpacked \(BadZipFile: Bad CRC"):
        fetch("pack")
    assert below(cache) == ["pack.zip"]
    registered(tar_of(FILES)[:60])
    with pytest.raises(FetchError, match=r"pack\.zip cannot be unpacked"):
        fetch("pack")
    assert below(cache) == ["pack.zip"]


def test_what_was_written_is_moved_into_place_and_not_copied(registered, monkeypatch):
    """A second copy could break off, and would need as much room again."""
    registered(zip_of(FILES))
    copy = shutil.copyfileobj
    written = set()

    def watched(source, target, length):
        written.add(os.fstat(target.fileno()).st_ino)
        copy(source, target, length)

    monkeypatch.setattr("shutil.copyfileobj", watched)
    folder = fetch("pack") / "pictures"
    assert {path.stat().st_ino for path in folder.glob("*.jpg")} == written
    assert len(written) == 2


def test_a_marker_that_is_damaged_counts_as_none(registered, cache):
    registered(zip_of(FILES))
    folder = fetch("pack") / "pictures"
    for damage in ("{", "[]", "{}", '{"files": []}'):
        (folder / MARKER).write_text(damage)
        assert locate("pack") == ("cached", cache / "set")
    (folder / "b.jpg").unlink()
    with pytest.raises(FetchError, match=r"holds 1 of the 2 files \*.jpg that belong there"):
        fetch("pack")


def test_an_interrupted_unpacking_leaves_no_folder_and_goes_on(
    registered, site, cache, monkeypatch
):
    registered(zip_of(FILES))
    with monkeypatch.context() as patch:

        def interrupted(source, target, length):
            target.write(b"half")
            raise KeyboardInterrupt

        patch.setattr("shutil.copyfileobj", interrupted)
        with pytest.raises(KeyboardInterrupt):
            fetch("pack")
    assert below(cache) == ["pack.zip"]
    # What a process leaves that was killed does not get into the folder.
    (cache / "set" / ".pictures-unpacking").mkdir(parents=True)
    (cache / "set" / ".pictures-unpacking" / "left.jpg").touch()
    fetch("pack")
    assert below(cache / "set") == [
        "pictures",
        f"pictures/{MARKER}",
        "pictures/a.jpg",
        "pictures/b.jpg",
    ]
    assert len(site.asked) == 1


def test_room_for_download_and_content_is_needed_before_anything(registered, site, cache):
    body = zip_of(FILES)
    registered(body, about={"unpacked": 10_000})
    with pytest.raises(FetchError, match=r"to download and 10 kB unpacked\), where 9 kB are free"):
        fetch("pack", free=lambda folder: 9_000)
    assert site.asked == []


def test_a_content_larger_than_stated_finds_no_room_either(registered, cache):
    registered(tar_of({"pictures/a.jpg": bytes(5_000), "pictures/b.jpg": b"1"}), about={})
    with pytest.raises(FetchError, match=r"pack needs 5 kB .* \(5 kB unpacked\), where 5 kB"):
        fetch("pack", free=lambda folder: 5_000)
    assert below(cache) == ["pack.zip"]


def test_files_that_are_missing_or_cut_are_named(registered, cache):
    registered(zip_of(FILES))
    folder = fetch("pack") / "pictures"
    (folder / "b.jpg").write_bytes(b"sec")
    assert locate("pack") is None
    with pytest.raises(FetchError) as error:
        fetch("pack")
    assert str(error.value) == (
        f"{folder} lacks 1 of its 2 files, or they have another size (first: 'b.jpg'); remove it "
        "and run gapbook fetch pack again"
    )
    (folder / "a.jpg").unlink()
    with pytest.raises(FetchError, match=r"lacks 2 of its 2 files, .* \(first: 'a.jpg'\)"):
        fetch("pack")


def test_the_folder_of_another_archive_is_named(registered):
    registered(zip_of(FILES))
    fetch("pack")
    registered(zip_of(FILES | {"pictures/c.jpg": b"third"}))
    with pytest.raises(FetchError, match=r"is of another archive, of sha256 [0-9a-f]{64}, where"):
        fetch("pack")


def test_a_folder_of_the_readers_own_counts_by_its_files(registered, site, tmp_path, monkeypatch):
    registered(zip_of(FILES))
    mine = tmp_path / "mine"
    (mine / "set" / "pictures").mkdir(parents=True)
    monkeypatch.setenv("GAPBOOK_DATA", str(mine))
    (mine / "set" / "pictures" / "a.jpg").touch()
    with pytest.raises(FetchError, match=r"holds 1 of the 2 files \*.jpg that belong there"):
        fetch("pack")
    (mine / "set" / "pictures" / "b.jpg").touch()
    assert locate("pack") == ("GAPBOOK_DATA", mine / "set")
    assert fetch("pack") == mine / "set"
    assert site.asked == []


def test_an_archive_of_the_readers_own_is_unpacked_into_the_cache(
    registered, site, cache, tmp_path, monkeypatch
):
    body = zip_of(FILES)
    registered(body)
    mine = tmp_path / "mine"
    mine.mkdir()
    monkeypatch.setenv("GAPBOOK_DATA", str(mine))
    (mine / "pack.zip").write_bytes(b"another")
    with pytest.raises(FetchError, match=f"pack.zip has the wrong sha256: expected {sha256(body)}"):
        fetch("pack")
    (mine / "pack.zip").write_bytes(body)
    assert fetch("pack") == cache / "set"
    assert below(mine) == ["pack.zip"]
    assert site.asked == []
