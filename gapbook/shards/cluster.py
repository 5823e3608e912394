"""Connect to Dask: a scheduler that runs somewhere, or a cluster on this machine for as long as it is needed."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gapbook.pairs import PairsError
from gapbook.shards.files import INSTALL, MissingPackageError


@contextmanager
def connect(scheduler: str | None = None, workers: int = 1) -> Iterator[Any]:
    """Yield a Dask client: of the scheduler at an address, or of a new cluster here, at most one worker a core.

    Raises ``PairsError`` where no scheduler answers, ``MissingPackageError`` without Dask.
    """
    try:
        import distributed
    except ImportError:
        raise MissingPackageError(f"A folder of shards needs Dask, which is not installed: {INSTALL}") from None
    if scheduler:
        try:
            client = distributed.Client(scheduler, timeout=10)
        except (OSError, ValueError) as error:
            raise PairsError(f"Expected a Dask scheduler at {scheduler}; got {error}") from None
        with client:
            yield client
        return
    count = min(os.cpu_count() or 1, workers)
    settings: Any = {
        "n_workers": count,
        "threads_per_worker": 1,
        "dashboard_address": "127.0.0.1:0",
        "silence_logs": 50,
    }
    with _quiet_start():
        cluster = distributed.LocalCluster(**settings)
    with cluster, distributed.Client(cluster) as client:
        yield client


@contextmanager
def _quiet_start() -> Iterator[None]:
    """Give new processes no stderr, for a Ctrl-C ends them too, with a traceback each; hear it here when they run."""
    came: list[int] = []
    main = threading.current_thread() is threading.main_thread()
    handler = signal.signal(signal.SIGINT, lambda number, _: came.append(number)) if main else None
    stderr = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        if main:
            signal.signal(signal.SIGINT, handler)
        if came:
            raise KeyboardInterrupt
