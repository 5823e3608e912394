"""Copies of the notebooks for readers, in Markdown that every front end shows.

The notebooks of the book are written in MyST, which only the site renders. A reader who downloads
one, or opens it in Colab, gets a copy that carries its numbers: values where the source has roles,
plain Markdown where it has directives, and no code that keeps records.
"""

from gapbook.press.copies.notebook import make_copy
from gapbook.press.copies.sphinx import write_copies

__all__ = ["make_copy", "write_copies"]
