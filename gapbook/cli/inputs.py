"""The input that commands share: the pairs that a file or folder holds."""

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gapbook.cli.options import Parser, input_path, name_text, number
from gapbook.exceptions import ColumnsError, PairsError, one_line, quoted
from gapbook.terminal import readable

if TYPE_CHECKING:
    import numpy as np

    from gapbook.array_files import Input
    from gapbook.pairs import PairedEmbeddings


class Sides(NamedTuple):
    """The unit rows of both sides, which need not be paired."""

    x: "np.ndarray"
    y: "np.ndarray"
    modalities: tuple[str, str]
    is_paired: bool

    @property
    def by_name(self) -> "dict[str, np.ndarray]":
        """The rows of both sides by their modalities."""
        return dict(zip(self.modalities, (self.x, self.y), strict=True))


def add_input(parser: Parser, several: bool = False) -> None:
    """Add the argument ``input`` and the options that say what is in it.

    With ``several`` there may be more than two files, and more than two names in an option.
    """
    parser.add_argument("input", type=input_path, help="a file of pairs, or a folder of shards")
    parser.add_argument(
        "other_input",
        nargs="?",
        type=input_path,
        metavar="other",
        help="the file of the other side, where each side has a file of its own",
    )
    if several:
        parser.add_argument(
            "more_inputs",
            nargs="*",
            default=[],
            type=input_path,
            metavar="more",
            help="the files of further modalities",
        )
    parser.add_argument(
        "--modalities",
        nargs="+" if several else 2,
        type=name_text,
        metavar=("X", "Y"),
        help="what x and y are (default: as the file says, or image text"
        + ("; of three or more, the names of columns or files)" if several else ")"),
    )
    parser.add_argument(
        "--columns",
        nargs="+" if several else 2,
        type=name_text,
        metavar=("X", "Y"),
        help="names of the two arrays, of two files one for each (default: x y; of two files, the "
        "only array of each)" + ("; three or more of one file are modalities" if several else ""),
    )
    _add_table_options(parser)


def _add_table_options(parser: Parser) -> None:
    parser.add_argument(
        "--long-table",
        nargs=3,
        type=name_text,
        metavar=("VECTOR", "MODALITY", "ID"),
        help="names of three columns, where each row of a table holds one vector: rows of two "
        "modalities are paired by their ids (--modalities says which two)",
    )
    parser.add_argument(
        "--dequantize",
        nargs=2,
        type=number,
        action="append",
        metavar=("LOW", "HIGH"),
        help="the range that int8 or uint8 stand for: LOW + (HIGH - LOW) (q + o) / 255, o being "
        "128 for int8 and 0 for uint8; given twice, first that of x, then that of y",
    )

    parser.add_argument(
        "--groups",
        type=name_text,
        action="append",
        metavar="IDS",
        help="which rows belong together, where an image has several captions: a .npy file with an "
        "integer or a string for each row, or the name of an array or column; given twice, that of "
        "x, then that of y; of a long table the name of a column, which may be ID; of "
        "a folder of shards an array or column of each, or a folder with a .npy file for each",
    )


def _ranges(options: argparse.Namespace) -> Any:
    """Return the range of both sides, or of each."""
    ranges = options.dequantize
    if not ranges:
        return None
    if len(ranges) > 2:
        raise PairsError(
            f"Expected --dequantize once for both sides or twice, for x and y; got {len(ranges)}"
        )
    if len(ranges) == 1:
        return ranges[0]
    return {"x": ranges[0], "y": ranges[1]}


def count_sides(options: argparse.Namespace) -> int:
    """Return how many modalities the input has: two, or more by files or by names of columns."""
    if options.other_input:
        return 2 + len(getattr(options, "more_inputs", []))
    return max(2, len(options.columns or []))


def require_different_names(options: argparse.Namespace) -> None:
    """Refuse one name for two sides; in files of their own, arrays may have the same name."""
    _require_a_file(options)
    sides = count_sides(options)
    for option in ("modalities", "columns"):
        names = getattr(options, option)
        if names and len(names) != sides:
            advice = ""
            if len(names) > sides:
                advice = (
                    ": put all files before the options, and name the arrays of one file by "
                    "--columns"
                )
            raise PairsError(
                f"Expected {_in_words(sides)} names for --{option}, one for each side; got "
                f"{len(names)}{advice}"
            )
        if option == "columns" and options.other_input:
            continue
        for name in names or []:
            if names.count(name) > 1:
                times = "twice" if names.count(name) == 2 else f"{names.count(name)} times"
                raise PairsError(
                    f"Expected {_in_words(sides)} different names for --{option}; got "
                    f"{quoted(name)} {times}"
                )


def _in_words(count: int) -> str:
    return "two" if count == 2 else str(count)


