"""The book's figures, in one style: blue circles are images, orange diamonds are texts.

``plots.X`` draws what ``gapbook.X`` computes; each function returns one figure. What draws runs
over seeds needs seaborn, which comes with the extra "chapters".
"""

from gapbook.plots.bias import group_rates, paired_p_by_changes
from gapbook.plots.cone import (
    caps_by_dimension,
    cones_by_network,
    cosine_by_depth,
    cosine_frame,
    cosine_growth,
    cosine_histograms,
    gap_by_center_cosine,
    one_minus_cosine_by_depth,
    seed_clouds,
)
from gapbook.plots.geometry import (
    gap_before_and_after,
    gap_by_temperature,
    gap_in_few_dimensions,
    rank_correlations_with_gap,
    shared_variance_by_gap,
)
from gapbook.plots.labels import colors_of, label, look, ordered, tau_color
from gapbook.plots.landscape import loss_by_mitigation, loss_curves, shift_frame
from gapbook.plots.mitigation import changes_by_amount, mitigation_panels
from gapbook.plots.mixglyph import methods_by_model
from gapbook.plots.pages import show
from gapbook.plots.pairs import (
    clouds,
    clouds_grid,
    contrastive_batch,
    dots_with_intervals,
    gap_by_epoch,
    similarity_blocks,
    training_frame,
)
from gapbook.plots.sigmoid import cosines_about_thresholds
from gapbook.plots.simulation import (
    forces_on_the_circle,
    gap_of_free_vectors,
    gap_of_ladder,
    gap_under_gradient_flow,
    loss_over_effective_scale,
    sphere_frame,
    toy_losses,
)
from gapbook.plots.style import FIRST_COLOR, SECOND_COLOR, palette_png
from gapbook.plots.table import show_table, with_intervals
from gapbook.plots.training import (
    curves_over_epochs,
    ends_by_length,
    ends_by_model,
    gap_and_fit,
    gap_and_recall_by_scale,
    gap_by_loss,
    gap_decay_with_fits,
)
from gapbook.plots.zeroshot import (
    accuracy_at_every_shift,
    accuracy_by_shift,
    confusion_frame,
    gain_by_imbalance,
    gains_with_intervals,
)
