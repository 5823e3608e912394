"""Move stored vectors, in files of any size, by a fitted correction.

A ``.npy`` file is read and written some rows at a time, with a journal beside the result, so that
an interrupted run goes on where it was. ``.safetensors`` are streamed too; a ``.npz`` is held in
memory. Folders are the work of ``gapbook.mitigation.stored_folders``.
"""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, NamedTuple

try:
    import fcntl
except ImportError:  # pragma: no cover (Windows)
    fcntl = None  # type: ignore[assignment]

import numpy as np

from gapbook.array_files import array_names, suffix_of
from gapbook.array_files.checks import damaged
from gapbook.array_files.numpy_files import whole_header
from gapbook.array_files.read import KINDS
from gapbook.exceptions import PairsError, quoted, reason
from gapbook.files import NotWrittenError, path_text, require_file, whole_file, write_whole
from gapbook.mitigation.fixes import mover_of

SUFFIXES = (".npy", ".npz", ".safetensors")
# Moved at once: four millions take 16 MB, and some such arrays are held.
NUMBERS_PER_BLOCK = 2**22
# After so many blocks the journal says how far a file is.
BLOCKS_PER_ENTRY = 8
# Of rows without direction, so many are named.
ROWS_NAMED = 10
SAFETENSORS_TYPES = {"float16": "F16", "float32": "F32"}

Progress = Callable[[int], None]


def no_progress(rows: int) -> None:
    """Tell nobody that rows are done; a task can be sent to another process with it."""


class Vectors(NamedTuple):
    """Stored vectors: their shape, their type, and a function that reads rows."""

    n: int
    d: int
    dtype: np.dtype
    read: Callable[[int, int], np.ndarray]


@dataclass
class Applied:
    """What became of stored vectors.

    Parameters
    ----------
    rows : int
        The rows that were moved or, without direction, became zeros.
    files : int
        The files that were written.
    there : int
        The files that an earlier run has written.
    without_direction : list of str
        The file and row of each row that became zeros, the first ones.
    n_without_direction : int
        How many such rows there are.
    bad : dict of str to str
        Why files were left out, by their names.
    left_out : list of str
        What looks like such files in a folder, and is left out for its name.
    """

    rows: int = 0
    files: int = 0
    there: int = 0
    without_direction: list[str] = field(default_factory=list)
    n_without_direction: int = 0
    bad: dict[str, str] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def add(self, other: "Applied") -> None:
        """Add what became of other files.

        Parameters
        ----------
        other : Applied
            It stays as it is.
        """
        self.rows += other.rows
        self.files += other.files
        self.there += other.there
        room = max(0, ROWS_NAMED - len(self.without_direction))
        self.without_direction += other.without_direction[:room]
        self.n_without_direction += other.n_without_direction
        self.bad |= other.bad


class Job(NamedTuple):
    """What is done to each file.

    ``mark`` tells this correction and side from others; ``skip_bad`` leaves files out and rows as
    zeros that would end the run otherwise.
    """

    correction: Any
    side: str
    key: str | None
    skip_bad: bool
    numbers_per_block: int
    progress: Progress

    @property
    def mark(self) -> str:
        """The class, the pairs that it was fitted on, its parameters, the side and the key."""
        correction = self.correction
        mark = f"{correction!r} {correction.fingerprint_} {self.side}"
        return mark if self.key is None else f"{mark} of {self.key}"


