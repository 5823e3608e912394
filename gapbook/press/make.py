"""What the commands of ``python -m gapbook.press`` do, one run at a time."""

import fcntl
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from gapbook.exceptions import PressError
from gapbook.press.baseline import accept, check, load_expected
from gapbook.press.execute import execute_book
from gapbook.press.needs import needs_of
from gapbook.press.notebooks import read_notebooks, require_book
from gapbook.press.profiles import Getter, Settings, at_hand, read_profile, settle
from gapbook.press.records import available_sources, read_records
from gapbook.press.scoreboard import compare
from gapbook.press.site import SITE_SCRATCH, build_site
from gapbook.press.worker import SCRATCH
from gapbook.published import fetch, problems_in, registry, search_folders

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
        ``"quick"``, or the name of a file in ``book/profiles``. Of the sources that it needs,
        ``"regress"`` fetches what is not at hand, after it has said what that takes; the other
        commands use what is.
    jobs : int
        Number of notebooks that run side by side.
    only : sequence of str
        Sources or data sets, such as "coco": only what needs one of them runs, in a run folder of
        its own. For ``"execute"`` and ``"regress"``.
    pause : float
        Seconds before a download that broke off is tried again.

    Raises
    ------
    PressError
        If the book cannot be made; the message says why.
    """
    require_book(BOOK)
    if only and command in ("accept", "build", "book"):
        raise PressError(f"{command} is about a whole profile; leave out --only {' '.join(only)}")
    suffix = "" if profile == "quick" else f"-{profile}"
    run = BUILD / "-".join([f"executed{suffix}", *only])
    baseline = Path("data", f"expected{suffix}.yml")
    # read before minutes of work: a slip of the hand there is found at once
    load_expected(baseline)
    with _alone(BUILD):
        settings: str | Settings = profile
        if command != "build":
            for note in unused_data():
                print(f"note: {note}", file=sys.stderr)
            get = partial(fetch, pause=pause) if command == "regress" else at_hand
            settings = _settle(profile, only, get)
            execute_book(run, profile=settings, jobs=jobs, force=command == "regress")
        if command == "accept":
            changes = accept(read_records(run), baseline, available_sources())
            print("\n".join(changes) or "nothing changed", f"({baseline.name})")
        if command == "regress":
            print(compare(read_records(run)).verdict.value_counts().to_string())
        if command in ("book", "regress"):
            _check(run, baseline, settings)
        if command in ("book", "build"):
            print(f"site: {build_site(run)}")
        if isinstance(settings, Settings):
            _say_what_is_absent(settings)


def _settle(profile: str, only: Sequence[str], get: Getter) -> str | Settings:
    """Return the parameters of a profile, with the paths of its sources, which may be fetched."""
    if profile == "quick":
        if only:
            raise PressError(f"the profile quick uses no sources: PROFILE=full ONLY={only[0]}")
        return profile
    stated = read_profile(BOOK / "profiles" / f"{profile}.yml", read_notebooks(BOOK))
    if only:
        stated = stated.part(only)
    if get is not at_hand and stated.sources():
        print("\n".join(needs_of(stated)), flush=True)
    settings = settle(stated, get)
    if get is not at_hand and settings.absent.keys() == set(stated.sources()) != set():
        reasons = "\n  ".join(settings.absent.values())
        raise PressError(f"none of the sources of profile {profile} can be had:\n  {reasons}")
    _say_what_is_absent(settings)
    return settings


def _say_what_is_absent(settings: Settings) -> None:
    for reason in settings.absent.values():
        print(f"cannot be had: {reason}", file=sys.stderr)
    for note in settings.left_out:
        print(f"note: {note}", file=sys.stderr)


def _check(run: Path, baseline: Path, settings: str | Settings) -> None:
    """Compare the records of a run with its baseline, if there is one yet."""
    records = read_records(run)
    expected = load_expected(baseline)
    if isinstance(settings, Settings):
        if not expected:
            print(f"{len(records)} records; {baseline} has no baseline yet: make accept makes one")
            return
        if settings.only is not None:
            expected = {key: e for key, e in expected.items() if e.notebook in settings.only}
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
