"""Find what only MyST reads in Markdown, with its place, and put other text there.

The text is parsed as the site parses it, so what looks like a role in code or in a formula is none.
The rules of the parser that a copy is interested in note where they have matched; everything
between stays as it was written.
"""

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from textwrap import dedent
from typing import Any, Protocol

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

from gapbook.exceptions import PressError
from gapbook.press.copies.references import Target

# syntax that the book's _config.yml enables, and some that it might
EXTENSIONS = {
    "amsmath",
    "attrs_block",
    "attrs_inline",
    "colon_fence",
    "deflist",
    "dollarmath",
    "substitution",
    "tasklist",
}
DIRECTIVE = re.compile(r"\{([^}\s]+)\}\s*(.*)", re.DOTALL)
# rules for text within a line, by the token that they make
INLINE = {
    "myst_role": "myst_role",
    "link": "link_open",
    "image": "image",
    "footnote_ref": "footnote_ref",
    "attr": "attr",
    "span": "span_open",
    "substitution_inline": "substitution_inline",
}
# lines that say something about what follows, or nothing that a reader should see
UNSEEN = {"myst_target", "myst_line_comment", "myst_block_break", "front_matter", "attrs_block"}
MATCHES = "gapbook_matches"


@dataclass(frozen=True)
class Directive:
    """A directive: ``{name} argument`` on a fence, options, and content.

    Attributes
    ----------
    name, argument : str
        What stands on its first line.
    options : dict of str to str
        Its options.
    body : str
        Its content.
    """

    name: str
    argument: str
    options: dict[str, str]
    body: str


class Writer(Protocol):
    """Writes in plain Markdown what only MyST reads; see :class:`~.writer.PlainWriter`."""

    def role(self, name: str, content: str) -> str:
        """Write a role."""

    def directive(self, directive: Directive) -> str:
        """Write a directive."""

    def target(self, name: str, content: str) -> Target | None:
        """Find what a role leads to, if it is one that leads anywhere."""

    def link(self, href: str) -> Target:
        """Find what a link leads to."""

    def image(self, source: str) -> str:
        """Return an address of an image that works anywhere."""

    def equation_tag(self, label: str) -> str:
        """Return the number of an equation."""


@dataclass(frozen=True)
class _Match:
    """What a rule has matched in the text of a paragraph, a heading or a cell of a table."""

    rule: str
    token: Token | None
    start: int
    end: int
    label_end: int = 0


@dataclass
class _Edit:
    start: int
    end: int
    text: str


@dataclass
class _Source:
    """A text in Markdown, its lines, and what is to be changed in it."""

    text: str
    edits: list[_Edit] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.lines = self.text.splitlines(keepends=True)
        self.starts = [0]
        for line in self.lines:
            self.starts.append(self.starts[-1] + len(line))

    def replace_lines(self, first: int, last: int, text: str) -> None:
        """Put a text in the place of lines, indented or quoted as they are."""
        while last > first + 1 and not self.lines[last - 1].strip():
            last -= 1
        marker = re.match(r"[>\s]*(?:[-*+]|\d+[.)])?[>\s]*", self.lines[first])
        prefix = marker[0].rstrip("\n") if marker else ""
        rest = re.sub(r"[^>\s]", " ", prefix)
        lines = text.splitlines()
        indented = [(rest + line).rstrip() for line in lines]
        if lines:
            indented[0] = prefix + lines[0]
        new = "".join(f"{line}\n" for line in indented)
        if not self.text[: self.starts[last]].endswith("\n"):
            new = new.rstrip("\n")
        self.edits.append(_Edit(self.starts[first], self.starts[last], new))

    def result(self) -> str:
        text = self.text
        for edit in sorted(self.edits, key=lambda edit: (edit.start, edit.end), reverse=True):
            text = text[: edit.start] + edit.text + text[edit.end :]
        return text


