"""What the commands of ``python -m gapbook.press`` do, one run at a time."""

import fcntl
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gapbook.exceptions import PressError
from gapbook.press.baseline import accept, check, load_expected
from gapbook.press.execute import execute_book
from gapbook.press.full_values import load_full
from gapbook.press.notebooks import read_notebooks, require_book
from gapbook.press.profiles import read_profile
from gapbook.press.records import available_sources, read_records
from gapbook.press.scoreboard import compare
from gapbook.press.site import SITE_SCRATCH, build_site
from gapbook.press.worker import SCRATCH
from gapbook.published import problems_in, registry, search_folders

if TYPE_CHECKING:
    from gapbook.press.paper_scale import PaperScale

BOOK = Path("book")
BUILD = Path("_build")


def run_command(
    command: str,
    *,
    profile: str = "quick",
    jobs: int = 2,
    only: Sequence[str] = (),
    pause: float = 1.0,
) -> None:
    """Run one command in the working directory, the root of a book.

    Parameters
    ----------
    command : str
        ``"book"``, ``"execute"``, ``"build"``, ``"accept"`` or ``"regress"``.
    profile : str
        ``"quick"``, or the name of a file in ``book/profiles``. Where that names parts of the
        paper's own scale, ``"regress"`` says what they take, fetches what is missing, and
        measures them.
    jobs : int
        Number of notebooks that run side by side.
    only : sequence of str
        For ``"regress"``: parts of the profile, or sources or data sets for the parts that need
        them, such as "coco"; then no chapter runs.
    pause : float
        Seconds before a download that broke off is tried again.

    Raises
    ------
    PressError
        If the book cannot be made; the message says why.
    """
    require_book(BOOK)
    if only and command != "regress":
        raise PressError(f"{command} is about a whole profile; leave out --only {' '.join(only)}")
    suffix = "" if profile == "quick" else f"-{profile}"
    run = BUILD / f"executed{suffix}"
    baseline = Path("data", f"expected{suffix}.yml")
    # read before minutes of work: a slip of the hand there is found at once
    load_expected(baseline)
    with _alone(BUILD):
        if command == "regress":
            _regress(run, baseline, profile, jobs, only, pause)
            return
        if command != "build":
            _execute(run, profile, jobs)
        if command == "accept":
            changes = accept(read_records(run), baseline, available_sources())
            print("\n".join(changes) or "nothing changed", f"({baseline.name})")
        if command == "book":
            _check(run, baseline)
        if command in ("book", "build"):
            print(f"site: {build_site(run)}")


def _execute(run: Path, profile: str, jobs: int, force: bool = False) -> None:
    for note in unused_data():
        print(f"note: {note}", file=sys.stderr)
    execute_book(run, profile=profile, jobs=jobs, force=force)


def _regress(
    run: Path, baseline: Path, profile: str, jobs: int, only: Sequence[str], pause: float
) -> None:
    """Execute the chapters, measure the parts of the profile, and compare both with the paper."""
    scale = _paper_scale(profile, only)
    if scale:
        scale.prepare(pause)
    if not only:
        # a run of many hours that was interrupted goes on
        _execute(run, profile, jobs, force=profile == "quick")
    if scale:
        scale.measure()
    table = compare({} if only else read_records(run), load_full(Path("data", "full.yml")))
    if scale:
        scale.say_verdicts(table)
    if not only:
        print(table.verdict.value_counts().to_string())
        _check(run, baseline)


def _paper_scale(profile: str, only: Sequence[str]) -> "PaperScale | None":
    """Return what a profile measures at the paper's own scale, None where it is nothing."""
    if profile == "quick" and only:
        raise PressError(f"the profile quick has no parts: PROFILE=full ONLY={only[0]}")
    if profile == "quick":
        return None
    stated = read_profile(BOOK / "profiles" / f"{profile}.yml", read_notebooks(BOOK))
    if not stated.parts and not only:
        return None
    # PyTorch takes seconds to load
    from gapbook.press.paper_scale import PaperScale

    return PaperScale(stated, only)


def _check(run: Path, baseline: Path) -> None:
    """Compare the records of a run with its baseline; only that of quick must be there."""
    records = read_records(run)
    expected = load_expected(baseline)
    if not expected and baseline.name != "expected.yml":
        print(f"{len(records)} records; {baseline} has no baseline yet: make accept makes one")
        return
    check(records, expected, available_sources())
    print(f"{len(records)} records agree with {baseline.name}")


def unused_data() -> list[str]:
    """Say what in the folder that ``GAPBOOK_DATA`` names is not used, and why.

    Returns
    -------
    list of str
        Sentences; none where the variable is not set, or every published file there is sound.
    """
    folder = search_folders().get("GAPBOOK_DATA")
    if folder is None:
        return []
    if not folder.is_dir():
        return [f"GAPBOOK_DATA is {folder}, which is no folder, so nothing is read from there"]
    problems = problems_in(folder)
    if not problems:
        files = [entry["file"] for entry in registry().values() if "url" in entry]
        folders = [entry["folder"] for entry in registry().values() if "folder" in entry]
        return [f"GAPBOOK_DATA is {folder}, which holds none of {', '.join([*files, *folders])}"]
    return [
        f"{path} {problem}, so it is not used"
        for path, problem in problems.items()
        if problem is not None
    ]


@contextmanager
def _alone(build: Path) -> Iterator[None]:
    """Hold the folder of what is built; a second run waits, for it would write the same files."""
    try:
        build.mkdir(exist_ok=True)
    except FileExistsError:
        raise PressError(
            f"{build} must be a folder, for what is built; it is a file: move it"
        ) from None
    with (build / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"another run works in {build}; this one waits for its end", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        # whoever left these was killed: the one that may have such folders holds the lock
        for prefix in (SCRATCH, SITE_SCRATCH):
            for left in build.glob(f"{prefix}*"):
                shutil.rmtree(left, ignore_errors=True)
        yield
