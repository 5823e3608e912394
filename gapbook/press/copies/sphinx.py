"""Write the copies for readers into a site that Sphinx has built."""

from pathlib import Path

import nbformat
from sphinx.application import Sphinx
from sphinx.util import logging

from gapbook.exceptions import PressError
from gapbook.press.copies.citations import Citations
from gapbook.press.copies.notebook import make_copy
from gapbook.press.copies.references import SiteReferences
from gapbook.press.copies.values import Values
from gapbook.press.copies.writer import PlainWriter
from gapbook.press.stamp import advise

logger = logging.getLogger(__name__)


def write_copies(app: Sphinx, site: str, requirement: str = "") -> list[Path]:
    """Put copies for readers in the place of the notebooks that the pages link to.

    Parameters
    ----------
    app : Sphinx
        An application that has built a site of executed notebooks.
    site : str
        Address of the published site, with a slash at its end; empty if it is not known.
    requirement : str
        What pip installs to run them; empty if it is not known.

    Returns
    -------
    list of Path
        The copies. A notebook that cannot be copied is named in a warning, and is not there.
    """
    sources = {
        name: Path(app.srcdir, f"{name}.ipynb")
        for name in sorted(app.env.found_docs)
        if Path(app.srcdir, f"{name}.ipynb").is_file()
    }
    notebooks = {name: nbformat.read(path, as_version=4) for name, path in sources.items()}
    values = Values.read(notebooks)
    files = getattr(app.config, "bibtex_bibfiles", None) or []
    bibliography = SiteReferences(app.env, "", site)
    citations = Citations.read([Path(app.srcdir, file) for file in files], bibliography.work)
    written = []
    for name, notebook in notebooks.items():
        references = SiteReferences(app.env, name, site)
        path = Path(app.outdir, "_sources", f"{name}.ipynb")
        try:
            copy = make_copy(notebook, PlainWriter(name, values, citations, references))
        except PressError as error:
            path.unlink(missing_ok=True)
            logger.warning("no copy for readers: %s", error)
            continue
        advise(copy, requirement)
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(copy, path)
        written.append(path)
    return written
