"""Tables to paste into a paper, in Markdown and LaTeX."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from gapbook.exceptions import one_line
from gapbook.report.explain import label_of
from gapbook.report.thresholds import Cuts

# What LaTeX would take as a command, and what it is written as.
LATEX_ESCAPES: dict[str, str | int | None] = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "^": r"\^{}",
    "~": r"\~{}",
    "–": "--",
}
# What Markdown would take as HTML, a link, code, emphasis or the end of a cell.
MARKDOWN_ESCAPES: dict[str, str | int | None] = {
    "&": "&amp;",
    "<": "&lt;",
    ">": "&gt;",
    "\\": "\\\\",
    "|": "\\|",
    "[": "\\[",
    "]": "\\]",
    "`": "\\`",
    "*": "\\*",
}


def format_value(value: float) -> str:
    """Write a value with three decimals, or more where it is small, and counts as they are.

    Parameters
    ----------
    value : float
        Any value of a report.

    Returns
    -------
    str
        The value in print, an en dash for what is not a finite number.

    Examples
    --------
    >>> format_value(0.7153), format_value(0.00042), format_value(1072.0), format_value(np.nan)
    ('0.715', '0.00042', '1,072', '–')
    """
    if not np.isfinite(value):
        return "–"
    if value == round(value) and abs(value) >= 10:
        return f"{value:,.0f}"
    if value == 0 or abs(value) >= 0.01:
        return f"{value:.3f}"
    return f"{value:.2g}"


def format_measure(value: float, unit: str) -> str:
    """Write the value of a measure: whole numbers of pairs and dimensions without decimals.

    All else is written by ``format_value``.

    Parameters
    ----------
    value : float
        The value.
    unit : str
        Its unit, as in the table of a report.

    Returns
    -------
    str
        The value in print, without its unit.

    Examples
    --------
    >>> format_measure(8.0, "pairs"), format_measure(8.0, "dimensions")
    ('8', '8')
    """
    if unit == "pairs" or (unit == "dimensions" and float(value).is_integer()):
        return f"{value:,.0f}"
    return format_value(value)


def markdown_table(table: pd.DataFrame, labels: pd.DataFrame) -> str:
    """Write the table of a report in Markdown.

    Parameters
    ----------
    table : DataFrame
        The columns metric, value, low, high and unit of a ``gap_report``.
    labels : DataFrame
        The columns metric and label, as ``explain`` gives them.

    Returns
    -------
    str
        A pipe table. In names, what Markdown would take as HTML or as a mark is escaped.

    Examples
    --------
    >>> columns = ["metric", "value", "low", "high", "unit"]
    >>> table = pd.DataFrame([("mmd", 0.3, 0.2, 0.4, "")], columns=columns)
    >>> labels = pd.DataFrame({"metric": ["mmd"], "label": ["Squared MMD"]})
    >>> print(markdown_table(table, labels).splitlines()[-1])
    | Squared MMD |   0.300 | [0.200, 0.400]  |        |
    """
    cells = _printed(table, labels)
    for column in ("measure", "unit"):
        cells[column] = cells[column].map(escape_markdown)
    alignment = ("left", "right", "center", "left")
    # Cells are text: they must not be read as numbers again, which would drop zeros at their end.
    return cells.to_markdown(index=False, colalign=alignment, disable_numparse=True) + "\n"


def latex_table(table: pd.DataFrame, labels: pd.DataFrame, caption: str) -> str:
    """Write the table of a report in LaTeX, for the package booktabs.

    Parameters
    ----------
    table : DataFrame
        The columns metric, value, low, high and unit of a ``gap_report``.
    labels : DataFrame
        The columns metric and label, as ``explain`` gives them.
    caption : str
        The caption, in plain text.

    Returns
    -------
    str
        A table environment. What LaTeX would take as a command is escaped, in the caption too.
    """
    # The escapes of pandas leave out the caption and the heading.
    cells = _printed(table, labels).map(_escape_latex).rename(columns=_escape_latex)
    latex = cells.style.hide(axis="index").to_latex(
        column_format="lrcl",
        position_float="centering",
        hrules=True,
        caption=_escape_latex(caption),
    )
    return f"% needs \\usepackage{{booktabs}}\n{latex}"


def markdown_report(
    lines: Sequence[str],
    table: pd.DataFrame,
    labels: pd.DataFrame,
    candidates: pd.DataFrame | None = None,
    cuts: Cuts | None = None,
) -> str:
    """Write the first lines of a report, its cuts, measures and candidates in Markdown.

    Parameters
    ----------
    lines : sequence of str
        The first lines, in plain text.
    table, labels : DataFrame
        As in ``markdown_table``.
    candidates : DataFrame, optional
        The table of ``gapbook.report.recommend.judge_candidates``.
    cuts : Cuts, optional
        What ``gapbook.report.thresholds.measure_cuts`` returns.

    Returns
    -------
    str
        A list, and one to three pipe tables, that of cuts with the calibration below it.
    """
    parts = ["".join(f"* {escape_markdown(line)}\n" for line in lines)]
    parts.append(markdown_table(table, labels))
    if cuts is not None:
        cells = printed_cuts(cuts.table)
        parts.append(plain_markdown(cells, ("right",) * cells.shape[1]))
        if cuts.calibration is not None:
            parts.append(escape_markdown(cuts.calibration.in_words()) + "\n")
    if candidates is not None:
        parts.append(plain_markdown(printed_candidates(candidates)))
    return "\n".join(parts)


def plain_markdown(cells: pd.DataFrame, alignment: Sequence[str] | None = None) -> str:
    r"""Write a table of text in Markdown.

    Parameters
    ----------
    cells : DataFrame
        The cells, all text, in which what Markdown would take as HTML or as a mark is escaped.
    alignment : sequence of {"left", "right", "center"}, optional
        That of each column, by default left.

    Returns
    -------
    str
        A pipe table.

    Examples
    --------
    >>> print(plain_markdown(pd.DataFrame({"name": ["a|b"], "value": ["0.50"]})).splitlines()[-1])
    | a\|b   | 0.50    |
    """
    # Cells are text: they must not be read as numbers again, which would drop zeros at their end.
    escaped = cells.map(escape_markdown)
    return escaped.to_markdown(index=False, colalign=alignment, disable_numparse=True) + "\n"


def latex_report(
    lines: Sequence[str],
    table: pd.DataFrame,
    labels: pd.DataFrame,
    caption: str,
    candidates: pd.DataFrame | None = None,
    cuts: Cuts | None = None,
) -> str:
    """Write the first lines of a report, its measures, cuts and candidates in LaTeX.

    Parameters
    ----------
    lines : sequence of str
        The first lines, in plain text.
    table, labels, caption
        As in ``latex_table``.
    candidates : DataFrame, optional
        The table of ``gapbook.report.recommend.judge_candidates``.
    cuts : Cuts, optional
        What ``gapbook.report.thresholds.measure_cuts`` returns.

    Returns
    -------
    str
        A table environment, a list, and further table environments if there are cuts and
        candidates.
    """
    items = "".join(f"\\item {_escape_latex(line)}\n" for line in lines)
    text = latex_table(table, labels, caption)
    text += f"\n\\begin{{itemize}}\n{items}\\end{{itemize}}\n"
    if cuts is not None:
        text += "\n" + _text_table(printed_cuts(cuts.table), "rrrrr", "What a cut of cosines keeps")
        if cuts.calibration is not None:
            text += f"\n{_escape_latex(cuts.calibration.in_words())}\n"
    if candidates is not None:
        caption = "What each mitigation changes on held-out pairs"
        text += "\n" + _text_table(printed_candidates(candidates), "llll", caption)
    return text


def _text_table(cells: pd.DataFrame, column_format: str, caption: str) -> str:
    """Return a table environment of text, escaped."""
    escaped = cells.map(_escape_latex).rename(columns=_escape_latex)
    return escaped.style.hide(axis="index").to_latex(
        column_format=column_format, position_float="centering", hrules=True, caption=caption
    )


def printed_cuts(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of cuts in print.

    Parameters
    ----------
    table : DataFrame
        The table of ``gapbook.report.thresholds.threshold_table``.

    Returns
    -------
    DataFrame
        A row for each cut, all text: the share of false matches that pass, the cosine, the share of
        true ones that is kept with its interval, and how many unrelated pairs lie above it.
    """
    rows = []
    for row in table.to_dict("records"):
        rows.append(
            (
                f"{100 * row['false_share']:g} %",
                format_value(row["threshold"]),
                f"{100 * row['kept']:.1f} %",
                f"{100 * row['kept_low']:.1f} to {100 * row['kept_high']:.1f} %",
                f"{row['n_passing']:,}",
            )
        )
    columns = ["false matches", "cut, cosine", "true matches kept", "95 % interval"]
    return pd.DataFrame(rows, columns=[*columns, "unrelated pairs above it"])


