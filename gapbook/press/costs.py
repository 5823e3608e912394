"""What the notebooks took and with what: two tables that the page on the build includes."""

import os
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TypedDict

import pandas as pd

from gapbook.files import write_whole

COSTS = "costs.csv"
MACHINE = "machine.csv"
COLUMNS = {"seconds": "time (s)", "memory_mb": "peak memory (MB)"}
PACKAGES = [
    "gapbook",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "torch",
    "transformers",
    "umap-learn",
    "matplotlib",
    "pillow",
]


class Cost(TypedDict):
    """Wall time and peak memory of one notebook, its kernel's start and all imports included."""

    seconds: float
    memory_mb: int


def write_costs(run: Path, costs: Mapping[str, Cost]) -> None:
    """Write the tables of costs and of versions into a run folder, for its page on the build.

    Parameters
    ----------
    run : Path
        Folder of the executed notebooks.
    costs : mapping of str to Cost
        Costs by the name of the notebook. A last row, ``all``, has the sum of the times and the
        largest memory.
    """
    rows = dict(costs)
    rows["all"] = Cost(
        seconds=round(sum(cost["seconds"] for cost in costs.values()), 1),
        memory_mb=max((cost["memory_mb"] for cost in costs.values()), default=0),
    )
    table = pd.DataFrame.from_dict(rows, orient="index").rename(columns=COLUMNS)
    write_whole(run / COSTS, table.rename_axis("notebook").to_csv().encode())
    machine = {
        "system": f"{platform.system()} {platform.machine()}",
        "processors": str(os.cpu_count()),
        "Python": platform.python_version(),
    }
    machine |= {package: version(package) for package in PACKAGES}
    versions = pd.Series(machine, name="version or value").rename_axis("what")
    write_whole(run / MACHINE, versions.to_csv().encode())


def read_costs(run: Path) -> pd.DataFrame:
    """Read the costs of an executed book.

    Parameters
    ----------
    run : Path
        Folder of the executed notebooks.

    Returns
    -------
    DataFrame
        One row a notebook and the row ``all``, with the columns ``time (s)`` and
        ``peak memory (MB)``.
    """
    return pd.read_csv(run / COSTS, index_col="notebook")
