"""What turns the notebooks into the published book and keeps its numbers true.

Notebooks import from here. The modules that execute them and build the site are for ``make``.
"""

from gapbook.exceptions import PressError
from gapbook.press.baseline import load_expected
from gapbook.press.paper import paper_curve, paper_curves, paper_fact, paper_facts, paper_value
from gapbook.press.record import (
    HALF_PRECISION,
    SUFFIXES,
    Record,
    Tolerance,
    available_sources,
    read_records,
    record,
    record_table,
    recorded,
    slug,
    tell,
)
from gapbook.press.scoreboard import VERDICTS, compare, reproduction_table, scoreboard_html

__all__ = [
    "HALF_PRECISION",
    "SUFFIXES",
    "VERDICTS",
    "PressError",
    "Record",
    "Tolerance",
    "available_sources",
    "compare",
    "load_expected",
    "paper_curve",
    "paper_curves",
    "paper_fact",
    "paper_facts",
    "paper_value",
    "read_records",
    "record",
    "record_table",
    "recorded",
    "reproduction_table",
    "scoreboard_html",
    "slug",
    "tell",
]