def printed_candidates(candidates: pd.DataFrame) -> pd.DataFrame:
    """Return the table of candidates in print: use, candidate, words, and the change.

    Parameters
    ----------
    candidates : DataFrame
        The table of ``gapbook.report.recommend.judge_candidates``.

    Returns
    -------
    DataFrame
        The columns use, candidate, in words, and change (interval), all text.
    """
    changes = []
    for row in candidates.to_dict("records"):
        ends = f"{format_value(row['change_low'])} to {format_value(row['change_high'])}"
        changes.append(f"{format_value(row['change'])} ({ends})")
    return pd.DataFrame(
        {
            "use": candidates["use"],
            "candidate": candidates["mitigation"],
            "in words": candidates["words"],
            "change (interval)": changes,
        }
    )


def _printed(table: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Return the cells of a table as text: measure, value, interval and unit."""
    intervals = []
    for low, high in zip(table["low"], table["high"], strict=True):
        interval = f"[{format_value(low)}, {format_value(high)}]" if np.isfinite(low) else ""
        intervals.append(interval)
    return pd.DataFrame(
        {
            "measure": [label_of(metric, labels) for metric in table["metric"]],
            "value": list(map(format_measure, table["value"], table["unit"])),
            "95 % interval": intervals,
            "unit": list(table["unit"]),
        }
    )


def _escape_latex(text: str) -> str:
    """Escape what LaTeX would take as a command, in a line without control characters."""
    return one_line(text).translate(str.maketrans(LATEX_ESCAPES))


def escape_markdown(text: str) -> str:
    r"""Escape what Markdown would take as a mark, in a line without control characters.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        One line for a list, a heading or a cell.

    Examples
    --------
    >>> print(escape_markdown("a|b <i>"))
    a\|b &lt;i&gt;
    """
    return one_line(text).translate(str.maketrans(MARKDOWN_ESCAPES))
