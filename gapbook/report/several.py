"""A report on three or more modalities of the same items, as data and as text."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from threadpoolctl import threadpool_limits

from gapbook import __version__
from gapbook.geometry.several import several_report
from gapbook.geometry.table import MIN_PAIRS_FOR_INTERVALS
from gapbook.report.conditions import Condition, held_conditions
from gapbook.report.explain import explain, label_of
from gapbook.report.findings import is_at_chance
from gapbook.report.tables import escape_markdown, format_value, markdown_table

# Labels of what is measured over all modalities, not in one pair.
TOGETHER = {
    "variance_between": "Share of the variance between modalities",
    "own_share": "Own modality among the nearest rows in one index of all",
    "share_of_results": "{y} among the nearest rows of {x} in one index of all",
}


@dataclass(frozen=True, eq=False)
class SeveralReport:
    """A report on two or more modalities of the same items.

    Parameters
    ----------
    name : str
        What the model is called.
    modalities : tuple of str
        The names of the modalities.
    table : pandas.DataFrame
        The table of ``several_report``.
    source : str
        Where the embeddings come from.
    seed : int
        The seed of samples and intervals.
    """

    name: str
    modalities: tuple[str, ...]
    table: pd.DataFrame
    source: str = ""
    seed: int = 0

    @property
    def pair_tables(self) -> dict[tuple[str, str], pd.DataFrame]:
        """The table of each pair of modalities, as ``gap_report`` gives it."""
        of_pairs = self.table[~self.table["metric"].isin(list(TOGETHER))]
        tables = {}
        for x, y in combinations(self.modalities, 2):
            of_pair = of_pairs[(of_pairs["x"] == x) & (of_pairs["y"] == y)]
            tables[x, y] = of_pair.drop(columns=["x", "y"]).reset_index(drop=True)
        return tables

    @property
    def together(self) -> pd.DataFrame:
        """The rows of all modalities together, with a column ``label``."""
        rows = self.table[self.table["metric"].isin(list(TOGETHER))]
        labels = [
            TOGETHER[metric].format(x=x, y=y)
            for x, y, metric in rows[["x", "y", "metric"]].itertuples(index=False)
        ]
        return rows.assign(label=labels)

    @property
    def first_lines(self) -> list[str]:
        """What to read first, a sentence each; the same in every format."""
        lines = [_line_of_pair(x, y, table) for (x, y), table in self.pair_tables.items()]
        together = self.together
        between = together.loc[together["metric"] == "variance_between", ["value", "low", "high"]]
        value, low, high = map(format_value, between.to_numpy(dtype=float)[0])
        lines.append(
            "Share of the variance of all rows that lies between the modalities: "
            f"{value} ({low} to {high})."
        )
        shares = together[together["metric"] == "share_of_results"]
        of_pair = shares.set_index(["x", "y"])["value"]
        for x in self.modalities:
            parts = [f"{100 * of_pair[x, y]:.0f} % {y}" for y in self.modalities]
            lines.append(f"One index of all modalities returns for {x}: {', '.join(parts)}.")
        even = 100 / len(self.modalities)
        lines.append(f"Where modalities mix, each is about {even:.0f} % of what it returns.")
        return lines

    @property
    def notes(self) -> list[str]:
        """Sentences on what the numbers rest on."""
        values = self.table.drop_duplicates("metric").set_index("metric")["value"]
        n = int(values["n_pairs"])
        drawn = int(values["n_sampled"])
        notes = [f"{n:,} items in {len(self.modalities)} modalities."]
        if n < MIN_PAIRS_FOR_INTERVALS:
            notes.append(
                f"With fewer than {MIN_PAIRS_FOR_INTERVALS} items the intervals mean little."
            )
        if drawn < n:
            notes.append(f"Recalls and all that compares rows with rows: {drawn:,} items of these.")
        return notes

    def held(self, conditions: Sequence[Condition]) -> list[str]:
        """Name the conditions on measures of pairs that hold, for each pair by itself.

        Parameters
        ----------
        conditions : sequence of Condition
            The conditions.

        Returns
        -------
        list of str
            A phrase for each pair and condition that holds.
        """
        phrases = []
        for (x, y), table in self.pair_tables.items():
            held = held_conditions(list(conditions), table)
            phrases += [f"{x} and {y}: {phrase}" for phrase in held]
        return phrases

    def to_json(self) -> str:
        """Write the report as JSON.

        Returns
        -------
        str
            The first lines, the notes and, under ``metrics``, the rows of the table, each with a
            label. What is not a number is null.
        """
        rows = []
        for (x, y), table in self.pair_tables.items():
            explained = explain(table, (x, y))
            labels = [label_of(metric, explained) for metric in table["metric"]]
            rows.append(table.assign(x=x, y=y, label=labels))
        metrics = pd.concat([*rows, self.together], ignore_index=True)
        metrics = metrics[["x", "y", "metric", "label", "value", "low", "high", "unit"]]
        content = {
            "name": self.name,
            "gapbook": __version__,
            "modalities": list(self.modalities),
            "source": self.source,
            "seed": self.seed,
            "first_lines": self.first_lines,
            "notes": self.notes,
            "metrics": metrics.astype(object).replace({np.nan: None}).to_dict("records"),
        }
        return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def to_markdown(self) -> str:
        """Write the report in Markdown.

        Returns
        -------
        str
            A list of the first lines, a table for each pair of modalities, and one for all of them.
        """
        parts = ["".join(f"* {escape_markdown(line)}\n" for line in self.first_lines)]
        for (x, y), table in self.pair_tables.items():
            parts.append(f"## {escape_markdown(f'{x} and {y}')}\n")
            parts.append(markdown_table(table, explain(table, (x, y))))
        parts.append("## All modalities\n")
        together = self.together
        # Labels name both modalities, which the measure alone does not.
        together = together.assign(metric=together["label"])
        parts.append(markdown_table(together, together))
        return "\n".join(parts)


@threadpool_limits.wrap(limits=1)
def report_on_several(
    sides: Mapping[str, ArrayLike], name: str, source: str = "", seed: int = 0
) -> SeveralReport:
    """Measure two or more modalities of the same items, and report on them.

    Parameters
    ----------
    sides : mapping of str to array (n, d)
        The embeddings of each modality by its name: row i of each is item i.
    name : str
        What the model is called.
    source : str
        Where the embeddings come from.
    seed : int
        The seed of samples and intervals.

    Returns
    -------
    SeveralReport
        The report.

    Raises
    ------
    PairsError
        As ``several_report`` does.

    Examples
    --------
    >>> rows = np.random.default_rng(0).standard_normal((40, 6))
    >>> report = report_on_several({"image": rows + 2, "text": rows - 2, "sound": rows - 2}, "mine")
    >>> print(report.first_lines[2])
    text and sound: gap 0.000; recall at 1 is 1.000 from text to sound and 1.000 back, ...
    """
    return SeveralReport(name, tuple(sides), several_report(sides, seed), source, seed)


def _line_of_pair(x: str, y: str, table: pd.DataFrame) -> str:
    """Say how far two modalities lie apart, and how well each finds the other."""
    values = table.set_index("metric")["value"]
    shown = {str(metric): format_value(value) for metric, value in values.items()}
    chance = ", which is no more than chance" if is_at_chance(table) else ""
    return (
        f"{x} and {y}: gap {shown['modality_gap']}; recall at 1 is {shown['r1_image_to_text']} "
        f"from {x} to {y} and {shown['r1_text_to_image']} back, at 10 "
        f"{shown['r10_image_to_text']} and {shown['r10_text_to_image']}{chance}."
    )
