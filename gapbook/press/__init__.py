"""What turns the notebooks into the published book and keeps its numbers true."""

from gapbook.exceptions import PressError
from gapbook.press.paper import paper_curve, paper_fact, paper_value
from gapbook.press.record import Record, read_records, record, recorded, tell
from gapbook.press.scoreboard import compare, reproduction_table

__all__ = [
    "PressError",
    "Record",
    "compare",
    "paper_curve",
    "paper_fact",
    "paper_value",
    "read_records",
    "record",
    "recorded",
    "reproduction_table",
    "tell",
]
