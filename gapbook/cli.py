"""The command line: a report on your own embeddings, and the book's sources of embeddings."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from gapbook import __version__

if TYPE_CHECKING:
    from gapbook.pairs import PairedEmbeddings
    from gapbook.report.model import ModelReport

TEMPERATURE = 0.01  # of CLIP
PICKLED = (".bin", ".ckpt", ".pickle", ".pkl", ".pt", ".pth")
FORMATS = (".html", ".json", ".md", ".tex")
DESCRIPTION = """Measure the modality gap of your own paired embeddings.

  gapbook report embeddings.npz --out report.html     a page with figures, intervals and advice
  gapbook report embeddings.npz                       the table, here
  gapbook report shards/ --out report.json            a folder of many files, one at a time
  gapbook list                                        the embeddings that the book uses
  gapbook fetch clip-coco                             download one of them; print where it lies
"""
EXIT_CODES = """exit codes:
  0    done
  2    wrong arguments, or input that cannot be read or measured: one line on stderr says why
  130  interrupted (Ctrl-C); no file was written or changed
"""
REPORT = """Measure paired embeddings: row i of x and row i of y belong together.

input, by its ending:
  .npz, .safetensors   two arrays of shape (n, d), named x and y
  .npy                 one array of shape (2, n, d)
  .parquet             two columns of vectors, named x and y
  a folder             shards: any number of such files, through Dask (one at a time in each worker's memory)

Pickled files are refused, since unpickling can run any code.
"""
EXAMPLES = """examples:
  gapbook report embeddings.npz --out report.html --out report.json
  gapbook report embeddings.npz --out table.tex --temperature 0.07 --modalities video text
  gapbook report pairs.parquet --columns image_vector text_vector
  gapbook report shards/ --skip-bad --out report.html
  gapbook report shards/ --scheduler tcp://10.0.0.1:8786 --out report.html

"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; bad input is one line on stderr and 2, Ctrl-C is 130."""
    given = _parser().parse_args(arguments)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        return _run(given)
    except KeyboardInterrupt:
        print("gapbook: interrupted; nothing was written", file=sys.stderr)
        return 130


def _run(given: argparse.Namespace) -> int:
    """Run a command; what is imported here takes a second, in which a Ctrl-C must count."""
    from gapbook.exceptions import FetchError, MissingPackageError, PairsError

    try:
        given.run(given)
    except BrokenPipeError:  # a reader such as head has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (PairsError, FetchError, MissingPackageError, OSError) as error:
        print(f"gapbook: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, as all others are."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"gapbook: {message} ({self.prog} --help says more)\n")


def _parser() -> argparse.ArgumentParser:
    plain = argparse.RawDescriptionHelpFormatter
    parser = _Parser("gapbook", description=DESCRIPTION, epilog=EXIT_CODES, formatter_class=plain)
    parser.add_argument("--version", action="version", version=f"gapbook {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="{report,list,fetch}")
    listing = commands.add_parser("list", help="list the sources of embeddings and where they lie")
    listing.set_defaults(run=_list)
    fetching = commands.add_parser(
        "fetch", help="get a source by name and print the path of its file"
    )
    fetching.add_argument("name", help="a name that gapbook list shows")
    fetching.set_defaults(run=_fetch)
    report = commands.add_parser(
        "report",
        help="measure your own paired embeddings",
        description=REPORT,
        epilog=EXAMPLES + EXIT_CODES,
        formatter_class=plain,
    )
    _add_report(report)
    return parser


def _add_report(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run=_report)
    add = parser.add_argument
    add("input", type=Path, help="a file of pairs, or a folder of shards")
    known = ", ".join(FORMATS)
    add(
        "--out",
        type=_output,
        action="append",
        default=[],
        help=f"a file to write, {known}; may be given again",
    )
    add("--name", help="what to call the model (default: the name of the input)")
    add("--temperature", type=_positive, help="tau of the loss landscape (default: 0.01, CLIP's)")
    add(
        "--modalities",
        nargs=2,
        metavar=("X", "Y"),
        help="what x and y are (default: as the file says, or image text)",
    )
    add(
        "--columns",
        nargs=2,
        metavar=("X", "Y"),
        default=["x", "y"],
        help="names of the two arrays (default: x y)",
    )
    add("--seed", type=_count, default=0, help="of samples and intervals (default: 0)")
    add("--quiet", action="store_true", help="no progress bar")
    shards = parser.add_argument_group("a folder of shards")
    shards.add_argument(
        "--scheduler", metavar="ADDRESS", help="a running Dask scheduler (default: a local cluster)"
    )
    shards.add_argument(
        "--sample", type=_count, help="pairs for what sums cannot give (default: 5000)"
    )
    shards.add_argument(
        "--skip-bad", action="store_true", help="leave damaged shards out, count and name them"
    )


def _output(text: str) -> Path:
    """Check a path to write before anything is measured."""
    path = Path(text)
    if path.suffix not in FORMATS:
        raise argparse.ArgumentTypeError(
            f"expected a path ending in {', '.join(FORMATS)}; got {text}"
        )
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"the folder {path.parent} does not exist")
    return path


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1e-6 <= value <= 1e6:
        raise argparse.ArgumentTypeError(f"expected a number from 1e-6 to 1e6; got {text}")
    return value


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected an integer of at least 0; got {text}")
    return int(text)


def _list(given: argparse.Namespace) -> None:
    from gapbook.pairs import available_pairs

    print(available_pairs().to_string(index=False))


def _fetch(given: argparse.Namespace) -> None:
    from gapbook.published import fetch

    print(fetch(given.name))


def _report(given: argparse.Namespace) -> None:
    """Measure, then write every file, each whole or not at all; without ``--out`` print the table."""
    from tqdm import tqdm

    from gapbook.exceptions import PairsError
    from gapbook.files import write_whole

    if given.modalities and len(set(given.modalities)) == 1:
        raise PairsError(
            f"Expected two different names for --modalities; got {given.modalities[0]} twice"
        )
    measured: dict[str, Any] = (
        _from_folder(given) if given.input.is_dir() else {"pairs": _from_file(given)}
    )
    with tqdm(total=5, unit="step", disable=given.quiet, leave=False) as bar:

        def tell(stage: str) -> None:
            bar.set_description(stage)
            bar.update()

        tell("loading")
        from gapbook.report.model import report_on  # loads PyTorch

        name = given.name or given.input.resolve().stem
        temperature = given.temperature or TEMPERATURE
        report = report_on(
            **measured, name=name, temperature=temperature, seed=given.seed, tell=tell
        )
        if given.temperature is None:
            report.notes.append(
                f"Temperature {TEMPERATURE:g} is assumed, CLIP's; give your own with --temperature."
            )
        tell("figures" if any(path.suffix == ".html" for path in given.out) else "writing")
        texts = {path: _text(report, path.suffix) for path in given.out}
    for path, text in texts.items():
        write_whole(path, text.encode())
    if not texts:
        print("\n\n".join([*report.notes, _text(report, "")]))


def _from_file(given: argparse.Namespace) -> "PairedEmbeddings":
    from gapbook.exceptions import PairsError
    from gapbook.array_files import SUFFIXES
    from gapbook.pairs import PairedEmbeddings

    if given.scheduler or given.skip_bad or given.sample is not None:
        raise PairsError(
            f"--scheduler, --sample and --skip-bad are for a folder of shards; {given.input} is none"
        )
    if given.input.suffix not in (*SUFFIXES, *PICKLED):
        known = ", ".join(SUFFIXES)
        raise PairsError(
            f"Expected a file ending in {known}, or a folder of such files; got {given.input}"
        )
    path, meta = given.input, {"modalities": given.modalities} if given.modalities else {}
    return PairedEmbeddings.load(path, given.columns, **meta)


def _from_folder(given: argparse.Namespace) -> dict[str, Any]:
    """Measure shards; return what ``report_on`` takes: the sample, and the table and the notes over all pairs."""
    from gapbook.shards import measure_shards
    from gapbook.shards.cluster import connect
    from gapbook.shards.files import shard_names

    modalities = tuple(given.modalities or ("image", "text"))
    sample = 5000 if given.sample is None else given.sample
    options: Any = {"columns": tuple(given.columns), "sample": sample, "seed": given.seed}
    options |= {"skip_bad": given.skip_bad, "progress": not given.quiet, "modalities": modalities}
    with connect(given.scheduler, len(shard_names(given.input))) as client:
        found = measure_shards(given.input, client, **options)
    if found.skipped:
        print(f"gapbook: {found.notes[-1]}", file=sys.stderr)
    return {
        "pairs": found.pairs,
        "table": found.table,
        "paired": found.partner_cosine_counts,
        "notes": found.notes,
    }


def _text(report: "ModelReport", suffix: str) -> str:
    from gapbook.report.tables import latex_table, markdown_table

    if suffix == ".html":
        from gapbook.report.page import to_html

        return to_html(report)
    if suffix == ".json":
        return report.to_json()
    if suffix == ".tex":
        return latex_table(report.table, report.explained, f"Modality gap report: {report.name}")
    return markdown_table(report.table, report.explained)
