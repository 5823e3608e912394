"""The command ``report``: measure paired embeddings."""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from gapbook.checks.seeds import MAX_SEED
from gapbook.cli.inputs import (
    add_input,
    count_sides,
    holds_shards,
    input_words,
    pairs_of,
    read_stored,
    require_different_names,
)
from gapbook.cli.options import (
    Parser,
    add_command,
    add_quiet,
    add_scheduler,
    count,
    name_text,
    number,
    output_path,
    seed,
    shows_progress,
    tau,
)
from gapbook.cli.several import check_several, report_several
from gapbook.exceptions import PairsError, one_line, quoted
from gapbook.files.paths import path_text
from gapbook.terminal import print_text, readable

if TYPE_CHECKING:
    from gapbook.array_files import Input
    from gapbook.geometry.table import Measured
    from gapbook.pairs import PairedEmbeddings
    from gapbook.report.conditions import Condition
    from gapbook.report.model import ModelReport

# Shares of the time that stages take, as measured on 500 to 5,000 pairs.
STAGE_SHARES = {
    "loading": 10,
    "measures": 30,
    "landscape": 5,
    "mitigations": 45,
    "figures": 15,
    "writing": 1,
}
BAR = "{desc}{percentage:3.0f}%|{bar}| {elapsed}, {remaining} left"
OUTPUT_SUFFIXES = (".html", ".json", ".md", ".tex")

REPORT = """Measure paired embeddings: row i of x and row i of y belong together.

input, by its ending:
  .npz, .safetensors   two arrays of shape (n, d), named x and y
  .pt, .pth            a dict of two tensors (torch >= 2.6; nothing in the file is run)
  .npy                 one array of shape (2, n, d)
  .parquet, .arrow, .feather
                       two columns of vectors
  .jsonl, .ndjson, .csv
                       two lists of JSON in each line
  two files            one side each, of shape (n, d): images.npy texts.npy
                       (any of these endings; a .csv may hold numbers alone)
  three files or more  one modality each; or one file of three arrays or more, named by --columns:
                       every pair is measured, and all together, for .json and .md
  several captions     images.npy of shape (n, d), captions.npy of shape (n, k, d); or both of one
                       row each and --groups, ids of their rows: any caption of an image is right,
                       and intervals are for a redraw of images
  a folder             that clip-retrieval wrote (img_emb/, text_emb/), or datasets
                       (save_to_disk), or shards: any number of .npz, .npy, .safetensors and
                       .parquet files, through Dask (one at a time in each worker's memory)

Endings count in small letters or in capitals. In a folder, names that start with a dot are hidden;
names that start with an underscore, endings that mix both cases and linked folders are left out
and named. A shard without rows adds nothing.

Pickled files are refused, since unpickling can run any code. Booleans and integers of 8 bits are
refused too: they are packed bits, or steps of a quantizer, whose cosines mean nothing unless
--dequantize gives the range that they stand for.
"""
EXAMPLES = """examples:
  gapbook report embeddings.npz --out report.html --out report.json
  gapbook report embeddings.npz --out table.tex --temperature 0.07 --modalities video text
  gapbook report images.npy texts.npy --out report.html
  gapbook report images.npy texts.npy sounds.npy --modalities image text sound --out k.json
  gapbook report images.npy captions.npy --groups image_ids.npy --groups caption_ids.npy
  gapbook report export.parquet --long-table vector modality id
  gapbook report pairs.parquet --columns image_vector text_vector
  gapbook report embeddings.npz --only measures --fail-if "r1<0.3" --fail-if "modality_gap>1"
  gapbook report shards/ --skip-bad --out report.html
  gapbook report shards/ --groups image_id --out report.html
  gapbook report shards/ --scheduler tcp://10.0.0.1:8786 --out report.html

"""


