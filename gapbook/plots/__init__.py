"""The book's figures, in one style. Blue circles are images, orange diamonds are texts, all through the book."""

from gapbook.plots.cones import (
    caps_by_dimension,
    cosine_frame,
    cosine_histograms,
    depth_panels,
    gap_at_start,
    narrowing,
    seed_clouds,
    theorem1,
)
from gapbook.plots.pairs import (
    clouds,
    clouds_grid,
    contrastive_batch,
    dots_with_intervals,
    gap_by_epoch,
    similarity_blocks,
    training_frame,
)
from gapbook.plots.style import FIRST, SECOND, palette_png, show
