"""Digests of what a result depends on: when one is the same, there is nothing to do."""

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from gapbook.files import data_path

# what every kernel imports and reads
INPUTS = (Path(__file__).parents[1], data_path(""))


def digest(paths: Iterable[Path], *facts: Any) -> str:
    """Digest of files, of other facts, and of the versions of Python and of all installed packages.

    Parameters
    ----------
    paths : iterable of Path
        Files. Their names and contents count, not the folders they lie in.
    *facts : any
        Anything that JSON can hold.

    Returns
    -------
    str
        Hexadecimal SHA-256.
    """
    packages = sorted((package.name, package.version) for package in distributions())
    result = hashlib.sha256(json.dumps([platform.python_version(), packages, facts]).encode())
    for path in sorted(paths):
        result.update(path.name.encode())
        result.update(hashlib.sha256(path.read_bytes()).digest())
    return result.hexdigest()


def surroundings(inputs: Sequence[Path] = INPUTS) -> str:
    """Digest of what a notebook depends on besides itself: the package, the data and all versions.

    The baselines, ``expected*.yml``, are left out: they follow from what the notebooks compute.

    Parameters
    ----------
    inputs : sequence of Path
        Folders, by default those of the package and of its data.

    Returns
    -------
    str
        Hexadecimal SHA-256.
    """
    files = [path for folder in inputs for path in folder.rglob("*") if path.is_file()]
    kept = [path for path in files if path.suffix != ".pyc" and not _is_baseline(path)]
    return digest(kept, os.cpu_count())


def _is_baseline(path: Path) -> bool:
    return path.name.startswith("expected") and path.suffix == ".yml"
