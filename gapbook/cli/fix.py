"""The command ``fix``: fit a correction and save it as plain arrays."""

import argparse
import json
from typing import TYPE_CHECKING, Any

from gapbook.cli.inputs import add_input, load_input, require_different_names
from gapbook.cli.options import Parser, add_command, name_text, output_path
from gapbook.exceptions import PairsError, quoted
from gapbook.terminal import print_text

if TYPE_CHECKING:
    from gapbook.pairs import PairedEmbeddings

FIX = """Fit a correction on pairs and save it: plain arrays in a safetensors file, no pickle.

corrections (--with), in small letters or capitals:
  Center, Standardize, ShiftAlongGap, RotateTogether, ProcrustesAlign, ProjectOut,
  NearestNeighborNormalization
                move vectors of both sides: search of one modality by the other, or clusters
  ScoreScaling, QueryCenter, CSLS
                put scores of both modalities on one scale: one index that holds them both. The
                index must rank by inner products (QueryCenter: or by cosines)

gapbook apply moves stored vectors by the file. For queries of a service, a recipe is printed: a few
lines of NumPy that need no gapbook. Judge a correction on pairs that it was not fitted on.
"""
EXAMPLES = """examples:
  gapbook fix embeddings.npz --with Center --out fix.safetensors
  gapbook fix embeddings.npz --with ScoreScaling --queries y --out fix.safetensors
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
        metavar="SIDE",
        default="y",
        help="for corrections of scores: the side that queries are like, x or y or the name of its "
        "modality (default: y)",
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
    pairs = load_input(options)
    if isinstance(correction, ScoreCorrection):
        queries = pairs.x if _side(options.queries, pairs) == "x" else pairs.y
        documents = dict(zip(pairs.modalities, (pairs.x, pairs.y), strict=True))
        correction.fit(queries, documents)
    else:
        correction.fit(pairs.x, pairs.y)
    correction.save(options.out)
    print_text(_summary(correction, pairs, options))


def _side(name: str, pairs: "PairedEmbeddings") -> str:
    """Return x or y, which may be named as its modality."""
    sides = dict(zip(pairs.modalities, "xy", strict=True)) | {"x": "x", "y": "y"}
    if name not in sides:
        raise PairsError(f"Expected --queries among {', '.join(sides)}; got {quoted(name)}")
    return sides[name]


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
            value = text
        correction.set_params(**{name: value})


def _summary(correction: Any, pairs: "PairedEmbeddings", options: argparse.Namespace) -> str:
    """Return what was fitted, and the recipe for each side."""
    from gapbook.mitigation.fixes import recipe, sides_of

    lines = [
        f"{correction!r}, fitted on {correction.n_pairs_} pairs of "
        f"{' and '.join(pairs.modalities)} in {correction.n_features_in_} dimensions "
        f"(fingerprint {correction.fingerprint_}), is saved in {options.out}",
        "",
        "stored vectors:",
    ]
    sides = sides_of(correction)
    lines += [f"  gapbook apply {options.out} VECTORS --side {side} --out MOVED" for side in sides]
    lines += ["", "one vector v (d,), with NumPy alone:"]
    lines += ["  import numpy as np; from safetensors.numpy import load_file"]
    for side in sides:
        name = dict(zip("xy", pairs.modalities, strict=True)).get(side)
        lines.append(f"  # {side} ({name})" if name else f"  # {side}")
        text = recipe(correction, side, str(options.out))
        lines += [f"  {line}" for line in text.split("\n")]
    return "\n".join(lines)
