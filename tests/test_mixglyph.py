"""MixGlyph: what its items are, and that no preference for a modality can win."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student_t

from gapbook import load_pairs, modality_gap
from gapbook.encoders import load_glyphclip
from gapbook.exceptions import FetchError, PairsError
from gapbook.glyphs import load_glyphs
from gapbook.mixglyph import (
    CEILING,
    METHODS,
    MixedItems,
    glyph_items,
    paired_items,
    run_mixed_search,
    summarize_models,
)
from gapbook.pairs import PairedEmbeddings
from gapbook.precomputed.glyphclip import SEEDS, TAUS
from gapbook.precomputed.serif import serif_embeddings


@pytest.fixture(scope="module")
def at_1_100():
    table = run_mixed_search(glyph_items(), halvings=4)
    return table.groupby("method").mean()


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def prefer(name):
    """Return a method that puts documents of one modality first, and then ranks by cosines."""

    def method(fit, test, coin):
        return METHODS["raw"](fit, test, coin) + 9 * (coin == name)

    return method


@pytest.mark.parametrize("name", TAUS)
def test_queries_are_what_the_bundled_model_says_of_serif_pictures(name):
    embedded = serif_embeddings(load_glyphclip(name))
    assert np.abs(embedded - glyph_items(name).queries).max() < 0.002


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", TAUS)
def test_rows_of_queries_and_documents_are_of_one_character(name, seed):
    items = glyph_items(name, seed)
    places = (items.queries @ items.documents["image"].T).argmax(axis=1)
    # about two thirds of the characters find their Sans picture first among 592
    assert np.mean(places == np.arange(len(items))) > 0.55


def test_documents_are_the_bundled_pairs_of_the_same_characters():
    items = glyph_items()
    serif = load_glyphs("DejaVuSerif").part("test")
    pairs = load_pairs("glyphclip")
    rows = [pairs.captions.index(name) for name in serif.names]
    np.testing.assert_allclose(items.documents["text"], np.asarray(pairs.y)[rows], atol=1e-6)


@pytest.mark.parametrize("preferred", ["image", "text"])
def test_a_preference_for_one_modality_is_right_for_half_of_the_queries(preferred):
    methods = {"preference": prefer(preferred), "pseudo": METHODS["pseudo-positives"]}
    table = run_mixed_search(glyph_items(), methods, halvings=4).groupby("method").mean()
    other = "text" if preferred == "image" else "image"
    assert table.loc["preference", f"ndcg_{other}"] < 0.02
    assert table.loc["preference", "ndcg"] < 0.5 < 0.6 < table.loc["pseudo", "ndcg"]


def test_at_a_wide_gap_the_scale_of_scores_matters_more_than_the_means(at_1_100):
    ndcg = at_1_100["ndcg"]
    assert at_1_100.loc["raw", "share_image"] > 0.99
    assert ndcg["raw"] < ndcg["centering"] < ndcg["rank fusion"] < ndcg["pseudo-positives"]
    assert ndcg["pseudo-positives"] > ndcg["centering"] + 0.1
    assert ndcg.idxmax() == CEILING


def test_rank_fusion_shows_both_modalities_alike(at_1_100):
    assert at_1_100.loc["rank fusion", "share_image"] == pytest.approx(0.5, abs=1e-9)


def test_the_corpus_holds_each_document_once(at_1_100):
    shares = at_1_100[["corpus_image", "corpus_text"]].iloc[0]
    assert shares.sum() == pytest.approx(1)
    assert 0.4 < shares["corpus_image"] < 0.6


def test_the_same_seed_gives_the_same_table():
    items = glyph_items("glyphclip-t10", 1)
    methods = {"raw": METHODS["raw"]}
    first = run_mixed_search(items, methods, halvings=1, seed=3)
    assert first.equals(run_mixed_search(items, methods, halvings=1, seed=3))
    assert not first.equals(run_mixed_search(items, methods, halvings=1, seed=4))


def test_one_scale_leaves_a_search_without_gap_as_it_is():
    # both modalities are the same rows: nothing is to be mended, so nothing may change
    rows = np.random.default_rng(0).standard_normal((80, 8))
    documents = rows + 0.02 * rows[::-1]
    items = MixedItems(unit(rows), {"image": unit(documents), "text": unit(documents)}, "image")
    table = run_mixed_search(items, halvings=2).groupby("method")["r1"].mean()
    for method in ("raw", "all scores", "pseudo-positives", CEILING):
        assert table[method] == 1


def test_a_blend_is_no_copy_and_its_partner_is_another():
    pairs = load_pairs("clip-coco")
    items = paired_items(pairs, "text")
    own = (items.documents["text"] * items.queries).sum(axis=1)
    assert 0.7 < own.min() < own.max() < 0.999
    np.testing.assert_allclose(items.documents["image"], np.asarray(pairs.x), atol=1e-6)
    as_images = paired_items(pairs, "image")
    np.testing.assert_allclose(as_images.queries, np.asarray(pairs.x), atol=1e-6)
    # blends have the gap of the modality that they are of, and a little more
    gap = modality_gap(items.documents["image"], items.documents["text"])
    assert gap == pytest.approx(modality_gap(pairs.x, pairs.y), abs=0.1)


def test_means_over_seeds_have_intervals_and_those_of_one_model_have_none():
    table = pd.DataFrame({"model": ["a"] * 6 + ["b"] * 2, "seed": [0, 0, 1, 1, 2, 2, 0, 0]})
    table["method"] = ["raw", "other"] * 4
    table["ndcg"] = [0.1, 0.3, 0.2, 0.4, 0.3, 0.8, 0.5, 0.4]
    rows = summarize_models(table, "ndcg").set_index(["model", "method"])
    other = rows.loc[("a", "other")]
    assert other["mean"] == pytest.approx(0.5)
    # changes of 0.2, 0.2 and 0.5
    assert other["change"] == pytest.approx(0.3)
    half = student_t.ppf(0.975, 2) * 0.1 * 3**0.5 / 3**0.5
    assert other["change_low"] == pytest.approx(0.3 - half)
    assert other["change_high"] == pytest.approx(0.3 + half)
    assert rows.loc[("a", "raw"), ["change", "change_low"]].tolist() == [0, 0]
    assert rows.loc[("b", "other"), "change"] == pytest.approx(-0.1)
    assert rows.loc[("b", "other"), ["low", "change_high"]].isna().all()


def test_bad_input_is_named_in_one_sentence():
    few = paired_items(PairedEmbeddings(np.eye(10), np.eye(10)))
    with pytest.raises(PairsError, match="at least 40 items and a halving; got 10 and 20"):
        run_mixed_search(few)
    with pytest.raises(PairsError, match="'image' or 'text'; got 'video'"):
        paired_items(load_pairs("clip-coco"), "video")
    with pytest.raises(PairsError, match="'glyphclip-init' has no Serif pictures"):
        glyph_items("glyphclip-init")
    with pytest.raises((PairsError, FetchError), match="seeds are 0, 1, 2"):
        glyph_items("glyphclip", 3)
