"""Profiles: parameters for a large machine, and what it measures at the paper's own scale.

A profile is a YAML file of parameters by notebook, and of the parts of ``gapbook.full_scale`` that
it measures, with the minutes that each takes::

    02_cone_effect:
      about minutes: 10
      items: 5000
    parts:
      landscape: 15

Minutes are estimates for two CPU cores, and for a GPU where a part trains.
"""

import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbformat import NotebookNode
from papermill import inspect_notebook

from gapbook.exceptions import PressError, nearest, quoted
from gapbook.press.mappings import read_mapping

MINUTES = "about minutes"
PARTS = "parts"


@dataclass(frozen=True)
class Profile:
    """What a profile says.

    Attributes
    ----------
    name : str
        The name of its file, without the ending.
    parameters : dict of dict
        Parameters by notebook.
    minutes : dict of float
        What the notebooks take with them, as far as it is stated.
    parts : dict of float
        The parts of the paper's own scale that it measures, with the minutes that they take.
    """

    name: str
    parameters: dict[str, dict[str, Any]] = field(default_factory=dict)
    minutes: dict[str, float] = field(default_factory=dict)
    parts: dict[str, float] = field(default_factory=dict)


def read_profile(path: Path, notebooks: Mapping[str, NotebookNode]) -> Profile:
    """Read a profile.

    Parameters
    ----------
    path : Path
        The file.
    notebooks : mapping of str to NotebookNode
        All notebooks, by name.

    Returns
    -------
    Profile
        What it says.

    Raises
    ------
    PressError
        If there is no such profile, notebook or parameter; the message suggests the nearest name.
    """
    if not path.exists():
        profiles = [file.stem for file in path.parent.glob("*.yml")]
        raise PressError(f"there is no profile {path.stem!r}; {nearest(path.stem, profiles)}")
    profile = Profile(path.stem)
    content = read_mapping(path)
    parts = _mapping(content.pop(PARTS, {}), f"{path.name}: {PARTS} must be minutes by part")
    for part, minutes in parts.items():
        profile.parts[part] = _minutes(minutes, f"{path.name}: {PARTS}: {part}")
    for name, values in content.items():
        if name not in notebooks:
            hint = nearest(name, notebooks)
            raise PressError(f"{path.name} sets parameters of {name!r}, not a notebook; {hint}")
        place = f"{path.name}: {name}"
        stated = dict(_mapping(values, f"{place} must have a mapping of parameters"))
        profile.minutes[name] = _minutes(stated.pop(MINUTES, 0), f"{place}: {MINUTES}")
        # papermill itself only warns of a wrong name
        _require_known(name, stated, inspect_notebook(notebooks[name]))
        profile.parameters[name] = stated
    return profile


def _mapping(values: object, expected: str) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise PressError(f"{expected}; got {reprlib.repr(values)}")
    return values


def _minutes(minutes: object, place: str) -> float:
    if isinstance(minutes, bool) or not isinstance(minutes, int | float) or minutes < 0:
        raise PressError(f"{place} must be a number of minutes; got {quoted(minutes)}")
    return float(minutes)


def _require_known(name: str, values: Iterable[str], known: Iterable[str]) -> None:
    """Raise an error where a notebook has no such parameter."""
    names = list(known)
    for wrong in values:
        if wrong not in names:
            raise PressError(f"{name} has no parameter {wrong!r}; {nearest(wrong, names)}")
