"""Measure pairs that lie in a folder of many files, with Dask: each file is read once, and what is kept of it merges.

Sums of rows and of their products, and counts of partners' cosines, add up exactly in any order. What needs pairs of
pairs or a fit (recall, separability, hubs, kernels) rests on a sample: the rows with the smallest hashes of shard name
and row number, which depend neither on the order of the work nor on the workers. A worker holds one shard and a few
parts of fixed size, and the tree in which parts merge is fixed, so that every run gives the same bits.
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

from gapbook.exceptions import ColumnsError, PairsError
from gapbook.pairs import PairedEmbeddings
from gapbook.shards.cluster import connect
from gapbook.shards.files import shard_names, unit_shard, width_of

if TYPE_CHECKING:
    from gapbook.geometry.sums import Sums

BINS = 100  # of partners' cosines over [-1, 1]
FAN = 4  # parts that merge at once


@dataclass(frozen=True)
class Options:
    """What each worker must know: names of the two arrays, size of the sample, its seed, and what to do with damage."""

    columns: tuple[str, str] = ("x", "y")
    sample: int = 5000
    seed: int = 0
    skip_bad: bool = False


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows with the smallest hashes: hashes (k,), shard and row numbers (k, 2), unit rows of both sides (2, k, d)."""

    keys: np.ndarray
    places: np.ndarray
    rows: np.ndarray

    def smallest(self, size: int) -> "Sample":
        """Return the ``size`` rows with the smallest hashes, in the order of shards and rows."""
        chosen = np.lexsort((*self.places.T[::-1], self.keys))[:size]
        chosen = chosen[np.lexsort(self.places[chosen].T[::-1])]
        return Sample(self.keys[chosen], self.places[chosen], self.rows[:, chosen])


@dataclass(frozen=True, eq=False)
class Part:
    """What is kept of some shards: their number, why others were left out, sums, counts of cosines, sample."""

    shards: int
    skipped: dict[str, str]
    sums: "Sums | None" = None
    paired: np.ndarray = field(default_factory=lambda: np.zeros(BINS, np.int64))
    sample: Sample | None = None


@dataclass(frozen=True, eq=False)
class ShardedReport:
    """A report over shards: the table, partners' cosines of all pairs, the sample, and what was left out and why.

    ``table`` is that of ``gap_report`` with a column ``pairs``: how many pairs a value rests on. ``paired`` counts the
    cosines of partners in equal bins over [-1, 1].
    """

    table: pd.DataFrame
    paired: np.ndarray
    sample: PairedEmbeddings
    shards: int
    skipped: dict[str, str]

    @property
    def notes(self) -> list[str]:
        """Say in sentences what the numbers rest on."""
        n, k = int(self.paired.sum()), len(self.sample)
        notes = [f"{n:,} pairs in {self.shards:,} shards."]
        if k < n:
            notes.append(
                f"Measures of sums and covariances are exact over all pairs; the others rest on a sample of {k:,}, "
                "chosen by a hash of shard name and row. Recall, hubness and neighbor agreement depend on that number. "
                f"Intervals of exact values are the sample's, narrowed by sqrt({k:,} / {n:,})."
            )
        if bad := sorted(self.skipped):
            count = f"{len(bad):,} of {self.shards + len(bad):,}"
            notes.append(f"Damaged or of another width, and left out: {count} ({', '.join(bad)}).")
        return notes


def shard_report(
    folder: str | os.PathLike[str], client: Any = None, **options: Any
) -> pd.DataFrame:
    """Return ``measure_shards(...).table``, with the notes on what it rests on in ``table.attrs["notes"]``."""
    report = measure_shards(folder, client, **options)
    report.table.attrs["notes"] = report.notes
    return report.table


