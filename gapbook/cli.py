"""The command line: a report on your own embeddings, and the sources that the book uses."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from gapbook import __version__
from gapbook.checks.seeds import MAX_SEED
from gapbook.exceptions import PairsError, one_line, quoted
from gapbook.terminal import (
    open_standard_streams,
    print_error,
    print_path,
    print_text,
    quiet_libraries,
    readable,
)

if TYPE_CHECKING:
    from gapbook.geometry.table import Measured
    from gapbook.pairs import PairedEmbeddings
    from gapbook.report.model import ModelReport

OUTPUT_SUFFIXES = (".html", ".json", ".md", ".tex")
# More than any number of pairs has.
MAX_DIGITS = 18
DESCRIPTION = """Measure the modality gap of your own paired embeddings.

  gapbook report embeddings.npz --out report.html     a page with figures, intervals and advice
  gapbook report embeddings.npz                       the table, here
  gapbook report shards/ --out report.json            a folder of many files, one at a time
  gapbook list                                        the embeddings, images and models of the book
  gapbook fetch clasp-uniprot                         download one of them; print where it lies
"""
EXIT_CODES = """exit codes:
  0    done
  2    wrong arguments, or input that cannot be read or measured: one line on stderr says why,
       with --debug after a traceback; no file was written or changed
  130  interrupted (Ctrl-C); no file was written or changed (but fetch keeps what has arrived)
"""
FETCH = """Get sources by name, and print the path of each: of its file, or of its folder.

What is at hand is only checked. Otherwise the free disk space is looked at before the download
begins; a download that is cut off or interrupted goes on where it was when the same command is
given again; the sha256 is computed while the bytes arrive, and another file than the registered
one is not kept; an archive is unpacked whole or not at all, and then removed. Models and data sets
of a hub are those of one commit, and lie in the hub's own cache.

environment variables:
  GAPBOOK_DATA      a folder of files, archives or unpacked folders that you have already; it is
                    looked into first, and never written to
  GAPBOOK_CACHE     where downloads go, in place of your cache folder
  GAPBOOK_REGISTRY  a file in the form of data/registry.yml whose entries are laid over it, key by
                    key: for a mirror, or for tests
  HF_HOME           the hub's cache; HF_ENDPOINT is another hub, HTTPS_PROXY a proxy

"""
FETCH_EXAMPLES = """examples:
  gapbook fetch clasp-uniprot
  gapbook fetch coco-val2017 coco-annotations clip-vit-base-patch32
  GAPBOOK_CACHE=/large/disk gapbook fetch coco-train2017

"""
REPORT = """Measure paired embeddings: row i of x and row i of y belong together.

