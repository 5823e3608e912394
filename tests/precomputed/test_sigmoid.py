"""The bundled embeddings and margins of the sigmoid models agree with their curves."""

import pytest

from gapbook.geometry import modality_gap, retrieval
from gapbook.landscape.sigmoid import threshold_margins
from gapbook.precomputed.glyphclip import SEEDS
from gapbook.precomputed.sigmoid import read_embeddings, read_margins
from gapbook.precomputed.training_curves import SIGMOID_LABELS, read_curves


def test_every_model_has_margins_on_both_parts() -> None:
    expected = {(t, s, part) for t in SIGMOID_LABELS for s in SEEDS for part in ("train", "test")}
    found = read_margins()[["tau_label", "seed", "part"]].itertuples(index=False, name=None)
    assert set(found) == expected


def test_gaps_and_thresholds_are_those_at_the_ends_of_the_curves() -> None:
    keys = ["tau_label", "seed"]
    curves = read_curves().query("variant == 'sigmoid' and epochs == 30 and epoch == 30")
    curves = curves.set_index(keys).sort_index()
    held_out = read_margins().query("part == 'test'").set_index(keys).sort_index()
    assert held_out["gap"].to_numpy() == pytest.approx(curves["gap"].to_numpy(), abs=2e-4)
    thresholds = (-curves["bias"] * curves["tau"]).to_numpy()
    assert held_out["threshold"].to_numpy() == pytest.approx(thresholds, rel=1e-3)


def test_bundled_embeddings_are_those_of_the_curve_and_of_the_margins() -> None:
    pairs = read_embeddings()
    stored = read_curves().query(
        "variant == 'sigmoid' and tau_label == 'learned' and seed == 0 and epoch == 30"
    )
    assert modality_gap(pairs.x, pairs.y) == pytest.approx(stored["gap"].item(), abs=1e-3)
    recall = retrieval(pairs.x, pairs.y, ks=[1]).set_index("direction")["recall"]
    assert recall["image_to_text"] == pytest.approx(stored["image_to_text_r1"].item(), abs=0.005)
    row = read_margins().query("tau_label == 'learned' and seed == 0 and part == 'test'").iloc[0]
    found = threshold_margins(pairs.x, pairs.y, row["threshold"])
    for measure in ("partners_above", "others_below", "best_accuracy"):
        assert found[measure] == pytest.approx(row[measure], abs=0.005)
