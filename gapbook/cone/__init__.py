"""The cone effect: its theory, networks of random weights, and encoders fed with noise."""

from gapbook.extras import from_extra

with from_extra("models", "gapbook.cone"):
    from gapbook.cone.theory import (
        Theorem1,
        arccos_map,
        between_seed_share,
        cap_fraction,
        component_share,
        cosine_by_depth,
        linear_cosine_by_depth,
        predicted_gap,
        relu_cosine_by_depth,
        stats_by_depth,
        theorem1_probability,
    )
    from gapbook.cone.tokens import reading_cosines
