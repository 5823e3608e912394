"""Files that are there or not, and files that are written whole or not at all."""

import errno
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gapbook.exceptions import PairsError
from gapbook.files import (
    NotWrittenError,
    data_path,
    require_file,
    require_folder,
    whole_file,
    write_all,
    write_whole,
)

needs_full_disk = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="/dev/full stands for a full disk"
)
needs_other_user = pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become another user"
)


def permissions(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_bundled_files_are_found():
    assert data_path("registry.yml").is_file()
    assert not data_path("no/such.file").exists()


def test_a_file_or_folder_that_is_missing_or_another_kind_is_named(tmp_path):
    file = tmp_path / "a.csv"
    file.touch()
    require_file(file)
    require_folder(tmp_path)
    with pytest.raises(PairsError, match=f"^Expected a CSV file; {tmp_path} is a folder$"):
        require_file(tmp_path, "a CSV file")
    with pytest.raises(PairsError, match=r"^Expected a file; .* does not exist$"):
        require_file(tmp_path / "b.csv")
    with pytest.raises(PairsError, match=f"^Expected a folder of images; {file} is a file$"):
        require_folder(file, "a folder of images")
    with pytest.raises(PairsError, match=r"^Expected a folder; .* does not exist$"):
        require_folder(tmp_path / "b")


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    write_whole(path, b"first")
    with whole_file(path) as temporary:
        temporary.write_bytes(b"second")
        assert path.read_bytes() == b"first"
        # Libraries choose the format by the ending; the folder is hidden from listings.
        assert temporary.name == "a.txt"
        assert temporary.parent.parent == tmp_path
        assert temporary.parent.name.startswith(".")
    assert path.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("stop", [ValueError("damaged"), KeyboardInterrupt()])
def test_what_stops_the_writing_leaves_the_earlier_file(tmp_path, stop):
    path = tmp_path / "a.txt"
    write_whole(path, b"first")
    with pytest.raises(type(stop)), whole_file(path) as temporary:
        temporary.write_bytes(b"sec")
        raise stop
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


@needs_full_disk
def test_a_full_disk_leaves_the_earlier_file_and_is_named(tmp_path):
    path = tmp_path / "a.txt"
    write_whole(path, b"first")
    with pytest.raises(OSError) as error, whole_file(path) as temporary:
        temporary.symlink_to("/dev/full")
        temporary.write_bytes(b"second")
    assert error.value.errno == errno.ENOSPC
    assert f"cannot write {path} ({os.strerror(errno.ENOSPC)})" in str(error.value)
    assert "an earlier file there is unchanged" in str(error.value)
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    path = tmp_path / "no" / "a.txt"
    with pytest.raises(NotWrittenError, match=f"cannot write {path} ") as error:
        write_whole(path, b"content")
    assert error.value.errno == errno.ENOENT


def test_what_is_neither_file_nor_folder_is_named_as_what_it_is(tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    # The path of a socket has to be short, so that it is bound from within its folder.
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
    problems = {
        "pipe": "is a named pipe",
        "socket": "is a socket",
        "loop": "is a link that leads back to itself",
        "dangling": "is a link to what does not exist",
        "x" * 300: "cannot be reached (File name too long)",
        "null\0": "does not exist",
    }
    for name, problem in problems.items():
        for require in (require_file, require_folder):
            with pytest.raises(PairsError) as error:
                require(tmp_path / name)
            assert str(error.value).endswith(problem)
            assert str(error.value).isprintable()
    with pytest.raises(PairsError, match=r"^Expected a file; /dev/null is a device$"):
        require_file(Path("/dev/null"))


@needs_other_user
def test_a_file_that_may_not_be_seen_is_named(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir(mode=0)
    code = (
        "import os, pathlib, sys; from gapbook.files import require_file; os.setuid(65534); "
        "require_file(pathlib.Path(sys.argv[1]))"
    )
    command = [sys.executable, "-c", code, folder / "a.npz"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stderr.endswith("cannot be reached (Permission denied)\n")


def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "usual").touch()
    write_whole(tmp_path / "new", b"new")
    assert permissions(tmp_path / "new") == permissions(tmp_path / "usual")


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444])
def test_a_file_keeps_its_permissions(tmp_path, mode):
    path = tmp_path / "a.txt"
    path.write_bytes(b"first")
    path.chmod(mode)
    write_whole(path, b"second")
    assert path.read_bytes() == b"second"
    assert permissions(path) == mode


@pytest.mark.parametrize("target", ["other.txt", "nowhere.txt", "loop.txt"])
def test_a_link_is_replaced_and_what_it_leads_to_stays(tmp_path, target):
    (tmp_path / "other.txt").write_bytes(b"other")
    (tmp_path / "other.txt").chmod(0o600)
    (tmp_path / "loop.txt").symlink_to(tmp_path / target)
    write_whole(tmp_path / "loop.txt", b"new")
    assert not (tmp_path / "loop.txt").is_symlink()
    assert (tmp_path / "loop.txt").read_bytes() == b"new"
    assert (tmp_path / "other.txt").read_bytes() == b"other"
    assert permissions(tmp_path / "loop.txt") != 0o600
    assert {path.name for path in tmp_path.iterdir()} == {"loop.txt", "other.txt"}


def test_nobody_can_plant_a_link_where_a_file_is_written(tmp_path):
    names = set()
    for _ in range(5):
        with whole_file(tmp_path / "a.txt") as temporary:
            # In a folder that only this user can open, of another name each time.
            assert permissions(temporary.parent) == 0o700
            assert not temporary.exists()
            names.add(temporary.parent.name)
            temporary.write_bytes(b"content")
    assert len(names) == 5


def test_of_several_files_none_changes_where_one_cannot_be_written(tmp_path):
    paths = [tmp_path / "a.txt", tmp_path / "no" / "b.txt", tmp_path / "c.txt"]
    paths[0].write_bytes(b"first")
    with pytest.raises(NotWrittenError, match=f"cannot write {paths[1]} "):
        write_all(dict.fromkeys(paths, b"second"))
    assert paths[0].read_bytes() == b"first"
    (tmp_path / "no").mkdir()
    (tmp_path / "c.txt").mkdir()
    with pytest.raises(NotWrittenError, match=f"cannot write {paths[2]} .Is a directory"):
        write_all(dict.fromkeys(paths, b"second"))
    assert paths[0].read_bytes() == b"first"
    (tmp_path / "c.txt").rmdir()
    write_all(dict.fromkeys(paths, b"second"))
    assert [path.read_bytes() for path in paths] == [b"second"] * 3