def apply_to_stored(  # noqa: PLR0913 (the last three are rarely given)
    correction: Any,
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    side: str,
    *,
    key: str | None = None,
    skip_bad: bool = False,
    numbers_per_block: int = NUMBERS_PER_BLOCK,
    progress: Progress = no_progress,
) -> Applied:
    """Move the vectors of a file, or of all files of a folder, and write them to another place.

    Parameters
    ----------
    correction : Mitigation or ScoreCorrection
        A fitted correction.
    source : str or path
        A ``.npy`` file of one array (n, d), a ``.npz`` or ``.safetensors`` file, or a folder of
        such files, which are moved one after the other (``gapbook.shards.apply_to_shards`` moves
        several at once). Vectors of float16 stay float16; others become float32.
    out : str or path
        A file of the same kind, or a folder. Row i belongs to row i of ``source``.
    side : str
        Which side the vectors are of: "x" or "y"; for corrections of scores "queries" or a
        modality.
    key : str, optional
        The name of the array in a ``.npz`` or ``.safetensors`` file. By default it is that of the
        side, or that of the only array. Other arrays are not copied.
    skip_bad : bool
        Whether to leave damaged files of a folder out, and to write zeros for rows without
        direction, rather than to stop.
    numbers_per_block : int
        About how many numbers are moved at once.
    progress : callable
        It is called with the number of rows that are done since the last call.

    Returns
    -------
    Applied
        What was done, and what was left out.

    Raises
    ------
    PairsError
        For vectors of other dimensions than the correction, for what is damaged, which the message
        names, and for rows without direction. An earlier file at ``out`` is then unchanged; of a
        folder, the other files are moved first. Also if another run writes to the same place.
    NotWrittenError
        If writing fails: an ``OSError``.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from gapbook.mitigation import Center
    >>> fitted = Center().fit([[1, 0], [0.6, 0.8]], [[0, 1], [-0.6, 0.8]])
    >>> with TemporaryDirectory() as folder:
    ...     np.save(f"{folder}/texts.npy", np.eye(2, dtype=np.float16))
    ...     applied = apply_to_stored(fitted, f"{folder}/texts.npy", f"{folder}/moved.npy", "y")
    ...     moved = np.load(f"{folder}/moved.npy")
    >>> applied.rows, moved.dtype, moved[1].round(2).tolist()
    (2, dtype('float16'), [0.95..., 0.32...])
    """
    source = Path(source)
    out = Path(out)
    job = checked_job(correction, side, key, skip_bad, numbers_per_block, progress)
    require_another_place(source, out)
    if source.is_dir():
        from gapbook.mitigation.stored_folders import apply_one_by_one

        return apply_one_by_one(job, source, out)
    applied = Applied()
    apply_to_file(job, source, out, applied)
    return applied


def checked_job(
    correction: Any,
    side: str,
    key: str | None,
    skip_bad: bool,
    numbers_per_block: int = NUMBERS_PER_BLOCK,
    progress: Progress = no_progress,
) -> Job:
    """Return a job, and refuse a side that the correction does not have, or none for search."""
    mover_of(correction, side)
    if type(correction).__name__ == "Noise":
        raise PairsError("Noise depends on the place of a row among others; it is for training")
    return Job(correction, side, key, skip_bad, numbers_per_block, progress)


def require_another_place(source: Path, out: Path) -> None:
    """Raise ``PairsError`` if the results would lie in the place of the vectors, or within it."""
    # Of a link that leads back to itself ``Path.resolve`` raises an error of its own.
    target = Path(os.path.realpath(out))
    origin = Path(os.path.realpath(source))
    if target == origin or origin in target.parents:
        raise PairsError(f"Expected another place than {path_text(source)} to write to")


@contextmanager
def only_run(path: Path, out: Path) -> Iterator[None]:
    """Refuse a second run that writes to ``out`` in the block.

    ``path`` is the file or folder that is locked, a file of no length where there is none. The end
    of the process frees it, however it ends.
    """
    if fcntl is None:
        yield
        return
    flags = os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        raise not_written(out, error) from None
    try:
        if not _is_locked(descriptor) or not _is_at(descriptor, path):
            raise PairsError(
                f"another run writes to {path_text(out)} just now: wait for its end, or stop it"
            )
        yield
    finally:
        os.close(descriptor)