def measure_shards(
    folder: str | os.PathLike[str],
    client: Any = None,
    modalities: tuple[str, str] = ("image", "text"),
    replicates: int = 1000,
    progress: bool = False,
    **options: Any,
) -> ShardedReport:
    """Measure all pairs of a folder as ``gap_report`` does, with one shard a worker in memory.

    Shards are ``.npy`` of shape (2, n, d), ``.npz`` and ``.safetensors`` with two arrays (n, d), ``.parquet`` with two
    columns of vectors; folders within count too. Every worker must see the folder at the same path. ``client`` is a
    ``dask.distributed.Client``; without one a local cluster runs for the time of the call. ``options`` are those of
    ``Options``: ``columns``, ``sample``, ``seed``, ``skip_bad``.

    Exact to float64: gap, cosines, alignment, relative gap, shares by dimension, effective ranks, IsoScores, CKA. Their
    intervals are those of the sample of k among n pairs, moved to the exact value and narrowed by sqrt(k / n), as
    standard errors fall (Politis and Romano 1994): with n <= k they are those of ``gap_report``. A lost worker's shards
    are read again. Raises ``PairsError`` with the name of a shard that is damaged or has not the most frequent width,
    unless ``skip_bad`` leaves it out and counts it; ``MissingPackageError`` without Dask.
    """
    names, how = shard_names(Path(folder)), Options(**options)
    if (
        isinstance(how.sample, bool)
        or not isinstance(how.sample, int | np.integer)
        or how.sample < 2
    ):
        raise PairsError(f"Expected sample as an integer of at least 2; got {how.sample!r}")
    if client is not None:
        part = _run(client, Path(folder), names, how, progress)
    else:
        with connect(workers=len(names)) as local:
            part = _run(local, Path(folder), names, how, progress)
    if part.sums is None or part.sample is None:
        name, why = next(iter(sorted(part.skipped.items())))
        raise PairsError(f"no shard in {folder} can be read; the first is {name}: {why}")
    pairs = PairedEmbeddings(
        part.sample.rows[0], part.sample.rows[1], modalities, source=str(folder)
    )
    table = _table(part.sums, pairs, how.seed, replicates)
    return ShardedReport(table, part.paired, pairs, part.shards, part.skipped)


# ---- on a worker


def measure(folder: Path, name: str, number: int, width: int | None, how: Options) -> Part:
    """Read one shard and return what is kept of it."""
    from gapbook.geometry.sums import Sums

    try:
        x, y = unit_shard(folder / name, how.columns)
        if width not in (None, x.shape[1]):
            raise PairsError(
                f"Expected {width} dimensions, the most frequent in the folder; got {x.shape[1]}"
            )
    except (PairsError, OSError) as error:
        if how.skip_bad:
            return Part(0, {name: str(error)})
        advice = (
            ""
            if isinstance(error, ColumnsError)
            else ". Repair or remove it, or leave it out with --skip-bad"
        )
        raise PairsError(f"shard {name}: {error}{advice}") from None
    counts, _ = np.histogram((x * y).sum(1).clamp(-1, 1).numpy(), BINS, (-1, 1))
    keys = row_keys(name, len(x), how.seed)
    chosen = np.argsort(keys)[: how.sample]
    places = np.stack([np.full(len(chosen), number), chosen], 1)
    sample = Sample(keys[chosen], places, np.stack([x[chosen].numpy(), y[chosen].numpy()]))
    _tell(name)
    return Part(1, {}, Sums.of(x, y), counts, sample)


def merge(parts: Sequence[Part], size: int) -> Part:
    """Add parts up, in any order and grouping; the sample keeps its ``size`` smallest hashes."""
    shards, skipped = (
        sum(part.shards for part in parts),
        {k: v for part in parts for k, v in part.skipped.items()},
    )
    sums, paired = None, sum(part.paired for part in parts)
    for part in parts:
        sums = part.sums if sums is None else sums if part.sums is None else sums + part.sums
    samples = [part.sample for part in parts if part.sample is not None]
    if not samples:
        return Part(shards, skipped)
    keys, places = (
        np.concatenate([getattr(sample, name) for sample in samples]) for name in ("keys", "places")
    )
    rows = np.concatenate([sample.rows for sample in samples], 1)
    return Part(
        shards, skipped, sums, np.asarray(paired), Sample(keys, places, rows).smallest(size)
    )


def row_keys(name: str, n: int, seed: int = 0) -> np.ndarray:
    """Return a hash of each row of a shard: uint64 (n,), the splitmix64 sequence from a hash of the shard's name.

    >>> row_keys("a.npy", 2).tolist() == row_keys("a.npy", 3)[:2].tolist() != row_keys("b.npy", 2).tolist()
    True
    """
    start = int.from_bytes(blake2b(f"{seed}/{name}".encode(), digest_size=8).digest(), "little")
    z = np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(start)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _tell(name: str) -> None:
    """Let the client's progress bar know that a shard is done."""
    from distributed import get_worker

    try:
        get_worker().log_event("gapbook", name)
    except ValueError:
        return  # not on a worker


