"""Connect to Dask: a scheduler that runs somewhere, or a cluster on this machine for a while."""

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from gapbook.exceptions import PairsError, one_line, quoted
from gapbook.extras import from_extra
from gapbook.files import NotWrittenError

if TYPE_CHECKING:
    from distributed import Client, Future, Security

# How long a scheduler may take to answer.
SECONDS_TO_ANSWER = 10
# How long a scheduler may be without workers: together with the answer less than half a minute.
SECONDS_WITHOUT_WORKERS = 15
SECONDS_BETWEEN_LOOKS = 3
CONFIGURATION: dict[str, Any] = {
    # Servers of a cluster here answer nobody over HTTP.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    # A worker that dies is started again, which takes seconds; by default it would be given up if
    # it is just not there 15 seconds after it died another time.
    "distributed.deploy.lost-worker-timeout": "1 day",
    # What ends two workers of one machine will end the next.
    "distributed.scheduler.allowed-failures": 1,
}
TLS_ADVICE = (
    "; for tls:// Dask's configuration has to name the certificates, for example in the variables "
    "DASK_DISTRIBUTED__COMM__TLS__CA_FILE, DASK_DISTRIBUTED__COMM__TLS__CLIENT__CERT and "
    "DASK_DISTRIBUTED__COMM__TLS__CLIENT__KEY"
)


@contextmanager
def connect(scheduler: str | None = None, workers: int = 1) -> "Iterator[Client]":
    """Yield a Dask client.

    Parameters
    ----------
    scheduler : str, optional
        The address of a scheduler that runs already, such as "tcp://10.0.0.1:8786". By default a
        cluster on this machine runs for the time of the block.
    workers : int
        The number of workers of a cluster here, at most one for each core.

    Yields
    ------
    distributed.Client
        A client that is connected to a scheduler with at least one worker.

    Raises
    ------
    PairsError
        If no scheduler answers at the address, or it has no workers.
    MissingPackageError
        If Dask, or what it needs for a cluster here, is not installed.

    Notes
    -----
    Whoever can talk to a Dask scheduler can run code in its workers. The processes of a cluster
    here talk over TLS, with a key that is made for them and never leaves their memory, so that
    other users of the machine cannot. A scheduler at an address is as safe as it was started: with
    ``tls://`` the certificates come from Dask's configuration (``distributed.comm.tls``), with
    ``tcp://`` everybody who reaches the port can use it.

    A cluster here does not import the script that runs, so that the script needs no
    ``if __name__ == "__main__"``.

    References
    ----------
    https://distributed.dask.org/en/stable/tls.html
    """
    with from_extra("large", "a folder of shards"):
        import distributed
    if scheduler is None:
        with _cluster_here(workers) as client:
            yield client
        return
    _require_answer(scheduler)
    with distributed.Client(scheduler, timeout=SECONDS_TO_ANSWER) as client:
        try:
            client.wait_for_workers(1, timeout=SECONDS_WITHOUT_WORKERS)
        except TimeoutError:
            raise PairsError(
                f"Expected workers at the Dask scheduler {quoted(scheduler)}; it has none: start "
                f"one with dask worker {one_line(scheduler, 80)}"
            ) from None
        yield client


def wait_for(client: "Client", future: "Future", patience: float | None = None) -> Any:
    """Return the result of a task, which ends with the wait for it.

    Parameters
    ----------
    client : distributed.Client
        The client of the scheduler.
    future : distributed.Future
        The task.
    patience : float, optional
        After how many seconds without any worker to stop; by default it waits for ever, as for a
        batch system that starts workers when it likes.

    Returns
    -------
    object
        The result.

    Raises
    ------
    PairsError
        If there is no worker for so long.
    """
    alone = 0.0
    try:
        while patience is None or alone < patience:
            try:
                return future.result(timeout=SECONDS_BETWEEN_LOOKS)
            except TimeoutError:
                if future.status == "error":
                    raise
            alone = 0.0 if client.nthreads() else alone + SECONDS_BETWEEN_LOOKS
    finally:
        # A client whose scheduler is lost cannot.
        with suppress(Exception):
            future.cancel()
    raise _no_workers(patience)


def as_they_end(
    client: "Client", futures: "Sequence[Future]", patience: float | None = None
) -> "Generator[Future, None, None]":
    """Yield tasks as they end, in any order; those that are left end with the wait for them.

    Parameters
    ----------
    client : distributed.Client
        The client of the scheduler.
    futures : sequence of distributed.Future
        The tasks.
    patience : float, optional
        After how many seconds without any worker to stop; by default it waits for ever.

    Yields
    ------
    distributed.Future
        A task that is done, failed or lost.

    Raises
    ------
    PairsError
        If there is no worker for so long.
    """
    ended: SimpleQueue[Future] = SimpleQueue()
    for future in futures:
        future.add_done_callback(ended.put)
    left = len(futures)
    alone = 0.0
    try:
        while left:
            try:
                yield ended.get(timeout=SECONDS_BETWEEN_LOOKS)
                left -= 1
                alone = 0.0
            except Empty:
                alone = 0.0 if client.nthreads() else alone + SECONDS_BETWEEN_LOOKS
            if patience is not None and alone >= patience:
                raise _no_workers(patience)
    finally:
        # A client whose scheduler is lost cannot.
        with suppress(Exception):
            client.cancel(list(futures))


