"""Tables for readers: names in words, numbers at the right, and no empty row of headers."""

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from numbers import Integral, Real
from typing import Any

import numpy as np
import pandas as pd

from gapbook.numerals import typeset
from gapbook.plots.labels import label

# How a number is written where nothing else is said.
NUMBER = ".2f"
MISSING = "\N{EN DASH}"


@dataclass(frozen=True, repr=False)
class Table:
    """A table as it is shown; notebooks show it as HTML, a console as text.

    Attributes
    ----------
    cells : DataFrame of str
        What stands in it.
    numeric : tuple of bool
        Which columns hold numbers.
    has_index : bool
        Whether rows have names.
    corner : str
        What stands over the names of the rows.
    """

    cells: pd.DataFrame
    numeric: tuple[bool, ...]
    has_index: bool = True
    corner: str = ""

    def _repr_html_(self) -> str:
        head = "".join(f"<tr>{row}</tr>" for row in self._head())
        body = "".join(f"<tr>{row}</tr>" for row in self._body())
        return f'<table class="gap-table"><thead>{head}</thead><tbody>{body}</tbody></table>'

    def __repr__(self) -> str:
        named = self.cells.rename_axis(self.corner) if self.corner else self.cells
        return named.to_string(index=self.has_index, index_names=bool(self.corner))

    def _head(self) -> list[str]:
        columns = [_parts(column) for column in self.cells.columns]
        rows = []
        for level in range(self.cells.columns.nlevels):
            row = ""
            if self.has_index and level == 0:
                row = self._corner()
            last = level == self.cells.columns.nlevels - 1
            # headers that repeat span their columns, but in the last row
            start = 0
            runs = [1] * len(columns) if last else _runs(columns, level)
            for width in runs:
                name = "gap-number" if last and self.numeric[start] else ""
                span = f' colspan="{width}"' if width > 1 else ""
                style = f' class="{name}"' if name else ""
                row += f'<th scope="col"{style}{span}>{_escaped(columns[start][level])}</th>'
                start += width
            rows.append(row)
        return rows

    def _corner(self) -> str:
        levels = self.cells.index.nlevels
        rows = self.cells.columns.nlevels
        spans = f' colspan="{levels}"' if levels > 1 else ""
        spans += f' rowspan="{rows}"' if rows > 1 else ""
        if self.corner:
            return f'<th scope="col"{spans}>{_escaped(self.corner)}</th>'
        return f"<td{spans}></td>"

    def _body(self) -> list[str]:
        keys = [_parts(key) for key in self.cells.index]
        rows = []
        for number, values in enumerate(self.cells.itertuples(index=False, name=None)):
            row = self._row_names(keys, number) if self.has_index else ""
            for value, is_number in zip(values, self.numeric, strict=True):
                style = ' class="gap-number"' if is_number else ""
                row += f"<td{style}>{_escaped(value)}</td>"
            rows.append(row)
        return rows

    @staticmethod
    def _row_names(keys: list[tuple[str, ...]], number: int) -> str:
        """Return the names of a row; one that the rows above have already spans them."""
        row = ""
        key = keys[number]
        for level, name in enumerate(key):
            prefix = key[: level + 1]
            last = level == len(key) - 1
            if not last and number and keys[number - 1][: level + 1] == prefix:
                continue
            height = 1
            while not last and number + height < len(keys):
                if keys[number + height][: level + 1] != prefix:
                    break
                height += 1
            span = f' rowspan="{height}"' if height > 1 else ""
            row += f'<th scope="row"{span}>{_escaped(name)}</th>'
        return row


