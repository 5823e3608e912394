"""What the book asks of Sphinx beyond jupyter-book.

Formulas need no third party, links and buttons lead to the repository that the book lives in, and
the bibliography links back.
"""

import hashlib
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.environment import BuildEnvironment

from gapbook.numerals import typeset
from gapbook.press.copies.references import site_address
from gapbook.press.copies.sphinx import write_copies
from gapbook.press.search import SearchableBuilder
from gapbook.press.stamp import BRANCH, install_cell, requirement

# one file that carries its glyphs: browsers refuse fonts of pages opened from a disk
MATHJAX = "tex-svg.js"
GITHUB = re.compile(r"(?:^|[/@])github\.com[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?\s*$")
# the line below the title of a section, as in numpydoc
UNDERLINE = re.compile(r"\s*-{3,}\s*")
# bars, backslashes, and stars that begin or end a word
MARKUP = re.compile(r"([|\\]|\*(?=\S)|(?<=\S)\*)")


def repository(folder: Path) -> str | None:
    """Find the book's repository on GitHub.

    Parameters
    ----------
    folder : Path
        A folder of the repository.

    Returns
    -------
    str or None
        Its URL, from ``GITHUB_REPOSITORY`` or the remote ``origin``. A remote elsewhere than on
        GitHub, such as a path on a disk, counts as none: Colab could not open it.
    """
    if name := os.environ.get("GITHUB_REPOSITORY"):
        return f"https://github.com/{name}"
    match = GITHUB.search(_git(folder, "remote", "get-url", "origin"))
    return f"https://github.com/{match[1]}" if match else None


def package(folder: Path) -> str:
    """Say what pip installs as the package of this book.

    Parameters
    ----------
    folder : Path
        A folder of the repository.

    Returns
    -------
    str
        The requirement, with the commit of ``GITHUB_SHA`` or of the working tree; empty where the
        repository on GitHub or the commit is not known.
    """
    url = repository(folder)
    commit = os.environ.get("GITHUB_SHA") or _git(folder, "rev-parse", "--verify", "HEAD").strip()
    return requirement(url, commit) if url and commit else ""


