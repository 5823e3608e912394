"""Connect to Dask: a scheduler that runs somewhere, or a cluster on this machine for as long as it is needed."""

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from gapbook.exceptions import MissingPackageError, PairsError
from gapbook.array_files import INSTALL


@contextmanager
def connect(scheduler: str | None = None, workers: int = 1) -> Iterator[Any]:
    """Yield a Dask client: of the scheduler at an address, or of a new cluster here, at most one worker a core.

    Raises ``PairsError`` where no scheduler answers, ``MissingPackageError`` without Dask.
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
    settings: Any = {
        "n_workers": min(os.cpu_count() or 1, workers),
        "threads_per_worker": 1,
        "dashboard_address": "127.0.0.1:0",
        "silence_logs": logging.CRITICAL,
    }
    with ExitStack() as stack:
        with _quiet_start():  # a Ctrl-C that it passes on closes the cluster too
            cluster = stack.enter_context(distributed.LocalCluster(**settings))
        yield stack.enter_context(distributed.Client(cluster))


@contextmanager
def _quiet_start() -> Iterator[None]:
    """Give new processes no stderr, for a Ctrl-C ends them too, with a traceback each; raise it here once they run.

    Away from the main thread no signal comes, and only stderr is kept from them.
    """
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
