"""What the book asks of Sphinx beyond jupyter-book: math without a third party, links to the repository it lives in."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

from gapbook.press.stamp import BRANCH, install_cell

MATHJAX = "tex-svg.js"  # one file that carries its glyphs: browsers refuse fonts of pages opened from a disk


def repository(folder: Path) -> str | None:
    """Return the URL of the book's GitHub repository, from ``GITHUB_REPOSITORY`` or the remote ``origin``, or None.

    A remote elsewhere than on GitHub, such as a path on a disk, counts as none: Colab could not open it.
    """
    if name := os.environ.get("GITHUB_REPOSITORY"):
        return f"https://github.com/{name}"
    command = ["git", "-C", str(folder), "remote", "get-url", "origin"]
    try:
        remote = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:  # no git on this machine
        return None
    found = re.search(r"(?:^|[/@])github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?\s*$", remote)
    return f"https://github.com/{found[1]}" if found else None


def link_repository(app: Sphinx, config: Config) -> None:
    """Point buttons at the book's repository; without one remove them, as jupyter-book's default is its own."""
    config.mathjax_path = f"mathjax/{MATHJAX}"
    options = config.html_theme_options
    options.pop("repository_url", None)
    options["launch_buttons"] = {}
    if url := repository(Path(app.confdir)):
        options |= {"repository_url": url, "repository_branch": BRANCH, "path_to_docs": "book"}
        options |= {"use_repository_button": True, "use_issues_button": True}
        options["launch_buttons"] = {
            "notebook_interface": "jupyterlab",
            "colab_url": "https://colab.research.google.com",
            "binderhub_url": "https://mybinder.org",
        }


def keep_runnable(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any
) -> None:
    """Leave the launch buttons off pages that cannot run elsewhere: notebooks without an install cell."""
    source = Path(app.srcdir) / f"{page}.ipynb"
    if source.is_file() and install_cell(nbformat.read(source, as_version=4)) is None:
        buttons = context["header_buttons"]
        context["header_buttons"] = [b for b in buttons if b.get("label") != "launch-buttons"]


def drop_unused_mathjax(app: Sphinx, exception: Exception | None) -> None:
    """Delete the combined MathJax components that no page loads, 10 MB of them."""
    for script in (Path(app.outdir) / "_static" / "mathjax").glob("*.js"):
        if script.name != MATHJAX:
            script.unlink()


def link_back(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Add to each entry of the bibliography links to the places that cite it; bibtex itself does so within a page."""
    if "sphinxcontrib.bibtex" not in app.extensions:
        return
    cite: Any = app.env.get_domain("cite")
    keys = {citation.citation_id: citation.key for citation in cite.citations}
    for entry in doctree.findall(nodes.citation):
        wanted = {keys.get(name) for name in entry["ids"]}
        back = nodes.paragraph(classes=["cited-in"])
        places = (r for r in cite.citation_refs if wanted & {target.key for target in r.targets})
        for number, place in enumerate(sorted(places, key=lambda r: (r.docname, r.line))):
            title = app.env.titles[place.docname].astext()
            uri = f"{app.builder.get_relative_uri(docname, place.docname)}#{place.citation_ref_id}"
            back += [
                nodes.Text(", " if number else "Cited in "),
                nodes.reference("", title, refuri=uri, internal=True),
            ]
        if len(back):
            entry += back


def plain_text(
    app: Sphinx, what: str, name: str, item: Any, options: Any, lines: list[str]
) -> None:
    """Escape bars and stars in a docstring: but for examples and double backticks it is plain text, not markup."""
    example = False
    for i, line in enumerate(lines):
        example = bool(line.strip()) and (example or line.lstrip().startswith(">>>"))
        if not example:
            parts = line.split("``")
            parts[::2] = [
                re.sub(r"([|\\]|\*(?=\S)|(?<=\S)\*)", r"\\\1", part) for part in parts[::2]
            ]
            lines[i] = "``".join(parts)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the functions above; Sphinx calls this."""
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("autodoc-process-docstring", plain_text)
    app.connect("config-inited", link_repository)
    app.connect("html-page-context", keep_runnable, priority=600)
    app.connect("doctree-resolved", link_back)
    app.connect("build-finished", drop_unused_mathjax, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
