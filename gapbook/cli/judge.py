"""The command ``judge``: compare two sets of document vectors by queries of one's own."""

import argparse
import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gapbook.checks.seeds import MAX_SEED
from gapbook.cli.inputs import load_vectors
from gapbook.cli.options import Parser, add_command, count, input_path, output_path, seed
from gapbook.exceptions import PairsError, one_line, quoted
from gapbook.terminal import print_text, readable

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

OUTPUT_SUFFIXES = (".md", ".json")
# Lengths of rows that differ from 1 by more are no rounding of half precision.
UNIT_LENGTH = 0.01

JUDGE = """Judge a search before and after a change of its vectors, by queries of your own.

before, after   vectors of the same documents: a file with one array (n, d), of any ending that
                gapbook report reads
--queries       vectors of the queries, likewise; --queries-after, where they were changed as well
--relevant      a CSV file with the columns query and document, which count from 0: one line for
                each document that answers a query
--modalities    a CSV file with the columns document and modality, one line for each document
--exclude       a CSV file with the columns query and document: one line for each document that a
                query leaves out, such as the query itself where it is a document too

Scores are inner products; --cosine compares directions. Says recall and nDCG among the first k by
the modality of the answer, and the share of each modality among them, with the changes and their
95 % intervals: a bootstrap over queries, the same ones on both sides.
"""
EXAMPLES = """examples:
  gapbook judge before.npy after.npy --queries q.npy --relevant answers.csv
  gapbook judge before.npy after.npy --queries q.npy --queries-after q_after.npy \\
    --relevant answers.csv --modalities documents.csv --out judged.md --out judged.json

"""


def add_judge(commands: "argparse._SubParsersAction[Parser]") -> None:
    """Add the command ``judge``."""
    judge = add_command(commands, "judge", "judge a search before and after", JUDGE, EXAMPLES)
    judge.set_defaults(run=_judge)
    judge.add_argument("before", type=input_path, help="vectors of the documents before")
    judge.add_argument("after", type=input_path, help="vectors of the same documents after")
    for name, required, text in (
        ("queries", True, "vectors of the queries"),
        ("queries-after", False, "vectors of the same queries after (default: those before)"),
        ("relevant", True, "a CSV file with the columns query and document"),
        ("modalities", False, "a CSV file with the columns document and modality"),
        ("exclude", False, "a CSV file with the columns query and document, to be left out"),
    ):
        judge.add_argument(
            f"--{name}", type=input_path, required=required, metavar="FILE", help=text
        )
    judge.add_argument("--k", type=count, default=10, help="documents that are shown (default: 10)")
    judge.add_argument("--cosine", action="store_true", help="bring all vectors to unit length")
    judge.add_argument(
        "--seed", type=seed, default=0, help=f"of the intervals, up to {MAX_SEED} (default: 0)"
    )
    judge.add_argument(
        "--out",
        type=output_path(OUTPUT_SUFFIXES),
        action="append",
        default=[],
        help=f"a file to write, {', '.join(OUTPUT_SUFFIXES)}; may be given again",
    )


def _judge(options: argparse.Namespace) -> None:
    """Measure both searches; then write every file, or print the table."""
    from gapbook.files import write_all
    from gapbook.search_quality import compare_searches, search_quality

    queries_after = options.queries_after or options.queries
    before = load_vectors(options.before, options.cosine)
    after = load_vectors(options.after, options.cosine)
    asked_before = load_vectors(options.queries, options.cosine)
    asked_after = load_vectors(queries_after, options.cosine)
    _require_as_many(before, after, "documents", options.before, options.after)
    _require_as_many(asked_before, asked_after, "queries", options.queries, queries_after)
    _require_dimension(asked_before, before, options.queries, options.before)
    _require_dimension(asked_after, after, queries_after, options.after)
    modalities = _modalities(options.modalities, len(before))
    measure = partial(
        search_quality,
        relevant=_row_pairs(options.relevant),
        modalities=modalities,
        k=options.k,
        exclude=None if options.exclude is None else _row_pairs(options.exclude),
    )
    found_before = measure(asked_before, before)
    found_after = measure(asked_after, after)
    table = compare_searches(found_before, found_after, seed=options.seed)
    if modalities is None:
        # One modality: what is said of all is said.
        table = table[table["modality"] == "all"]
    else:
        shares = {name: modalities.count(name) / len(modalities) for name in set(modalities)}
        is_share = table["measure"] == "share"
        table["corpus"] = table["modality"].map(shares).where(is_share)
    notes = _notes(options, [before, after])
    contents = {path: _content(table, notes, options.k, path.suffix) for path in options.out}
    write_all(contents)
    if not contents:
        print_text(_content(table, notes, options.k, ".md").decode())