def add_report(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add the command ``report``."""
    report = add_command(commands, "report", "measure your own paired embeddings", REPORT, EXAMPLES)
    report.set_defaults(run=_report)
    _add_report_options(report)
    _add_shard_options(report.add_argument_group("a folder of shards"))


def _add_report_options(parser: Parser) -> None:
    add_input(parser, several=True)
    parser.add_argument(
        "--out",
        type=output_path(OUTPUT_SUFFIXES),
        action="append",
        default=[],
        help=f"a file to write, {', '.join(OUTPUT_SUFFIXES)}; may be given again. "
        "An earlier file keeps its permissions; a link is replaced, what it leads to stays",
    )
    parser.add_argument(
        "--name", type=name_text, help="what to call the model (default: the name of the input)"
    )
    parser.add_argument(
        "--temperature", type=tau, help="tau of the loss landscape (default: 0.01, CLIP's)"
    )
    for option, text in (
        ("scale", "what the model multiplies cosines by, SigLIP's exp(t), about 100"),
        ("bias", "and what it adds, SigLIP's b, about -10: the report says what they give"),
    ):
        parser.add_argument(f"--logit-{option}", type=number, metavar="NUMBER", help=text)
    parser.add_argument(
        "--seed",
        type=seed,
        default=0,
        help=f"of samples and intervals, up to {MAX_SEED} (default: 0)",
    )
    parser.add_argument(
        "--only",
        choices=["measures"],
        help="leave out the loss landscape and the comparison of mitigations",
    )
    parser.add_argument(
        "--fail-if",
        metavar="CONDITION",
        action="append",
        default=[],
        help='exit with 1 where this holds, "r1<0.3" for example; may be given again. Names of '
        "measures are those of the JSON; r1, r5 and r10 are the smaller of both directions. Of "
        "three modalities or more, it holds where it holds for any pair",
    )
    add_quiet(parser)


def _add_shard_options(group: "argparse._ArgumentGroup") -> None:
    add_scheduler(group)
    group.add_argument(
        "--sample", type=count, help="pairs for what sums cannot give (default: 5000)"
    )
    group.add_argument(
        "--skip-bad", action="store_true", help="leave damaged shards out, count and name them"
    )


def _report(options: argparse.Namespace) -> int:
    """Measure, then write every file, each whole or not at all; without one print the table."""
    from tqdm import tqdm

    from gapbook.files import write_all
    from gapbook.report.conditions import held_conditions

    _check_together(options)
    conditions = _conditions(options)
    if count_sides(options) > 2:
        return report_several(options, conditions)
    # A notebook names a way to show figures that this Python may not have; here none is shown.
    os.environ["MPLBACKEND"] = "agg"
    # Before the progress bar appears, so that an error is one line: what cannot be read ends here.
    carries = False
    if holds_shards(options):
        source: PairedEmbeddings | Measured = _measure_folder(options)
    else:
        stored = read_stored(options)
        source = pairs_of(stored, options)
        carries = _carries_scores(stored)
    stages = _stages(options)
    disable = not shows_progress(options)
    with tqdm(total=sum(stages.values()), bar_format=BAR, disable=disable, leave=False) as bar:
        done: list[str] = []

        def on_stage(stage: str) -> None:
            # The stage before is over: the share of time that it takes tells what is left.
            bar.update(stages.get(done[-1], 0) if done else 0)
            bar.set_description(stage)
            done.append(stage)

        report = _report_on(options, source, on_stage, carries)
        suffixes = {path: path.suffix.lower() for path in options.out}
        held = held_conditions(conditions, report.table)
        on_stage("figures" if ".html" in suffixes.values() else "writing")
        from threadpoolctl import threadpool_limits

        with threadpool_limits(1):
            contents = {path: _content(report, suffix) for path, suffix in suffixes.items()}
    write_all(contents)
    if contents:
        written = [path_text(path) for path in contents]
        print_text("\n".join([*report.first_lines, "", *written]))
    else:
        print_text("\n\n".join([_content(report, ".md").decode(), *report.notes]) + "\n")
    for condition in held:
        print(f"gapbook: failed, {condition}", file=sys.stderr)
    return 1 if held else 0


def _carries_scores(stored: "Input") -> bool:
    """Say whether vectors as they are stored, not yet of unit length, carry a correction."""
    from gapbook.checks.arrays import as_numpy, plain_matrix
    from gapbook.report.findings import carries_scores

    if len(stored.y.shape) == 3:
        return False
    x, y = (as_numpy(plain_matrix(side, "it")) for side in (stored.x, stored.y))
    return carries_scores(x, y)


def _stages(options: argparse.Namespace) -> dict[str, int]:
    """Return the stages that come, and how long each takes beside the others."""
    left_out = set()
    # A folder has a progress bar of its own.
    if holds_shards(options):
        left_out.add("measures")
    if options.only == "measures":
        left_out |= {"landscape", "mitigations"}
    if not any(path.suffix.lower() == ".html" for path in options.out):
        left_out.add("figures")
    return {stage: share for stage, share in STAGE_SHARES.items() if stage not in left_out}


def _conditions(options: argparse.Namespace) -> "list[Condition]":
    """Read the conditions of ``--fail-if``, before anything is measured."""
    from gapbook.geometry.measures import MEASURES
    from gapbook.report.conditions import parse_condition, require_measure

    conditions = [parse_condition(text) for text in options.fail_if]
    for condition in conditions:
        require_measure(condition.metric, MEASURES)
    return conditions


def _check_together(options: argparse.Namespace) -> None:
    """Refuse options that do not fit one another, or the input."""
    if count_sides(options) > 2:
        check_several(options)
    require_different_names(options)
    if (options.logit_scale is None) != (options.logit_bias is None):
        raise PairsError("Expected --logit-scale and --logit-bias together, or none of them")
    for_folders = options.scheduler or options.skip_bad or options.sample is not None
    if for_folders and not holds_shards(options):
        raise PairsError(
            "--scheduler, --sample and --skip-bad are for a folder of shards; "
            f"{quoted(options.input)} is none"
        )


def _measure_folder(options: argparse.Namespace) -> "Measured":
    """Measure a folder of shards, with a progress bar of its own."""
    from gapbook.geometry.table import SAMPLE_SIZE
    from gapbook.shards import measure_shards

    sample = SAMPLE_SIZE if options.sample is None else options.sample
    measured = measure_shards(
        options.input,
        options.scheduler,
        columns=tuple(options.columns or ("x", "y")),
        modalities=tuple(options.modalities or ("image", "text")),
        groups=options.groups[0] if options.groups else None,
        seed=options.seed,
        sample=sample,
        skip_bad=options.skip_bad,
        progress=shows_progress(options),
    )
    for note in measured.notes_on_left_out:
        print(f"gapbook: {one_line(note)}", file=sys.stderr)
    return measured


def _report_on(
    options: argparse.Namespace,
    source: "PairedEmbeddings | Measured",
    on_stage: Callable[[str], None],
    carries_scores: bool,
) -> "ModelReport":
    """Measure and report; a note says so if the temperature is assumed."""
    on_stage("loading")
    # These load PyTorch.
    from threadpoolctl import threadpool_limits

    from gapbook.geometry.table import Measured, measure
    from gapbook.report.model import CLIP_TAU, report_on

    on_stage("measures")
    with threadpool_limits(1):
        measured = source if isinstance(source, Measured) else measure(source, options.seed)
    if carries_scores:
        measured = replace(measured, carries_scores=True)
    name = options.name or one_line(readable(options.input.resolve().stem))
    tau = options.temperature or CLIP_TAU
    report = report_on(
        measured,
        name,
        tau,
        options.seed,
        on_stage=on_stage,
        only_measures=options.only == "measures",
        input_text=input_words(options),
    )
    if options.temperature is None:
        report.notes.append(
            f"Temperature {CLIP_TAU:g} is assumed, CLIP's; give your own with --temperature."
        )
    if options.logit_scale is not None:
        report.notes.append(_note_on_sigmoid(options, report.measured.pairs))
    return report


def _note_on_sigmoid(options: argparse.Namespace, pairs: "PairedEmbeddings") -> str:
    """Say what the model's own scale and bias give for partners and for unrelated pairs."""
    from gapbook.geometry.table import SAMPLE_SIZE
    from gapbook.report.calibration import own_probability_in_words
    from gapbook.report.recommend import draw_pairs
    from gapbook.report.thresholds import cross_cosines

    drawn = draw_pairs(pairs, SAMPLE_SIZE, options.seed)
    partners, unrelated = cross_cosines(drawn.x, drawn.y)
    return own_probability_in_words(partners, unrelated, options.logit_scale, options.logit_bias)


def _content(report: "ModelReport", suffix: str) -> bytes:
    """Return a report as the content of a file with this suffix."""
    from gapbook.report.tables import latex_report, markdown_report

    if suffix == ".html":
        from gapbook.report.page import to_html

        text = to_html(report)
    elif suffix == ".json":
        text = report.to_json()
    elif suffix == ".tex":
        title = f"Modality gap report: {report.name}"
        lines = report.first_lines
        text = latex_report(
            lines, report.table, report.explained, title, report.candidates, report.cuts
        )
    else:
        lines = report.first_lines
        text = markdown_report(
            lines, report.table, report.explained, report.candidates, report.cuts
        )
    return readable(text).encode()
