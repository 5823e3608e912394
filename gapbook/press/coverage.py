"""Say what of the paper the book has, and on what: a row for every figure, table and theorem."""

import html

import pandas as pd

from gapbook.press.experiments import SCALES, Item, paper_experiments, paper_items
from gapbook.press.scoreboard import NOT_TREATED, VERDICTS


def best_scale(item: Item) -> str:
    """Return the strongest evidence that the book has for an item.

    Parameters
    ----------
    item : Item
        The item.

    Returns
    -------
    str
        The first of :data:`SCALES` that it is treated on, or ``"not treated"``.

    Examples
    --------
    >>> best_scale(paper_items()["Fig. 1b"])
    "authors' embeddings"
    """
    return next((scale for scale in SCALES if scale in item.scales), NOT_TREATED)


def paper_coverage(table: pd.DataFrame) -> pd.DataFrame:
    """Set every part of the paper beside what the book has of it.

    Parameters
    ----------
    table : DataFrame
        Result of :func:`gapbook.press.compare`.

    Returns
    -------
    DataFrame
        One row an item of the paper, with the columns ``item``, ``the paper shows``, ``this book
        has``, ``on`` (the scales, the strongest first), ``chapter``, and the counts of its
        ``facts`` by verdict, with the number of ``experiments`` that they come from.
    """
    items = {name: experiment.item for name, experiment in paper_experiments().items()}
    groups = dict(list(table.groupby(table.experiment.map(items))))
    nothing = table.iloc[:0]
    rows = [_row(item, groups.get(name, nothing)) for name, item in paper_items().items()]
    return pd.DataFrame(rows)


def coverage_html(rows: pd.DataFrame, pages: dict[str, str]) -> str:
    """Render the coverage of the paper as an HTML table, with links to the chapters.

    Parameters
    ----------
    rows : DataFrame
        Result of :func:`paper_coverage`.
    pages : dict of str to str
        Address of the page of each chapter, by its number.

    Returns
    -------
    str
        A table that scrolls instead of overflowing the page.
    """
    shown = rows[["item", "on", "the paper shows", "this book has", "facts"]].map(html.escape)
    shown["this book has"] += [_link(chapter, pages) for chapter in rows["chapter"]]
    widths = {"the paper shows": "9em", "this book has": "15em"}
    inner = shown.to_html(index=False, border=0, escape=False, col_space=widths)
    label = "What of the paper is reproduced"
    return (
        f'<div style="overflow:auto" tabindex="0" role="region" aria-label="{label}">{inner}</div>'
    )


def _row(item: Item, facts: pd.DataFrame) -> dict[str, object]:
    counts = facts.verdict.value_counts()
    verdicts = [f"{counts[name]} {name}" for name in VERDICTS if name in counts]
    return {
        "item": item.name,
        "the paper shows": item.shows,
        "this book has": item.here,
        "on": ", ".join(scale for scale in SCALES if scale in item.scales) or NOT_TREATED,
        "facts": ", ".join(verdicts),
        "experiments": facts.experiment.nunique(),
        "chapter": item.chapter,
    }


def _link(chapter: str, pages: dict[str, str]) -> str:
    if not chapter:
        return ""
    return f' (<a href="{html.escape(pages[chapter])}">chapter {int(chapter)}</a>)'