def _is_locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # A file system without locks.
        return True
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    """Say whether an open file is still at its path: a run that has just ended moves it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def not_written(path: Path, error: OSError) -> NotWrittenError:
    """Return the error that a path cannot be written, in a sentence."""
    why = error.strerror or str(error)
    return NotWrittenError(error.errno, f"cannot write {path_text(path)} ({why})")


def apply_to_file(
    job: Job, source: Path, out: Path, applied: Applied, *, in_folder: bool = False
) -> None:
    """Move one file, and say in which file something is wrong.

    A file of a folder is written whole or not at all; another ``.npy`` file has a journal.
    """
    suffix = _suffix(source)
    if suffix_of(out) != suffix:
        raise PairsError(f"Expected a path ending in {suffix} to write to; got {path_text(out)}")
    with _opened(source, suffix, job) as (vectors, key):
        if vectors.d != job.correction.n_features_in_:
            raise PairsError(
                f"{path_text(source)} has vectors of {vectors.d} dimensions; the correction is "
                f"for {job.correction.n_features_in_}"
            )
        if suffix == ".npy" and in_folder:
            _write_whole_npy(job, source, out, vectors, applied)
        elif suffix == ".npy":
            _write_npy(job, source, out, vectors, applied)
        elif suffix == ".npz":
            moved: dict[str, Any] = {
                key: np.concatenate(list(_moved(job, source, vectors, 0, applied)))
            }
            with whole_file(out) as temporary:
                np.savez(temporary, **moved)
        else:
            _write_safetensors(job, source, out, vectors, key, applied)
    applied.files += 1


def _suffix(source: Path) -> str:
    """Return the ending of a file of stored vectors, which is there."""
    suffix = suffix_of(source)
    require_file(source, "stored vectors")
    if suffix not in SUFFIXES:
        raise PairsError(
            f"Expected stored vectors in files ending in {', '.join(SUFFIXES)}; "
            f"got {path_text(source)}"
        )
    return suffix


def is_moved(job: Job, source: Path, target: Path) -> bool:
    """Say whether a file is there that an earlier run has moved: whole, and not older.

    Only headers are read; no row is compared.
    """
    try:
        if target.stat().st_mtime_ns < source.stat().st_mtime_ns:
            return False
        suffix = _suffix(source)
        key = ""
        if suffix != ".npy":
            key = _key(source, [name for name in array_names(source) if name != "meta"], job)
        n, d = _shape(source, suffix, key)
        return _shape(target, suffix, key) == (n, _width(job, d))
    # NumPy, zipfile and safetensors each have their own errors for what is damaged.
    except Exception:
        return False


def _shape(path: Path, suffix: str, key: str) -> tuple[int, ...]:
    """Return the shape of vectors in a file that is as long as its header states."""
    if suffix == ".npy":
        with path.open("rb") as file:
            return whole_header(path, file).shape
    return KINDS[suffix].shape(path, key)


@contextmanager
def _opened(path: Path, suffix: str, job: Job) -> Iterator[tuple[Vectors, str]]:
    """Open a file of vectors; whatever is wrong with it is a sentence that names it."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise PairsError(f"{path_text(path)} cannot be read ({error.strerror})") from None
    with file:
        try:
            if suffix == ".npy":
                opened = (_npy(path, file), "")
            else:
                opened = _named(path, suffix, job)
            _require_floats(opened[0].dtype)
        except PairsError as error:
            text = reason(error)
            if path_text(path) not in text:
                text = f"{path_text(path)} is damaged or holds no vectors (n, d): {text}"
            raise PairsError(text) from None
        # NumPy, zipfile and safetensors each have their own errors for what is damaged.
        except Exception as error:
            raise damaged(path, KINDS[suffix].name, error) from None
        yield opened


def _require_floats(dtype: np.dtype) -> None:
    if dtype.kind != "f" or dtype.itemsize not in (2, 4, 8):
        raise PairsError(f"its type is {dtype}, and float16, float32 or float64 are expected")


def _npy(path: Path, file: IO[bytes]) -> Vectors:
    """Open a ``.npy`` file, of which rows are read from the disk as they are asked for."""
    header = whole_header(path, file)
    if len(header.shape) != 2:
        raise PairsError(f"its shape is {header.shape}")
    n, d = header.shape
    # Of one row or column, both orders are the same.
    if header.is_in_columns and min(n, d) > 1:
        raise PairsError("its numbers are stored by columns: save np.ascontiguousarray(x)")
    dtype = header.dtype
    start_of_rows = file.tell()

    def read(start: int, stop: int) -> np.ndarray:
        file.seek(start_of_rows + start * d * dtype.itemsize)
        content = file.read((stop - start) * d * dtype.itemsize)
        return np.frombuffer(content, dtype).reshape(stop - start, d)

    return Vectors(n, d, dtype, read)


