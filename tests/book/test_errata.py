"""The page of errata agrees with itself, and with what other pages say of it."""

import re
from pathlib import Path

import nbformat
import pytest

BOOK = Path(__file__).parents[2] / "book"
# "E" and a number, in the summary and where other pages name an erratum
NUMBER = re.compile(r"\bE(\d+)\b")


@pytest.fixture(scope="module")
def page():
    notebook = nbformat.read(BOOK / "appendix" / "errata.ipynb", as_version=4)
    return "\n".join(cell.source for cell in notebook.cells)


def test_the_summary_lists_each_erratum_once(page):
    errata = re.findall(r"\(erratum-e(\d+)\)=", page)
    summary = re.findall(r"^E(\d+) \| ", page, re.MULTILINE)
    assert sorted(errata, key=int) == summary
    for number in errata:
        assert re.search(rf"^(### |\*\*)E{number}: ", page, re.MULTILINE), number


def test_remarks_are_no_errata(page):
    errata = set(re.findall(r"\(erratum-e(\d+)\)=", page))
    remarks = re.findall(r"\(remark-(\d+)\)=", page)
    assert remarks == sorted(remarks, key=int)
    assert errata.isdisjoint(remarks)


def test_links_within_the_page_have_a_target(page):
    for target in re.findall(r"\]\(#((?:erratum|remark)[\w-]*)\)", page):
        assert f"({target})=" in page, target
