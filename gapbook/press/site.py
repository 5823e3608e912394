"""Build the site from the executed notebooks, with warnings as errors."""

import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gapbook.exceptions import PressError
from gapbook.press.digest import INPUTS, digest
from gapbook.press.failures import FAILED, keep_details
from gapbook.press.processes import end, is_full, start, uninterrupted
from gapbook.press.sphinx_ext import repository

CONFIG = Path("_config.yml")
# what the name of the folder begins with in which a site is built
SITE_SCRATCH = ".site-"
# what Sphinx made of the sources of the last site, beside the site
READING = "reading"
SEAL = ".digest"
# sources of pages; Sphinx reads those again that have changed
PAGES = {".ipynb", ".md"}


def build_site(run: str | Path = "_build/executed") -> str:
    """Build the site of a run folder, unless it has been built from the same files and is whole.

    The site is built beside the present one and takes its place when it is complete, so a failure
    leaves the old one as it was. jupyter-book reads ``_config.yml`` in the working directory.

    Every page is written each time, for any page may mention any other. Only pages whose own source
    has changed are read again; after a change of anything else, such as the settings, the
    bibliography or the package, all are.

    Parameters
    ----------
    run : path
        Folder of the executed notebooks. The site is ``html`` beside it.

    Returns
    -------
    str
        What happened.

    Raises
    ------
    PressError
        If jupyter-book fails or warns; the message has the warnings.
    """
    pages = Path(run).resolve()
    if not pages.is_dir():
        raise PressError(
            f"there are no executed notebooks in {run}; run python -m gapbook.press execute first"
        )
    site = pages.with_name("html")
    current = _digest(pages)
    if _seal(site, current) == _read(site / SEAL):
        return "unchanged"
    reading = pages.with_name(READING)
    basis = _basis(pages)
    with _scratch(site.parent) as scratch:
        work = scratch / "_build"
        # a copy, for a failure must leave it as it was, too
        if _seal(reading, basis) == _read(reading / SEAL):
            shutil.copytree(reading, work)
        _build(pages, scratch)
        new = work / "html"
        (new / SEAL).write_bytes(_seal(new, current))
        _replace(site, new, scratch / "old-site")
        (work / SEAL).write_bytes(_seal(work, basis))
        _replace(reading, work, scratch / "old-reading")
    return f"built in {os.path.relpath(site)}"


@contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    """Make an empty folder, and remove it at the end.

    Its name is always the same, for pages that have been read hold paths of images in it.
    """
    folder = parent / f"{SITE_SCRATCH}scratch"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _replace(place: Path, new: Path, old: Path) -> None:
    if place.exists():
        place.rename(old)
    new.rename(place)


def _build(pages: Path, scratch: Path) -> None:
    """Build the site below a folder, in a process that does not outlive this one."""
    command = ["build", str(pages), "--config", str(CONFIG), "--path-output", str(scratch)]
    command += ["-W", "--keep-going", "-n"]
    log = scratch / "log"
    builder = None
    try:
        with uninterrupted():
            builder = start(_run_jupyter_book, command, log=log)
        builder.join()
    finally:
        if builder:
            end(builder)
    if builder.exitcode and is_full(scratch):
        raise PressError("the site was not built: no space is left on the disk")
    if builder.exitcode:
        output = log.read_text(errors="replace")
        lines = [line for line in output.splitlines() if "WARNING" in line or "ERROR" in line]
        warnings = "\n".join(lines).replace(str(pages), "book") or "jupyter-book failed"
        place = keep_details(pages.with_name(FAILED) / "site.txt", output)
        raise PressError(f"the site was not built:\n{warnings}{place}")


def _run_jupyter_book(command: list[str]) -> None:
    """Run jupyter-book in this process, which exits with its status."""
    from jupyter_book.cli.main import main

    main(command)


def _seal(site: Path, pages: str) -> bytes:
    """Digest of what a site was made from and of all its files: none is lost or damaged later."""
    files = [path for path in site.rglob("*") if path.is_file() and path.name != SEAL]
    places = sorted(path.relative_to(site).as_posix() for path in files)
    return digest(files, places, pages).encode()


def _read(seal: Path) -> bytes:
    return seal.read_bytes() if seal.is_file() else b""


def _basis(pages: Path) -> str:
    """Digest of all that the reading of a page depends on besides its own source."""
    files = [path for path in pages.rglob("*") if path.is_file()]
    places = sorted(path.relative_to(pages).as_posix() for path in files)
    shared = [path for path in files if path.suffix not in PAGES]
    package = [path for folder in INPUTS for path in folder.rglob("*") if path.is_file()]
    sources = sorted(path for path in package if path.suffix != ".pyc")
    # whole files, not their code alone: the API reference quotes them
    contents = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sources]
    names = [str(path) for path in sources]
    return digest([*shared, CONFIG], places, str(pages), names, contents, repository(Path()))


def _digest(pages: Path) -> str:
    """Digest of all that a site depends on: pages, settings, this package, and where it lives."""
    files = [path for path in pages.rglob("*") if path.is_file()]
    places = sorted(path.relative_to(pages).as_posix() for path in files)
    press = [path for path in Path(__file__).parent.rglob("*") if path.suffix in (".py", ".js")]
    return digest([*files, *press, CONFIG], places, repository(Path()))
