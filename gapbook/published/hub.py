"""Models and data sets of a hub, at one commit, in the hub's own cache."""

import datetime
import hashlib
import json
import os
import re
import sys
from pathlib import Path
from typing import Any

from gapbook.exceptions import FetchError, UnavailableError, one_line
from gapbook.extras import from_extra
from gapbook.files import path_text, write_whole
from gapbook.published.download import Options
from gapbook.published.places import search_folders, sha256_of
from gapbook.published.space import require_space
from gapbook.published.unpack import what_is_wrong

COMMIT = re.compile("[0-9a-f]{40}")


def snapshot(name: str, entry: dict[str, Any]) -> Path | None:
    """Return the folder of a source in the hub's cache, None where it is not there whole.

    Raises
    ------
    FetchError
        If a file there is damaged.
    """
    commit = _pinned_commit(name, entry)
    if commit is None:
        return None
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError
    except ImportError:
        return None
    try:
        place = snapshot_download(
            entry["repository"],
            repo_type=_kind(entry),
            revision=commit,
            allow_patterns=entry["files"],
            local_files_only=True,
        )
    except LocalEntryNotFoundError:
        return None
    folder = Path(place, entry.get("subfolder", ""))
    # A cache that an older version wrote does not know which files there should be.
    if what_is_wrong(folder, None, entry.get("required", {})):
        return None
    return folder


def require_sound(folder: Path, entry: dict[str, Any]) -> None:
    """Raise an error where a file of a snapshot has another hash than it should.

    The registry may state that of one file. For the others, a hub names what it keeps by its hash,
    and the cache keeps this name.
    """
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        kept = path.resolve()
        expected = kept.name if re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", kept.name) else ""
        if entry.get("sha256") and path == folder / entry["file"]:
            expected = entry["sha256"]
        found = _git_hash(kept) if len(expected) == 40 else sha256_of(kept)
        if expected and found != expected:
            raise FetchError(
                f"{path_text(path)} has the wrong hash: expected {expected}, found {found}; "
                f"remove {path_text(kept)}"
            )


def _git_hash(path: Path) -> str:
    """Return the hash by which git and a hub know a small file."""
    content = path.read_bytes()
    return hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()


def download_snapshot(name: str, entry: dict[str, Any], options: Options) -> Path:
    """Download a source from the hub, and return its folder in the hub's cache.

    Parameters
    ----------
    name : str
        The source.
    entry : dict
        What the registry says of it.
    options : Options
        How to fetch.

    Raises
    ------
    UnavailableError
        If the hub does not answer, or does not have the commit.
    FetchError
        If there is no room on the disk, a file is missing, or one has another hash, which then does
        not stay.
    MissingPackageError
        If ``huggingface_hub`` is not installed.
    """
    with from_extra("models", f"fetching {name}"):
        from huggingface_hub import snapshot_download
        from huggingface_hub.constants import HF_HUB_CACHE
        from huggingface_hub.utils import disable_progress_bars, enable_progress_bars, logging

    commit = _pinned_commit(name, entry)
    asked: dict[str, Any] = {
        "repo_id": entry["repository"],
        "repo_type": _kind(entry),
        "revision": commit or "main",
        "allow_patterns": entry["files"],
        "endpoint": os.environ.get("HF_ENDPOINT") or None,
    }
    disable_progress_bars()
    # It says at length what the one sentence below says.
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        files = snapshot_download(dry_run=True, **asked)
        asked["revision"] = commit or _common_commit(files, name)
        coming = sum(file.file_size or 0 for file in files if file.will_download)
        require_space(Path(HF_HUB_CACHE), name, coming, 0, options.free, "HF_HOME")
        if options.progress:
            enable_progress_bars()
        folder = Path(snapshot_download(**asked), entry.get("subfolder", ""))
    except FetchError:
        raise
    # The hub's package, its HTTP client and the system each have errors of their own.
    except Exception as error:
        raise _problem(name, asked, error) from None
    finally:
        enable_progress_bars()
        logging.set_verbosity(verbosity)
    wrong = what_is_wrong(folder, None, entry.get("required", {}))
    if wrong:
        raise FetchError(f"{name} at commit {asked['revision']} {wrong}; the registry is wrong")
    _refuse_bad_files(folder, entry)
    if commit is None:
        _pin(name, asked["revision"])
    return folder


def _common_commit(files: list[Any], name: str) -> str:
    """Return the commit that a branch stands for now."""
    commits = {file.commit_hash for file in files}
    if len(commits) != 1 or not COMMIT.fullmatch(next(iter(commits))):
        raise FetchError(f"the hub states no single commit for the files of {name}; got {commits}")
    return str(commits.pop())


def _refuse_bad_files(folder: Path, entry: dict[str, Any]) -> None:
    """Check what was just downloaded; remove all of it where a file is not what it should be."""
    try:
        require_sound(folder, entry)
    except FetchError:
        for path in folder.rglob("*"):
            if path.is_file():
                path.resolve().unlink()
                path.unlink(missing_ok=True)
        raise


def _problem(name: str, asked: dict[str, Any], error: Exception) -> Exception:
    """Say in a sentence why a hub did not give a source."""
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    where = asked["repo_id"]
    # What stood in the way of a look at the hub before the download.
    kind = type(error.__cause__ or error).__name__
    if isinstance(error, RepositoryNotFoundError | RevisionNotFoundError):
        return UnavailableError(
            f"cannot download {name}: {where} at commit {asked['revision']} is not on the hub; "
            "check HF_ENDPOINT, or your access"
        )
    if isinstance(error, PermissionError) or getattr(error, "errno", None) is not None:
        reason = getattr(error, "strerror", None) or one_line(str(error), 200)
        if not isinstance(error, ConnectionError | TimeoutError):
            return FetchError(
                f"cannot write {name} into the hub's cache ({reason}); name a folder that can be "
                "written in HF_HOME"
            )
    return UnavailableError(
        f"cannot download {name}: the hub does not give {where} ({kind}); connect "
        f"to the internet and try again, or put its files into the folder {name} in a folder that "
        "GAPBOOK_DATA names"
    )


def _kind(entry: dict[str, Any]) -> str:
    return "dataset" if entry["kind"] == "hub dataset" else "model"


def _pinned_commit(name: str, entry: dict[str, Any]) -> str | None:
    """Return the commit that the registry states, or else the one that the first fetch kept."""
    if entry.get("revision"):
        return str(entry["revision"])
    try:
        kept = json.loads(_pin_of(name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    commit = kept.get("commit") if isinstance(kept, dict) else None
    return commit if COMMIT.fullmatch(str(commit)) else None


def _pin_of(name: str) -> Path:
    return search_folders()["cached"] / f"{name}.commit.json"


def _pin(name: str, commit: str) -> None:
    """Keep to the commit that the hub had at the first fetch, and say so."""
    path = _pin_of(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    kept = {"commit": commit, "first fetched": datetime.date.today().isoformat()}
    write_whole(path, json.dumps(kept).encode())
    print(
        f"gapbook: the registry pins no commit of {name}; the hub's is {commit} now, and this "
        f"machine keeps to it ({path_text(path)})",
        file=sys.stderr,
    )
