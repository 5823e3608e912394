"""Read which facts come from one experiment, and what the book does about each part of the paper.

Both stand in ``data/experiments.yml``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

from gapbook.exceptions import PressError
from gapbook.files import data_path
from gapbook.press.mappings import read_mapping

FULL_SCALE = "paper's scale"
PRINTED = "printed numbers"
# from the strongest evidence to none
SCALES = [FULL_SCALE, "authors' embeddings", "toy", PRINTED]


@dataclass(frozen=True)
class Experiment:
    """One run of the authors, or one calculation, to which a set of facts belongs.

    Attributes
    ----------
    name : str
        Name of the experiment.
    item : str
        Figure, table or section of the paper that shows it.
    facts : tuple of str
        Patterns of the keys of its facts.
    scale : str
        What a comparison in this book runs on, one of :data:`SCALES`.
    meanwhile : str
        What the default build has of it while its facts need data: a scale, or empty.
    arithmetic : str
        Printed numbers that its facts follow from; empty for a run.
    stored : str
        Command that computed the stored values of this book, if the build does not run them.
    command : str
        Command that settles its facts.
    """

    name: str
    item: str
    facts: tuple[str, ...]
    scale: str = FULL_SCALE
    meanwhile: str = ""
    arithmetic: str = ""
    stored: str = ""
    command: str = ""


@dataclass(frozen=True)
class Item:
    """A figure, table, theorem or section of the paper, and what the book has of it.

    Attributes
    ----------
    name : str
        What the paper calls it.
    shows, here : str
        What the paper has there, and what this book has.
    chapter : str
        Number of the chapter that treats it, such as ``"01"``; empty if none does.
    scales : tuple of str
        What the book has it on, members of :data:`SCALES`; empty for what it does not treat.
    """

    name: str
    shows: str
    here: str
    chapter: str
    scales: tuple[str, ...]


@cache
def paper_experiments() -> dict[str, Experiment]:
    """Read all experiments.

    Returns
    -------
    dict of str to Experiment
        Experiments by name, in the order of the paper.
    """
    return {name: _experiment(name, fields) for name, fields in _read()["experiments"].items()}


@cache
def paper_items() -> dict[str, Item]:
    """Read all parts of the paper.

    Returns
    -------
    dict of str to Item
        Items by name: those of the paper in its order, then those of its supplement.
    """
    return {name: _item(name, fields) for name, fields in _read()["items"].items()}


@cache
def experiment_of(key: str) -> Experiment:
    """Look up the experiment that a fact comes from.

    Parameters
    ----------
    key : str
        Key of a fact or a curve of ``data/paper.yml``.

    Returns
    -------
    Experiment
        The experiment.

    Raises
    ------
    PressError
        If no experiment names the fact, or several do.

    Examples
    --------
    >>> experiment_of("fig2b.bias.relu.L25").name == experiment_of("curve.fig2b.bias_c6.Tanh").name
    True
    >>> experiment_of("amend.ratio").arithmetic
    'the gaps of three seeds in their notebook'
    """
    of = [
        experiment
        for experiment in paper_experiments().values()
        if any(fnmatchcase(key, pattern) for pattern in experiment.facts)
    ]
    if len(of) != 1:
        names = ", ".join(experiment.name for experiment in of) or "none"
        raise PressError(
            f"data/experiments.yml must name {key!r} in one experiment; it does in {names}"
        )
    return of[0]


def _experiment(name: str, fields: dict[str, Any]) -> Experiment:
    return Experiment(name=name, **{**fields, "facts": tuple(fields["facts"])})


def _item(name: str, fields: dict[str, Any]) -> Item:
    return Item(name=name, **{**fields, "scales": tuple(fields["scales"])})


def _read() -> Mapping[str, Any]:
    return read_mapping(data_path("experiments.yml"))
