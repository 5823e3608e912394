"""One row for each measure of a report: its name, unit, label, better direction and function.

Units and labels are read here: by the table of a report, of pairs as of shards, and by its page.
The function of a row gives the measure of two arrays by itself. ``gap_report`` computes all
measures together, which costs less, and tests hold both to each other.
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
    """Return the function of a measure that has no function of its own name."""
    return lambda x, y: first_order_value(name, x, y)


def _of_x(measure: Callable[[ArrayLike], float]) -> PairMeasure:
    return lambda x, y: measure(x)


def _of_y(measure: Callable[[ArrayLike], float]) -> PairMeasure:
    return lambda x, y: measure(y)


def _n_pairs(x: ArrayLike, y: ArrayLike) -> float:
    return len(unit_pair(x, y)[0])


def _dimension(x: ArrayLike, y: ArrayLike) -> float:
    return unit_pair(x, y)[0].shape[1]


def _cka_debiased(x: ArrayLike, y: ArrayLike) -> float:
    return cka(x, y, debiased=True)


def _agreement(x: ArrayLike, y: ArrayLike) -> float:
    return neighbor_agreement(x, y, default_neighbors(len(unit_pair(x, y)[0])))


def _recall(k: int, direction: str, words: str) -> Measure:
    """Return the row of recall at k: r1_image_to_text and so on."""

    def recall(x: ArrayLike, y: ArrayLike) -> float:
        return float(retrieval(x, y, [k]).set_index("direction")["recall"][direction])

    return Measure(f"r{k}_{direction}", "fraction", f"Recall at {k}, {words}", "higher", recall)


def _hubness(direction: str) -> PairMeasure:
    def skewness(x: ArrayLike, y: ArrayLike) -> float:
        k = default_neighbors(len(unit_pair(x, y)[0]))
        return float(hubness(x, y, k).set_index("direction")["skewness"][direction])

    return skewness


_UNBIASED = _from_sums("squared_gap_unbiased")
_HUBS_IN_Y = _hubness("image_to_text")
_HUBS_IN_X = _hubness("text_to_image")
_ROWS = (
    Measure("n_pairs", "pairs", "Pairs", None, _n_pairs),
    Measure("dimension", "dimensions", "Dimension", None, _dimension),
    # From sums over pairs.
    Measure("modality_gap", "distance", "Modality gap", None, modality_gap),
    Measure("cosine_within_x", "cosine", "Cosine within, {x}", None, _from_sums("cosine_within_x")),
    Measure("cosine_within_y", "cosine", "Cosine within, {y}", None, _from_sums("cosine_within_y")),
    Measure("cosine_paired", "cosine", "Cosine of partners", None, _from_sums("cosine_paired")),
    Measure("cosine_across", "cosine", "Cosine across", None, _from_sums("cosine_across")),
    Measure("squared_gap_unbiased", "squared distance", "Squared gap, unbiased", None, _UNBIASED),
    Measure("relative_modality_gap", "fraction", "Relative gap", None, relative_modality_gap),
    Measure("alignment", "squared distance", "Alignment", "lower", alignment),
    Measure(
        "gap_share_top2", "fraction", "Gap in 2 dimensions", None, _from_sums("gap_share_top2")
    ),
    # From sums of products.
    Measure("effective_rank_x", "dimensions", "Effective rank, {x}", None, _of_x(effective_rank)),
    Measure("effective_rank_y", "dimensions", "Effective rank, {y}", None, _of_y(effective_rank)),
    Measure("isoscore_x", "fraction", "IsoScore, {x}", None, _of_x(isoscore)),
    Measure("isoscore_y", "fraction", "IsoScore, {y}", None, _of_y(isoscore)),
    Measure("cka", "fraction", "CKA", "higher", cka),
    Measure("cka_debiased", "fraction", "CKA, debiased", "higher", _cka_debiased),
    # From all pairs of pairs, or from a fit: on a sample of large sets.
    Measure("n_sampled", "pairs", "Pairs sampled", None, None),
    _recall(1, "image_to_text", "{x} to {y}"),
    _recall(5, "image_to_text", "{x} to {y}"),
    _recall(10, "image_to_text", "{x} to {y}"),
    _recall(1, "text_to_image", "{y} to {x}"),
    _recall(5, "text_to_image", "{y} to {x}"),
    _recall(10, "text_to_image", "{y} to {x}"),
    Measure("linear_separability", "fraction", "Separability", None, linear_separability),
    Measure("hubness_image_to_text", "skewness", "Hubness, {x} to {y}", "lower", _HUBS_IN_Y),
    Measure("hubness_text_to_image", "skewness", "Hubness, {y} to {x}", "lower", _HUBS_IN_X),
    Measure("neighbor_agreement", "fraction", "Neighbor agreement", "higher", _agreement),
    Measure("uniformity_x", "log potential", "Uniformity, {x}", "lower", _of_x(uniformity)),
    Measure("uniformity_y", "log potential", "Uniformity, {y}", "lower", _of_y(uniformity)),
    Measure("mmd", "squared distance", "Squared MMD", None, mmd),
)
# The measures by name, in the order of the table.
MEASURES: dict[str, Measure] = {measure.name: measure for measure in _ROWS}
