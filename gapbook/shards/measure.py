"""Measure pairs that lie in a folder of many files, with Dask.

Each file is read once, and what is kept of it merges (``gapbook.shards.partial``); the order of the
work is that of ``gapbook.shards.schedule``.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pandas as pd

from gapbook.checks.metadata import whole_characters
from gapbook.checks.seeds import require_seed
from gapbook.exceptions import PairsError
from gapbook.files import path_text
from gapbook.geometry.sum_measures import exact_measures
from gapbook.geometry.sums import PairSums
from gapbook.geometry.table import SAMPLE_SIZE, Measured, measure, require_sample_size
from gapbook.pairs import PairedEmbeddings
from gapbook.shards.cluster import SECONDS_WITHOUT_WORKERS, connect
from gapbook.shards.files import list_shards, names_text
from gapbook.shards.partial import PartialResult, ShardSettings
from gapbook.shards.schedule import Work

if TYPE_CHECKING:
    from distributed import Client


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
    left_out : sequence of str
        What looks like shards, and is left out for its name.
    """

    shards: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    left_out: Sequence[str] = ()

    @property
    def notes_on_left_out(self) -> list[str]:
        """A sentence for what is left out for its name, and one for bad shards."""
        notes = []
        if self.left_out:
            notes.append(f"Left out for their names: {names_text(self.left_out)}.")
        if self.skipped:
            count = self.shards + len(self.skipped)
            bad = names_text(sorted(self.skipped))
            notes.append(f"Bad, and left out: {bad} of {count:,} shards.")
        return notes


def shard_report(
    folder: str | os.PathLike[str], client: "Client | str | None" = None, **options: Any
) -> pd.DataFrame:
    """Return the table of ``measure_shards``, as ``gap_report`` returns that of pairs.

    Parameters
    ----------
    folder : str or path
        A folder of shards.
    client : dask.distributed.Client or str, optional
        A client of the scheduler that does the work, or its address; by default a cluster on this
        machine.
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
    client: "Client | str | None" = None,
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
    client : dask.distributed.Client or str, optional
        A client of the scheduler that does the work, or its address (``gapbook.shards.cluster.
        connect`` says how it is secured); by default a cluster on this machine runs for the time of
        the call. With a client of your own it waits for workers as long as it takes.
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
        Whether to leave out shards that are bad in any way, and count them.
    progress : bool
        Whether to show a progress bar.

    Returns
    -------
    MeasuredShards
        The table, the sample, counts of the cosines of partners, and notes.

    Raises
    ------
    PairsError
        If a shard is damaged, does not have the most frequent width or needs more memory than a
        worker has (the message names it), unless ``skip_bad``; if no shard can be read; if the
        sample takes more than 268 MB, as of very long rows; if workers die again and again; if the
        scheduler or all of its workers are lost.
    MissingPackageError
        If Dask, or what it needs, is not installed.

    Notes
    -----
    Exact to float64 are gap, cosines, alignment, relative gap, shares by dimension, effective
    ranks, IsoScores and CKA (of more than 4,096 dimensions these three rest on the sample, since
    their matrices would fill a worker). Their intervals are those of the sample of k among n pairs,
    moved to the exact value and narrowed by sqrt(k / n), as standard errors fall; with n <= k they
    are those of ``gap_report``. A shard without rows adds nothing. The shards of a lost worker are
    read again.

    References
    ----------
    Politis and Romano 1994, for intervals from subsamples.
    """
    require_sample_size(sample)
    require_seed(seed)
    path = Path(folder)
    listed = list_shards(path)
    settings = ShardSettings(columns, sample, seed, skip_bad, topic=f"gapbook-{uuid4().hex}")
    if client is None or isinstance(client, str):
        with connect(client, len(listed.shards)) as own:
            work = Work(own, path.resolve(), listed.shards, settings, SECONDS_WITHOUT_WORKERS)
            result = work.run(progress)
    else:
        result = Work(client, path.resolve(), listed.shards, settings).run(progress)
    if result.sums is None or result.sample is None:
        raise PairsError(_why_nothing(path, result))
    rows_x, rows_y = result.sample.rows
    pairs = PairedEmbeddings(rows_x, rows_y, modalities, source=whole_characters(str(folder)))
    of_sample = measure(pairs, seed, replicates, sample=len(pairs))
    measured = MeasuredShards(
        _with_exact_values(of_sample.table, result.sums, len(pairs)),
        pairs,
        result.partner_cosine_counts,
        _notes(result, of_sample),
        shards=result.shards,
        skipped=result.skipped,
        left_out=listed.left_out,
    )
    measured.notes.extend(measured.notes_on_left_out)
    return measured


def _why_nothing(folder: Path, result: PartialResult) -> str:
    if not result.skipped:
        return f"Expected pairs in {path_text(folder)}; its {result.shards:,} shards have no rows"
    name, problem = min(result.skipped.items())
    return f"no shard in {path_text(folder)} can be read; the first is {path_text(name)}: {problem}"


def _notes(result: PartialResult, of_sample: Measured) -> list[str]:
    """Say in sentences what the numbers rest on."""
    n = int(result.partner_cosine_counts.sum())
    k = len(of_sample.pairs)
    notes = [f"{n:,} pairs in {result.shards:,} shards."]
    if k < n:
        exact = "sums and covariances"
        if result.sums is not None and not result.sums.has_products:
            exact = "sums"
        notes.append(
            f"Measures of {exact} are exact over all pairs; the others rest on a "
            f"sample of {k:,}, chosen by a hash of shard name and row. Recall, hubness and "
            "neighbor agreement depend on that number. Intervals of exact values are the "
            f"sample's, narrowed by sqrt({k:,} / {n:,})."
        )
    # The first note says how many pairs the sample has.
    notes += of_sample.notes[1:]
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
