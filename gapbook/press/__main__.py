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
from gapbook.press.execute import available_sources, execute_book
from gapbook.press.record import read_records
from gapbook.press.scoreboard import accept, check, compare, load_expected
from gapbook.press.site import build_site


def main() -> int:
    """Run one command; return 0, or 1 after one message on stderr that says what is wrong."""
    plain = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        "python -m gapbook.press", description=__doc__, formatter_class=plain
    )
    parser.add_argument("command", choices=["book", "execute", "build", "accept", "regress"])
    parser.add_argument(
        "--profile", default="quick", help="quick, or a file of book/profiles (default: quick)"
    )
    parser.add_argument(
        "--jobs", type=int, default=2, help="notebooks that run side by side (default: 2)"
    )
    given = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    Path("_build").mkdir(exist_ok=True)
    start = time.monotonic()
    try:
        with Path("_build/.lock").open(
            "w"
        ) as lock:  # two runs at a time would write the same files
            fcntl.flock(lock, fcntl.LOCK_EX)
            _run(given.command, given.profile, given.jobs)
    except PressError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; what was finished before is kept", file=sys.stderr)
        return 130
    print(f"{given.command}: done in {time.monotonic() - start:.0f} s")
    return 0


def _run(command: str, profile: str, jobs: int) -> None:
    run = Path("_build") / ("executed" if profile == "quick" else f"executed-{profile}")
    baseline = Path("data") / ("expected.yml" if profile == "quick" else f"expected-{profile}.yml")
    if command != "build":
        execute_book(out=run, profile=profile, jobs=jobs, force=command == "regress")
    if command == "accept":
        changes = accept(read_records(run), baseline, available_sources())
        print("\n".join(changes) or "nothing changed", f"({baseline.name})")
    if command == "regress":
        print(compare(read_records(run)).verdict.value_counts().to_string())
    if command in ("book", "regress"):
        check(read_records(run), load_expected(baseline), available_sources())
        print(f"{len(read_records(run))} records agree with {baseline.name}")
    if command in ("book", "build"):
        print(f"site: {build_site(run)}")


if __name__ == "__main__":
    sys.exit(main())