def _named(path: Path, suffix: str, job: Job) -> tuple[Vectors, str]:
    """Open the array of a ``.npz`` or ``.safetensors`` file that holds vectors."""
    from safetensors import safe_open

    key = _key(path, [name for name in array_names(path) if name != "meta"], job)
    if suffix == ".npz":
        array = np.asarray(KINDS[suffix].read(path, (key,))[0])
        if array.ndim != 2:
            raise PairsError(f"{key} has the shape {array.shape}")
        n, d = array.shape
        return Vectors(n, d, array.dtype, lambda start, stop: array[start:stop]), key
    part = safe_open(path, framework="np").get_slice(key)
    names = {"F16": "float16", "F32": "float32", "F64": "float64"}
    stated = part.get_dtype()
    if stated not in names:
        raise PairsError(f"{key} is of type {stated}, and F16, F32 or F64 is expected")
    if len(part.get_shape()) != 2:
        raise PairsError(f"{key} has the shape {tuple(part.get_shape())}")
    n, d = part.get_shape()
    return Vectors(n, d, np.dtype(names[stated]), lambda start, stop: part[start:stop]), key


def _key(path: Path, names: list[str], job: Job) -> str:
    if job.key is not None:
        if job.key not in names:
            raise PairsError(f"{path_text(path)} has no array {quoted(job.key)}: it has {names}")
        return job.key
    if job.side in names:
        return job.side
    if len(names) == 1:
        return names[0]
    raise PairsError(
        f"{path_text(path)} has the arrays {quoted(names)}: name the one that holds vectors "
        "(key=, in the shell --key)"
    )


def _result_type(vectors: Vectors) -> np.dtype:
    return np.dtype(np.float16 if vectors.dtype.itemsize == 2 else np.float32)


def _width(job: Job, d: int) -> int:
    """Return the number of dimensions after the move."""
    nothing = np.zeros((0, d), np.float32)
    return mover_of(job.correction, job.side)(nothing).shape[1]


def _moved(
    job: Job, path: Path, vectors: Vectors, start: int, applied: Applied
) -> Iterator[np.ndarray]:
    """Yield the moved rows from ``start`` on, some at a time."""
    move = mover_of(job.correction, job.side)
    dtype = _result_type(vectors)
    step = max(1, job.numbers_per_block // vectors.d)
    starts = range(start, vectors.n, step) if vectors.n else [0]
    for first in starts:
        last = min(first + step, vectors.n)
        try:
            # safetensors reads no empty part.
            stored = vectors.read(first, last) if vectors.n else np.zeros((0, vectors.d))
            rows = move(stored)
        except PairsError as error:
            raise PairsError(f"{path_text(path)}, rows from {first}: {error}") from None
        except (OSError, ValueError) as error:
            raise PairsError(
                f"{path_text(path)} cannot be read from row {first} on ({reason(error)})"
            ) from None
        _note_without_direction(job, path, first, rows, applied)
        applied.rows += len(rows)
        yield rows.astype(dtype)
        job.progress(len(rows))


def _note_without_direction(
    job: Job, path: Path, first: int, rows: np.ndarray, applied: Applied
) -> None:
    """Name rows that became zeros, or stop at them."""
    places = np.flatnonzero(~rows.any(axis=1)) + first
    if not len(places):
        return
    if not job.skip_bad:
        raise PairsError(
            f"{path_text(path)}: row {places[0]} has no direction (it is zero, not finite, or "
            "nothing is left of it): mend it, or write zeros in its place "
            "(skip_bad=True, in the shell --skip-bad)"
        )
    applied.n_without_direction += len(places)
    room = max(0, ROWS_NAMED - len(applied.without_direction))
    applied.without_direction += [f"{path_text(path)} row {place}" for place in places[:room]]


def _write_safetensors(
    job: Job, path: Path, out: Path, vectors: Vectors, key: str, applied: Applied
) -> None:
    dtype = _result_type(vectors)
    width = _width(job, vectors.d)
    size = vectors.n * width * dtype.itemsize
    entry = {
        "dtype": SAFETENSORS_TYPES[dtype.name],
        "shape": [vectors.n, width],
        "data_offsets": [0, size],
    }
    head = json.dumps({key: entry}).encode()
    head += b" " * (-len(head) % 8)
    with whole_file(out) as temporary, temporary.open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for rows in _moved(job, path, vectors, 0, applied):
            file.write(rows.tobytes())
        file.flush()


def _write_whole_npy(job: Job, path: Path, out: Path, vectors: Vectors, applied: Applied) -> None:
    with whole_file(out) as temporary, temporary.open("wb") as file:
        _write_npy_header(file, vectors.n, _width(job, vectors.d), _result_type(vectors))
        for rows in _moved(job, path, vectors, 0, applied):
            file.write(rows.tobytes())
        file.flush()


def _write_npy_header(file: IO[bytes], n: int, width: int, dtype: np.dtype) -> None:
    header = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": False,
        "shape": (n, width),
    }
    np.lib.format.write_array_header_2_0(file, header)


