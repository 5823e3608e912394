"""Cosines of random encoders' outputs for noise, over seeds: ``data/noise_cosines.csv``.

The table is behind the last three rows of figure 2a, in chapter 2.
"""

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from gapbook.cone.noise import SCHEMES, noise_embeddings
from gapbook.files import data_path, write_whole
from gapbook.geometry import cosine_stats
from gapbook.precomputed.tables import to_csv

# Noise images, and noise captions: as many as the authors drew.
ITEMS = 5000

# As many as show how two initializations differ: both of them, for three networks each.
FEW_ITEMS = 48

# Networks of each kind.
SEEDS = 3

KEYS = ["model", "scheme", "seed", "items"]
STATISTICS = ["mean", "std", "min", "q25", "median", "q75", "max"]


def read_noise_cosines(items: int = ITEMS) -> pd.DataFrame:
    """Read the stored table.

    Parameters
    ----------
    items : int
        Which rows: those of 5,000 items, with OpenAI's initialization alone, or those of 48, with
        that of the library as well.

    Returns
    -------
    pandas.DataFrame
        Columns model, scheme, seed, items; mean, std, min, q25, median, q75 and max of the
        cosines; and the versions of torch and transformers. One row a network.
    """
    table = pd.read_csv(data_path("noise_cosines.csv"))
    return table[table["items"] == items].reset_index(drop=True)


def measure_noise_cosines(
    items: int,
    seeds: int,
    path: Path,
    folder: Path,
    embed: Callable[..., Any] = noise_embeddings,
) -> pd.DataFrame:
    """Add to a table each network that it lacks, one by one.

    Parameters
    ----------
    items : int
        Noise images, and noise captions.
    seeds : int
        Networks of each kind: seeds 0, 1, ...
    path : pathlib.Path
        The table, a CSV file; it is written after each network.
    folder : pathlib.Path
        Where the embeddings of a network are kept, chunk by chunk, until it is measured.
    embed : callable
        Called like ``gapbook.cone.noise.noise_embeddings``.

    Returns
    -------
    pandas.DataFrame
        The whole table.
    """
    rows = pd.read_csv(path).to_dict("records") if path.exists() else []
    measured = {tuple(row[key] for key in KEYS) for row in rows}
    for model, scheme, seed in _networks(seeds):
        if (model, scheme, seed, items) in measured:
            continue
        cosines = cosine_stats(embed(model, seed, items, scheme, folder, progress=True))
        row: dict[Any, Any] = {"model": model, "scheme": scheme, "seed": seed, "items": items}
        row |= {name: getattr(cosines, name) for name in STATISTICS}
        row |= {package: version(package).split("+")[0] for package in ("torch", "transformers")}
        rows.append(row)
        write_whole(path, to_csv(pd.DataFrame(rows), digits=7))
        for chunk in folder.glob(f"{model}-{scheme}-{seed}-*.npy"):
            chunk.unlink()
    return pd.DataFrame(rows)


def _networks(seeds: int) -> list[tuple[str, str, int]]:
    """Return model, scheme and seed of each network: first the first scheme of every model."""
    networks: list[tuple[str, str, int]] = []
    for rank in (0, 1):
        for seed in range(seeds):
            for model, schemes in SCHEMES.items():
                if rank < len(schemes):
                    networks.append((model, schemes[rank], seed))
    return networks


def main() -> None:
    """Compute the table, or what an earlier call left undone."""
    for items in (FEW_ITEMS, ITEMS):
        measure_noise_cosines(items, SEEDS, data_path("noise_cosines.csv"), Path("_build/noise"))
