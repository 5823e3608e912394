"""Build the site from the executed chapters, with warnings as errors, only where something changed."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import distributions
from pathlib import Path

from gapbook.press.record import PressError


def build_site(run: str | Path = "_build/executed", root: str | Path = ".", force: bool = False) -> str:
    """Build ``root/_build/html`` from the run folder and ``root/_config.yml``; return what happened.

    The site is built beside the present one and takes its place when it is complete, so a failure leaves the old
    one as it was. Nothing is done when pages, settings, the package's Sphinx parts and all versions are the same.

    Raises :class:`PressError` with the warnings, or when jupyter-book fails.
    """
    base, pages = Path(root).resolve(), Path(run).resolve()
    site, seal = base / "_build" / "html", base / "_build" / "html.digest"
    digest = _digest(pages, base)
    if site.is_dir() and not force and seal.exists() and seal.read_text() == digest:
        return "unchanged"
    site.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".site-", dir=site.parent) as scratch:
        command = [str(Path(sys.executable).with_name("jupyter-book")), "build", str(pages), "--path-output", scratch]
        command += ["--config", str(base / "_config.yml"), "-W", "--keep-going", "-n", "--all"]
        done = subprocess.run(command, cwd=base, capture_output=True, text=True, check=False)
        if done.returncode:
            log = [line for line in (done.stdout + done.stderr).splitlines() if "WARNING" in line or "ERROR" in line]
            told = "\n".join(log) or (done.stdout + done.stderr)[-3000:]
            raise PressError(f"the site was not built:\n{told.replace(str(pages), 'book')}")
        seal.unlink(missing_ok=True)
        if site.exists():
            site.rename(Path(scratch) / "old")
        shutil.move(Path(scratch) / "_build" / "html", site)
    seal.write_text(digest)
    return f"built in {site.relative_to(base)}"


def _digest(pages: Path, base: Path) -> str:
    press = Path(__file__).parent
    files = [*sorted(p for p in pages.rglob("*") if p.is_file()), base / "_config.yml"]
    files += sorted(p for p in press.iterdir() if p.suffix in (".py", ".js", ".css"))
    remote = subprocess.run(["git", "remote", "get-url", "origin"], cwd=base, capture_output=True, check=False).stdout
    digest = hashlib.sha256(os.environ.get("GITHUB_REPOSITORY", "").encode() + remote)
    digest.update(repr(sorted((d.name, d.version) for d in distributions())).encode())
    for path in files:
        digest.update(str(path.relative_to(pages) if path.is_relative_to(pages) else path.name).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
