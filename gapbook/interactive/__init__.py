"""Figures that answer pointer and keyboard in a static page, with no kernel."""

from gapbook.interactive.explorer import (
    View,
    explore_models,
    explore_pairs,
    explore_views,
    find_matches,
)
from gapbook.interactive.markup import Interactive
from gapbook.interactive.sliders import slider
