"""Make the book and keep its numbers.

book     execute the notebooks, check their numbers and build the site (what make book does)
execute  bring the executed copies of the notebooks in _build up to date
build    build the site from the executed notebooks
accept   make what the notebooks record now the new baseline, printing old and new
regress  execute everything afresh under a profile, check it and compare it with the paper
"""

import argparse
import fcntl
import signal
import sys
import time
from pathlib import Path

from gapbook.exceptions import PressError
from gapbook.press.baseline import accept, check, load_expected
from gapbook.press.execute import execute_book
from gapbook.press.record import available_sources, read_records
from gapbook.press.scoreboard import compare
from gapbook.press.site import build_site

BUILD = Path("_build")
COMMANDS = ["book", "execute", "build", "accept", "regress"]
# what a shell reports for a process that SIGINT or SIGTERM ended
INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM


def main() -> int:
    """Run one command.

    Returns
    -------
    int
        Exit status: 0, or 1 after one message on stderr that says what is wrong, or 130 after an
        interruption.
    """
    arguments = _parse()
    # a shell's background jobs ignore it
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(TERMINATED))
    start = time.monotonic()
    BUILD.mkdir(exist_ok=True)
    try:
        # a second run waits: both would write the same files
        with (BUILD / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            _run(arguments.command, arguments.profile, arguments.jobs)
    except PressError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; what was finished before is kept", file=sys.stderr)
        return INTERRUPTED
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
        "--jobs", type=int, default=2, help="notebooks that run side by side (default: 2)"
    )
    return parser.parse_args()


def _run(command: str, profile: str, jobs: int) -> None:
    suffix = "" if profile == "quick" else f"-{profile}"
    run = BUILD / f"executed{suffix}"
    baseline = Path("data", f"expected{suffix}.yml")
    if command != "build":
        execute_book(run, profile=profile, jobs=jobs, force=command == "regress")
    if command == "accept":
        changes = accept(read_records(run), baseline, available_sources())
        print("\n".join(changes) or "nothing changed", f"({baseline.name})")
    if command == "regress":
        print(compare(read_records(run)).verdict.value_counts().to_string())
    if command in ("book", "regress"):
        records = read_records(run)
        check(records, load_expected(baseline), available_sources())
        print(f"{len(records)} records agree with {baseline.name}")
    if command in ("book", "build"):
        print(f"site: {build_site(run)}")


if __name__ == "__main__":
    sys.exit(main())
