"""Measure the paper's experiments at its own scale, on data and checkpoints in folders of yours.

``make regress PROFILE=full`` fetches them and does all of this by itself.

facts      measure the parts whose data and checkpoints are named, and write all that the folder
           has, with date, hardware, versions and commit
finetune   train CLIP ViT-B/16 as supplementary figure 8 and section 4.4 do, for facts; with several
           GPUs: torchrun --nproc-per-node 4 -m gapbook.full_scale finetune ...
parts      list the parts, and what each of them needs

Everything is kept in --folder: embeddings (100 MB), prepared images (3 GB, for finetune 10 GB
more), and checkpoints of trainings (1.8 GB a run). An interrupted command goes on from there.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from gapbook.exceptions import FetchError, MissingPackageError, PairsError, reason
from gapbook.extras import from_extra

FOLDER = Path("_build/full_scale")
OUT = Path("data/full.yml")
# Errors whose message is one sentence for whoever called this.
WORDED = (ValueError, OSError, FetchError, MissingPackageError)
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        What the shell passes by default.

    Returns
    -------
    int
        0, 2 after one sentence on stderr that says what is wrong, 130 after an interruption.
    """
    options = _parser().parse_args(arguments)
    _silence_transformers()
    try:
        return options.run(options)
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except WORDED as error:
        text = " ".join(str(error).split()) if isinstance(error, ValueError) else reason(error)
        print(f"gapbook.full_scale: {text}", file=sys.stderr)
        return 2


def _silence_transformers() -> None:
    """Show no bars of what takes a second, among those of what takes hours."""
    from transformers.utils import logging

    logging.disable_progress_bar()


def _parser() -> argparse.ArgumentParser:
    with from_extra("models", "gapbook.full_scale"):
        from gapbook.full_scale.inputs import NETWORKS, SOURCES
        from gapbook.full_scale.runs import BATCH_SIZE, EPOCH, PAIRS, SEEDS

    parser = argparse.ArgumentParser(
        prog="python -m gapbook.full_scale",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    facts = commands.add_parser("facts", help="measure, and write what was measured")
    tune = commands.add_parser("finetune", help="train CLIP, for facts")
    listed = commands.add_parser("parts", help="list the parts and what each needs")
    listed.set_defaults(run=_list_parts)
    for command in (facts, tune):
        for source, what in SOURCES.items():
            if command is facts or source in ("coco", "clip_b16", "cifar10"):
                command.add_argument(f"--{source.replace('_', '-')}", metavar="PLACE", help=what)
        command.add_argument(
            "--fetched", action="store_true", help="use also what gapbook fetch has fetched"
        )
        command.add_argument(
            "--folder", type=Path, default=FOLDER, help=f"where all is kept (default: {FOLDER})"
        )
        command.add_argument("--device", default="", help="cpu or cuda (default: cuda if there)")
        command.add_argument("--quiet", action="store_true", help="show no progress")
    facts.add_argument(
        "--out", type=Path, default=OUT, help=f"the file of all results (default: {OUT})"
    )
    facts.add_argument(
        "--only", nargs="+", metavar="PART", help="parts, or what they need (default: all that can)"
    )
    facts.add_argument(
        "--networks",
        type=_count,
        default=NETWORKS,
        help=f"random networks of each kind; figure 2c needs {NETWORKS} (default: {NETWORKS})",
    )
    facts.set_defaults(run=_facts)
    tune.add_argument("--only", default="", metavar="PATTERN", help="runs whose names match")
    tune.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS), help="default: 0 1 2")
    tune.add_argument("--epochs", type=_count, default=EPOCH, help=f"default: {EPOCH}")
    tune.add_argument("--pairs", type=_count, default=PAIRS, help=f"default: {PAIRS}")
    tune.add_argument("--batch-size", type=_count, default=BATCH_SIZE, help="default: 64")
    tune.add_argument(
        "--save-every", type=_count, default=200, help="steps between checkpoints (default: 200)"
    )
    tune.set_defaults(run=_finetune)
    return parser


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a number of at least 1; got {text}")
    return number


def _list_parts(options: argparse.Namespace) -> int:
    from gapbook.full_scale.parts import PARTS

    for name, part in PARTS.items():
        needs = " ".join(f"--{source.replace('_', '-')}" for source in part.needs)
        print(f"{name:17} {part.what:43} {'runs of finetune' if part.trains else needs}")
    return 0


def _facts(options: argparse.Namespace) -> int:
    """Measure the parts that are wanted, or else those for which everything is at hand."""
    from gapbook.full_scale.inputs import Inputs, choose_device
    from gapbook.full_scale.parts import PARTS, at_hand, measure_parts, parts_named

    inputs = Inputs(
        options.folder,
        _places(options),
        choose_device(options.device),
        options.networks,
        not options.quiet,
    )
    if options.only:
        names = parts_named(options.only)
    else:
        names = [name for name in PARTS if at_hand(name, inputs)]
    if not names:
        raise PairsError(
            "Expected places of data and checkpoints, such as --coco FOLDER --clip-b32 FOLDER; no "
            "part has all that it needs: see python -m gapbook.full_scale parts"
        )
    measure_parts(names, inputs, options.out)
    print(options.out)
    return 0


def _finetune(options: argparse.Namespace) -> int:
    """Train the runs that match."""
    from gapbook.full_scale.inputs import Inputs, choose_device
    from gapbook.full_scale.ranks import device_of_rank, joined
    from gapbook.full_scale.runs import Scale, train_all

    device = choose_device(device_of_rank(options.device))
    scale = Scale(options.pairs, options.batch_size, options.epochs, options.save_every)
    with joined(device) as ranks:
        progress = ranks.first and not options.quiet
        inputs = Inputs(options.folder, _places(options), device, progress=progress)
        for name in train_all(inputs, options.only, options.seeds, scale, ranks):
            if ranks.first:
                print(f"finished {name}", flush=True)
    return 0


def _places(options: argparse.Namespace) -> dict[str, str]:
    from gapbook.full_scale.inputs import SOURCES, fetched_places

    named = {source: getattr(options, source, None) for source in SOURCES}
    places = fetched_places() if options.fetched else {}
    return places | {source: place for source, place in named.items() if place}


if __name__ == "__main__":
    sys.exit(main())
