"""Scores of documents of several modalities on one scale, for one index that holds them all.

A query's cosines with documents of its own modality are larger than those with another one,
whatever they are about. Each correction here learns from queries and documents of each modality,
which need not be paired (but for ``ScoreScaling`` by "positives"), and then gives vectors to store
and to search with: ``documents(rows, modality)`` and ``queries(rows)``. Their **inner products**
are the corrected scores, so that any index of inner products serves them; an index of cosines would
bring rows to unit length and undo ``ScoreScaling`` and ``CSLS``.
"""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from gapbook.checks.arrays import as_numpy
from gapbook.checks.metadata import is_modality
from gapbook.checks.parameters import require_integer
from gapbook.exceptions import PairsError, nearest, quoted
from gapbook.mitigation.rows import (
    UnitRows,
    at_their_places,
    directions,
    is_one_vector,
    move_rows,
)
from gapbook.mitigation.saved import Savable
from gapbook.mitigation.transformers import fingerprint
from gapbook.pairs import unit_rows

ROWS_PER_BLOCK = 512  # queries, or documents, that are compared with all others at once
MIN_SPREAD = 1e-6  # of scores: less is rounding
SAME_ROW = 1 - 1e-6  # the cosine of a row with itself, to rounding

By = Literal["all", "pseudo_positives", "positives"]


class ScoreCorrection(Savable, BaseEstimator):
    """The base class of corrections of scores: it checks the input.

    Subclasses fill in ``_learn``, ``_document_rows`` and ``_query_rows``. ``NotFittedError`` is
    raised by ``documents`` and ``queries`` before ``fit``.
    """

    def fit(
        self, queries: ArrayLike, documents: Mapping[str, ArrayLike], *, paired: bool = True
    ) -> Self:
        """Learn from queries, and documents of each modality.

        Parameters
        ----------
        queries : array_like or tensor of shape (n, d)
            Embeddings of queries.
        documents : mapping of str to array_like or tensor of shape (m, d)
            Embeddings of documents by modality; for a correction that needs partners, row i of each
            belongs to query i. Where the documents of a modality are the queries themselves, as
            when texts are searched for among texts and images, no query is compared with itself.
        paired : bool
            Whether row i of the documents belongs to query i. Only ``ScoreScaling`` by "positives"
            needs that, and refuses False; there are then as many documents as queries.

        Returns
        -------
        ScoreCorrection
            The correction itself.

        Raises
        ------
        PairsError
            For bad input or bad parameters.

        Notes
        -----
        **Partners.** ``ScoreScaling`` by "all" and by "pseudo_positives", ``QueryCenter`` and
        ``CSLS`` need none: there may be any numbers of queries and of documents of each modality.
        Where the documents of a modality are the queries, in their order, a query leaves itself
        out; other documents that are queries too count with all.
        """
        q = as_numpy(unit_rows(queries, "queries"))
        if not isinstance(documents, Mapping) or not documents:
            raise PairsError(
                f"Expected documents as a dict of arrays by modality; got {quoted(documents)}"
            )
        unit = {}
        for modality, rows in documents.items():
            if not is_modality(modality):
                raise PairsError(f"Expected printable names of modalities; got {quoted(modality)}")
            unit[modality] = as_numpy(unit_rows(rows, f"documents of modality {modality}"))
            self._require_fitting_shapes(q, unit[modality], modality, paired)
        self._fit_unit_rows(q, unit)
        self.fingerprint_ = fingerprint(q, np.concatenate(list(unit.values())))
        return self

    def _fit_unit_rows(self, queries: np.ndarray, documents: dict[str, np.ndarray]) -> None:
        """Learn from unit rows, float32, that were checked before; no fingerprint."""
        self.modalities_ = tuple(documents)
        self._learn(queries, documents)
        self.n_features_in_ = queries.shape[1]
        self.n_pairs_ = len(queries)

    def queries(self, rows: ArrayLike, skip: bool = False) -> np.ndarray:
        """Return the vectors to search with, from one query on.

        Parameters
        ----------
        rows : array_like or tensor of shape (n, d) or (d,)
            Embeddings of queries, or one of them.
        skip : bool
            Whether rows without direction become rows of zeros, rather than to raise
            ``PairsError``.

        Returns
        -------
        ndarray
            A vector for each query, float32, of the same number of axes as ``rows``.

        Raises
        ------
        PairsError
            For bad input, for other dimensions than in ``fit``, and for rows without direction.
        """
        check_is_fitted(self, "n_features_in_")
        result = self._query_rows(rows, skip).rows
        return result[0] if is_one_vector(rows) else result

    def documents(self, rows: ArrayLike, modality: str, skip: bool = False) -> np.ndarray:
        """Return the vectors to store for documents of one modality, from one document on.

        Parameters
        ----------
        rows : array_like or tensor of shape (n, d) or (d,)
            Embeddings of documents, or one of them.
        modality : str
            A modality that was there in ``fit``.
        skip : bool
            Whether rows without direction become rows of zeros, rather than to raise
            ``PairsError``. Leave such rows out of an index: their score of 0 means nothing.

        Returns
        -------
        ndarray
            A vector for each document, float32, of the same number of axes as ``rows``.

        Raises
        ------
        PairsError
            For bad input, for other dimensions than in ``fit``, for another modality, and for rows
            without direction.
        """
        check_is_fitted(self, "n_features_in_")
        if modality not in self.modalities_:
            raise PairsError(
                f"Expected a modality that was fitted; got {quoted(modality)}: "
                f"{nearest(str(modality), self.modalities_)}"
            )
        result = self._document_rows(rows, modality, skip).rows
        return result[0] if is_one_vector(rows) else result

    @property
    def needs_partners(self) -> bool:
        """Whether ``fit`` needs row i of the documents to belong to query i."""
        return False

    def _require_fitting_shapes(
        self, queries: np.ndarray, documents: np.ndarray, modality: str, paired: bool
    ) -> None:
        if documents.shape[1] != queries.shape[1]:
            raise PairsError(
                f"Expected documents of modality {modality} of the queries' {queries.shape[1]} "
                f"dimensions; got {documents.shape[1]}"
            )
        if not self.needs_partners:
            return
        if not paired:
            raise PairsError(
                "Expected queries that documents belong to, row i to row i, for by='positives'; "
                "take by='all' or by='pseudo_positives' for other queries"
            )
        if documents.shape != queries.shape:
            raise PairsError(
                f"Expected documents of modality {modality} of the queries' shape {queries.shape}, "
                f"row i for query i, for by='positives'; got {documents.shape}: take by='all' or "
                "by='pseudo_positives', which need no partners"
            )

    def _learn(self, queries: np.ndarray, documents: dict[str, np.ndarray]) -> None:
        raise NotImplementedError

    def _query_rows(self, rows: ArrayLike, skip: bool) -> UnitRows:
        raise NotImplementedError

    def _document_rows(self, rows: ArrayLike, modality: str, skip: bool) -> UnitRows:
        raise NotImplementedError


