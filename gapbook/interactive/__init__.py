"""Figures that answer pointer and keyboard in a static page, with no kernel."""

from gapbook.interactive.explorer import explore_pairs
from gapbook.interactive.markup import Interactive
from gapbook.interactive.sliders import slider
