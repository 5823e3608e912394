"""Recall, nDCG and shares of a search in several modalities."""

import numpy as np
import pandas as pd
import pytest

from gapbook.exceptions import PairsError
from gapbook.search_quality import (
    compare_searches,
    ranking_quality,
    search_quality,
    summarize_search,
)


@pytest.fixture
def search():
    """30 queries, 40 documents of two modalities, one to three answers a query."""
    rng = np.random.default_rng(0)
    relevant = {(query, int(d)) for query in range(30) for d in rng.integers(40, size=3)}
    modalities = rng.choice(["image", "text"], size=40)
    return {
        "queries": rng.standard_normal((30, 5)),
        "documents": rng.standard_normal((40, 5)),
        "relevant": np.array(sorted(relevant)),
        "modalities": modalities,
    }


def naive(search, query, modality, k):
    """Rank by sorting, and count one place after the other."""
    scores = search["documents"] @ search["queries"][query]
    order = np.argsort(-scores)[:k]
    answers = {
        d
        for q, d in search["relevant"]
        if q == query and modality in ("all", search["modalities"][d])
    }
    if not answers:
        return np.nan, np.nan
    dcg = sum(1 / np.log2(place + 2) for place, d in enumerate(order) if d in answers)
    best = sum(1 / np.log2(place + 2) for place in range(min(k, len(answers))))
    return len(answers & set(order.tolist())) / len(answers), dcg / best


@pytest.mark.parametrize("k", [1, 4, 40])
@pytest.mark.parametrize("modality", ["all", "image", "text"])
def test_recall_and_ndcg_are_those_of_a_sorted_list(search, k, modality):
    found = search_quality(**search, k=k)
    expected = [naive(search, query, modality, k) for query in found.index]
    got = found[[("recall", modality), ("ndcg", modality)]].to_numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_shares_are_those_of_the_first_k(search):
    found = search_quality(**search, k=7)
    for query in found.index:
        order = np.argsort(-search["documents"] @ search["queries"][query])[:7]
        share = np.mean(search["modalities"][order] == "image")
        assert found.loc[query, ("share", "image")] == pytest.approx(share)
    np.testing.assert_allclose(found["share"].sum(axis=1), 1)


def test_blocks_of_queries_change_nothing(search):
    in_blocks = search_quality(**search, scores_at_once=120)
    pd.testing.assert_frame_equal(in_blocks, search_quality(**search))


def test_scores_give_what_vectors_give(search):
    scores = search["queries"] @ search["documents"].T
    of_scores = ranking_quality(scores, search["relevant"], search["modalities"])
    pd.testing.assert_frame_equal(of_scores, search_quality(**search))


def test_hand_computed_ndcg():
    # answers in places 2 and 4 of 5: (1 / log2(3) + 1 / log2(5)) / (1 + 1 / log2(3))
    found = ranking_quality([[5.0, 4, 3, 2, 1]], [[0, 1], [0, 3]], k=5)
    expected = (1 / np.log2(3) + 1 / np.log2(5)) / (1 + 1 / np.log2(3))
    assert found.loc[0, ("ndcg", "all")] == pytest.approx(expected)
    assert found.loc[0, ("ndcg", "all")] == pytest.approx(0.650921, abs=1e-6)


def test_ties_are_the_mean_over_their_orders():
    # a tie of three for the places 2 to 4, of which two are among the first 3
    found = ranking_quality([[2.0, 1, 1, 1, 0]], [[0, 2]], ["a", "a", "b", "a", "a"], k=3)
    assert found.loc[0, ("recall", "all")] == pytest.approx(2 / 3)
    assert found.loc[0, ("ndcg", "all")] == pytest.approx((1 / np.log2(3) + 1 / 2) / 3)
    assert found.loc[0, ("share", "b")] == pytest.approx(2 / 9)


def test_a_tie_is_one_at_any_scale_of_scores():
    small = 1e-30 * np.array([[2.0, 1.0, 1.5]])
    found = ranking_quality(small, [[0, 1]], k=2)
    assert found.loc[0, ("recall", "all")] == 0


def test_queries_without_answers_are_left_out(search):
    relevant = search["relevant"][search["relevant"][:, 0] > 4]
    found = search_quality(**(search | {"relevant": relevant}))
    assert found.index.tolist() == list(range(5, 30))
    whole = search_quality(**search)
    pd.testing.assert_frame_equal(found, whole.loc[5:])