class _AffineScores(ScoreCorrection):
    """Scores ``a s + c`` with a number a of each modality and c of each document."""

    def _query_rows(self, rows: ArrayLike, skip: bool) -> UnitRows:
        unit, kept = directions(rows, "queries", self.n_features_in_, skip)
        ones = np.ones(len(unit), np.float32)
        return UnitRows(at_their_places(np.column_stack([unit, ones]), kept), kept)

    def _document_rows(self, rows: ArrayLike, modality: str, skip: bool) -> UnitRows:
        name = f"documents of modality {modality}"
        unit, kept = directions(rows, name, self.n_features_in_, skip)
        scaled, offsets = self._scaled(unit, modality)
        stored = np.column_stack([scaled, offsets]).astype(np.float32)
        return UnitRows(at_their_places(stored, kept), kept)

    def _scaled(self, unit: np.ndarray, modality: str) -> tuple[np.ndarray, np.ndarray]:
        """Return a d for each document, and c."""
        raise NotImplementedError


class ScoreScaling(_AffineScores):
    """Standardize the scores of each modality: (s - mean_m) / sd_m for documents of modality m.

    Parameters
    ----------
    by : {"all", "pseudo_positives", "positives"}
        Which scores of ``fit`` have mean 0 and standard deviation 1 afterwards, within each
        modality: those of all queries with all documents; those of each query with its nearest
        document; or those of each query with the document that belongs to it, for which alone
        ``fit`` needs partners.

    Notes
    -----
    The score is affine in the cosine, a_m s + c_m with a_m = 1 / sd_m (``scale_``) and c_m =
    -mean_m / sd_m (``offset_``). It is the inner product of the query (q, 1) and the document
    (a_m d, c_m), so that an index of inner products with one more dimension serves it. Within one
    modality, the order of documents does not change. Scores of several modalities with the same
    mean and spread stay in their order too. ``fit`` compares all queries with all documents, except
    by "positives".

    References
    ----------
    arXiv 2511.22141 for pseudo-positives.

    Examples
    --------
    >>> queries = [[1, 0], [0.8, 0.6]]
    >>> images = [[0.6, 0.8], [0, 1]]
    >>> scaling = ScoreScaling().fit(queries, {"image": images})
    >>> scores = scaling.queries(queries) @ scaling.documents(images, "image").T
    >>> scores.round(2)  # of mean 0 and standard deviation 1
    array([[ 0.17, -1.57],
           [ 1.22,  0.17]], dtype=float32)
    """

    def __init__(self, by: By = "all") -> None:
        self.by = by

    @property
    def needs_partners(self) -> bool:
        """Whether ``fit`` needs partners: by "positives" alone."""
        return self.by == "positives"

    def _learn(self, queries: np.ndarray, documents: dict[str, np.ndarray]) -> None:
        known = ("all", "pseudo_positives", "positives")
        if self.by not in known:
            raise PairsError(f"Expected by as one of {known}; got {self.by!r}")
        self.scale_: dict[str, float] = {}
        self.offset_: dict[str, float] = {}
        for modality, rows in documents.items():
            mean, spread = _mean_and_spread(queries, rows, self.by, modality)
            if spread < MIN_SPREAD:
                raise PairsError(
                    f"Expected scores of modality {modality} that differ; "
                    f"those by {self.by!r} are all {mean:.6g}"
                )
            self.scale_[modality] = 1 / spread
            self.offset_[modality] = -mean / spread

    def _scaled(self, unit: np.ndarray, modality: str) -> tuple[np.ndarray, np.ndarray]:
        offsets = np.full(len(unit), self.offset_[modality])
        return unit * self.scale_[modality], offsets


