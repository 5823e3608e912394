"""Read what the authors reported: facts and curves of ``data/paper.yml``, with their provenance."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import yaml

from gapbook.exceptions import PressError, nearest
from gapbook.files import data_path

Member = TypeVar("Member")


@dataclass(frozen=True)
class Fact:
    """One reported value, where it stands, and what settles whether we reproduce it.

    Attributes
    ----------
    id : str
        Key of the value. A record under the same key is compared with it, or under ``ours``.
    figure, source, evidence, setting : str
        Where the authors show it, the file or page it was taken from, how it was read there, and
        the setting that it belongs to.
    quantity, unit : str
        What it measures.
    value : number, str or list
        What the authors reported.
    chapter : str
        Number of the chapter that treats it, such as ``"01"``.
    tolerance, why : float, str
        How far a reproduction may be off, absolute, and where that comes from.
    erratum, corrected : str, number or list
        Proof that the value is wrong, and the right one.
    needs : str
        Data that does not come with the book.
    cannot_be_had : str
        Why nobody can be sent to that data.
    context : str
        Why it is not for us to reproduce.
    ours : str
        Key of the record that is compared with it, if that is not the key of the fact.
    note : str
        Anything else.
    """

    id: str
    figure: str
    quantity: str
    value: Any
    unit: str
    source: str
    evidence: str
    setting: str = ""
    chapter: str = ""
    tolerance: float | None = None
    why: str = ""
    erratum: str = ""
    corrected: Any = None
    needs: str = ""
    cannot_be_had: str = ""
    context: str = ""
    ours: str = ""
    note: str = ""


@dataclass(frozen=True)
class Curve:
    """One reported curve, read from a figure.

    Attributes
    ----------
    id : str
        Key of the curve. A record under the same key is compared with its heights.
    figure, source, evidence, setting : str
        Where the authors show it, the file it was taken from, how it was read there, and the
        setting that it belongs to.
    chapter, needs : str
        Number of the chapter that treats it, and data that does not come with the book.
    x_name, y_name : str
        What is on the axes.
    x, y : list of float
        Its points.
    uncertainty : float or dict of str to float
        How exactly the points could be read, by axis if that differs.
    network, bias : str
        In Figure 2b, what made it, by the names of ``gapbook.cone.networks``.
    delta : list of float
        In Figure 3, the shift of each point.
    """

    id: str
    figure: str
    source: str
    evidence: str
    setting: str
    chapter: str
    x_name: str
    y_name: str
    x: list[float]
    y: list[float]
    uncertainty: float | dict[str, float]
    needs: str = ""
    network: str = ""
    bias: str = ""
    delta: list[float] | None = None


def paper_value(key: str) -> Any:
    """Look up the value that the authors reported.

    Parameters
    ----------
    key : str
        Key of a fact.

    Returns
    -------
    number, str or list
        The value.

    Raises
    ------
    PressError
        If there is no such fact; the message suggests the nearest key.

    Examples
    --------
    >>> paper_value("fig3.gap_default")
    0.8221026
    """
    return paper_fact(key).value


def paper_fact(key: str) -> Fact:
    """Look up a fact with its provenance, its unit and how it is judged.

    Parameters
    ----------
    key : str
        Key of a fact.

    Returns
    -------
    Fact
        The fact.

    Raises
    ------
    PressError
        If there is no such fact; the message suggests the nearest key.

    Examples
    --------
    >>> paper_fact("fig1.clip_random.i2t_r1").source
    'Figure_1_Modality_Gap/repr_clip.ipynb cell 3 output'
    """
    return _look_up(paper_facts(), key, "fact")


def paper_curve(key: str) -> Curve:
    """Look up a curve with its provenance.

    Parameters
    ----------
    key : str
        Key of a curve.

    Returns
    -------
    Curve
        The curve.

    Raises
    ------
    PressError
        If there is no such curve; the message suggests the nearest key.

    Examples
    --------
    >>> curve = paper_curve("curve.fig2b.nobias_c6.Tanh")
    >>> curve.network, curve.bias, curve.y[:2]
    ('tanh', 'uniform', [0.0406, 0.0515])
    """
    return _look_up(paper_curves(), key, "curve")


@cache
def paper_facts() -> dict[str, Fact]:
    """Read all facts.

    Returns
    -------
    dict of str to Fact
        Facts by key, in the order of the paper.
    """
    return {key: Fact(id=key, **fields) for key, fields in _members("facts").items()}


@cache
def paper_curves() -> dict[str, Curve]:
    """Read all curves.

    Returns
    -------
    dict of str to Curve
        Curves by key, in the order of the paper.
    """
    return {key: Curve(id=key, **fields) for key, fields in _members("curves").items()}


def reported() -> dict[str, Fact]:
    """Read all that the scoreboard judges.

    Returns
    -------
    dict of str to Fact
        All facts, and each curve as a fact whose value is the list of its heights.
    """
    return paper_facts() | {key: _as_fact(curve) for key, curve in paper_curves().items()}


def _as_fact(curve: Curve) -> Fact:
    height = curve.y_name.partition(" (")[0]
    label = curve.id.rpartition(".")[2]
    return Fact(
        id=curve.id,
        figure=curve.figure,
        quantity=f"{height} by {curve.x_name}: {label}",
        value=curve.y,
        unit="",
        source=curve.source,
        evidence=curve.evidence,
        setting=curve.setting,
        chapter=curve.chapter,
        needs=curve.needs,
    )


def _look_up(table: Mapping[str, Member], key: str, kind: str) -> Member:
    if key not in table:
        raise PressError(f"data/paper.yml has no {kind} {key!r}; {nearest(key, table)}")
    return table[key]


def _members(kind: str) -> dict[str, dict[str, Any]]:
    """Flatten groups: what a group states holds for its members, unless they say otherwise."""
    text = data_path("paper.yml").read_text(encoding="utf-8")
    members = {}
    for group in yaml.safe_load(text)["groups"]:
        shared = {name: value for name, value in group.items() if name not in ("facts", "curves")}
        for key, own in group.get(kind, {}).items():
            members[key] = {**shared, **own}
    return members