def _git(folder: Path, *arguments: str) -> str:
    """Return what git prints; nothing where it fails, or is not on this machine."""
    command = ["git", "-C", str(folder), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except FileNotFoundError:
        return ""


def link_repository(app: Sphinx, config: Config) -> None:
    """Point buttons at the book's repository; without one there are none.

    jupyter-book's own default is a foreign repository.
    """
    config.mathjax_path = f"mathjax/{MATHJAX}"
    options = config.html_theme_options
    options.pop("repository_url", None)
    options["launch_buttons"] = {}
    url = repository(Path(app.confdir))
    if url is None:
        return
    options["repository_url"] = url
    options["repository_branch"] = BRANCH
    options["path_to_docs"] = "book"
    options["use_repository_button"] = True
    options["use_issues_button"] = True
    options["launch_buttons"] = {
        "notebook_interface": "jupyterlab",
        "colab_url": "https://colab.research.google.com",
        "binderhub_url": "https://mybinder.org",
    }


def find_changed(
    app: Sphinx, env: BuildEnvironment, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Name the pages whose sources have changed since they were read.

    Sphinx goes by times alone, and a page that is copied into the run folder keeps its time: one
    that was saved while an earlier copy was being read would pass for unchanged.
    """
    known: dict[str, str] = getattr(env, "gapbook_sources", {})
    sources = {
        name: hashlib.sha256(Path(env.doc2path(name)).read_bytes()).hexdigest()
        for name in env.found_docs
    }
    env.gapbook_sources = sources  # type: ignore[attr-defined]
    return [name for name, source in sources.items() if source != known.get(name)]


def forget_changed(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    """Forget all pages that are to be read, before the first is.

    Sphinx forgets each right before it reads it: a label that moved to an earlier page would be
    there twice until the later one has been read.
    """
    for name in docnames:
        app.emit("env-purge-doc", env, name)
        env.clear_doc(name)


def keep_runnable(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Leave launch buttons off pages that cannot run elsewhere, those without an install cell."""
    source = Path(app.srcdir) / f"{page}.ipynb"
    if source.is_file() and install_cell(nbformat.read(source, as_version=4)) is None:
        buttons = context["header_buttons"]
        context["header_buttons"] = [b for b in buttons if b.get("label") != "launch-buttons"]


def offer_only_copies(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Leave the source off the downloads of pages that are no notebooks.

    No copy for readers is made of them, and their source is MyST.
    """
    if context.get("page_source_suffix") == ".ipynb":
        return
    for group in context.get("header_buttons", ()):
        if group.get("label") == "download-buttons":
            buttons = group["buttons"]
            group["buttons"] = [b for b in buttons if b["label"] != "download-source-button"]


def replace_downloads(app: Sphinx, exception: Exception | None) -> None:
    """Let readers download notebooks that carry their numbers."""
    if exception is None and app.builder.name == "html":
        folder = Path(app.confdir)
        site = app.config.html_baseurl or site_address(repository(folder))
        write_copies(app, site, package(folder))


def drop_unused_mathjax(app: Sphinx, exception: Exception | None) -> None:
    """Delete the combined MathJax components that no page loads, 10 MB of them."""
    for script in (Path(app.outdir) / "_static" / "mathjax").glob("*.js"):
        if script.name != MATHJAX:
            script.unlink()


def link_back(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Link each entry of the bibliography to the places that cite it.

    bibtex itself does so within a page.
    """
    if "sphinxcontrib.bibtex" not in app.extensions:
        return
    cite: Any = app.env.get_domain("cite")
    keys = {citation.citation_id: citation.key for citation in cite.citations}
    for entry in doctree.findall(nodes.citation):
        wanted = {keys.get(name) for name in entry["ids"]}
        places = [r for r in cite.citation_refs if wanted & {target.key for target in r.targets}]
        back = nodes.paragraph(classes=["cited-in"])
        for place in sorted(places, key=lambda r: (r.docname, r.line)):
            title = app.env.titles[place.docname].astext()
            uri = f"{app.builder.get_relative_uri(docname, place.docname)}#{place.citation_ref_id}"
            back += nodes.Text(", " if len(back) else "Cited in ")
            back += nodes.reference("", title, refuri=uri, internal=True)
        if len(back):
            entry += back


def typeset_values(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Set recorded numbers in text as tables do, with a minus sign."""
    for pasted in doctree.findall(_is_pasted):
        for text in list(pasted.findall(nodes.Text)):
            text.parent.replace(text, nodes.Text(typeset(text)))


def _is_pasted(node: nodes.Node) -> bool:
    return isinstance(node, nodes.inline) and "pasted-text" in node["classes"]


def plain_text(
    app: Sphinx, what: str, name: str, item: object, options: object, lines: list[str]
) -> None:
    """Escape bars and stars in a docstring without numpydoc sections: it is text, not markup.

    Examples and what stands in double backticks are left as they are.
    """
    if any(UNDERLINE.fullmatch(line) for line in lines):
        return
    in_example = False
    for i, line in enumerate(lines):
        starts = line.lstrip().startswith(">>>")
        in_example = bool(line.strip()) and (in_example or starts)
        if not in_example:
            parts = line.split("``")
            parts[::2] = [MARKUP.sub(r"\\\1", part) for part in parts[::2]]
            lines[i] = "``".join(parts)


def setup(app: Sphinx) -> dict[str, Any]:
    """Connect the functions above; Sphinx calls this."""
    app.setup_extension("sphinx.ext.autodoc")
    app.add_builder(SearchableBuilder, override=True)
    app.setup_extension("gapbook.press.captions")
    app.setup_extension("gapbook.press.page_images")
    app.setup_extension("gapbook.press.predictions")
    # before napoleon, which takes the underlines away
    app.connect("autodoc-process-docstring", plain_text, priority=400)
    app.connect("config-inited", link_repository)
    app.connect("env-get-outdated", find_changed)
    app.connect("env-before-read-docs", forget_changed)
    app.connect("html-page-context", keep_runnable, priority=600)
    app.connect("html-page-context", offer_only_copies, priority=600)
    app.connect("doctree-resolved", link_back)
    app.connect("doctree-resolved", typeset_values)
    app.connect("build-finished", replace_downloads, priority=800)
    app.connect("build-finished", drop_unused_mathjax, priority=900)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