input, by its ending:
  .npz, .safetensors   two arrays of shape (n, d), named x and y
  .npy                 one array of shape (2, n, d)
  .parquet             two columns of vectors, named x and y
  a folder             shards: any number of such files, through Dask
                       (one at a time in each worker's memory)

Endings count in small letters or in capitals. In a folder, names that start with a dot are hidden;
names that start with an underscore, endings that mix both cases and linked folders are left out
and named. A shard without rows adds nothing.

Pickled files are refused, since unpickling can run any code. Booleans and integers of 8 bits are
refused too: they are packed bits, or steps of a quantizer, whose cosines mean nothing.
"""
EXAMPLES = """examples:
  gapbook report embeddings.npz --out report.html --out report.json
  gapbook report embeddings.npz --out table.tex --temperature 0.07 --modalities video text
  gapbook report pairs.parquet --columns image_vector text_vector
  gapbook report shards/ --skip-bad --out report.html
  gapbook report shards/ --scheduler tcp://10.0.0.1:8786 --out report.html

"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the name of the program; by default the arguments of this process.

    Returns
    -------
    int
        The exit code: 0, or 2 for bad input, which one line on stderr explains, or 130 after
        Ctrl-C.
    """
    open_standard_streams()
    interruptions: list[int] = []

    def interrupt(number: int, _: object) -> None:
        interruptions.append(number)
        raise KeyboardInterrupt

    # A shell starts background jobs with SIGINT ignored.
    signal.signal(signal.SIGINT, interrupt)
    options = _parser().parse_args(arguments)
    try:
        with nullcontext() if options.debug else quiet_libraries():
            options.run(options)
            sys.stdout.flush()
    except BrokenPipeError:
        # A reader such as head has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (Exception, KeyboardInterrupt) as error:
        # A library that is just loading may turn an interruption into an error of its own.
        if interruptions or isinstance(error, KeyboardInterrupt):
            print(f"gapbook: interrupted; {options.when_interrupted}", file=sys.stderr)
            return 130
        print_error(error, options.debug)
        return 2
    return 0


# ---- arguments


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, as all others are."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"gapbook: {one_line(message)} ({self.prog} --help says more)\n")


def _parser() -> argparse.ArgumentParser:
    verbatim = argparse.RawDescriptionHelpFormatter
    parser = _Parser(
        "gapbook", description=DESCRIPTION, epilog=EXIT_CODES, formatter_class=verbatim
    )
    parser.add_argument("--version", action="version", version=f"gapbook {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="{report,list,fetch}")
    common = _Parser(add_help=False)
    common.add_argument(
        "--debug", action="store_true", help="on an error show where it happened; show warnings"
    )
    common.set_defaults(when_interrupted="nothing was written")
    listing = commands.add_parser(
        "list",
        parents=[common],
        help="list all sources with their sizes and licenses, and where they lie",
    )
    listing.set_defaults(run=_list)
    fetching = commands.add_parser(
        "fetch",
        parents=[common],
        help="get sources by name and print where they lie",
        description=FETCH,
        epilog=FETCH_EXAMPLES + EXIT_CODES,
        formatter_class=verbatim,
    )
    fetching.add_argument("names", nargs="+", metavar="name", help="a name that gapbook list shows")
    fetching.add_argument("--quiet", action="store_true", help="no progress bar")
    fetching.set_defaults(
        run=_fetch,
        when_interrupted="what has arrived is kept, and the same command goes on from there",
    )
    report = commands.add_parser(
        "report",
        parents=[common],
        help="measure your own paired embeddings",
        description=REPORT,
        epilog=EXAMPLES + EXIT_CODES,
        formatter_class=verbatim,
    )
    report.set_defaults(run=_report)
    _add_report_options(report)
    _add_shard_options(report.add_argument_group("a folder of shards"))
    return parser


def _add_report_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", type=_input, help="a file of pairs, or a folder of shards")
    parser.add_argument(
        "--out",
        type=_output,
        action="append",
        default=[],
        help=f"a file to write, {', '.join(OUTPUT_SUFFIXES)}; may be given again. "
        "An earlier file keeps its permissions; a link is replaced, what it leads to stays",
    )
    parser.add_argument(
        "--name", type=_text, help="what to call the model (default: the name of the input)"
    )
    parser.add_argument(
        "--temperature", type=_tau, help="tau of the loss landscape (default: 0.01, CLIP's)"
    )
    parser.add_argument(
        "--modalities",
        nargs=2,
        type=_text,
        metavar=("X", "Y"),
        help="what x and y are (default: as the file says, or image text)",
    )
    parser.add_argument(
        "--columns",
        nargs=2,
        type=_text,
        metavar=("X", "Y"),
        default=["x", "y"],
        help="names of the two arrays (default: x y)",
    )
    parser.add_argument(
        "--seed",
        type=_seed,
        default=0,
        help=f"of samples and intervals, up to {MAX_SEED} (default: 0)",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def _add_shard_options(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--scheduler",
        type=_text,
        metavar="ADDRESS",
        help="a running Dask scheduler (default: a local cluster, which no other user can reach); "
        "with tls:// Dask's configuration names the certificates",
    )
    group.add_argument(
        "--sample", type=_count, help="pairs for what sums cannot give (default: 5000)"
    )
    group.add_argument(
        "--skip-bad", action="store_true", help="leave damaged shards out, count and name them"
    )


def _input(text: str) -> Path:
    """Refuse an empty path, which an unset variable of a shell gives, and which is this folder."""
    if not text:
        raise argparse.ArgumentTypeError("expected a file or a folder; got an empty path")
    return Path(text)


def _output(text: str) -> Path:
    """Check a path to write before anything is measured."""
    path = Path(text)
    if path.suffix.lower() not in OUTPUT_SUFFIXES:
        known = ", ".join(OUTPUT_SUFFIXES)
        raise argparse.ArgumentTypeError(f"expected a path ending in {known}; got {quoted(text)}")
    if not path.parent.is_dir():
        raise argparse.ArgumentTypeError(f"the folder {quoted(path.parent)} does not exist")
    if path.is_dir():
        raise argparse.ArgumentTypeError(f"expected a file to write; {quoted(text)} is a folder")
    return path


def _text(text: str) -> str:
    """Refuse a name without a letter, which an unset variable of a shell gives."""
    name = one_line(readable(text))
    if not name:
        raise argparse.ArgumentTypeError(f"expected a name; got {quoted(text)}")
    return name


def _tau(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1e-6 <= value <= 1e6:
        raise argparse.ArgumentTypeError(f"expected a number from 1e-6 to 1e6; got {quoted(text)}")
    return value


def _count(text: str) -> int:
    # Python reads no more than a few thousand digits.
    if not text.isdecimal() or len(text) > MAX_DIGITS:
        raise argparse.ArgumentTypeError(f"expected an integer of at least 0; got {quoted(text)}")
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal() or len(text) > MAX_DIGITS or int(text) > MAX_SEED:
        raise argparse.ArgumentTypeError(
            f"expected an integer from 0 to {MAX_SEED}; got {quoted(text)}"
        )
    return int(text)


# ---- commands


def _list(options: argparse.Namespace) -> None:
    from gapbook.published import sources

    print_text(sources().to_string(index=False))


def _fetch(options: argparse.Namespace) -> None:
    from gapbook.published import fetch, registry_entry

    # A slip of the hand in the last name is found before the first download.
    for name in options.names:
        registry_entry(name)
    for name in options.names:
        print_path(fetch(name, progress=not options.quiet))


def _report(options: argparse.Namespace) -> None:
    """Measure, then write every file, each whole or not at all; without one print the table."""
    from tqdm import tqdm

    from gapbook.files import write_all

    _check_together(options)
    # A notebook names a way to show figures that this Python may not have; here none is shown.
    os.environ["MPLBACKEND"] = "agg"
    # Before the progress bar appears, so that an error is one line: what cannot be read ends here.
    if options.input.is_dir():
        source: PairedEmbeddings | Measured = _measure_folder(options)
    else:
        source = _load_file(options)
    with tqdm(total=5, unit="step", disable=options.quiet, leave=False) as bar:

        def on_stage(stage: str) -> None:
            bar.set_description(stage)
            bar.update()

        report = _report_on(options, source, on_stage)
        suffixes = {path: path.suffix.lower() for path in options.out}
        on_stage("figures" if ".html" in suffixes.values() else "writing")
        contents = {path: _content(report, suffix) for path, suffix in suffixes.items()}
    write_all(contents)
    if not contents:
        print_text("\n\n".join([*report.notes, _content(report, ".md").decode()]))


def _check_together(options: argparse.Namespace) -> None:
    """Refuse options that do not fit one another, or the input."""
    for option in ("modalities", "columns"):
        names = getattr(options, option)
        if names and len(set(names)) == 1:
            raise PairsError(
                f"Expected two different names for --{option}; got {quoted(names[0])} twice"
            )
    for_folders = options.scheduler or options.skip_bad or options.sample is not None
    if for_folders and not options.input.is_dir():
        raise PairsError(
            "--scheduler, --sample and --skip-bad are for a folder of shards; "
            f"{quoted(options.input)} is none"
        )


def _load_file(options: argparse.Namespace) -> "PairedEmbeddings":
    from gapbook.pairs import PairedEmbeddings

    columns = tuple(options.columns)
    if options.modalities:
        return PairedEmbeddings.load(options.input, columns, modalities=options.modalities)
    return PairedEmbeddings.load(options.input, columns)


def _measure_folder(options: argparse.Namespace) -> "Measured":
    """Measure a folder of shards, with a progress bar of its own."""
    from gapbook.geometry.table import SAMPLE_SIZE
    from gapbook.shards import measure_shards

    sample = SAMPLE_SIZE if options.sample is None else options.sample
    measured = measure_shards(
        options.input,
        options.scheduler,
        columns=tuple(options.columns),
        modalities=tuple(options.modalities or ("image", "text")),
        seed=options.seed,
        sample=sample,
        skip_bad=options.skip_bad,
        progress=not options.quiet,
    )
    for note in measured.notes_on_left_out:
        print(f"gapbook: {one_line(note)}", file=sys.stderr)
    return measured


def _report_on(
    options: argparse.Namespace,
    source: "PairedEmbeddings | Measured",
    on_stage: Callable[[str], None],
) -> "ModelReport":
    """Measure and report; a note says so if the temperature is assumed."""
    on_stage("loading")
    # These load PyTorch.
    from gapbook.geometry.table import Measured, measure
    from gapbook.report.model import CLIP_TAU, report_on

    on_stage("measures")
    measured = source if isinstance(source, Measured) else measure(source, options.seed)
    name = options.name or one_line(readable(options.input.resolve().stem))
    tau = options.temperature or CLIP_TAU
    report = report_on(measured, name, tau, options.seed, on_stage=on_stage)
    if options.temperature is None:
        report.notes.append(
            f"Temperature {CLIP_TAU:g} is assumed, CLIP's; give your own with --temperature."
        )
    return report


def _content(report: "ModelReport", suffix: str) -> bytes:
    """Return a report as the content of a file with this suffix."""
    from gapbook.report.tables import latex_table, markdown_table

    if suffix == ".html":
        from gapbook.report.page import to_html

        text = to_html(report)
    elif suffix == ".json":
        text = report.to_json()
    elif suffix == ".tex":
        title = f"Modality gap report: {report.name}"
        text = latex_table(report.table, report.explained, title)
    else:
        text = markdown_table(report.table, report.explained)
    return readable(text).encode()
