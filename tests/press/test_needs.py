"""What a profile says that it takes, before it starts."""

import pytest

from gapbook.press import PressError
from gapbook.press.needs import needs_of
from gapbook.press.profiles import Experiment, Profile


@pytest.fixture
def profile(tmp_path, monkeypatch):
    """Profile of two archives and a model, none of which is at hand."""
    monkeypatch.setenv("GAPBOOK_CACHE", str(tmp_path))
    monkeypatch.setenv("GAPBOOK_DATA", str(tmp_path / "mine"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    sources = ["coco-val2017", "coco-annotations", "resnet18"]
    experiment = Experiment("02_b", {"coco": {"source": sources}}, 150)
    return Profile("full", {}, {"01_a": 30}, [experiment])


def test_download_disk_and_time_are_summed(profile, tmp_path):
    title, *sources, sums, time, by_hand = needs_of(profile, lambda folder: 10**10)
    assert title == "profile full needs"
    assert [line.split()[0] for line in sources] == profile.sources()
    assert sources[0].endswith(
        "816 MB to download, 830 MB on the disk; annotations CC BY 4.0; images keep their Flickr "
        "terms"
    )
    # What stays, 830 + 850 + 47 MB, and the largest archive, 816 MB, which goes.
    assert sums == (
        f"  in all 1.12 GB to download and 2.54 GB of disk (10 GB are free in {tmp_path})"
    )
    assert time.startswith("  about 3 hours on two CPU cores")
    assert by_hand.startswith("  hateful-memes cannot be had: its license must be accepted")


def test_a_disk_without_room_is_named_before_the_first_download(profile, tmp_path):
    with pytest.raises(PressError) as caught:
        needs_of(profile, lambda folder: 2 * 10**9)
    assert str(caught.value).startswith(
        f"profile full needs 2.54 GB on the disk of {tmp_path}, where 2 GB are free; make room"
    )


def test_what_is_at_hand_needs_nothing(profile, tmp_path):
    (tmp_path / "mine" / "resnet18").mkdir(parents=True)
    (tmp_path / "mine" / "resnet18" / "model.safetensors").touch()
    lines = needs_of(profile, lambda folder: 10**10)
    assert lines[3] == f"  resnet18                 at hand: {tmp_path}/mine/resnet18"
    assert "2.5 GB of disk" in lines[4]


def test_a_part_names_its_notebooks(profile):
    lines = needs_of(profile.part(["coco"]), lambda folder: 10**10)
    assert lines[0] == "profile full, only 02_b needs"
    assert "150 minutes" in lines[-1] or "2 hours" in lines[-1]
