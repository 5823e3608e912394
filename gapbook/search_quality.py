"""Recall, nDCG and shares of a search over documents of several modalities.

A query has one or more relevant documents. What is measured is measured by the modality of these
answers too, since a search that returns one modality alone is right for half of its queries.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from gapbook.checks.seeds import require_seed
from gapbook.exceptions import PairsError, quoted

# Scores that are held at once: 64 MB as float64.
SCORES_AT_ONCE = 2**23
# Weights of a bootstrap that are held at once.
WEIGHTS_AT_ONCE = 2**22
# Two scores closer than this share of the largest one tie: sums of the same products may round.
TIE = 1e-12
# What stands for the answers of any modality.
ANY = "all"


def search_quality(
    queries: ArrayLike,
    documents: ArrayLike,
    relevant: ArrayLike,
    modalities: Sequence[str] | np.ndarray | None = None,
    k: int = 10,
    scores_at_once: int = SCORES_AT_ONCE,
    exclude: ArrayLike | None = None,
) -> pd.DataFrame:
    """Search documents by inner products, and measure for each query what is among its first k.

    Parameters
    ----------
    queries : array_like (q, d)
        Vectors of the queries.
    documents : array_like (n, d)
        Vectors of the documents, of any length: vectors of unit length give cosines.
    relevant : array_like (m, 2) of int
        Pairs of a query and a document that answers it, by their rows.
    modalities : sequence of n str, optional
        The modality of each document, by default "document" for all.
    k : int
        How many documents are returned.
    scores_at_once : int
        How many scores are held in memory at once.
    exclude : array_like (e, 2) of int, optional
        Pairs of a query and a document that its search leaves out, such as the query itself where
        it is a document too.

    Returns
    -------
    DataFrame
        One row for each query that has an answer, with two levels of columns, measure and modality:

        - ``recall``: the share of the query's relevant documents that are among the first k, of
          all modalities ("all") and of each; NaN where none is relevant;
        - ``ndcg``: the normalized discounted cumulative gain of the first k, likewise. For one
          modality, only its documents count as relevant;
        - ``share``: the share of each modality among the first k.

    Raises
    ------
    PairsError
        If arrays or names do not fit one another, values are not finite, no document is relevant, a
        row is out of range, an answer is left out, or k is no integer from 1 to n, less the
        documents that a query leaves out.

    Notes
    -----
    ``DCG = sum 1 / log2(1 + place)`` over the relevant documents in the places 1 to k; nDCG divides
    it by the DCG of a ranking that has them first. Documents whose scores tie are in random order,
    and the values are expectations over it (McSherry and Najork 2008). Memory holds a block of
    queries by all documents.

    References
    ----------
    Jaervelin and Kekaelaeinen 2002; McSherry and Najork 2008.

    Examples
    --------
    >>> documents = [[1.0, 0.0], [0.8, 0.0], [0.0, 1.0]]
    >>> found = search_quality([[1, 0.5]], documents, [[0, 2]], ["text", "text", "image"], k=3)
    >>> float(found["ndcg", "image"][0].round(3))
    0.5
    """
    asked = _finite_matrix(queries, "queries")
    stored = _finite_matrix(documents, "documents")
    if asked.shape[1] != stored.shape[1]:
        raise PairsError(
            "Expected queries and documents of the same dimension; "
            f"got {asked.shape[1]} and {stored.shape[1]}"
        )
    step = max(1, scores_at_once // len(stored))
    task = _task(len(asked), len(stored), relevant, modalities, k, exclude)
    blocks = (task.queries[i : i + step] for i in range(0, len(task.queries), step))
    return _measure((asked[rows] @ stored.T for rows in blocks), task)


def ranking_quality(
    scores: ArrayLike,
    relevant: ArrayLike,
    modalities: Sequence[str] | np.ndarray | None = None,
    k: int = 10,
    exclude: ArrayLike | None = None,
) -> pd.DataFrame:
    """Measure a search from its scores, for a score that is no inner product of two vectors.

    Parameters
    ----------
    scores : array_like (q, n)
        The score of each document for each query.
    relevant, modalities, k, exclude
        As in ``search_quality``.

    Returns
    -------
    DataFrame
        As that of ``search_quality``.

    Raises
    ------
    PairsError
        As ``search_quality`` does.

    Examples
    --------
    >>> tied = ranking_quality([[1.0, 1.0, 0.0]], [[0, 1]], k=1)  # right in one order of two
    >>> float(tied["recall", "all"][0])
    0.5
    """
    matrix = _finite_matrix(scores, "scores")
    n_queries, n_documents = matrix.shape
    task = _task(n_queries, n_documents, relevant, modalities, k, exclude)
    return _measure([matrix[task.queries]], task)


def summarize_search(found: pd.DataFrame, seed: int = 0, replicates: int = 2000) -> pd.DataFrame:
    """Average what ``search_quality`` measured over queries, with 95 % intervals.

    Parameters
    ----------
    found : DataFrame
        A row a query.
    seed : int
        What draws the queries of the bootstrap.
    replicates : int
        How often they are drawn.

    Returns
    -------
    DataFrame
        One row for each measure and modality, with the columns measure, modality, queries (how
        many have such an answer), mean, low and high.

    Notes
    -----
    Percentiles of a bootstrap over queries. It answers "what if I asked other queries like these?"
    and knows nothing of other documents.

    Examples
    --------
    >>> found = search_quality(np.eye(3), np.eye(3), [[0, 0], [1, 1], [2, 2]], k=1)
    >>> summarize_search(found).loc[0, ["mean", "low", "high"]].tolist()
    [1.0, 1.0, 1.0]
    """
    table = _counts(found)
    table["mean"] = found.mean().to_numpy()
    table[["low", "high"]] = _bootstrap_ends(found.to_numpy(), seed, replicates)
    return table


def compare_searches(
    before: pd.DataFrame, after: pd.DataFrame, seed: int = 0, replicates: int = 2000
) -> pd.DataFrame:
    """Compare two searches for the same queries, with 95 % intervals of the differences.

    Parameters
    ----------
    before, after : DataFrame
        What ``search_quality`` measured, with the same queries and modalities.
    seed : int
        What draws the queries of the bootstrap.
    replicates : int
        How often they are drawn.

    Returns
    -------
    DataFrame
        One row for each measure and modality, with the columns measure, modality, queries, before,
        after, change, low and high. ``change`` is after less before.

    Raises
    ------
    PairsError
        If the two are not of the same queries and modalities.

    Notes
    -----
    A draw takes the same queries on both sides, so what makes a query hard cancels.

    Examples
    --------
    >>> answers = [[0, 0], [1, 1]]
    >>> poor = ranking_quality([[0.0, 1], [1, 0]], answers, k=1)
    >>> good = ranking_quality([[1.0, 0], [0, 1]], answers, k=1)
    >>> compare_searches(poor, good).loc[0, ["change", "low", "high"]].tolist()
    [1.0, 1.0, 1.0]
    """
    if not (before.index.equals(after.index) and before.columns.equals(after.columns)):
        raise PairsError("Expected two searches for the same queries in the same modalities")
    differences = after.to_numpy() - before.to_numpy()
    table = _counts(before)
    table["before"] = before.mean().to_numpy()
    table["after"] = after.mean().to_numpy()
    table["change"] = table["after"] - table["before"]
    table[["low", "high"]] = _bootstrap_ends(differences, seed, replicates)
    return table


@dataclass(frozen=True)
class _Task:
    """What is asked for: queries that have answers, their answers, and modalities as numbers."""

    queries: np.ndarray  # (q,) rows of the queries
    asks: np.ndarray  # (m,) places among ``queries``
    answers: np.ndarray  # (m,) rows of documents
    kinds: np.ndarray  # (n,) numbers of the modalities
    names: list[str]
    k: int
    excluded: np.ndarray  # (e, 2) places among ``queries``, and rows of documents


def _finite_matrix(rows: ArrayLike, name: str) -> np.ndarray:
    """Return an array of two dimensions in float64."""
    try:
        matrix = np.asarray(rows, dtype=np.float64)
    except (TypeError, ValueError):
        raise PairsError(f"Expected {name} as an array of numbers of two dimensions") from None
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise PairsError(f"Expected {name} as an array of two dimensions; got shape {matrix.shape}")
    bad = ~np.isfinite(matrix).all(axis=1)
    if bad.any():
        raise PairsError(f"Expected finite numbers; row {int(bad.argmax())} of {name} has others")
    return matrix


def _task(
    n_queries: int,
    n_documents: int,
    relevant: ArrayLike,
    modalities: Sequence[str] | np.ndarray | None,
    k: int,
    exclude: ArrayLike | None,
) -> _Task:
    """Check what is asked for."""
    pairs = _row_pairs(relevant, "relevant", n_queries, n_documents)
    left_out = np.empty((0, 2), int)
    if exclude is not None:
        left_out = _row_pairs(exclude, "exclude", n_queries, n_documents)
    # A pair of a query and a document as one number.
    is_left_out = np.isin(pairs @ [n_documents, 1], left_out @ [n_documents, 1])
    if is_left_out.any():
        query, document = pairs[is_left_out][0]
        raise PairsError(
            f"Expected answers that are not left out; document {document} answers query {query} "
            "and is left out for it"
        )
    asked, asks = np.unique(pairs[:, 0], return_inverse=True)
    left_out = left_out[np.isin(left_out[:, 0], asked)]
    places = np.searchsorted(asked, left_out[:, 0])
    n_shown = n_documents - int(np.bincount(places, minlength=1).max())
    if isinstance(k, bool) or not isinstance(k, int | np.integer) or not 1 <= k <= n_shown:
        raise PairsError(
            f"Expected k as an integer from 1 to {n_shown}, the documents; got {quoted(k)}"
        )
    labels = ["document"] * n_documents if modalities is None else list(map(str, modalities))
    if len(labels) != n_documents or ANY in labels:
        raise PairsError(
            f"Expected {n_documents} modalities, one a document, none of them {ANY!r}; "
            f"got {len(labels)}"
        )
    names, kinds = np.unique(labels, return_inverse=True)
    excluded = np.column_stack([places, left_out[:, 1]])
    return _Task(asked, asks, pairs[:, 1], kinds, names.tolist(), int(k), excluded)


def _row_pairs(rows: ArrayLike, name: str, n_queries: int, n_documents: int) -> np.ndarray:
    """Return pairs of a query and a document (m, 2), each once."""
    pairs = np.asarray(rows)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or not len(pairs) or pairs.dtype.kind not in "iu":
        raise PairsError(
            f"Expected {name} as integers (m, 2), a query and its document a row; "
            f"got shape {pairs.shape} of {pairs.dtype}"
        )
    pairs = np.unique(pairs, axis=0)
    for side, count, what in ((0, n_queries, "query"), (1, n_documents, "document")):
        lowest = int(pairs[:, side].min())
        highest = int(pairs[:, side].max())
        if lowest < 0 or highest >= count:
            wrong = lowest if lowest < 0 else highest
            raise PairsError(f"Expected each {what} from 0 to {count - 1}; got {wrong}")
    return pairs.astype(np.int64)


def _measure(blocks: Iterable[np.ndarray], task: _Task) -> pd.DataFrame:
    """Measure blocks of scores (b, n), whose rows are the queries in their order."""
    hits = np.empty(len(task.answers))
    gains = np.empty(len(task.answers))
    shares = np.empty((len(task.queries), len(task.names)))
    for start, scores in _with_starts(blocks):
        end = start + len(scores)
        places, left_out = task.excluded.T
        inside = (places >= start) & (places < end)
        scores[places[inside] - start, left_out[inside]] = -np.inf
        shares[start:end] = _shares(scores, task)
        chosen = np.flatnonzero((task.asks >= start) & (task.asks < end))
        for part in np.array_split(chosen, max(1, len(chosen) // len(scores))):
            rows = scores[task.asks[part] - start]
            hits[part], gains[part] = _expected(rows, task.answers[part], task.k)
    columns = {}
    for measure, values in (("recall", hits), ("ndcg", gains)):
        columns[measure, ANY] = _by_query(measure, values, task, None)
        for kind, name in enumerate(task.names):
            columns[measure, name] = _by_query(measure, values, task, kind)
    for kind, name in enumerate(task.names):
        columns["share", name] = shares[:, kind]
    return pd.DataFrame(columns, index=pd.Index(task.queries, name="query"))


def _with_starts(blocks: Iterable[np.ndarray]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each block with the number of rows before it."""
    start = 0
    for block in blocks:
        yield start, block
        start += len(block)


