"""The authors' embeddings, bundled in half the bytes."""

import os
from pathlib import Path

import numpy as np
import pytest
import yaml
from helpers import npy, sha256
from local_site import serving

from gapbook.files import data_path
from gapbook.geometry import modality_gap, retrieval
from gapbook.pairs import PairedEmbeddings, load_pairs
from gapbook.precomputed.clip import original_pairs
from gapbook.press.paper import reported
from gapbook.published import registry

NAMES = [name for name, entry in registry().items() if "original" in entry]
# Entries are below 1, where neighbors among numbers of 16 bits are at most 2^-11 apart; the rows
# are brought to length 1 afterwards, which moves them once more.
ROUNDING = 2**-11
# The sha256 of each bundled file, as compared with the published one (which the last test repeats).
BUNDLED = {
    "clip-coco": "2103fe97d95f485694c300964cdfcc9f270bac455af3e1426b40e36bd5e8ad3a",
    "clip-coco-random": "1d8d6f628b26dc78235b85f2a4f9e274466ff3d1b34f41899caeae34c4684c43",
    "videoclip-msrvtt": "e61c7022b0746e305c50a17aab79b84baf0b32cedd11aa18b30066e8c0098e0d",
    "videoclip-msrvtt-random": "8a71b5584ce9a3550722aca6a238d61c7928f637088ae68e77da70da10d1e3a5",
}


def test_clip_and_videoclip_are_bundled_trained_and_untrained():
    models = {name.removesuffix("-random") for name in NAMES}
    assert models == {"clip-coco", "videoclip-msrvtt"}
    assert len(NAMES) == 4


@pytest.mark.parametrize("name", NAMES)
def test_a_bundled_source_loads_with_its_notice_beside_it(name):
    entry = registry()[name]
    pairs = load_pairs(name)
    assert pairs.x.shape == pairs.y.shape == tuple(entry["shape"][1:])
    assert pairs.license == "MIT"
    assert "Permission is hereby granted" in data_path("clip/LICENSE-MIT.txt").read_text()


@pytest.mark.parametrize("name", NAMES)
def test_a_bundled_file_is_the_one_that_was_made_of_the_published_one(name):
    assert sha256(data_path(registry()[name]["file"]).read_bytes()) == BUNDLED[name]


def recall_of_texts(pairs):
    """Return the share of images whose own text is the nearest one."""
    recall = retrieval(pairs.x, pairs.y, ks=[1]).set_index("direction").recall
    return recall["image_to_text"]


def test_bundled_pairs_give_what_the_authors_printed():
    untrained = load_pairs("clip-coco-random")
    printed = reported()["fig1.clip_random.i2t_r1"].value
    assert recall_of_texts(untrained) == pytest.approx(printed, abs=1e-9)
    # What they did not print, as the bundled numbers gave it when they were compared with theirs.
    trained = load_pairs("clip-coco")
    assert recall_of_texts(trained) == pytest.approx(0.552, abs=1e-9)
    assert modality_gap(trained.x, trained.y) == pytest.approx(0.8514, abs=1e-4)
    assert modality_gap(untrained.x, untrained.y) == pytest.approx(1.1361, abs=1e-4)


def test_an_original_is_the_registered_file_and_no_other(tmp_path, monkeypatch):
    published = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    with serving() as site:
        site.serve("features.npy", npy(published))
        original = {"url": site.url("features.npy"), "sha256": sha256(npy(published))}
        entries = tmp_path / "registry.yml"
        entries.write_text(yaml.safe_dump({"clip-coco": {"original": original}}))
        monkeypatch.setenv("GAPBOOK_REGISTRY", str(entries))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        assert np.array_equal(original_pairs("clip-coco", tmp_path / "here"), published)
        site.serve("features.npy", npy(published + 1))
        with pytest.raises(ValueError, match="hash of downloaded file"):
            original_pairs("clip-coco", tmp_path / "there")


@pytest.mark.parametrize("name", NAMES)
def test_bundled_rows_are_the_published_ones_but_for_rounding(name):
    file = Path(registry()[name]["original"]["url"]).name
    path = Path(os.environ.get("GAPBOOK_DATA", ""), file)
    if not path.is_file():
        pytest.skip(f"{file} is not in the folder that GAPBOOK_DATA names")
    published = PairedEmbeddings(*original_pairs(name, path.parent))
    bundled = load_pairs(name)
    np.testing.assert_allclose(bundled.x, published.x, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(bundled.y, published.y, rtol=0, atol=ROUNDING)
