"""MixGlyph: a search in one index of images and texts that no preference for one of them can win.

A query is the picture of a character in DejaVu Serif. Each document exists once, by the toss of a
coin as the picture in DejaVu Sans or as the name. So the answer is an image for half of the
queries and a text for the others.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.base import clone

from gapbook.checks.seeds import require_seed
from gapbook.exceptions import PairsError
from gapbook.files import data_path
from gapbook.geometry.intervals import t_interval
from gapbook.glyphs import characters
from gapbook.mitigation.scores import CSLS, QueryCenter, ScoreCorrection, ScoreScaling
from gapbook.pairs import PairedEmbeddings, load_pairs
from gapbook.search_quality import ranking_quality

# Results of a search that are looked at.
K = 10
# The constant of reciprocal rank fusion, as its authors set it.
FUSION_CONSTANT = 60
# Neighbors of a document in CSLS, as its authors set it.
CSLS_NEIGHBORS = 10


@dataclass(frozen=True)
class MixedItems:
    """Items that each have a query, and a document in either of two modalities.

    Attributes
    ----------
    queries : array (n, d)
        Unit rows.
    documents : dict of str to array (n, d)
        The documents of each modality, unit rows; row i belongs to query i.
    asks : str
        The modality of the queries, which is one of the documents'.
    """

    queries: np.ndarray
    documents: dict[str, np.ndarray]
    asks: str

    def __len__(self) -> int:
        return len(self.queries)

    def subset(self, rows: np.ndarray) -> "MixedItems":
        """Return some of the items.

        Parameters
        ----------
        rows : array of int
            Which ones.
        """
        documents = {name: side[rows] for name, side in self.documents.items()}
        return MixedItems(self.queries[rows], documents, self.asks)


# Takes items to learn from, items to search, and their coin; returns the scores (n, n) of each
# query with each document. The coin (n,) holds the modality in which a document exists.
Method = Callable[[MixedItems, MixedItems, np.ndarray], np.ndarray]


def glyph_items(model: str = "glyphclip", seed: int = 0) -> MixedItems:
    """Return the items of MixGlyph: held-out characters of DejaVu that Serif and Sans both have.

    Parameters
    ----------
    model : str
        A bundled GlyphCLIP: "glyphclip", "glyphclip-t10" or "glyphclip-learned".
    seed : int
        The model's seed, from 0 to 2.

    Returns
    -------
    MixedItems
        Serif pictures as queries, Sans pictures ("image") and names ("text") as documents.

    Raises
    ------
    FetchError, PairsError
        For another name or seed, and for the untrained model.

    Examples
    --------
    >>> items = glyph_items()
    >>> len(items), list(items.documents)
    (592, ['image', 'text'])
    """
    from safetensors.numpy import load

    pairs = load_pairs(model, seed)
    serif = load(data_path("glyphclip/serif.safetensors").read_bytes())
    if f"{model}.{seed}" not in serif:
        raise PairsError(f"Expected a trained GlyphCLIP; {model!r} has no Serif pictures")
    held_out = characters().query("split == 'test'")["codepoint"]
    rows = pd.Index(held_out).get_indexer(serif["codepoints"])
    documents = {"image": _float64(pairs.x)[rows], "text": _float64(pairs.y)[rows]}
    return MixedItems(_unit(_float64(serif[f"{model}.{seed}"])), documents, "image")


def paired_items(pairs: PairedEmbeddings, asks: str = "text", seed: int = 0) -> MixedItems:
    """Return items of which a document in the queries' own modality is a blend.

    Parameters
    ----------
    pairs : PairedEmbeddings
        Pairs of an image and a text.
    asks : {"image", "text"}
        The modality of the queries.
    seed : int
        What draws the partners of the blends.

    Returns
    -------
    MixedItems
        A document of the other modality is the query's partner. One of the same modality is the
        mean of the query and of another row, drawn by a permutation without fixed points, at unit
        length: a query does not find itself.

    Raises
    ------
    PairsError
        For another modality.

    Notes
    -----
    A blend keeps the cosines of its modality high, which is what a gap does to real documents. It
    says nothing of how hard it is to find a real document of one's own modality.

    Examples
    --------
    >>> items = paired_items(PairedEmbeddings(np.eye(4), np.eye(4)))
    >>> (items.documents["text"] * items.queries).sum(1).round(2).tolist()
    [0.71, 0.71, 0.71, 0.71]
    """
    sides = {"image": _float64(pairs.x), "text": _float64(pairs.y)}
    if asks not in sides:
        raise PairsError(f"Expected queries that are 'image' or 'text'; got {asks!r}")
    require_seed(seed)
    queries = sides[asks]
    order = np.random.default_rng(seed).permutation(len(queries))
    other = np.empty(len(queries), dtype=int)
    # The next one in a random order is never oneself.
    other[order] = np.roll(order, 1)
    documents = sides | {asks: _unit(queries + queries[other])}
    return MixedItems(queries, documents, asks)


def _float64(rows: object) -> np.ndarray:
    return np.asarray(rows, dtype=np.float64)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def _choose(scores: Mapping[str, np.ndarray], coin: np.ndarray) -> np.ndarray:
    """Take each column from the scores of the modality in which its document exists."""
    chosen = np.empty((len(coin), len(coin)))
    for name, of_modality in scores.items():
        chosen[:, coin == name] = of_modality[:, coin == name]
    return chosen


def _cosines(items: MixedItems) -> dict[str, np.ndarray]:
    return {name: items.queries @ side.T for name, side in items.documents.items()}


def _raw(fit: MixedItems, test: MixedItems, coin: np.ndarray) -> np.ndarray:
    """Search as it is."""
    return _choose(_cosines(test), coin)


def _centering(fit: MixedItems, test: MixedItems, coin: np.ndarray) -> np.ndarray:
    """Subtract one mean a modality: queries share that of the documents of their modality."""
    means = {name: side.mean(axis=0) for name, side in fit.documents.items()}
    means[fit.asks] = np.concatenate([fit.queries, fit.documents[fit.asks]]).mean(axis=0)
    documents = {name: _unit(side - means[name]) for name, side in test.documents.items()}
    queries = _unit(test.queries - means[fit.asks])
    return _choose(_cosines(MixedItems(queries, documents, test.asks)), coin)


def _rank_fusion(fit: MixedItems, test: MixedItems, coin: np.ndarray) -> np.ndarray:
    """Rank each modality by itself, and merge by 1 / (60 + place); documents of a place tie."""
    cosines = _choose(_cosines(test), coin)
    fused = np.empty_like(cosines)
    for name in test.documents:
        places = np.argsort(np.argsort(-cosines[:, coin == name], axis=1), axis=1)
        fused[:, coin == name] = 1 / (FUSION_CONSTANT + 1 + places)
    return fused


def _corrected(correction: ScoreCorrection) -> Method:
    """Let a correction of scores learn, and search with its vectors."""

    def method(fit: MixedItems, test: MixedItems, coin: np.ndarray) -> np.ndarray:
        fitted = clone(correction).fit(fit.queries, fit.documents)
        asked = fitted.queries(test.queries)
        scores = {
            name: asked @ fitted.documents(side, name).T for name, side in test.documents.items()
        }
        return _choose(scores, coin)

    return method


METHODS: dict[str, Method] = {
    "raw": _raw,
    "centering": _centering,
    "GR-CLIP": _corrected(QueryCenter()),
    "all scores": _corrected(ScoreScaling(by="all")),
    "pseudo-positives": _corrected(ScoreScaling(by="pseudo_positives")),
    "known positives": _corrected(ScoreScaling(by="positives")),
    "CSLS": _corrected(CSLS(CSLS_NEIGHBORS)),
    "rank fusion": _rank_fusion,
}
# What a search could reach that knows of each query in which modality its answer exists.
CEILING = "told the modality"


def _told(test: MixedItems, coin: np.ndarray) -> np.ndarray:
    """Score documents of another modality than the answer's below all others."""
    cosines = _choose(_cosines(test), coin)
    return np.where(coin[:, None] == coin[None, :], cosines, -2.0)


