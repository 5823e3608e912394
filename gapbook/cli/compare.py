"""The command ``compare``: measures of the same pairs before and after a change."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from gapbook.checks.seeds import MAX_SEED
from gapbook.cli.options import Parser, add_command, input_path, name_text, output_path, seed
from gapbook.exceptions import PairsError
from gapbook.terminal import print_text, readable

if TYPE_CHECKING:
    from gapbook.pairs import PairedEmbeddings
    from gapbook.report.compare import Comparison

OUTPUT_SUFFIXES = (".md", ".json", ".csv")

COMPARE = """Compare the measures of the same pairs before and after a change of their vectors.

inputs   two files of pairs, before and after, of any ending that gapbook report reads; or four
         files with a side each: x and y before, x and y after

Row i before and row i after are the same pair; dimensions may differ. Says each measure of gapbook
report, recall and the share of the other modality in one index of both, and the true matches that a
cut keeps, with changes and their 95 % intervals: a bootstrap that redraws the same pairs on both
sides.
"""
EXAMPLES = """examples:
  gapbook compare before.npz after.npz
  gapbook compare before.npz after.npz --out compared.md --out compared.csv
  gapbook compare images.npy texts.npy images_after.npy texts_after.npy

"""


def add_compare(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add the command ``compare``."""
    parser = add_command(
        commands, "compare", "compare pairs before and after a change", COMPARE, EXAMPLES
    )
    parser.set_defaults(run=_compare)
    parser.add_argument(
        "inputs", nargs="+", type=input_path, metavar="FILE", help="two files, or four"
    )
    for option, text in (
        ("modalities", "what x and y are (default: as the first file says, or image text)"),
        ("columns", "names of the two arrays in each file (default: x y)"),
    ):
        parser.add_argument(f"--{option}", nargs=2, type=name_text, metavar=("X", "Y"), help=text)
    parser.add_argument(
        "--seed",
        type=seed,
        default=0,
        help=f"of samples and intervals, up to {MAX_SEED} (default: 0)",
    )
    parser.add_argument(
        "--out",
        type=output_path(OUTPUT_SUFFIXES),
        action="append",
        default=[],
        help=f"a file to write, {', '.join(OUTPUT_SUFFIXES)}; may be given again",
    )


def _compare(options: argparse.Namespace) -> None:
    """Measure both; then write every file, or print the table."""
    from gapbook.files import write_all
    from gapbook.report.compare import compare_pairs

    files = options.inputs
    if len(files) not in (2, 4):
        raise PairsError(
            "Expected two files of pairs, before and after, or four files: x and y before, x and y "
            f"after; got {len(files)}"
        )
    half = len(files) // 2
    before = _load(files[:half], options)
    after = _load(files[half:], options)
    comparison = compare_pairs(before, after, options.seed)
    contents = {path: _content(comparison, path.suffix.lower()) for path in options.out}
    write_all(contents)
    if not contents:
        print_text(_content(comparison, ".md").decode())


def _load(files: list[Path], options: argparse.Namespace) -> "PairedEmbeddings":
    """Read the pairs of one file, or of two with a side each."""
    from gapbook.pairs import PairedEmbeddings

    metadata = {"modalities": options.modalities} if options.modalities else {}
    other = files[1] if len(files) == 2 else None
    return PairedEmbeddings.load(files[0], other, columns=options.columns, **metadata)


def _content(comparison: "Comparison", suffix: str) -> bytes:
    """Return the table in Markdown, JSON or CSV."""
    from gapbook.report.compare import printed_comparison
    from gapbook.report.tables import plain_markdown

    if suffix == ".csv":
        return comparison.table.to_csv(index=False).encode()
    if suffix == ".json":
        import numpy as np

        rows = comparison.table.astype(object).replace({np.nan: None}).to_dict("records")
        document = {"notes": comparison.notes, "changes": rows}
        return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
    table = plain_markdown(printed_comparison(comparison.table))
    return readable("\n".join([*comparison.notes, "", table])).encode()
