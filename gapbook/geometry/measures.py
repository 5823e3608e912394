"""One row for each measure of a report: its name, unit, label, better direction and function.

Units and labels are read here: by the table of a report, of pairs as of shards, by the page and by
the chapters.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from numpy.typing import ArrayLike

from gapbook.geometry.gap import linear_separability, modality_gap, relative_modality_gap
from gapbook.geometry.kernels import cka, mmd
from gapbook.geometry.neighbors import default_neighbors, hubness, neighbor_agreement
from gapbook.geometry.ranks import retrieval
from gapbook.geometry.shape import alignment, effective_rank, isoscore, uniformity
from gapbook.geometry.sum_measures import first_order_value
from gapbook.pairs import unit_pair

PairMeasure = Callable[[ArrayLike, ArrayLike], float]


@dataclass(frozen=True)
class Measure:
    """What a row of a report is.

    Parameters
    ----------
    name : str
        The name of the row, as in the column ``metric`` of a report.
    unit : str
        The unit of the value and of both ends of its interval.
    label : str
        A heading of a few words. ``{x}`` and ``{y}`` stand for the names of the two modalities.
    better : {"higher", "lower"} or None
        Which values are better, where this can be said of the measure by itself.
    function : callable or None
        It takes x and y, both (n, d), row i of x belonging to row i of y, and returns a number.
        None where two arrays are not enough.

    Examples
    --------
    >>> measure = MEASURES["cosine_within_y"]
    >>> measure.unit, measure.label.format(x="image", y="text")
    ('cosine', 'Cosine within, text')
    >>> MEASURES["modality_gap"].function([[3, 0], [2, 0]], [[-1, 0], [-5, 0]])
    2.0
    """

    name: str
    unit: str
    label: str
    better: Literal["higher", "lower"] | None
    function: PairMeasure | None


def _from_sums(name: str) -> PairMeasure:
    """Return the function of a measure that has no name of its own but in reports."""
    return lambda x, y: first_order_value(name, x, y)


def _recall(k: int, direction: str) -> PairMeasure:
    return lambda x, y: float(retrieval(x, y, [k]).set_index("direction")["recall"][direction])


def _hubness(direction: str) -> PairMeasure:
    def skewness(x: ArrayLike, y: ArrayLike) -> float:
        k = default_neighbors(len(unit_pair(x, y)[0]))
        return float(hubness(x, y, k).set_index("direction")["skewness"][direction])

    return skewness


def _agreement(x: ArrayLike, y: ArrayLike) -> float:
    return neighbor_agreement(x, y, default_neighbors(len(unit_pair(x, y)[0])))


_ROWS = (
    Measure("n_pairs", "pairs", "Pairs", None, lambda x, y: len(unit_pair(x, y)[0])),
    Measure("dimension", "dimensions", "Dimension", None, lambda x, y: unit_pair(x, y)[0].shape[1]),
    # What sums over pairs give.
    Measure("modality_gap", "distance", "Modality gap", None, modality_gap),
    Measure("cosine_within_x", "cosine", "Cosine within, {x}", None, _from_sums("cosine_within_x")),
    Measure("cosine_within_y", "cosine", "Cosine within, {y}", None, _from_sums("cosine_within_y")),
    Measure("cosine_paired", "cosine", "Cosine of partners", None, _from_sums("cosine_paired")),
    Measure("cosine_across", "cosine", "Cosine across", None, _from_sums("cosine_across")),
    Measure(
        "squared_gap_unbiased",
        "squared distance",
        "Squared gap, unbiased",
        None,
        _from_sums("squared_gap_unbiased"),
    ),
    Measure("relative_modality_gap", "fraction", "Relative gap", None, relative_modality_gap),
    Measure("alignment", "squared distance", "Alignment", "lower", alignment),
    Measure(
        "gap_share_top2", "fraction", "Gap in 2 dimensions", None, _from_sums("gap_share_top2")
    ),
    # What sums of products give.
    Measure(
        "effective_rank_x",
        "dimensions",
        "Effective rank, {x}",
        None,
        lambda x, y: effective_rank(x),
    ),
    Measure(
        "effective_rank_y",
        "dimensions",
        "Effective rank, {y}",
        None,
        lambda x, y: effective_rank(y),
    ),
    Measure("isoscore_x", "fraction", "IsoScore, {x}", None, lambda x, y: isoscore(x)),
    Measure("isoscore_y", "fraction", "IsoScore, {y}", None, lambda x, y: isoscore(y)),
    Measure("cka", "fraction", "CKA", "higher", cka),
    Measure(
        "cka_debiased",
        "fraction",
        "CKA, debiased",
        "higher",
        lambda x, y: cka(x, y, debiased=True),
    ),
    # What compares all pairs with all pairs, or fits a probe: on a sample of large sets.
    Measure("n_sampled", "pairs", "Pairs sampled", None, None),
    *(
        Measure(
            f"r{k}_{direction}",
            "fraction",
            f"Recall at {k}, {queries} to {candidates}",
            "higher",
            _recall(k, direction),
        )
        for direction, queries, candidates in (
            ("image_to_text", "{x}", "{y}"),
            ("text_to_image", "{y}", "{x}"),
        )
        for k in (1, 5, 10)
    ),
    Measure("linear_separability", "fraction", "Separability", None, linear_separability),
    Measure(
        "hubness_image_to_text",
        "skewness",
        "Hubness, {x} to {y}",
        "lower",
        _hubness("image_to_text"),
    ),
    Measure(
        "hubness_text_to_image",
        "skewness",
        "Hubness, {y} to {x}",
        "lower",
        _hubness("text_to_image"),
    ),
    Measure("neighbor_agreement", "fraction", "Neighbor agreement", "higher", _agreement),
    Measure(
        "uniformity_x", "log potential", "Uniformity, {x}", "lower", lambda x, y: uniformity(x)
    ),
    Measure(
        "uniformity_y", "log potential", "Uniformity, {y}", "lower", lambda x, y: uniformity(y)
    ),
    Measure("mmd", "squared distance", "Squared MMD", None, mmd),
)
MEASURES: dict[str, Measure] = {measure.name: measure for measure in _ROWS}
