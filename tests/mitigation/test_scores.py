"""Scores of several modalities on one scale: against their definitions, written plainly."""

import numpy as np
import pytest
from helpers import unit
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from gapbook.exceptions import PairsError
from gapbook.mitigation import CSLS, QueryCenter, ScoreScaling, reciprocal_rank_fusion

EACH = [
    ScoreScaling("pseudo_positives"),
    ScoreScaling("all"),
    ScoreScaling("positives"),
    QueryCenter(),
    CSLS(k=4),
]
each = pytest.mark.parametrize("correction", EACH, ids=repr)
AFFINE = pytest.mark.parametrize("by", ["pseudo_positives", "all", "positives"])


def corpus(n: int = 40, d: int = 8, seed: int = 0) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Draw queries, and documents of two modalities, one of them in another cone."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, d))
    cone = np.random.default_rng(99).normal(size=d)
    queries = unit(shared + 0.3 * rng.normal(size=(n, d)) - cone).astype(np.float32)
    texts = unit(shared + 0.3 * rng.normal(size=(n, d)) - cone).astype(np.float32)
    images = unit(shared + 0.6 * rng.normal(size=(n, d)) + cone).astype(np.float32)
    return queries, {"image": images, "text": texts}


QUERIES, DOCUMENTS = corpus()
NEW_QUERIES, NEW_DOCUMENTS = corpus(seed=1)