def render(text: str, writer: Writer) -> str:
    """Write MyST as plain Markdown.

    Parameters
    ----------
    text : str
        Markdown with roles and directives.
    writer : Writer
        Writes what only MyST reads.

    Returns
    -------
    str
        The same text, with other text where such things were.

    Raises
    ------
    PressError
        If the writer does not know what to write, or something is left that only MyST reads.
    """
    source = _Source(text)
    environment: dict[str, Any] = {MATCHES: {}}
    tokens = parser().parse(text, environment)
    in_table = False
    cursor = (0, 0)
    definitions_end = 0
    for position, token in enumerate(tokens):
        if token.map and token.map[0] < definitions_end:
            continue
        if token.type == "dl_open":
            assert token.map is not None
            first, definitions_end = token.map
            listed = _definitions(source, tokens[position:], writer)
            source.replace_lines(first, definitions_end, listed)
        elif token.type in ("td_open", "th_open"):
            in_table = True
        elif token.type in ("td_close", "th_close"):
            in_table = False
        elif token.type == "inline":
            matches = environment[MATCHES].get(token.content, {}).values()
            cursor = _inline(source, token, matches, writer, in_table, cursor)
        elif token.map is not None:
            _block(source, token, writer)
    rendered = source.result()
    leftover = next(myst_in(rendered), None)
    if leftover:
        raise PressError(f"{leftover} is left in a copy that is to be plain Markdown")
    return rendered


def myst_in(text: str) -> Iterator[str]:
    """Yield what only MyST reads in a text.

    Parameters
    ----------
    text : str
        Markdown.

    Yields
    ------
    str
        A role or a directive, by its name in braces, or a target.

    Examples
    --------
    >>> list(myst_in("`{term}` is code, {term}`gap` is a role"))
    ['{term}']
    """
    for token in parser().parse(text, {MATCHES: {}}):
        if token.type in ("fence", "colon_fence") and DIRECTIVE.match(token.info.strip()):
            yield token.info.split()[0]
        elif token.type == "myst_target":
            yield f"({token.content})="
        for child in token.children or ():
            inner = [child, *(child.children or ())]
            yield from (f"{{{one.meta['name']}}}" for one in inner if one.type == "myst_role")


@cache
def parser() -> MarkdownIt:
    """Return a parser of MyST that notes where its rules have matched."""
    config = MdParserConfig(enable_extensions=EXTENSIONS)
    markdown = create_md_parser(config, RendererHTML)
    # it hands attributes on to the next block, and their line would not be seen
    markdown.core.ruler.disable("attr")
    for rule in list(markdown.inline.ruler.__rules__):
        if rule.name in INLINE:
            markdown.inline.ruler.at(rule.name, _noting(rule.name, rule.fn))
    return markdown


def _noting(name: str, rule: Callable[[StateInline, bool], bool]) -> Any:
    """Wrap a rule of the parser so that it notes where it has matched."""

    def noting(state: StateInline, silent: bool) -> bool:
        start = state.pos
        before = len(state.tokens)
        label_end = 0
        if name == "link" and not silent and state.src[start] == "[":
            label_end = state.md.helpers.parseLinkLabel(state, start, True)
        matched = rule(state, silent)
        if matched and not silent:
            made = [token for token in state.tokens[before:] if token.type == INLINE[name]]
            match = _Match(name, made[0] if made else None, start, state.pos, label_end)
            # the same text has the same matches, wherever it stands
            matches = state.env.get(MATCHES, {}).setdefault(state.src, {})
            matches[name, start] = match
        return matched

    return noting


def _block(source: _Source, token: Token, writer: Writer) -> None:
    """Change lines that are a directive, or that only MyST reads."""
    assert token.map is not None
    first, last = token.map
    if token.type in UNSEEN:
        source.replace_lines(first, last, "")
    elif token.type in ("fence", "colon_fence"):
        directive = parse_directive(token.info.strip(), token.content)
        if directive:
            source.replace_lines(first, last, writer.directive(directive))
        elif token.type == "colon_fence":
            source.replace_lines(first, last, render(token.content, writer))
    elif token.type == "math_block_label":
        tag = writer.equation_tag(token.info)
        source.replace_lines(first, last, equation(token.content, tag))
    elif token.type == "footnote_reference_open":
        label = token.meta["label"]
        begin = source.starts[first]
        mark = source.text.index(f"[^{label}]:", begin)
        source.edits.append(_Edit(mark, mark + len(f"[^{label}]:"), _footnote(label)))
    elif token.type == "substitution_block":
        raise PressError(f"{{{{{token.content}}}}} is a substitution: write the text")


