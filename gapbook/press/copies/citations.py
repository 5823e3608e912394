"""Cite works by author and year, with a link to where they can be read."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from pybtex.database import BibliographyData, Entry, Person, parse_file
from pybtex.richtext import Text
from sphinxcontrib.bibtex.citation_target import CitationTarget, parse_citation_targets

from gapbook.exceptions import PressError, nearest

# how roles of sphinxcontrib-bibtex write one work: author and year, or one of them
FORMS = {
    "p": "{author}, {year}",
    "t": "{author} ({year})",
    "alp": "{author}, {year}",
    "label": "{author}, {year}",
    "labelpar": "{author}, {year}",
    "author": "{author}",
    "authorpar": "{author}",
    "year": "{year}",
    "yearpar": "{year}",
}
IN_PARENTHESES = {"p", "labelpar", "authorpar", "yearpar"}


class Citations:
    """The works of a bibliography.

    Parameters
    ----------
    entries : mapping of str to Entry
        Works by key.
    elsewhere : callable
        Function of a key that returns an address for a work that states none, or nothing.
    """

    def __init__(
        self, entries: Mapping[str, Entry], elsewhere: Callable[[str], str] = lambda key: ""
    ) -> None:
        self.entries = entries
        self.elsewhere = elsewhere

    @classmethod
    def read(cls, paths: Sequence[Path], elsewhere: Callable[[str], str] = lambda key: "") -> Self:
        """Read BibTeX files.

        Parameters
        ----------
        paths : sequence of Path
            The files.
        elsewhere : callable
            As for the class.

        Returns
        -------
        Citations
            All their works.
        """
        works = BibliographyData()
        for path in paths:
            works.add_entries(parse_file(str(path)).entries.items())
        return cls(works.entries, elsewhere)

    def cite(self, form: str, content: str) -> str:
        """Write a citation in Markdown.

        Parameters
        ----------
        form : str
            ``"p"`` for parentheses, ``"t"`` for text, and what else follows ``cite:`` in a role; a
            star or an ``s`` at its end names all authors.
        content : str
            Keys, separated by commas, with text in braces before or after a key.

        Returns
        -------
        str
            The citation, each work a link if its DOI or its address is known.

        Raises
        ------
        PressError
            If there is no such form or key.
        """
        in_full = form.endswith("*") or (form.endswith("s") and form[:-1] in FORMS)
        form = form.rstrip("*s") if in_full else form
        if form not in FORMS:
            raise PressError(f"no citation has the form {form!r}; {nearest(form, FORMS)}")
        works = [
            self._work(target, FORMS[form], in_full) for target in parse_citation_targets(content)
        ]
        if form in IN_PARENTHESES:
            return f"({'; '.join(works)})"
        return ", ".join(works)

    def _work(self, target: CitationTarget, pattern: str, in_full: bool) -> str:
        if target.key not in self.entries:
            hint = nearest(target.key, self.entries)
            raise PressError(f"the bibliography has no {target.key!r}; {hint}")
        entry = self.entries[target.key]
        author = authors(entry, in_full)
        year = entry.fields.get("year", "")
        label = pattern.format(author=author, year=year) if year else author
        address = url(entry) or self.elsewhere(target.key)
        if address:
            label = f"[{label}]({address})"
        before = f"{target.pre} " if target.pre else ""
        after = f", {target.post}" if target.post else ""
        return f"{before}{label}{after}"


def authors(entry: Entry, in_full: bool = False) -> str:
    """Name the authors of a work, or else its editors, its organization or its title.

    Parameters
    ----------
    entry : Entry
        The work.
    in_full : bool
        Whether to name all of them: more than two are otherwise the first *et al.*

    Returns
    -------
    str
        Last names, in Markdown.

    Examples
    --------
    >>> people = [Person("Wang, Tongzhou"), Person("Isola, Phillip"), Person("{The Team}")]
    >>> authors(Entry("misc", persons={"author": people[:2]}))
    'Wang and Isola'
    >>> authors(Entry("misc", persons={"author": people}))
    'Wang et al.'
    """
    persons = entry.persons.get("author") or entry.persons.get("editor") or ()
    names = [_last_name(person) for person in persons]
    others = bool(names) and names[-1] == "others"
    if others:
        names = names[:-1]
    if not names:
        fields = [entry.fields[name] for name in ("organization", "title") if name in entry.fields]
        return _plain(fields[0]) if fields else entry.key
    if others or (len(names) > 2 and not in_full):
        return f"{names[0]} et al."
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def url(entry: Entry) -> str:
    """Return the address of a work: that of its DOI, the one that it states, or that on arXiv.

    Parameters
    ----------
    entry : Entry
        The work.

    Returns
    -------
    str
        The address; empty if none is known.

    Examples
    --------
    >>> url(Entry("misc", fields={"doi": "10.1/a", "url": "https://example.org"}))
    'https://doi.org/10.1/a'
    """
    if "doi" in entry.fields:
        return f"https://doi.org/{entry.fields['doi']}"
    if "url" in entry.fields:
        return entry.fields["url"]
    if entry.fields.get("archiveprefix", entry.fields.get("eprinttype", "")).lower() == "arxiv":
        return f"https://arxiv.org/abs/{entry.fields['eprint']}"
    return ""


def _last_name(person: Person) -> str:
    return _plain(" ".join([*person.prelast_names, *person.last_names]))


def _plain(latex: str) -> str:
    return str(Text.from_latex(latex))
