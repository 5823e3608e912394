"""The command ``report`` for three or more modalities of the same items."""

import argparse
import sys
from typing import TYPE_CHECKING

from gapbook.cli.inputs import load_several
from gapbook.exceptions import PairsError, one_line, quoted
from gapbook.files.paths import path_text
from gapbook.terminal import print_text, readable

if TYPE_CHECKING:
    from gapbook.report.conditions import Condition

OUTPUT_SUFFIXES = (".json", ".md")
# What is for pairs alone, or for a folder of shards.
NOT_FOR_SEVERAL = (
    "groups",
    "long_table",
    "dequantize",
    "temperature",
    "logit_scale",
    "logit_bias",
    "scheduler",
    "sample",
    "skip_bad",
)


def check_several(options: argparse.Namespace) -> None:
    """Refuse options and outputs that three or more modalities do not have."""
    for option in NOT_FOR_SEVERAL:
        value = getattr(options, option)
        # Zero is a number that somebody asked for.
        if value is not None and value is not False:
            raise PairsError(
                f"--{option.replace('_', '-')} is for pairs of two modalities; got more than two: "
                "leave it out, or put all files before the options"
            )
    for path in options.out:
        if path.suffix.lower() not in OUTPUT_SUFFIXES:
            raise PairsError(
                f"Three or more modalities are written as {' or '.join(OUTPUT_SUFFIXES)}; got "
                f"{quoted(path)}"
            )


def report_several(options: argparse.Namespace, conditions: "list[Condition]") -> int:
    """Measure, then write every file, each whole or not at all; without one print the tables."""
    from gapbook.files import write_all
    from gapbook.report.several import report_on_several

    sides = load_several(options)
    paths = [options.input]
    if options.other_input:
        paths += [options.other_input, *options.more_inputs]
    name = options.name or one_line(readable(", ".join(path.stem for path in paths)))
    source = one_line(readable(", ".join(path.name for path in paths)))
    report = report_on_several(sides, name, source, options.seed)
    held = report.held(conditions)
    contents = {}
    for path in options.out:
        text = report.to_json() if path.suffix.lower() == ".json" else report.to_markdown()
        contents[path] = readable(text).encode()
    write_all(contents)
    if contents:
        written = [path_text(path) for path in contents]
        print_text("\n".join([*report.first_lines, "", *written]))
    else:
        print_text("\n".join([report.to_markdown(), "\n\n".join(report.notes)]))
    for phrase in held:
        print(f"gapbook: failed, {one_line(phrase)}", file=sys.stderr)
    return 1 if held else 0
