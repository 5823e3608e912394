"""The gap of twins, by what is compared: encoders, faces or both."""

import numpy as np
import pytest
from helpers import few_glyphs

from gapbook.encoders import GlyphTwins
from gapbook.geometry import modality_gap
from gapbook.precomputed.training_curves import TWINS, read_curves
from gapbook.precomputed.twin_faces import COMPARISONS, gaps_by_faces, read_twin_faces
from gapbook.training import EPOCHS, embed_pairs


def test_twins_of_one_seed_differ_by_faces_alone_before_training() -> None:
    glyphs = few_glyphs(40)
    gaps = gaps_by_faces(GlyphTwins(0, same=True).eval(), glyphs)
    assert set(gaps) == set(COMPARISONS)
    assert gaps["two encoders, upright"] == pytest.approx(0, abs=1e-6)
    assert gaps["two encoders, oblique"] == pytest.approx(0, abs=1e-6)
    assert gaps["first encoder, two faces"] == gaps["second encoder, two faces"] > 0


def test_two_encoders_and_two_faces_are_what_training_measures() -> None:
    glyphs = few_glyphs(40)
    twins = GlyphTwins(0).eval()
    measured = gaps_by_faces(twins, glyphs)["two encoders, two faces"]
    assert measured == pytest.approx(modality_gap(*embed_pairs(twins, glyphs)), abs=1e-6)


def test_the_stored_gaps_are_those_of_the_stored_curves() -> None:
    table = read_twin_faces()
    assert set(table["variant"]) == set(TWINS)
    assert (table.groupby(["variant", "epochs", "seed"]).size() == len(COMPARISONS)).all()
    ends = read_curves().query("epoch == epochs").set_index(["variant", "epochs", "seed"])["gap"]
    whole = table[table["compared"] == "two encoders, two faces"]
    for run, gap in whole.set_index(["variant", "epochs", "seed"])["gap"].items():
        expected = ends.loc[run]
        assert np.allclose(gap, expected, atol=0.02), run
    assert (table[table["epochs"] == EPOCHS].groupby("variant")["seed"].nunique() == 3).all()
