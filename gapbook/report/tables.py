"""Tables to paste into a paper, in Markdown and LaTeX."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

ESCAPES = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "^": r"\^{}", "~": r"\~{}", "–": "--"}
)


def number(value: float) -> str:
    """Write a value with three decimals, or more where it is small, and counts as they are.

    >>> number(0.7153), number(0.00042), number(1072.0), number(float("nan"))
    ('0.715', '0.00042', '1,072', '–')
    """
    if not np.isfinite(value):
        return "–"
    if value == round(value) and abs(value) >= 10:
        return f"{value:,.0f}"
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.01 else f"{value:.2g}"


def _cells(table: pd.DataFrame, labels: pd.DataFrame) -> list[list[str]]:
    known, rows = dict(zip(labels["metric"], labels["label"], strict=True)), []
    row: Any
    for row in table.itertuples():
        ends = f"[{number(row.low)}, {number(row.high)}]" if np.isfinite(row.low) else ""
        value = f"{row.value:,.0f}" if row.unit == "pairs" else number(row.value)
        rows.append(
            [known.get(row.metric, str(row.metric).replace("_", " ")), value, ends, row.unit]
        )
    return [["measure", "value", "95 % interval", "unit"], *rows]


def markdown_table(table: pd.DataFrame, labels: pd.DataFrame) -> str:
    """Return a ``gap_report`` as a Markdown table; ``labels`` are those of ``explain``.

    >>> report = pd.DataFrame([("mmd", 0.3, 0.2, 0.4, "")], columns=["metric", "value", "low", "high", "unit"])
    >>> print(markdown_table(report, pd.DataFrame({"metric": ["mmd"], "label": ["Squared MMD"]})).splitlines()[-1])
    | Squared MMD | 0.300 | [0.200, 0.400] |  |
    """
    head, *rows = ([cell.replace("|", "\\|") for cell in row] for row in _cells(table, labels))
    return (
        "\n".join(f"| {' | '.join(row)} |" for row in (head, [":--", "--:", ":-:", ":--"], *rows))
        + "\n"
    )


def latex_table(table: pd.DataFrame, labels: pd.DataFrame, caption: str) -> str:
    """Return a ``gap_report`` as a LaTeX table for the package booktabs; ``labels`` are those of ``explain``."""
    head, *rows = ([_latex(cell) for cell in row] for row in _cells(table, labels))
    body = "\n".join(f"    {_latex_row(row)}" for row in rows)
    return (
        "% needs \\usepackage{booktabs}\n\\begin{table}\n  \\centering\n"
        f"  \\caption{{{_latex(caption)}}}\n  \\begin{{tabular}}{{lrcl}}\n    \\toprule\n    {_latex_row(head)}\n"
        f"    \\midrule\n{body}\n    \\bottomrule\n  \\end{{tabular}}\n\\end{{table}}\n"
    )


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _latex(text: str) -> str:
    """Escape what LaTeX would take as a command."""
    return text.translate(ESCAPES)