def _definitions(source: _Source, tokens: Sequence[Token], writer: Writer) -> str:
    """Write a list of definitions, of which its first token is the beginning, as a list."""
    assert tokens[0].map is not None
    level = tokens[0].level + 1
    end = next(i for i, t in enumerate(tokens) if t.type == "dl_close" and t.level == level - 1)
    parts = [i for i, t in enumerate(tokens[:end]) if t.level == level and t.map]
    begins = [tokens[i].map[0] for i in parts] + [tokens[0].map[1]]  # type: ignore[index]
    written = []
    for i, (first, last) in zip(parts, pairwise(begins), strict=True):
        if tokens[i].type == "dt_open":
            written.append(f"* **{render(tokens[i + 1].content, writer)}**:")
            continue
        # a definition may count the line of its term as its own
        while not re.match(r"\s*[:~]\s", source.lines[first]):
            first += 1
        lines = "".join(source.lines[first:last])
        text = render(dedent(re.sub(r"^(\s*)[:~]", r"\1 ", lines)).strip("\n"), writer)
        beginning, *rest = text.splitlines()
        written[-1] += f" {beginning}"
        written += [f"  {line}".rstrip() for line in rest]
    return "\n".join(written)


def equation(content: str, tag: str) -> str:
    r"""Write a numbered formula.

    Parameters
    ----------
    content : str
        TeX.
    tag : str
        The number; empty for none.

    Returns
    -------
    str
        The formula on lines of its own.

    Examples
    --------
    >>> print(equation("a = b", "2"))
    $$
    a = b
    \tag{2}
    $$
    """
    lines = content.strip("\n")
    if r"\\" in lines and r"\begin" not in lines:
        lines = f"\\begin{{aligned}}\n{lines}\n\\end{{aligned}}"
    number = f"\n\\tag{{{tag}}}" if tag else ""
    return f"$$\n{lines}{number}\n$$"


def parse_directive(info: str, content: str) -> Directive | None:
    r"""Read a directive from its fence.

    Parameters
    ----------
    info : str
        What follows the fence on its line.
    content : str
        What is between the fences.

    Returns
    -------
    Directive or None
        The directive; None for a fence around code.

    Examples
    --------
    >>> parse_directive("{note} Title", ":class: tip\n\nText.")
    Directive(name='note', argument='Title', options={'class': 'tip'}, body='Text.')
    """
    match = DIRECTIVE.fullmatch(info)
    if match is None:
        return None
    lines = content.splitlines()
    options: dict[str, str] = {}
    if lines and re.fullmatch(r"---+\s*", lines[0]):
        end = next((i for i, line in enumerate(lines[1:], 1) if line.startswith("---")), len(lines))
        options = dict(map(_option, filter(str.strip, lines[1:end])))
        lines = lines[end + 1 :]
    else:
        while lines and re.match(r"\s*:[\w-]+:", lines[0]):
            name, value = _option(lines.pop(0).strip()[1:])
            options[name] = value
            # long values go on, indented
            while lines and re.match(r"\s+\S", lines[0]):
                options[name] += f" {lines.pop(0).strip()}"
    return Directive(match[1], match[2].strip(), options, "\n".join(lines).strip("\n"))


