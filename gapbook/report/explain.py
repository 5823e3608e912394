"""What each measure means, in a sentence, and what to do about its value."""

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
import yaml

from gapbook.geometry.measures import MEASURES
from gapbook.geometry.neighbors import default_neighbors


@cache
def measure_words() -> Mapping[str, dict[str, Any]]:
    """Return the words of ``measures.yml``: meaning, advice and low_of, by ``words_key``."""
    text = (files("gapbook.report") / "measures.yml").read_text(encoding="utf-8")
    return yaml.safe_load(text)


def words_key(metric: str) -> str:
    """Return the key under which ``measures.yml`` has the words for a measure.

    Examples
    --------
    >>> words_key("r5_image_to_text"), words_key("cosine_within_x"), words_key("cka")
    ('recall', 'cosine_within', 'cka')
    """
    key = re.sub(r"_(image_to_text|text_to_image|x|y)$", "", metric)
    return re.sub(r"^r\d+$", "recall", key)


def explain(table: pd.DataFrame, modalities: tuple[str, str] = ("image", "text")) -> pd.DataFrame:
    """Put the measures of a report into words.

    Parameters
    ----------
    table : DataFrame
        The columns metric and value of a ``gap_report``, and its column low if there is one.
    modalities : tuple of two str
        What x and y are.

    Returns
    -------
    DataFrame
        The columns metric, label, meaning and advice, in the order of ``table``. A measure that
        ``MEASURES`` does not have is left out. The advice is empty where there is nothing to do.

    Notes
    -----
    The advice goes by the value. Where a difference may be none (gap, squared gap and MMD), it goes
    by the lower end of the interval of the unbiased estimate.

    Examples
    --------
    >>> table = pd.DataFrame({"metric": ["n_pairs", "r5_image_to_text"], "value": [500, 0.4]})
    >>> explain(table, ("video", "text")).loc[1, "label"]
    'Recall at 5, video to text'
    """
    rows_of = table.set_index("metric")
    values = rows_of["value"]
    lows = rows_of.get("low", pd.Series(dtype=float))
    n = int(values.get("n_sampled", values.get("n_pairs", 0)))
    rows = []
    for metric, value in values.items():
        name = str(metric)
        if name not in MEASURES:
            continue
        words = measure_words()[words_key(name)]
        judged = value
        if "low_of" in words:
            judged = lows.get(words["low_of"], np.nan)
        x, y = modalities
        label = MEASURES[name].label.format(x=x, y=y)
        fill = _fill_in(name, modalities, n)
        meaning = words["meaning"].format(**fill)
        advice = _advice(words.get("advice", []), judged).format(**fill)
        rows.append((metric, label, meaning, advice))
    return pd.DataFrame(rows, columns=["metric", "label", "meaning", "advice"])


def label_of(metric: str, labels: pd.DataFrame) -> str:
    """Return the label of a measure in a table of ``explain``, or its name if it is not there."""
    known = labels.loc[labels["metric"] == metric, "label"]
    if known.empty:
        return metric.replace("_", " ")
    return str(known.iloc[0])


def _advice(bands: list[dict[str, Any]], judged: float) -> str:
    """Return the text of the first band whose ``up_to`` the value does not exceed."""
    for band in bands:
        if "up_to" not in band or judged <= band["up_to"]:
            return band["text"]
    return ""


def _fill_in(metric: str, modalities: tuple[str, str], n: int) -> dict[str, str]:
    """Return the words for the places that ``measures.yml`` leaves open."""
    x, y = modalities
    queries, candidates = modalities
    if metric.endswith("_text_to_image"):
        queries, candidates = candidates, queries
    places = re.match(r"r(\d+)_", metric)
    neighbors = default_neighbors(n)
    return {
        "x": y if metric.endswith("_y") else x,
        "y": y,
        "q": queries,
        "c": candidates,
        "k": places[1] if places else "",
        "n": f"{n:,}",
        "neighbors": str(neighbors),
        "chance": f"{neighbors / max(n - 1, 1):.2g}",
    }
