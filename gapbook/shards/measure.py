"""Measure pairs that lie in a folder of many files, with Dask.

Each file is read once, and what is kept of it merges. Sums of rows and of their products, and
counts of the cosines of partners, add up exactly in any order. What needs pairs of pairs or a fit
(recall, separability, hubs, kernels) rests on a sample: the rows with the smallest hashes of shard
name and row number, which depend neither on the order of the work nor on the workers. A worker
holds one shard and a few partial results of fixed size, and partial results are merged in a fixed
tree, so that every run gives the same bits.
"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import pandas as pd
from pandas.util import hash_array

from gapbook.exceptions import ColumnsError, PairsError
from gapbook.geometry.cosines import PARTNER_COSINE_BINS, partner_cosine_counts
from gapbook.geometry.sum_measures import exact_measures
from gapbook.geometry.sums import PairSums
from gapbook.geometry.table import SAMPLE_SIZE, Measured, measure, require_sample_size
from gapbook.pairs import PairedEmbeddings
from gapbook.shards.cluster import connect
from gapbook.shards.files import shard_names, shard_width, unit_shard

if TYPE_CHECKING:
    from dask.delayed import Delayed
    from distributed import Client

# Partial results that merge at once: more would fill the memory of a worker.
MERGED_AT_ONCE = 4
# The topic on which workers tell the client that a shard is done.
TOPIC = "gapbook"


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
    """

    columns: tuple[str, str] = ("x", "y")
    sample: int = SAMPLE_SIZE
    seed: int = 0
    skip_bad: bool = False


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
    """

    hashes: np.ndarray
    places: np.ndarray
    rows: np.ndarray

    def smallest(self, size: int) -> "RowSample":
        """Return the ``size`` rows with the smallest hashes, in the order of shards and rows."""
        shard, row = self.places.T
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


@dataclass(frozen=True, eq=False)
class MeasuredShards(Measured):
    """What measuring a folder of shards gives: ``Measured``, and which shards it rests on.

    The table has a further column ``pairs``: how many pairs a value rests on. ``pairs`` is the
    sample.

    Parameters
    ----------
    shards : int
        How many shards were measured.
    skipped : dict
        The names of those that were left out, and why.
    """

    shards: int = 0
    skipped: dict[str, str] = field(default_factory=dict)


def shard_report(
    folder: str | os.PathLike[str], client: "Client | None" = None, **options: Any
) -> pd.DataFrame:
    """Return the table of ``measure_shards``, as ``gap_report`` returns that of pairs.

    Parameters
    ----------
    folder : str or path
        A folder of shards.
    client : dask.distributed.Client, optional
        A client of the scheduler that does the work; by default a cluster on this machine.
    **options
        Those of ``measure_shards``.

    Returns
    -------
    pandas.DataFrame
        A row for each measure, with the columns ``metric``, ``value``, ``low``, ``high``, ``unit``
        and ``pairs``, how many pairs the value rests on. Its ``attrs["notes"]`` say in sentences
        what the numbers rest on.

    Raises
    ------
    PairsError
        As ``measure_shards``.
    MissingPackageError
        If Dask is not installed.
    """
    measured = measure_shards(folder, client, **options)
    measured.table.attrs["notes"] = measured.notes
    return measured.table


def measure_shards(  # noqa: PLR0913 (a call says all that it needs)
    folder: str | os.PathLike[str],
    client: "Client | None" = None,
    *,
    columns: tuple[str, str] = ("x", "y"),
    modalities: tuple[str, str] = ("image", "text"),
    seed: int = 0,
    replicates: int = 1000,
    sample: int = SAMPLE_SIZE,
    skip_bad: bool = False,
    progress: bool = False,
) -> MeasuredShards:
    """Measure all pairs of a folder as ``measure`` does, with one shard a worker in memory.

    Parameters
    ----------
    folder : str or path
        A folder of shards, also in folders within: ``.npy`` files of shape (2, n, d), ``.npz`` and
        ``.safetensors`` files with two arrays (n, d), and ``.parquet`` files with two columns of
        vectors. Every worker must see it at the same path.
    client : dask.distributed.Client, optional
        A client of the scheduler that does the work; by default a cluster on this machine runs for
        the time of the call.
    columns : tuple of two str
        The names of the two arrays or columns.
    modalities : tuple of two str
        The names of the two sides.
    seed : int
        The seed of the sample and of the intervals.
    replicates : int
        The number of redraws of the bootstrap.
    sample : int
        The largest number of pairs, at least 2, for what sums over pairs cannot give.
    skip_bad : bool
        Whether to leave out shards that are damaged or have another width, and count them.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    MeasuredShards
        The table, the sample, counts of the cosines of partners, and notes.

    Raises
    ------
    PairsError
        If a shard is damaged or does not have the most frequent width (the message names it),
        unless ``skip_bad``; if no shard can be read; if workers die again and again.
    MissingPackageError
        If Dask is not installed.

    Notes
    -----
    Exact to float64 are gap, cosines, alignment, relative gap, shares by dimension, effective
    ranks, IsoScores and CKA. Their intervals are those of the sample of k among n pairs, moved to
    the exact value and narrowed by sqrt(k / n), as standard errors fall; with n <= k they are those
    of ``gap_report``. The shards of a lost worker are read again.

    References
    ----------
    Politis and Romano 1994, for intervals from subsamples.
    """
    require_sample_size(sample)
    path = Path(folder)
    names = shard_names(path)
    settings = ShardSettings(columns, sample, seed, skip_bad)
    if client is not None:
        result = _run(client, path, names, settings, progress)
    else:
        with connect(workers=len(names)) as local:
            result = _run(local, path, names, settings, progress)
    if result.sums is None or result.sample is None:
        name, reason = min(result.skipped.items())
        raise PairsError(f"no shard in {folder} can be read; the first is {name}: {reason}")
    rows_x, rows_y = result.sample.rows
    pairs = PairedEmbeddings(rows_x, rows_y, modalities, source=str(folder))
    of_sample = measure(pairs, seed, replicates, sample=len(pairs))
    return MeasuredShards(
        _with_exact_values(of_sample.table, result.sums, len(pairs)),
        pairs,
        result.partner_cosine_counts,
        _notes(result, of_sample),
        result.shards,
        result.skipped,
    )


def _notes(result: PartialResult, of_sample: Measured) -> list[str]:
    """Say in sentences what the numbers rest on, and last which shards were left out."""
    n = int(result.partner_cosine_counts.sum())
    k = len(of_sample.pairs)
    notes = [f"{n:,} pairs in {result.shards:,} shards."]
    if k < n:
        notes.append(
            "Measures of sums and covariances are exact over all pairs; the others rest on a "
            f"sample of {k:,}, chosen by a hash of shard name and row. Recall, hubness and "
            "neighbor agreement depend on that number. Intervals of exact values are the "
            f"sample's, narrowed by sqrt({k:,} / {n:,})."
        )
    # The first note says how many pairs the sample has.
    notes += of_sample.notes[1:]
    bad = sorted(result.skipped)
    if bad:
        count = f"{len(bad):,} of {result.shards + len(bad):,}"
        notes.append(f"Damaged or of another width, and left out: {count} ({', '.join(bad)}).")
    return notes


def _with_exact_values(table: pd.DataFrame, sums: PairSums, k: int) -> pd.DataFrame:
    """Put exact values over all pairs into the table of a sample of k, with narrowed intervals."""
    n = sums.n
    exact = exact_measures(sums) | {"n_pairs": n}
    narrowing = (k / n) ** 0.5
    rows = []
    for name, value, low, high, unit in table.itertuples(index=False):
        if name in exact:
            new_low = exact[name] + (low - value) * narrowing
            new_high = exact[name] + (high - value) * narrowing
            rows.append((name, exact[name], new_low, new_high, unit, n))
        elif name == "dimension":
            rows.append((name, value, low, high, unit, n))
        else:
            rows.append((name, value, low, high, unit, k))
    return pd.DataFrame(rows, columns=[*table.columns, "pairs"])


# ---- on a worker


def measure_shard(
    folder: Path, name: str, number: int, width: int | None, settings: ShardSettings
) -> PartialResult:
    """Read one shard and return what is kept of it.

    ``number`` is its place in the sorted names, ``width`` the dimension that all shards must have.
    """
    try:
        x, y = unit_shard(folder / name, settings.columns)
        if width not in (None, x.shape[1]):
            raise PairsError(
                f"Expected {width} dimensions, the most frequent in the folder; got {x.shape[1]}"
            )
    except (PairsError, OSError) as error:
        if settings.skip_bad:
            return PartialResult(0, {name: str(error)})
        advice = ". Repair or remove it, or leave it out with --skip-bad"
        if isinstance(error, ColumnsError):
            # A sound file, where another name of its arrays will do.
            advice = ""
        raise PairsError(f"shard {name}: {error}{advice}") from None
    hashes = row_hashes(name, len(x), settings.seed)
    chosen = np.argsort(hashes)[: settings.sample]
    places = np.stack([np.full(len(chosen), number), chosen], axis=1)
    rows = np.stack([x[chosen].numpy(), y[chosen].numpy()])
    result = PartialResult(
        1,
        {},
        PairSums.of(x, y),
        partner_cosine_counts(x, y),
        RowSample(hashes[chosen], places, rows),
    )
    _report_done(name)
    return result


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
    )
    counts = np.sum([part.partner_cosine_counts for part in parts], axis=0)
    return PartialResult(shards, skipped, total, counts, sample.smallest(size))


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
    start = int.from_bytes(blake2b(f"{seed}/{name}".encode(), digest_size=8).digest(), "little")
    # Steps of the golden ratio; pandas mixes the bits of integers as splitmix64 does.
    steps = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return hash_array(steps + np.uint64(start), categorize=False)


def _report_done(name: str) -> None:
    """Let the client's progress bar know that a shard is done."""
    from distributed import get_worker

    try:
        get_worker().log_event(TOPIC, name)
    except ValueError:
        # This process is not a worker.
        return


