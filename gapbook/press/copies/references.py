"""Where labels, terms and pages of the book are, with full addresses of the published site."""

import base64
import mimetypes
import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

from docutils import nodes
from sphinx.environment import BuildEnvironment

from gapbook.exceptions import PressError, nearest

GITHUB = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+)")
SUFFIXES = (".ipynb", ".md", ".rst", ".html")


@dataclass(frozen=True)
class Target:
    """What a reference leads to.

    Attributes
    ----------
    title : str
        Its title.
    url : str
        Its address; empty where that of the site is not known.
    page : str
        Title of the page that has it; empty for what the notebook itself has.
    """

    title: str
    url: str = ""
    page: str = ""


class References(Protocol):
    """Finds what a notebook refers to."""

    def page(self, document: str) -> str:
        """Return the name of a page, of a path from the notebook."""

    def document(self, document: str) -> Target:
        """Find a page."""

    def label(self, label: str) -> Target:
        """Find a labelled place."""

    def term(self, term: str) -> Target:
        """Find a term of the glossary."""

    def link(self, href: str) -> Target:
        """Find what a link of Markdown leads to."""

    def number(self, kind: str, label: str) -> str:
        """Return the number of a figure or a table, such as ``Fig. 3``."""

    def figure(self, label: str) -> Target:
        """Find a figure or a table; its title is its number."""

    def equation(self, label: str) -> str:
        """Return the number of an equation."""

    def python(self, name: str) -> str:
        """Return the address of a function or a class."""

    def image(self, source: str) -> str:
        """Return an address of an image that works anywhere."""


def site_address(repository: str | None) -> str:
    """Return the address at which GitHub publishes the pages of a repository.

    Parameters
    ----------
    repository : str or None
        Address of the repository.

    Returns
    -------
    str
        The address, with a slash at its end; empty if there is none.

    Examples
    --------
    >>> site_address("https://github.com/Somebody/a-book")
    'https://somebody.github.io/a-book/'
    >>> site_address(None)
    ''
    """
    match = GITHUB.fullmatch(repository or "")
    if match is None:
        return ""
    host = f"{match[1].lower()}.github.io"
    folder = "" if match[2].lower() == host else f"{match[2]}/"
    return f"https://{host}/{folder}"


