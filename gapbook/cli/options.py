"""What the commands share: their parser, and the checks of their arguments."""

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NoReturn

from gapbook.checks.seeds import MAX_SEED
from gapbook.exceptions import one_line, quoted
from gapbook.terminal import readable

# More than any number of pairs has.
MAX_DIGITS = 18
EXIT_CODES = """exit codes:
  0    done
  1    done, and a condition of report --fail-if holds
  2    wrong arguments, or input that cannot be read or measured: one line on stderr says why,
       with --debug after a traceback; no file was written or changed (but apply keeps the
       files of a folder that are whole)
  130  interrupted (Ctrl-C); no file was written or changed (but fetch keeps what has arrived)
"""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, as all others are."""

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with 2."""
        # An option that takes any number of names has taken the files, too.
        if message.endswith("required: input"):
            message += ", before all options"
        self.exit(2, f"gapbook: {one_line(message)} ({self.prog} --help says more)\n")


def add_command(
    commands: "argparse._SubParsersAction[Parser]",
    name: str,
    summary: str,
    description: str | None = None,
    epilog: str = "",
) -> Parser:
    """Add a command with the options that all share; its ``run`` and help are the caller's."""
    parser = commands.add_parser(
        name,
        help=summary,
        description=description,
        epilog=epilog + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--debug", action="store_true", help="on an error show where it happened; show warnings"
    )
    parser.set_defaults(when_interrupted="nothing was written")
    return parser


def add_scheduler(parser: "argparse._ActionsContainer", advice: str = "") -> None:
    """Add the option that names a Dask scheduler for a folder of shards."""
    parser.add_argument(
        "--scheduler",
        type=name_text,
        metavar="ADDRESS",
        help="a running Dask scheduler (default: a local cluster, which no other user can reach)"
        f"{advice}; with tls:// Dask's configuration names the certificates",
    )


def add_quiet(parser: "argparse._ActionsContainer") -> None:
    """Add the option that leaves out the progress bar, as ``shows_progress`` reads it."""
    parser.add_argument(
        "--quiet", action="store_true", help="no progress bar; nor is there one but on a terminal"
    )


def shows_progress(options: argparse.Namespace) -> bool:
    """Say whether a progress bar is shown: not in a log, which would keep each of its states."""
    return not options.quiet and sys.stderr.isatty()


def input_path(text: str) -> Path:
    """Refuse an empty path, which an unset variable of a shell gives, and which is this folder."""
    if not text:
        raise argparse.ArgumentTypeError("expected a file or a folder; got an empty path")
    return Path(text)


def output_path(suffixes: Sequence[str]) -> Callable[[str], Path]:
    """Return a check of a path to write, which is made before anything is computed."""

    def check(text: str) -> Path:
        path = Path(text)
        if path.suffix.lower() not in suffixes:
            known = ", ".join(suffixes)
            raise argparse.ArgumentTypeError(
                f"expected a path ending in {known}; got {quoted(text)}"
            )
        if not path.parent.is_dir():
            raise argparse.ArgumentTypeError(f"the folder {quoted(path.parent)} does not exist")
        if path.is_dir():
            raise argparse.ArgumentTypeError(
                f"expected a file to write; {quoted(text)} is a folder"
            )
        return path

    return check


def name_text(text: str) -> str:
    """Refuse a name without a letter, which an unset variable of a shell gives."""
    name = one_line(readable(text))
    if not name:
        raise argparse.ArgumentTypeError(f"expected a name; got {quoted(text)}")
    return name


def tau(text: str) -> float:
    """Check a temperature."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1e-6 <= value <= 1e6:
        raise argparse.ArgumentTypeError(f"expected a number from 1e-6 to 1e6; got {quoted(text)}")
    return value


def number(text: str) -> float:
    """Check a finite number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"expected a number; got {quoted(text)}")
    return value


def count(text: str) -> int:
    """Check a number of things."""
    # Python reads no more than a few thousand digits.
    if not text.isdecimal() or len(text) > MAX_DIGITS:
        raise argparse.ArgumentTypeError(f"expected an integer of at least 0; got {quoted(text)}")
    return int(text)


def seed(text: str) -> int:
    """Check a seed."""
    if not text.isdecimal() or len(text) > MAX_DIGITS or int(text) > MAX_SEED:
        raise argparse.ArgumentTypeError(
            f"expected an integer from 0 to {MAX_SEED}; got {quoted(text)}"
        )
    return int(text)