def _no_workers(patience: float | None) -> PairsError:
    return PairsError(
        f"the Dask scheduler has had no workers for {patience:g} seconds: start some, and run this "
        "again"
    )


@contextmanager
def lost_scheduler_named() -> Iterator[None]:
    """Let the loss of the scheduler be an error in one sentence."""
    try:
        yield
    except NotWrittenError:
        # A disk, and no connection.
        raise
    except (asyncio.CancelledError, CancelledError, OSError):
        raise PairsError(
            "the Dask scheduler was lost before the work was done: start it, and run this again"
        ) from None


def _require_answer(scheduler: str) -> None:
    """Raise ``PairsError`` unless a Dask scheduler answers: its client would wait for ever."""
    problems: list[Exception] = []

    def ask() -> None:
        try:
            asyncio.run(_shake_hands(scheduler))
        # Each protocol has its own errors.
        except Exception as error:
            problems.append(error)

    # A thread of its own, since a notebook has an event loop in the main thread.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join()
    if problems:
        got = one_line(str(problems[0])) or "no answer"
        advice = TLS_ADVICE if scheduler.startswith("tls:") else ""
        raise PairsError(f"Expected a Dask scheduler at {quoted(scheduler)}; got {got}{advice}")


async def _shake_hands(scheduler: str) -> None:
    from distributed import Security
    from distributed.comm import connect

    arguments = Security().get_connection_args("client")
    connecting = connect(scheduler, timeout=SECONDS_TO_ANSWER, **arguments)
    comm = await asyncio.wait_for(connecting, SECONDS_TO_ANSWER + 1)
    await comm.close()


@contextmanager
def _cluster_here(workers: int) -> "Iterator[Client]":
    import dask
    import distributed

    with ExitStack() as stack:
        # Not below /tmp/dask-scratch-space, which another user may have made.
        folder = stack.enter_context(TemporaryDirectory(prefix="gapbook-"))
        settings: dict[str, Any] = {
            "n_workers": min(os.cpu_count() or 1, workers),
            "threads_per_worker": 1,
            "dashboard_address": "127.0.0.1:0",
            "silence_logs": logging.CRITICAL,
            "protocol": "tls://",
            "security": _temporary_security(),
            "local_directory": folder,
        }
        # Warnings of libraries are not for those who wait for numbers.
        environment = dask.config.get("distributed.nanny.pre-spawn-environ")
        environment = environment | {"PYTHONWARNINGS": "ignore"}
        spawned = {"distributed.nanny.pre-spawn-environ": environment}
        stack.enter_context(dask.config.set(CONFIGURATION | spawned))
        # Workers that die are started again, so that it holds for the whole block.
        stack.enter_context(_main_unnamed())
        # The cluster is on the stack before a Ctrl-C is passed on, which so closes it too.
        with _quiet_start():
            cluster = stack.enter_context(distributed.LocalCluster(**settings))
        yield stack.enter_context(distributed.Client(cluster))


def _temporary_security() -> "Security":
    """Return a key and a certificate that only the processes of one cluster have."""
    from distributed import Security

    with from_extra("large", "a Dask cluster"):
        # Security would import it, and pass on a text of its own.
        import cryptography  # noqa: F401
    return Security.temporary()


@contextmanager
def _main_unnamed() -> Iterator[None]:
    """Keep new processes from importing the script that runs, whose work they would begin again."""
    main = sys.modules["__main__"]
    known = vars(main)
    names: dict[str, Any] = {}
    for name in ("__file__", "__spec__"):
        if name in known:
            names[name] = known[name]
    known.update(dict.fromkeys(names))
    try:
        yield
    finally:
        known.update(names)


@contextmanager
def _quiet_start() -> Iterator[None]:
    """Start processes in the block without stderr, and raise a Ctrl-C only after it.

    A Ctrl-C ends the new processes too, each with a traceback. Away from the main thread no signal
    comes, and only stderr is kept from them.
    """
    interruptions: list[int] = []

    def note(number: int, _: object) -> None:
        interruptions.append(number)

    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread:
        handler = signal.signal(signal.SIGINT, note)
    stderr = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        if in_main_thread:
            signal.signal(signal.SIGINT, handler)
        if interruptions:
            raise KeyboardInterrupt
