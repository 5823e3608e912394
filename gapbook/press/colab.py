"""Install this package into a kernel that runs, such as Colab's, and leave alone what it loaded.

A kernel may have NumPy and others in memory before the first cell; the next import of a part that
lies in another version on the disk breaks the session. This file is the text of the install cell of
published notebooks (:mod:`gapbook.press.stamp`), so it needs the standard library alone.
"""

import importlib.util
import re
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

# too large to fetch twice, and other packages of a machine are built for the one that is there
KEPT = "torch"


def install(requirement: str, pins: str, in_memory: dict[str, str]) -> None:
    """Install the package where it is missing.

    Packages that the kernel has loaded keep their versions, and so does PyTorch. Where that cannot
    be, all get the versions of the book, and the kernel must start again.

    Parameters
    ----------
    requirement : str
        What pip installs.
    pins : str
        ``name==version`` of the packages that the book was made with, separated by blanks.
    in_memory : dict of str to str
        Versions that the kernel has loaded. It is filled here, and the same one is passed when the
        cell runs again.

    Raises
    ------
    RuntimeError
        If the kernel must start again, or pip fails, with what it said.
    """
    if importlib.util.find_spec("gapbook") is None:
        in_memory.update(loaded_versions())
        print("Installing the package of this book; Colab takes about a minute.", flush=True)
        kept = kept_versions()
        failure = run_pip(requirement, constraints(pins, in_memory | kept))
        if failure:
            failure = run_pip(requirement, constraints(pins, kept))
        if failure:
            raise RuntimeError(f"pip cannot install {requirement}:\n{failure}")
        importlib.invalidate_caches()
    replaced = {name: version(name) for name in in_memory if version(name) != in_memory[name]}
    if replaced:
        changes = [f"{name} {in_memory[name]} -> {new}" for name, new in sorted(replaced.items())]
        raise RuntimeError(
            "Restart this kernel (Colab: Runtime > Restart session) and run all cells again: "
            f"packages that it has loaded were replaced ({', '.join(changes)})."
        )


def loaded_versions() -> dict[str, str]:
    """Return the versions of all packages of which this process has loaded a module."""
    providers = metadata.packages_distributions()
    modules = {name.partition(".")[0] for name in list(sys.modules)}
    names = {normal(name) for module in modules for name in providers.get(module, ())}
    return {name: version(name) for name in names}


def kept_versions() -> dict[str, str]:
    """Return the versions of PyTorch and of what it asks for, where it is installed."""
    if not version(KEPT):
        return {}
    lines = metadata.requires(KEPT) or []
    names = [KEPT, *(normal(re.split(r"[^\w.-]", line)[0]) for line in lines)]
    return {name: version(name) for name in names if version(name)}


def constraints(pins: str, kept: dict[str, str]) -> str:
    """Return the pins as lines, with the versions of what is kept in the place of theirs."""
    versions = dict(pin.split("==") for pin in pins.split())
    pinned = {normal(name): pinned for name, pinned in versions.items()}
    pinned |= {name: kept[name] for name in kept if name in pinned or name == KEPT}
    return "\n".join(f"{name}=={pinned[name]}" for name in sorted(pinned))


def run_pip(requirement: str, lines: str) -> str:
    """Install under constraints; return what pip says if it fails, nothing if it does not."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "constraints.txt")
        path.write_text(lines)
        command = [sys.executable, "-m", "pip", "install", "-q", "-c", str(path), requirement]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stderr.strip()[-2000:] if done.returncode else ""


def version(name: str) -> str:
    """Return the version of an installed package, nothing if there is none."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def normal(name: str) -> str:
    """Return the name of a package as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()
