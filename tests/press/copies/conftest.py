"""A writer of plain Markdown that needs no site."""

import pytest
from pybtex.database import Entry, Person

from gapbook.exceptions import PressError
from gapbook.press.copies.citations import Citations
from gapbook.press.copies.references import Target
from gapbook.press.copies.values import Values
from gapbook.press.copies.writer import PlainWriter

SITE = "https://example.org/book/"


class FakeReferences:
    """A book of two pages, one of them a glossary, with a label, a figure and an equation."""

    def __init__(self, site=SITE):
        self.site = site

    def _target(self, title, place, page="Another chapter"):
        return Target(title, f"{self.site}{place}" if self.site else "", page)

    def page(self, document):
        return document.removesuffix(".ipynb").rpartition("/")[2]

    def document(self, document):
        return self._target("Another chapter", f"{self.page(document)}.html")

    def label(self, label):
        if label != "sec":
            raise PressError(f"there is no label {label!r}")
        return self._target("A section", "02.html#sec")

    def term(self, term):
        return self._target(term, f"glossary.html#term-{term}", "Glossary")

    def link(self, href):
        path, _, anchor = href.partition("#")
        place = f"{self.page(path)}.html" + (f"#{anchor}" if anchor else "")
        title = "A section" if anchor else "Another chapter"
        return self._target(title, place, "Another chapter" if path else "")

    def number(self, kind, label):
        return "Table 1.1" if kind == "table" else "Figure 3"

    def figure(self, label):
        if label == "fig-elsewhere":
            return self._target("Figure 2.1", "02.html#fig-elsewhere")
        return Target("Figure 3")

    def equation(self, label):
        return {"loss": "2"}[label]

    def python(self, name):
        known = self.site and name.startswith("gapbook")
        return f"{self.site}api.html#{name}" if known else ""

    def image(self, source):
        return "data:image/png;base64,AAAA"


def entry(last_names, **fields):
    persons = [Person(name) for name in last_names]
    return Entry("article", fields=fields, persons={"author": persons})


@pytest.fixture
def writer():
    """Writer of notebook 01: values, three works and a few places."""
    return make_writer(SITE)


@pytest.fixture
def writer_without_site():
    """The same for a site whose address nobody knows."""
    return make_writer("")


def make_writer(site):
    values = {
        "01": {
            "ch01.gap": {"text/plain": "0.8514"},
            "ch01.n": {"text/plain": "1072"},
            "ch01.name": {"text/plain": "'a_b*c'"},
        },
        "02": {"ch02.share": {"text/plain": "0.256"}},
    }
    works = {
        "liang": entry(["Liang, W.", "Zhang, Y.", "Kwon, Y."], year="2022", doi="10.1/gap"),
        "wang": entry(["Wang, T.", "Isola, P."], year="2020", url="https://example.org/wang"),
        "cho": entry(["Cho, Y."], year="2009"),
        "undated": entry(["{The Team}"], url="https://example.org/team"),
    }
    return PlainWriter("01", Values(values), Citations(works), FakeReferences(site))
