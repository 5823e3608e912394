"""Execute the notebooks of the book into a run folder, in parallel and only where something changed.

A chapter runs again when its code, its parameters, the science of the package, the data, the versions of Python and of
the packages, or the optional sources at hand changed. After a change of prose its outputs are set into the new text.
"""

import hashlib
import html
import json
import os
import platform
import re
import shutil
import tempfile
import time
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import Any

import nbformat
import yaml
from nbformat import NotebookNode

from gapbook.press.paper import nearest
from gapbook.press.record import PressError, read_records
from gapbook.press.worker import kernel_environment, stop_all, work_in

PACKAGES = "numpy scipy pandas scikit-learn torch transformers umap-learn matplotlib seaborn pillow ipywidgets"
NOT_IN_KERNEL = {"build.py", "execute.py", "worker.py", "sphinx_ext.py", "stamp.py", "__main__.py"}
RUN_TAGS = {"parameters", "raises-exception", "skip-execution"}  # the others change how a cell looks, not what it does


@dataclass
class _Chapter:
    """One notebook on its way: its source, its executed copy, what it runs with and a digest of all that."""

    name: str
    notebook: NotebookNode
    target: Path
    parameters: dict[str, Any] = field(default_factory=dict)
    digest: str = ""


def execute_book(
    source: str | Path = "book",
    out: str | Path = "_build/executed",
    profile: str = "quick",
    jobs: int = 2,
    only: str | None = None,
    force: bool = False,
    timeout: float = 0,
    start_timeout: float = 120,
) -> dict[str, str]:
    """Bring the executed copies of all notebooks (or of ``only`` one) up to date; return what happened to each.

    ``profile`` is ``quick`` (the parameters as they stand in the notebooks) or the name of a file in
    ``source/profiles``. ``jobs`` chapters run side by side, each in a folder of its own, and share the cores. A cell
    may take ``timeout`` seconds (10 minutes by default, a day in other profiles); a chapter that hangs runs once more.
    Notebooks with a parameter ``executed`` run last; it names the folder with the executed others.

    Raises :class:`PressError` that names every chapter, cell and error; what failed leaves no file behind.
    """
    root, run = Path(source).resolve(), Path(out).resolve()
    paths = {path.relative_to(root).with_suffix("").as_posix(): path for path in _notebooks(root)}
    if only is not None and only not in paths:
        raise PressError(f"{source} has no chapter {only!r}; {nearest(only, paths)}")
    options = _profile(root, profile, paths)
    chapters = [_Chapter(n, _read(path), run / f"{n}.ipynb", options.get(n, {})) for n, path in paths.items()]
    last = [chapter for chapter in chapters if _has_parameter(chapter.notebook, "executed")]
    first = [chapter for chapter in chapters if chapter not in last]
    run.mkdir(parents=True, exist_ok=True)
    _copy_pages(root, run, set(paths))
    limits = {"execution_timeout": timeout or (600 if profile == "quick" else 86400), "start_timeout": start_timeout}
    state: list[Any] = [profile, _surroundings(), sorted(available_sources())]
    done: dict[str, str] = {}
    for group in (first, last):
        if group is last:
            state += [_write_run(run, first), _records(first)]
            for chapter in last:
                chapter.parameters = {"executed": "executed", **chapter.parameters}
        wanted = [chapter for chapter in group if only in (None, chapter.name)]
        stale = _splice([_with_digest(chapter, state) for chapter in wanted], force, done)
        if stale:
            with tempfile.TemporaryDirectory(prefix=".run-", dir=run.parent) as scratch:
                done |= _run_all(stale, Path(scratch), run, limits, min(jobs, len(stale)))
    return done


def available_sources() -> set[str]:
    """Names of the sources of embeddings that this machine can load without a download."""
    from gapbook import available_pairs

    table = available_pairs()
    return set(table.loc[table["available"], "name"])


def _notebooks(root: Path) -> list[Path]:
    if not root.is_dir():
        raise PressError(f"there is no folder {root} with notebooks; run this in the root of the repository")
    return sorted(path for path in root.rglob("*.ipynb") if ".ipynb_checkpoints" not in path.parts)


def _read(path: Path) -> NotebookNode:
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:
        raise PressError(f"{path} cannot be read as a notebook: {str(error).splitlines()[0]}") from error


