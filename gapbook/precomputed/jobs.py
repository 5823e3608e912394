"""Run jobs side by side, on one thread each."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import torch

# Two runs side by side on one thread each are cheaper than one on two.
WORKERS = 2


def run_side_by_side(function: Callable[..., str], jobs: Sequence[tuple[Any, ...]]) -> None:
    """Call a function with the arguments of each job, two jobs at a time.

    Parameters
    ----------
    function : callable
        A function of a module; it returns what is printed when a job is finished.
    jobs : sequence of tuple
        The arguments of each call.
    """
    workers = min(WORKERS, os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for name in pool.map(function, *zip(*jobs, strict=True)):
            print(f"finished {name}", flush=True)
