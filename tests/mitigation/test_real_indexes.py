"""Real indexes hold corrected vectors: each returns the same ten documents as brute force."""

import numpy as np
import pytest

from gapbook.mitigation.fixes import fix_by_name
from gapbook.mitigation.scores import ScoreCorrection
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