def _profile(root: Path, profile: str, paths: dict[str, Path]) -> dict[str, dict[str, Any]]:
    """Parameters by chapter, every name checked against the notebook that is to take it."""
    if profile == "quick":
        return {}
    path = root / "profiles" / f"{profile}.yml"
    if not path.exists():
        known = ["quick", *(file.stem for file in path.parent.glob("*.yml"))]
        raise PressError(f"there is no profile {profile!r}; {nearest(profile, known)}")
    options: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    for name, parameters in options.items():
        if name not in paths:
            raise PressError(f"{path.name} sets parameters of {name!r}, not a chapter; {nearest(name, paths)}")
        from papermill import inspect_notebook

        known = list(inspect_notebook(paths[name]))
        for wrong in parameters.keys() - set(known):
            raise PressError(f"{name} has no parameter {wrong!r}; {nearest(wrong, known)} It has {', '.join(known)}.")
    return options


def _splice(chapters: list[_Chapter], force: bool, done: dict[str, str]) -> list[_Chapter]:
    """Set the outputs of an earlier run of the same code into the text; return the chapters that have none."""
    stale = []
    for chapter in chapters:
        old = _read(chapter.target) if chapter.target.exists() and not force else None
        if old is None or old.metadata.get("gapbook", {}).get("digest") != chapter.digest:
            stale.append(chapter)
            continue
        changed = _write(chapter.target, nbformat.writes(_page(chapter, old, old.metadata.gapbook)))
        done[chapter.name] = "prose changed" if changed else "unchanged"
        print(f"{chapter.name}: {done[chapter.name]}", flush=True)
    return stale


def _run_all(chapters: list[_Chapter], scratch: Path, run: Path, limits: dict[str, float], jobs: int) -> dict[str, str]:
    """Execute side by side, with a sign of life every half minute; raise once, after all, for those that failed."""
    env, start, done, failures = kernel_environment(scratch, jobs), time.monotonic(), {}, []
    pool = ThreadPoolExecutor(jobs)
    try:
        running = {pool.submit(_run_one, chapter, scratch, run, limits, env): chapter.name for chapter in chapters}
        while running:
            ended, _ = wait(running, timeout=30, return_when=FIRST_COMPLETED)
            for future in ended:
                name, result = running.pop(future), future.result()
                if result["error"]:
                    failures.append(f"{name}, {result['error']}")
                else:
                    done[name] = f"executed in {result['seconds']:.0f} s, {result['memory_mb']} MB"
                print(f"{name}: {done.get(name, 'failed')}", flush=True)
            if not ended:
                print(f"{time.monotonic() - start:.0f} s: {', '.join(running.values())} still to come", flush=True)
    finally:  # after Ctrl-C, too, no kernel stays behind
        pool.shutdown(wait=False, cancel_futures=True)
        stop_all()
        pool.shutdown(wait=True)
    if failures:
        raise PressError("\n".join(sorted(failures)))
    return done


def _run_one(
    chapter: _Chapter, scratch: Path, run: Path, limits: dict[str, float], env: dict[str, str]
) -> dict[str, Any]:
    """Execute one chapter in a process of its own, which measures its memory; publish the result."""
    job = scratch / chapter.name.replace("/", "-")
    (job / "work").mkdir(parents=True)
    if "executed" in chapter.parameters:
        (job / "work" / "executed").symlink_to(run)
    nbformat.write(chapter.notebook, job / "in.ipynb")
    (job / "job.json").write_text(json.dumps({"parameters": chapter.parameters, **limits}))
    print(f"{chapter.name}: started", flush=True)
    result = work_in(job, env)
    if result["timed_out"]:
        print(f"{'!' * 20} {chapter.name} hangs, {result['error']} Trying once more.", flush=True)
        result = work_in(job, env)
    if not result["error"]:
        facts = {"digest": chapter.digest, "seconds": result["seconds"], "memory_mb": result["memory_mb"]}
        _write(chapter.target, nbformat.writes(_page(chapter, _read(job / "out.ipynb"), facts)))
    return result


def _with_digest(chapter: _Chapter, state: list[Any]) -> _Chapter:
    cells = [(c.source, sorted(RUN_TAGS & set(c.metadata.get("tags", ())))) for c in _code(chapter.notebook)]
    chapter.digest = hashlib.sha256(json.dumps([cells, chapter.parameters, state]).encode()).hexdigest()
    return chapter