def _option(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.strip(), value.strip().strip("\"'")


def _footnote(label: str) -> str:
    return f"<sup>{label}</sup>"


def _inline(
    source: _Source,
    token: Token,
    matches: Iterable[_Match],
    writer: Writer,
    in_table: bool,
    cursor: tuple[int, int],
) -> tuple[int, int]:
    """Change what rules have matched in a piece of running text; return where it ends."""
    assert token.map is not None
    places = _places(source, token, in_table, cursor)
    for match in matches:
        for start, end, text in _changes(token.content, match, writer):
            if in_table:
                text = text.replace("|", "\\|")
            place = places(start)
            if start == 0 and text.isdigit() and re.match(r"[.)]\s", token.content[end:]):
                # no list begins here
                text += "\\"
            source.edits.append(_Edit(place, places(end - 1) + 1 if end > start else place, text))
    line = bisect_right(source.starts, places(max(len(token.content) - 1, 0))) - 1
    return line, places(max(len(token.content) - 1, 0)) + 1


def _changes(content: str, match: _Match, writer: Writer) -> Iterator[tuple[int, int, str]]:
    token = match.token
    if match.rule == "myst_role" and token:
        name = token.meta["name"]
        target = writer.target(name, token.content)
        words = writer.role(name, token.content)
        alone = _is_alone(content, match)
        if target and alone and words == target.page:
            words = f"see *{words}*"
        elif target and (alone or name.removeprefix("std:") == "ref"):
            words += _place(words, target, alone)
        yield match.start, match.end, words
    elif match.rule == "image" and token:
        alt = content[match.start + 2 : content.index("](", match.start)]
        alt = render(alt, writer) if "{" in alt else alt
        yield match.start, match.end, f"![{alt}]({writer.image(str(token.attrs['src']))})"
    elif match.rule == "link" and token:
        yield from _link(content, match, str(token.attrs["href"]), writer)
    elif match.rule == "footnote_ref" and token:
        yield match.start, match.end, _footnote(token.meta["label"])
    elif match.rule == "attr":
        yield match.start, match.end, ""
    elif match.rule == "span":
        yield match.start, match.start + 1, ""
        label_end = content.rindex("]", match.start, match.end)
        yield label_end, match.end, ""
    elif match.rule == "substitution_inline":
        raise PressError(f"{content[match.start : match.end]} is a substitution; write the text")


def _link(content: str, match: _Match, href: str, writer: Writer) -> Iterator[tuple[int, int, str]]:
    if re.match(r"(https?|mailto|ftp|attachment):", href):
        return
    target = writer.link(href)
    empty = match.label_end == match.start + 1
    label = target.title if empty else ""
    if target.url:
        yield match.label_end, match.end, f"{label}]({target.url})"
        return
    alone = _is_alone(content, match)
    if alone and label and label == target.page:
        label = f"see *{label}*"
    elif alone or target.title != target.page:
        # Words on a part of a page do not say where it is, as "chapter 2" does of a page.
        label += _place(label or content[match.start + 1 : match.label_end], target, alone)
    yield match.start, match.start + 1, ""
    yield match.label_end, match.end, label


def _is_alone(content: str, match: _Match) -> bool:
    """Tell whether a parenthesis has nothing but this."""
    before = content[: match.start].rstrip()
    after = content[match.end :].lstrip()
    return before.endswith("(") and after.startswith(")")


def _place(words: str, target: Target, alone: bool) -> str:
    """Return what follows words that lead to a place, where no link can: the name of the place.

    That is another page, with the section of it, or a section of the notebook itself.
    """
    place = target.page or target.title
    if target.page and target.title not in ("", words, target.page):
        place = f"{target.page}: {target.title}"
    if target.url or place in ("", words):
        return ""
    return f": see *{place}*" if alone else f" [*{place}*]"


def _places(
    source: _Source, token: Token, in_table: bool, cursor: tuple[int, int]
) -> Callable[[int], int]:
    """Return a function from positions in a piece of running text to those in the source."""
    assert token.map is not None
    number = token.map[0]
    offsets = []
    for count, line in enumerate(token.content.split("\n")):
        begin = source.starts[number + count]
        end = source.starts[number + count + 1] if number + count < len(source.lines) else begin
        if cursor[0] == number + count:
            begin = max(begin, cursor[1])
        written = line.replace("|", "\\|") if in_table else line
        start = source.text.find(written, begin, end)
        if start < 0:
            written = line
            start = source.text.find(written, begin, end)
        if start < 0:
            raise PressError(f"{line!r} is not found on its line: write it without tabs")
        place = start
        for character in line:
            if in_table and character == "|" and source.text[place] == "\\":
                place += 1
            offsets.append(place)
            place += 1
        # the end of the line
        offsets.append(place)
    return offsets.__getitem__
