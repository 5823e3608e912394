"""Connect to Dask: a scheduler that runs somewhere, or a cluster on this machine for a while."""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gapbook.array_files import INSTALL
from gapbook.exceptions import MissingPackageError, PairsError

if TYPE_CHECKING:
    from distributed import Client


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
        A client that is connected.

    Raises
    ------
    PairsError
        If no scheduler answers at the address.
    MissingPackageError
        If Dask is not installed.
    """
    try:
        import distributed
    except ImportError:
        raise MissingPackageError(
            f"A folder of shards needs Dask, which is not installed: {INSTALL}"
        ) from None
    if scheduler:
        try:
            client = distributed.Client(scheduler, timeout=10)
        except (OSError, ValueError) as error:
            raise PairsError(f"Expected a Dask scheduler at {scheduler}; got {error}") from None
        with client:
            yield client
        return
    settings: dict[str, Any] = {
        "n_workers": min(os.cpu_count() or 1, workers),
        "threads_per_worker": 1,
        "dashboard_address": "127.0.0.1:0",
        "silence_logs": logging.CRITICAL,
    }
    with ExitStack() as stack:
        # The cluster is on the stack before a Ctrl-C is passed on, which so closes it too.
        with _quiet_start():
            cluster = stack.enter_context(distributed.LocalCluster(**settings))
        yield stack.enter_context(distributed.Client(cluster))


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
