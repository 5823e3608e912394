"""Throw files and options at the command and at the package: ``python -m fuzz --help``."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator

# One thread, as forked processes need it; before any library is loaded.
os.environ["OMP_NUM_THREADS"] = "1"
SHOWN = 20


def main() -> int:
    """Throw what the options say; print how it ended and what is wrong."""
    parser = argparse.ArgumentParser("python -m fuzz", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="another seed makes other cases")
    parser.add_argument("--reports", type=int, help="how many for gapbook report")
    parser.add_argument("--loads", type=int, help="how many for PairedEmbeddings.load")
    parser.add_argument("--seconds", type=float, help="how long for each of both, at most")
    parser.add_argument("--one", type=int, help="run the report of this number here, and no other")
    options = parser.parse_args()
    if options.one is not None:
        return show_one(options.seed, options.one)
    problems = loads(options) + reports(options)
    for problem in problems[:SHOWN]:
        print(problem.encode("ascii", "backslashreplace").decode())
    return int(bool(problems))


def numbers(count: int | None, seconds: float | None, step: int = 1) -> Iterator[int]:
    """Yield 0, step and so on until there were so many, or so much time went by."""
    end = time.monotonic() + (seconds or float("inf"))
    number = 0
    while time.monotonic() < end and (count is None or number < count):
        yield number
        number += step


def loads(options: argparse.Namespace) -> list[str]:
    """Throw files at ``PairedEmbeddings.load``."""
    from fuzz.throw import LOADS_AT_ONCE, throw_loads

    ends: Counter[str] = Counter()
    problems = []
    for start in numbers(options.loads, options.seconds, LOADS_AT_ONCE):
        problems += throw_loads(options.seed, range(start, start + LOADS_AT_ONCE), ends)
    print(f"{ends.total():,} loads {dict(ends)}, {len(problems)} problems")
    return problems


def reports(options: argparse.Namespace) -> list[str]:
    """Throw files and options at ``gapbook report``."""
    from fuzz.throw import throw_report

    ends: Counter[str] = Counter()
    problems = []
    for number in numbers(options.reports, options.seconds):
        for problem in throw_report(options.seed, number, ends):
            problems.append(f"report {number} of seed {options.seed}: {problem}")
    print(f"{ends.total():,} reports {dict(ends)}, {len(problems)} problems")
    return problems


def show_one(seed: int, number: int) -> int:
    """Run one report in this process."""
    from fuzz.throw import report_case, scratch
    from gapbook import cli

    with scratch() as folder:
        arguments = report_case(seed, number, folder)
        print(ascii(arguments))
        return cli.main([*arguments, "--debug"])


if __name__ == "__main__":
    sys.exit(main())
