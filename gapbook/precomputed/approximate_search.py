"""What approximate indexes find of the exact ten, raw and on one scale.

``main`` measures graphs (HNSW) and cells (IVF) of FAISS and writes ``data/approximate_search.csv``.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from gapbook.exceptions import MissingPackageError
from gapbook.files import data_path, write_whole
from gapbook.geometry import t_interval
from gapbook.mitigation.scores import ScoreScaling
from gapbook.pairs import PairedEmbeddings, load_pairs
from gapbook.precomputed.tables import to_csv

SEEDS = (0, 1, 2)
K = 10
# Each seed asks other queries, so three seeds need three times as many pairs.
QUERIES = 100
# Tens of pairs learn a scale nearly as well as hundreds.
PAIRS_TO_LEARN = 150
DOCUMENTS_BEFORE_BLENDS = 250
# A corpus ten times as large as the documents that it is blended from.
BLENDS = 9
# Twice the usual effort of FAISS, so that the graph is sound and only the search is tried.
LINKS = 32
EFFORT_OF_CONSTRUCTION = 200
# From FAISS's own 16 upward.
EFFORTS_OF_GRAPHS = (16, 64, 256, 1024)
# About a hundred documents a cell.
CELLS = 50
EFFORTS_OF_CELLS = (1, 4, 16)
COLUMNS = ["vectors", "index", "effort", "recall", "low", "high", "least_seed", "most_seed"]


def read_approximate_search() -> pd.DataFrame:
    """Read the stored recalls.

    Returns
    -------
    pandas.DataFrame
        Columns vectors ("raw", "one scale" or "one length"), index ("HNSW" or "IVF"), effort
        (efSearch or nprobe), recall (the share of the exact ten, a mean over queries), low and
        high (its 95 % interval over queries), least_seed and most_seed (of the recalls by seed).

    Examples
    --------
    >>> read_approximate_search()["index"].unique().tolist()
    ['HNSW', 'IVF']
    """
    return pd.read_csv(data_path("approximate_search.csv"))


def _require_faiss() -> Any:
    try:
        import faiss
    except ImportError as error:
        raise MissingPackageError(
            "approximate_search asks indexes of FAISS, which is not installed: "
            "pip install faiss-cpu, and run it again"
        ) from error
    # Rows that are added by several threads may come in another order.
    faiss.omp_set_num_threads(1)
    return faiss


def with_blends(rows: np.ndarray, rng: np.random.Generator, copies: int = BLENDS) -> np.ndarray:
    """Make a corpus larger by blends of its rows.

    Parameters
    ----------
    rows : array of shape (n, d)
        Unit rows.
    rng : numpy.random.Generator
        It draws which rows are blended.
    copies : int
        How many blends are made of each row.

    Returns
    -------
    array of shape ((copies + 1) n, d)
        The rows, and means of each with another row, at unit length.
    """
    corpus = [rows]
    for _ in range(copies):
        both = rows + rows[rng.permutation(len(rows))]
        corpus.append(both / np.linalg.norm(both, axis=1, keepdims=True))
    return np.concatenate(corpus)


def searches(
    pairs: PairedEmbeddings, seed: int
) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Make the queries and the documents of one seed, raw and corrected.

    Parameters
    ----------
    pairs : PairedEmbeddings
        At least 500 pairs, of which texts ask.
    seed : int
        Which queries ask, and what the corpus is.

    Yields
    ------
    tuple of str and (queries, documents)
        The name of the vectors ("raw", "one scale" or "one length"), and two arrays of float32.
        No query is a document; the image of each is.
    """
    rng = np.random.default_rng([6, seed])
    # The same order for all seeds: each takes queries that no other takes.
    order = np.random.default_rng(6).permutation(len(pairs))
    asked = order[seed * QUERIES : (seed + 1) * QUERIES]
    others = rng.permutation(np.setdiff1d(order, asked))
    learned, rest = np.split(others, [PAIRS_TO_LEARN])
    texts = pairs.y[rest[:DOCUMENTS_BEFORE_BLENDS]]
    images = pairs.x[np.concatenate([asked, rest])[:DOCUMENTS_BEFORE_BLENDS]]

    scaling = ScoreScaling(by="all")
    scaling.fit(pairs.y[learned], {"image": pairs.x[learned], "text": pairs.y[learned]})
    documents = {"image": with_blends(images, rng), "text": with_blends(texts, rng)}
    # A graph depends on the order in which documents come.
    shuffled = rng.permutation(sum(map(len, documents.values())))
    raw = np.concatenate(list(documents.values()))[shuffled]
    scaled = [scaling.documents(rows, modality) for modality, rows in documents.items()]
    stored = np.concatenate(scaled)[shuffled]
    queries = scaling.queries(pairs.y[asked])
    yield "raw", _as_float32(pairs.y[asked], raw)
    yield "one scale", _as_float32(queries, stored)
    yield "one length", _as_float32(*at_one_length(queries, stored))


