"""Ways to close the gap, and what each costs on held-out pairs."""

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
