"""Files that are there or not, and files that are written whole or not at all."""

import errno
import os
from pathlib import Path

import pytest

from gapbook.exceptions import PairsError
from gapbook.files import data_path, require_file, require_folder, whole_file, write_whole

needs_full_disk = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="/dev/full stands for a full disk"
)


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
    with pytest.raises(PairsError, match="^Expected a file; .* does not exist$"):
        require_file(tmp_path / "b.csv")
    with pytest.raises(PairsError, match=f"^Expected a folder of images; {file} is a file$"):
        require_folder(file, "a folder of images")
    with pytest.raises(PairsError, match="^Expected a folder; .* does not exist$"):
        require_folder(tmp_path / "b")


def test_a_file_appears_when_it_is_whole(tmp_path):
    path = tmp_path / "a.txt"
    write_whole(path, b"first")
    with whole_file(path) as temporary:
        temporary.write_bytes(b"second")
        assert path.read_bytes() == b"first"
        # Libraries choose the format by the ending; the name is hidden from listings.
        assert temporary.suffix == ".txt"
        assert temporary.name.startswith(".")
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
    with pytest.raises(OSError) as error, whole_file(path) as temporary:  # noqa: PT011
        temporary.symlink_to("/dev/full")
        temporary.write_bytes(b"second")
    assert error.value.errno == errno.ENOSPC
    assert f"cannot write {path} ({os.strerror(errno.ENOSPC)})" in str(error.value)
    assert "an earlier file there is unchanged" in str(error.value)
    assert path.read_bytes() == b"first"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_does_not_exist_is_named(tmp_path):
    path = tmp_path / "no" / "a.txt"
    with pytest.raises(FileNotFoundError, match=f"cannot write {path} "):
        write_whole(path, b"content")
