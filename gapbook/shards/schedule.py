"""The work on a folder of shards, as tasks of a Dask scheduler.

A worker holds one shard and a few partial results of fixed size, and partial results merge in a
fixed tree, so that every run gives the same bits.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

from gapbook.checks.memory import size_text
from gapbook.exceptions import PairsError
from gapbook.files import path_text
from gapbook.shards.cluster import lost_scheduler_named, wait_for
from gapbook.shards.files import shard_shape
from gapbook.shards.partial import PartialResult, ShardSettings, measure_shard, merge_results

if TYPE_CHECKING:
    from dask.delayed import Delayed
    from distributed import Client
    from tqdm import tqdm

# Partial results that merge at once: more would fill the memory of a worker.
MERGED_AT_ONCE = 4
# Headers that one task reads: a task for each would take longer than the header.
HEADERS_AT_ONCE = 64
# Of shards that were begun and not done when workers died, so many are tried alone.
MAX_SUSPECTS = 8
# Of a sample of rows of both sides, in each partial result.
SAMPLE_BYTES = 2**28
DEADLY = "workers died again and again on it: give them more memory, or cut it"


class Widths(NamedTuple):
    """How many shards, and how many rows, have each dimension."""

    shards: Counter[int]
    rows: Counter[int]


@dataclass
class Heard:
    """What the workers tell of the shards.

    Parameters
    ----------
    bar : tqdm
        The progress bar.
    begun : Counter
        How often each shard was begun, by number: again where a worker died.
    done : set of int
        The numbers of those that are done.
    """

    bar: "tqdm"
    begun: Counter[int] = field(default_factory=Counter)
    done: set[int] = field(default_factory=set)

    def hear(self, event: tuple[Any, tuple[str, int]]) -> None:
        """Note what a worker tells: at which time, and that a shard is begun or done."""
        what, number = event[1]
        if what == "begun":
            self.begun[number] += 1
            return
        # A set, since a shard that is read again counts once.
        self.done.add(number)
        self.bar.update(len(self.done) - self.bar.n)

    def suspects(self) -> list[int]:
        """Return the shards that were begun and not done, those begun most often first."""
        return [number for number, _ in self.begun.most_common() if number not in self.done]

    def start_again(self) -> None:
        """Forget everything."""
        self.begun.clear()
        self.done.clear()
        self.bar.reset()


@dataclass(frozen=True)
class Work:
    """The work on one folder.

    Parameters
    ----------
    client : distributed.Client
        The client of the scheduler that does it.
    folder : pathlib.Path
        The folder, as all workers see it.
    names : sequence of str
        All shards.
    settings : ShardSettings
        What each worker must know.
    patience : float or None
        After how many seconds without any worker to stop; None waits for ever.
    """

    client: "Client"
    folder: Path
    names: Sequence[str]
    settings: ShardSettings
    patience: float | None = None

    def run(self, progress: bool = False) -> PartialResult:
        """Measure all shards and merge what is kept of them.

        Parameters
        ----------
        progress : bool
            Whether to show a progress bar.

        Returns
        -------
        PartialResult
            What is kept of the folder.

        Raises
        ------
        PairsError
            If a shard is bad, or ends every worker that measures it, unless such shards are left
            out; if the scheduler or all of its workers are lost.
        """
        from distributed.scheduler import KilledWorker

        try:
            with lost_scheduler_named(), self._heard(progress) as heard:
                width, n = self._wait_for(self._width_task())
                require_room_for_sample(self.settings.sample, n, width)
                return self._measured(width, heard)
        except KilledWorker:
            raise PairsError(
                "workers died again and again: give them more memory, or cut the shards"
            ) from None

    def _measured(self, width: int | None, heard: Heard) -> PartialResult:
        """Measure all shards, but those that end every worker where bad ones are left out."""
        from distributed.scheduler import KilledWorker

        deadly: dict[str, str] = {}
        while len(deadly) < len(self.names):
            numbers = [number for number, name in enumerate(self.names) if name not in deadly]
            try:
                result = self._wait_for(self._tree(numbers, width))
                return replace(result, skipped=result.skipped | deadly)
            except KilledWorker as error:
                name = self._deadly(error.task, width, heard)
                if name is None:
                    raise
                if not self.settings.skip_bad:
                    raise PairsError(f"shard {path_text(name)}: {DEADLY}") from None
                deadly[name] = DEADLY
                heard.start_again()
        return PartialResult(0, deadly)

    def _deadly(self, key: object, width: int | None, heard: Heard) -> str | None:
        """Return the shard that ends workers when it is measured alone.

        A scheduler also blames tasks that wait on a worker while it dies, one of them by ``key``.
        """
        from distributed.scheduler import KilledWorker

        suspects = heard.suspects()
        kind, *_, number = str(key).split("-")
        if kind == "shard":
            suspects.append(int(number))
        # A worker that dies at once has not told what it began.
        suspects += [place for place in range(len(self.names)) if place not in heard.done]
        for suspect in list(dict.fromkeys(suspects))[:MAX_SUSPECTS]:
            try:
                self._wait_for(self._tree([suspect], width))
            except KilledWorker:
                return self.names[suspect]
            except PairsError:
                # It is bad, and ends no worker.
                continue
        return None

    def _wait_for(self, task: "Delayed") -> Any:
        return wait_for(self.client, self.client.compute(task), self.patience)

    @contextmanager
    def _heard(self, progress: bool) -> Iterator[Heard]:
        """Listen to the workers, and show how many shards are done."""
        from tqdm import tqdm

        with tqdm(
            total=len(self.names), desc="shards", unit="shard", disable=not progress, leave=False
        ) as bar:
            heard = Heard(bar)
            self.client.subscribe_topic(self.settings.topic, heard.hear)
            try:
                yield heard
            finally:
                # A client whose scheduler is lost cannot.
                with suppress(Exception):
                    self.client.unsubscribe_topic(self.settings.topic)

    def _width_task(self) -> "Delayed":
        """Return the task of finding the dimension that all shards must have, and their rows."""
        from dask import delayed

        counts = []
        for start in range(0, len(self.names), HEADERS_AT_ONCE):
            names = self.names[start : start + HEADERS_AT_ONCE]
            counts.append(delayed(count_widths)(self.folder, names, self.settings.columns))
        return delayed(most_frequent)(counts)

    def _tree(self, numbers: Sequence[int], width: int | None) -> "Delayed":
        """Return the task of measuring and merging these shards."""
        from dask import delayed

        # Keys of tasks, so that no result of another run is taken for one of this run.
        run = uuid4().hex
        level = []
        for number in numbers:
            task = delayed(measure_shard)
            key = f"shard-{run}-{number}"
            name = self.names[number]
            shard = task(self.folder, name, number, width, self.settings, dask_key_name=key)
            level.append(shard)
        while len(level) > 1:
            starts = range(0, len(level), MERGED_AT_ONCE)
            groups = [level[start : start + MERGED_AT_ONCE] for start in starts]
            level = [delayed(merge_results)(group, self.settings.sample) for group in groups]
        return level[0]


def count_widths(folder: Path, names: Sequence[str], columns: Sequence[str]) -> Widths:
    """Return how many shards and rows have each dimension, by their headers.

    Shards without rows have no say.
    """
    widths = Widths(Counter(), Counter())
    for name in names:
        n, d = shard_shape(folder / name, columns) or (0, 0)
        if n and d:
            widths.shards[d] += 1
            widths.rows[d] += n
    return widths


def most_frequent(found: Sequence[Widths]) -> tuple[int | None, int]:
    """Return the most frequent dimension, of several as frequent the first, and its rows.

    Examples
    --------
    >>> most_frequent([Widths(Counter([8, 9]), Counter({8: 50, 9: 70}))])
    (8, 50)
    >>> most_frequent([Widths(Counter(), Counter())])
    (None, 0)
    """
    shards: Counter[int] = Counter()
    rows: Counter[int] = Counter()
    for widths in found:
        shards.update(widths.shards)
        rows.update(widths.rows)
    width = max(shards, key=shards.__getitem__, default=None)
    return width, 0 if width is None else rows[width]


def require_room_for_sample(sample: int, n: int, width: int | None) -> None:
    """Raise ``PairsError`` if the sample is too large for workers, each of which holds some."""
    if width is None:
        return
    needed = 2 * 4 * width * min(sample, n)
    if needed > SAMPLE_BYTES:
        fits = max(2, SAMPLE_BYTES // (2 * 4 * width))
        raise PairsError(
            f"a sample of {min(sample, n):,} pairs in {width:,} dimensions takes "
            f"{size_text(needed)}, and each worker holds several; the limit is "
            f"{size_text(SAMPLE_BYTES)}: ask for a smaller one (sample=, in the shell --sample), "
            f"such as {fits}"
        )
