"""Everything that a report on one model says, before it is written as a page, as data or as text."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from gapbook import __version__
from gapbook.exceptions import PairsError
from gapbook.geometry import gap_report, modality_gap
from gapbook.geometry.cosines import PARTNER_COSINE_BINS as BINS
from gapbook.landscape.loss import loss_landscape
from gapbook.pairs import PairedEmbeddings
from gapbook.precomputed.references import references
from gapbook.report.explain import explain
from gapbook.report.recommend import payoff
from gapbook.report.tables import number

DRAWN = 5000  # pairs in figures and in the landscape
STEPS = 41  # shifts in the landscape
ORDERS = 5  # of the rows that it is a mean over
FEW = 30  # pairs
REACH = 1.5  # gaps that it reaches to either side


@dataclass(frozen=True, eq=False)
class ModelReport:
    """A report: name, table (``gap_report``), landscape at one temperature, what mitigations pay, pairs, and notes.

    ``paired`` counts the cosines of partners, of all pairs, in equal bins over [-1, 1].
    """

    name: str
    table: pd.DataFrame
    landscape: pd.DataFrame | None
    temperature: float
    payoff: pd.DataFrame | None
    pairs: PairedEmbeddings
    paired: np.ndarray
    notes: list[str] = field(default_factory=list)
    seed: int = 0

    @property
    def explained(self) -> pd.DataFrame:
        """Label, meaning and advice of each measure."""
        return explain(self.table, self.pairs.modalities)

    def value(self, metric: str) -> float:
        """Return one value of the table."""
        return float(self.table.set_index("metric")["value"][metric])

    def beside(self) -> pd.DataFrame:
        """Return this model and the book's reference models: a row a measure, a column a source."""
        table = references().pivot_table(
            index="metric", columns="source", values="value", sort=False
        )
        own = self.table.set_index("metric")["value"].rename(self.name)
        return pd.concat([own, table.reindex(own.index)], axis=1)

    def to_json(self) -> str:
        """Return the report as JSON; what is not a number is null."""
        rows = self.table.merge(self.explained, on="metric", how="left")
        beside = self.beside().drop(columns=self.name)
        content: dict[str, Any] = {
            "name": self.name,
            "gapbook": __version__,
            "modalities": list(self.pairs.modalities),
            "source": self.pairs.source,
            "seed": self.seed,
            "notes": self.notes,
            "metrics": _records(rows),
            "references": {str(source): _plain(beside[source].to_dict()) for source in beside},
            "temperature": self.temperature,
            "payoff": [] if self.payoff is None else _records(self.payoff),
            "landscape": [] if self.landscape is None else _records(self.landscape),
        }
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def report_on(
    pairs: PairedEmbeddings,
    name: str,
    temperature: float = 0.01,
    seed: int = 0,
    table: pd.DataFrame | None = None,
    paired: np.ndarray | None = None,
    notes: Sequence[str] = (),
    tell: Callable[[str], object] = str,
) -> ModelReport:
    """Measure pairs and return the report; ``table``, ``paired`` and ``notes`` are given for a sample of more pairs.

    The landscape is that of ``landscape_of``, a mean over random orders of the rows, from 1.5 gaps wider to 1.5 gaps
    narrower; without a gap there is none, and a note says so. Figures and landscape rest on 5,000 pairs, drawn by
    ``seed``, where there are more. A note counts distinct rows where some are there more than once, as an image with
    several captions is. ``tell`` hears of each stage of the work. Raises ``PairsError``.
    """
    tell("measures")
    said, n = list(notes), len(pairs)
    if table is None:
        table = gap_report(pairs, seed)
        said.append(f"{n:,} pairs.")
    if n < FEW:
        said.append(f"With fewer than {FEW} pairs the intervals mean little.")
    said += _copies(pairs)
    if paired is None:
        paired, _ = np.histogram((pairs.x * pairs.y).sum(1).clip(-1, 1), BINS, (-1, 1))
    tell("landscape")
    if n > DRAWN:
        pairs = pairs.subset(np.sort(np.random.default_rng(seed).choice(n, DRAWN, replace=False)))
        said.append(
            f"Figures and landscape, recalls and all that compares pairs with pairs: {DRAWN:,} pairs of these."
        )
    landscape, gap = None, modality_gap(pairs.x, pairs.y)
    try:
        deltas = np.linspace(-REACH * gap, REACH * gap, STEPS).tolist()
        landscape = landscape_of(pairs, deltas, temperature, seed)
        spread = number(landscape["loss_std"].iloc[STEPS // 2])
        said.append(
            f"Landscape: the mean over {ORDERS} random orders of the rows, in batches of 50; over them the loss at the "
            f"present gap has a standard deviation of {spread} nats."
        )
    except PairsError as error:
        said.append(f"No loss landscape: {error}.")
    tell("mitigations")
    paying = None
    try:
        paying = payoff(pairs, seed=seed)
    except PairsError as error:
        said.append(f"No comparison of mitigations: {error}.")
    return ModelReport(name, table, landscape, temperature, paying, pairs, paired, said, seed)


def landscape_of(
    pairs: PairedEmbeddings,
    deltas: Sequence[float],
    temperature: float,
    seed: int = 0,
    orders: int = ORDERS,
) -> pd.DataFrame:
    """Return the symmetric loss after each shift: a DataFrame delta, tau, distance, loss, loss_std.

    ``loss_landscape`` takes batches of 50 rows as they come, and a file sorted by subject puts look-alikes in a batch:
    ``loss`` is the mean over random orders of the pairs, drawn by ``seed``, and ``loss_std`` the standard deviation
    over them, both in nats. Raises ``PairsError``.

    >>> pairs = PairedEmbeddings([[1, 1], [1, -1]], [[-1, 1], [-1, -1]])
    >>> landscape_of(pairs, [0], 1.0)[["loss", "loss_std"]].round(4).to_numpy().tolist()
    [[0.3133, 0.0]]
    """
    if isinstance(orders, bool) or not isinstance(orders, int | np.integer) or orders < 2:
        raise PairsError(f"Expected orders as an integer of at least 2; got {orders!r}")
    rng = np.random.default_rng(seed)
    mixed = (pairs.subset(rng.permutation(len(pairs))) for _ in range(orders))
    curves = [loss_landscape(part.x, part.y, deltas, [temperature]) for part in mixed]
    losses = np.stack([curve["loss"] for curve in curves])
    return curves[0].assign(loss=losses.mean(0), loss_std=losses.std(0, ddof=1))


def _copies(pairs: PairedEmbeddings) -> list[str]:
    """Return a note if a row of one side is there more than once, byte by byte."""
    counts = [len({hash(row.tobytes()) for row in side}) for side in (pairs.x, pairs.y)]
    if min(counts) == len(pairs):
        return []
    fewest = pairs.modalities[int(np.argmin(counts))]
    held = " and ".join(
        f"{count:,} distinct {name} rows"
        for count, name in zip(counts, pairs.modalities, strict=True)
    )
    return [
        f"{len(pairs):,} pairs hold {held}. Copies tie, and ties count against recall (half a place each: recall at 1 "
        "misses a partner that is there three times), and intervals take rows as independent. "
        f"Keep one pair for each {fewest}, as one caption an image."
    ]


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [_plain(row) for row in table.to_dict("records")]


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    """Return a row whose numbers JSON knows: NaN becomes None."""
    return {
        str(key): None if isinstance(value, float) and not np.isfinite(value) else value
        for key, value in row.items()
    }
