"""Write roles and directives of MyST in plain Markdown."""

import csv
import html
import io
import re
import string
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin

from gapbook.exceptions import PressError
from gapbook.numerals import typeset
from gapbook.press.captions import TABLE
from gapbook.press.copies.citations import Citations
from gapbook.press.copies.markdown import Directive, equation, render
from gapbook.press.copies.references import References, Target
from gapbook.press.copies.values import Values
from gapbook.press.predictions import read_prediction

# a role's text with a target: ``title <target>``
TITLED = re.compile(r"(?P<title>.+?)\s*<(?P<target>[^<>]+)>", re.DOTALL)
ADMONITIONS = {
    "attention",
    "caution",
    "danger",
    "error",
    "exercise",
    "hint",
    "important",
    "note",
    "seealso",
    "solution",
    "tip",
    "todo",
    "warning",
}
# boxes of the page that have a title only where one is written
BOXES = {"admonition", "aside", "card", "epigraph", "margin", "pull-quote", "sidebar", "topic"}
TITLES = {"seealso": "See also", "todo": "To do"}
CONTAINERS = {"container", "div", "grid", "grid-item", "only", "tab-set", "card-carousel"}
# what a page shows beside its text, which a notebook has in its own menus
NOTHING = {"contents", "tableofcontents", "toctree", "raw", "index", "meta"}
FOLDED = {"dropdown", "toggle"}
CODE = {"code", "code-block", "sourcecode", "prompt"}
# HTML that Markdown has no sign for
TAGS = {"sub": "sub", "sup": "sup", "subscript": "sub", "superscript": "sup", "kbd": "kbd"}
LITERALS = {"code", "literal", "file", "command", "program", "option", "samp", "envvar", "any"}
PYTHON = {"attr", "class", "data", "exc", "func", "meth", "mod", "obj", "const", "property"}
SPECIAL = re.compile(r"([\\`*_\[\]<>$])")


