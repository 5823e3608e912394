"""Real indexes hold corrected vectors: each returns the same ten documents as brute force."""

import numpy as np
import pytest

from gapbook.mitigation.fixes import fix_by_name
from gapbook.mitigation.scores import ScoreCorrection, ScoreScaling
from gapbook.pairs import load_pairs

K = 10
QUERIES = 40


@pytest.fixture(
    scope="module",
    params=["Center", "NearestNeighborNormalization", "ScoreScaling", "QueryCenter", "CSLS"],
)
def corpus(request):
    """Corrected queries and documents of the authors' CLIP pairs: texts ask, images answer.

    Corrections of scores have the texts among the documents too.
    """
    pairs = load_pairs("clip-coco")
    half = len(pairs) // 2
    correction = fix_by_name(request.param)
    if isinstance(correction, ScoreCorrection):
        correction.fit(pairs.y[:half], {"image": pairs.x[:half], "text": pairs.y[:half]})
        images = correction.documents(pairs.x[half:], "image")
        texts = correction.documents(pairs.y[half:], "text")
        queries = correction.queries(pairs.y[half:])[:QUERIES]
        return queries, np.concatenate([images, texts])
    correction.fit(pairs.x[:half], pairs.y[:half])
    return correction.transform_y(pairs.y[half:])[:QUERIES], correction.transform_x(pairs.x[half:])


def require_same(corpus, found):
    """Compare ids with brute force; documents whose scores tie to rounding may change places."""
    queries, documents = corpus
    scores = queries.astype(float) @ documents.T.astype(float)
    best = np.sort(scores, axis=1)[:, ::-1][:, :K]
    got = np.take_along_axis(scores, np.asarray(found), axis=1)
    tolerance = 1e-5 * np.abs(scores).max()
    np.testing.assert_allclose(got, best, atol=tolerance)
    assert all(len(set(ids)) == K for ids in np.asarray(found).tolist())


def test_faiss(corpus) -> None:
    import faiss

    queries, documents = corpus
    index = faiss.IndexFlatIP(documents.shape[1])
    index.add(documents)
    require_same(corpus, index.search(queries, K)[1])


def test_hnswlib(corpus) -> None:
    # It comes as source alone, which needs a compiler.
    hnswlib = pytest.importorskip("hnswlib")

    queries, documents = corpus
    index = hnswlib.Index(space="ip", dim=documents.shape[1])
    index.init_index(max_elements=len(documents), ef_construction=400, M=48, random_seed=0)
    index.set_num_threads(1)
    index.add_items(documents)
    index.set_ef(len(documents))
    require_same(corpus, index.knn_query(queries, k=K)[0].astype(int))


def test_qdrant_in_its_local_mode(corpus) -> None:
    from qdrant_client import QdrantClient, models

    queries, documents = corpus
    client = QdrantClient(":memory:")
    client.create_collection(
        "documents",
        vectors_config=models.VectorParams(size=documents.shape[1], distance=models.Distance.DOT),
    )
    points = [
        models.PointStruct(id=number, vector=row.tolist()) for number, row in enumerate(documents)
    ]
    client.upsert("documents", points)
    found = [
        [point.id for point in client.query_points("documents", query.tolist(), limit=K).points]
        for query in queries
    ]
    require_same(corpus, found)


def blends(rows, copies=9):
    """Return unit rows, and means of each with others: a corpus ten times as large."""
    rng = np.random.default_rng(0)
    mixed = [rows]
    for _ in range(copies):
        both = rows + rows[rng.permutation(len(rows))]
        mixed.append(both / np.linalg.norm(both, axis=1, keepdims=True))
    return np.concatenate(mixed)


