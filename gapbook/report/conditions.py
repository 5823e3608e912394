"""Conditions under which a report fails, such as ``r1<0.3``."""

import operator
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

import pandas as pd

from gapbook.exceptions import PairsError, quoted

COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
# Each is the smaller recall of the two directions.
RECALLS = ("r1", "r5", "r10")


class Condition(NamedTuple):
    """A measure, a comparison and a limit."""

    metric: str
    comparison: str
    limit: float


def parse_condition(text: str) -> Condition:
    """Read a condition.

    Parameters
    ----------
    text : str
        The name of a measure, one of <, <=, > and >=, and a number.

    Returns
    -------
    Condition
        Its three parts.

    Raises
    ------
    PairsError
        For anything else.

    Examples
    --------
    >>> parse_condition("r1 < 0.3")
    Condition(metric='r1', comparison='<', limit=0.3)
    """
    parts = re.fullmatch(r"\s*(\w+)\s*(<=|>=|<|>)\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*", text)
    try:
        if parts:
            return Condition(parts[1], parts[2], float(parts[3]))
    except ValueError:
        pass
    raise PairsError(f"Expected a condition such as r1<0.3; got {quoted(text)}")


def value_of(metric: str, table: pd.DataFrame) -> float:
    """Return the value that a condition is about.

    Parameters
    ----------
    metric : str
        A measure of the table, or r1, r5 or r10: the smaller recall of the two directions.
    table : DataFrame
        The table of a ``gap_report``.

    Returns
    -------
    float
        The value.

    Raises
    ------
    PairsError
        For a measure that the table does not have.

    Examples
    --------
    >>> names = ["r1_image_to_text", "r1_text_to_image"]
    >>> value_of("r1", pd.DataFrame({"metric": names, "value": [0.4, 0.2]}))
    0.2
    """
    values = table.set_index("metric")["value"]
    both = [f"{metric}_image_to_text", f"{metric}_text_to_image"]
    require_measure(metric, [str(name) for name in values.index])
    if metric in RECALLS:
        return float(values[both].min())
    return float(values[metric])


def require_measure(metric: str, known: Iterable[str]) -> None:
    """Refuse a measure that there is not.

    Parameters
    ----------
    metric : str
        The name.
    known : iterable of str
        The measures; r1, r5 and r10 are known besides.

    Raises
    ------
    PairsError
        For any other name.

    Examples
    --------
    >>> require_measure("r1", [])
    """
    if metric not in (*known, *RECALLS):
        raise PairsError(
            f"Expected a measure, such as r1 or modality_gap; there is no {quoted(metric)}"
        )


def held_conditions(conditions: list[Condition], table: pd.DataFrame) -> list[str]:
    """Name the conditions that hold, with the value of each.

    Parameters
    ----------
    conditions : list of Condition
        The conditions.
    table : DataFrame
        The table of a ``gap_report``.

    Returns
    -------
    list of str
        A phrase for each condition that holds.

    Raises
    ------
    PairsError
        For a measure that the table does not have.

    Examples
    --------
    >>> table = pd.DataFrame({"metric": ["mmd"], "value": [0.25]})
    >>> held_conditions([Condition("mmd", ">", 0.2), Condition("mmd", ">", 0.5)], table)
    ['mmd > 0.2: it is 0.25']
    """
    held = []
    for condition in conditions:
        value = value_of(condition.metric, table)
        if COMPARISONS[condition.comparison](value, condition.limit):
            held.append(
                f"{condition.metric} {condition.comparison} {condition.limit:g}: it is {value:.4g}"
            )
    return held
