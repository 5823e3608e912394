"""Make stored data again: ``python -m gapbook.precomputed NAME``.

With no NAME, list what there is. An interrupted call goes on where it stopped.
"""

import argparse
import sys
from importlib import import_module
from typing import NamedTuple

from gapbook.exceptions import MissingPackageError


class Product(NamedTuple):
    """What a module of this package makes, and how long it takes on two cores."""

    writes: str
    takes: str


PRODUCTS = {
    "glyphclip": Product("data/glyphclip, book/_static/before_after.png", "ten minutes"),
    "training_views": Product("data/glyphclip/views.safetensors", "ten minutes"),
    "sounds": Product("data/glyphpairs/sounds.npz", "two minutes"),
    "serif": Product("data/glyphclip/serif.safetensors", "ten minutes"),
    "clip": Product("data/clip", "a minute"),
    "modality_pairs": Product("data/modalities", "forty minutes"),
    "joint_modalities": Product("data/modalities/four-*", "twenty minutes"),
    "training_curves": Product("data/training_curves.csv", "five hours"),
    "sigmoid": Product(
        "data/glyphclip/sigmoid.safetensors, .../sigmoid_margins.csv", "ten minutes"
    ),
    "twin_faces": Product("data/twin_faces.csv", "ten minutes"),
    "noise_cosines": Product("data/noise_cosines.csv", "two hours"),
    "references": Product("data/references.csv", "a minute"),
    "approximate_search": Product("data/approximate_search.csv", "two minutes"),
}

# Products of many runs, of which some may be chosen.
OF_RUNS = ("modality_pairs", "joint_modalities", "training_curves")


def main(arguments: list[str] | None = None) -> int:
    """Make one product, or list all.

    Parameters
    ----------
    arguments : list of str, optional
        What the shell passes by default.

    Returns
    -------
    int
        0, or 130 after an interruption, or 2 where a package is not installed.
    """
    listed = ", ".join(OF_RUNS[:-1]) + " and " + OF_RUNS[-1]
    parser = argparse.ArgumentParser(
        prog="python -m gapbook.precomputed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("name", nargs="?", metavar="NAME", choices=PRODUCTS, help="what to make")
    parser.add_argument(
        "--only", metavar="PATTERN", help=f"of {listed}: the runs whose names match"
    )
    options = parser.parse_args(arguments)
    if options.name is None:
        print_products()
        return 0
    settings = {}
    if options.only is not None:
        if options.name not in OF_RUNS:
            parser.error(f"--only goes with {listed} alone")
        settings["pattern"] = options.only
    try:
        import_module(f"gapbook.precomputed.{options.name}").main(**settings)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    except MissingPackageError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def print_products() -> None:
    """Print a line for each product: its name, the time that it takes, and what it writes."""
    for name, product in PRODUCTS.items():
        print(f"{name:18} about {product.takes:12} {product.writes}")


if __name__ == "__main__":
    sys.exit(main())
