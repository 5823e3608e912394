"""What a run at the paper's own scale says that it takes, before it starts."""

import pytest

from gapbook.press import PressError
from gapbook.press.needs import needs_of

SOURCES = ["coco-val2017", "coco-annotations", "resnet18"]


@pytest.fixture(autouse=True)
def nothing_at_hand(tmp_path, monkeypatch):
    monkeypatch.setenv("GAPBOOK_CACHE", str(tmp_path))
    monkeypatch.setenv("GAPBOOK_DATA", str(tmp_path / "mine"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


def test_download_disk_and_time_are_summed(tmp_path):
    title, *sources, sums, time = needs_of("all", SOURCES, 180, lambda folder: 10**10)
    assert title == "all needs"
    assert [line.split()[0] for line in sources] == SOURCES
    assert sources[0].endswith(
        "816 MB to download, 830 MB on the disk; annotations CC BY 4.0; images keep their Flickr "
        "terms"
    )
    # What stays, 830 + 850 + 47 MB, and the largest archive, 816 MB, which goes.
    assert sums == (
        f"  in all 1.12 GB to download and 2.54 GB of disk (10 GB are free in {tmp_path})"
    )
    assert time.startswith("  about 3 hours on two CPU cores")


def test_a_disk_without_room_is_named_before_the_first_download(tmp_path):
    with pytest.raises(PressError) as caught:
        needs_of("profile full", SOURCES, 180, lambda folder: 2 * 10**9)
    assert str(caught.value).startswith(
        f"profile full needs 2.54 GB on the disk of {tmp_path}, where 2 GB are free; make room"
    )


def test_what_is_at_hand_needs_nothing(tmp_path):
    (tmp_path / "mine" / "resnet18").mkdir(parents=True)
    (tmp_path / "mine" / "resnet18" / "model.safetensors").touch()
    lines = needs_of("all", SOURCES, 5, lambda folder: 10**10)
    assert lines[3] == f"  resnet18                 at hand: {tmp_path}/mine/resnet18"
    assert "2.5 GB of disk" in lines[4]
    assert lines[5].startswith("  about 5 min on two CPU cores")
