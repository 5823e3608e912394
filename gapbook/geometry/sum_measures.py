"""Measures from sums over pairs, each formula once: for a sample, its redraws and shards."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import ArrayLike

from gapbook.geometry.arrays import Array, clip_in_place, outer, to_numpy
from gapbook.geometry.kernels import cka_of
from gapbook.geometry.shape import centered, effective_rank_of, isoscore_of
from gapbook.geometry.sums import PairCosines, PairSums, WeightedSums, centered_cosines
from gapbook.pairs import unit_pair


# Where partners agree or one pair alone was drawn, a share is 0 / 0: NaN.
@np.errstate(divide="ignore", invalid="ignore")
def weighted_measures(parts: Iterable[WeightedSums]) -> dict[str, np.ndarray]:
    """Return the measures of first order for each of r weightings: {name: float64 (r,)}.

    With every pair drawn once these are the measures of the sample. In a redraw, copies of a pair
    never count as two different pairs, so that redraws scatter about the value of the sample
    without bias: an average over pairs of pairs divides by the number of ordered draws of two
    different pairs, ``n^2 - sum w_i^2``. The gap and ``cosine_across`` are averages of n - 1 parts
    of terms of two different pairs and one part of terms of a pair with itself.

    Parameters
    ----------
    parts : iterable of WeightedSums
        Sums over n >= 2 pairs of unit rows: over all dimensions, or over parts of them that make up
        all.

    Returns
    -------
    dict
        The names are those of ``MEASURES``, in its order. Where one pair was drawn n times,
        averages over different pairs are NaN.
    """
    sums = _FirstOrderSums.over_dimensions(parts)
    n = sums.n
    different = sums.different
    effective = sums.effective

    cosine_paired = sums.cosines / n
    cosine_within_x = (sums.xx - sums.own_x) / different
    cosine_within_y = (sums.yy - sums.own_y) / different
    of_copies = cosine_paired - sums.own_cosines / effective
    cosine_across = (sums.xy / effective + of_copies) / n

    alignment = sums.distances / n
    of_copies = alignment - sums.own_distances / effective
    squared_gap = (sums.squared_length / effective + of_copies) / n
    squared_gap_unbiased = (sums.squared_length - sums.own_distances) / different

    # |a - b|^2 keeps its digits where partners are close, unlike 1 - cos.
    relative = alignment / (alignment + 2 - cosine_within_x - cosine_within_y)
    xp = array_namespace(alignment)
    values = {
        "modality_gap": xp.sqrt(xp.clip(squared_gap, min=0)),
        "cosine_within_x": cosine_within_x,
        "cosine_within_y": cosine_within_y,
        "cosine_paired": cosine_paired,
        "cosine_across": cosine_across,
        "squared_gap_unbiased": squared_gap_unbiased,
        "relative_modality_gap": xp.where(alignment > 0, relative, 0.0),
        "alignment": alignment,
        "gap_share_top2": sums.two_shares / sums.shares,
    }
    return {name: to_numpy(value) for name, value in values.items()}


@dataclass(frozen=True, eq=False)
class _FirstOrderSums:
    """What ``weighted_measures`` needs of sums, over all dimensions: tensors (r,).

    ``different`` are the ordered draws of two different pairs (NaN for none) and ``effective`` the
    same over n - 1. ``xx``, ``yy``, ``xy`` and ``squared_length`` are ``|sum x|^2``, ``|sum y|^2``,
    ``sum x . sum y`` and ``|sum x - sum y|^2``, all with weights. ``shares`` is the squared gap as
    a sum over dimensions without those below 0, ``two_shares`` its part in the two largest. The
    others are those of ``WeightedSums``.
    """

    n: int
    different: Array
    effective: Array
    cosines: Array
    distances: Array
    own_cosines: Array
    own_distances: Array
    own_x: Array
    own_y: Array
    xx: Array
    yy: Array
    xy: Array
    squared_length: Array
    shares: Array
    two_shares: Array

    @classmethod
    def over_dimensions(cls, parts: Iterable[WeightedSums]) -> "_FirstOrderSums":
        """Add up what parts of the dimensions give."""
        total = None
        for part in parts:
            sums = cls._of_part(part)
            total = sums if total is None else total._plus(sums)
        if total is None:
            raise ValueError("there are no sums")
        return total

    @classmethod
    def _of_part(cls, sums: WeightedSums) -> "_FirstOrderSums":
        n = sums.n
        different = n**2 - sums.squared_weights
        different[different == 0] = np.nan
        # It is n where each pair is drawn once, and ``of_copies`` is then exactly 0.
        effective = different / (n - 1)
        gap_squares = (sums.x - sums.y) ** 2
        of_copies = outer((1 - sums.squared_weights / effective) / n, sums.squared_differences)
        shares = gap_squares / effective[:, None] + of_copies
        clip_in_place(shares, 0, np.inf)
        return cls(
            n=n,
            different=different,
            effective=effective,
            cosines=sums.cosines,
            distances=sums.distances,
            own_cosines=sums.own_cosines,
            own_distances=sums.own_distances,
            own_x=sums.own_x,
            own_y=sums.own_y,
            xx=(sums.x**2).sum(1),
            yy=(sums.y**2).sum(1),
            xy=(sums.x * sums.y).sum(1),
            squared_length=gap_squares.sum(1),
            shares=shares.sum(1),
            two_shares=shares[:, sums.largest].sum(1),
        )

    def _plus(self, other: "_FirstOrderSums") -> "_FirstOrderSums":
        added = {}
        for field in fields(self):
            if field.name not in ("n", "different", "effective"):
                added[field.name] = getattr(self, field.name) + getattr(other, field.name)
        return replace(self, **added)


def first_order_value(name: str, x: ArrayLike, y: ArrayLike) -> float:
    """Return one of the measures of ``weighted_measures`` for two arrays (n, d) of pairs."""
    return float(weighted_measures(WeightedSums.in_parts(*unit_pair(x, y)))[name][0])


def covariance_measures(sums: PairSums | PairCosines) -> dict[str, float]:
    """Return the measures that follow from covariances, by the names of ``MEASURES``."""
    if isinstance(sums, PairCosines):
        d = sums.d
        scatter_x = centered_cosines(sums.xx)
        scatter_y = centered_cosines(sums.yy)
    else:
        d = len(sums.x)
        scatter_x = centered(sums.xx, sums.x, sums.n)
        scatter_y = centered(sums.yy, sums.y, sums.n)
    return {
        "effective_rank_x": effective_rank_of(scatter_x),
        "effective_rank_y": effective_rank_of(scatter_y),
        "isoscore_x": isoscore_of(scatter_x, d),
        "isoscore_y": isoscore_of(scatter_y, d),
        "cka": cka_of(sums),
        "cka_debiased": cka_of(sums, debiased=True),
    }


def exact_measures(sums: PairSums) -> dict[str, float]:
    """Return all measures that sums over all pairs give exactly, by the names of ``MEASURES``.

    Without sums of products, those of covariances are not among them.
    """
    first_order = weighted_measures([WeightedSums.of_sums(sums)])
    values = {name: float(value[0]) for name, value in first_order.items()}
    if sums.has_products:
        values |= covariance_measures(sums)
    return values
