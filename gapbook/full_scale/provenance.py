"""When, on which machine, and with which versions and commit something was measured."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import gapbook
from gapbook.checks.memory import total_memory

PACKAGES = ("numpy", "scipy", "torch", "transformers", "pillow")


def provenance() -> dict[str, Any]:
    """Describe this moment and this machine.

    Returns
    -------
    dict
        "date" (UTC), "commit" (with " and changes" where files were changed since; empty outside of
        a repository), "hardware" and "versions".

    Examples
    --------
    >>> sorted(provenance())
    ['commit', 'date', 'hardware', 'versions']
    """
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "commit": _commit(),
        "hardware": hardware(),
        "versions": versions(),
    }


def hardware() -> dict[str, Any]:
    """Name the processor, its cores, the memory in GB and the GPUs.

    Returns
    -------
    dict
        "processor", "cores", "memory_gb" and, where there are some, "gpus".
    """
    import torch

    memory = total_memory()
    described: dict[str, Any] = {
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "memory_gb": round(memory / 1e9) if memory else 0,
    }
    if torch.cuda.is_available():
        count = torch.cuda.device_count()
        described["gpus"] = [torch.cuda.get_device_name(i) for i in range(count)]
    return described


def versions() -> dict[str, str]:
    """Return the versions of Python, of this package and of those that compute.

    Returns
    -------
    dict of str to str
        By name.
    """
    known = {"python": platform.python_version(), "gapbook": gapbook.__version__}
    for name in PACKAGES:
        try:
            known[name] = version(name)
        except PackageNotFoundError:
            continue
    return known


def _processor() -> str:
    """Return the name of the processor, which Linux keeps in a file."""
    path = Path("/proc/cpuinfo")
    if path.is_file():
        for line in path.read_text(errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _commit() -> str:
    """Return the commit of the checkout that this package lies in, empty where it lies in none."""
    root = Path(gapbook.__file__).parents[1]
    if not (root / ".git").exists():
        return ""
    try:
        commit = _git(root, "rev-parse", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{commit} and changes" if changed else commit


def _git(root: Path, *command: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *command], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