@pytest.fixture(scope="module")
def scaled():
    """A scale by all scores, text queries that it has not seen, and 2,500 documents a modality."""
    pairs = load_pairs("clip-coco")
    half = len(pairs) // 2
    scaling = ScoreScaling(by="all")
    scaling.fit(pairs.y[:half], {"image": pairs.x[:half], "text": pairs.y[:half]})
    documents = {"image": blends(pairs.x[half:]), "text": blends(pairs.y[half:])}
    return scaling, pairs.y[half:][:QUERIES], documents


def one_index(scaled):
    """Return the queries and the documents of both modalities on one scale."""
    scaling, queries, documents = scaled
    stored = [scaling.documents(rows, modality) for modality, rows in documents.items()]
    return scaling.queries(queries), np.concatenate(stored)


def one_length(scaled):
    """Return them at unit length, with one more dimension that keeps the order of documents."""
    queries, stored = one_index(scaled)
    squares = (stored.astype(float) ** 2).sum(axis=1)
    rest = np.sqrt(np.clip(squares.max() - squares, 0, None))
    asked = np.column_stack([queries, np.zeros(len(queries))])
    rows = [asked, np.column_stack([stored, rest])]
    units = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in rows]
    return tuple(side.astype(np.float32) for side in units)


def test_two_searches_whose_scores_are_scaled_afterwards_are_one_index(scaled) -> None:
    import faiss

    scaling, queries, documents = scaled
    scores = []
    ids = []
    start = 0
    for modality, rows in documents.items():
        index = faiss.IndexFlatIP(rows.shape[1])
        index.add(rows)
        cosines, places = index.search(queries, K)
        scores.append(cosines * scaling.scale_[modality] + scaling.offset_[modality])
        ids.append(places + start)
        start += len(rows)
    order = np.argsort(-np.concatenate(scores, axis=1), axis=1)[:, :K]
    merged = np.take_along_axis(np.concatenate(ids, axis=1), order, axis=1)
    require_same(one_index(scaled), merged)


def test_one_more_number_makes_one_length_which_cosines_rank_alike(scaled) -> None:
    import faiss

    asked, of_one_length = one_length(scaled)
    index = faiss.IndexFlatIP(of_one_length.shape[1])
    index.add(of_one_length)
    require_same(one_index(scaled), index.search(asked, K)[1])


def recall_of_a_graph(queries, documents, effort):
    """Return which share of the ten nearest a graph of inner products finds."""
    import faiss

    exact = faiss.IndexFlatIP(documents.shape[1])
    exact.add(documents)
    graph = faiss.IndexHNSWFlat(documents.shape[1], 32, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = 100
    graph.hnsw.efSearch = effort
    graph.add(documents)
    both = zip(graph.search(queries, K)[1], exact.search(queries, K)[1], strict=True)
    return np.mean([len(set(found) & set(right)) / K for found, right in both])


def test_a_graph_needs_more_effort_on_one_scale(scaled) -> None:
    _, queries, documents = scaled
    raw = np.concatenate(list(documents.values()))
    assert recall_of_a_graph(queries, raw, 64) > 0.98
    assert 0.7 < recall_of_a_graph(*one_index(scaled), 64) < 0.95
    assert recall_of_a_graph(*one_index(scaled), 1024) > 0.98
    assert 0.7 < recall_of_a_graph(*one_length(scaled), 64) < 0.95
    assert recall_of_a_graph(*one_length(scaled), 1024) > 0.98


def test_cells_find_on_one_scale_nearly_what_they_found_before(scaled) -> None:
    import faiss

    queries, stored = one_index(scaled)
    exact = faiss.IndexFlatIP(stored.shape[1])
    exact.add(stored)
    cells = faiss.IndexIVFFlat(
        faiss.IndexFlatIP(stored.shape[1]), stored.shape[1], 50, faiss.METRIC_INNER_PRODUCT
    )
    cells.train(stored)
    cells.add(stored)
    cells.nprobe = 20
    both = zip(cells.search(queries, K)[1], exact.search(queries, K)[1], strict=True)
    assert np.mean([len(set(found) & set(right)) / K for found, right in both]) > 0.93
