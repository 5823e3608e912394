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
        "other_input",
        nargs="?",
        type=input_path,
        metavar="other",
        help="the file of the other side, where each side has a file of its own",
    )
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
        help="names of the two arrays, of two files one for each (default: x y; of two files, the "
        "only array of each)",
    )


def require_different_names(options: argparse.Namespace) -> None:
    """Refuse one name for both sides; in two files, arrays may have the same name."""
    for option in ("modalities", "columns"):
        names = getattr(options, option)
        if option == "columns" and options.other_input:
            continue
        if names and len(set(names)) == 1:
            raise PairsError(
                f"Expected two different names for --{option}; got {quoted(names[0])} twice"
            )


def load_input(options: argparse.Namespace) -> "PairedEmbeddings":
    """Read the pairs of one file or of two."""
    from gapbook.pairs import PairedEmbeddings

    metadata = {"modalities": options.modalities} if options.modalities else {}
    return PairedEmbeddings.load(
        options.input, options.other_input, columns=options.columns, **metadata
    )


def holds_shards(options: argparse.Namespace) -> bool:
    """Say whether the input is a folder of shards, which are measured one at a time."""
    from gapbook.array_files import is_known_folder

    if options.other_input or not options.input.is_dir():
        return False
    return not is_known_folder(options.input)
