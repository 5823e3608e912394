"""Small models of the loss: six pairs on a sphere, nine points, and free vectors."""

from gapbook.extras import from_extra

with from_extra("models", "gapbook.simulation"):
    from gapbook.simulation.free_vectors import free_embeddings
    from gapbook.simulation.toys import (
        NINE_LABELS,
        BestScale,
        best_logit_scale,
        nine_point_loss,
        nine_points,
        sphere_loss,
        sphere_points,
    )