def _write_npy(job: Job, path: Path, out: Path, vectors: Vectors, applied: Applied) -> None:
    """Write a ``.npy`` file beside its place, with a journal, and put it there in the end."""
    if not out.parent.is_dir():
        raise PairsError(f"the folder {path_text(out.parent)} does not exist")
    if out.is_dir():
        raise PairsError(f"Expected a file to write; {path_text(out)} is a folder")
    part = out.with_name(f".{out.name}.part")
    with only_run(part, out):
        _write_part(job, path, part, _journal_of(out), vectors, applied)
        part.replace(out)
        _journal_of(out).unlink(missing_ok=True)


def _journal_of(out: Path) -> Path:
    return out.with_name(f".{out.name}.journal")


def _write_part(
    job: Job, path: Path, part: Path, journal: Path, vectors: Vectors, applied: Applied
) -> None:
    """Write the rows of a ``.npy`` file that an interrupted run has not written."""
    dtype = _result_type(vectors)
    width = _width(job, vectors.d)
    state = path.stat()
    work = {"mark": job.mark, "size": state.st_size, "changed": state.st_mtime_ns}
    with part.open("r+b" if part.exists() else "w+b") as file:
        done = _rows_done(part, journal, work)
        _write_npy_header(file, vectors.n, width, dtype)
        file.seek(file.tell() + done * width * dtype.itemsize)
        file.truncate()
        job.progress(done)
        try:
            for number, rows in enumerate(_moved(job, path, vectors, done, applied), start=1):
                file.write(rows.tobytes())
                done += len(rows)
                if number % BLOCKS_PER_ENTRY == 0:
                    _write_entry(file, journal, {**work, "rows": done})
        except BaseException:
            if done:
                # Also after Ctrl-C: what is done need not be done again.
                _write_entry(file, journal, {**work, "rows": done})
            else:
                part.unlink()
                journal.unlink(missing_ok=True)
            raise
        file.flush()
        os.fsync(file.fileno())


def _write_entry(file: IO[bytes], journal: Path, entry: dict[str, Any]) -> None:
    """Write down how far a file is, after the rows that this counts are on the disk."""
    file.flush()
    os.fsync(file.fileno())
    write_whole(journal, json.dumps(entry).encode())


def _rows_done(part: Path, journal: Path, work: dict[str, Any]) -> int:
    """Return how many rows an interrupted run of the same work has written."""
    entry = read_entry(journal)
    is_same = all(entry.get(key) == value for key, value in work.items())
    return int(entry["rows"]) if is_same and part.stat().st_size else 0


def read_entry(journal: Path) -> dict[str, Any]:
    """Return what a journal says, nothing where it is damaged or missing."""
    try:
        entry = json.loads(journal.read_text())
    except (OSError, ValueError):
        return {}
    return entry if isinstance(entry, dict) else {}
