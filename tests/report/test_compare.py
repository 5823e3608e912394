"""Measures of the same pairs before and after a change."""

import numpy as np
import pytest

from gapbook.exceptions import PairsError
from gapbook.geometry import gap_report
from gapbook.pairs import PairedEmbeddings
from gapbook.report.compare import EXTRA, compare_pairs, printed_comparison
from gapbook.report.findings import share_of_other_modality
from gapbook.report.thresholds import threshold_table


@pytest.fixture(scope="module")
def centered(pairs):
    return PairedEmbeddings(pairs.x - pairs.x.mean(0), pairs.y - pairs.y.mean(0))


@pytest.fixture(scope="module")
def comparison(pairs, centered):
    return compare_pairs(pairs, centered, replicates=300)


def test_both_sides_are_those_of_a_report_and_the_change_is_their_difference(
    pairs, centered, comparison
):
    table = comparison.table.set_index("metric")
    for column, side in (("before", pairs), ("after", centered)):
        report = gap_report(side, replicates=2).set_index("metric")["value"]
        expected = report.drop(["n_pairs", "n_sampled"])
        assert set(table.index) == set(expected.index) | set(EXTRA)
        np.testing.assert_allclose(table[column][expected.index].astype(float), expected)
        assert table[column]["mixed_share_of_other"] == pytest.approx(
            share_of_other_modality(side), abs=1e-6
        )
        kept = threshold_table(side.x, side.y, [0.01])["kept"][0]
        assert table[column]["kept_at_1_percent_false"] == kept
    np.testing.assert_allclose(table["change"], table["after"] - table["before"])


def test_intervals_hold_the_change_and_words_go_by_them(comparison):
    table = comparison.table.set_index("metric")
    known = table[table["low"].notna()]
    assert {"modality_gap", "r1_image_to_text", *EXTRA} <= set(known.index)
    assert (known["low"] <= known["change"]).all()
    assert (known["change"] <= known["high"]).all()
    assert table["words"]["modality_gap"] == "lower"
    assert table["words"]["mixed_share_of_other"] == "higher"
    assert table["words"]["mixed_recall_at_10"] == "better"
    assert table["words"]["hubness_image_to_text"] == ""


def test_redraws_take_the_same_pairs_on_both_sides(pairs):
    """A rotation of both sides changes nothing: neither do its redraws."""
    rotation, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((pairs.x.shape[1],) * 2))
    rotated = PairedEmbeddings(pairs.x @ rotation, pairs.y @ rotation)
    table = compare_pairs(pairs, rotated, replicates=50).table.set_index("metric")
    for name in ("modality_gap", "cosine_paired", "r5_image_to_text", "mixed_recall_at_10"):
        assert abs(table["low"][name]) < 1e-5
        assert abs(table["high"][name]) < 1e-5


def test_intervals_are_as_narrow_as_paired_differences_allow():
    """Pairs differ a lot in their cosines, and all change by nearly the same."""
    rng = np.random.default_rng(0)
    angles = rng.uniform(0.2, 1.2, 400)
    shifted = angles + rng.normal(0.1, 0.01, 400)
    x = np.column_stack([np.ones(400), np.zeros(400)])
    before = PairedEmbeddings(x, np.column_stack([np.cos(angles), np.sin(angles)]))
    after = PairedEmbeddings(x, np.column_stack([np.cos(shifted), np.sin(shifted)]))
    row = compare_pairs(before, after).table.set_index("metric").loc["cosine_paired"]
    differences = np.cos(shifted) - np.cos(angles)
    expected = 2 * 1.96 * differences.std() / 20
    assert row["high"] - row["low"] == pytest.approx(expected, rel=0.15)


def test_other_numbers_of_pairs_have_no_interval_and_one_sentence(pairs):
    fewer = pairs.subset(slice(0, 60))
    comparison = compare_pairs(pairs, fewer)
    assert comparison.table["low"].isna().all()
    assert len(comparison.notes) == 1
    assert comparison.notes[0].startswith("There are 120 pairs before and 60 after: ")


def test_few_pairs_are_compared_without_one_index(pairs):
    few = pairs.subset(slice(0, 4))
    names = set(compare_pairs(few, few, replicates=20).table["metric"])
    assert "modality_gap" in names
    assert "mixed_share_of_other" not in names


def test_changes_are_printed_with_their_sign(comparison):
    printed = printed_comparison(comparison.table).set_index("measure")
    gap = printed.loc["Modality gap"]
    assert gap["change"].startswith("-")
    assert printed.loc["Recall at 10 in one index of both", "change"].startswith("+")
    assert printed.loc["Dimension", "95 % interval"] == ""


def test_swapped_sides_are_refused_and_other_names_are_told(pairs):
    swapped = PairedEmbeddings(pairs.y, pairs.x, pairs.modalities[::-1])
    with pytest.raises(PairsError, match=r"text and image after: swap x and y of one of them"):
        compare_pairs(pairs, swapped, replicates=2)
    renamed = PairedEmbeddings(pairs.x, pairs.y, ("photo", "caption"))
    notes = compare_pairs(pairs, renamed, replicates=2).notes
    assert notes[0] == (
        "x and y are named image and text before and photo and caption after; the names before "
        "are used."
    )


def test_one_dimension_more_is_said_to_be_for_inner_products(pairs):
    ones = np.ones((len(pairs.x), 1))
    scaled = PairedEmbeddings(np.hstack([pairs.x, ones]), np.hstack([pairs.y, -ones]))
    notes = compare_pairs(pairs, scaled, replicates=20).notes
    assert any("one dimension more" in note and "gapbook judge" in note for note in notes)
    same = compare_pairs(pairs, pairs, replicates=20).notes
    assert not any("one dimension more" in note for note in same)
