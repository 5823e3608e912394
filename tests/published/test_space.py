"""Room on the disk, in numbers."""

from pathlib import Path

import pytest

from gapbook.exceptions import FetchError
from gapbook.published.space import free_bytes, require_space


def test_the_disk_of_a_folder_that_is_still_to_be_made_is_looked_at(tmp_path):
    free = free_bytes(tmp_path / "not" / "there")
    assert free == pytest.approx(free_bytes(tmp_path), rel=0.1) and free > 0


def test_what_just_fits_passes_and_what_does_not_is_told_in_numbers():
    fits = {"download": 2_000, "unpacked": 3_000, "variable": "GAPBOOK_CACHE"}
    require_space(Path("here"), "it", free=lambda folder: 5_000, **fits)
    with pytest.raises(FetchError) as error:
        require_space(Path("here"), "it", free=lambda folder: 4_999, **fits)
    assert str(error.value) == (
        "it needs 5 kB on the disk of here (2 kB to download and 3 kB unpacked), where 5 kB are "
        "free; make room, or name a folder on another disk in GAPBOOK_CACHE"
    )
