"""What a report says of images with several captions each."""

import numpy as np
import pytest

from gapbook.exceptions import PairsError
from gapbook.geometry import mmd
from gapbook.geometry.table import measure
from gapbook.mitigation.evaluation import mixed_search
from gapbook.pairs import PairedEmbeddings
from gapbook.report.compare import compare_pairs
from gapbook.report.findings import is_at_chance, share_of_other_modality, zero_of_scores
from gapbook.report.model import report_on
from gapbook.report.recommend import compare_mitigations, draw_pairs


def captioned(n=40, k=5, noise=1.0, seed=0):
    """Draw n images with k captions each."""
    rng = np.random.default_rng(seed)
    images = rng.standard_normal((n, 12))
    captions = images[:, None] + noise * rng.standard_normal((n, k, 12))
    return PairedEmbeddings.from_groups(images + 1, captions - 1)


@pytest.fixture(scope="module")
def pairs():
    return captioned()


@pytest.fixture(scope="module")
def measured(pairs):
    return measure(pairs, replicates=20)


def test_the_zero_of_scores_leaves_out_all_captions_of_an_image(pairs, measured):
    cosines = pairs.x.astype(float) @ pairs.y.T
    other = pairs.groups[:, None] != pairs.groups
    assert zero_of_scores(measured.table) == pytest.approx(cosines[other].mean(), abs=1e-6)


def test_the_share_of_the_other_modality_is_that_of_groups(pairs):
    expected = mixed_search(pairs.x, pairs.y, 10, pairs.groups)["other"].mean()
    assert share_of_other_modality(pairs) == expected
    few = pairs.subset(np.arange(8))
    assert share_of_other_modality(few) is None


def test_a_draw_of_pairs_holds_whole_groups(pairs):
    drawn = draw_pairs(pairs, 52, seed=1)
    assert len(drawn) == 50
    assert set(np.bincount(drawn.groups)) == {5}
    assert draw_pairs(pairs, 200, seed=1) is pairs


def test_mitigations_are_compared_on_enough_groups():
    few = captioned(20)
    with pytest.raises(PairsError, match="Expected at least 32 groups; got 20"):
        compare_mitigations(few)


def test_a_report_compares_mitigations_by_groups_and_the_rest_pair_by_pair(pairs, measured):
    report = report_on(measured, "captioned", tau=0.05, splits=3)
    before = report.recommendations.set_index("use")["before"]
    by_row = report_on(measure(PairedEmbeddings(pairs.x, pairs.y), replicates=2), "rows", splits=3)
    search = "search of one modality by the other (recall at 1)"
    # Copies of images tie, and no more than one of five captions would be right.
    assert before[search] > by_row.recommendations.set_index("use")["before"][search] + 0.1
    assert len(report.measured.pairs) == 40
    single = pairs.one_of_each_group()
    assert report.value("mmd") == pytest.approx(mmd(single.x, single.y))
    assert "the same 40 pairs" not in " ".join(report.notes)


def test_unrelated_groups_are_at_chance():
    rng = np.random.default_rng(0)
    unrelated = PairedEmbeddings.from_groups(
        rng.standard_normal((60, 12)), rng.standard_normal((60, 5, 12))
    )
    assert is_at_chance(measure(unrelated, replicates=2).table)
    assert not is_at_chance(measure(captioned(60), replicates=2).table)


def test_before_and_after_are_compared_on_the_first_pair_of_each_group(pairs):
    moved = PairedEmbeddings(pairs.x + 0.1, pairs.y - 0.1, groups=pairs.groups)
    comparison = compare_pairs(pairs, moved, replicates=20)
    single = [side.one_of_each_group() for side in (pairs, moved)]
    assert comparison.table.equals(compare_pairs(*single, replicates=20).table)
    assert "the first is compared" in comparison.notes[-1]
