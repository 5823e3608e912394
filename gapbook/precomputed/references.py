"""The book's own models as reference points: every measure, measured once and kept in the package.

``main`` measures them again; a test holds the file to what ``gap_report`` says today.
"""

from collections.abc import Sequence

import pandas as pd

from gapbook.files import data_path, write_whole
from gapbook.pairs import load_pairs
from gapbook.precomputed.tables import to_csv

REFERENCE_MODELS = (
    "clip-coco",
    "glyphclip",
    "glyphclip-learned",
    "glyphclip-t10",
    "glyphclip-init",
)
COLUMNS = ["source", "metric", "value", "low", "high"]


def references() -> pd.DataFrame:
    """Read the measures of the reference models.

    Returns
    -------
    DataFrame
        The columns source, metric, value, low and high, the last three as in ``gap_report``.

    Notes
    -----
    The models are the published CLIP on 500 pairs of COCO, and the bundled models on 1,072 held-out
    GlyphPairs. Recalls, hubness and neighbor agreement depend on the number of pairs.

    Examples
    --------
    >>> table = references().query("source == 'clip-coco' and metric == 'relative_modality_gap'")
    >>> table["value"].round(4).tolist()
    [0.5915]
    """
    return pd.read_csv(data_path("references.csv"))


def measure_references(names: Sequence[str] = REFERENCE_MODELS) -> pd.DataFrame:
    """Measure reference models.

    Parameters
    ----------
    names : sequence of str
        The names of sources, as ``available_pairs`` lists them.

    Returns
    -------
    DataFrame
        The columns of ``references``.

    Raises
    ------
    FetchError
        For a source whose file cannot be had.
    """
    from gapbook.geometry import gap_report

    tables = [gap_report(load_pairs(name)).assign(source=name) for name in names]
    return pd.concat(tables, ignore_index=True)[COLUMNS]


def main() -> None:
    """Measure all reference models and write ``data/references.csv``."""
    write_whole(data_path("references.csv"), to_csv(measure_references(), digits=7))


if __name__ == "__main__":
    main()
