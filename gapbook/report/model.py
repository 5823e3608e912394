"""Everything that a report on one model says, before it is written as a page, data or text."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from gapbook import __version__
from gapbook.exceptions import PairsError
from gapbook.geometry import modality_gap
from gapbook.geometry.table import SAMPLE_SIZE, Measured
from gapbook.landscape.loss import loss_landscape
from gapbook.pairs import PairedEmbeddings
from gapbook.precomputed.references import references
from gapbook.report.explain import explain
from gapbook.report.findings import (
    CARRIES_SCORES,
    carries_scores,
    first_lines,
    is_at_chance,
    share_of_other_modality,
    zero_of_scores,
)
from gapbook.report.recommend import (
    MIN_PAIRS,
    SPLITS,
    compare_mitigations,
    default_splits,
    draw_pairs,
    judge_candidates,
    judge_mitigations,
)
from gapbook.report.tables import format_value
from gapbook.report.thresholds import Cuts, measure_cuts

# The temperature of the published CLIP models, whose logit scale is clamped at 100.
CLIP_TAU = 0.01
# An odd number, so that one of the shifts is none at all.
N_SHIFTS = 41
# How far the landscape reaches to either side: beyond one gap the modalities pass each other.
MAX_SHIFT_IN_GAPS = 1.5
# Random orders of the rows: enough to know the standard deviation over them to about a third.
ORDERS = 5


@dataclass(frozen=True, eq=False)
class ModelReport:
    """A report on one model.

    Parameters
    ----------
    name : str
        What the model is called.
    measured : Measured
        The table of all measures; the pairs that the figures, the landscape and the
        recommendations rest on, which are a sample where there are many; the cosines of partners
        of all pairs.
    tau : float
        The temperature of the landscape.
    landscape : DataFrame or None
        The ``mean_landscape`` of the pairs, None where they have no gap.
    recommendations : DataFrame or None
        The table of ``recommend_mitigations``, None for too few pairs.
    notes : list of str
        Sentences on what the numbers rest on.
    seed : int
        The seed of samples, intervals, orders and halvings.
    splits : int
        How many halvings of the pairs the recommendations rest on.
    candidates : DataFrame or None
        The table of ``judge_candidates``: every candidate for every use.
    share_of_other : float or None
        The share of the other modality among the 10 nearest rows in one index of both.
    cuts : Cuts or None
        What cosines of partners and of unrelated pairs say about cuts.
    input_text : str
        What commands call the input.
    """

    name: str
    measured: Measured
    tau: float
    landscape: pd.DataFrame | None
    recommendations: pd.DataFrame | None
    notes: list[str] = field(default_factory=list)
    seed: int = 0
    splits: int = SPLITS
    candidates: pd.DataFrame | None = None
    share_of_other: float | None = None
    cuts: Cuts | None = None
    input_text: str = "INPUT"

    @property
    def is_at_chance(self) -> bool:
        """Whether recall cannot be told from chance, so that nothing else means anything."""
        return is_at_chance(self.table)

    @property
    def carries_scores(self) -> bool:
        """Whether the vectors seem to carry a correction of scores, which cosines undo."""
        return _carries_scores(self.measured)

    @property
    def first_lines(self) -> list[str]:
        """What to read first, a sentence each; the same in every format."""
        lines = first_lines(
            self.table,
            self.measured.pairs.modalities,
            self.share_of_other,
            self.recommendations,
            self.cuts,
            self.candidates,
            input_text=None if self.carries_scores else self.input_text,
        )
        return [CARRIES_SCORES, *lines] if self.carries_scores else lines

    @property
    def table(self) -> pd.DataFrame:
        """The table of all measures, as ``gap_report`` gives it."""
        return self.measured.table

    @property
    def explained(self) -> pd.DataFrame:
        """Label, meaning and advice of each measure."""
        return explain(self.table, self.measured.pairs.modalities)

    def value(self, metric: str, column: str = "value") -> float:
        """Return one number of the table.

        Parameters
        ----------
        metric : str
            The measure.
        column : str
            "value", or an end of the interval: "low" or "high".

        Returns
        -------
        float
            The number, NaN where there is no interval.
        """
        return float(self.table.set_index("metric")[column][metric])

    def with_references(self) -> pd.DataFrame:
        """Put this model beside the book's reference models.

        Returns
        -------
        DataFrame
            A row for each measure, a column for each model, this one first.
        """
        known = references().pivot_table(
            index="metric", columns="source", values="value", sort=False
        )
        own = self.table.set_index("metric")["value"].rename(self.name)
        return pd.concat([own, known.reindex(own.index)], axis=1)

    def to_json(self) -> str:
        """Write the report as JSON.

        Returns
        -------
        str
            All tables as lists of rows, with the words of ``explain`` in each row of metrics. What
            is not a number is null. Under ``skipped`` the shards that were left out, and why.
        """
        metrics = self.table.merge(self.explained, on="metric", how="left")
        known = self.with_references().drop(columns=self.name)
        content: dict[str, Any] = {
            "name": self.name,
            "gapbook": __version__,
            "modalities": list(self.measured.pairs.modalities),
            "source": self.measured.pairs.source,
            "seed": self.seed,
            "groups": self.measured.n_groups,
            "first_lines": self.first_lines,
            "at_chance": self.is_at_chance,
            "carries_scores": self.carries_scores,
            "share_of_other_in_top_10": self.share_of_other,
            "zero_of_scores": _or_none(zero_of_scores(self.table)),
            "notes": self.notes,
            # Of a folder of shards: all that were left out, of which a note names the first.
            "skipped": dict(getattr(self.measured, "skipped", {})),
            "metrics": _records(metrics),
            **_cuts_as_json(self.cuts),
            "references": {str(source): _plain(known[source].to_dict()) for source in known},
            "temperature": self.tau,
            "recommendations": _records(self.recommendations),
            "candidates": _records(self.candidates),
            "landscape": _records(self.landscape),
        }
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


@threadpool_limits.wrap(limits=1)
def report_on(  # noqa: PLR0913 (all but two are rarely given)
    measured: Measured,
    name: str,
    tau: float = CLIP_TAU,
    seed: int = 0,
    splits: int | None = None,
    on_stage: Callable[[str], object] = lambda stage: None,
    only_measures: bool = False,
    input_text: str = "INPUT",
) -> ModelReport:
    """Report on a model whose embeddings are measured.

    Parameters
    ----------
    measured : Measured
        What ``measure`` or ``measure_shards`` found.
    name : str
        What the model is called.
    tau : float
        The temperature of the loss landscape, best that of the model.
    seed : int
        The seed of the orders of the rows and of the halvings.
    splits : int, optional
        How often the pairs are halved to compare mitigations, by default ``default_splits``.
    on_stage : callable
        It is called with the name of each stage of the work, for example to update a progress bar.
    only_measures : bool
        Whether to leave out the landscape and the comparison of mitigations.
    input_text : str
        What commands call the input: arguments of a shell, quoted.

    Returns
    -------
    ModelReport
        The report. Where the pairs have no gap there is no landscape, and where they are too few,
        recall is at chance or they carry a correction of scores there are no recommendations; a
        note says so.

    Notes
    -----
    The landscape is a mean over random orders of the rows, from 1.5 gaps wider to 1.5 gaps
    narrower.
    """
    notes = list(measured.notes)
    # Of groups, any number of captions is right; all else compares pairs one by one.
    searched = measured.pairs if measured.grouped is None else measured.grouped
    if measured.grouped is None and len(measured.pairs) < _n_pairs(measured):
        notes.append(f"Figures and landscape rest on the same {len(measured.pairs):,} pairs.")
    if splits is None:
        splits = default_splits(len(measured.pairs))
    share_of_other = share_of_other_modality(searched, seed)
    compared = draw_pairs(measured.pairs, SAMPLE_SIZE, seed)
    cuts = measure_cuts(compared.x, compared.y, seed=seed)
    if cuts.n_pairs < _n_pairs(measured):
        notes.append(f"Cuts rest on {cuts.n_pairs:,} of the pairs.")
    if only_measures:
        return ModelReport(
            name,
            measured,
            tau,
            None,
            None,
            notes,
            seed,
            splits,
            share_of_other=share_of_other,
            cuts=cuts,
            input_text=input_text,
        )
    on_stage("landscape")
    landscape = None
    try:
        landscape = _landscape_within_reach(measured.pairs, tau, seed)
        notes.append(_note_on_spread(landscape))
    except PairsError as error:
        notes.append(f"No loss landscape: {error}.")
    on_stage("mitigations")
    recommendations = None
    tried = None
    if _carries_scores(measured):
        notes.append("No comparison of mitigations: cosines undo a correction of scores.")
    elif len(measured.pairs) >= MIN_PAIRS and is_at_chance(measured.table):
        notes.append("No comparison of mitigations: recall is at chance.")
    else:
        try:
            evaluated = compare_mitigations(searched, splits, seed)
            recommendations = judge_mitigations(evaluated)
            tried = judge_candidates(evaluated, input_text)
        except PairsError as error:
            notes.append(f"No comparison of mitigations: {error}.")
    return ModelReport(
        name,
        measured,
        tau,
        landscape,
        recommendations,
        notes,
        seed,
        splits,
        candidates=tried,
        share_of_other=share_of_other,
        cuts=cuts,
        input_text=input_text,
    )


def mean_landscape(
    pairs: PairedEmbeddings,
    deltas: Sequence[float],
    tau: float,
    seed: int = 0,
    orders: int = ORDERS,
) -> pd.DataFrame:
    """Compute the loss after each shift, as a mean over random orders of the pairs.

    Parameters
    ----------
    pairs : PairedEmbeddings
        The pairs.
    deltas : sequence of float
        The shifts along the gap; positive ones close it.
    tau : float
        The temperature.
    seed : int
        The seed of the orders.
    orders : int
        How many orders there are, at least 2.

    Returns
    -------
    DataFrame
        The columns delta, tau, distance, loss and loss_std: the symmetric loss in nats, and its
        standard deviation over the orders.

    Raises
    ------
    PairsError
        For fewer than two orders, and as ``loss_landscape`` does: for pairs without a gap, for
        example.

    Notes
    -----
    ``loss_landscape`` takes batches of 50 rows as they come, and a file that is sorted by subject
    puts look-alikes in a batch.

    Examples
    --------
    >>> pairs = PairedEmbeddings([[1, 1], [1, -1]], [[-1, 1], [-1, -1]])
    >>> mean_landscape(pairs, [0], 1.0)[["loss", "loss_std"]].round(4).to_numpy().tolist()
    [[0.3133, 0.0]]
    """
    if isinstance(orders, bool) or not isinstance(orders, int | np.integer) or orders < 2:
        raise PairsError(f"Expected orders as an integer of at least 2; got {orders!r}")
    rng = np.random.default_rng(seed)
    curves = []
    for _ in range(orders):
        mixed = pairs.subset(rng.permutation(len(pairs)))
        curves.append(loss_landscape(mixed.x, mixed.y, deltas, [tau]))
    losses = np.stack([curve["loss"] for curve in curves])
    return curves[0].assign(loss=losses.mean(0), loss_std=losses.std(0, ddof=1))


def _carries_scores(measured: Measured) -> bool:
    return measured.carries_scores or carries_scores(measured.pairs.x, measured.pairs.y)


def _n_pairs(measured: Measured) -> float:
    """Return how many pairs there were before any were drawn."""
    return measured.table.set_index("metric")["value"]["n_pairs"]


def _landscape_within_reach(pairs: PairedEmbeddings, tau: float, seed: int) -> pd.DataFrame:
    """Return the landscape from 1.5 gaps wider to 1.5 gaps narrower."""
    reach = MAX_SHIFT_IN_GAPS * modality_gap(pairs.x, pairs.y)
    deltas = np.linspace(-reach, reach, N_SHIFTS).tolist()
    return mean_landscape(pairs, deltas, tau, seed)


def _note_on_spread(landscape: pd.DataFrame) -> str:
    """Say how much the loss at the present gap depends on the order of the rows."""
    spread = format_value(landscape["loss_std"].iloc[N_SHIFTS // 2])
    return (
        f"Landscape: the mean over {ORDERS} random orders of the rows, in batches of 50; over them "
        f"the loss at the present gap has a standard deviation of {spread} nats."
    )


def _cuts_as_json(cuts: Cuts | None) -> dict[str, Any]:
    """Return the cuts, whether the answer is there, and the calibration; empty without cuts."""
    if cuts is None:
        return {"thresholds": [], "answer_present": [], "calibration": None}
    calibration = None if cuts.calibration is None else _plain(asdict(cuts.calibration))
    return {
        "thresholds": _records(cuts.table),
        "answer_present": _records(cuts.answer_present),
        "calibration": calibration,
    }


def _records(table: pd.DataFrame | None) -> list[dict[str, Any]]:
    """Return the rows of a table as JSON knows them."""
    if table is None:
        return []
    return [_plain(row) for row in table.to_dict("records")]


def _plain(row: dict[Any, Any]) -> dict[str, Any]:
    """Return a row whose numbers JSON knows: NaN becomes None."""
    return {str(key): None if _is_not_finite(value) else value for key, value in row.items()}


def _or_none(value: float) -> float | None:
    return None if _is_not_finite(value) else value


def _is_not_finite(value: object) -> bool:
    return isinstance(value, float) and not np.isfinite(value)
