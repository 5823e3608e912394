"""Keep the images inside of pages as files, which browsers fetch when they come into sight.

Outputs of cells hold images as data URIs, so that a notebook is whole. In a page they would be
loaded before the first line is read.
"""

import hashlib
import posixpath
import re
from base64 import b64decode
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.osutil import relative_uri

DATA_URI = re.compile(r"data:image/(png|jpeg|svg\+xml);base64,([A-Za-z0-9+/=]+)")
IMAGE = re.compile(r"<img (?![^>]*\bloading=)")
# below this a file of its own costs more than it saves
SMALLEST = 2_000
FOLDER = "_images"


def keep_as_files(html: str, outdir: Path, page: str) -> str:
    """Write the images inside of a page as files, and let images load when they come into sight.

    Parameters
    ----------
    html : str
        The content of the page.
    outdir : Path
        Folder of the site.
    page : str
        Address of the page below it.

    Returns
    -------
    str
        The content, with addresses of the files in the place of data URIs.
    """
    folder = outdir / FOLDER

    def write(match: re.Match[str]) -> str:
        content = b64decode(match[2])
        if len(content) < SMALLEST:
            return match[0]
        ending = match[1].removesuffix("+xml")
        name = f"{hashlib.sha256(content).hexdigest()[:32]}.{ending}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        if not path.exists():
            path.write_bytes(content)
        return relative_uri(page, posixpath.join(FOLDER, name))

    return IMAGE.sub('<img loading="lazy" ', DATA_URI.sub(write, html))


def change_page(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Change the content of a page before it is written."""
    if doctree is not None and "body" in context:
        address = app.builder.get_target_uri(page)
        context["body"] = keep_as_files(context["body"], Path(app.outdir), address)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the function above; Sphinx calls this."""
    app.connect("html-page-context", change_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
