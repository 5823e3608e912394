"""The directive that asks the reader for a prediction before a result is shown.

It holds a question, answers to choose from, and what is right, with roles as in all text::

    :::{predict} Did training make the gap, or did it find one?
    - [ ] Training made it.
    - [x] It was there before.
    - [ ] There is none.

    Untrained, the gap is {glue:text}`ch01.gap.before:.2f` already.
    :::

On the page a script (``book/_static/predict.js``) turns the answers into buttons, and shows what is
right after a click. Without the script, the question is readable and what is right is folded away.
"""

import re
import string
from typing import Any, ClassVar, NamedTuple

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from gapbook.exceptions import PressError

ANSWER = re.compile(r"\s*[-*+]\s+\[([ xX])\]\s+(\S.*)")
CLASS = "gap-predict"


class Prediction(NamedTuple):
    """What a prediction holds beside its question.

    Attributes
    ----------
    answers : list of str
        The answers, each in one line of Markdown.
    right : str
        The letter of the right one; the first is ``"a"``.
    reason : list of str
        Why it is right, line by line.
    """

    answers: list[str]
    right: str
    reason: list[str]


class Predict(SphinxDirective):
    """``{predict} question``: answers as a task list, the right one checked, then the reason."""

    has_content = True
    required_arguments = 1
    final_argument_whitespace = True
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Make a box with question, answers and the folded reason."""
        try:
            prediction = read_prediction(list(self.content))
        except PressError as error:
            raise self.error(str(error)) from error
        box = nodes.admonition(classes=["tip", CLASS])
        self.set_source_info(box)
        box += nodes.title("", "Predict")
        box += self._parsed([self.arguments[0]])
        choices = nodes.enumerated_list(enumtype="loweralpha", prefix="", suffix=".")
        for letter, answer in zip(string.ascii_lowercase, prediction.answers, strict=False):
            classes = ["gap-right"] if letter == prediction.right else []
            choices += nodes.list_item("", *self._parsed([answer]), classes=classes)
        box += choices
        box += nodes.raw("", '<details class="gap-answer"><summary>Answer</summary>', format="html")
        first, *rest = self._parsed(prediction.reason)
        first.insert(0, [nodes.strong("", f"{prediction.right}."), nodes.Text(" ")])
        box.extend([first, *rest])
        box += nodes.raw("", "</details>", format="html")
        return [box]

    def _parsed(self, lines: list[str]) -> list[nodes.Element]:
        """Parse lines of Markdown."""
        node = nodes.Element()
        source = self.get_source_info()[0]
        self.state.nested_parse(StringList(lines, source), self.content_offset, node)
        return [child for child in node.children if isinstance(child, nodes.Element)]


def read_prediction(lines: list[str]) -> Prediction:
    """Read the content of a prediction.

    Parameters
    ----------
    lines : list of str
        A task list, an empty line, and the reason. Indented lines go on with an answer.

    Returns
    -------
    Prediction
        What they hold.

    Raises
    ------
    PressError
        For fewer than two answers, none or several right ones, or no reason.

    Examples
    --------
    >>> read_prediction(["- [ ] No,", "  never.", "- [x] Yes.", "", "It was measured."])
    Prediction(answers=['No, never.', 'Yes.'], right='b', reason=['It was measured.'])
    """
    marks, answers, reason = _split_answers(lines)
    if len(answers) < 2 or marks.count(True) != 1 or not any(reason):
        raise PressError(
            "Expected two answers or more as a list of - [ ], the right one as - [x], and "
            f"then a reason; got {len(answers)} answers, {marks.count(True)} of them right"
        )
    return Prediction(answers, string.ascii_lowercase[marks.index(True)], reason)


def _split_answers(lines: list[str]) -> tuple[list[bool], list[str], list[str]]:
    """Return whether each answer is checked, the answers, and the lines of the reason."""
    right: list[bool] = []
    answers: list[str] = []
    for number, line in enumerate(lines):
        if match := ANSWER.fullmatch(line):
            right.append(match[1] != " ")
            answers.append(match[2].strip())
        elif answers and line.startswith(" ") and line.strip():
            answers[-1] += f" {line.strip()}"
        elif line.strip():
            return right, answers, lines[number:]
    return right, answers, []


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive; Sphinx calls this."""
    app.add_directive("predict", Predict)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
