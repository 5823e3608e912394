"""The command ``apply``: move stored vectors by a saved correction."""

import argparse
import sys

from gapbook.cli.options import Parser, add_command, input_path, name_text
from gapbook.exceptions import one_line
from gapbook.terminal import print_text

APPLY = """Move stored vectors by a correction that gapbook fix has saved. Row i stays row i.

vectors, by their ending:
  .npy                 one array of shape (n, d), some rows in memory at a time
  .safetensors         an array of that shape, named by --key, as the side, or the only one
  .npz                 the same; it is held in memory
  a folder             any number of such files, one after the other

float16 stays float16; other types become float32. Interrupted (Ctrl-C, a crash), the same command
goes on: within a .npy file at the last rows that were written down, in a folder at the first file
that is missing. Only vectors are written; ids stay with the input, in the same order.
"""
EXAMPLES = """examples:
  gapbook apply fix.safetensors images.npy --side x --out moved.npy
  gapbook apply fix.safetensors shards/ --side y --out moved/ --skip-bad
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
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _apply(options: argparse.Namespace) -> None:
    """Move everything, and say what was done and what was left out."""
    from tqdm import tqdm

    from gapbook.mitigation.saved import load_mitigation
    from gapbook.mitigation.stored import apply_to_stored

    correction = load_mitigation(options.fix)
    with tqdm(unit=" rows", unit_scale=True, disable=options.quiet, leave=False) as bar:
        applied = apply_to_stored(
            correction,
            options.vectors,
            options.out,
            options.side,
            key=options.key,
            skip_bad=options.skip_bad,
            progress=bar.update,
        )
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
