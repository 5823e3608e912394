"""Build the site from the executed chapters, with warnings as errors, only where something changed."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from gapbook.exceptions import PressError
from gapbook.press.execute import digest
from gapbook.press.sphinx_ext import repository


def build_site(
    run: str | Path = "_build/executed", root: str | Path = ".", force: bool = False
) -> str:
    """Build ``root/_build/html`` from the run folder and ``root/_config.yml``; return what happened.

    The site is built beside the present one and takes its place when it is complete, so a failure leaves the old
    one as it was. Nothing is done when pages, settings, the package's Sphinx parts and all versions are the same.

    Raises :class:`PressError` with the warnings, or when jupyter-book fails.
    """
    base, pages = Path(root).resolve(), Path(run).resolve()
    site, seal = base / "_build" / "html", base / "_build" / "html.digest"
    current = _digest(pages, base)
    if site.is_dir() and not force and seal.exists() and seal.read_text() == current:
        return "unchanged"
    site.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".site-", dir=site.parent) as scratch:
        command = [
            str(Path(sys.executable).with_name("jupyter-book")),
            "build",
            str(pages),
            "--path-output",
            scratch,
        ]
        command += ["--config", str(base / "_config.yml"), "-W", "--keep-going", "-n", "--all"]
        done = subprocess.run(command, cwd=base, capture_output=True, text=True, check=False)
        if done.returncode:
            log = [
                line
                for line in (done.stdout + done.stderr).splitlines()
                if "WARNING" in line or "ERROR" in line
            ]
            told = "\n".join(log) or (done.stdout + done.stderr)[-3000:]
            raise PressError(f"the site was not built:\n{told.replace(str(pages), 'book')}")
        seal.unlink(missing_ok=True)
        if site.exists():
            site.rename(Path(scratch) / "old")
        shutil.move(Path(scratch) / "_build" / "html", site)
    seal.write_text(current)
    return f"built in {site.relative_to(base)}"


def _digest(pages: Path, base: Path) -> str:
    """Digest of the pages, the settings, the package's Sphinx parts, all versions, and where the book lives."""
    kept = {path.relative_to(pages).as_posix(): path for path in pages.rglob("*") if path.is_file()}
    press = [path for path in Path(__file__).parent.iterdir() if path.is_file()]
    return digest([*kept.values(), base / "_config.yml", *press], sorted(kept), repository(base))