def _as_float32(queries: np.ndarray, documents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return queries.astype(np.float32), documents.astype(np.float32)


def at_one_length(queries: np.ndarray, documents: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give all documents one length by one more number, which keeps their order.

    Parameters
    ----------
    queries : array of shape (m, d)
        They get a 0.
    documents : array of shape (n, d)
        They get what is missing from the length of the longest.

    Returns
    -------
    tuple of two arrays of shapes (m, d + 1) and (n, d + 1)
        Unit rows.
    """
    squares = np.sum(documents.astype(float) ** 2, axis=1)
    rest = np.sqrt(np.clip(squares.max() - squares, 0, None))
    asked = np.column_stack([queries, np.zeros(len(queries))])
    sides = asked, np.column_stack([documents, rest])
    first, second = (side / np.linalg.norm(side, axis=1, keepdims=True) for side in sides)
    return first, second


def recalls(
    queries: np.ndarray, documents: np.ndarray, seed: int = 0
) -> Iterator[tuple[str, int, np.ndarray]]:
    """Measure which share of the exact ten approximate indexes find.

    Parameters
    ----------
    queries : array of shape (m, d), float32
        They ask for the largest inner products.
    documents : array of shape (n, d), float32
        At least as many as the cells.
    seed : int
        Where the centers of cells begin.

    Yields
    ------
    tuple of str, int and array of shape (m,)
        The index, its effort, and the share for each query.

    Raises
    ------
    MissingPackageError
        Without FAISS.
    """
    faiss = _require_faiss()
    d = documents.shape[1]
    exact = faiss.IndexFlatIP(d)
    exact.add(documents)
    right = exact.search(queries, K)[1]

    graph = faiss.IndexHNSWFlat(d, LINKS, faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = EFFORT_OF_CONSTRUCTION
    graph.add(documents)
    for effort in EFFORTS_OF_GRAPHS:
        graph.hnsw.efSearch = effort
        yield "HNSW", effort, shares_found(graph.search(queries, K)[1], right)

    cells = faiss.IndexIVFFlat(faiss.IndexFlatIP(d), d, CELLS, faiss.METRIC_INNER_PRODUCT)
    cells.cp.seed = 1 + seed
    cells.train(documents)
    cells.add(documents)
    for effort in EFFORTS_OF_CELLS:
        cells.nprobe = effort
        yield "IVF", effort, shares_found(cells.search(queries, K)[1], right)


def shares_found(found: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Count what share of the right documents each query finds.

    Parameters
    ----------
    found, right : arrays of int of shape (m, k)
        Documents by query; -1 stands for none.

    Returns
    -------
    array of shape (m,)
        Shares of k.

    Examples
    --------
    >>> shares_found(np.array([[0, 1], [2, -1]]), np.array([[1, 0], [3, 2]])).tolist()
    [1.0, 0.5]
    """
    hits = [len(np.intersect1d(*lists)) for lists in zip(found, right, strict=True)]
    return np.array(hits) / right.shape[1]


def measure_approximate_search(pairs: PairedEmbeddings) -> pd.DataFrame:
    """Measure all indexes for all seeds.

    Parameters
    ----------
    pairs : PairedEmbeddings
        The published CLIP's pairs, say.

    Returns
    -------
    pandas.DataFrame
        The columns of ``read_approximate_search``.

    Raises
    ------
    MissingPackageError
        Without FAISS.
    """
    tables = []
    for seed in SEEDS:
        for vectors, (queries, documents) in searches(pairs, seed):
            for index, effort, shares in recalls(queries, documents, seed):
                of_case = pd.DataFrame({"recall": shares})
                of_case = of_case.assign(seed=seed, vectors=vectors, index=index, effort=effort)
                tables.append(of_case)
    by_query = pd.concat(tables)
    rows = []
    for place, table in by_query.groupby(["vectors", "index", "effort"], sort=False):
        interval = t_interval(table["recall"])
        # No share exceeds 1.
        ends = [interval.mean, max(interval.low, 0), min(interval.high, 1)]
        by_seed = table.groupby("seed")["recall"].mean()
        rows.append([*place, *ends, by_seed.min(), by_seed.max()])
    return pd.DataFrame(rows, columns=COLUMNS)


def main() -> None:
    """Measure all indexes and write ``data/approximate_search.csv``."""
    table = measure_approximate_search(load_pairs("clip-coco"))
    write_whole(data_path("approximate_search.csv"), to_csv(table))


if __name__ == "__main__":
    main()
