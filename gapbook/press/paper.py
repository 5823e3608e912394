"""What the authors reported: the facts and curves of ``data/paper.yml``, each with its provenance."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import SimpleNamespace
from typing import Any

import yaml

from gapbook.exceptions import PressError, nearest


@dataclass(frozen=True)
class Fact:
    """One reported value, where it stands, and what settles whether we reproduce it.

    ``tolerance`` is absolute and ``why`` says where it comes from; ``erratum`` proves the reported value wrong and
    ``corrected`` replaces it; ``needs`` names data that does not come with the book; ``chapter`` treats the
    fact; ``context`` says why it is not for us to reproduce.
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
    context: str = ""
    note: str = ""


def paper_value(key: str) -> Any:
    """Value that the authors reported under ``key``; an unknown key is an error that suggests the nearest.

    >>> paper_value("fig3.gap_default")
    0.8221026
    """
    return paper_fact(key).value


def paper_fact(key: str) -> Fact:
    """Fact with its provenance, its unit and how it is judged.

    >>> paper_fact("fig1.clip_random.i2t_r1").source
    'Figure_1_Modality_Gap/repr_clip.ipynb cell 3 output'
    """
    return _lookup(paper_facts(), key, "fact")


def paper_curve(key: str) -> SimpleNamespace:
    """Curve with its provenance: lists ``x`` and ``y``, read from a figure with the stated ``uncertainty``.

    Those of Figure 2b state the ``network`` and the ``bias`` that made them, by their names in :mod:`gapbook.mlp`.

    >>> curve = paper_curve("curve.fig2b.nobias_c6.Tanh")
    >>> curve.network, curve.bias, curve.y[:2]
    ('tanh', 'uniform', [0.0406, 0.0515])
    """
    return _lookup(paper_curves(), key, "curve")


@cache
def paper_facts() -> dict[str, Fact]:
    """All facts by id, in the order of the paper."""
    return {key: Fact(id=key, **said) for key, said in _members("facts")}


@cache
def paper_curves() -> dict[str, SimpleNamespace]:
    """All curves by id, in the order of the paper."""
    return {key: SimpleNamespace(id=key, **said) for key, said in _members("curves")}


def reported() -> dict[str, Fact]:
    """All that the scoreboard judges: the facts, and each curve as a fact whose value is the list of its heights."""
    return paper_facts() | {key: _as_fact(curve) for key, curve in paper_curves().items()}


def _as_fact(curve: SimpleNamespace) -> Fact:
    names = ("figure", "source", "evidence", "setting", "chapter", "needs")
    said: dict[str, Any] = {name: getattr(curve, name, "") for name in names}
    label = curve.id.rpartition(".")[2]
    quantity = f"{curve.y_name.partition(' (')[0]} by {curve.x_name}: {label}"
    return Fact(
        id=curve.id, quantity=quantity, value=curve.y, unit=getattr(curve, "unit", ""), **said
    )


def _lookup(table: dict[str, Any], key: str, kind: str) -> Any:
    if key not in table:
        raise PressError(f"data/paper.yml has no {kind} {key!r}; {nearest(key, table)}")
    return table[key]


def _members(kind: str) -> list[tuple[str, dict[str, Any]]]:
    """Flatten the groups of the file: what a group states holds for its members, unless they say otherwise."""
    groups = yaml.safe_load((files("gapbook.data") / "paper.yml").read_text(encoding="utf-8"))[
        "groups"
    ]
    shared = [
        ({name: said for name, said in group.items() if name not in ("facts", "curves")}, group)
        for group in groups
    ]
    return [
        (key, {**said, **own}) for said, group in shared for key, own in group.get(kind, {}).items()
    ]
