"""Measure where two modalities lie on the sphere: gap, cosines, neighbors, shape, one table.

Every function takes NumPy arrays or torch tensors (n, d), on any device and of any float type. It
brings rows to unit length by the gate in ``gapbook.pairs``, whose ``PairsError`` names what is
wrong, and leaves its input as it was. Work runs on the input's device in tiles: no n by n matrix
exists at any time, but for ranks, IsoScores and CKA of fewer pairs than dimensions.
"""

from gapbook.geometry.cosines import CosineStats, Histogram, cosine_stats
from gapbook.geometry.gap import (
    gap_share_by_dimension,
    gap_vector,
    linear_separability,
    modality_gap,
    relative_modality_gap,
)
from gapbook.geometry.intervals import Z95, MeanInterval, t_interval
from gapbook.geometry.kernels import cka, mmd
from gapbook.geometry.measures import MEASURES, Measure
from gapbook.geometry.neighbors import hubness, k_occurrence, neighbor_agreement, neighbor_overlap
from gapbook.geometry.ranks import TIE, ranks_from_cosines, retrieval, retrieval_ranks
from gapbook.geometry.several import several_report
from gapbook.geometry.shape import alignment, effective_rank, isoscore, uniformity
from gapbook.geometry.table import Measured, gap_report, measure
