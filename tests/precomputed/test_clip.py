"""The authors' embeddings, bundled in half the bytes."""

import os
from pathlib import Path

import numpy as np
import pytest

from gapbook.files import data_path
from gapbook.pairs import PairedEmbeddings, load_pairs
from gapbook.precomputed.clip import original_pairs
from gapbook.published import registry

NAMES = [name for name, entry in registry().items() if "original" in entry]
# Entries are below 1, where neighbors among numbers of 16 bits are at most 2^-11 apart; the rows
# are brought to length 1 afterwards, which moves them once more.
ROUNDING = 2**-11


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
def test_bundled_rows_are_the_published_ones_but_for_rounding(name):
    file = Path(registry()[name]["original"]["url"]).name
    path = Path(os.environ.get("GAPBOOK_DATA", ""), file)
    if not path.is_file():
        pytest.skip(f"{file} is not in the folder that GAPBOOK_DATA names")
    published = PairedEmbeddings(*original_pairs(name, path.parent))
    bundled = load_pairs(name)
    np.testing.assert_allclose(bundled.x, published.x, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(bundled.y, published.y, rtol=0, atol=ROUNDING)
