"""The directive that gives the output of a code cell a number and a caption.

It stands in Markdown right after the cell, so that a caption is written, translated and read like
all other text, roles included::

    :::{caption} fig-gap-before-after
    Training narrows the gap from {glue:text}`ch01.gap.before:.2f` to
    {glue:text}`ch01.gap.after:.2f` and does not close it.

    Blue circles are images, orange diamonds are texts; held-out pairs of seed 0.
    :::

The first paragraph states the finding, further ones say what is drawn. The label begins with
``fig-`` or ``tab-``, and ``{numref}`` turns it into "Figure 1.2" on any page.
"""

from typing import Any, ClassVar

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)

FIGURE = "fig-"
TABLE = "tab-"
# what stands between a cell and its caption without being seen
UNSEEN = (nodes.comment, nodes.target, nodes.substitution_definition)


class table_figure(nodes.figure):  # noqa: N801 - docutils calls visitors by the name of the class
    """An output that is numbered among the tables, with its caption."""


class Caption(SphinxDirective):
    """``{caption} label``: number and caption of the output of the code cell before it."""

    required_arguments = 1
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {}

    def run(self) -> list[nodes.Node]:
        """Make the figure, still without the output, which it takes when the page is whole."""
        label = self.arguments[0]
        if not label.startswith((FIGURE, TABLE)):
            raise self.error(
                f"Expected a label that begins with {FIGURE} or {TABLE}; got {label!r}"
            )
        text = nodes.Element()
        self.state.nested_parse(self.content, self.content_offset, text)
        if not text.children or not isinstance(text[0], nodes.paragraph):
            raise self.error("Expected a caption that begins with a paragraph, the finding")
        kind = nodes.figure if label.startswith(FIGURE) else table_figure
        figure = kind(classes=["gap-captioned"])
        self.set_source_info(figure)
        first, *rest = text.children
        caption = nodes.caption("", "", *first.children)
        caption.source = figure.source
        caption.line = figure.line
        figure += caption
        if rest:
            figure += nodes.legend("", *rest)
        self.options["name"] = label
        self.add_name(figure)
        return [figure]


class TakeOutputs(SphinxTransform):
    """Move the output of a cell into the figure after it, and the figure into the cell."""

    # before Sphinx collects numbers and titles, which it does when all transforms are done
    default_priority = 200

    def apply(self, **kwargs: Any) -> None:
        """Do so for each caption of a page."""
        for figure in list(self.document.findall(nodes.figure)):
            if "gap-captioned" not in figure["classes"]:
                continue
            output = _output_before(figure)
            if output is None:
                label = " ".join(figure["names"])
                logger.warning(
                    "the caption %s stands after no code cell that shows something",
                    label,
                    location=figure,
                )
                continue
            figure.parent.remove(figure)
            output.replace_self(figure)
            figure.insert(0, output)
            # what folds outputs away looks for this
            figure["nb_element"] = "cell_code_output"


def _output_before(figure: nodes.Element) -> nodes.Element | None:
    """Return what the code cell before a figure shows."""
    siblings = figure.parent.children
    before = [node for node in siblings[: siblings.index(figure)] if not isinstance(node, UNSEEN)]
    cell = before[-1] if before else None
    if not isinstance(cell, nodes.container) or cell.get("nb_element") != "cell_code":
        return None
    outputs = [
        part
        for part in cell.children
        if isinstance(part, nodes.container) and part.get("nb_element") == "cell_code_output"
    ]
    return outputs[0] if outputs else None


def _visit_table_figure(translator: HTML5Translator, node: nodes.Element) -> None:
    node["classes"].append("gap-table")
    translator.visit_figure(node)


def _depart_table_figure(translator: HTML5Translator, node: nodes.Element) -> None:
    translator.depart_figure(node)


def setup(app: Sphinx) -> dict[str, Any]:
    """Add the directive; Sphinx calls this."""
    app.add_enumerable_node(table_figure, "table", html=(_visit_table_figure, _depart_table_figure))
    app.add_directive("caption", Caption)
    app.add_transform(TakeOutputs)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
