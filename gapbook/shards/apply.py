"""Move the vectors of a folder of files by a fitted correction, with Dask: a task for each file.

What is done in a folder, and how it is written, is that of ``gapbook.mitigation.stored_folders``.
"""

import os
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from gapbook.exceptions import PairsError
from gapbook.files import NotWrittenError, path_text
from gapbook.mitigation.stored import Applied, Job, checked_job
from gapbook.mitigation.stored_folders import FolderWork, apply_pending, apply_to_one, folder_work
from gapbook.shards.cluster import (
    SECONDS_WITHOUT_WORKERS,
    as_they_end,
    connect,
    lost_scheduler_named,
    wait_for,
)
from gapbook.shards.schedule import DEADLY, MAX_SUSPECTS

if TYPE_CHECKING:
    from dask.delayed import Delayed
    from distributed import Client


def apply_to_shards(  # noqa: PLR0913 (a call says all that it needs)
    correction: Any,
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str],
    side: str,
    client: "Client | str | None" = None,
    *,
    key: str | None = None,
    skip_bad: bool = False,
    progress: bool = False,
) -> Applied:
    """Move the vectors of all files of a folder, several at once, and write them to another folder.

    Parameters
    ----------
    correction : Mitigation or ScoreCorrection
        A fitted correction, which every worker gets once.
    folder : str or path
        A folder of ``.npy``, ``.npz`` and ``.safetensors`` files of vectors (n, d), also in folders
        within. Every worker must see it, and ``out``, at the same path.
    out : str or path
        The folder of the results: each file is written whole or not at all, under its name. After
        an interruption the same call moves the files that are missing.
    side : str
        Which side the vectors are of, as for ``apply_to_stored``.
    client : dask.distributed.Client or str, optional
        A client of the scheduler that does the work, or its address (``gapbook.shards.cluster.
        connect`` says how it is secured); by default a cluster on this machine runs for the time of
        the call, if there is more than one file to move.
    key : str, optional
        The name of the array in a ``.npz`` or ``.safetensors`` file, as for ``apply_to_stored``.
    skip_bad : bool
        Whether to leave bad files out, and to write zeros for rows without direction.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    Applied
        What was done, and what was left out.

    Raises
    ------
    PairsError
        If files are damaged, of other dimensions than the correction or have rows without
        direction, unless ``skip_bad``: the message names the first, after all others are moved. If
        ``out`` holds other files, or another run writes to it; if the scheduler or all of its
        workers are lost.
    NotWrittenError
        If writing fails: an ``OSError``. Files that were moved before stay.
    MissingPackageError
        If Dask, or what it needs, is not installed.
    """
    job = checked_job(correction, side, key, skip_bad)
    with folder_work(job, Path(folder).resolve(), Path(out).resolve()) as work:
        n = len(work.pending)
        if n == 0 or (client is None and n == 1):
            # No cluster starts for so little.
            apply_pending(work)
        elif client is None or isinstance(client, str):
            with connect(client, n) as own:
                _Moves(own, work, SECONDS_WITHOUT_WORKERS).run(progress)
        else:
            _Moves(client, work).run(progress)
    return work.applied


class _Moves:
    """The tasks of moving files, a task for each.

    ``patience`` is after how many seconds without any worker to stop; None waits for ever.
    """

    def __init__(self, client: "Client", work: FolderWork, patience: float | None = None):
        self.client = client
        self.work = work
        self.patience = patience

    def run(self, progress: bool) -> None:
        """Move all files; those that end workers are tried again, each alone."""
        from distributed.scheduler import KilledWorker
        from tqdm import tqdm

        names = self.work.pending
        killed = []
        with (
            lost_scheduler_named(),
            tqdm(
                total=len(names), desc="files", unit="file", disable=not progress, leave=False
            ) as bar,
        ):
            futures = self.client.compute(self._tasks(names), optimize_graph=False)
            name_of = dict(zip((future.key for future in futures), names, strict=True))
            with closing(as_they_end(self.client, futures, self.patience)) as ended:
                for future in ended:
                    try:
                        self._note(future.result())
                    except KilledWorker:
                        # A scheduler also blames tasks that wait on a worker while it dies.
                        killed.append(name_of[future.key])
                    bar.update()
            self._move_alone(sorted(killed))

    def _move_alone(self, names: Sequence[str]) -> None:
        """Move files one by one, and note those that end workers."""
        from distributed.scheduler import KilledWorker

        deadly = 0
        for name in names:
            task = self.client.compute(self._tasks([name])[0], optimize_graph=False)
            try:
                self._note(wait_for(self.client, task, self.patience))
            except KilledWorker:
                self.work.applied.bad[name] = f"{path_text(name)}: {DEADLY}"
                deadly += 1
            if deadly > MAX_SUSPECTS:
                raise PairsError(
                    "workers died again and again: give them more memory, or cut the files"
                )

    def _note(self, outcome: Applied | str) -> None:
        if isinstance(outcome, str):
            raise NotWrittenError(outcome)
        self.work.applied.add(outcome)

    def _tasks(self, names: Sequence[str]) -> "list[Delayed]":
        from dask import delayed

        # Keys of tasks, so that no result of another run is taken for one of this run.
        run = uuid4().hex
        # A task of its own, so that the arrays of a correction are sent once to each worker.
        job = delayed(self.work.job, name=f"job-{run}", traverse=False)
        task = delayed(_move)
        return [
            task(job, self.work.source, self.work.out, name, dask_key_name=f"file-{run}-{number}")
            for number, name in enumerate(names)
        ]


def _move(job: Job, source: Path, out: Path, name: str) -> Applied | str:
    """Move one file in a worker; where it cannot be written, return why: it may be sound."""
    try:
        return apply_to_one(job, source, out, name)
    except OSError as error:
        return str(error)
