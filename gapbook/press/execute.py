"""Execute the notebooks of the book into a run folder, only where something changed.

Outputs are kept under a digest of the code, its parameters and what the code depends on: the
package, the data, the versions of Python and of all packages, and the sources of embeddings at
hand. Where only prose changed, kept outputs are set into the new text.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from gapbook.exceptions import PressError
from gapbook.files import write_whole
from gapbook.press.cache import OutputCache
from gapbook.press.costs import COSTS, MACHINE, Cost, write_costs
from gapbook.press.digest import INPUTS, digest, surroundings
from gapbook.press.failures import FAILED, keep_details
from gapbook.press.notebooks import read_notebooks, set_parameters
from gapbook.press.profiles import read_profile
from gapbook.press.records import available_sources
from gapbook.press.worker import Outcome, execute_side_by_side

# seconds that a cell may take: with the parameters as they stand, and with those of a profile
QUICK_TIMEOUT = 600
PROFILE_TIMEOUT = 86_400


def execute_book(
    out: str | Path = "_build/executed",
    *,
    profile: str = "quick",
    jobs: int = 2,
    force: bool = False,
    timeout: int | None = None,
    inputs: Sequence[Path] = INPUTS,
) -> dict[str, str]:
    """Bring the executed copies of all notebooks below ``book`` up to date.

    Parameters
    ----------
    out : path
        The run folder. All other files of the book are copied there, too.
    profile : str
        ``"quick"`` takes parameters as they stand in the notebooks. Any other name is that of a
        file in ``book/profiles``.
    jobs : int
        Number of notebooks that run side by side, from 1. They share the processors.
    force : bool
        Whether to execute every notebook, changed or not.
    timeout : int, optional
        Seconds that one cell may take; 10 minutes by default, a day in other profiles. A notebook
        that hangs runs once more.
    inputs : sequence of Path
        Folders of the package and of the data. A change in them executes every notebook, a change
        of ``expected.yml`` only those that call ``load_expected``.

    Returns
    -------
    dict of str to str
        What happened to each notebook.

    Raises
    ------
    PressError
        If notebooks fail, with the cell and the error of each; outputs of the others are kept, and
        tracebacks lie in the folder ``failed`` beside the run folder until the next call. Also if
        a notebook, the profile or one of its parameters does not exist.
    """
    if jobs < 1:
        raise PressError(f"at least 1 notebook must run at a time; got jobs = {jobs}")
    root = Path("book").resolve()
    run = Path(out).resolve()
    notebooks = _with_parameters(root, profile)
    if timeout is None:
        timeout = QUICK_TIMEOUT if profile == "quick" else PROFILE_TIMEOUT
    _set_digests(notebooks, inputs)
    _mirror(root, run)
    cache = OutputCache.open(run.parent / "cache")
    kept = {} if force else {name: cache.find(book) for name, book in notebooks.items()}
    stale = {name: book for name, book in notebooks.items() if kept.get(name) is None}
    failures = []
    tracebacks = run.parent / FAILED
    shutil.rmtree(tracebacks, ignore_errors=True)

    def finish(name: str, outcome: Outcome) -> None:
        if outcome.notebook is None:
            place = keep_details(tracebacks / f"{name}.txt", outcome.details)
            failures.append(f"{name}, {outcome.error}{place}")
            print(f"{name}: failed", flush=True)
        else:
            cost = Cost(seconds=outcome.seconds, memory_mb=outcome.memory_mb)
            cache.keep(name, notebooks[name], outcome.notebook, cost)
            print(f"{name}: {_took(cost)}", flush=True)

    execute_side_by_side(stale, finish, folder=run.parent, jobs=jobs, timeout=timeout)
    if failures:
        raise PressError("\n".join(sorted(failures)))
    changes = {}
    costs = {}
    for name, notebook in notebooks.items():
        page, costs[name] = kept.get(name) or cache.page(notebook)
        changed = _write_if_changed(run / f"{name}.ipynb", nbformat.writes(page))
        if name in stale:
            changes[name] = _took(costs[name])
        else:
            changes[name] = "text updated" if changed else "unchanged"
            print(f"{name}: {changes[name]}", flush=True)
    write_costs(run, costs)
    return changes


def _with_parameters(root: Path, profile: str) -> dict[str, NotebookNode]:
    """Read the notebooks that run, and set the parameters of a profile in them."""
    notebooks = read_notebooks(root)
    if profile == "quick":
        return notebooks
    path = root / "profiles" / f"{profile}.yml"
    set_parameters(notebooks, read_profile(path, notebooks).parameters)
    return notebooks


def _set_digests(notebooks: dict[str, NotebookNode], inputs: Sequence[Path]) -> None:
    """Note in each notebook the digest of what its code depends on."""
    without_baseline = digest([], surroundings(inputs), sorted(available_sources()))
    baseline = [path for folder in inputs for path in folder.glob("expected.yml")]
    with_baseline = digest(baseline, without_baseline)
    for notebook in notebooks.values():
        notebook.metadata["gapbook"] = without_baseline
        if any("load_expected" in cell.source for cell in notebook.cells):
            notebook.metadata["gapbook"] = with_baseline


def _mirror(root: Path, run: Path) -> None:
    """Copy what is not a notebook into the run folder; remove what the book no longer has."""
    ignored = shutil.ignore_patterns("*.ipynb", "profiles", ".*")
    shutil.copytree(root, run, ignore=ignored, dirs_exist_ok=True)
    for path in run.rglob("*"):
        belongs = path.name in (COSTS, MACHINE) or (root / path.relative_to(run)).exists()
        if path.is_file() and not belongs:
            path.unlink()


def _write_if_changed(path: Path, text: str) -> bool:
    if path.exists() and path.read_bytes() == text.encode():
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, text.encode())
    return True


def _took(cost: Cost) -> str:
    return f"executed in {cost['seconds']:.0f} s, {cost['memory_mb']} MB"