def _require_as_many(
    before: "np.ndarray", after: "np.ndarray", what: str, path: Path, path_after: Path
) -> None:
    from gapbook.files import path_text

    if len(before) != len(after):
        raise PairsError(
            f"Expected the same {what} before and after; {path_text(path)} has {len(before)} "
            f"rows and {path_text(path_after)} {len(after)}"
        )


def _require_dimension(
    queries: "np.ndarray", documents: "np.ndarray", path: Path, path_of_documents: Path
) -> None:
    from gapbook.files import path_text

    if queries.shape[1] != documents.shape[1]:
        raise PairsError(
            f"Expected queries and documents of the same dimension; {path_text(path)} has "
            f"{queries.shape[1]} and {path_text(path_of_documents)} {documents.shape[1]}: "
            "--queries-after names the queries that were changed with the documents"
        )


def _row_pairs(path: Path) -> list[list[int]]:
    """Read pairs of a query and a document."""
    from gapbook.files.csv_rows import read_rows

    rows = read_rows(path, ["query", "document"])
    if not rows:
        raise PairsError(f"Expected a query and a document a line in {quoted(path)}; there is none")
    return [[_row_number(cell, row.line, path) for cell in row.cells] for row in rows]


def _row_number(cell: str, line: int, path: Path) -> int:
    if not cell.isdecimal() or len(cell) > 18:
        raise PairsError(
            f"Expected the number of a row, from 0, in line {line} of {quoted(path)}; "
            f"got {quoted(cell)}"
        )
    return int(cell)


def _modalities(path: Path | None, n: int) -> list[str] | None:
    """Read the modality of each of n documents, in their order."""
    from gapbook.files.csv_rows import read_rows

    if path is None:
        return None
    names: dict[int, str] = {}
    for row in read_rows(path, ["document", "modality"]):
        number = _row_number(row.cells[0], row.line, path)
        name = one_line(readable(row.cells[1]))
        if not name or number >= n or number in names:
            raise PairsError(
                f"Expected one modality for each document from 0 to {n - 1}; "
                f"line {row.line} of {quoted(path)} has document {number}, {quoted(name)}"
            )
        names[number] = name
    if len(names) < n:
        missing = next(number for number in range(n) if number not in names)
        raise PairsError(
            f"Expected one modality for each document from 0 to {n - 1}; "
            f"{quoted(path)} has none for document {missing}"
        )
    return [names[number] for number in range(n)]


def _notes(options: argparse.Namespace, sides: "list[np.ndarray]") -> list[str]:
    """Say how scores were made, and where rows have other lengths than 1."""
    import numpy as np

    if options.cosine:
        return ["Scores are cosines."]
    lengths = [np.linalg.norm(side.astype(float), axis=1) for side in sides]
    uneven = max(float(np.abs(length - 1).max()) for length in lengths)
    if uneven <= UNIT_LENGTH:
        return ["Scores are inner products of rows of unit length: cosines."]
    return [
        "Scores are inner products, and rows do not all have unit length: right for vectors "
        "that carry a scale of scores; for others --cosine compares directions."
    ]


def _content(table: "pd.DataFrame", notes: list[str], k: int, suffix: str) -> bytes:
    """Return the table in Markdown or JSON."""
    if suffix.lower() == ".json":
        import numpy as np

        rows = table.astype(object).replace({np.nan: None}).to_dict("records")
        document = {"k": k, "notes": notes, "changes": rows}
        return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()
    lines = [*notes, "", "| measure | answer | queries | before | after | change | 95 % interval |"]
    lines.append("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    for row in table.to_dict("records"):
        measure = {"ndcg": "nDCG"}.get(row["measure"], row["measure"])
        name = str(row["modality"]).replace("|", "\\|")
        if row["measure"] == "share" and "corpus" in row:
            name += f" ({row['corpus']:.0%} of the documents)"
        values = "– | – | – | no such queries"
        if row["queries"]:
            values = (
                f"{row['before']:.3f} | {row['after']:.3f} | {row['change']:+.3f} | "
                f"{row['low']:+.3f} to {row['high']:+.3f}"
            )
        lines.append(f"| {measure}@{k} | {name} | {row['queries']} | {values} |")
    return ("\n".join(lines) + "\n").encode()