@dataclass
class PlainWriter:
    """Writes what only MyST reads, for one notebook.

    Parameters
    ----------
    page : str
        Name of the notebook: its path below the book, without the ending.
    values : Values
        What the notebooks have recorded.
    citations : Citations
        The works of the bibliography.
    references : References
        Where labels, terms and pages are.
    """

    page: str
    values: Values
    citations: Citations
    references: References

    def role(self, name: str, content: str) -> str:
        """Write a role.

        Parameters
        ----------
        name : str
            Name of the role, such as ``"glue:text"``.
        content : str
            What stands between its ticks.

        Returns
        -------
        str
            Markdown.

        Raises
        ------
        PressError
            If the role is unknown, or has a target that does not exist.
        """
        domain, _, short = name.rpartition(":")
        if domain == "glue" or name == "glue":
            return self._glue(short, content)
        if domain == "cite" or name == "cite":
            return self.citations.cite("p" if name == "cite" else short, content)
        if domain in ("", "py") and short in PYTHON:
            return self._python(content)
        if short in TAGS:
            return f"<{TAGS[short]}>{html.escape(content)}</{TAGS[short]}>"
        if short in LITERALS:
            return f"`{content}`"
        written = self._text_roles().get(name)
        if written is None:
            raise PressError(f"{{{name}}} is a role that has no form in plain Markdown yet")
        return written(content)

    def _text_roles(self) -> dict[str, Callable[[str], str]]:
        return {
            "abbr": _abbreviation,
            "doc": lambda content: self._reference("doc", content),
            "download": lambda content: self._reference("download", content),
            "emphasis": lambda content: f"*{content}*",
            "eq": self._equation,
            "math": lambda content: f"${content}$",
            "math:numref": self._equation,
            "numref": self._number,
            "ref": lambda content: self._reference("ref", content),
            "strong": lambda content: f"**{content}**",
            "term": lambda content: self._reference("term", content),
            "std:doc": lambda content: self._reference("doc", content),
            "std:ref": lambda content: self._reference("ref", content),
            "std:term": lambda content: self._reference("term", content),
        }

    def target(self, name: str, content: str) -> Target | None:
        """Find what a role leads to.

        Parameters
        ----------
        name : str
            Name of the role.
        content : str
            What stands between its ticks.

        Returns
        -------
        Target or None
            What it leads to; None for a role that leads to no place of the book's text.

        Raises
        ------
        PressError
            If it has a target that does not exist.
        """
        find = self._finders().get(name.removeprefix("std:"))
        return find(_split(content)[1]) if find else None

    def _finders(self) -> dict[str, Callable[[str], Target]]:
        return {
            "doc": self.references.document,
            "download": self.references.link,
            "numref": self.references.figure,
            "ref": self.references.label,
            "term": self.references.term,
        }

    def directive(self, directive: Directive) -> str:
        """Write a directive.

        Parameters
        ----------
        directive : Directive
            The directive.

        Returns
        -------
        str
            Markdown, some lines of it HTML where Markdown has nothing like it.

        Raises
        ------
        PressError
            If the directive is unknown.
        """
        name = directive.name
        if name in NOTHING:
            return ""
        if name in CONTAINERS:
            return render(directive.body, self)
        if name in CODE:
            return f"```{directive.argument}\n{directive.body}\n```"
        if name in FOLDED or "dropdown" in directive.options.get("class", "").split():
            return self._folded(directive)
        if name in ADMONITIONS | BOXES:
            return quote(self._title(directive), render(directive.body, self))
        written = {
            "caption": self._caption,
            "csv-table": self._csv_table,
            "figure": self._figure,
            "glue": self._pasted,
            "glue:any": self._pasted,
            "glue:figure": self._pasted,
            "glue:md": self._pasted,
            "image": self._figure,
            "list-table": self._list_table,
            "math": self._math,
            "predict": self._prediction,
            "tab-item": lambda directive: self._under_title(directive),
            "table": lambda directive: self._under_title(directive),
        }.get(name)
        if written is None:
            raise PressError(f"{{{name}}} is a directive that has no form in plain Markdown yet")
        return written(directive)

    def link(self, href: str) -> Target:
        """Find what a link of Markdown leads to.

        Parameters
        ----------
        href : str
            A page, a file or an anchor of the book.

        Returns
        -------
        Target
            Title and address, the latter empty where the site's own is not known.
        """
        return self.references.link(href)

    def image(self, source: str) -> str:
        """Return an address of an image that works in every copy.

        Parameters
        ----------
        source : str
            Path of a file of the book, or an address.

        Returns
        -------
        str
            The image itself as an address, or the address that it had.
        """
        return self.references.image(source)

    def equation_tag(self, label: str) -> str:
        """Return the number of an equation.

        Parameters
        ----------
        label : str
            Its label.

        Returns
        -------
        str
            The number.
        """
        return self.references.equation(label)

    def caption(self, kind: str, text: str, label: str = "") -> str:
        """Write the caption of a figure or a table.

        Parameters
        ----------
        kind : str
            ``"figure"`` or ``"table"``.
        text : str
            The caption, in MyST.
        label : str
            Its label, if it has one.

        Returns
        -------
        str
            The caption, after the number that the page gives it.
        """
        number = self.references.number(kind, label) if label else ""
        first, _, rest = render(text, self).strip().partition("\n\n")
        start = f"**{number}.** " if number else ""
        return f"{start}{first}" + (f"\n\n{rest}" if rest else "")

    def _glue(self, form: str, content: str) -> str:
        place, separator, last = content.rpartition(":")
        pattern = last
        if form != "text" or not separator or place.endswith(":"):
            # no format: a key by itself, or after the name of a notebook
            place, pattern = content, "s"
        document, _, key = place.rpartition("::")
        page = self.references.page(document) if document else self.page
        text = self.values.text(page, key, pattern)
        return SPECIAL.sub(r"\\\1", typeset(text)) if form != "math" else f"${text}$"

    def _reference(self, name: str, content: str) -> str:
        """Write a link; its text is a title that is written, the target itself, or its title."""
        written, place = _split(content)
        target = self._finders()[name](place)
        title = written or (content if name == "term" else target.title)
        return _linked(title, target.url)

    def _python(self, content: str) -> str:
        written, name = _split(content)
        title = written or content.lstrip(".!")
        if title.startswith("~"):
            title = title.rpartition(".")[2]
        return _linked(f"`{title}`", self.references.python(name.lstrip("~.!")))

    def _equation(self, content: str) -> str:
        return f"({self.references.equation(content)})"

    def _number(self, content: str) -> str:
        written, label = _split(content)
        target = self.references.figure(label)
        if not written:
            return _linked(target.title, target.url)
        digits = target.title.rpartition(" ")[2]
        title = written.replace("%s", digits).replace("{number}", digits)
        return _linked(title, target.url)

    def _title(self, directive: Directive) -> str:
        if directive.name in BOXES:
            return render(directive.argument, self)
        title = TITLES.get(directive.name, directive.name.capitalize())
        if directive.argument:
            title = f"{title}: {render(directive.argument, self)}"
        return title

    def _folded(self, directive: Directive) -> str:
        title = directive.argument or directive.name.capitalize()
        summary = inline_html(render(title, self))
        return _details(summary, render(directive.body, self).strip("\n"))

    def _under_title(self, directive: Directive) -> str:
        title = render(directive.argument, self)
        if directive.name == "table":
            title = self.caption("table", directive.argument, directive.options.get("name", ""))
        body = render(directive.body, self)
        return f"{_bold(title)}\n\n{body}" if title else body

    def _figure(self, directive: Directive) -> str:
        alt = " ".join(directive.options.get("alt", "").split())
        image = f"![{alt}]({self.image(directive.argument)})"
        if not directive.body.strip():
            return image
        label = directive.options.get("name", "")
        return f"{image}\n\n{self.caption('figure', directive.body, label)}"

    def _caption(self, directive: Directive) -> str:
        kind = "table" if directive.argument.startswith(TABLE) else "figure"
        return self.caption(kind, directive.body, directive.argument)

    def _prediction(self, directive: Directive) -> str:
        prediction = read_prediction(directive.body.splitlines())
        # Markdown knows no list of letters
        answers = "\n".join(
            f"- {letter}. {render(answer, self)}"
            for letter, answer in zip(string.ascii_lowercase, prediction.answers, strict=False)
        )
        reason = render("\n".join(prediction.reason), self).strip("\n")
        folded = _details("Answer", f"**{prediction.right}.** {reason}")
        question = render(directive.argument, self)
        return quote("Predict", f"{question}\n\n{answers}\n\n{folded}")

    def _pasted(self, directive: Directive) -> str:
        document, _, key = directive.argument.rpartition("::")
        page = self.references.page(document) if document else self.page
        shown = self.values.markdown(page, key)
        if not directive.body.strip():
            return shown
        label = directive.options.get("name", "")
        return f"{shown}\n\n{self.caption('figure', directive.body, label)}"

    def _math(self, directive: Directive) -> str:
        label = directive.options.get("label", directive.options.get("name", ""))
        tag = self.references.equation(label) if label else ""
        content = "\n".join(filter(None, [directive.argument, directive.body]))
        return equation(content, tag)

    def _csv_table(self, directive: Directive) -> str:
        delimiter = {"tab": "\t", "space": " "}.get(
            directive.options.get("delim", ","), directive.options.get("delim", ",")
        )
        rows = csv.reader(io.StringIO(directive.body), delimiter=delimiter, skipinitialspace=True)
        cells = [[render(cell, self) for cell in row] for row in rows if row]
        if "header" in directive.options:
            [header] = csv.reader([directive.options["header"]], skipinitialspace=True)
            cells.insert(0, [render(cell, self) for cell in header])
        return self._table(directive, cells)

    def _list_table(self, directive: Directive) -> str:
        rows = [[render(cell, self) for cell in items(row)] for row in items(directive.body)]
        return self._table(directive, rows)

    def _table(self, directive: Directive, rows: list[list[str]]) -> str:
        table = markdown_table(rows)
        if not directive.argument:
            return table
        label = directive.options.get("name", "")
        return f"{self.caption('table', directive.argument, label)}\n\n{table}"


