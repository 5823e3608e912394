"""Build the site from the executed notebooks, with warnings as errors."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from gapbook.exceptions import PressError
from gapbook.press.digest import digest
from gapbook.press.sphinx_ext import repository

CONFIG = Path("_config.yml")


def build_site(run: str | Path = "_build/executed") -> str:
    """Build the site of a run folder, unless it has been built from the same files.

    The site is built beside the present one and takes its place when it is complete, so a failure
    leaves the old one as it was. jupyter-book reads ``_config.yml`` in the working directory.

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
    site = pages.with_name("html")
    seal = site / ".digest"
    current = _digest(pages)
    if seal.exists() and seal.read_text() == current:
        return "unchanged"
    with tempfile.TemporaryDirectory(prefix=".site-", dir=site.parent) as scratch:
        command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(pages)]
        command += ["--config", str(CONFIG), "--path-output", scratch]
        command += ["-W", "--keep-going", "-n", "--all"]
        built = subprocess.run(command, capture_output=True, text=True, check=False)
        if built.returncode:
            warnings = _warnings(built.stdout + built.stderr).replace(str(pages), "book")
            raise PressError(f"the site was not built:\n{warnings}")
        new = Path(scratch, "_build", "html")
        (new / seal.name).write_text(current)
        if site.exists():
            site.rename(Path(scratch, "old"))
        new.rename(site)
    return f"built in {os.path.relpath(site)}"


def _digest(pages: Path) -> str:
    """Digest of all that a site depends on: pages, settings, this package, and where it lives."""
    files = [path for path in pages.rglob("*") if path.is_file()]
    places = sorted(path.relative_to(pages).as_posix() for path in files)
    press = Path(__file__).parent.glob("*.py")
    return digest([*files, *press, CONFIG], places, repository(Path()))


def _warnings(output: str) -> str:
    lines = [line for line in output.splitlines() if "WARNING" in line or "ERROR" in line]
    return "\n".join(lines) or output[-3000:]
