"""What approximate indexes find of the exact ten."""

import sys

import numpy as np
import pytest

from gapbook.pairs import load_pairs
from gapbook.precomputed.__main__ import main
from gapbook.precomputed.approximate_search import (
    COLUMNS,
    EFFORTS_OF_CELLS,
    EFFORTS_OF_GRAPHS,
    QUERIES,
    SEEDS,
    at_one_length,
    read_approximate_search,
    recalls,
    searches,
    shares_found,
)


def test_the_stored_table_has_each_index_at_each_effort() -> None:
    table = read_approximate_search()
    assert table.columns.tolist() == COLUMNS
    efforts = table.groupby("index")["effort"].unique()
    assert tuple(efforts["HNSW"]) == EFFORTS_OF_GRAPHS
    assert tuple(efforts["IVF"]) == EFFORTS_OF_CELLS
    assert table["recall"].between(table["low"], table["high"]).all()
    assert table["recall"].between(table["least_seed"], table["most_seed"]).all()
    by_effort = table.pivot_table("recall", "effort", ["vectors", "index"])
    assert (by_effort.diff().fillna(0) >= -1e-9).all(axis=None)


def test_the_stored_recalls_are_those_of_today() -> None:
    pytest.importorskip("faiss")
    stored = read_approximate_search().set_index(["vectors", "index", "effort"])
    vectors, (queries, documents) = next(searches(load_pairs("clip-coco"), SEEDS[0]))
    for index, effort, shares in recalls(queries, documents, SEEDS[0]):
        of_case = stored.loc[(vectors, index, effort)]
        # Another version of FAISS may link and divide otherwise.
        assert of_case["least_seed"] - 0.05 < shares.mean() < of_case["most_seed"] + 0.05


def test_no_query_is_a_document_or_asked_by_two_seeds() -> None:
    pairs = load_pairs("clip-coco")
    asked = []
    for seed in SEEDS:
        _, (queries, documents) = next(searches(pairs, seed))
        assert len(queries) == QUERIES
        assert (queries @ documents.T).max() < 0.999
        asked.append(queries)
    assert len(np.unique(np.concatenate(asked), axis=0)) == len(SEEDS) * QUERIES


def test_one_length_keeps_the_order_of_documents() -> None:
    queries, documents = np.random.default_rng(0).standard_normal((2, 50, 4))
    asked, stored = at_one_length(queries, documents)
    np.testing.assert_allclose(np.linalg.norm(stored, axis=1), 1)
    np.testing.assert_array_equal(
        np.argsort(asked @ stored.T, axis=1), np.argsort(queries @ documents.T, axis=1)
    )


def test_shares_count_documents_not_places() -> None:
    found = np.array([[3, 1, 2], [7, -1, -1]])
    right = np.array([[1, 2, 3], [7, 8, 9]])
    np.testing.assert_allclose(shares_found(found, right), [1, 1 / 3])


def test_without_faiss_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    assert main(["approximate_search"]) == 2
    assert "pip install faiss-cpu" in capsys.readouterr().err