def _mean_and_spread(
    queries: np.ndarray, documents: np.ndarray, by: By, modality: str
) -> tuple[float, float]:
    """Return the mean and the standard deviation of the scores that ``by`` names."""
    are_queries = np.array_equal(queries, documents)
    if by == "positives":
        if are_queries:
            raise PairsError(
                f"Expected documents of modality {modality} that are not the queries themselves: "
                "a query has no other partner there; take by='pseudo_positives' or by='all'"
            )
        return _moments([np.einsum("ij,ij->i", queries, documents, dtype=np.float64)])
    scores = _blocks_of_scores(queries, documents, are_queries)
    if by == "all":
        # Only queries that are documents leave anything out: themselves.
        return _moments(block[np.isfinite(block)] if are_queries else block for block in scores)
    return _moments(block.max(axis=1) for block in scores)


def _blocks_of_scores(
    queries: np.ndarray, documents: np.ndarray, are_queries: bool
) -> Iterable[np.ndarray]:
    """Yield the scores of some queries with all documents, minus infinity for a query itself."""
    for start in range(0, len(queries), ROWS_PER_BLOCK):
        scores = queries[start : start + ROWS_PER_BLOCK] @ documents.T
        if are_queries:
            rows = np.arange(len(scores))
            scores[rows, start + rows] = -np.inf
        yield scores


def _moments(parts: Iterable[np.ndarray]) -> tuple[float, float]:
    """Return the mean and the standard deviation of numbers that come in parts."""
    count = 0
    total = 0.0
    squares = 0.0
    for part in parts:
        numbers = part.astype(np.float64)
        count += numbers.size
        total += float(numbers.sum())
        squares += float(np.square(numbers).sum())
    mean = total / count
    return mean, max(squares / count - mean**2, 0) ** 0.5


class QueryCenter(ScoreCorrection):
    """Subtract the queries' own mean from queries, and from documents that of their modality.

    All rows are then brought to unit length, so that an index of cosines serves them as well.

    Notes
    -----
    For queries that are texts, images and texts as documents, these are three means. ``Center`` has
    two and gives queries the mean of documents of their modality; queries such as questions differ
    from the texts that answer them. The means are ``query_mean_`` and ``means_``, by modality.

    References
    ----------
    GR-CLIP: Li et al. 2025, "Closing the Modality Gap for Mixed Modality Search".

    Examples
    --------
    >>> queries = [[1, 0], [0.6, 0.8]]
    >>> images = [[0, 1], [-0.6, 0.8]]
    >>> center = QueryCenter().fit(queries, {"image": images})
    >>> center.queries([1, 0]).round(3), center.documents([0, 1], "image").round(3)
    (array([ 0.447, -0.894], dtype=float32), array([0.949, 0.316], dtype=float32))
    """

    def _learn(self, queries: np.ndarray, documents: dict[str, np.ndarray]) -> None:
        self.query_mean_ = queries.mean(axis=0, dtype=np.float64)
        self.means_ = {
            modality: rows.mean(axis=0, dtype=np.float64) for modality, rows in documents.items()
        }

    def _query_rows(self, rows: ArrayLike, skip: bool) -> UnitRows:
        return self._centered(rows, "queries", self.query_mean_, skip)

    def _document_rows(self, rows: ArrayLike, modality: str, skip: bool) -> UnitRows:
        return self._centered(rows, f"documents of {modality}", self.means_[modality], skip)

    def _centered(self, rows: ArrayLike, name: str, mean: np.ndarray, skip: bool) -> UnitRows:
        return move_rows(
            rows,
            name,
            self.n_features_in_,
            lambda unit: unit - mean.astype(np.float32),
            skip=skip,
            owner="QueryCenter",
        )