def run_mixed_search(
    items: MixedItems,
    methods: Mapping[str, Method] = METHODS,
    halvings: int = 20,
    seed: int = 0,
) -> pd.DataFrame:
    """Let methods learn on a random half of the items, and search the other half, many times.

    Parameters
    ----------
    items : MixedItems
        At least 40 items.
    methods : mapping of str to function
        The methods by name, by default ``METHODS``.
    halvings : int
        How many times the items are halved. All methods see the same halves and the same coins.
    seed : int
        The seed of halves and coins.

    Returns
    -------
    DataFrame
        One row for each halving and method, and for "told the modality", a ceiling; with the
        columns halving, method, r1 and ndcg (recall at 1 and nDCG at 10), the same where the answer
        is of either modality (such as ``ndcg_image``), and ``share_image``, the share of a modality
        among the first ten, with ``corpus_image``, that among all documents.

    Raises
    ------
    PairsError
        For too few items or no halving.

    Notes
    -----
    In a half of n items each document exists once, in one modality or the other with probability
    1/2; a query has one answer. Ties are in random order, in expectation.

    Examples
    --------
    >>> table = run_mixed_search(glyph_items(), halvings=2).groupby("method")["share_image"].mean()
    >>> bool(table["raw"] > 0.99), bool(table["pseudo-positives"] < 0.6)
    (True, True)
    """
    if len(items) < 40 or halvings < 1:
        raise PairsError(
            f"Expected at least 40 items and a halving; got {len(items)} and {halvings}"
        )
    require_seed(seed)
    rows = []
    for halving in range(halvings):
        rng = np.random.default_rng([seed, halving])
        fit_rows, test_rows = np.split(rng.permutation(len(items)), [len(items) // 2])
        fit = items.subset(fit_rows)
        test = items.subset(test_rows)
        coin = rng.choice(list(test.documents), size=len(test))
        for name, method in methods.items():
            values = _judge(method(fit, test, coin), coin)
            rows.append({"halving": halving, "method": name} | values)
        rows.append({"halving": halving, "method": CEILING} | _judge(_told(test, coin), coin))
    return pd.DataFrame(rows)


def summarize_models(table: pd.DataFrame, measure: str, baseline: str = "raw") -> pd.DataFrame:
    """Average a measure over halvings and then over seeds, with the change from a baseline.

    Parameters
    ----------
    table : DataFrame
        Tables of ``run_mixed_search`` with the columns model and seed besides.
    measure : str
        A column of it.
    baseline : str
        The method with which the others are compared.

    Returns
    -------
    DataFrame
        One row for each model and method, with the columns model, method, mean, low, high, change,
        change_low and change_high. The intervals are of 95 % over seeds, by Student's t, and NaN
        for a model of one seed; the change is that on the same seed.

    Examples
    --------
    >>> table = pd.DataFrame({"model": "m", "seed": [0, 1], "method": "raw", "r1": [0.2, 0.4]})
    >>> summarize_models(table, "r1").loc[0, ["mean", "change"]].round(2).tolist()
    [0.3, 0.0]
    """
    by_seed = table.pivot_table(measure, ["model", "method"], "seed", sort=False)
    rows = []
    for model in by_seed.index.unique("model"):
        of_model = by_seed.loc[model].dropna(axis=1)
        for method in of_model.index:
            values = of_model.loc[method].to_numpy()
            changes = values - of_model.loc[baseline].to_numpy()
            rows.append([model, method, *_mean_and_ends(values), *_mean_and_ends(changes)])
    names = ["mean", "low", "high", "change", "change_low", "change_high"]
    return pd.DataFrame(rows, columns=["model", "method", *names])


def _mean_and_ends(values: np.ndarray) -> tuple[float, float, float]:
    """Return the mean, and the ends of the t-interval over seeds."""
    mean = float(values.mean())
    if len(values) < 2:
        return mean, np.nan, np.nan
    interval = t_interval(values)
    return mean, interval.low, interval.high


def _judge(scores: np.ndarray, coin: np.ndarray) -> dict[str, float]:
    """Measure a search in which document i answers query i."""
    answers = np.stack([np.arange(len(coin))] * 2, axis=1)
    first = ranking_quality(scores, answers, coin, k=1).mean()
    ten = ranking_quality(scores, answers, coin, k=K).mean()
    values = {"r1": first["recall", "all"], "ndcg": ten["ndcg", "all"]}
    for name in sorted(set(coin)):
        values[f"r1_{name}"] = first["recall", name]
        values[f"ndcg_{name}"] = ten["ndcg", name]
        values[f"share_{name}"] = ten["share", name]
        values[f"corpus_{name}"] = float(np.mean(coin == name))
    return values
