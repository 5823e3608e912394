"""Make the book: ``python -m gapbook.press book``; the other commands are its steps."""

import argparse
import fcntl
import signal
import sys
import time
from pathlib import Path

from gapbook.press.build import build_site
from gapbook.press.execute import available_sources, execute_book
from gapbook.press.record import PressError, Record, read_records
from gapbook.press.scoreboard import accept, check, compare, expected_path, load_expected

STEPS = {
    "book": "execute, check and build the site (what make book does)",
    "execute": "bring the executed copies of the notebooks in _build up to date",
    "check": "compare what the executed notebooks recorded with the baseline",
    "build": "build the site from the executed notebooks",
    "accept": "make what the notebooks record now the new baseline, printing old and new",
    "regress": "execute everything afresh under a profile, check it and compare it with the paper",
}


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 0, or 1 after one message on stderr that says what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m gapbook.press", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in STEPS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--profile", default="quick", help="quick, or a file of book/profiles (default: quick)")
        command.add_argument("--chapter", help="only this notebook, such as 01_modality_gap")
        command.add_argument("--jobs", type=int, default=2, help="notebooks that run side by side (default: 2)")
    given = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    Path("_build").mkdir(exist_ok=True)
    start = time.monotonic()
    try:
        with Path("_build/.lock").open("w") as lock:  # two runs at a time would write the same files
            fcntl.flock(lock, fcntl.LOCK_EX)
            _run(given.command, given.profile, given.chapter, given.jobs)
    except PressError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; what was finished before is kept", file=sys.stderr)
        return 130
    print(f"{given.command}: done in {time.monotonic() - start:.0f} s")
    return 0


def _run(command: str, profile: str, chapter: str | None, jobs: int) -> None:
    run = Path("_build") / ("executed" if profile == "quick" else f"executed-{profile}")
    if command not in ("check", "build"):
        execute_book(out=run, profile=profile, only=chapter, jobs=jobs, force=command == "regress")
    if command == "accept":
        changes = accept(read_records(run), expected_path(profile), available_sources())
        print("\n".join(changes) or "nothing changed", f"({expected_path(profile).name})")
    if command == "regress":
        print(compare(read_records(run)).verdict.value_counts().to_string())
    if command in ("book", "check", "regress"):
        _check(run, profile, chapter)
    if command in ("book", "build"):
        print(f"site: {build_site(run)}")


def _check(run: Path, profile: str, chapter: str | None) -> None:
    records, expected = read_records(run), load_expected(expected_path(profile))

    def kept(table: dict[str, Record]) -> dict[str, Record]:
        return {key: entry for key, entry in table.items() if chapter in (None, entry.notebook)}

    check(kept(records), kept(expected), available_sources())
    print(f"{len(kept(records))} records agree with {expected_path(profile).name}")


if __name__ == "__main__":
    sys.exit(main())
