"""The bundled models: what they reach, and that history, embeddings and epochs agree."""

import pytest

from gapbook import load_pairs, modality_gap, retrieval
from gapbook.precomputed.glyphclip import SEEDS, TAUS, read_frames, read_history


@pytest.mark.parametrize("seed", SEEDS)
def test_bundled_models_reach_what_the_book_promises(seed: int) -> None:
    gaps = {}
    for name in [*TAUS, "glyphclip-init"]:
        pairs = load_pairs(name, seed=seed)
        gaps[name] = modality_gap(pairs.x, pairs.y)
        if name != "glyphclip-init":
            recall = retrieval(pairs.x, pairs.y).set_index("k")["recall"]
            assert recall[1].min() >= 0.19, name
            assert recall[10].min() >= 0.59, name
    assert gaps["glyphclip-init"] >= 1.1
    assert gaps["glyphclip"] >= 0.6
    assert gaps["glyphclip-t10"] <= 0.15


@pytest.mark.parametrize("name", TAUS)
@pytest.mark.parametrize("seed", SEEDS)
def test_history_ends_where_the_embeddings_are(name: str, seed: int) -> None:
    history = read_history().query("model == @name and seed == @seed")
    pairs = load_pairs(name, seed=seed)
    last = history.iloc[-1]
    assert last["gap"] == pytest.approx(modality_gap(pairs.x, pairs.y), abs=1e-3)
    recall = retrieval(pairs.x, pairs.y, ks=(10,)).set_index("direction")["recall"]
    assert last["image_to_text_r10"] == pytest.approx(recall["image_to_text"], abs=0.003)
    if TAUS[name] is not None:
        assert history["tau"].to_numpy() == pytest.approx(TAUS[name], rel=1e-4)


def test_the_last_frame_is_of_the_trained_model() -> None:
    frames = read_frames()
    final = read_history().query("model == 'glyphclip' and seed == 0").iloc[-1]
    last = frames[final["epoch"]]
    # 150 of the 1,072 held-out pairs.
    assert modality_gap(last.x, last.y) == pytest.approx(final["gap"], abs=0.08)
    assert last.captions is not None
    assert set(last.captions) <= set(load_pairs("glyphclip").captions or ())
