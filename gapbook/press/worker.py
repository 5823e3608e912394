"""Run one notebook in a process of its own: ``python -m gapbook.press.worker FOLDER``, started by ``execute``.

FOLDER holds ``in.ipynb`` and ``job.json``; the worker leaves ``out.ipynb`` and, always, ``result.json``.
"""

import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
from ipykernel.kernelspec import get_kernel_dict

_LIVE: set[subprocess.Popen[bytes]] = set()


def work_in(folder: Path, env: dict[str, str]) -> dict[str, Any]:
    """Start a worker in ``folder``, wait for it, and return its error (empty if none), seconds and megabytes."""
    (folder / "result.json").unlink(missing_ok=True)
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", __name__, str(folder)]
        worker = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    _LIVE.add(worker)
    worker.wait()
    _LIVE.discard(worker)
    try:
        return dict(json.loads((folder / "result.json").read_text()))
    except FileNotFoundError:
        last = (folder / "log").read_text(errors="replace").strip().splitlines()[-1:]
        told = f"its process ended with code {worker.returncode} and no result: {' '.join(last)}"
        return {"error": told, "timed_out": False}


def stop_all() -> None:
    """Ask the workers that still run to stop, and their kernels with them."""
    for worker in list(_LIVE):
        worker.terminate()


def kernel_environment(scratch: Path, jobs: int) -> dict[str, str]:
    """Environment in which the kernel is this interpreter on every machine, without the user's own settings."""
    spec = scratch / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    kernel = get_kernel_dict()
    kernel["argv"] += ["--log-level=ERROR"]  # it warns that it listens on this machine without encryption
    spec.write_text(json.dumps(kernel))
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    env = {"OMP_NUM_THREADS": threads, "NUMBA_NUM_THREADS": threads, "PYTHONHASHSEED": "0", **os.environ}
    env |= {"JUPYTER_PATH": str(scratch), "IPYTHONDIR": str(scratch / "ipython")}
    if "GAPBOOK_DATA" in env:  # relative to where the book is made, not to the folder of the kernel
        env["GAPBOOK_DATA"] = str(Path(env["GAPBOOK_DATA"]).resolve())
    env.pop("MPLBACKEND", None)
    return env


def _work(folder: Path) -> None:
    from papermill import execute_notebook

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    start, error, timed_out = time.monotonic(), "", False
    job, source, target = json.loads((folder / "job.json").read_text()), folder / "in.ipynb", folder / "out.ipynb"
    try:
        execute_notebook(source, target, progress_bar=False, kernel_name="python3", cwd=folder / "work", **job)
    except Exception as problem:
        error, timed_out = _explain(problem, target), isinstance(problem, TimeoutError) or "respond" in str(problem)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // (2**20 if sys.platform == "darwin" else 2**10)
    result = {"error": error, "timed_out": timed_out, "seconds": round(time.monotonic() - start, 1), "memory_mb": peak}
    (folder / "result.json").write_text(json.dumps(result))


def _explain(problem: Exception, target: Path) -> str:
    """Cell and last line of an error, from the notebook as far as papermill came with it."""
    lines = getattr(problem, "traceback", None) or str(problem).splitlines() or [type(problem).__name__]
    text = re.sub(r"\x1b\[[\d;]*m", "", "\n".join(lines)).strip().splitlines()
    last = text[0] if isinstance(problem, TimeoutError) else text[-1]
    cells = nbformat.read(target, as_version=4).cells if target.exists() else []
    cells = [c for c in cells if not {"papermill-error-cell-tag", "injected-parameters"} & set(c.metadata.tags)]
    begun = [n for n, c in enumerate(cells, 1) if c.metadata.papermill.get("start_time")]
    if not begun:
        return f"before its first cell: {last}"
    first = next(iter(cells[begun[-1] - 1].source.strip().splitlines()), "")
    return f"cell {begun[-1]} ({first[:60]}): {last}"


if __name__ == "__main__":
    _work(Path(sys.argv[1]))