def plain_scores(by: str, queries: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the scores that are standardized, as the definition says."""
    scores = queries.astype(float) @ rows.astype(float).T
    if by == "all":
        return scores.ravel()
    return scores.max(1) if by == "pseudo_positives" else np.diag(scores)


@AFFINE
def test_inner_products_are_standardized_scores(by: str) -> None:
    fitted = ScoreScaling(by).fit(QUERIES, DOCUMENTS)
    for modality, rows in DOCUMENTS.items():
        chosen = plain_scores(by, QUERIES, rows)
        expected = (NEW_QUERIES @ NEW_DOCUMENTS[modality].T - chosen.mean()) / chosen.std()
        stored = fitted.documents(NEW_DOCUMENTS[modality], modality)
        assert stored.shape == (40, 9)
        np.testing.assert_allclose(fitted.queries(NEW_QUERIES) @ stored.T, expected, atol=1e-4)
        np.testing.assert_allclose(fitted.scale_[modality], 1 / chosen.std(), rtol=1e-5)
        np.testing.assert_allclose(
            fitted.offset_[modality], -chosen.mean() / chosen.std(), rtol=1e-5, atol=1e-5
        )


@pytest.mark.parametrize("by", ["pseudo_positives", "all"])
def test_a_query_among_the_documents_is_not_compared_with_itself(by: str) -> None:
    """There are more rows than are compared at once: a query is elsewhere in each block."""
    queries, _ = corpus(n=700)
    fitted = ScoreScaling(by).fit(queries, {"text": queries})
    scores = queries.astype(float) @ queries.T.astype(float)
    np.fill_diagonal(scores, np.nan)
    chosen = np.nanmax(scores, 1) if by == "pseudo_positives" else scores
    assert fitted.scale_["text"] == pytest.approx(1 / np.nanstd(chosen), rel=1e-5)


def test_queries_themselves_have_no_positives() -> None:
    with pytest.raises(PairsError, match="text that are not the queries themselves"):
        ScoreScaling("positives").fit(QUERIES, {"text": QUERIES})


def test_scaling_brings_images_into_a_mixed_list_that_texts_filled() -> None:
    corpora = np.concatenate([NEW_DOCUMENTS["image"], NEW_DOCUMENTS["text"]])
    before = np.argsort(-(NEW_QUERIES @ corpora.T), 1)[:, :10] < 40
    fitted = ScoreScaling("all").fit(QUERIES, DOCUMENTS)
    stored = np.concatenate(
        [fitted.documents(NEW_DOCUMENTS[modality], modality) for modality in ("image", "text")]
    )
    after = np.argsort(-(fitted.queries(NEW_QUERIES) @ stored.T), 1)[:, :10] < 40
    assert before.mean() < 0.2
    assert 0.3 < after.mean() < 0.7


def test_query_center_has_three_means() -> None:
    fitted = QueryCenter().fit(QUERIES, DOCUMENTS)
    mean = QUERIES.astype(float).mean(0)
    np.testing.assert_allclose(fitted.queries(NEW_QUERIES), unit(NEW_QUERIES - mean), atol=1e-5)
    for modality, rows in DOCUMENTS.items():
        expected = unit(NEW_DOCUMENTS[modality] - rows.astype(float).mean(0))
        moved = fitted.documents(NEW_DOCUMENTS[modality], modality)
        np.testing.assert_allclose(moved, expected, atol=1e-5)


@given(k=st.integers(1, 39), seed=st.integers(0, 50))
@settings(max_examples=20)
def test_csls_is_its_definition_but_for_the_querys_own_term(k: int, seed: int) -> None:
    queries, documents = corpus(seed=seed)
    fitted = CSLS(k).fit(QUERIES, DOCUMENTS)
    rows = documents["image"]
    nearness = np.sort(rows.astype(float) @ QUERIES.T, 1)[:, -k:].mean(1)
    expected = 2 * queries.astype(float) @ rows.T - nearness
    scores = fitted.queries(queries) @ fitted.documents(rows, "image").T
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_a_document_that_is_a_query_is_not_its_own_neighbor_in_csls() -> None:
    fitted = CSLS(k=3).fit(QUERIES, {"text": QUERIES})
    cosines = QUERIES.astype(float) @ QUERIES.T
    np.fill_diagonal(cosines, -2)
    expected = np.sort(cosines, 1)[:, -3:].mean(1)
    np.testing.assert_allclose(-fitted.documents(QUERIES, "text")[:, -1], expected, atol=1e-5)


@each
def test_one_vector_becomes_one_vector_as_among_others(correction) -> None:
    fitted = clone(correction).fit(QUERIES, DOCUMENTS)
    query = fitted.queries(NEW_QUERIES[3])
    np.testing.assert_allclose(query, fitted.queries(NEW_QUERIES)[3], atol=1e-6)
    document = fitted.documents(NEW_DOCUMENTS["image"][3].tolist(), "image")
    expected = fitted.documents(NEW_DOCUMENTS["image"], "image")[3]
    np.testing.assert_allclose(document, expected, atol=1e-5)


@each
def test_rows_without_direction_are_named_or_zeros(correction) -> None:
    fitted = clone(correction).fit(QUERIES, DOCUMENTS)
    rows = NEW_QUERIES.copy()
    rows[7] = 0
    with pytest.raises(PairsError, match=r"1 of 40 rows of queries.*row 7"):
        fitted.queries(rows)
    assert (~fitted.queries(rows, skip=True).any(1)).nonzero()[0].tolist() == [7]
    assert (~fitted.documents(rows, "text", skip=True).any(1)).nonzero()[0].tolist() == [7]


@each
def test_what_cannot_be_fitted_or_used_is_named(correction) -> None:
    with pytest.raises(NotFittedError):
        clone(correction).queries(QUERIES)
    fitted = clone(correction).fit(QUERIES, DOCUMENTS)
    with pytest.raises(PairsError, match="of 8 dimensions, as in fit; got 7"):
        fitted.queries(QUERIES[:, :7])
    with pytest.raises(PairsError, match="'txt': did you mean 'text'"):
        fitted.documents(QUERIES, "txt")
    with pytest.raises(PairsError, match=r"of the queries' 8 dimensions; got 7"):
        clone(correction).fit(QUERIES, {"image": DOCUMENTS["image"][:, :7]})
    with pytest.raises(PairsError, match="a dict of arrays by modality"):
        clone(correction).fit(QUERIES, DOCUMENTS["image"])


@pytest.mark.parametrize(
    ("correction", "message"),
    [
        (ScoreScaling("some"), "Expected by as one of"),
        (CSLS(k=40), "k as an integer from 1 to 39; got 40"),
        (CSLS(k=True), "k as an integer"),
    ],
    ids=repr,
)
def test_bad_parameters_are_named(correction, message: str) -> None:
    with pytest.raises(PairsError, match=message):
        correction.fit(QUERIES, DOCUMENTS)


def test_scores_that_are_all_alike_have_no_scale() -> None:
    rows = np.eye(4)
    with pytest.raises(PairsError, match="scores of modality b that differ"):
        ScoreScaling("positives").fit(rows, {"b": -rows})


def test_rank_fusion_adds_reciprocal_ranks() -> None:
    fused = dict(reciprocal_rank_fusion([["a", "b", "c"], ["c", "a"]], c=1))
    assert fused == pytest.approx({"a": 1 / 2 + 1 / 3, "c": 1 / 4 + 1 / 2, "b": 1 / 3})
    assert list(fused) == ["a", "c", "b"]


def test_rank_fusion_of_lists_without_common_documents_takes_turns() -> None:
    fused = reciprocal_rank_fusion([["x1", "x2"], ["y1", "y2", "y3"]])
    assert [document for document, _ in fused] == ["x1", "y1", "x2", "y2", "y3"]


def test_rank_fusion_refuses_a_document_twice_in_a_list() -> None:
    with pytest.raises(PairsError, match="each document once"):
        reciprocal_rank_fusion([["a", "a"]])
    with pytest.raises(PairsError, match="c as a finite number from 0"):
        reciprocal_rank_fusion([["a"]], c=-1)


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("by", ["all", "pseudo_positives"])
def test_queries_and_documents_without_partners_may_be_more_or_fewer(by, paired) -> None:
    documents = {"image": DOCUMENTS["image"], "text": DOCUMENTS["text"][:23]}
    scaling = ScoreScaling(by).fit(QUERIES[:9], documents, paired=paired)
    for modality, rows in documents.items():
        scores = plain_scores(by, QUERIES[:9], rows)
        assert scaling.scale_[modality] == pytest.approx(1 / scores.std(), rel=1e-5)
        offset = -scores.mean() / scores.std()
        assert scaling.offset_[modality] == pytest.approx(offset, rel=1e-5)


def test_centers_and_neighbors_need_no_partners() -> None:
    documents = {"image": DOCUMENTS["image"], "text": DOCUMENTS["text"][:23]}
    center = QueryCenter().fit(QUERIES[:9], documents)
    np.testing.assert_allclose(center.means_["text"], documents["text"].mean(0), atol=1e-6)
    csls = CSLS(k=4).fit(QUERIES[:9], documents)
    nearness = np.sort(documents["text"] @ QUERIES[:9].T, axis=1)[:, -4:].mean(1)
    np.testing.assert_allclose(csls.documents(documents["text"], "text")[:, -1], -nearness, 1e-5)


def test_a_scale_is_of_all_scores_unless_it_is_said_otherwise() -> None:
    assert ScoreScaling().by == "all"


def test_positives_need_partners() -> None:
    assert ScoreScaling("positives").needs_partners
    assert not any(
        each.needs_partners for each in EACH if each.get_params().get("by") != "positives"
    )
    with pytest.raises(PairsError, match="for by='positives'"):
        ScoreScaling("positives").fit(QUERIES, DOCUMENTS, paired=False)
    with pytest.raises(PairsError, match=r"queries' shape \(40, 8\), .* which need no partners"):
        ScoreScaling("positives").fit(QUERIES, {"image": DOCUMENTS["image"][:-1]})
