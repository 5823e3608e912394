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

import numpy as np
import pandas as pd

from gapbook.checks.metadata import whole_characters
from gapbook.checks.seeds import require_seed
from gapbook.exceptions import PairsError, quoted
from gapbook.files import path_text
from gapbook.geometry.sum_measures import exact_measures
from gapbook.geometry.sums import PairSums
from gapbook.geometry.table import SAMPLE_SIZE, Measured, measure, require_sample_size
from gapbook.groups import numbered
from gapbook.pairs import PairedEmbeddings
from gapbook.shards.cluster import SECONDS_WITHOUT_WORKERS, connect
from gapbook.shards.files import list_shards, names_text
from gapbook.shards.partial import PartialResult, RowSample, ShardSettings
from gapbook.shards.schedule import Work

if TYPE_CHECKING:
    from distributed import Client

# Of pairs in groups, averages over pairs of two different groups, and what takes pairs as
# independent: sums over all pairs do not give them.
OF_DIFFERENT_GROUPS = (
    "cosine_within_x",
    "cosine_within_y",
    "squared_gap_unbiased",
    "relative_modality_gap",
    "cka_debiased",
)


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
    groups: str | os.PathLike[str] | None = None,
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
    groups : str or path, optional
        Where the ids of groups are, an integer or a string for each pair: the name of an array or
        column of each shard, or a folder with a ``.npy`` file (n,) for each shard, under its name.
        Pairs of one id are a group, also in several shards; x repeats its row for each of them.
    seed : int
        The seed of the sample and of the intervals.
    replicates : int
        The number of redraws of the bootstrap.
    sample : int
        The largest number of pairs, at least 2, for what sums over pairs cannot give. With
        ``groups``, groups are drawn whole, so that there may be a few pairs less.
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
        sample takes more than 268 MB, as of very long rows, or has no two whole groups; if workers
        die again and again; if the scheduler or all of its workers are lost.
    MissingPackageError
        If Dask, or what it needs, is not installed.

    Notes
    -----
    Exact to float64 are gap, cosines, alignment, relative gap, shares by dimension, effective
    ranks, IsoScores and CKA (of more than 4,096 dimensions these three rest on the sample, since
    their matrices would fill a worker). Their intervals are those of the sample of k among n pairs,
    moved to the exact value and narrowed by sqrt(k / n), as standard errors fall; with n <= k they
    are those of ``gap_report``. With ``groups``, averages over pairs of different groups
    (``cosine_within_x`` and so on) and debiased CKA rest on the sample, since sums for each group
    would need memory for all groups; what is exact is a plain average over pairs. A shard without
    rows adds nothing. The shards of a lost worker are read again.

    References
    ----------
    Politis and Romano 1994, for intervals from subsamples.
    """
    require_sample_size(sample)
    require_seed(seed)
    path = Path(folder)
    listed = list_shards(path)
    settings = ShardSettings(
        columns, sample, seed, skip_bad, f"gapbook-{uuid4().hex}", _groups(groups)
    )
    if client is None or isinstance(client, str):
        with connect(client, len(listed.shards)) as own:
            work = Work(own, path.resolve(), listed.shards, settings, SECONDS_WITHOUT_WORKERS)
            result = work.run(progress)
    else:
        result = Work(client, path.resolve(), listed.shards, settings).run(progress)
    if result.sums is None or result.sample is None:
        raise PairsError(_why_nothing(path, result))
    pairs = _pairs_of_sample(result.sample, modalities, folder, sample)
    of_sample = measure(pairs, seed, replicates, sample=len(pairs))
    measured = MeasuredShards(
        _with_exact_values(of_sample.table, result.sums, len(pairs), result.sample.in_groups),
        of_sample.pairs,
        result.partner_cosine_counts,
        _notes(result, of_sample, pairs),
        of_sample.grouped,
        None if of_sample.n_groups is None else _n_groups(pairs, result.sums.n),
        shards=result.shards,
        skipped=result.skipped,
        left_out=listed.left_out,
    )
    measured.notes.extend(measured.notes_on_left_out)
    return measured


def _groups(groups: str | os.PathLike[str] | None) -> str | Path | None:
    """Return where ids of groups are: the name of an array, or a folder as all workers see it."""
    if groups is None:
        return None
    path = Path(groups)
    if path.is_dir():
        return path.resolve()
    if isinstance(groups, str) and path.suffix.lower() != ".npy":
        return groups
    raise PairsError(
        "Expected groups of shards (--groups in the shell) as the name of an array of each shard, "
        f"or a folder with a .npy file of ids for each shard, under its name; got {quoted(groups)}"
    )


def _pairs_of_sample(
    sample: RowSample, modalities: tuple[str, str], folder: str | os.PathLike[str], size: int
) -> PairedEmbeddings:
    """Return the pairs of a sample, with their groups."""
    source = whole_characters(str(folder))
    rows_x, rows_y = sample.rows
    if not sample.in_groups:
        return PairedEmbeddings(rows_x, rows_y, modalities, source=source)
    groups = numbered(sample.hashes)
    n_groups = len(np.unique(groups))
    if n_groups < 2 and sample.below is not None:
        raise PairsError(
            f"at least 2 whole groups are needed in the sample; {size:,} pairs have room for "
            f"{n_groups}: ask for a larger one (sample=, in the shell --sample)"
        )
    return PairedEmbeddings(rows_x, rows_y, modalities, source=source, groups=groups)


def _n_groups(pairs: PairedEmbeddings, n: int) -> int:
    """Return how many groups all n pairs have, as the sample tells, which hashes choose."""
    return round(pairs.n_groups * n / len(pairs))


def _why_nothing(folder: Path, result: PartialResult) -> str:
    if not result.skipped:
        return f"Expected pairs in {path_text(folder)}; its {result.shards:,} shards have no rows"
    name, problem = min(result.skipped.items())
    return f"no shard in {path_text(folder)} can be read; the first is {path_text(name)}: {problem}"


def _notes(result: PartialResult, of_sample: Measured, pairs: PairedEmbeddings) -> list[str]:
    """Say in sentences what the numbers rest on."""
    n = int(result.partner_cosine_counts.sum())
    k = len(pairs)
    notes = [f"{n:,} pairs in {result.shards:,} shards."]
    if k < n:
        exact = "sums and covariances"
        if result.sums is not None and not result.sums.has_products:
            exact = "sums"
        chosen = "chosen by a hash of shard name and row"
        if pairs.groups is not None:
            chosen = (
                f"all pairs of {pairs.n_groups:,} groups of about {_n_groups(pairs, n):,}, chosen "
                "by a hash of their ids"
            )
        notes.append(
            f"Measures of {exact} are exact over all pairs; the others rest on a "
            f"sample of {k:,}, {chosen}. Recall, hubness and "
            "neighbor agreement depend on that number. Intervals of exact values are the "
            f"sample's, narrowed by sqrt({k:,} / {n:,})."
        )
    if pairs.groups is not None and k < n:
        notes.append(
            "Averages over pairs of different groups rest on the sample too, since their sums "
            "would need memory for all groups."
        )
    # The first note says how many pairs the sample has, and in how many groups.
    notes += of_sample.notes if of_sample.grouped is not None else of_sample.notes[1:]
    return notes


def _with_exact_values(
    table: pd.DataFrame, sums: PairSums, k: int, in_groups: bool
) -> pd.DataFrame:
    """Put exact values over all pairs into the table of a sample of k, with narrowed intervals."""
    n = sums.n
    exact = exact_measures(sums) | {"n_pairs": n}
    if in_groups:
        exact = {name: value for name, value in exact.items() if name not in OF_DIFFERENT_GROUPS}
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
    result = pd.DataFrame(rows, columns=[*table.columns, "pairs"])
    if "n_effective" in table.attrs:
        result.attrs["n_effective"] = table.attrs["n_effective"] * n / k
    return result
