"""Tables for readers."""

import re

import numpy as np
import pandas as pd
import pytest

from gapbook.plots.table import cell, show_table, with_intervals


def rows(markup: str) -> list[list[str]]:
    """Return the texts of a table, row by row."""
    found = re.findall(r"<tr>(.*?)</tr>", markup)
    cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in found]
    return [[re.sub("&nbsp;", " ", text) for text in row] for row in cells]


GAPS = pd.DataFrame(
    {"gap": [0.7071, -0.001], "n": [1072, 3], "kept": [True, False], "kind": ["a_b", None]},
    pd.Index(["glyphclip", "glyphclip-t10"], name="model"),
).rename_axis(columns="what")


def test_a_table_has_one_row_of_headers_and_names_in_words() -> None:
    assert rows(show_table(GAPS)._repr_html_()) == [
        ["", "gap", "n", "kept", "kind"],
        ["GlyphCLIP at 1/100", "0.71", "1,072", "yes", "a b"],
        ["GlyphCLIP at 1/10", "0.00", "3", "no", "–"],
    ]


def test_a_corner_says_what_the_names_of_rows_are() -> None:
    table = pd.DataFrame({"gap": [0.7, 0.1]}, ["-1.0", "0.5"])
    shown = show_table(table, corner="shift")
    assert rows(shown._repr_html_()) == [["shift", "gap"], ["−1.0", "0.70"], ["0.5", "0.10"]]
    assert '<th scope="col">shift</th>' in shown._repr_html_()
    assert repr(shown).split() == ["gap", "shift", "−1.0", "0.70", "0.5", "0.10"]


def test_numbers_within_texts_have_a_minus_sign_too() -> None:
    table = pd.DataFrame({"change": ["+0.10 (-0.04 to -0.00)", "glyphclip-t10 of 1-2"]})
    shown = rows(show_table(table, index=False)._repr_html_())
    assert shown[1:] == [["+0.10 (−0.04 to 0.00)"], ["glyphclip-t10 of 1-2"]]


def test_numbers_stand_at_the_right_under_their_header() -> None:
    markup = show_table(GAPS)._repr_html_()
    right = re.findall(r'<t[dh][^>]*class="gap-number"[^>]*>([^<]*)<', markup)
    assert right == ["gap", "n", "0.71", "1,072", "0.00", "3"]


def test_headers_of_two_levels_span_their_columns() -> None:
    columns = pd.MultiIndex.from_product([["images", "texts"], ["mean", "std"]], names=["a", "b"])
    index = pd.MultiIndex.from_tuples([("x", 1), ("x", 2), ("y", 1)], names=["c", "d"])
    markup = show_table(pd.DataFrame(np.eye(3, 4), index, columns), ".0f")._repr_html_()
    assert rows(markup)[:2] == [["", "images", "texts"], ["mean", "sd", "mean", "sd"]]
    assert 'rowspan="2">x<' in markup and 'colspan="2">images<' in markup
    assert [row[:2] for row in rows(markup)[2:]] == [["x", "1"], ["2", "0"], ["y", "1"]]


def test_the_same_name_twice_makes_two_columns() -> None:
    table = pd.DataFrame([[1, 2.5]], columns=["gap", "gap"])
    assert rows(show_table(table, index=False)._repr_html_()) == [["gap", "gap"], ["1", "2.50"]]


def test_formats_are_those_of_the_columns() -> None:
    table = pd.DataFrame({"gap": [0.5], ("gap", "change"): [-0.014]})
    shown = show_table(table, {"gap": ".3f", "change": "+.1%"}, names={"gap": "distance"})
    assert rows(shown._repr_html_())[1][1:] == ["0.500", "−1.4%"]
    assert rows(shown._repr_html_())[0][1] == "distance"


def test_a_series_is_a_table_of_one_column() -> None:
    assert rows(show_table(pd.Series({"clip-coco": 0.823}, name="gap"))._repr_html_()) == [
        ["", "gap"],
        ["CLIP", "0.82"],
    ]


@pytest.mark.parametrize(
    ("value", "spec", "written"),
    [
        (-0.0004, ".2f", "0.00"),
        (-0.0004, "+.1%", "0.0%"),
        (0.0, ".2e", "0.00e+00"),
        (-1e-9, ".1e", "−1.0e−09"),
        (np.float32(0.25), ".2f", "0.25"),
        (np.int64(-5), ".2f", "−5"),
        (np.bool_(True), ".2f", "yes"),
        (np.nan, ".2f", "–"),
        (pd.NA, ".2f", "–"),
        ("0.71 ± 0.02", ".2f", "0.71 ± 0.02"),
    ],
)
def test_a_cell_is_written_for_readers(value, spec, written) -> None:
    assert cell(value, spec) == written


def test_content_is_escaped() -> None:
    table = pd.DataFrame({"<b>": ["a & b"]}, ["<i>"])
    assert "&lt;b&gt;" in show_table(table)._repr_html_()
    assert "a &amp; b" in show_table(table)._repr_html_()
    assert "<i>" not in show_table(table)._repr_html_()


def test_an_interval_is_written_by_its_wider_side() -> None:
    table = pd.DataFrame({"value": [0.5], "low": [0.3], "high": [0.6]}, ["a"])
    assert with_intervals(table, "value").to_dict() == {"a": "0.50 ± 0.20"}


def test_the_half_width_of_a_change_has_no_sign() -> None:
    table = pd.DataFrame({"change": [-0.25], "low": [-0.5], "high": [0.0]})
    written = with_intervals(table, "change", spec="+.2f").tolist()
    assert written == ["−0.25 ± 0.25"]