class CSLS(_AffineScores):
    """Correct the scores of documents that are near to all queries: 2 s - r(document).

    r(document) is its mean cosine with its k nearest queries among those of ``fit``.

    Parameters
    ----------
    k : int
        The number of nearest queries, at most the number of queries in ``fit`` less one.

    Notes
    -----
    The method also subtracts r(query), the mean cosine of a query with its nearest documents. That
    is one number for all documents of a query and changes no order, so that it is left out: an
    index can serve what is left, with (q, 1) and (2 d, -r(d)). **Scores of different queries do not
    compare without it**: a threshold on them, or pairs ranked over all queries, needs both terms.
    ``NearestNeighborNormalization`` with alpha 1/2 has half of these scores, in a form for an index
    of cosines. Since r is larger for documents of the queries' own modality, both bring modalities
    nearer to one scale. A document that is one of the queries of ``fit`` is not its own neighbor.
    New documents need the queries of ``fit``, ``reference_``.

    References
    ----------
    Conneau et al. 2018.

    Examples
    --------
    >>> queries = [[1, 0], [0.8, 0.6]]
    >>> images = [[0.8, 0.6], [0, 1]]  # image 0 is nearest to both queries
    >>> csls = CSLS(k=1).fit(queries, {"image": images})
    >>> (csls.queries(queries) @ csls.documents([[0.96, 0.28], [0, 1]], "image").T).round(2)
    array([[ 0.96, -0.6 ],
           [ 0.91,  0.6 ]], dtype=float32)
    """

    def __init__(self, k: int = 10) -> None:
        self.k = k

    def _learn(self, queries: np.ndarray, documents: dict[str, np.ndarray]) -> None:
        require_integer("k", self.k, low=1, high=len(queries) - 1)
        self.reference_ = queries

    def _scaled(self, unit: np.ndarray, modality: str) -> tuple[np.ndarray, np.ndarray]:
        nearness = np.empty(len(unit))
        for start in range(0, len(unit), ROWS_PER_BLOCK):
            block = slice(start, start + ROWS_PER_BLOCK)
            cosines = unit[block] @ self.reference_.T
            # The largest k + 1, ascending: one of them may be the document itself.
            largest = np.sort(np.partition(cosines, -self.k - 1, axis=1)[:, -self.k - 1 :], axis=1)
            is_itself = largest[:, -1] >= SAME_ROW
            others = largest[:, :-1].mean(axis=1)
            nearness[block] = np.where(is_itself, others, largest[:, 1:].mean(axis=1))
        return 2 * unit, -nearness


class FusedDocument(NamedTuple):
    """A document of a fused list, and its score."""

    document: Hashable
    score: float


def reciprocal_rank_fusion(
    rankings: Sequence[Sequence[Hashable]], c: float = 60
) -> list[FusedDocument]:
    """Fuse ranked lists of one query into one by the sums of 1 / (c + rank).

    Parameters
    ----------
    rankings : sequence of sequences of hashable
        The documents of each list, such as their ids, the best first.
    c : float
        What is added to ranks, which count from 1: the larger it is, the less the first places
        stand out.

    Returns
    -------
    list of FusedDocument
        All documents with their scores, the best first. Of documents with equal scores, the one of
        the earlier list comes first.

    Raises
    ------
    PairsError
        If c is negative, or a list holds a document twice.

    Notes
    -----
    It is the plain alternative to scores on one scale: search images and texts apart, and fuse the
    lists. Where no document is in two lists, the result takes one of each in turn, whatever the
    scores say.

    References
    ----------
    Cormack, Clarke and Büttcher 2009.

    Examples
    --------
    >>> [fused.document for fused in reciprocal_rank_fusion([["a", "b"], ["b", "c"]])]
    ['b', 'a', 'c']
    """
    if not np.isfinite(c) or c < 0:
        raise PairsError(f"Expected c as a finite number from 0; got {c!r}")
    scores: dict[Hashable, float] = defaultdict(float)
    for ranking in rankings:
        if len(set(ranking)) < len(ranking):
            raise PairsError("Expected each document once in a list; one is there twice")
        for rank, document in enumerate(ranking, start=1):
            scores[document] += 1 / (c + rank)
    fused = [FusedDocument(document, score) for document, score in scores.items()]
    return sorted(fused, key=lambda item: -item.score)
