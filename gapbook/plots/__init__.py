"""The book's figures, in one style. Blue circles are images, orange diamonds are texts, all through the book."""

from gapbook.plots.bias import group_rates, paired_by_changes
from gapbook.plots.cone import (
    caps_by_dimension,
    cosine_frame,
    cosine_histograms,
    depth_panels,
    gap_at_start,
    narrowing,
    seed_clouds,
    theorem1,
)
from gapbook.plots.geometry import (
    few_dimensions,
    gap_at_temperature,
    rank_with_gap,
    shared_subspace,
    start_and_end,
)
from gapbook.plots.landscape import loss_curves, losses_by_way, shift_frame
from gapbook.plots.mitigation import tradeoff_panels
from gapbook.plots.pairs import (
    clouds,
    clouds_grid,
    contrastive_batch,
    dots_with_intervals,
    gap_by_epoch,
    similarity_blocks,
    training_frame,
)
from gapbook.plots.simulation import free_runs, one_curve, slow_closing, sphere_frame, toy_losses
from gapbook.plots.style import FIRST, SECOND, palette_png, show
from gapbook.plots.training import fading, final_by_scale, over_epochs
from gapbook.plots.zeroshot import (
    accuracy_by_shift,
    confusion_frame,
    exact_curves,
    gain_by_imbalance,
    gains_with_intervals,
)
