"""Execute the notebooks of the book into a run folder, in parallel and only where something changed.

A chapter runs again when its code, its parameters, the science of the package, the data, the versions of Python and of
the packages, or the optional sources at hand changed. After a change of prose its outputs are set into the new text.
"""

import hashlib
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from copy import deepcopy
from dataclasses import dataclass
from importlib.metadata import distributions, version
from importlib.resources import files
from pathlib import Path
from typing import Any

import nbformat
import yaml
from nbformat import NotebookNode

from gapbook.exceptions import PressError, nearest
from gapbook.files import write_whole
from gapbook.press.record import available_sources, read_records

SHOWN = "gapbook numpy scipy pandas scikit-learn torch transformers umap-learn matplotlib seaborn pillow ipywidgets"
_WORKERS: set[subprocess.Popen[bytes]] = set()


@dataclass
class _Chapter:
    """One notebook on its way to its executed copy: what it runs with, and a digest of all that it depends on."""

    name: str
    notebook: NotebookNode
    target: Path
    parameters: dict[str, Any]
    timeout: int
    threads: int
    digest: str = ""


def execute_book(
    out: str | Path = "_build/executed",
    profile: str = "quick",
    jobs: int = 2,
    force: bool = False,
    timeout: int = 0,
) -> dict[str, str]:
    """Bring the executed copies of all notebooks below ``book`` up to date; return what happened to each.

    ``profile`` is ``quick`` (the parameters as they stand in the notebooks) or the name of a file in
    ``book/profiles``. ``jobs`` chapters run side by side, each in a folder of its own, and share the cores. A cell
    may take ``timeout`` seconds (10 minutes by default, a day in other profiles); a chapter that hangs runs once more.
    Notebooks with a parameter ``executed`` run last; it names the folder with the executed others.

    Raises :class:`PressError` that names every chapter, cell and error; what failed leaves no file behind.
    """
    from papermill import inspect_notebook

    root, run = Path("book").resolve(), Path(out).resolve()
    notebooks = _notebooks(root)
    known = {name: list(inspect_notebook(root / f"{name}.ipynb")) for name in notebooks}
    options = _profile(root, profile, known)
    _copy_pages(root, run)
    limits = (
        timeout or (600 if profile == "quick" else 86400),
        max(1, (os.cpu_count() or 1) // jobs),
    )
    chapters = [
        _Chapter(n, book, run / f"{n}.ipynb", options.get(n, {}), *limits)
        for n, book in notebooks.items()
    ]
    first = [chapter for chapter in chapters if "executed" not in known[chapter.name]]
    last = [chapter for chapter in chapters if "executed" in known[chapter.name]]
    state: list[Any] = [profile, surroundings(), sorted(available_sources())]
    done = _update_all(first, state, jobs, force)
    summary = _write_summary(run / "run.json", first)
    for chapter in last:
        chapter.parameters["executed"] = "executed"
    state += [summary, *(repr(read_records(chapter.target)) for chapter in first)]
    return done | _update_all(last, state, jobs, force)


def digest(paths: Iterable[Path], *facts: Any) -> str:
    """Digest of the names and contents of files, of other facts, and of the versions of Python and all packages."""
    packages = sorted((package.name, package.version) for package in distributions())
    found = hashlib.sha256(json.dumps([platform.python_version(), packages, facts]).encode())
    for path in sorted(paths):
        found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()


def surroundings() -> str:
    """Digest of what every kernel imports and reads: the package, the data but for the baselines, the versions."""
    folders = Path(__file__).parent.parent, Path(str(files("gapbook.data")))
    paths = [
        path
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    ]
    return digest([path for path in paths if not path.name.startswith("expected")], os.cpu_count())


def _notebooks(root: Path) -> dict[str, NotebookNode]:
    if not root.is_dir():
        raise PressError(
            f"there is no folder {root} with notebooks; run this in the root of the repository"
        )
    paths = sorted(path for path in root.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)
    return {path.relative_to(root).with_suffix("").as_posix(): _read(path) for path in paths}


def _read(path: Path) -> NotebookNode:
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:
        raise PressError(
            f"{path} cannot be read as a notebook: {str(error).splitlines()[0]}"
        ) from error


def _profile(root: Path, profile: str, known: dict[str, list[str]]) -> dict[str, dict[str, Any]]:
    """Parameters by chapter, every name checked against the notebook that is to take it."""
    if profile == "quick":
        return {}
    path = root / "profiles" / f"{profile}.yml"
    if not path.exists():
        profiles = [file.stem for file in path.parent.glob("*.yml")]
        raise PressError(f"there is no profile {profile!r}; {nearest(profile, profiles)}")
    options: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    for name, parameters in options.items():
        if name not in known:
            raise PressError(
                f"{path.name} sets parameters of {name!r}, not a chapter; {nearest(name, known)}"
            )
        for wrong in parameters.keys() - set(known[name]):
            raise PressError(f"{name} has no parameter {wrong!r}; {nearest(wrong, known[name])}")
    return options


def _copy_pages(root: Path, run: Path) -> None:
    """Mirror what is not a notebook into the run folder; remove what the book no longer has."""
    shutil.copytree(
        root, run, ignore=shutil.ignore_patterns("*.ipynb", "profiles", ".*"), dirs_exist_ok=True
    )
    for path in run.rglob("*"):
        if (
            path.is_file()
            and path.name != "run.json"
            and not (root / path.relative_to(run)).exists()
        ):
            path.unlink()


def _update_all(
    chapters: list[_Chapter], state: list[Any], jobs: int, force: bool
) -> dict[str, str]:
    """Bring chapters up to date side by side; raise once, after all, for those that failed."""
    with ThreadPoolExecutor(jobs) as pool:
        futures = {}
        for chapter in chapters:
            cells = [
                (cell.source, cell.metadata.get("tags", [])) for cell in _code(chapter.notebook)
            ]
            chapter.digest = digest([], cells, chapter.parameters, state)
            futures[chapter.name] = pool.submit(_update, chapter, force)
        try:
            wait(futures.values())
        except BaseException:  # Ctrl-C: no kernel stays behind
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in list(_WORKERS):
                worker.send_signal(signal.SIGINT)
            raise
    failures = [
        str(future.exception())
        for future in futures.values()
        if isinstance(future.exception(), PressError)
    ]
    if failures:
        raise PressError("\n".join(failures))
    return {name: future.result() for name, future in futures.items()}


def _update(chapter: _Chapter, force: bool) -> str:
    """Execute one chapter, or set the outputs of an earlier run of the same code into its text."""
    old = (
        _read(chapter.target)
        if chapter.target.exists() and not force
        else nbformat.v4.new_notebook()
    )
    executed, facts, done = old, old.metadata.get("gapbook", {}), "unchanged"
    if facts.get("digest") != chapter.digest:
        executed, facts = _execute(chapter)
        done = f"executed in {facts['seconds']:.0f} s, {facts['memory_mb']} MB"
    page = nbformat.writes(_page(chapter.notebook, executed, facts))
    if not chapter.target.exists() or chapter.target.read_text(encoding="utf-8") != page:
        chapter.target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(chapter.target, page.encode())
        done = done.replace("unchanged", "prose changed")
    print(f"{chapter.name}: {done}", flush=True)
    return done


def _execute(chapter: _Chapter) -> tuple[NotebookNode, dict[str, Any]]:
    """Run a chapter in a new folder, once more if it hangs; return the notebook, its digest and its costs."""
    run = chapter.target.parents[chapter.name.count("/")]
    with tempfile.TemporaryDirectory(prefix=".run-", dir=run.parent) as scratch:
        folder, start = Path(scratch), time.monotonic()
        (folder / "work").mkdir()
        if "executed" in chapter.parameters:
            (folder / "work" / "executed").symlink_to(run)
        nbformat.write(chapter.notebook, folder / "in.ipynb")
        print(f"{chapter.name}: started", flush=True)
        error, memory = _papermill(chapter, folder)
        if re.search("A cell timed out|Kernel didn't respond|Kernel died before replying", error):
            print(f"{'!' * 20} {chapter.name} hangs, {error} Trying once more.", flush=True)
            error, memory = _papermill(chapter, folder)
        if error:
            raise PressError(f"{chapter.name}, {error}")
        seconds = round(time.monotonic() - start, 1)
        return _read(folder / "out.ipynb"), {
            "digest": chapter.digest,
            "seconds": seconds,
            "memory_mb": memory,
        }


def _papermill(chapter: _Chapter, folder: Path) -> tuple[str, int]:
    """Execute ``in.ipynb`` in a process of its own, which tells its memory; return the error, if any, and megabytes."""
    command = [
        sys.executable,
        "-m",
        "papermill",
        str(folder / "in.ipynb"),
        str(folder / "out.ipynb"),
    ]
    command += ["--kernel", "python3", "--cwd", str(folder / "work"), "--no-progress-bar"]
    command += ["--start-timeout", "120", "--execution-timeout", str(chapter.timeout)]
    command += ["--parameters_yaml", json.dumps(chapter.parameters)]
    with (folder / "log").open("wb") as log:
        worker = subprocess.Popen(
            command,
            env=_environment(folder, chapter.threads),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _WORKERS.add(worker)
    _, status, usage = os.wait4(worker.pid, 0)
    worker.returncode = os.waitstatus_to_exitcode(status)
    _WORKERS.discard(worker)
    return _explain(folder) if status else "", usage.ru_maxrss // (
        2**20 if sys.platform == "darwin" else 2**10
    )


def _environment(folder: Path, threads: int) -> dict[str, str]:
    """Environment in which the kernel is this interpreter on every machine, without the user's own settings."""
    env = (
        dict.fromkeys(["OMP_NUM_THREADS", "NUMBA_NUM_THREADS"], str(threads))
        | {"PYTHONHASHSEED": "0"}
        | os.environ
    )
    env |= {"JUPYTER_PREFER_ENV_PATH": "1", "IPYTHONDIR": str(folder / "ipython")}
    if "GAPBOOK_DATA" in env:  # relative to where the book is made, not to the folder of the kernel
        env["GAPBOOK_DATA"] = str(Path(env["GAPBOOK_DATA"]).resolve())
    env.pop("MPLBACKEND", None)
    return env


def _explain(folder: Path) -> str:
    """Cell and error of a failed run, from papermill's log and the notebook as far as papermill came with it."""
    log = re.sub(
        r"\x1b\[[\d;]*m", "", (folder / "log").read_text(errors="replace")
    ).strip().splitlines() or ["no word"]
    own = [line.partition(": ")[2] for line in log if line.startswith("nbclient.exceptions.")]
    error = own[0] if own else log[-1]
    cells = _read(folder / "out.ipynb").cells if (folder / "out.ipynb").exists() else []
    cells = [
        c
        for c in cells
        if not {"papermill-error-cell-tag", "injected-parameters"} & set(c.metadata.tags)
    ]
    begun = [n for n, c in enumerate(cells, 1) if c.metadata.papermill.get("start_time")]
    if not begun:
        return f"before its first cell: {error}"
    first_line = cells[begun[-1] - 1].source.strip().partition("\n")[0]
    return f"cell {begun[-1]} ({first_line[:60]}): {error}"


def _page(notebook: NotebookNode, executed: NotebookNode, facts: dict[str, Any]) -> NotebookNode:
    """Source with the outputs of an execution of the same code, and with no trace of the machine's folders."""
    page, cells, ran = deepcopy(notebook), [], iter(_code(executed))
    injected = [
        cell for cell in executed.cells if "injected-parameters" in cell.metadata.get("tags", ())
    ]
    for cell in injected:
        cell.metadata = {"tags": ["injected-parameters"]}
    for cell in page.cells:
        cells.append(cell)
        if cell.cell_type == "code":
            done = next(ran)
            cell.outputs, cell.execution_count = done.outputs, done.execution_count
            alts = [
                shown["alt"]
                for out in cell.outputs
                for shown in out.get("metadata", {}).values()
                if "alt" in shown
            ]
            if alts:  # where myst-nb looks for it
                cell.metadata["mystnb"] = {"image": {"alt": " ".join(alts)}}
            if "parameters" in cell.metadata.get("tags", ()):
                cells += injected
    page.cells = cells
    page.metadata = {**executed.metadata, **page.metadata, "gapbook": facts}
    page.metadata.pop("papermill", None)
    return page


def _code(notebook: NotebookNode) -> list[NotebookNode]:
    """Code cells of the book itself, without the one that papermill adds."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [cell for cell in cells if "injected-parameters" not in cell.metadata.get("tags", ())]


def _write_summary(path: Path, chapters: list[_Chapter]) -> dict[str, Any]:
    """Keep what each chapter took, and on what."""
    facts = {chapter.name: _read(chapter.target).metadata.gapbook for chapter in chapters}
    costs = {
        name: {key: fact[key] for key in ("seconds", "memory_mb")} for name, fact in facts.items()
    }
    machine = {"Python": platform.python_version(), "processors": os.cpu_count()}
    machine["system"] = f"{platform.system()} {platform.machine()}"
    summary = {
        "machine": machine | {package: version(package) for package in SHOWN.split()},
        "chapters": costs,
    }
    write_whole(path, json.dumps(summary, indent=1).encode())
    return summary
