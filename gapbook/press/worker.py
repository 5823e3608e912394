"""Execute notebooks side by side, each by papermill in a worker process of its own.

A worker ends together with the kernel that it started, also where the process that started it is
interrupted or killed.
"""

import multiprocessing
import os
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Self

from nbclient.exceptions import CellTimeoutError
from nbformat import NotebookNode
from papermill import execute_notebook

from gapbook.press.notebooks import is_injected
from gapbook.press.processes import end, is_full, start, uninterrupted

# what a kernel answers to a cell; nbclient has none from one that has ended
Reply = dict[str, Any] | None

# seconds after which a kernel that does not answer counts as hanging
START_TIMEOUT = 120
# characters of a cell and of an error that a message shows
CELL_CHARACTERS = 60
ERROR_CHARACTERS = 300
# what colors a traceback on a terminal
COLOR = re.compile(r"\x1b\[[0-9;]*m")
# what the names of folders for temporary files begin with
SCRATCH = ".run-"
# Linux counts memory in kilobytes, macOS in bytes
MEMORY_UNIT = 1 if sys.platform == "darwin" else 2**10


@dataclass(frozen=True)
class Outcome:
    """What became of a notebook: its executed copy with its costs, or the error that stopped it.

    ``error`` is one line; ``details`` are the traceback of a cell, or else what the kernel said.
    """

    notebook: NotebookNode | None = None
    seconds: float = 0.0
    memory_mb: int = 0
    error: str = ""
    details: str = ""
    hangs: bool = False


def execute_side_by_side(
    notebooks: Mapping[str, NotebookNode],
    finish: Callable[[str, Outcome], None],
    *,
    folder: Path,
    jobs: int,
    timeout: int,
) -> None:
    """Execute notebooks, several at a time, and call ``finish`` as soon as one of them has ended.

    A notebook that hangs runs once more, in a new process. When this function ends, by an
    exception or without one, all processes that it started have ended and its temporary files are
    removed.

    Parameters
    ----------
    notebooks : mapping of str to NotebookNode
        Notebooks by name, in the order in which they start.
    finish : callable
        Function of a name and an :class:`Outcome`. It is called in this process.
    folder : Path
        Folder for temporary files. Each notebook runs in an empty folder below it.
    jobs : int
        Number of notebooks that run at the same time. They share the processors.
    timeout : int
        Seconds that one cell may take.
    """
    waiting = dict(notebooks)
    repeated: set[str] = set()
    with _Workers(folder, timeout, jobs) as workers:
        while waiting or workers.running:
            while waiting and len(workers.running) < jobs:
                name = next(iter(waiting))
                workers.start(name, waiting.pop(name))
                print(f"{name}: started", flush=True)
            for name, outcome in workers.wait():
                if outcome.hangs and name not in repeated:
                    alarm = f"{'!' * 20} {name} hangs, {outcome.error} Trying once more."
                    print(alarm, flush=True)
                    repeated.add(name)
                    waiting[name] = notebooks[name]
                else:
                    finish(name, outcome)


@dataclass(frozen=True)
class _Worker:
    """A process that executes a notebook in a folder of its own."""

    name: str
    process: BaseProcess
    log: Path