def show_table(
    table: pd.DataFrame | pd.Series,
    formats: str | Mapping[Any, str] = NUMBER,
    *,
    names: Mapping[Any, str] | None = None,
    index: bool = True,
    corner: str = "",
) -> Table:
    """Return a table for readers.

    Parameters
    ----------
    table : DataFrame or Series
        What it holds. Names of its index and of its columns are not shown.
    formats : str or mapping of a column to str
        How numbers are written, such as ``".3f"`` or ``"+.1%"``: all of them, or those of a column
        (of the last level, where there are more). By default two digits after the point. Integers
        are written as they are.
    names : mapping, optional
        Words for columns, rows and cells, before those of :func:`gapbook.plots.labels.label`.
    index : bool
        Whether rows have names.
    corner : str
        What the names of the rows are, such as ``"temperature"``; it stands over them.

    Returns
    -------
    Table
        What a notebook's cell shows as its last line.

    Examples
    --------
    >>> gaps = pd.DataFrame({"gap": [0.7071, -0.001], "n": [3, 3]}, ["glyphclip", "glyphclip-t10"])
    >>> show_table(gaps)
                        gap  n
    GlyphCLIP at 1/100  0.71  3
    GlyphCLIP at 1/10   0.00  3
    """
    frame = table.to_frame() if isinstance(table, pd.Series) else table.copy()
    chosen = dict(names or {})

    def word(key: object) -> str:
        return str(chosen[key]) if _is_key(key, chosen) else typeset(label(key))

    columns = list(frame.columns)
    written = []
    numeric = []
    for place, column in enumerate(columns):
        values = frame.iloc[:, place].tolist()
        spec = formats if isinstance(formats, str) else _format_of(column, formats)
        written.append([cell(value, spec, word) for value in values])
        numeric.append(any(map(_is_number, values)) and not any(isinstance(v, str) for v in values))
    cells = pd.DataFrame(dict(enumerate(written)), index=_renamed(frame.index, word), dtype=object)
    cells.columns = _renamed(frame.columns, word)
    return Table(cells, tuple(numeric), index, corner)


def with_intervals(
    table: pd.DataFrame,
    value: str = "mean",
    low: str = "low",
    high: str = "high",
    spec: str = NUMBER,
) -> pd.Series:
    """Write values with the half widths of their intervals, for a table.

    Parameters
    ----------
    table : DataFrame
        A row for each value, with the ends of its interval.
    value, low, high : str
        The columns of the values and of the ends.
    spec : str
        How both numbers are written; the half width has no sign.

    Returns
    -------
    Series of str
        The value, "±" and the distance to the end that lies farther from it.

    Examples
    --------
    >>> table = pd.DataFrame({"mean": [0.5, -1.0], "low": [0.4, -1.5], "high": [0.8, -0.5]})
    >>> with_intervals(table, spec="+.1f").tolist()
    ['+0.5 ± 0.3', '−1.0 ± 0.5']
    """
    half = np.maximum(table[high] - table[value], table[value] - table[low])
    unsigned = spec.lstrip("+")
    texts = [
        f"{cell(float(middle), spec)} ± {cell(float(width), unsigned)}"
        for middle, width in zip(table[value], half, strict=True)
    ]
    return pd.Series(texts, index=table.index, dtype=object)


def cell(value: object, spec: str = NUMBER, word: Any = label) -> str:
    """Write the content of a cell.

    Parameters
    ----------
    value : object
        A number, a text, a truth value or nothing.
    spec : str
        How a number that is no integer is written.
    word : function of a text
        Returns the words for a text.

    Examples
    --------
    >>> cell(-0.001), cell(-0.5, "+.1%"), cell(12345), cell(float("nan")), cell(True)
    ('0.00', '−50.0%', '12,345', '–', 'yes')
    """
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if isinstance(value, Integral):
        return typeset(f"{int(value):,}")
    if isinstance(value, Real):
        return typeset(format(float(value), spec))
    return word(value)


def _format_of(column: Any, formats: Mapping[Any, str]) -> str:
    if _is_key(column, formats):
        return formats[column]
    if isinstance(column, tuple):
        return formats.get(column[-1], NUMBER)
    return NUMBER


def _renamed(index: pd.Index, word: Any) -> pd.Index:
    """Return an index in words and without a name."""
    if isinstance(index, pd.MultiIndex):
        return pd.MultiIndex.from_tuples([tuple(map(word, key)) for key in index])
    return pd.Index([cell(key, "g", word) for key in index], dtype=object)


def _is_key(key: object, mapping: Mapping[Any, Any]) -> bool:
    try:
        return key in mapping
    except TypeError:
        return False


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _runs(keys: list[tuple[str, ...]], level: int) -> list[int]:
    """Return how many keys in a row are equal up to a level."""
    return [len(list(run)) for _, run in groupby(keys, key=lambda parts: parts[: level + 1])]


def _parts(key: object) -> tuple[str, ...]:
    return tuple(map(str, key)) if isinstance(key, tuple) else (str(key),)


def _escaped(text: str) -> str:
    return html.escape(text).replace(" ± ", "&nbsp;±&nbsp;")
