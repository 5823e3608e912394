"""What a worker keeps of a shard, and how such partial results merge.

Sums of rows and of their products, and counts of the cosines of partners, add up exactly in any
order. What needs pairs of pairs or a fit (recall, separability, hubs, kernels) rests on a sample:
the rows with the smallest hashes of shard name and row number, which depend neither on the order of
the work nor on the workers. Of pairs in groups it has whole groups, those whose ids have the
smallest hashes, in whichever shards their rows lie.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.util import hash_array

from gapbook.array_files import read_ids, read_shape
from gapbook.checks.memory import size_text
from gapbook.exceptions import ColumnsError, MissingPackageError, PairsError, quoted, reason
from gapbook.files import path_text
from gapbook.geometry.cosines import PARTNER_COSINE_BINS, partner_cosine_counts
from gapbook.geometry.sums import PairSums
from gapbook.geometry.table import SAMPLE_SIZE
from gapbook.groups import first_rows, group_labels, numbered
from gapbook.pairs import SAME_ROW
from gapbook.shards.files import unit_shard

# A worker is ended at 95 % of its memory, and holds other things too.
USABLE_MEMORY = 0.8
# Two sides, each as it is in the file (float32, say) and at unit length.
BYTES_PER_ENTRY = 2 * (4 + 4)
# With more dimensions, sums of products (d, d) would fill a worker: three of them, in each partial
# result.
MAX_DIMENSIONS_OF_PRODUCTS = 4096
# Rows that are compared with the first of their group at once: 16 MB of 512 dimensions.
ROWS_AT_ONCE = 2**13


@dataclass(frozen=True)
class ShardSettings:
    """What each worker must know.

    Parameters
    ----------
    columns : tuple of two str
        The names of the two arrays or columns of a shard.
    sample : int
        The number of rows to keep.
    seed : int
        The seed of the sample.
    skip_bad : bool
        Whether to leave out a shard that is damaged or has another width, instead of stopping.
    topic : str
        The topic under which workers tell the client which shards are begun and done.
    groups : str or pathlib.Path, optional
        The name of the array of ids of groups in each shard, or a folder with a ``.npy`` file of
        ids for each, under its name.
    """

    columns: tuple[str, str] = ("x", "y")
    sample: int = SAMPLE_SIZE
    seed: int = 0
    skip_bad: bool = False
    topic: str = "gapbook"
    groups: str | Path | None = None


@dataclass(frozen=True, eq=False)
class RowSample:
    """The rows of some shards with the smallest hashes.

    Parameters
    ----------
    hashes : array (k,)
        The hash of each row, uint64.
    places : array (k, 2)
        The number of its shard and its number within that shard.
    rows : array (2, k, d)
        The unit rows of both sides.
    in_groups : bool
        Whether hashes are those of groups, which are then kept whole.
    below : int or None
        Of groups, the smallest hash of those that did not fit: only smaller ones are kept.
    """

    hashes: np.ndarray
    places: np.ndarray
    rows: np.ndarray
    in_groups: bool = False
    below: int | None = None

    def smallest(self, size: int) -> "RowSample":
        """Return the ``size`` rows with the smallest hashes, in the order of shards and rows.

        Of groups these are the first whole ones that have no more rows together.
        """
        shard, row = self.places.T
        if self.in_groups:
            chosen, below = whole_groups(self.hashes, size, self.below)
            chosen = chosen[np.lexsort((row[chosen], shard[chosen]))]
            return RowSample(
                self.hashes[chosen], self.places[chosen], self.rows[:, chosen], True, below
            )
        chosen = np.lexsort((row, shard, self.hashes))[:size]
        chosen = chosen[np.lexsort((row[chosen], shard[chosen]))]
        return RowSample(self.hashes[chosen], self.places[chosen], self.rows[:, chosen])


@dataclass(frozen=True, eq=False)
class PartialResult:
    """What is kept of some shards.

    Parameters
    ----------
    shards : int
        How many shards were measured.
    skipped : dict
        The names of those that were left out, and why.
    sums : PairSums or None
        Sums over all their pairs, None where all were left out.
    partner_cosine_counts : array (100,)
        How many pairs have a cosine of partners in each of 100 equal bins over [-1, 1].
    sample : RowSample or None
        Rows with the smallest hashes, None where all shards were left out.
    """

    shards: int
    skipped: dict[str, str]
    sums: PairSums | None = None
    partner_cosine_counts: np.ndarray = field(
        default_factory=lambda: np.zeros(PARTNER_COSINE_BINS, np.int64)
    )
    sample: RowSample | None = None


def measure_shard(
    folder: Path, name: str, number: int, width: int | None, settings: ShardSettings
) -> PartialResult:
    """Read one shard and return what is kept of it.

    ``number`` is its place in the sorted names, ``width`` the dimension that all shards must have.
    Whatever goes wrong names the shard, or leaves it out with ``settings.skip_bad``.
    """
    _tell(settings.topic, "begun", number)
    try:
        result = _measured(folder / name, name, number, width, settings)
    except MissingPackageError:
        # This worker lacks something, and the shard may be sound.
        raise
    # A shard may be bad in any way, and each library has its own errors.
    except Exception as error:
        if settings.skip_bad:
            return PartialResult(0, {name: reason(error)})
        advice = ". Repair or remove it, or leave it out with --skip-bad"
        if isinstance(error, ColumnsError):
            # A sound file, where another name of its arrays will do.
            advice = ""
        raise PairsError(f"shard {path_text(name)}: {reason(error)}{advice}") from None
    _tell(settings.topic, "done", number)
    return result


def _measured(
    path: Path, name: str, number: int, width: int | None, settings: ShardSettings
) -> PartialResult:
    _require_memory(path, settings.columns[0])
    x, y = unit_shard(path, settings.columns)
    if len(x) == 0:
        return PartialResult(1, {})
    if width not in (None, x.shape[1]):
        raise PairsError(
            f"Expected {width} dimensions, the most frequent in the folder; got {x.shape[1]}"
        )
    below = None
    if settings.groups is None:
        hashes = row_hashes(name, len(x), settings.seed)
        chosen = np.argsort(hashes)[: settings.sample]
    else:
        labels = group_labels(_ids(path, name, settings.groups), len(x))
        _require_one_row_a_group(x, labels)
        hashes = group_hashes(labels, settings.seed)
        chosen, below = whole_groups(hashes, settings.sample)
    places = np.stack([np.full(len(chosen), number), chosen], axis=1)
    rows = np.stack([x[chosen], y[chosen]])
    return PartialResult(
        1,
        {},
        PairSums.of(x, y, diagonals_only=x.shape[1] > MAX_DIMENSIONS_OF_PRODUCTS),
        partner_cosine_counts(x, y),
        RowSample(hashes[chosen], places, rows, settings.groups is not None, below),
    )


def _ids(path: Path, name: str, groups: str | Path) -> Any:
    """Read the ids of the groups of a shard: an array in it, or a file under its name."""
    if isinstance(groups, Path):
        return read_ids((groups / name).with_suffix(".npy"), path)[0]
    if path.suffix.lower() == ".npy":
        raise PairsError(
            f"a .npy file has no array {quoted(groups)}: give a folder with a .npy file of ids for "
            "each shard, under its name (groups=, in the shell --groups FOLDER)"
        )
    return read_ids(groups, path)[0]


def _require_one_row_a_group(x: np.ndarray, labels: np.ndarray) -> None:
    """Refuse rows of x in one group that are not the same, within what 16 bits round."""
    numbers = numbered(labels)
    first = first_rows(numbers)[numbers]
    for start in range(0, len(x), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        other = np.flatnonzero(np.abs(x[rows] - x[first[rows]]).max(axis=1) > SAME_ROW)
        if len(other):
            row = start + other[0]
            raise PairsError(
                f"Expected one row of x in each group; row {row} is another than row {first[row]} "
                f"of group {quoted(str(labels[row]))}: give them ids of their own"
            )


def _require_memory(path: Path, column: str) -> None:
    """Refuse a shard that would end this worker, by what its header says."""
    limit = _memory_limit()
    try:
        n, d = read_shape(path, column)
    # What is wrong with the file is said when it is read.
    except Exception:
        return
    needed = n * d * BYTES_PER_ENTRY
    if limit and needed > USABLE_MEMORY * limit:
        raise PairsError(
            f"not enough memory: it needs about {size_text(needed)}, and a worker has "
            f"{size_text(limit)}: cut it, or give workers more"
        )


def _memory_limit() -> int | None:
    """Return the bytes that this worker may use, None in another process."""
    from distributed import get_worker

    try:
        return get_worker().memory_manager.memory_limit
    except ValueError:
        return None


def _tell(topic: str, what: str, number: int) -> None:
    """Let the client know that a shard is begun or done."""
    from distributed import get_worker

    # In another process there is nobody to tell.
    with suppress(ValueError):
        get_worker().log_event(topic, (what, number))


def merge_results(parts: Sequence[PartialResult], size: int) -> PartialResult:
    """Add partial results up, in any order; the sample keeps its ``size`` smallest hashes."""
    shards = sum(part.shards for part in parts)
    skipped: dict[str, str] = {}
    for part in parts:
        skipped |= part.skipped
    sums = [part.sums for part in parts if part.sums is not None]
    samples = [part.sample for part in parts if part.sample is not None]
    if not sums or not samples:
        return PartialResult(shards, skipped)
    total = sums[0]
    for other in sums[1:]:
        total = total + other
    sample = RowSample(
        np.concatenate([sample.hashes for sample in samples]),
        np.concatenate([sample.places for sample in samples]),
        np.concatenate([sample.rows for sample in samples], axis=1),
        samples[0].in_groups,
        min((sample.below for sample in samples if sample.below is not None), default=None),
    )
    counts = np.sum([part.partner_cosine_counts for part in parts], axis=0)
    return PartialResult(shards, skipped, total, counts, sample.smallest(size))


def whole_groups(
    hashes: np.ndarray, size: int, below: int | None = None
) -> tuple[np.ndarray, int | None]:
    """Choose the groups with the smallest hashes that have at most ``size`` rows together.

    Parameters
    ----------
    hashes : array (n,)
        The hash of the group of each row, uint64.
    size : int
        The largest number of rows.
    below : int, optional
        Only groups with smaller hashes are chosen.

    Returns
    -------
    tuple
        The chosen rows, in their order, and the smallest hash of the groups that do not fit, or
        ``below`` where all fit. With it, choices among parts of the rows merge to that among all.

    Examples
    --------
    >>> rows, below = whole_groups(np.array([5, 2, 5, 9], np.uint64), 3)
    >>> rows.tolist(), below
    ([0, 1, 2], 9)
    >>> rows, below = whole_groups(np.array([5, 2, 5, 9], np.uint64), 2)
    >>> rows.tolist(), below
    ([1], 5)
    """
    order = np.argsort(hashes, kind="stable")
    if below is not None:
        order = order[hashes[order] < np.uint64(below)]
    if len(order) > size:
        # The group of the first row that does not fit is left out whole.
        below = int(hashes[order[size]])
        order = order[hashes[order] < np.uint64(below)]
    return np.sort(order), below


def group_hashes(labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return a hash of the id of each row, uint64 (n,): one for one id, a number or its text.

    Examples
    --------
    >>> hashes = group_hashes(np.array([7, 7, 3]))
    >>> bool(hashes[0] == hashes[1]), bool(hashes[0] == hashes[2])
    (True, False)
    >>> bool(hashes[2] == group_hashes(np.array(["3"]))[0])
    True
    """
    numbers, ids = pd.factorize(labels)
    texts = np.array([f"{seed}/{value}" for value in ids], object)
    return hash_array(texts, categorize=False)[numbers]


def row_hashes(name: str, n: int, seed: int = 0) -> np.ndarray:
    """Return a hash of each of the n rows of a shard: uint64 (n,).

    It is the splitmix64 sequence that starts at a hash of the seed and the name of the shard.

    Parameters
    ----------
    name : str
        The name of the shard.
    n : int
        The number of its rows.
    seed : int
        Another seed gives other hashes.

    Returns
    -------
    ndarray of shape (n,), uint64
        The hashes.

    Examples
    --------
    >>> first = row_hashes("a.npy", 2).tolist()
    >>> first == row_hashes("a.npy", 3)[:2].tolist(), first == row_hashes("b.npy", 2).tolist()
    (True, False)
    """
    # The bytes of the name in the file system, which need not be UTF-8.
    content = f"{seed}/{name}".encode("utf-8", "surrogateescape")
    start = int.from_bytes(blake2b(content, digest_size=8).digest(), "little")
    # Steps of the golden ratio; pandas mixes the bits of integers as splitmix64 does.
    steps = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return hash_array(steps + np.uint64(start), categorize=False)