# ---- on the client


def _run(client: Any, folder: Path, names: list[str], how: Options, progress: bool) -> Part:
    """Measure all shards and merge them, with a bar that hears from the workers."""
    from distributed.scheduler import KilledWorker
    from tqdm import tqdm

    folder, run, done = folder.resolve(), uuid4().hex, set()
    with tqdm(
        total=len(names), desc="shards", unit="shard", disable=not progress, leave=False
    ) as bar:

        def count(event: tuple[Any, str]) -> None:
            done.add(event[1])  # a shard that is read again counts once
            bar.update(len(done) - bar.n)

        client.subscribe_topic("gapbook", count)
        future = None
        try:
            width = _common_width(client, folder, names, how, run)
            future = client.compute(_tree(folder, names, width, how, run))
            return future.result()
        except KilledWorker as error:
            kind, *_, number = str(error.task).split("-")
            name = names[int(number)] if kind in ("shard", "width") else "parts of shards"
            raise PairsError(
                f"workers died again and again on {name}: give them more memory, or cut it"
            ) from None
        finally:
            client.unsubscribe_topic("gapbook")
            if future is not None:
                future.cancel()


def _common_width(
    client: Any, folder: Path, names: list[str], how: Options, run: str
) -> int | None:
    """Return the dimension that all shards must have: the most frequent in their headers, of equal ones the first."""
    paths, keys = (
        [folder / name for name in names],
        [f"width-{run}-{number}" for number in range(len(names))],
    )
    widths = client.gather(client.map(width_of, paths, columns=how.columns, key=keys))
    counts = Counter(width for width in widths if width)
    return max(counts, key=counts.__getitem__, default=None)


def _tree(folder: Path, names: list[str], width: int | None, how: Options, run: str) -> Any:
    """Return the whole work as one task: shards merge in a fixed tree, so that a worker holds few parts at a time."""
    from dask import delayed

    level = [
        delayed(measure)(folder, name, number, width, how, dask_key_name=f"shard-{run}-{number}")
        for number, name in enumerate(names)
    ]
    while len(level) > 1:
        level = [delayed(merge)(level[i : i + FAN], how.sample) for i in range(0, len(level), FAN)]
    return level[0]


def exact_values(sums: "Sums") -> dict[str, float]:
    """Return what follows exactly from sums over all pairs, by the names of ``gap_report``."""
    from gapbook.geometry.intervals import second_order

    n, gap = sums.n, (sums.x - sums.y) / sums.n
    within_x, within_y = (
        float(total @ total - gram.trace()) / (n * (n - 1))
        for total, gram in ((sums.x, sums.xx), (sums.y, sums.yy))
    )
    apart = (
        (sums.xx + sums.yy - 2 * sums.xy).diagonal().clamp(min=0)
    )  # sum of (x_i - y_i)^2 by dimension
    square, paired = float(gap @ gap), max(float(apart.sum()) / n, 0.0)
    return {
        "modality_gap": square**0.5,
        "cosine_within_x": within_x,
        "cosine_within_y": within_y,
        "cosine_paired": float(sums.xy.trace()) / n,
        "cosine_across": float(sums.x @ sums.y) / n**2,
        "squared_gap_unbiased": (n * square - paired) / (n - 1),
        "relative_modality_gap": paired / (paired + 2 - within_x - within_y) if paired else 0.0,
        "alignment": paired,
        "gap_share_top2": float(gap.square().topk(min(2, len(gap)))[0].sum()) / square
        if square
        else np.nan,
    } | second_order(sums)


def _table(sums: "Sums", sample: PairedEmbeddings, seed: int, replicates: int) -> pd.DataFrame:
    """Return the sample's report with exact values, and intervals narrowed to them, where sums give these."""
    from gapbook.geometry import gap_report

    k, n = len(sample), sums.n
    exact: dict[str, float] = exact_values(sums) | {"n_pairs": n}
    table, narrower = gap_report(sample, seed, replicates, sample=k), (k / n) ** 0.5
    rows = []
    for name, value, low, high, unit in table.itertuples(index=False):
        if name in exact:
            low, high = (exact[name] + (end - value) * narrower for end in (low, high))
            value = exact[name]
        rows.append(
            (name, value, low, high, unit, n if name in exact or name == "dimension" else k)
        )
    return pd.DataFrame(rows, columns=[*table.columns, "pairs"])
