"""The parts of a page that the search finds, and what of them counts."""

import pytest

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
def index(build_site):
    """Function that builds a page with words that lead to it; returns the index and warnings."""

    def build(words):
        app, warnings = build_site({"index.md": PAGE, "search.yml": words})
        return app.builder.indexer.freeze(), warnings

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
