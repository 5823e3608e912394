"""Figures that answer pointer and keyboard: in a static page with no kernel, and live with one."""

from gapbook.interactive.cones import cone_figure, cone_triangle
from gapbook.interactive.explorer import (
    View,
    explore_models,
    explore_pairs,
    explore_views,
    find_matches,
)
from gapbook.interactive.free import free_vectors
from gapbook.interactive.markup import Interactive
from gapbook.interactive.modalities import explore_modalities
from gapbook.interactive.sliders import slider
from gapbook.interactive.softmax import softmax_matrix
