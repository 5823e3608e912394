"""Cosines of random encoders' outputs for noise, measured over many seeds: the table behind chapter 2."""

import argparse
import os
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from gapbook.cone.noise import SCHEMES, noise_embeddings
from gapbook.files import data_path
from gapbook.geometry import cosine_stats

STATS = ["mean", "std", "min", "q25", "median", "q75", "max"]


def noise_table(items: int, seeds: int, out: Path, keep: Path) -> pd.DataFrame:
    """Add to the table ``out`` each line (model, scheme, seed, items) that it lacks, one by one; return the table."""
    table = (
        pd.read_csv(out)
        if out.exists()
        else pd.DataFrame(columns=["model", "scheme", "seed", "items"])
    )
    wanted = [
        (model, schemes[rank], seed, items)
        for rank in (0, 1)
        for seed in range(seeds)
        for model, schemes in SCHEMES.items()
        if rank < len(schemes)
    ]
    for line in wanted:
        if line in set(
            table[["model", "scheme", "seed", "items"]].itertuples(index=False, name=None)
        ):
            continue
        model, scheme, seed, _ = line
        stats = cosine_stats(noise_embeddings(model, seed, items, scheme, keep, progress=True))
        row = dict(zip(["model", "scheme", "seed", "items"], line, strict=True))
        row |= {name: getattr(stats, name) for name in STATS}
        row |= {package: version(package).split("+")[0] for package in ("torch", "transformers")}
        table = pd.concat([table, pd.DataFrame([row])]) if len(table) else pd.DataFrame([row])
        part = out.with_name(out.name + ".part")
        table.to_csv(part, index=False, float_format="%.7g", lineterminator="\n")
        part.replace(out)
        for path in keep.glob(f"{model}-{scheme}-{seed}-*.npy"):
            path.unlink()
    return table


def read_noise() -> pd.DataFrame:
    """Read the bundled table of 5,000 items: columns model, scheme, seed, items, seven statistics, two versions."""
    return pd.read_csv(data_path("fig2a_noise.csv"))


def main() -> None:
    """Compute the table, or what an earlier call left undone."""
    parser = argparse.ArgumentParser(prog="python -m gapbook.noise", description=__doc__)
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=data_path("fig2a_noise.csv"))
    arguments = parser.parse_args()
    threads = os.environ.get("OMP_NUM_THREADS")
    print(
        f"{arguments.items} items, {arguments.seeds} seeds, OMP_NUM_THREADS={threads}, into {arguments.out}"
    )
    noise_table(arguments.items, arguments.seeds, arguments.out, Path("_build", "noise"))


if __name__ == "__main__":
    main()
