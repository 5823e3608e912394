"""Measures from sums over pairs, each formula once: for a sample, its redraws and shards."""

import numpy as np
import torch
from numpy.typing import ArrayLike

from gapbook.geometry.kernels import cka_of
from gapbook.geometry.shape import centered, effective_rank_of, isoscore_of
from gapbook.geometry.sums import PairCosines, PairSums, WeightedSums, centered_cosines
from gapbook.pairs import unit_pair


def weighted_measures(sums: WeightedSums) -> dict[str, np.ndarray]:
    """Return the measures of first order for each of r weightings: {name: float64 (r,)}.

    With every pair drawn once these are the measures of the sample. In a redraw, copies of a pair
    never count as two different pairs, so that redraws scatter about the value of the sample
    without bias: an average over pairs of pairs divides by the number of ordered draws of two
    different pairs, ``n^2 - sum w_i^2``. The gap and ``cosine_across`` are averages of n - 1 parts
    of terms of two different pairs and one part of terms of a pair with itself.

    Parameters
    ----------
    sums : WeightedSums
        Sums over n >= 2 pairs of unit rows.

    Returns
    -------
    dict
        The names are those of ``MEASURES``, in its order. Where one pair was drawn n times,
        averages over different pairs are NaN.
    """
    n = sums.n
    different = n**2 - sums.squared_weights
    different[different == 0] = torch.nan
    # It is n where each pair is drawn once, and ``of_copies`` is then exactly 0.
    effective = different / (n - 1)

    cosine_paired = sums.cosines / n
    cosine_within_x = (sums.x.square().sum(1) - sums.own_x) / different
    cosine_within_y = (sums.y.square().sum(1) - sums.own_y) / different
    product = (sums.x * sums.y).sum(1)
    of_copies = cosine_paired - sums.own_cosines / effective
    cosine_across = (product / effective + of_copies) / n

    alignment = sums.distances / n
    gap_squares = (sums.x - sums.y).square()
    squared_length = gap_squares.sum(1)
    of_copies = alignment - sums.own_distances / effective
    squared_gap = (squared_length / effective + of_copies) / n
    squared_gap_unbiased = (squared_length - sums.own_distances) / different

    of_copies = torch.outer((1 - sums.squared_weights / effective) / n, sums.squared_differences)
    shares = gap_squares / effective[:, None] + of_copies
    shares.clamp_(min=0)
    # |a - b|^2 keeps its digits where partners are close, unlike 1 - cos.
    relative = alignment / (alignment + 2 - cosine_within_x - cosine_within_y)
    values = {
        "modality_gap": squared_gap.clamp(min=0).sqrt(),
        "cosine_within_x": cosine_within_x,
        "cosine_within_y": cosine_within_y,
        "cosine_paired": cosine_paired,
        "cosine_across": cosine_across,
        "squared_gap_unbiased": squared_gap_unbiased,
        "relative_modality_gap": torch.where(alignment > 0, relative, 0.0),
        "alignment": alignment,
        "gap_share_top2": shares[:, sums.largest].sum(1) / shares.sum(1),
    }
    return {name: value.cpu().numpy() for name, value in values.items()}


def first_order_value(name: str, x: ArrayLike, y: ArrayLike) -> float:
    """Return one of the measures of ``weighted_measures`` for two arrays (n, d) of pairs."""
    return float(weighted_measures(WeightedSums.of(*unit_pair(x, y)))[name][0])


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
    first_order = weighted_measures(WeightedSums.of_sums(sums))
    values = {name: float(value[0]) for name, value in first_order.items()}
    if sums.has_products:
        values |= covariance_measures(sums)
    return values