def quote(title: str, body: str) -> str:
    """Write a box as a quotation with a bold title.

    Parameters
    ----------
    title, body : str
        Markdown; either may be empty.

    Returns
    -------
    str
        The quotation.

    Examples
    --------
    >>> print(quote("Note", "Text."))
    > **Note**
    >
    > Text.
    """
    text = "\n\n".join(filter(None, [_bold(title), body.strip("\n")]))
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    r"""Write a table; its first row is its header.

    Parameters
    ----------
    rows : sequence of sequences of str
        Cells, in Markdown.

    Returns
    -------
    str
        The table.

    Examples
    --------
    >>> print(markdown_table([["a", "b"], ["1", "x|y"]]))
    | a | b |
    | --- | --- |
    | 1 | x\|y |
    """
    lines = []
    for row in rows:
        cells = [" ".join(cell.split()).replace("|", "\\|") for cell in row]
        lines.append(f"| {' | '.join(cells)} |")
    lines.insert(1, f"| {' | '.join(['---'] * len(rows[0]))} |")
    return "\n".join(lines)


def items(text: str) -> Iterator[str]:
    r"""Yield the items of a list in Markdown, without their bullets.

    Parameters
    ----------
    text : str
        A list and nothing else.

    Yields
    ------
    str
        An item, its lines moved to the left.

    Examples
    --------
    >>> list(items("* - a\n  - b\n* - c"))
    ['- a\n- b', '- c']
    """
    lines = text.splitlines()
    level = -1
    for token in MarkdownIt("commonmark").parse(text):
        level += token.type == "bullet_list_open"
        if token.type == "list_item_open" and level == 0 and token.map:
            first, last = token.map
            marker = re.match(r"\s*[-*+]\s*", lines[first])
            width = len(marker[0]) if marker else 0
            yield "\n".join(line[width:] for line in lines[first:last]).strip()
        level -= token.type == "bullet_list_close"


