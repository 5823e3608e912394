"""Digests of what a result depends on: when one is the same, there is nothing to do."""

import ast
import hashlib
import json
import os
import platform
from collections.abc import Iterable, Iterator, Sequence
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
        Files. Their names and contents count, not the folders they lie in. Of a Python file the
        code counts; comments and layout do not.
    *facts : any
        Anything that JSON can hold.

    Returns
    -------
    str
        Hexadecimal SHA-256.
    """
    # a set, for a folder that Python finds twice lists its packages twice; this package's own files
    # count below
    versions = {(package.name, package.version) for package in distributions()}
    packages = sorted(pair for pair in versions if pair[0] != "gapbook")
    result = hashlib.sha256(json.dumps([platform.python_version(), packages, facts]).encode())
    for path in sorted(paths):
        result.update(path.name.encode())
        result.update(hashlib.sha256(_content(path)).digest())
    return result.hexdigest()


def surroundings(inputs: Sequence[Path] = INPUTS) -> str:
    """Digest of what a notebook depends on besides itself: the package, the data and all versions.

    The baselines, ``expected*.yml``, are left out: they follow from what the notebooks compute. So
    are hidden files, and those that editors and Python leave beside the sources.

    Parameters
    ----------
    inputs : sequence of Path
        Folders, by default those of the package and of its data.

    Returns
    -------
    str
        Hexadecimal SHA-256.
    """
    files = [path for folder in inputs for path in _visible(folder) if path.is_file()]
    kept = [path for path in files if not _is_byproduct(path) and not _is_baseline(path)]
    return digest(kept, os.cpu_count())


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if path.suffix != ".py":
        return content
    try:
        return ast.dump(ast.parse(content)).encode()
    except (SyntaxError, ValueError):
        return content


def _visible(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        if not any(part.startswith(".") for part in path.relative_to(folder).parts):
            yield path


def _is_byproduct(path: Path) -> bool:
    """Tell whether Python compiled a file or an editor keeps it as a copy."""
    return path.suffix == ".pyc" or path.name.endswith("~") or path.name.startswith("#")


def _is_baseline(path: Path) -> bool:
    return path.name.startswith("expected") and path.suffix == ".yml"
