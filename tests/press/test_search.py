"""The parts of a page that the search finds, and what of them counts."""

from copy import deepcopy

import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

SETTINGS = {
    "extensions": [
        "myst_nb",
        "sphinx_book_theme",
        "sphinx-mathjax-offline",
        "gapbook.press.sphinx_ext",
    ],
    "html_theme": "sphinx_book_theme",
    "myst_enable_extensions": ["colon_fence"],
}
PAGE = """\
# Page

Beginnings.

## Closing the gap

Procrustes turns.

```python
numpy.linspace()
```

### Deeper

Below.

:::{glossary}
anisotropy
  Narrowness.
:::
"""


@pytest.fixture
def index(tmp_path):
    """Function that builds a page with words that lead to it; returns the index and warnings."""

    def build(words):
        (tmp_path / "index.md").write_text(PAGE)
        (tmp_path / "search.yml").write_text(words)
        with docutils_namespace(), (tmp_path / "warnings").open("w") as stream:
            app = Sphinx(
                tmp_path,
                None,
                tmp_path / "out",
                tmp_path / "doctrees",
                "html",
                confoverrides=deepcopy(SETTINGS),
                status=None,
                warning=stream,
            )
            app.build()
        return app.builder.indexer.freeze(), (tmp_path / "warnings").read_text()

    return build


def places(index, numbers):
    numbers = [numbers] if isinstance(numbers, int) else numbers
    return [index["docnames"][number] for number in numbers]


def test_sections_and_terms_are_found_by_themselves(index):
    found, warnings = index("turning: index#closing-the-gap")
    home = "index#closing-the-gap"
    assert places(found, found["terms"]["procrust"]) == [home]
    assert places(found, found["terms"]["begin"]) == ["index"]
    assert places(found, found["terms"]["below"]) == ["index#deeper"]
    assert places(found, found["terms"]["narrow"]) == ["index#term-anisotropy"]
    assert places(found, found["titleterms"]["anisotropi"]) == ["index#term-anisotropy"]
    assert "anisotropy definition" in found["indexentries"]
    [(number, anchor, is_main)] = found["indexentries"]["turning"]
    assert places(found, number) == [home] and anchor == "closing-the-gap" and is_main
    assert found["titles"][found["docnames"].index(home)] == "Closing the gap"
    assert "search.yml" not in warnings


def test_code_is_not_found(index):
    found, _ = index("")
    assert not [word for word in found["terms"] if word.startswith(("linspac", "numpi"))]


def test_words_that_lead_nowhere_are_a_warning(index):
    _, warnings = index("turning: index#no-such-section")
    assert "search.yml: 'turning' leads to index#no-such-section, which is no section" in warnings
