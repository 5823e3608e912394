import numpy as np
import pandas as pd
import pytest

from gapbook.report.tables import format_measure, latex_table, markdown_table

COLUMNS = ["metric", "value", "low", "high", "unit"]
NO_LABELS = pd.DataFrame({"metric": [], "label": []})
UNUSUAL = pd.DataFrame([("a_b", 0.00042, np.nan, np.nan, "50 % | x")], columns=COLUMNS)


def cells_of(line):
    """The cells of a row of a Markdown table; an escaped pipe is no end of a cell."""
    parts = line.replace("\\|", "\0").strip("|").split("|")
    return [part.strip().replace("\0", "\\|") for part in parts]


def test_a_pipe_in_a_markdown_cell_is_escaped():
    head, _, row = markdown_table(UNUSUAL, NO_LABELS).splitlines()
    assert cells_of(head) == ["measure", "value", "95 % interval", "unit"]
    assert cells_of(row) == ["a b", "0.00042", "", "50 % \\| x"]


def labeled(label):
    return pd.DataFrame({"metric": ["a_b"], "label": [label]})


@pytest.mark.parametrize(
    ("name", "cell"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("[a](javascript:b)", "\\[a\\](javascript:b)"),
        ("&lt;", "&amp;lt;"),
        ("**a** `b`", "\\*\\*a\\*\\* \\`b\\`"),
        # The backslash must not take away that of the pipe.
        ("a\\|b", "a\\\\\\|b"),
        ("two\nlines\x1b[31m", "two lines\\\\x1b\\[31m"),
    ],
)
def test_markdown_takes_nothing_in_a_name_as_a_mark(name, cell):
    lines = markdown_table(UNUSUAL, labeled(name)).splitlines()
    assert len(lines) == 3
    assert cells_of(lines[-1])[0] == cell
    assert len(cells_of(lines[-1].replace("\\\\", ""))) == 4


def test_a_name_of_several_lines_is_one_in_latex():
    latex = latex_table(UNUSUAL, labeled("two\n\nlines\x1b"), "a\n\nb")
    assert r"\caption{a b}" in latex
    assert r"two lines\textbackslash{}x1b & 0.00042" in latex


def test_zeros_at_the_end_of_a_number_stay():
    table = pd.DataFrame([("mmd", 0.3, 0.25, 0.4, "")], columns=COLUMNS)
    row = markdown_table(table, NO_LABELS).splitlines()[-1]
    assert cells_of(row) == ["mmd", "0.300", "[0.250, 0.400]", ""]


def test_what_latex_takes_as_commands_is_escaped_in_cells_and_caption():
    latex = latex_table(UNUSUAL, NO_LABELS, "R&D_1 {x} \\y ~^#$")
    assert r"\caption{R\&D\_1 \{x\} \textbackslash{}y \~{}\^{}\#\$}" in latex
    assert r"a b & 0.00042 &  & 50 \% | x \\" in latex
    assert r"measure & value & 95 \% interval & unit \\" in latex


def test_a_latex_table_is_complete():
    lines = latex_table(UNUSUAL, NO_LABELS, "caption").splitlines()
    assert lines[0] == "% needs \\usepackage{booktabs}"
    rules = [line for line in lines if line.endswith("rule")]
    assert rules == [r"\toprule", r"\midrule", r"\bottomrule"]
    assert lines[-1] == r"\end{table}"


@pytest.mark.parametrize(
    ("value", "unit", "printed"),
    [
        (8.0, "dimensions", "8"),
        (512.0, "dimensions", "512"),
        (7.25, "dimensions", "7.250"),
        (8.0, "pairs", "8"),
        (1.0, "fraction", "1.000"),
        (np.nan, "dimensions", "–"),
    ],
)
def test_whole_numbers_of_dimensions_have_no_decimals(value, unit, printed):
    assert format_measure(value, unit) == printed