def _require_a_file(options: argparse.Namespace) -> None:
    """Refuse options that do not go with a folder of shards."""
    if not holds_shards(options):
        return
    if options.dequantize:
        raise PairsError(
            f"--dequantize is for files; {quoted(options.input)} is a folder of shards: "
            "dequantize them first"
        )
    if options.groups and len(options.groups) != 1:
        raise PairsError(
            f"Expected --groups once for a folder of shards, whose pairs are row by row; got "
            f"{len(options.groups)} of them"
        )
    if options.long_table:
        raise PairsError(
            f"--long-table is for a file; {quoted(options.input)} is a folder of shards: "
            "name one of its files"
        )


def input_words(options: argparse.Namespace) -> str:
    """Return the arguments that name the input, as a shell takes them in another command."""
    words = [options.input]
    if options.other_input:
        words.append(options.other_input)
    for option in ("columns", "long_table", "modalities"):
        names = getattr(options, option)
        if names:
            words += [f"--{option.replace('_', '-')}", *names]
    for ids in options.groups or []:
        words += ["--groups", ids]
    for low, high in options.dequantize or []:
        words += ["--dequantize", f"{low:g}", f"{high:g}"]
    return " ".join(shlex.quote(one_line(readable(str(word)))) for word in words)


def load_vectors(path: Path, cosine: bool = False) -> "np.ndarray":
    """Read the one array (n, d) of a file, of unit rows if they are to be compared by cosines."""
    from gapbook.array_files import array_names, read_side
    from gapbook.checks.arrays import as_numpy, plain_matrix
    from gapbook.files import path_text
    from gapbook.pairs import unit_rows

    name = path_text(path)
    try:
        rows = read_side(path)
    except ColumnsError:
        raise PairsError(
            f"Expected one array of shape (n, d) in {name}; it has "
            f"{quoted(', '.join(array_names(path)))}: write the vectors alone, with np.save"
        ) from None
    return as_numpy(unit_rows(rows, name) if cosine else plain_matrix(rows, name))


def load_sides(options: argparse.Namespace) -> Sides:
    """Read both sides; other numbers of rows on either side, without groups, are no pairs."""
    from gapbook.checks.arrays import as_numpy
    from gapbook.pairs import unit_rows

    stored = read_stored(options)
    if _are_unpaired(stored):
        x = as_numpy(unit_rows(stored.x, "x"))
        y = as_numpy(unit_rows(stored.y, "y"))
        stated = options.modalities or stored.metadata.get("modalities", ("image", "text"))
        return Sides(x, y, tuple(stated), is_paired=False)
    pairs = pairs_of(stored, options)
    return Sides(pairs.x, pairs.y, pairs.modalities, is_paired=True)


def _are_unpaired(stored: "Input") -> bool:
    """Say whether two arrays of vectors have the same dimensions and other numbers of rows."""
    if stored.ids is not None or "groups" in stored.metadata:
        return False
    x, y = (tuple(side.shape) for side in (stored.x, stored.y))
    return len(x) == len(y) == 2 and x[1] == y[1] and x[0] != y[0]


def read_stored(options: argparse.Namespace) -> "Input":
    """Read both sides as they are stored, not yet checked."""
    from gapbook.array_files import read_input

    return read_input(
        options.input,
        options.other_input,
        options.columns,
        options.long_table,
        options.modalities,
        options.groups,
        _ranges(options),
    )


def pairs_of(stored: "Input", options: argparse.Namespace) -> "PairedEmbeddings":
    """Return the pairs of both sides, checked."""
    from gapbook.pairs import PairedEmbeddings

    metadata = {"modalities": options.modalities} if options.modalities else {}
    return PairedEmbeddings.from_groups(
        stored.x, stored.y, stored.ids, **stored.metadata | metadata
    )


def load_several(options: argparse.Namespace) -> dict[str, Any]:
    """Read the arrays of three or more modalities, of one file or of a file for each."""
    from gapbook.array_files import read_several, read_side

    columns = options.columns
    if not options.other_input:
        arrays = read_several(options.input, columns)
        return dict(zip(options.modalities or columns, arrays, strict=True))
    paths = [options.input, options.other_input, *options.more_inputs]
    names = options.modalities or [one_line(readable(path.stem)) for path in paths]
    if len(set(names)) < len(names):
        raise PairsError(
            f"Expected files of different names; got {quoted(', '.join(names))}: name what they "
            "hold by --modalities"
        )
    sides = {}
    for name, path, column in zip(names, paths, columns or [None] * len(paths), strict=True):
        sides[name] = read_side(path, column)
    return sides


def holds_shards(options: argparse.Namespace) -> bool:
    """Say whether the input is a folder of shards, which are measured one at a time."""
    from gapbook.array_files import is_known_folder

    if options.other_input or not options.input.is_dir():
        return False
    return not is_known_folder(options.input)
