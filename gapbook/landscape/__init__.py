"""The contrastive loss as one side is moved towards the other."""

from gapbook.landscape.loss import (
    DELTAS,
    best_shift,
    contrastive_loss,
    loss_landscape,
    shift,
    shifted_distances,
)
