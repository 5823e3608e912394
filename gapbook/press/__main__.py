"""Make the book and keep its numbers.

book     execute the notebooks, check their numbers and build the site (what make book does)
execute  bring the executed copies of the notebooks in _build up to date
build    build the site from the executed notebooks
accept   make what the notebooks record now the new baseline, printing old and new
regress  execute everything afresh, check it and compare it with the paper; in the profile full, say
         first what the paper's own scale needs, fetch it, and measure that, too
"""

import argparse
import os
import shutil
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from gapbook.exceptions import MissingPackageError, PressError
from gapbook.extras import from_extra
from gapbook.press.failures import FAILED, keep_details

COMMANDS = ["book", "execute", "build", "accept", "regress"]
# a shell reports this much more than the number of the signal that ended a process
BY_SIGNAL = 128
# where the traceback of an error goes that nobody foresaw
TRACEBACK = Path("_build", FAILED, "traceback.txt")
STDERR = 2
INTERRUPTED = "\ninterrupted; what was finished before is kept"


def main() -> int:
    """Run one command.

    Returns
    -------
    int
        Exit status: 0, or 1 after one message on stderr that says what is wrong, or 128 and the
        number of the signal after an interruption.
    """
    # the imports of what makes a book take a second or two, and there is nothing to tidy up yet
    _hear(_leave_at_once, _leave_at_once)
    arguments = _parse()
    start = time.monotonic()
    try:
        with from_extra("book", "making the book"):
            from gapbook.press.make import run_command

        _hear(signal.default_int_handler, _leave)
        run_command(
            arguments.command,
            profile=arguments.profile,
            jobs=arguments.jobs,
            only=arguments.only,
        )
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        return BY_SIGNAL + signal.SIGINT
    except Exception as error:
        print(f"\n{_message(error)}", file=sys.stderr)
        return 1
    print(f"{arguments.command}: done in {time.monotonic() - start:.0f} s")
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        "python -m gapbook.press",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument(
        "--profile", default="quick", help="quick, or a file of book/profiles (default: quick)"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        default=[],
        metavar="PART",
        help="parts of the profile, or sources for what needs them, such as coco (default: all)",
    )
    parser.add_argument(
        "--jobs", type=int, default=2, help="notebooks that run side by side (default: 2)"
    )
    return parser.parse_args()


def _hear(
    interruption: Callable[[int, FrameType | None], object],
    termination: Callable[[int, FrameType | None], object],
) -> None:
    """Set what happens on Ctrl-C, and on an end that a user or a closed terminal asks for."""
    # a shell's background jobs ignore it
    signal.signal(signal.SIGINT, interruption)
    signal.signal(signal.SIGTERM, termination)
    # nohup lets a run outlive its terminal
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, termination)


def _message(error: Exception) -> str:
    """Say in a sentence what is wrong; the traceback of what nobody foresaw goes into a file."""
    if isinstance(error, PressError | MissingPackageError):
        return str(error)
    from gapbook.press.processes import is_about_space, is_full

    sentence = f"{type(error).__name__}: {_reason(error)}"
    if is_about_space(error) or is_full(Path()):
        return f"no space is left on the disk; what was finished before is kept ({sentence})"
    place = keep_details(TRACEBACK, "".join(traceback.format_exception(error)))
    return f"{sentence}{place}"


def _reason(error: Exception) -> str:
    reason = str(error)
    if isinstance(error, shutil.Error):
        # a list of what could not be copied: from where, to where, why
        reason = str(error.args[0][0][2])
    return reason.strip().partition("\n")[0]


def _leave(number: int, frame: FrameType | None) -> None:
    sys.exit(BY_SIGNAL + number)


def _leave_at_once(number: int, frame: FrameType | None) -> None:
    """End this process; an exception within an import may come out as another one."""
    if number == signal.SIGINT:
        os.write(STDERR, f"{INTERRUPTED}\n".encode())
    os._exit(BY_SIGNAL + number)


if __name__ == "__main__":
    sys.exit(main())
