"""Ways to close the gap, and what each costs on held-out pairs."""

from gapbook.mitigation.saved import load_mitigation
from gapbook.mitigation.scores import (
    CSLS,
    QueryCenter,
    ScoreCorrection,
    ScoreScaling,
    reciprocal_rank_fusion,
)
from gapbook.mitigation.transformers import (
    Center,
    DotProducts,
    Mitigation,
    NearestNeighborNormalization,
    Noise,
    ProcrustesAlign,
    ProjectOut,
    RotateTogether,
    ShiftAlongGap,
    Standardize,
)
