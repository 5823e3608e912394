"""Processes that end with the process that started them, however that one ends.

They are spawned, not forked, so a child inherits neither threads nor locks. Only the parent hears
Ctrl-C and a terminal that closes; it then ends each child together with all below it. A child whose
parent was killed ends all below itself, and then itself.
"""

import contextlib
import errno
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import psutil

INTERRUPTIONS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
STDOUT = 1
STDERR = 2
# bytes
SPARE = 2**20


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Let interruptions wait until a block has ended; processes started in it hear none."""
    signal.pthread_sigmask(signal.SIG_BLOCK, INTERRUPTIONS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTIONS)


def start(target: Callable[..., None], *arguments: Any, log: Path) -> BaseProcess:
    """Start a function in a process of its own.

    Parameters
    ----------
    target : callable
        Function of a module, which the process calls.
    *arguments : any
        Its arguments, which are pickled.
    log : Path
        File that gets what the process and all below it write to stdout and stderr.

    Returns
    -------
    BaseProcess
        The process; :func:`end` ends it. Start it within :func:`uninterrupted`, and leave that
        block when the process is where an exception finds it.
    """
    spawn = multiprocessing.get_context("spawn")
    process = spawn.Process(target=_run, args=(target, arguments, log), daemon=True)
    process.start()
    return process


def end(process: BaseProcess) -> None:
    """End a process with all below it, if it still runs."""
    with contextlib.suppress(psutil.NoSuchProcess):
        running = psutil.Process(process.pid)
        # stopped first, so that it starts nothing more
        running.suspend()
        below = running.children(recursive=True)
        running.kill()
        _kill(below)
    process.join()


def is_full(folder: Path, spare: int = SPARE) -> bool:
    """Tell whether the disk of a folder, or that of temporary files, has no space left.

    Parameters
    ----------
    folder : Path
        The folder, which exists.
    spare : int
        Bytes below which a disk counts as full: what did not fit may have needed more than none.

    Returns
    -------
    bool
        Whether either disk is full.
    """
    places = (folder, Path(tempfile.gettempdir()))
    return any(shutil.disk_usage(place).free < spare for place in places)


def is_about_space(error: BaseException) -> bool:
    """Tell whether an error comes from a full disk or a quota that is used up."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def _run(target: Callable[..., None], arguments: tuple[Any, ...], log: Path) -> None:
    """Run the function in this process, the child."""
    # ignored before they are heard
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, INTERRUPTIONS)
    threading.Thread(target=_follow_parent, daemon=True).start()
    with log.open("w") as file:
        # processes below inherit these and chat on them
        os.dup2(file.fileno(), STDOUT)
        os.dup2(file.fileno(), STDERR)
    target(*arguments)


def _follow_parent() -> None:
    """Wait for the end of the parent process, then end all below this process, and itself."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    _kill(psutil.Process().children(recursive=True))
    os._exit(1)


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    # they write no more; who inherits them may take longer to notice their end
    psutil.wait_procs(processes, timeout=1)