class _Workers:
    """The workers that run, each with the connection on which it sends its outcome."""

    def __init__(self, folder: Path, timeout: int, jobs: int) -> None:
        self.running: dict[Connection, _Worker] = {}
        self.timeout = timeout
        self.threads = max(1, (os.cpu_count() or 1) // jobs)
        self.scratch = tempfile.TemporaryDirectory(
            prefix=SCRATCH, dir=folder, ignore_cleanup_errors=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for worker in self.running.values():
            end(worker.process)
        self.scratch.cleanup()

    def start(self, name: str, notebook: NotebookNode) -> None:
        run = Path(tempfile.mkdtemp(dir=self.scratch.name))
        log = run / "log"
        receiver, sender = multiprocessing.get_context("spawn").Pipe(duplex=False)
        with uninterrupted():
            process = start(_work, sender, notebook, run, self.timeout, self.threads, log=log)
            self.running[receiver] = _Worker(name, process, log)
        # with the worker's end open here, too, its death would not end the connection
        sender.close()

    def wait(self) -> list[tuple[str, Outcome]]:
        """Wait until one or more workers have ended, and return their outcomes by name."""
        wait(self.running)
        ended = []
        for connection in [one for one in self.running if one.poll()]:
            worker = self.running[connection]
            outcome = _receive(connection)
            end(worker.process)
            if outcome.error and not outcome.details:
                outcome = replace(outcome, details=_read(worker.log))
            ended.append((worker.name, outcome))
            del self.running[connection]
        return ended


def _receive(connection: Connection) -> Outcome:
    """Read what a worker has sent; it has sent nothing if it was killed."""
    try:
        outcome: Outcome = connection.recv()
    except EOFError:
        return Outcome(error="before its end: the process that executes it was killed")
    finally:
        connection.close()
    return outcome


def _read(log: Path) -> str:
    if not log.exists():
        return ""
    return log.read_text(errors="replace")


def _work(
    sender: Connection, notebook: NotebookNode, run: Path, timeout: int, threads: int
) -> None:
    """Execute a notebook in this process, a worker, and send what became of it."""
    _set_environment(run, threads)
    sender.send(_execute(notebook, run, timeout))


def _set_environment(run: Path, threads: int) -> None:
    """Make kernels alike on every machine, whatever the user's own settings of Jupyter are."""
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))
    os.environ.setdefault("NUMBA_NUM_THREADS", str(threads))
    os.environ.setdefault("PYTHONHASHSEED", "0")
    # the kernel is this interpreter, not one of the same name in the user's home
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    os.environ["IPYTHONDIR"] = str(run / "ipython")
    os.environ.pop("MPLBACKEND", None)
    # figures that move are for a page, which has no kernel
    os.environ["GAPBOOK_STATIC"] = "1"
    for name in ("GAPBOOK_DATA", "GAPBOOK_CACHE"):
        if folder := os.environ.get(name):
            # relative to where the book is made, not to the folder of the kernel
            os.environ[name] = str(Path(folder).expanduser().resolve())


def _execute(notebook: NotebookNode, run: Path, timeout: int) -> Outcome:
    begun: list[int] = []
    failed: list[Outcome] = []
    begin = time.monotonic()

    def note_error(cell: NotebookNode, cell_index: int, execute_reply: Reply) -> None:
        if failure := _failure(execute_reply):
            place = _place(notebook, cell_index)
            failed.append(replace(failure, error=f"{place}: {failure.error}"))

    try:
        folder = run / "work"
        folder.mkdir()
        executed = execute_notebook(
            notebook,
            None,
            kernel_name="python3",
            cwd=folder,
            progress_bar=False,
            start_timeout=START_TIMEOUT,
            execution_timeout=timeout,
            on_cell_start=lambda cell, cell_index: begun.append(cell_index),
            on_cell_executed=note_error,
        )
    except Exception as error:
        if failed:
            return failed[0]
        return _stopped(error, _place(notebook, begun[-1]) if begun else "", run)
    if failed:
        # papermill takes a cell that calls sys.exit() for a good end, and leaves out the rest
        return failed[0]
    # the kernel has ended, so it counts as a child that was waited for
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * MEMORY_UNIT
    return Outcome(executed, seconds=round(time.monotonic() - begin, 1), memory_mb=memory // 2**20)


def _failure(execute_reply: Reply) -> Outcome | None:
    """Return what a kernel's reply says of a cell that failed, None for one that did not."""
    if execute_reply is None:
        return None
    reply = execute_reply["content"]
    if reply["status"] == "error":
        lines = reply.get("traceback") or [reply["evalue"]]
        message = ": ".join(filter(None, [reply["ename"], _first_line(reply["evalue"])]))
        return Outcome(error=message, details=COLOR.sub("", "\n".join(lines)))
    if any(item["source"] == "ask_exit" for item in reply.get("payload", ())):
        return Outcome(error="it ends the kernel, by exit() or quit()")
    return None


def _stopped(error: Exception, place: str, run: Path) -> Outcome:
    """Say what stopped a notebook other than an error that its code raised."""
    where = place or "before its first cell"
    if is_full(run):
        return Outcome(error=f"{where}: no space is left on the disk")
    # jupyter_client raises a RuntimeError for a kernel that does not start
    does_not_start = isinstance(error, RuntimeError) and not place
    hangs = does_not_start or isinstance(error, CellTimeoutError)
    message = _first_line(str(error)) or type(error).__name__
    return Outcome(error=f"{where}: {message}", hangs=hangs)


def _first_line(text: str) -> str:
    line = COLOR.sub("", text).strip().partition("\n")[0]
    if len(line) <= ERROR_CHARACTERS:
        return line
    return f"{line[:ERROR_CHARACTERS]} ..."


def _place(notebook: NotebookNode, index: int) -> str:
    """Name a cell by its number in the source, from 1, and its first line."""
    cells = notebook.cells[: index + 1]
    number = sum(not is_injected(cell) for cell in cells)
    first_line = cells[-1].source.strip().partition("\n")[0]
    return f"cell {number} ({first_line[:CELL_CHARACTERS]})"
