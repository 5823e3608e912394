"""The command ``fix``: fit a correction and save it as plain arrays."""

import argparse
import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gapbook.cli.inputs import (
    Sides,
    add_input,
    load_sides,
    load_vectors,
    require_different_names,
)
from gapbook.cli.options import Parser, add_command, name_text, output_path
from gapbook.exceptions import PairsError, quoted
from gapbook.terminal import print_text

if TYPE_CHECKING:
    import numpy as np

FIX = """Fit a correction and save it: plain arrays in a safetensors file, no pickle.

corrections (--with), in small letters or capitals:
  Center, Standardize, ShiftAlongGap, RotateTogether, ProcrustesAlign, ProjectOut,
  NearestNeighborNormalization
                move vectors of both sides: search of one modality by the other, or clusters;
                fitted on pairs
  ScoreScaling, QueryCenter, CSLS
                put scores of both modalities on one scale: one index that holds them both. The
                index must rank by inner products (QueryCenter: or by cosines). They need no pairs
                (but for ScoreScaling with --set by=positives): both sides may have any numbers of
                rows. ScoreScaling takes all scores (by=all) unless --set by=... says otherwise

gapbook apply moves stored vectors by the file. For queries of a service, a recipe is printed: a few
lines of NumPy that need no gapbook. Judge a correction on rows that it was not fitted on.
"""
EXAMPLES = """examples:
  gapbook fix embeddings.npz --with Center --out fix.safetensors
  gapbook fix embeddings.npz --with ScoreScaling --queries y --out fix.safetensors
  gapbook fix images.npy texts.npy --with ScoreScaling --queries queries.npy --out s.safetensors
  gapbook fix images.npy texts.npy --with ScoreScaling --set by=pseudo_positives --out s.safetensors
  gapbook fix embeddings.npz --with ProjectOut --set k=3 --set by=gap --out fix.safetensors

"""


def add_fix(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add the command ``fix``."""
    parser = add_command(commands, "fix", "fit a correction and save it", FIX, EXAMPLES)
    parser.set_defaults(run=_fix)
    add_input(parser)
    parser.add_argument(
        "--with", dest="name", type=name_text, required=True, help="which correction"
    )
    parser.add_argument(
        "--out", type=output_path((".safetensors",)), required=True, help="the file to write"
    )
    parser.add_argument(
        "--queries",
        type=name_text,
        metavar="SIDE_OR_FILE",
        default="y",
        help="for corrections of scores: the side that queries are like, x or y or the name of its "
        "modality, or a file of query vectors (n, d), any number of them (default: y)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a parameter of the correction; may be given again",
    )


def _fix(options: argparse.Namespace) -> None:
    """Fit, save, and print what was fitted and how to use it."""
    from gapbook.mitigation.fixes import fix_by_name
    from gapbook.mitigation.scores import ScoreCorrection

    require_different_names(options)
    correction = fix_by_name(options.name)
    _set_parameters(correction, options.set)
    sides = load_sides(options)
    if isinstance(correction, ScoreCorrection):
        if correction.needs_partners:
            _require_pairs(correction, sides)
        queries = _queries(options.queries, sides)
        # Queries of a file may be any; those of a side are the other side's partners.
        is_paired = sides.is_paired and options.queries in _named(sides)
        correction.fit(queries, sides.by_name, paired=is_paired)
    else:
        if options.queries not in _named(sides):
            raise PairsError(
                f"Expected --queries with ScoreScaling, QueryCenter or CSLS alone; "
                f"{type(correction).__name__} moves both sides of the pairs"
            )
        _require_pairs(correction, sides)
        correction.fit(sides.x, sides.y)
    correction.save(options.out)
    print_text(_summary(correction, sides, options))


def _require_pairs(correction: Any, sides: Sides) -> None:
    """Refuse sides of other numbers of rows, for a correction that is fitted on pairs."""
    if sides.is_paired:
        return
    first, second = sides.modalities
    raise PairsError(
        f"{correction!r} is fitted on pairs, row i of {first} and row i of {second}; got "
        f"{len(sides.x)} and {len(sides.y)} rows: bring both sides to the same rows in the same "
        "order, name their ids with --groups, or take ScoreScaling (by=all), QueryCenter or CSLS, "
        "which need no pairs"
    )


def _named(sides: Sides) -> "dict[str, np.ndarray]":
    """Return the rows of both sides, by the names of their modalities and as x and y."""
    return sides.by_name | {"x": sides.x, "y": sides.y}


def _queries(name: str, sides: Sides) -> "np.ndarray":
    """Return the rows of a side, or those of a file; a side comes before a file of its name."""
    named = _named(sides)
    if name in named:
        return named[name]
    path = Path(name)
    if not path.is_file():
        raise PairsError(
            f"Expected --queries as a file of query vectors, or among {', '.join(named)}; "
            f"got {quoted(name)}"
        )
    rows = load_vectors(path)
    d = sides.x.shape[1]
    if rows.shape[1] != d:
        raise PairsError(
            f"Expected queries of {d} dimensions, those of both sides; {quoted(path)} has "
            f"{rows.shape[1]}"
        )
    return rows


def _set_parameters(correction: Any, settings: list[str]) -> None:
    """Set parameters as they are given in the shell."""
    known = correction.get_params(deep=False)
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or name not in known:
            raise PairsError(
                f"Expected --set NAME=VALUE with a parameter of {type(correction).__name__} "
                f"({', '.join(known) or 'it has none'}); got {quoted(setting)}"
            )
        try:
            value = json.loads(text)
        except ValueError:
            # Reports and the book print names with hyphens: ScoreScaling by pseudo-positives.
            value = text.replace("-", "_")
        correction.set_params(**{name: value})


def _fitted_on(correction: Any, sides: Sides, options: argparse.Namespace) -> str:
    """Return how many pairs or rows there were, and how many queries of a file."""
    first, second = sides.modalities
    rows = f"{len(sides.x)} rows of {first} and {len(sides.y)} of {second}"
    if sides.is_paired:
        rows = f"{len(sides.x)} pairs of {first} and {second}"
    if options.queries in _named(sides):
        return rows
    return f"{correction.n_pairs_} queries of {quoted(options.queries)} and {rows}"


def _summary(correction: Any, sides: Sides, options: argparse.Namespace) -> str:
    """Return what was fitted, and the recipe for each side."""
    from sklearn import config_context

    from gapbook.mitigation.fixes import recipe, sides_of

    # Parameters that have their default are part of what was fitted.
    with config_context(print_changed_only=False):
        name = repr(correction)
    lines = [
        f"{name}, fitted on {_fitted_on(correction, sides, options)} "
        f"in {correction.n_features_in_} dimensions "
        f"(fingerprint {correction.fingerprint_}), is saved in {options.out}",
        "",
        "stored vectors:",
    ]
    moved = sides_of(correction)
    out = shlex.quote(str(options.out))
    for side in moved:
        lines.append(f"  gapbook apply {out} VECTORS --side {shlex.quote(side)} --out MOVED")
    lines += ["", "one vector v (d,), with NumPy alone:"]
    lines += ["  import numpy as np; from safetensors.numpy import load_file"]
    for side in moved:
        modality = dict(zip("xy", sides.modalities, strict=True)).get(side)
        lines.append(f"  # {side} ({modality})" if modality else f"  # {side}")
        text = recipe(correction, side, str(options.out))
        lines += [f"  {line}" for line in text.split("\n")]
    return "\n".join(lines)
