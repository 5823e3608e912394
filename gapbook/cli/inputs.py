"""The input that commands share: the pairs that a file or folder holds."""

import argparse
from typing import TYPE_CHECKING

from gapbook.cli.options import Parser, input_path, name_text
from gapbook.exceptions import PairsError, quoted

if TYPE_CHECKING:
    from gapbook.pairs import PairedEmbeddings


def add_input(parser: Parser) -> None:
    """Add the argument ``input`` and the options that say what is in it."""
    parser.add_argument("input", type=input_path, help="a file of pairs, or a folder of shards")
    parser.add_argument(
        "--modalities",
        nargs=2,
        type=name_text,
        metavar=("X", "Y"),
        help="what x and y are (default: as the file says, or image text)",
    )
    parser.add_argument(
        "--columns",
        nargs=2,
        type=name_text,
        metavar=("X", "Y"),
        default=["x", "y"],
        help="names of the two arrays (default: x y)",
    )


def require_different_names(options: argparse.Namespace) -> None:
    """Refuse one name for both sides."""
    for option in ("modalities", "columns"):
        names = getattr(options, option)
        if names and len(set(names)) == 1:
            raise PairsError(
                f"Expected two different names for --{option}; got {quoted(names[0])} twice"
            )


def load_input(options: argparse.Namespace) -> "PairedEmbeddings":
    """Read the pairs of a file."""
    from gapbook.pairs import PairedEmbeddings

    columns = tuple(options.columns)
    if options.modalities:
        return PairedEmbeddings.load(options.input, columns, modalities=options.modalities)
    return PairedEmbeddings.load(options.input, columns)
