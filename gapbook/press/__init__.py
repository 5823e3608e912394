"""What turns the notebooks into the published book and keeps its numbers true.

Notebooks import from here. The modules that execute them and build the site are for ``make``.
"""

from gapbook.exceptions import PressError
from gapbook.press.baseline import load_expected
from gapbook.press.paper import paper_curve, paper_curves, paper_fact, paper_facts, paper_value
from gapbook.press.record import Record, available_sources, read_records, record, recorded, tell
from gapbook.press.scoreboard import VERDICTS, compare, reproduction_table, scoreboard_html

__all__ = [
    "VERDICTS",
    "PressError",
    "Record",
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
    "recorded",
    "reproduction_table",
    "scoreboard_html",
    "tell",
]
