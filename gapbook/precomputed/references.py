"""The book's own models as reference points: every measure of theirs, measured once and kept in the package.

``python -m gapbook.report.references`` measures them again; a test holds the file to what ``gap_report`` says today.
"""

from collections.abc import Sequence
from functools import lru_cache

import pandas as pd

from gapbook.files import data_path, write_whole
from gapbook.pairs import load_pairs

SOURCES = ("clip-coco", "glyphclip", "glyphclip-learned", "glyphclip-t10", "glyphclip-init")


@lru_cache
def _kept() -> pd.DataFrame:
    return pd.read_csv(data_path("references.csv"))


def references() -> pd.DataFrame:
    """Return the reports of the reference models: columns source, metric, value, low, high, as in ``gap_report``.

    Published CLIP on 500 COCO pairs, and the bundled models on 1,072 held-out GlyphPairs. Recalls, hubness and neighbor
    agreement depend on the number of pairs.

    >>> references().query("source == 'clip-coco' and metric == 'relative_modality_gap'")["value"].round(4).tolist()
    [0.5915]
    """
    return _kept().copy()


def measure_references(names: Sequence[str] = SOURCES) -> pd.DataFrame:
    """Measure reference models with ``gap_report``; raise ``FetchError`` for one whose file cannot be had."""
    from gapbook.geometry import gap_report

    tables = [
        gap_report(load_pairs(name)).drop(columns="unit").assign(source=name) for name in names
    ]
    return pd.concat(tables, ignore_index=True)[["source", "metric", "value", "low", "high"]]


if __name__ == "__main__":
    text = measure_references().to_csv(index=False, float_format="%.7g", lineterminator="\n")
    write_whole(data_path("references.csv"), text.encode())