def inline_html(text: str) -> str:
    """Write a line of Markdown as HTML, for places where Markdown is not read.

    Parameters
    ----------
    text : str
        The line.

    Returns
    -------
    str
        HTML; formulas stay TeX between dollar signs.

    Examples
    --------
    >>> inline_html("*So* $a_1 < b_1$?")
    '<em>So</em> $a_1 &lt; b_1$?'
    """
    markdown = MarkdownIt("commonmark").use(dollarmath_plugin)
    markdown.add_render_rule("math_inline", _keep_tex)
    return str(markdown.renderInline(text)).strip()


def _keep_tex(self: object, tokens: Sequence[Token], index: int, *rest: object) -> str:
    return f"${html.escape(tokens[index].content)}$"


def _abbreviation(content: str) -> str:
    match = re.fullmatch(r"(.*?)\s*\((.*)\)", content)
    if match is None:
        return content
    return f'<abbr title="{html.escape(match[2])}">{match[1]}</abbr>'


def _details(summary: str, body: str) -> str:
    return f"<details>\n<summary><b>{summary}</b></summary>\n\n{body}\n\n</details>"


def _bold(title: str) -> str:
    return f"**{title}**" if title and not title.startswith("**") else title


def _split(content: str) -> tuple[str, str]:
    """Part what a role has between its ticks into a title, if one is written, and a target."""
    match = TITLED.fullmatch(content)
    return (match["title"], match["target"]) if match else ("", content)


def _linked(title: str, url: str) -> str:
    return f"[{title}]({url})" if url else title