@cache
def _surroundings() -> str:
    """Digest of what every kernel imports and reads: the package but for the press itself, the data, the versions."""
    package, data = Path(__file__).parent.parent, Path(str(files("gapbook.data")))
    code = [p for p in package.rglob("*.*") if p.suffix in (".py", ".js", ".css") and p.name not in NOT_IN_KERNEL]
    kept = [p for p in data.rglob("*.*") if p.is_file() and p.suffix != ".pyc" and not p.name.startswith("expected")]
    digest = hashlib.sha256(json.dumps(_machine()).encode())
    for path in sorted(code) + sorted(kept):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


@cache
def _machine() -> dict[str, str | int]:
    facts: dict[str, str | int] = {"Python": platform.python_version(), "processors": os.cpu_count() or 1}
    facts["system"] = f"{platform.system()} {platform.machine()}"
    for package in ("gapbook", *PACKAGES.split()):
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            facts[package] = "not installed"
    return facts


def _page(chapter: _Chapter, executed: NotebookNode, facts: dict[str, Any]) -> NotebookNode:
    """Source with the outputs of an execution of the same code, and with no trace of the machine's folders."""
    page, cells, ran = deepcopy(chapter.notebook), [], iter(_code(executed))
    injected = [cell for cell in executed.cells if "injected-parameters" in cell.metadata.get("tags", ())]
    for cell in injected:
        cell.metadata = {"tags": ["injected-parameters"]}
    for cell in page.cells:
        cells.append(cell)
        if cell.cell_type == "code":
            done = next(ran)
            cell.outputs, cell.execution_count = done.outputs, done.execution_count
            _set_alt(cell)
            if "parameters" in cell.metadata.get("tags", ()):
                cells += injected
    page.cells = cells
    page.metadata = {**executed.metadata, **page.metadata, "gapbook": facts}
    page.metadata.pop("papermill", None)
    return page


def _set_alt(cell: NotebookNode) -> None:
    """Move the alt text from the outputs to where myst-nb looks: the cell, or with several images their ``<img>``."""
    found = [(out, mime) for out in cell.outputs for mime in out.get("data", {}) if mime.startswith("image/")]
    for out, mime in found:
        alt = out.metadata.get(mime, {}).get("alt")
        if alt and len(found) == 1:
            cell.metadata.setdefault("mystnb", {}).setdefault("image", {})["alt"] = alt
        elif alt and mime == "image/png":
            out.data["text/html"] = f'<img alt="{html.escape(alt)}" src="data:{mime};base64,{out.data[mime].strip()}">'


def _copy_pages(root: Path, run: Path, names: set[str]) -> None:
    """Mirror what is not a notebook into the run folder; remove what the book no longer has."""
    pages = {p.relative_to(root) for p in root.rglob("*") if p.is_file() and p.suffix != ".ipynb"}
    pages = {p for p in pages if p.parts[0] != "profiles" and not any(part.startswith(".") for part in p.parts)}
    for page in pages:
        if not (run / page).exists() or (run / page).read_bytes() != (root / page).read_bytes():
            (run / page).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / page, run / page)
    kept = pages | {Path(f"{name}.ipynb") for name in names} | {Path("run.json")}
    for path in [p for p in run.rglob("*") if p.is_file() and p.relative_to(run) not in kept]:
        path.unlink()


def _write_run(run: Path, chapters: list[_Chapter]) -> dict[str, Any]:
    """Keep what each chapter took, and on what, in ``run.json``."""
    facts = {c.name: _read(c.target).metadata.gapbook for c in chapters if c.target.exists()}
    costs = {name: {key: fact[key] for key in ("seconds", "memory_mb")} for name, fact in facts.items()}
    summary = {"machine": _machine(), "chapters": costs}
    _write(run / "run.json", json.dumps(summary, indent=1) + "\n")
    return summary


def _records(chapters: list[_Chapter]) -> list[str]:
    """All that the scoreboard shows of the others, and the baseline that it falls back on."""
    records = [read_records(chapter.target) for chapter in chapters if chapter.target.exists()]
    return [repr(records), (files("gapbook.data") / "expected.yml").read_text()]


def _write(path: Path, text: str) -> bool:
    """Write all or nothing, and only what differs."""
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
    return True


def _code(notebook: NotebookNode) -> list[NotebookNode]:
    """Code cells of the book itself, without the one that papermill adds."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [cell for cell in cells if "injected-parameters" not in cell.metadata.get("tags", ())]


def _has_parameter(notebook: NotebookNode, name: str) -> bool:
    cells = [cell for cell in _code(notebook) if "parameters" in cell.metadata.get("tags", ())]
    return any(re.search(rf"^{name}\b", cell.source, re.MULTILINE) for cell in cells)
