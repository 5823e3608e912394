"""What executed notebooks have recorded, and what their cells have shown, as Markdown."""

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any, Self

from myst_nb.core.variables import format_plain_text
from nbformat import NotebookNode

from gapbook.exceptions import PressError, nearest
from gapbook.press.records import PREFIX

IMAGES = ("image/svg+xml", "image/png", "image/jpeg")
# what sanitizers of front ends take out, so that only its text would be left
STYLE = re.compile(r"<style\b.*?</style>", re.DOTALL)


class Values:
    """Recorded values by notebook and key.

    Parameters
    ----------
    data : mapping of str to mapping of str to mapping
        Data by MIME type by key by notebook.
    """

    def __init__(self, data: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
        self.data = data

    @classmethod
    def read(cls, notebooks: Mapping[str, NotebookNode]) -> Self:
        """Read what executed notebooks hold.

        Parameters
        ----------
        notebooks : mapping of str to NotebookNode
            Executed notebooks by name.

        Returns
        -------
        Values
            Their records.
        """
        return cls({name: _recorded(notebook) for name, notebook in notebooks.items()})

    def text(self, page: str, key: str, pattern: str) -> str:
        """Write a value as the page does.

        Parameters
        ----------
        page, key : str
            Notebook and key.
        pattern : str
            Its format, such as ``".2f"``; ``"s"`` as it is.

        Returns
        -------
        str
            The value in its format.

        Raises
        ------
        PressError
            If no such value was recorded, or it does not have such a format.
        """
        data = self._find(page, key)
        try:
            return str(format_plain_text(data["text/plain"], pattern))
        except (KeyError, ValueError, TypeError) as error:
            raise PressError(f"{key} cannot be written as {pattern!r}: {error}") from error

    def markdown(self, page: str, key: str) -> str:
        """Show a value in the richest form that it has.

        Parameters
        ----------
        page, key : str
            Notebook and key.

        Returns
        -------
        str
            Markdown, with an image within it.

        Raises
        ------
        PressError
            If no such value was recorded.
        """
        return bundle_markdown(self._find(page, key))

    def _find(self, page: str, key: str) -> Mapping[str, Any]:
        if page not in self.data:
            raise PressError(f"there is no notebook {page!r}; {nearest(page, self.data)}")
        if key not in self.data[page]:
            raise PressError(f"{page} has no record {key!r}; {nearest(key, self.data[page])}")
        return self.data[page][key]


def is_record(output: NotebookNode) -> bool:
    """Tell whether an output is a record, which no front end shows.

    Parameters
    ----------
    output : NotebookNode
        An output of a cell.

    Returns
    -------
    bool
        Whether it is.
    """
    return "scrapbook" in output.get("metadata", {})


def outputs_markdown(outputs: Sequence[NotebookNode]) -> str:
    """Write what a cell has shown as Markdown.

    Parameters
    ----------
    outputs : sequence of NotebookNode
        Outputs of the cell.

    Returns
    -------
    str
        Markdown; empty if it has shown nothing.
    """
    parts = []
    for output in outputs:
        if is_record(output):
            continue
        if output.output_type == "stream":
            parts.append(f"```text\n{output.text.rstrip()}\n```")
        elif "data" in output:
            parts.append(bundle_markdown(output.data, output.get("metadata", {})))
    return "\n\n".join(part for part in parts if part.strip())


def bundle_markdown(data: Mapping[str, Any], metadata: Mapping[str, Any] | None = None) -> str:
    """Write one output as Markdown, in the richest form that it has.

    Parameters
    ----------
    data : mapping of str to object
        Data by MIME type.
    metadata : mapping of str to object, optional
        Metadata by MIME type, such as the alternative text of an image.

    Returns
    -------
    str
        Markdown.

    Examples
    --------
    >>> bundle_markdown({"text/plain": "'0.5'", "text/markdown": "one **half**"})
    'one **half**'
    """
    if "text/markdown" in data:
        return str(data["text/markdown"])
    for mime in IMAGES:
        if mime in data:
            alt = (metadata or {}).get(mime, {}).get("alt", "")
            return f"![{alt}]({_data_address(mime, data[mime])})"
    if "text/html" in data:
        return _one_block(data["text/html"])
    text = str(data.get("text/plain", "")).strip("'")
    return f"```text\n{text}\n```" if text and text != "None" else ""


def _recorded(notebook: NotebookNode) -> dict[str, dict[str, Any]]:
    records = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if is_record(output):
                data = {mime.removeprefix(PREFIX): value for mime, value in output.data.items()}
                records[output.metadata["scrapbook"]["name"]] = data
    return records


def _data_address(mime: str, content: str) -> str:
    if mime == "image/svg+xml":
        import base64

        return f"data:{mime};base64,{base64.b64encode(content.encode()).decode()}"
    return f"data:{mime};base64,{''.join(content.split())}"


def _one_block(text: str) -> str:
    """Return HTML without blank lines, at which Markdown would end the block, and style."""
    lines = STYLE.sub("", text).splitlines()
    return "\n".join(line for line in map(str.strip, lines) if line)


def escape(text: str) -> str:
    """Return text for HTML.

    Parameters
    ----------
    text : str
        Any text.

    Returns
    -------
    str
        The text, with characters that HTML reads as entities.
    """
    return html.escape(text)
