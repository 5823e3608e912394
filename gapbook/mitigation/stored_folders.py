"""Move the vectors of a folder of files: each is written whole or not at all.

A journal in the folder of the results says which correction, side and source they are of. Files
that are there already are not moved again; those that cannot be moved are named, and the others are
moved all the same.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from gapbook.exceptions import PairsError, reason
from gapbook.files import NotWrittenError, path_text, write_whole
from gapbook.mitigation.stored import (
    Applied,
    Job,
    apply_to_file,
    is_moved,
    not_written,
    only_run,
    read_entry,
    require_another_place,
)

JOURNAL = ".gapbook-apply.json"
# Names of folders in which files are written before they are whole.
TEMPORARY = ".gapbook-*/"


class FolderWork(NamedTuple):
    """What is left to do in a folder.

    ``pending`` are the names of the files that are not moved yet, sorted, and ``applied`` is what
    became of the others.
    """

    job: Job
    source: Path
    out: Path
    pending: list[str]
    applied: Applied


@contextmanager
def folder_work(job: Job, source: Path, out: Path) -> Iterator[FolderWork]:
    """Yield what is left to do, and raise afterwards if files could not be moved.

    No other run writes to the folder in the block, and what killed runs have left half-written is
    removed before and after it.
    """
    from gapbook.shards.files import list_shards

    require_another_place(source, out)
    listed = list_shards(source)
    if out.exists() and not out.is_dir():
        raise PairsError(f"Expected a folder to write to; {path_text(out)} is none")
    folders = sorted({(out / name).parent for name in listed.shards} | {out})
    made: list[Path] = []
    try:
        _make(out, made)
        with only_run(out, out):
            _require_same_work(job, source, out)
            for folder in folders:
                _make(folder, made)
            _remove_half_written(folders)
            pending = [
                name for name in listed.shards if not is_moved(job, source / name, out / name)
            ]
            applied = Applied(there=len(listed.shards) - len(pending), left_out=listed.left_out)
            try:
                yield FolderWork(job, source, out, pending, applied)
            finally:
                _remove_half_written(folders)
                _remove_lonely_journal(out)
    finally:
        for folder in reversed(made):
            # Folders with something in them stay.
            with suppress(OSError):
                folder.rmdir()
    if applied.bad and not job.skip_bad:
        raise PairsError(_bad_text(applied, len(listed.shards)))


def apply_one_by_one(job: Job, source: Path, out: Path) -> Applied:
    """Move the files of a folder in this process."""
    with folder_work(job, source, out) as work:
        apply_pending(work)
    return work.applied


def apply_pending(work: FolderWork) -> None:
    """Move what is left to do in a folder, one file after the other."""
    for name in work.pending:
        work.applied.add(apply_to_one(work.job, work.source, work.out, name))


def apply_to_one(job: Job, source: Path, out: Path, name: str) -> Applied:
    """Move one file of a folder, and return what became of it."""
    applied = Applied()
    try:
        apply_to_file(job, source / name, out / name, applied, in_folder=True)
    except (PairsError, MemoryError) as error:
        return Applied(bad={name: reason(error)})
    return applied


def _make(folder: Path, made: list[Path]) -> None:
    """Make a folder with those that lead to it, and note which were not there."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    for place in reversed(missing):
        try:
            place.mkdir()
        except FileExistsError:
            # Another run has made it just now.
            continue
        except OSError as error:
            raise not_written(place, error) from None
        made.append(place)
    if not folder.is_dir():
        raise NotWrittenError(f"cannot write into {path_text(folder)}, which is no folder")


def _require_same_work(job: Job, source: Path, out: Path) -> None:
    """Write the journal of a new folder, or see that it is that of the same work."""
    journal = out / JOURNAL
    work = {"mark": job.mark, "source": os.path.realpath(source)}
    try:
        is_new = not any(out.iterdir())
    except OSError as error:
        raise PairsError(f"{path_text(out)} cannot be read ({error.strerror})") from None
    if is_new:
        write_whole(journal, json.dumps(work).encode())
        return
    entry = read_entry(journal)
    if entry.get("mark") != work["mark"]:
        raise PairsError(
            f"{path_text(out)} holds other files, or vectors that were moved by another "
            "correction or as another side: choose an empty folder"
        )
    if entry.get("source", work["source"]) != work["source"]:
        raise PairsError(
            f"{path_text(out)} holds the moved vectors of another folder, "
            f"{path_text(str(entry['source']))}: choose an empty folder"
        )


def _remove_half_written(folders: list[Path]) -> None:
    """Remove what killed processes were writing."""
    for folder in folders:
        for left in folder.glob(TEMPORARY):
            shutil.rmtree(left, ignore_errors=True)


def _remove_lonely_journal(out: Path) -> None:
    """Remove the journal where nothing was moved."""
    is_lonely = not any(path.is_file() and path.name != JOURNAL for path in out.rglob("*"))
    if is_lonely:
        (out / JOURNAL).unlink(missing_ok=True)


def _bad_text(applied: Applied, n: int) -> str:
    name, why = min(applied.bad.items())
    where = "" if name in why else f"{path_text(name)}: "
    several = ""
    if len(applied.bad) > 1:
        several = f"{len(applied.bad):,} of {n:,} files cannot be moved; the first is "
    moved = n - len(applied.bad)
    others = f"the {moved:,} others are moved" if moved else "none is moved"
    return (
        f"{several}{where}{why}; {others}: mend or remove what is bad and run this again, or leave "
        "it out (skip_bad=True, in the shell --skip-bad)"
    )
