"""What turns the notebooks into the published book and keeps its numbers true."""

from gapbook.exceptions import PressError
from gapbook.press.paper import paper_curve, paper_fact, paper_value
from gapbook.press.record import (
    HALF_PRECISION,
    SUFFIXES,
    Record,
    Tolerance,
    read_records,
    record,
    record_table,
    recorded,
    slug,
    tell,
)
from gapbook.press.scoreboard import compare, reproduction_table

__all__ = [
    "HALF_PRECISION",
    "SUFFIXES",
    "PressError",
    "Record",
    "Tolerance",
    "compare",
    "paper_curve",
    "paper_fact",
    "paper_value",
    "read_records",
    "record",
    "record_table",
    "recorded",
    "reproduction_table",
    "slug",
    "tell",
]
