"""Execute notebooks side by side, each by papermill in a worker process of its own.

Processes are spawned, not forked, so a worker inherits neither threads nor locks. Only the parent
process hears Ctrl-C; it then ends each worker together with the kernel that the worker started. A
worker whose parent was killed ends its kernel and itself.
"""

import contextlib
import multiprocessing
import os
import resource
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Self

import psutil
from nbclient.exceptions import CellTimeoutError
from nbformat import NotebookNode
from papermill import PapermillExecutionError, execute_notebook

from gapbook.press.notebooks import is_injected

# seconds after which a kernel that does not answer counts as hanging
START_TIMEOUT = 120
INTERRUPTIONS = {signal.SIGINT, signal.SIGTERM}
# Linux counts memory in kilobytes, macOS in bytes
MEMORY_UNIT = 1 if sys.platform == "darwin" else 2**10


@dataclass(frozen=True)
class Outcome:
    """What became of a notebook: its executed copy with its costs, or the error that stopped it."""

    notebook: NotebookNode | None = None
    seconds: float = 0.0
    memory_mb: int = 0
    error: str = ""
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


class _Workers:
    """The workers that run, each with the connection on which it sends its outcome."""

    def __init__(self, folder: Path, timeout: int, jobs: int) -> None:
        self.running: dict[Connection, tuple[str, BaseProcess]] = {}
        self.timeout = timeout
        self.threads = max(1, (os.cpu_count() or 1) // jobs)
        self.scratch = tempfile.TemporaryDirectory(
            prefix=".run-", dir=folder, ignore_cleanup_errors=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        for _, worker in self.running.values():
            _end(worker)
        self.scratch.cleanup()

    def start(self, name: str, notebook: NotebookNode) -> None:
        run = Path(tempfile.mkdtemp(dir=self.scratch.name))
        spawn = multiprocessing.get_context("spawn")
        receiver, sender = spawn.Pipe(duplex=False)
        arguments = (sender, notebook, run, self.timeout, self.threads)
        worker = spawn.Process(target=_work, args=arguments, daemon=True)
        # an interruption waits until the worker is known, and the worker inherits to hear none
        signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTIONS)
        try:
            worker.start()
            self.running[receiver] = (name, worker)
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTIONS)
        # with the worker's end open here, too, its death would not end the connection
        sender.close()

    def wait(self) -> list[tuple[str, Outcome]]:
        """Wait until one or more workers have ended, and return their outcomes by name."""
        wait(self.running)
        ended = []
        for connection in [one for one in self.running if one.poll()]:
            name, worker = self.running[connection]
            ended.append((name, _receive(connection)))
            _end(worker)
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


def _end(worker: BaseProcess) -> None:
    """End a worker with all processes below it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(worker.pid)
        # stopped first, so that it starts nothing more
        process.suspend()
        below = process.children(recursive=True)
        process.kill()
        _kill(below)
    worker.join()


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    # they write no more; who inherits them may take longer to notice their end
    psutil.wait_procs(processes, timeout=1)


def _work(
    sender: Connection, notebook: NotebookNode, run: Path, timeout: int, threads: int
) -> None:
    """Execute a notebook in this process, a worker, and send what became of it."""
    # ignored before it is heard
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTIONS)
    threading.Thread(target=_follow_parent, daemon=True).start()
    with (run / "log").open("w") as log:
        # the kernel inherits these and chats on them
        os.dup2(log.fileno(), sys.stdout.fileno())
        os.dup2(log.fileno(), sys.stderr.fileno())
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
    if "GAPBOOK_DATA" in os.environ:
        # relative to where the book is made, not to the folder of the kernel
        os.environ["GAPBOOK_DATA"] = str(Path(os.environ["GAPBOOK_DATA"]).resolve())


def _follow_parent() -> None:
    """Wait for the end of the parent process, then end the kernel and this process."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    _kill(psutil.Process().children(recursive=True))
    os._exit(1)


def _execute(notebook: NotebookNode, run: Path, timeout: int) -> Outcome:
    begun: list[int] = []
    start = time.monotonic()
    folder = run / "work"
    folder.mkdir()
    try:
        executed = execute_notebook(
            notebook,
            None,
            kernel_name="python3",
            cwd=folder,
            progress_bar=False,
            start_timeout=START_TIMEOUT,
            execution_timeout=timeout,
            on_cell_start=lambda cell, cell_index: begun.append(cell_index),
        )
    except PapermillExecutionError as error:
        place = _place(notebook, error.cell_index)
        return Outcome(error=f"{place}: {error.ename}: {error.evalue}")
    except Exception as error:
        place = _place(notebook, begun[-1]) if begun else "before its first cell"
        message = str(error).partition("\n")[0] or type(error).__name__
        # jupyter_client raises a RuntimeError for a kernel that does not start
        does_not_start = isinstance(error, RuntimeError) and not begun
        hangs = does_not_start or isinstance(error, CellTimeoutError)
        return Outcome(error=f"{place}: {message}", hangs=hangs)
    # the kernel has ended, so it counts as a child that was waited for
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * MEMORY_UNIT
    return Outcome(executed, seconds=round(time.monotonic() - start, 1), memory_mb=memory // 2**20)


def _place(notebook: NotebookNode, index: int) -> str:
    """Name a cell by its number in the source, from 1, and its first line."""
    cells = notebook.cells[: index + 1]
    number = sum(not is_injected(cell) for cell in cells)
    first_line = cells[-1].source.strip().partition("\n")[0]
    return f"cell {number} ({first_line[:60]})"
