"""Let the search of the site find sections, by their prose.

Sphinx searches whole pages, code and all. Here each section is a document of its own in the index,
and so is each term of the glossary; code, tables of figures and scripts are left out. Words that
readers search for and a section does not use lead there by ``search.yml`` in the folder of the
book. What belongs to the index alone has a name ``page#anchor``; ``search.js`` makes links of it.
"""

import html
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from docutils import nodes
from docutils.utils import new_document
from sphinx import addnodes
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.search import IndexBuilder
from sphinx.util import logging

from gapbook.press.mappings import read_mapping

logger = logging.getLogger(__name__)
SCORER = Path(__file__).with_name("search.js")
WORDS = "search.yml"
# terms, which are parts of their own; code, what it has printed, and what no reader searches for
OTHERS = (
    addnodes.glossary,
    nodes.literal_block,
    nodes.doctest_block,
    nodes.raw,
    nodes.math_block,
    nodes.comment,
)
# what asks for a term of the glossary without naming it
ABOUT_A_TERM = "definition meaning glossary"


@dataclass(frozen=True)
class Part:
    """A part of a page that the search finds by itself.

    Attributes
    ----------
    anchor : str
        Where it begins; empty for the beginning of the page.
    title : str
        Its title.
    content : list of nodes.Node
        What it holds, without the parts within it.
    """

    anchor: str
    title: str
    content: list[nodes.Node]


def parts(doctree: nodes.document) -> Iterator[Part]:
    """Part a page into its sections and the terms that it defines.

    Parameters
    ----------
    doctree : nodes.document
        The page.

    Yields
    ------
    Part
        A section without those within it, or a term with its definition.
    """
    for number, section in enumerate(doctree.findall(nodes.section)):
        title = section.next_node(nodes.title)
        own = [child for child in section.children if not isinstance(child, nodes.section)]
        anchor = section["ids"][0] if number else ""
        yield Part(anchor, title.astext() if title else "", own)
    for item in doctree.findall(nodes.definition_list_item):
        term = item.next_node(nodes.term)
        if term is not None and term["ids"]:
            about = nodes.paragraph("", ABOUT_A_TERM)
            heading = nodes.title("", term.astext())
            asked = ("single", f"{term.astext()} definition", term["ids"][0], "main", None)
            entries = [*term.findall(addnodes.index), addnodes.index(entries=[asked])]
            content = [heading, *entries, *item.children[1:], about]
            yield Part(term["ids"][0], term.astext(), content)


class SectionIndex(IndexBuilder):
    """An index of sections in the place of pages."""

    words: Mapping[str, str] = MappingProxyType({})

    def feed(self, docname: str, filename: str, title: str, doctree: nodes.document) -> None:
        """Index the parts of a page, each as a document.

        Parameters
        ----------
        docname, filename, title : str
            Name, source and title of the page.
        doctree : nodes.document
            The page.
        """
        here = {
            text: place for text, place in self.words.items() if place.partition("#")[0] == docname
        }
        names = set()
        for part in parts(doctree):
            name = f"{docname}#{part.anchor}" if part.anchor else docname
            names.add(name)
            document = _prose(part)
            for text in [text for text, place in here.items() if place == name]:
                document += addnodes.index(entries=[("single", text, part.anchor, "main", None)])
            heading = html.escape(part.title) if part.anchor else title
            super().feed(name, filename, heading, document)
        for text, place in here.items():
            if place not in names:
                logger.warning("%s: %r leads to %s, which is no section", WORDS, text, place)

    def prune(self, docnames: Iterable[str]) -> None:
        """Remove all but some pages.

        Parameters
        ----------
        docnames : iterable of str
            Names of pages.
        """
        kept = set(docnames)
        super().prune([name for name in self._titles if name.partition("#")[0] in kept])


class SearchableBuilder(StandaloneHTMLBuilder):
    """Sphinx' builder of HTML, with an index of sections."""

    def prepare_writing(self, docnames: set[str]) -> None:
        """Prepare the index among all else.

        Parameters
        ----------
        docnames : set of str
            Names of the pages to write.
        """
        super().prepare_writing(docnames)
        if self.indexer is None:
            return
        options = self.config.html_search_options
        self.indexer = SectionIndex(self.env, self.indexer.lang.lang, options, str(SCORER))
        self.indexer.words = read_words(Path(self.srcdir, WORDS))


def read_words(path: Path) -> dict[str, str]:
    """Read where words lead that the pages themselves do not use.

    Parameters
    ----------
    path : Path
        YAML file of places by words; there need not be one.

    Returns
    -------
    dict of str to str
        Places, ``page`` or ``page#anchor``, by words.
    """
    if not path.is_file():
        return {}
    return {str(words): str(place) for words, place in read_mapping(path).items()}


def _prose(part: Part) -> nodes.document:
    """Return a part as a document without code."""
    document = new_document("")
    section = nodes.section(ids=[part.anchor])
    section += [node.deepcopy() for node in part.content]
    document += section
    for node in list(document.findall(lambda node: isinstance(node, OTHERS))):
        if node.parent is not None:
            node.parent.remove(node)
    return document
