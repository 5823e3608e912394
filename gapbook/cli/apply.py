"""The command ``apply``: move stored vectors by a saved correction."""

import argparse
import sys
from typing import TYPE_CHECKING, Any

from gapbook.cli.options import (
    Parser,
    add_command,
    add_quiet,
    add_scheduler,
    input_path,
    name_text,
    shows_progress,
)
from gapbook.exceptions import PairsError, one_line, quoted
from gapbook.terminal import print_text

if TYPE_CHECKING:
    from gapbook.mitigation.stored import Applied

# Of what is left out for its name, so much is named.
NAMES_SHOWN = 10

APPLY = """Move stored vectors by a correction that gapbook fix has saved. Row i stays row i.

vectors, by their ending:
  .npy                 one array of shape (n, d), some rows in memory at a time
  .safetensors         an array of that shape, named by --key, as the side, or the only one
  .npz                 the same; it is held in memory
  a folder             any number of such files, each whole or not at all, several at once through
                       Dask (without Dask one after the other)

float16 stays float16, in each file of a folder; other types become float32. Interrupted (Ctrl-C, a
crash), the same command goes on: within a .npy file at the last rows that were written down, in a
folder with the files that are missing. A bad file of a folder is named after all others are moved.
Only vectors are written; ids stay with the input, in the same order.
"""
EXAMPLES = """examples:
  gapbook apply fix.safetensors images.npy --side x --out moved.npy
  gapbook apply fix.safetensors shards/ --side y --out moved/ --skip-bad
  gapbook apply fix.safetensors shards/ --side y --out moved/ --scheduler tcp://10.0.0.1:8786
  gapbook apply scores.safetensors images.npy --side image --out index_vectors.npy

"""


def add_apply(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add the command ``apply``."""
    parser = add_command(
        commands, "apply", "move stored vectors by a saved correction", APPLY, EXAMPLES
    )
    parser.set_defaults(
        run=_apply, when_interrupted="the same command goes on where this one was stopped"
    )
    parser.add_argument("fix", type=input_path, help="the file that gapbook fix has written")
    parser.add_argument("vectors", type=input_path, help="a file of vectors, or a folder of them")
    parser.add_argument(
        "--side",
        type=name_text,
        required=True,
        help="what the vectors are: x or y; for corrections of scores queries, or a modality",
    )
    parser.add_argument("--out", type=input_path, required=True, help="a file or folder to write")
    parser.add_argument("--key", type=name_text, help="the name of the array in each file")
    parser.add_argument(
        "--skip-bad",
        action="store_true",
        help="leave damaged files out and write zeros for rows without direction; name them",
    )
    add_scheduler(parser, ", which sees both folders at the same paths")
    add_quiet(parser)


def _apply(options: argparse.Namespace) -> None:
    """Move everything, and say what was done and what was left out."""
    from gapbook.mitigation.saved import load_mitigation

    correction = load_mitigation(options.fix)
    if options.scheduler and not options.vectors.is_dir():
        raise PairsError(f"--scheduler is for a folder of files; {quoted(options.vectors)} is none")
    if options.vectors.is_dir() and (options.scheduler or _has_dask()):
        applied = _apply_with_dask(correction, options)
    else:
        applied = _apply_here(correction, options)
    if applied.left_out:
        names = one_line(", ".join(applied.left_out[:NAMES_SHOWN]))
        print(f"gapbook: left out for their names: {names}", file=sys.stderr)
    for name, why in applied.bad.items():
        print(f"gapbook: left out {one_line(name)}: {one_line(why)}", file=sys.stderr)
    if applied.n_without_direction:
        print(
            f"gapbook: {applied.n_without_direction} rows without direction are zeros (first: "
            f"{one_line(', '.join(applied.without_direction))}): leave them out of an index",
            file=sys.stderr,
        )
    files = "1 file" if applied.files == 1 else f"{applied.files} files"
    there = f"; {applied.there} were there already" if applied.there else ""
    print_text(f"{applied.rows:,} vectors moved into {files}{there}: {options.out}")


def _has_dask() -> bool:
    try:
        import cryptography  # noqa: F401
        import distributed  # noqa: F401
    except ImportError:
        return False
    return True


def _apply_with_dask(correction: Any, options: argparse.Namespace) -> "Applied":
    from gapbook.shards import apply_to_shards

    return apply_to_shards(
        correction,
        options.vectors,
        options.out,
        options.side,
        options.scheduler,
        key=options.key,
        skip_bad=options.skip_bad,
        progress=shows_progress(options),
    )


def _apply_here(correction: Any, options: argparse.Namespace) -> "Applied":
    from tqdm import tqdm

    from gapbook.mitigation.stored import apply_to_stored

    disable = not shows_progress(options)
    with tqdm(unit=" rows", unit_scale=True, disable=disable, leave=False) as bar:
        return apply_to_stored(
            correction,
            options.vectors,
            options.out,
            options.side,
            key=options.key,
            skip_bad=options.skip_bad,
            progress=bar.update,
        )
