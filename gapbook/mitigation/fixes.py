"""The corrections that the command line offers by name, their sides, and recipes in plain NumPy."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from gapbook.exceptions import PairsError, nearest, quoted
from gapbook.mitigation.scores import CSLS, SAME_ROW, QueryCenter, ScoreCorrection, ScoreScaling
from gapbook.mitigation.transformers import (
    Center,
    Mitigation,
    NearestNeighborNormalization,
    ProcrustesAlign,
    ProjectOut,
    RotateTogether,
    ShiftAlongGap,
    Standardize,
)

FIXES: dict[str, type[Mitigation] | type[ScoreCorrection]] = {
    cls.__name__: cls
    for cls in (
        Center,
        Standardize,
        ShiftAlongGap,
        RotateTogether,
        ProcrustesAlign,
        ProjectOut,
        NearestNeighborNormalization,
        ScoreScaling,
        QueryCenter,
        CSLS,
    )
}
# The side of queries, for corrections of scores; the others are modalities of documents.
QUERIES = "queries"


def fix_by_name(name: str) -> Mitigation | ScoreCorrection:
    """Return a correction that is not fitted yet, by the name of its class in any case.

    Parameters
    ----------
    name : str
        A name of ``FIXES``.

    Returns
    -------
    Mitigation or ScoreCorrection
        The correction with its default parameters.

    Raises
    ------
    PairsError
        For an unknown name; the message suggests the nearest.

    Examples
    --------
    >>> fix_by_name("center")
    Center()
    """
    known = {key.lower(): cls for key, cls in FIXES.items()}
    if name.lower() not in known:
        raise PairsError(f"Expected a correction; got {quoted(name)}: {nearest(name, FIXES)}")
    return known[name.lower()]()


def sides_of(correction: Mitigation | ScoreCorrection) -> tuple[str, ...]:
    """Return the names of the sides that a fitted correction moves.

    Parameters
    ----------
    correction : Mitigation or ScoreCorrection
        A fitted correction.

    Returns
    -------
    tuple of str
        "x" and "y" of a mitigation; "queries" and the modalities of documents of a correction of
        scores.

    Examples
    --------
    >>> sides_of(Center())
    ('x', 'y')
    """
    if isinstance(correction, ScoreCorrection):
        return (QUERIES, *correction.modalities_)
    return ("x", "y")


def mover_of(
    correction: Mitigation | ScoreCorrection, side: str
) -> Callable[[ArrayLike], np.ndarray]:
    """Return the function that moves rows of one side, with zeros for rows without direction.

    Parameters
    ----------
    correction : Mitigation or ScoreCorrection
        A fitted correction.
    side : str
        A name of ``sides_of``.

    Returns
    -------
    callable
        It maps rows (n, d) to rows (n, e), float32.

    Raises
    ------
    PairsError
        For another side.

    Examples
    --------
    >>> fitted = Center().fit([[1, 0], [0.6, 0.8]], [[0, 1], [-0.6, 0.8]])
    >>> mover_of(fitted, "y")([[0, 0], [0, 1]]).round(3).tolist()
    [[0.0, 0.0], [0.94..., 0.31...]]
    """
    _require_side(correction, side)
    if isinstance(correction, ScoreCorrection):
        if side == QUERIES:
            return partial(correction.queries, skip=True)
        return partial(correction.documents, modality=side, skip=True)
    move: Callable[..., Any] = correction.transform_x if side == "x" else correction.transform_y
    return lambda rows: move(rows, skip=True)[0]


def _require_side(correction: Mitigation | ScoreCorrection, side: str) -> None:
    sides = sides_of(correction)
    if side in sides:
        return
    meaning = ""
    if not isinstance(correction, ScoreCorrection):
        meaning = ": x is the first side of the pairs that it was fitted on, y the second"
    raise PairsError(f"Expected a side among {', '.join(sides)}; got {quoted(side)}{meaning}")


def recipe(correction: Mitigation | ScoreCorrection, side: str, path: str) -> str:
    """Return three lines of NumPy that move one vector v (d,) as a saved correction does.

    Parameters
    ----------
    correction : Mitigation or ScoreCorrection
        A fitted correction.
    side : str
        A name of ``sides_of``.
    path : str
        The file that the correction is saved in.

    Returns
    -------
    str
        The lines. They use ``np`` and ``load_file`` of ``safetensors.numpy``, and change ``v``.

    Raises
    ------
    PairsError
        For another side, and for a correction without a recipe.

    Examples
    --------
    >>> print(recipe(Center(), "x", "fix.safetensors"))
    f = load_file('fix.safetensors')
    v = v / np.linalg.norm(v) - 1 * f["mean_x_"]
    v = v / np.linalg.norm(v)
    """
    _require_side(correction, side)
    name = type(correction).__name__
    if name not in FIXES:
        raise PairsError(f"There is no recipe for {name}: load it with load_mitigation")
    if isinstance(correction, ScoreCorrection):
        lines = _score_lines(correction, side)
    else:
        lines = _move_lines(correction, side)
    return "\n".join([f"f = load_file({path!r})", *lines])


UNIT = "v = v / np.linalg.norm(v)"


def _move_lines(correction: Any, side: str) -> list[str]:
    """Return the second and the third line for a mitigation."""
    name = type(correction).__name__
    if name == "NearestNeighborNormalization":
        return _neighbor_lines(correction, side)
    if name == "ProcrustesAlign":
        return [UNIT, _procrustes_line(correction, side)]
    sign = "-" if side == "x" else "+"
    moved = {
        "Center": lambda: f'{UNIT} - {correction.amount:g} * f["mean_{side}_"]',
        "Standardize": lambda: (
            f'v = (v / np.linalg.norm(v) - f["mean_{side}_"]) / f["scale_{side}_"]'
        ),
        "ShiftAlongGap": lambda: f'{UNIT} {sign} f["amount_"] * f["along_"]',
        "ProjectOut": lambda: 'v = v - f["removed_"].T @ (f["removed_"] @ v)',
        "RotateTogether": lambda: (
            f'c, m = f["center_{side}_"], f["middle_"]; '
            "v = v - (v @ (c + m)) / (1 + c @ m) * (c + m) + 2 * (v @ c) * m"
        ),
    }
    return [moved[name](), UNIT]


def _procrustes_line(correction: ProcrustesAlign, side: str) -> str:
    if side == "x":
        return "# x stays as it is"
    if correction.basis_ is None:
        return 'v = v @ f["turn_"]'
    return 'b = f["basis_"]; v = v + (b @ v) @ (f["turn_"] - np.eye(len(b))) @ b'


def _neighbor_lines(correction: NearestNeighborNormalization, side: str) -> list[str]:
    other = "y" if side == "x" else "x"
    nearest_mean = f'np.sort(f["reference_{other}_"] @ v)[-{correction.k}:].mean()'
    root = correction.alpha**0.5
    more = "[-b, 1, (1 - b * b) ** 0.5, 0]" if side == "x" else "[1, -b, 0, (1 - b * b) ** 0.5]"
    length = (1 + 2 * correction.alpha) ** 0.5
    return [
        f"{UNIT}; b = {nearest_mean}",
        f"v = np.append(v, {root!r} * np.array({more})) / {length!r}",
    ]


def _score_lines(correction: Any, side: str) -> list[str]:
    """Return the second and the third line for a correction of scores."""
    if isinstance(correction, QueryCenter):
        place = correction.modalities_.index(side) if side != QUERIES else 0
        mean = 'f["query_mean_"]' if side == QUERIES else f'f["means_"][{place}]'
        return [f"{UNIT} - {mean}", UNIT]
    if side == QUERIES:
        return [UNIT, "v = np.append(v, 1)"]
    if isinstance(correction, CSLS):
        k = correction.k
        # A vector that is one of the references is not its own neighbor.
        nearness = f"np.sort(c)[-{k} - (c.max() >= {SAME_ROW}) :][:{k}].mean()"
        return [f'{UNIT}; c = f["reference_"] @ v', f"v = np.append(2 * v, -{nearness})"]
    place = correction.modalities_.index(side)
    return [UNIT, f'v = np.append(f["scale_"][{place}] * v, f["offset_"][{place}])']