def test_a_summary_counts_the_queries_of_each_modality(search):
    found = search_quality(**search)
    table = summarize_search(found).set_index(["measure", "modality"])
    asked = {q for q, d in search["relevant"] if search["modalities"][d] == "image"}
    row = table.loc[("recall", "image")]
    assert row["queries"] == len(asked)
    assert row["mean"] == pytest.approx(np.nanmean(found["recall", "image"]))
    assert row["low"] < row["mean"] < row["high"]


def test_intervals_have_the_width_of_a_standard_error():
    hits = np.random.default_rng(3).random(400) < 0.3
    scores = np.where(hits[:, None], [[1.0, 0.0]], [[0.0, 1.0]])
    answers = np.stack([np.arange(400), np.zeros(400, int)], axis=1)
    row = summarize_search(ranking_quality(scores, answers, k=1)).iloc[0]
    error = hits.std() / 20
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_a_comparison_is_paired():
    # one query in ten is better after, and which ones are hard cancels
    hard = np.random.default_rng(1).random(200) < 0.5
    before = np.where(hard[:, None], [[0.0, 1.0]], [[1.0, 0.0]])
    after = before.copy()
    gained = np.flatnonzero(hard)[:20]
    after[gained] = [1.0, 0.0]
    answers = np.stack([np.arange(200), np.zeros(200, int)], axis=1)
    tables = [ranking_quality(scores, answers, k=1) for scores in (before, after)]
    row = compare_searches(*tables).iloc[0]
    assert row["change"] == pytest.approx(0.1)
    assert 0.05 < row["low"] < 0.075 < 0.125 < row["high"] < 0.15


def test_a_comparison_follows_its_seed(search):
    found = search_quality(**search)
    other = search_quality(**(search | {"queries": search["queries"] + 0.3}))
    first = compare_searches(found, other, seed=5)
    pd.testing.assert_frame_equal(first, compare_searches(found, other, seed=5))
    assert not first.equals(compare_searches(found, other, seed=6))


def test_a_comparison_of_other_queries_is_refused(search):
    found = search_quality(**search)
    with pytest.raises(PairsError, match="same queries"):
        compare_searches(found, found.iloc[1:])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"queries": [[1.0, 2.0]]}, "the same dimension; got 2 and 5"),
        ({"documents": np.zeros(5)}, "documents as an array of two dimensions"),
        ({"queries": np.full((30, 5), np.nan)}, "row 0 of queries"),
        ({"relevant": [[0, 40]]}, "document from 0 to 39; got 40"),
        ({"relevant": [[-1, 0]]}, "query from 0 to 29; got -1"),
        ({"relevant": np.zeros((0, 2), int)}, "a query and its document a row"),
        ({"relevant": [[0.5, 1.0]]}, "relevant as integers"),
        ({"modalities": ["image"]}, "40 modalities, one a document"),
        ({"modalities": ["all"] * 40}, "none of them 'all'"),
        ({"k": 41}, "k as an integer from 1 to 40"),
        ({"k": True}, "k as an integer from 1 to 40"),
    ],
)
def test_what_does_not_fit_is_refused(search, change, message):
    with pytest.raises(PairsError, match=message):
        search_quality(**(search | change))


def test_documents_that_are_left_out_might_as_well_not_be_there(search):
    left_out = [(query, 0) for query in range(30)]
    search["relevant"] = search["relevant"][search["relevant"][:, 1] > 0]
    found = search_quality(**search, k=7, exclude=left_out, scores_at_once=120)
    search["documents"] = search["documents"][1:]
    search["modalities"] = search["modalities"][1:]
    search["relevant"] = search["relevant"] - [0, 1]
    pd.testing.assert_frame_equal(found, search_quality(**search, k=7))


def test_a_query_cannot_show_more_documents_than_it_leaves(search):
    scores = np.eye(3)
    answers = [[0, 0], [1, 1], [2, 2]]
    ranking_quality(scores, answers, k=2, exclude=[[0, 1]])
    with pytest.raises(PairsError, match="k as an integer from 1 to 2, the documents; got 3"):
        ranking_quality(scores, answers, k=3, exclude=[[0, 1]])
    # Of a query without an answer nothing is measured.
    ranking_quality(scores, answers[1:], k=3, exclude=[[0, 1]])