class SiteReferences:
    """Finds what a notebook refers to among what Sphinx knows of a site that it has built.

    Parameters
    ----------
    environment : BuildEnvironment
        What Sphinx knows.
    page : str
        Name of the notebook.
    site : str
        Address of the published site, with a slash at its end; empty if it is not known.
    """

    def __init__(self, environment: BuildEnvironment, page: str, site: str) -> None:
        self.environment = environment
        self.own = page
        self.site = site
        self.domain: Any = environment.get_domain("std")

    def page(self, document: str) -> str:
        """Return the name of a page.

        Parameters
        ----------
        document : str
            Path from the notebook, or from the root if it begins with a slash; with an ending or
            without one.

        Returns
        -------
        str
            The name.

        Raises
        ------
        PressError
            If there is no such page.
        """
        name = self._page(document)
        if name is None:
            hint = nearest(document, self.environment.found_docs)
            raise PressError(f"there is no page {document!r}; {hint}")
        return name

    def document(self, document: str) -> Target:
        """Find a page.

        Parameters
        ----------
        document : str
            As for :meth:`page`.

        Returns
        -------
        Target
            Its title and address.
        """
        name = self.page(document)
        return self._target(self._title(name), name)

    def label(self, label: str) -> Target:
        """Find a labelled place.

        Parameters
        ----------
        label : str
            The label.

        Returns
        -------
        Target
            Its title, or that of its page, and its address.

        Raises
        ------
        PressError
            If there is no such label.
        """
        target = self._label(label.lower())
        if target is None:
            hint = nearest(label, self.domain.anonlabels)
            raise PressError(f"there is no label {label!r}; {hint}")
        return target

    def term(self, term: str) -> Target:
        """Find a term of the glossary.

        Parameters
        ----------
        term : str
            The term, in letters of any case.

        Returns
        -------
        Target
            The term and its address.

        Raises
        ------
        PressError
            If the glossary does not have it.
        """
        terms = {
            name.lower(): place
            for (kind, name), place in self.domain.objects.items()
            if kind == "term"
        }
        words = " ".join(term.lower().split())
        if words not in terms:
            raise PressError(f"the glossary has no term {term!r}; {nearest(term, terms)}")
        page, anchor = terms[words]
        return self._target(term, page, anchor)

    def link(self, href: str) -> Target:
        """Find what a link of Markdown leads to.

        Parameters
        ----------
        href : str
            A page, with an anchor or without one, an anchor of the notebook itself, a label or a
            file.

        Returns
        -------
        Target
            Its title and address; the address is empty if that of the site is not known.
        """
        path, _, anchor = unquote(href).partition("#")
        name = self._page(path) if path else self.own
        if name is None:
            # a label, or a file that the site copies nowhere that a notebook could know
            return self._label(path.lower()) or Target(posixpath.basename(path))
        if not anchor:
            return self.document(f"/{name}")
        slugs = self.environment.metadata[name].get("myst_slugs", {})
        if anchor in slugs:
            _, identity, title = slugs[anchor]
            return self._target(title, name, identity)
        found = self._label(anchor.lower())
        return found or self._target(anchor, name, anchor)

    def number(self, kind: str, label: str) -> str:
        """Return the number of a figure or a table.

        Parameters
        ----------
        kind : str
            Not needed: the label says what it is.
        label : str
            Its label.

        Returns
        -------
        str
            The number after its word, such as ``Fig. 3``; empty if figures have no numbers.

        Raises
        ------
        PressError
            If there is no such label.
        """
        name = nodes.fully_normalize_name(label)
        if name not in self.domain.anonlabels:
            hint = nearest(label, self.domain.anonlabels)
            raise PressError(f"there is no label {label!r}; {hint}")
        page, identity = self.domain.anonlabels[name]
        numbers = self.environment.toc_fignumbers.get(page, {})
        for figure_type, of_type in numbers.items():
            if identity in of_type:
                digits = ".".join(map(str, of_type[identity]))
                return str(self.environment.config.numfig_format[figure_type] % digits)
        return ""

    def figure(self, label: str) -> Target:
        """Find a figure or a table.

        Parameters
        ----------
        label : str
            Its label.

        Returns
        -------
        Target
            Its number after its word, and its address; no address for one of the notebook itself.

        Raises
        ------
        PressError
            If there is no such label, or what it labels has no number.
        """
        number = self.number("", label)
        if not number:
            raise PressError(f"what is labelled {label!r} has no number; write {{ref}} there")
        page, identity = self.domain.anonlabels[nodes.fully_normalize_name(label)]
        return Target(number) if page == self.own else self._target(number, page, identity)

    def equation(self, label: str) -> str:
        """Return the number of an equation.

        Parameters
        ----------
        label : str
            Its label.

        Returns
        -------
        str
            The number.

        Raises
        ------
        PressError
            If there is no such label.
        """
        equations = self.environment.get_domain("math").data["objects"]
        # MyST makes a label of a page unlike those of other pages
        for name in (label, f"{self.own}:{label}"):
            if name in equations:
                return self._equation_number(name, *equations[name])
        raise PressError(f"there is no equation {label!r}; {nearest(label, equations)}")

    def python(self, name: str) -> str:
        """Return the address of a function, a class or a module of the reference.

        Parameters
        ----------
        name : str
            Its name, in full or its last parts.

        Returns
        -------
        str
            The address; empty if the reference does not have it.
        """
        objects = self.environment.get_domain("py").data["objects"]
        for full, entry in objects.items():
            if full == name or full.endswith(f".{name}"):
                return self._url(entry.docname, entry.node_id)
        return ""

    def work(self, key: str) -> str:
        """Return the address of a work in the bibliography of the site.

        Parameters
        ----------
        key : str
            Its key.

        Returns
        -------
        str
            The address; empty if the site has no bibliography.
        """
        if "cite" not in self.environment.domaindata:
            return ""
        listed = self.environment.get_domain("cite").data["citations"]
        works = (work for work in listed if work.key == key)
        places = (self._url(work.bibliography_key.docname, work.citation_id) for work in works)
        return next(places, "")

    def image(self, source: str) -> str:
        """Return an address of an image that works anywhere.

        Parameters
        ----------
        source : str
            Path of a file, from the notebook or, after a slash, from the root; or an address.

        Returns
        -------
        str
            The image itself as an address, or the address that it had.

        Raises
        ------
        PressError
            If there is no such file.
        """
        if re.match(r"(https?|data|attachment):", source):
            return source
        place = self._path(unquote(source))
        path = Path(self.environment.srcdir, place)
        if not path.is_file():
            raise PressError(f"there is no image {source!r}")
        mime = mimetypes.guess_type(path.name)[0] or "image/png"
        return f"data:{mime};base64,{base64.b64encode(path.read_bytes()).decode()}"

    def _path(self, path: str) -> str:
        if path.startswith("/"):
            return path[1:]
        return posixpath.normpath(posixpath.join(posixpath.dirname(self.own), path))

    def _page(self, path: str) -> str | None:
        name = self._path(path)
        stem, suffix = posixpath.splitext(name)
        candidates = [name, stem] if suffix in SUFFIXES else [name]
        found = self.environment.found_docs
        return next((candidate for candidate in candidates if candidate in found), None)

    def _label(self, label: str) -> Target | None:
        if label in self.domain.labels:
            page, identity, title = self.domain.labels[label]
        elif label in self.domain.anonlabels:
            page, identity = self.domain.anonlabels[label]
            title = self._title(page)
        else:
            return None
        return self._target(title, page, identity)

    def _target(self, title: str, page: str, anchor: str = "") -> Target:
        elsewhere = "" if page == self.own else self._title(page)
        return Target(title, self._url(page, anchor), elsewhere)

    def _title(self, page: str) -> str:
        return str(self.environment.titles[page].astext())

    def _equation_number(self, name: str, page: str, number: int) -> str:
        config = self.environment.config
        if not (config.numfig and config.math_numfig):
            return str(number)
        numbers = self.environment.toc_fignumbers.get(page, {}).get("displaymath", {})
        identity = nodes.make_id(f"equation-{name}")
        return ".".join(map(str, numbers.get(identity, (number,))))

    def _url(self, page: str, anchor: str = "") -> str:
        if not self.site:
            return ""
        return f"{self.site}{page}.html" + (f"#{anchor}" if anchor else "")
