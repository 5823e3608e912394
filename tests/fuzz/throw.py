"""Throw numbered cases at the command and at the package, and see how they end.

Each case runs in a child process that shares the loaded libraries, with a limit on its time; what
it prints and how much memory it took is looked at here.
"""

import json
import os
import re
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random

# What a report needs is loaded here, once for all child processes.
import gapbook.report.page  # noqa: F401
from fuzz.nasty_files import nasty_file, sound
from fuzz.nasty_options import nasty_options, nasty_path
from gapbook import cli
from gapbook.exceptions import PairsError
from gapbook.pairs import PairedEmbeddings
from gapbook.shards.partial import ShardSettings, measure_shard

MAX_SECONDS = 20
MAX_BYTES = 600_000_000
# A line of the package is at most that long, with what stands before it.
MAX_CHARACTERS = 1100
# Loads are so quick that a process for each would take longer.
LOADS_AT_ONCE = 250
# The ways out of the command.
DONE = 0
REFUSED = 2
WORDS = {DONE: "measured", REFUSED: "refused"}
# A child that ends so has raised an error.
RAISED = 70
SHARDS = ShardSettings(sample=5, skip_bad=True)


@dataclass(frozen=True)
class End:
    """How a child process ended.

    Parameters
    ----------
    status : int
        Its exit code, or the negative number of the signal that ended it.
    out, err : str
        What it printed.
    peak : int
        The most bytes of memory that it had.
    """

    status: int
    out: str
    err: str
    peak: int


def in_child(work: Callable[[], int], folder: Path) -> End:
    """Run work in a child process; its result is the exit code."""
    streams = [folder / ".stdout", folder / ".stderr"]
    child = os.fork()
    if child == 0:
        signal.alarm(MAX_SECONDS)
        for descriptor, path in enumerate(streams, start=1):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), descriptor)
        # As in a new process.
        sys.stdout = os.fdopen(1, "w", encoding="utf-8")
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace")
        os._exit(_status(work))
    _, status, usage = os.wait4(child, 0)
    out, err = [path.read_bytes().decode("utf-8", "replace") for path in streams]
    peak = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return End(os.waitstatus_to_exitcode(status), out, err, peak)


def _status(work: Callable[[], int]) -> int:
    try:
        status = work()
    except SystemExit as stop:
        status = int(stop.code or 0)
    except BaseException:
        traceback.print_exc()
        status = RAISED
    sys.stdout.flush()
    sys.stderr.flush()
    return status


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a folder for one case."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# ---- the command


def report_case(seed: int, number: int, folder: Path) -> list[str]:
    """Write the file of a case and return the arguments of the command."""
    random = Random(f"report {seed} {number}")
    # Options matter most where the file is sound.
    draw = random.choice([sound, nasty_file])
    suffix, content = draw(random)
    path = nasty_path(random, folder, suffix, content)
    return ["report", path, *nasty_options(random, folder)]


def throw_report(seed: int, number: int, ends: Counter[str]) -> list[str]:
    """Run the command once; count how it ended, and return what is wrong with that."""
    with scratch() as folder:
        arguments = report_case(seed, number, folder)
        before = set(folder.iterdir())
        end = in_child(lambda: cli.main(arguments), folder)
        written = set(folder.iterdir()) - before
        written = {path for path in written if path.name not in (".stdout", ".stderr")}
        problems = [*_problems_of(end), *_problems_of_files(end, arguments, written)]
    ends[WORDS.get(end.status, "other")] += 1
    return [f"{problem}: {arguments}" for problem in problems]


def _problems_of(end: End) -> list[str]:
    problems = []
    if end.status not in (DONE, REFUSED):
        problems.append(f"it ends with {end.status} ({end.err[-2000:]})")
    if end.peak > MAX_BYTES:
        problems.append(f"it takes {end.peak / 1e6:.0f} MB")
    lines = end.err.splitlines()
    if end.status == DONE and lines:
        problems.append(f"it says something though all went well: {end.err[:500]!r}")
    if end.status == REFUSED:
        is_one_line = len(lines) == 1 and lines[0].startswith("gapbook: ")
        if not is_one_line or not lines[0].isprintable() or len(lines[0]) > MAX_CHARACTERS:
            problems.append(f"it does not say why in one line: {end.err[:500]!r}")
        if "Traceback" in end.err or "gapbook: unexpected " in end.err:
            problems.append(f"an error reaches the edge: {end.err[:500]!r}")
        if end.out:
            problems.append("it prints something though it refuses")
    if not all(line.isprintable() for line in end.out.splitlines()):
        problems.append("it prints what a terminal would obey")
    return problems


def _problems_of_files(end: End, arguments: list[str], written: set[Path]) -> list[str]:
    asked = {Path(path) for option, path in pairwise(arguments) if option == "--out"}
    if end.status == REFUSED and written:
        return [f"it refuses and writes {written}"]
    if end.status == DONE and written != asked:
        return [f"it writes {written}"]
    problems = []
    for path in written:
        try:
            text = path.read_text(encoding="utf-8")
            if path.suffix.lower() == ".json":
                json.loads(text, parse_constant=_no_constant)
        except ValueError as error:
            problems.append(f"{path.suffix} is none: {error}")
        else:
            if path.suffix == ".html" and re.search("<script>alert|49", _body(text)):
                problems.append("a name is HTML or a template")
    return problems


def _no_constant(word: str) -> None:
    raise ValueError(word)


def _body(page: str) -> str:
    """Return a page without its pictures and numbers, in which any digits may be."""
    return "".join(re.findall(r"<h1>.*?</h1>", page))


# ---- the package


def throw_loads(seed: int, numbers: range, ends: Counter[str]) -> list[str]:
    """Load a file for each number, alone and as a shard; return what is wrong with how it ended."""
    with scratch() as folder:
        end = in_child(lambda: _load_all(seed, numbers, folder / "files"), folder)
    *problems, counts = end.out.splitlines() or ["{}"]
    ends.update(json.loads(counts))
    if end.status != DONE:
        problems.append(f"loads {numbers} end with {end.status}: {end.err[-2000:]}")
    if end.peak > MAX_BYTES:
        problems.append(f"loads {numbers} take {end.peak / 1e6:.0f} MB")
    return problems


def _load_all(seed: int, numbers: range, folder: Path) -> int:
    folder.mkdir()
    ends: Counter[str] = Counter()
    for number in numbers:
        signal.alarm(MAX_SECONDS)
        # Where the alarm goes off, this is the case that it is about.
        print(f"load {number} of seed {seed}", file=sys.stderr, flush=True)
        suffix, content = nasty_file(Random(f"load {seed} {number}"))
        path = folder / f"{number}{suffix}"
        path.write_bytes(content)
        for problem in _problems_of_load(path, ends):
            print(f"{problem}: load {number} of seed {seed}")
        path.unlink()
    print(json.dumps(ends))
    return DONE


def _problems_of_load(path: Path, ends: Counter[str]) -> list[str]:
    problems = []
    try:
        PairedEmbeddings.load(path)
        ends["measured"] += 1
    except PairsError as error:
        ends["refused"] += 1
        line = str(error)
        if not line.isprintable() or len(line) > MAX_CHARACTERS:
            problems.append(f"it does not say why in one line: {line[:500]!r}")
    except Exception as error:
        problems.append(f"it raises {error!r:.500}")
    try:
        kept = measure_shard(path.parent, path.name, 0, None, SHARDS)
        if kept.shards + len(kept.skipped) != 1:
            problems.append("as a shard it is neither measured nor left out")
    except Exception as error:
        problems.append(f"as a shard it raises {error!r:.500}")
    return problems