# ---- on the client


def _run(
    client: "Client", folder: Path, names: list[str], settings: ShardSettings, progress: bool
) -> PartialResult:
    """Measure all shards and merge them, with a bar that hears from the workers."""
    from distributed.scheduler import KilledWorker
    from tqdm import tqdm

    folder = folder.resolve()
    # Keys of tasks, so that no result of an earlier run is taken for one of this run.
    run = uuid4().hex
    done = set()
    with tqdm(
        total=len(names), desc="shards", unit="shard", disable=not progress, leave=False
    ) as bar:

        def count(event: tuple[Any, str]) -> None:
            # A set, since a shard that is read again counts once.
            done.add(event[1])
            bar.update(len(done) - bar.n)

        client.subscribe_topic(TOPIC, count)
        future = None
        try:
            width = _common_width(client, folder, names, settings, run)
            future = client.compute(_tree(folder, names, width, settings, run))
            return future.result()
        except KilledWorker as error:
            kind, *_, number = str(error.task).split("-")
            lost = names[int(number)] if kind in ("shard", "width") else "parts of shards"
            raise PairsError(
                f"workers died again and again on {lost}: give them more memory, or cut it"
            ) from None
        finally:
            client.unsubscribe_topic(TOPIC)
            if future is not None:
                future.cancel()


def _common_width(
    client: "Client", folder: Path, names: list[str], settings: ShardSettings, run: str
) -> int | None:
    """Return the dimension that all shards must have, the most frequent in their headers.

    Of several that are as frequent it is the first.
    """
    paths = [folder / name for name in names]
    keys = [f"width-{run}-{number}" for number in range(len(names))]
    widths = client.gather(client.map(shard_width, paths, columns=settings.columns, key=keys))
    counts = Counter(width for width in widths if width)
    return max(counts, key=counts.__getitem__, default=None)


def _tree(
    folder: Path, names: list[str], width: int | None, settings: ShardSettings, run: str
) -> "Delayed":
    """Return the whole work as one task.

    Shards merge in a fixed tree, so that a worker holds few partial results at a time.
    """
    from dask import delayed

    level = []
    for number, name in enumerate(names):
        task = delayed(measure_shard)
        key = f"shard-{run}-{number}"
        level.append(task(folder, name, number, width, settings, dask_key_name=key))
    while len(level) > 1:
        starts = range(0, len(level), MERGED_AT_ONCE)
        groups = [level[start : start + MERGED_AT_ONCE] for start in starts]
        level = [delayed(merge_results)(group, settings.sample) for group in groups]
    return level[0]
