"""Letters of eight scripts and symbols, as models see them."""

import numpy as np
import pytest

from gapbook import gap_vector, load_glyphs, load_pairs
from gapbook.bias import LETTER_LABELS, embed_letters, letters_of_pairs, script_or_symbol
from gapbook.encoders import load_glyphclip
from gapbook.zeroshot import shifted_predictions


@pytest.fixture(scope="module")
def letters():
    return letters_of_pairs(load_pairs("glyphclip-t10"))


def test_characters_are_sorted_by_name_and_category():
    glyphs = load_glyphs().part("test")
    kinds = dict(zip(glyphs.names, script_or_symbol(glyphs), strict=True))
    assert set(kinds.values()) == {*LETTER_LABELS, ""}
    for name, kind in kinds.items():
        if kind not in ("SYMBOL", ""):
            assert name.startswith(kind)
    assert {kinds[name] for name in kinds if "ARROW" in name.split()} <= {"SYMBOL", ""}


def test_letters_of_pairs_have_the_mean_names_of_their_classes(letters):
    pairs = load_pairs("glyphclip-t10")
    kinds = script_or_symbol(load_glyphs().part("test"))
    greek = LETTER_LABELS.index("GREEK")
    np.testing.assert_allclose(letters.texts[greek], pairs.y[kinds == "GREEK"].mean(0))
    np.testing.assert_allclose(letters.gap, gap_vector(pairs.x, pairs.y))
    assert len(letters.images) == len(letters.scripts) == np.isin(kinds, LETTER_LABELS[:-1]).sum()


def test_components_along_the_gap_are_those_of_unit_texts(letters):
    unit = letters.texts / np.linalg.norm(letters.texts, axis=1, keepdims=True)
    gap = letters.gap / np.linalg.norm(letters.gap)
    np.testing.assert_allclose(letters.along_gap(), unit @ gap)


def test_a_shift_moves_the_rate_of_symbol_to_the_side_of_its_component(letters):
    wide, unmoved = shifted_predictions(
        letters.images, letters.texts, [-1, 0], "images", letters.gap
    )
    change = (wide == len(LETTER_LABELS) - 1).sum() - (unmoved == len(LETTER_LABELS) - 1).sum()
    q = letters.along_gap()
    assert np.sign(change) == np.sign(q[-1] - q[:-1].mean()) != 0


def test_embedded_letters_are_those_of_the_bundled_pairs(letters):
    embedded = embed_letters(load_glyphclip("glyphclip-t10"))
    assert (embedded.scripts == letters.scripts).all()
    np.testing.assert_allclose(embedded.images, letters.images, atol=0.01)
    assert np.corrcoef(embedded.along_gap(), letters.along_gap())[0, 1] > 0.9
