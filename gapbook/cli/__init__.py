"""The command line: a report on your own embeddings, and the sources that the book uses.

A module for each group of commands; what they share is in ``options``.
"""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from contextlib import nullcontext

from gapbook import __version__
from gapbook.cli.apply import add_apply
from gapbook.cli.compare import add_compare
from gapbook.cli.embed import add_embed
from gapbook.cli.fix import add_fix
from gapbook.cli.judge import add_judge
from gapbook.cli.options import EXIT_CODES, Parser, input_path
from gapbook.cli.report import add_report
from gapbook.cli.sources import add_fetch, add_list
from gapbook.terminal import clear_line, open_standard_streams, print_error, quiet_libraries

# In the order of the help.
COMMANDS = (
    add_report,
    add_compare,
    add_embed,
    add_fix,
    add_apply,
    add_judge,
    add_list,
    add_fetch,
)
DESCRIPTION = """Measure the modality gap of your own paired embeddings.

  gapbook report embeddings.npz --out report.html     a page with figures, intervals and advice
  gapbook report images.npy texts.npy                 the table, here, of a file for each side
  gapbook report images.npy texts.npy sounds.npy      three modalities or more
  gapbook report shards/ --out report.json            a folder of many files, one at a time
  gapbook compare before.npz after.npz                every measure before and after a change
  gapbook embed MODEL images/ captions.csv --out e.safetensors         embed images and captions
  gapbook fix embeddings.npz --with Center --out fix.safetensors       a correction, saved
  gapbook apply fix.safetensors stored.npy --side x --out moved.npy    and applied
  gapbook judge before.npy after.npy --queries q.npy --relevant answers.csv
                                                      a search before and after, by your queries
  gapbook list                                        the embeddings, images and models of the book
  gapbook fetch clasp-uniprot                         download one of them; print where it lies
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the name of the program; by default the arguments of this process.

    Returns
    -------
    int
        The exit code: 0, or 1 where a condition of ``--fail-if`` holds, or 2 for bad input, which
        one line on stderr explains, or 130 after Ctrl-C.
    """
    open_standard_streams()
    interruptions: list[int] = []
    status: int | None = 0

    def interrupt(number: int, _: object) -> None:
        interruptions.append(number)
        raise KeyboardInterrupt

    # A shell starts background jobs with SIGINT ignored.
    signal.signal(signal.SIGINT, interrupt)
    options = _parse(arguments)
    try:
        with nullcontext() if options.debug else quiet_libraries():
            status = options.run(options)
            sys.stdout.flush()
    except BrokenPipeError:
        # A reader such as head has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (Exception, KeyboardInterrupt) as error:
        # A library that is just loading may turn an interruption into an error of its own.
        if interruptions or isinstance(error, KeyboardInterrupt):
            clear_line()
            print(f"gapbook: interrupted; {options.when_interrupted}", file=sys.stderr)
            return 130
        print_error(error, options.debug)
        return 2
    return status or 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the arguments; the file of the other side may stand after options."""
    parser = _parser()
    options, left_over = parser.parse_known_args(arguments)
    # argparse takes an optional file together with the one before it, or not at all.
    is_one_file = len(left_over) == 1 and left_over[0] and not left_over[0].startswith("-")
    if is_one_file and getattr(options, "other_input", "taken") is None:
        options.other_input = input_path(left_over[0])
    elif left_over:
        advice = ": put all files before the options" if is_one_file else ""
        if advice and getattr(options, "groups", None):
            advice += ", and --groups before each of its names"
        parser.error(f"unrecognized arguments: {' '.join(left_over)}{advice}")
    return options


def _parser() -> Parser:
    parser = Parser(
        "gapbook",
        description=DESCRIPTION,
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"gapbook {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for add in COMMANDS:
        add(commands)
    return parser
