"""What turns the notebooks into the published book and keeps its numbers true.

Notebooks import from here. The modules that execute them and build the site are for ``make``. The
names below load on first use, so a command hears Ctrl-C before it imports anything that takes long.
"""

from importlib import import_module
from typing import Any

from gapbook.extras import from_extra

_HOME = {
    "FullRun": "press.full_values",
    "HALF_PRECISION": "press.records",
    "SCALES": "press.experiments",
    "SUFFIXES": "press.records",
    "VERDICTS": "press.scoreboard",
    "PressError": "exceptions",
    "Record": "press.records",
    "Tolerance": "press.records",
    "available_sources": "press.records",
    "best_scale": "press.coverage",
    "compare": "press.scoreboard",
    "coverage_html": "press.coverage",
    "experiment_of": "press.experiments",
    "load_expected": "press.baseline",
    "load_full": "press.full_values",
    "paper_coverage": "press.coverage",
    "paper_curve": "press.paper",
    "paper_curves": "press.paper",
    "paper_fact": "press.paper",
    "paper_experiments": "press.experiments",
    "paper_facts": "press.paper",
    "paper_items": "press.experiments",
    "paper_value": "press.paper",
    "read_records": "press.records",
    "record": "press.records",
    "record_table": "press.records",
    "recorded": "press.records",
    "reproduction_table": "press.scoreboard",
    "scoreboard_html": "press.scoreboard",
    "slug": "press.records",
    "verdicts_by_scale": "press.scoreboard",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'gapbook.press' has no attribute {name!r}")
    with from_extra("chapters", f"gapbook.press.{name}"):
        return getattr(import_module(f"gapbook.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
