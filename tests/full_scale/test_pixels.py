"""Prepared images: the numbers that a network sees, kept on the disk, and resumable."""

from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from full_scale.stand_ins import odd_jpeg, picture
from PIL import Image
from tiny_checkpoints import byte_clip

from gapbook.encoders import load_clip
from gapbook.encoders.rgb import open_rgb
from gapbook.exceptions import PairsError
from gapbook.full_scale.pixels import (
    CHUNK,
    IMAGENET_MEAN,
    IMAGENET_STD,
    clip_preparation,
    imagenet_preparation,
    store_pixels,
)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{number}.jpg" for number in range(12)]
    for number, path in enumerate(paths):
        path.write_bytes(odd_jpeg(number))
    return paths


def test_a_checkpoint_sees_what_its_processor_makes(tmp_path: Path, files: list[Path]) -> None:
    clip = load_clip(byte_clip(tmp_path / "clip"))
    store = store_pixels(tmp_path, "odd", files, clip_preparation(clip))
    opened = [open_rgb(path, 0) for path in files]
    expected = clip.processor(opened, return_tensors="pt")["pixel_values"]
    assert torch.allclose(store.preparation.normalize(store[:]), expected, atol=1e-6)


def test_imagenet_s_preparation_cuts_the_middle_and_normalizes() -> None:
    ramp = np.repeat(np.arange(96, dtype=np.uint8)[None, :], 48, 0)
    image = Image.fromarray(np.stack([ramp, ramp + 1, ramp + 2], -1))
    preparation = imagenet_preparation(48)
    cut = preparation.cut(image)
    assert cut.shape == (3, 48, 48)
    assert cut[0, 0].tolist() == list(range(24, 72))
    seen = preparation.normalize(torch.from_numpy(cut[None].copy()))[0, 2, 0, 0]
    assert seen.item() == pytest.approx((26 / 255 - IMAGENET_MEAN[2]) / IMAGENET_STD[2])
    assert preparation.cut(picture(5, 300).resize((90, 200))).shape == (3, 48, 48)


def test_an_interrupted_store_goes_on(tmp_path: Path) -> None:
    images = [picture(number, 40) for number in range(CHUNK + 10)]
    whole = imagenet_preparation(32)
    seen: list[int] = []

    def cut(image: Image.Image) -> np.ndarray:
        seen.append(1)
        if len(seen) > CHUNK + 5 and not done:
            raise KeyboardInterrupt
        return whole.cut(image)

    done = False
    with pytest.raises(KeyboardInterrupt):
        store_pixels(tmp_path, "many", images, whole._replace(cut=cut))
    done = True
    before = len(seen)
    store = store_pixels(tmp_path, "many", images, whole._replace(cut=cut))
    # Those of the last chunk, and the first one for its shape.
    assert len(seen) - before == 10 + 1
    assert len(store) == len(images)
    assert (store[CHUNK + 9].numpy() == whole.cut(images[-1])).all()
    assert (store[0].numpy() == whole.cut(images[0])).all()
    again = len(seen)
    store_pixels(tmp_path, "many", images, whole._replace(cut=cut))
    assert len(seen) == again


def test_a_full_disk_is_one_sentence(
    tmp_path: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(10, 0, 10))
    with pytest.raises(PairsError, match=r"Prepared images need 0\.0 GB in .* name another folder"):
        store_pixels(tmp_path, "odd", files, imagenet_preparation(32))