def _expected(scores: np.ndarray, answers: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each row whether its answer is among the first k, and its gain, expected."""
    own = np.take_along_axis(scores, answers[:, None], axis=1)
    tie = _ties(scores)
    better = (scores > own + tie).sum(axis=1)
    alike = (scores >= own - tie).sum(axis=1) - better
    first = np.minimum(better, k)
    last = np.minimum(better + alike, k)
    reached = np.concatenate([[0.0], np.cumsum(_discounts(k))])
    return (last - first) / alike, (reached[last] - reached[first]) / alike


def _ties(scores: np.ndarray) -> np.ndarray:
    """Return how far scores of each row may differ and still tie, (b, 1)."""
    # Documents that are left out have a score of minus infinity.
    is_shown = scores > -np.inf
    return TIE * np.abs(scores).max(axis=1, keepdims=True, initial=0, where=is_shown)


def _discounts(k: int) -> np.ndarray:
    """Return what a relevant document in each of the first k places gains."""
    return 1 / np.log2(np.arange(2, k + 2))


def _shares(scores: np.ndarray, task: _Task) -> np.ndarray:
    """Return the share of each modality among the first k of each row, ties in equal parts."""
    n = scores.shape[1]
    border = np.partition(scores, n - task.k, axis=1)[:, [n - task.k]]
    tie = _ties(scores)
    above = scores > border + tie
    at_border = (scores >= border - tie) & ~above
    places_left = task.k - above.sum(axis=1, keepdims=True)
    weights = above + at_border * (places_left / at_border.sum(axis=1, keepdims=True))
    is_kind = task.kinds[:, None] == np.arange(len(task.names))
    return weights @ is_kind / task.k


def _by_query(measure: str, values: np.ndarray, task: _Task, kind: int | None) -> np.ndarray:
    """Sum over the answers of each query, of one modality or all, and divide by the best sum."""
    counts = np.ones(len(task.answers), dtype=bool)
    if kind is not None:
        counts = task.kinds[task.answers] == kind
    n_queries = len(task.queries)
    sums = np.bincount(task.asks[counts], values[counts], n_queries)
    answers = np.bincount(task.asks[counts], minlength=n_queries)
    best = answers.astype(float)
    if measure == "ndcg":
        reached = np.concatenate([[0.0], np.cumsum(_discounts(task.k))])
        best = reached[np.minimum(answers, task.k)]
    has_answer = answers > 0
    return np.where(has_answer, sums / np.where(has_answer, best, 1), np.nan)


def _counts(found: pd.DataFrame) -> pd.DataFrame:
    """Return the columns measure, modality and queries."""
    table = found.columns.to_frame(index=False)
    table.columns = pd.Index(["measure", "modality"])
    table["queries"] = found.notna().sum().to_numpy()
    return table


def _bootstrap_ends(values: np.ndarray, seed: int, replicates: int) -> np.ndarray:
    """Return the ends (c, 2) of 95 % intervals of the means of columns (q, c), over their rows."""
    require_seed(seed)
    n = len(values)
    rng = np.random.default_rng(seed)
    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    step = max(1, WEIGHTS_AT_ONCE // n)
    means = []
    for start in range(0, replicates, step):
        size = min(step, replicates - start)
        weights = rng.multinomial(n, np.full(n, 1 / n), size=size).astype(float)
        counts = weights @ known
        # A draw may hold no query with such an answer.
        sums = np.where(counts > 0, weights @ filled, np.nan)
        means.append(sums / np.maximum(counts, 1))
    drawn = np.concatenate(means)
    ends = np.full((values.shape[1], 2), np.nan)
    for column in np.flatnonzero(known.any(axis=0)):
        ends[column] = np.nanpercentile(drawn[:, column], [2.5, 97.5])
    return ends
