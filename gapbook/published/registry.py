"""The one list of sources: embeddings, image sets and models, and where each may be had."""

import os
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from gapbook.exceptions import FetchError, nearest, quoted
from gapbook.files import data_path

# A registry of one's own, whose entries are laid over those of ``data/registry.yml``.
VARIABLE = "GAPBOOK_REGISTRY"

# What an entry of each kind cannot do without, besides its license.
NEEDED = {
    "embeddings": ("file", "shape", "modalities"),
    "file": ("file", "url", "sha256"),
    "archive": ("file", "url", "sha256", "folder"),
    "hub model": ("repository", "revision", "files"),
    "hub dataset": ("repository", "files"),
    "by hand": ("folder", "reason"),
}

# Keys that are paths below a folder.
PATHS = ("file", "folder", "dataset", "subfolder")


def registry() -> dict[str, dict[str, Any]]:
    """Return the description of every source, as it stands in ``data/registry.yml``.

    Returns
    -------
    dict of dict
        By name of the source: its ``kind``, file, license and more; ``url`` and ``sha256`` where
        its authors published it as one file.

    Raises
    ------
    FetchError
        If the file that ``GAPBOOK_REGISTRY`` names cannot be used.

    Notes
    -----
    ``GAPBOOK_REGISTRY`` names a file of the same form, for tests and mirrors: what it says of a
    known source takes the place of what the book's own list says, key by key, and it may add
    sources.

    Examples
    --------
    >>> registry()["clip-coco"]["shape"], registry()["coco-val2017"]["kind"]
    ([2, 500, 512], 'archive')
    """
    return _read(os.environ.get(VARIABLE) or "")


def registry_entry(name: str) -> dict[str, Any]:
    """Return the registry's entry for one source.

    Parameters
    ----------
    name : str
        The source.

    Raises
    ------
    FetchError
        If there is no such source; the message suggests the nearest name.

    Examples
    --------
    >>> registry_entry("clip-coc")
    Traceback (most recent call last):
    gapbook.exceptions.FetchError: unknown source 'clip-coc'; did you mean 'clip-coco'?
    """
    if name in registry():
        return registry()[name]
    members = [key for key, entry in registry().items() if entry.get("dataset") == name]
    if members:
        raise FetchError(f"{name} has several sources; name those you want: {', '.join(members)}")
    raise FetchError(f"unknown source {quoted(name)}; {nearest(name, registry())}")


def embedding_sources() -> dict[str, dict[str, Any]]:
    """Return the entries of the sources that are embeddings, which ``load_pairs`` loads.

    Examples
    --------
    >>> "clip-coco" in embedding_sources(), "coco-val2017" in embedding_sources()
    (True, False)
    """
    return {name: entry for name, entry in registry().items() if kind_of(entry) == "embeddings"}


def kind_of(entry: dict[str, Any]) -> str:
    """Return what a source is.

    Parameters
    ----------
    entry : dict
        What the registry says of it; embeddings need not say their kind.

    Returns
    -------
    str
        One of the keys of ``NEEDED``.
    """
    return str(entry.get("kind", "embeddings"))


def sources_named(word: str) -> list[str]:
    """Return the sources that a word names: one by its name, or all of a data set.

    Parameters
    ----------
    word : str
        A name, or the name of the folder that several sources of a data set have in common.

    Raises
    ------
    FetchError
        If it is neither; the message suggests the nearest.

    Examples
    --------
    >>> sources_named("coco"), sources_named("cifar10")
    (['coco-val2017', 'coco-annotations', 'coco-train2017'], ['cifar10'])
    """
    if word in registry():
        return [word]
    members = [name for name, entry in registry().items() if entry.get("dataset") == word]
    if not members:
        data_sets = {str(e["dataset"]) for e in registry().values() if "dataset" in e}
        hint = nearest(word, [*registry(), *sorted(data_sets)])
        raise FetchError(f"unknown source {quoted(word)}; {hint}")
    return members


@lru_cache
def _read(extra: str) -> dict[str, dict[str, Any]]:
    """Read the book's own list and lay that of another file over it."""
    own = yaml.safe_load(data_path("registry.yml").read_text(encoding="utf-8"))
    if not extra:
        return own
    for name, changes in _mapping(Path(extra)).items():
        entry = own.get(name, {}) | changes
        _check(entry, f"{extra}: {name}")
        own[name] = entry
    return own


def _mapping(path: Path) -> dict[str, dict[str, Any]]:
    """Read a registry that others wrote."""
    try:
        content = yaml.safe_load(path.expanduser().read_text(encoding="utf-8")) or {}
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise FetchError(
            f"{VARIABLE} names {quoted(path)}, which cannot be read: {reason}"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = str(error).partition("\n")[0]
        raise FetchError(f"{VARIABLE} names {quoted(path)}, which is no YAML: {reason}") from None
    entries = content if isinstance(content, dict) else {"": content}
    for name, entry in entries.items():
        if not name or not isinstance(name, str) or not isinstance(entry, dict):
            raise FetchError(
                f"{VARIABLE} names {quoted(path)}, where a mapping of keys was expected for each "
                f"name of a source; got {quoted({name: entry})}"
            )
    return entries


def _check(entry: dict[str, Any], place: str) -> None:
    """Refuse an entry that lacks a key or leads out of its folder; ``place`` names it."""
    kind = kind_of(entry)
    if kind not in NEEDED:
        raise FetchError(f"{place} has the kind {quoted(kind)}; {nearest(kind, NEEDED)}")
    lacking = [key for key in (*NEEDED[kind], "license") if not entry.get(key)]
    if lacking:
        raise FetchError(f"{place} lacks {', '.join(lacking)}")
    for key in PATHS:
        path = PurePosixPath(str(entry.get(key, "here")))
        if path.is_absolute() or ".." in path.parts:
            raise FetchError(f"{place} must have a path below a folder as {key}; got {path}")
