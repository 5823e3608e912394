"""Paired tests against sums of binomials, closed forms and simulated coverage."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2, fisher_exact, t

from gapbook.exceptions import PairsError
from gapbook.zeroshot import holm, mcnemar, paired_p_values, paired_test

# ---- McNemar's test


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=80
    )
)
def test_mcnemar_is_a_sum_of_binomials(answers: list[tuple[int, int, int]]) -> None:
    before, after, labels = np.array(answers).T
    test = mcnemar(before, after, labels)
    gained = int(((before != labels) & (after == labels)).sum())
    lost = int(((before == labels) & (after != labels)).sum())
    changed = gained + lost
    tail = sum(math.comb(changed, i) for i in range(min(gained, lost) + 1)) / 2**changed
    assert (test.gained, test.lost) == (gained, lost)
    assert test.p == pytest.approx(min(1, 2 * tail))
    assert test.difference == pytest.approx((after == labels).mean() - (before == labels).mean())
    assert -1 <= test.low < test.high <= 1
    assert test.low - 1e-9 <= test.difference <= test.high + 1e-9


def test_pairing_sees_far_more_than_the_unpaired_test() -> None:
    """20 gained and 5 lost of 1,000; the unpaired test is chi-square by its formula."""
    labels = np.zeros(1000, int)
    before = np.zeros(1000, int)
    before[:300] = 1
    after = np.zeros(1000, int)
    after[20:305] = 1
    test = mcnemar(before, after, labels)
    assert (test.gained, test.lost) == (20, 5)
    statistic = 2000 * (700 * 285 - 300 * 715) ** 2 / (1000 * 1000 * 1415 * 585)
    assert test.p_unpaired == pytest.approx(chi2.sf(statistic, 1))
    assert test.p_unpaired > 0.4
    assert test.p_unpaired == pytest.approx(fisher_exact([[700, 300], [715, 285]]).pvalue, abs=0.06)
    assert test.p == pytest.approx(0.00408, abs=5e-6)
    assert 0 < test.low < 0.015 < test.high


def test_nothing_changed_is_no_evidence() -> None:
    answers = np.zeros(9, int)
    test = mcnemar(answers, answers, answers)
    assert (test.gained, test.lost, test.p, test.p_unpaired) == (0, 0, 1, 1)
    assert test.low < 0 < test.high


def test_the_interval_covers() -> None:
    """4,000 draws of 200 images, 8 % gained, 5 % lost: two standard errors are 0.7 points."""
    rng = np.random.default_rng(0)
    labels = np.zeros(200, int)
    inside = 0
    for _ in range(4000):
        u = rng.random(200)
        test = mcnemar(u < 0.08, (u >= 0.08) & (u < 0.13), labels)
        inside += test.low <= 0.03 <= test.high
    assert inside / 4000 == pytest.approx(0.95, abs=0.015)


@pytest.mark.parametrize(
    "lists", [([0, 1], [0], [0, 1]), ([], [], []), ([[0]], [[0]], [[0]])], ids=repr
)
def test_mcnemar_wants_three_lists_of_one_length(lists: tuple) -> None:
    with pytest.raises(PairsError, match="before, after and labels of one shape"):
        mcnemar(*lists)


# ---- from counts


@given(st.integers(1, 60), st.data())
def test_p_values_from_counts_cover_every_number_of_changes(n: int, data: st.DataObject) -> None:
    before = data.draw(st.integers(0, n))
    after = data.draw(st.integers(0, n))
    table = paired_p_values(before, after, n).set_index("changed")["p"]
    hits_twice = range(max(0, before + after - n), min(before, after) + 1)
    for both in hits_twice:
        lost = before - both
        gained = after - both
        expected = binomtest(lost, lost + gained).pvalue if lost + gained else 1
        assert table[lost + gained] == pytest.approx(expected, rel=1e-9)
    assert len(table) == len(hits_twice)
    assert (np.diff(table) > -1e-12).all()  # more changes, less evidence


def test_changes_in_one_direction_have_a_closed_form() -> None:
    assert paired_p_values(328, 285, 2085)["p"].iloc[0] == pytest.approx(2.0**-42, rel=1e-9)


def test_counts_beyond_the_number_of_items_are_refused() -> None:
    with pytest.raises(ValueError, match="counts between 0 and n; got 3 and 4 of 3"):
        paired_p_values(3, 4, 3)


# ---- groups


def test_groups_test_and_interval_are_those_of_their_means() -> None:
    """Four writers: as independent images the gains of one would pass, as writers they do not."""
    groups = np.repeat(np.arange(4), 50)
    before = np.zeros(200, int)
    after = np.where(groups == 0, 1, 0)
    labels = np.ones(200, int)
    test = paired_test(before, after, labels, groups)
    mean = 0.25  # of the groups' gains 1, 0, 0, 0
    error = 0.25
    assert test.difference == mean
    assert test.p == pytest.approx(2 * t.sf(mean / error, 3))
    assert test.p > 0.3
    half_width = t.isf(0.025, 3) * error
    assert (test.low, test.high) == pytest.approx((mean - half_width, mean + half_width))
    assert mcnemar(before, after, labels).p < 1e-9


def test_groups_of_one_image_give_mcnemars_test() -> None:
    rng = np.random.default_rng(0)
    before, after, labels = rng.integers(0, 2, (3, 40))
    assert paired_test(before, after, labels, np.arange(40)) == mcnemar(before, after, labels)


def test_groups_without_changes_are_no_evidence() -> None:
    answers = np.zeros(8, int)
    test = paired_test(answers, answers, answers, np.arange(8) // 2)
    assert (test.low, test.high, test.p) == (0, 0, 1)


def test_a_single_group_is_refused() -> None:
    with pytest.raises(PairsError, match="groups for 2 images, at least 2"):
        paired_test([0, 1], [1, 1], [1, 1], [0, 0])


# ---- several tests


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.sampled_from([0.01, 0.05, 0.5]))
def test_holm_is_step_down_bonferroni(p: list[float], alpha: float) -> None:
    """By its definition: from the smallest on, at alpha / tests left, up to the first failure."""
    rejected = set()
    for tests_done, i in enumerate(np.argsort(p, kind="stable")):
        if p[i] * (len(p) - tests_done) > alpha:
            break
        rejected.add(int(i))
    assert set(np.flatnonzero(holm(p) <= alpha)) == rejected
