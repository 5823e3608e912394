"""Copies in a site that Sphinx has built: what they refer to is where the site has it."""

import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from gapbook.press.copies.references import site_address
from gapbook.press.records import PREFIX
from gapbook.press.stamp import install_cell

EXTENSIONS = [
    "myst_nb",
    "sphinx_book_theme",
    "sphinxcontrib.bibtex",
    "sphinx-mathjax-offline",
    "gapbook.press.sphinx_ext",
]
GLOSSARY = "# Words\n\n:::{glossary}\nmodality gap\n  A distance.\n:::\n\n```{bibliography}\n```\n"
FIRST = """\
# First

The {term}`gap <modality gap>` of {glue:text}`second.ipynb::ch02.gap:.1f` in {ref}`part`,
{doc}`the next chapter <second>` and [its section](second.ipynb#a-part), [it](part),
{cite:p}`cho`; see {eq}`loss`, {numref}`fig` and {func}`gapbook.modality_gap`.

$$
a = b
$$ (loss)

```{figure} image.png
:name: fig
:alt: A point

A {term}`modality gap`.
```
"""
SECOND = "# Second\n\n(part)=\n## A part\n\nText."
SHOWN = """\
:::{caption} fig-gap
The {term}`gap <modality gap>` is {glue:text}`ch02.gap:.2f`.

Pairs of seed 0.
:::

Here {numref}`fig-gap`, there {numref}`fig`."""
TABLE = ":::{caption} tab-gaps\nOne gap.\n:::"
PREDICTION = """\
:::{predict} Is there a {term}`modality gap`?
- [ ] No.
- [x] Yes.

See {numref}`fig-gap` of {numref}`the %s <tab-gaps>`: {glue:text}`ch02.gap:.2f`.
:::"""
API = "# Functions\n\n```{py:function} gapbook.modality_gap(x, y)\nIt.\n```"
PIXEL = (
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000a49444154789c6300010000050001 0d0a2db40000000049454e44ae426082"
)


def recorded(key, value):
    """Return the output that records a value."""
    metadata = {"scrapbook": {"name": key, "mime_prefix": PREFIX}}
    return new_output("display_data", data={PREFIX + "text/plain": value}, metadata=metadata)


@pytest.fixture
def build(build_site, tmp_path, monkeypatch):
    """Function that builds a book with a text for its first chapter; returns that, and warnings."""

    def make(first=FIRST, repository="somebody/a-book", installs=False):
        if repository:
            monkeypatch.setenv("GITHUB_REPOSITORY", repository)
        else:
            monkeypatch.delenv("GITHUB_REPOSITORY", raising=False)
        toctree = ":numbered:\nfirst\nsecond\nwords\napi"
        files = {
            "index.md": f"# Book\n\n```{{toctree}}\n{toctree}\n```\n",
            "words.md": GLOSSARY,
            "api.md": API,
            "image.png": bytes.fromhex(PIXEL.replace(" ", "")),
            "works.bib": "@article{cho, author={Cho, Y.}, title={T}, journal={J}, year={2009}}",
        }
        records = [recorded("ch02.gap", "0.82"), recorded("ch02.change", "-0.31")]
        chapters = {
            "first": [new_markdown_cell(first, id="text")],
            "second": [
                new_markdown_cell(SECOND, id="a"),
                new_code_cell("1", id="b", outputs=records),
                new_markdown_cell(PREDICTION, id="predict"),
                new_code_cell("2", id="c", outputs=[new_output("stream", text="2")]),
                new_markdown_cell(SHOWN, id="shown"),
                new_code_cell("3", id="d", outputs=[new_output("stream", text="3")]),
                new_markdown_cell(TABLE, id="table"),
            ],
        }
        if installs:
            chapters["first"].append(new_code_cell("#", id="in", metadata={"tags": ["install"]}))
        kernel = {"kernelspec": {"name": "python3", "display_name": "x", "language": "python"}}
        for name, cells in chapters.items():
            files[f"{name}.ipynb"] = new_notebook(cells=cells, metadata=kernel)
        _, warnings = build_site(
            files,
            extensions=EXTENSIONS,
            bibtex_bibfiles=["works.bib"],
            myst_heading_anchors=3,
        )
        return tmp_path / "out" / "_sources" / "first.ipynb", warnings

    return make


def test_references_lead_to_the_published_site(build):
    path, warnings = build()
    [cell] = nbformat.read(path, as_version=4).cells
    site = "https://somebody.github.io/a-book/"
    words = " ".join(cell.source.split())
    assert f"[gap]({site}words.html#term-modality-gap) of 0.8 in" in words
    assert f"[A part]({site}second.html#part), [the next chapter]({site}second.html)" in words
    assert f"[its section]({site}second.html#a-part), [it]({site}second.html#part), " in words
    assert f"([Cho, 2009]({site}words.html#" in words
    assert "(1.1), Figure 1.1 and [`gapbook" in words
    assert f"[`gapbook.modality_gap`]({site}api.html#gapbook.modality_gap)" in words
    assert r"\tag{1.1}" in words and "![A point](data:image/png;base64,iVBOR" in words
    assert f"**Figure 1.1.** A [modality gap]({site}words.html" in words
    assert "no copy" not in warnings


def test_numbers_of_outputs_are_those_of_the_page_in_every_copy(build):
    first, warnings = build(f"{FIRST}\nSee {{numref}}`fig-gap` and {{numref}}`tab-gaps`.")
    site = "https://somebody.github.io/a-book/second.html"
    [cell] = nbformat.read(first, as_version=4).cells
    links = f"[Figure 2.1]({site}#fig-gap) and [Table 2.1]({site}#tab-gaps)"
    assert cell.source.endswith(f"\n\nSee {links}.")
    page = (first.parents[1] / "first.html").read_text()
    assert re.findall(r'std-numref">([^<]+)', page) == ["Figure 1.1", "Figure 2.1", "Table 2.1"]
    assert "no copy" not in warnings


def test_negative_numbers_have_a_minus_sign_on_the_page_and_in_its_copy(build):
    change = "{glue:text}`second.ipynb::ch02.change:.1f`"
    none = "{glue:text}`second.ipynb::ch02.change:.0f`"
    first, _ = build(f"# First\n\nIt changes by {change}, or by {none}.")
    wanted = "It changes by \N{MINUS SIGN}0.3, or by 0."
    page = re.sub("<[^>]+>", "", (first.parents[1] / "first.html").read_text())
    assert wanted in page
    assert nbformat.read(first, as_version=4).cells[0].source.endswith(wanted)


def test_captions_and_predictions_are_plain_in_a_copy(build):
    first, warnings = build()
    second = nbformat.read(first.with_name("second.ipynb"), as_version=4)
    cells = {cell.id: cell.source for cell in second.cells}
    site = "https://somebody.github.io/a-book/"
    gap = f"{site}words.html#term-modality-gap"
    assert cells["shown"] == (
        f"**Figure 2.1.** The [gap]({gap}) is 0.82.\n\nPairs of seed 0.\n\n"
        f"Here Figure 2.1, there [Figure 1.1]({site}first.html#fig)."
    )
    assert cells["table"] == "**Table 2.1.** One gap."
    assert cells["predict"].startswith(f"> **Predict**\n>\n> Is there a [modality gap]({gap})?")
    assert "> **b.** See Figure 2.1 of the 2.1: 0.82." in cells["predict"]
    assert "WARNING" not in warnings


def test_a_number_of_what_has_none_is_refused(build):
    _, warnings = build("# First\n\nSee {numref}`part`.")
    assert "what is labelled 'part' has no number" in warnings


def test_without_a_repository_references_are_text_with_the_pages_of_parts(build):
    path, _ = build(repository=None)
    words = " ".join(nbformat.read(path, as_version=4).cells[0].source.split())
    assert (
        "The gap of 0.8 in A part [*Second*], the next chapter and its section [*Second: A part*]"
        in words
    )
    assert ", it [*Second: A part*], (Cho, 2009); see" in words


def test_without_a_repository_a_parenthesis_of_one_reference_names_its_page(build):
    path, _ = build(
        "# First\n\n(own)=\n## Own\n\nIt ({ref}`note <part>`), ({numref}`tab-gaps`), "
        "([this](second.ipynb#a-part)), ([that](part)), "
        "({term}`modality gap`), ({ref}`own`), ({doc}`second`).",
        repository=None,
    )
    assert (
        nbformat.read(path, as_version=4)
        .cells[0]
        .source.endswith(
            "It (note: see *Second: A part*), (Table 2.1: see *Second*), "
            "(this: see *Second: A part*), (that: see *Second: A part*), "
            "(modality gap: see *Words*), (Own), (see *Second*)."
        )
    )


@pytest.mark.parametrize("repository", ["somebody/a-book", None])
def test_the_copy_says_how_to_install_the_package(build, monkeypatch, repository):
    monkeypatch.setenv("GITHUB_SHA", "0" * 40)
    path, _ = build(repository=repository, installs=True)
    cell = install_cell(nbformat.read(path, as_version=4))
    wanted = f"gapbook[chapters] @ git+https://github.com/{repository}@{'0' * 40}"
    assert f'# pip install "{wanted if repository else ".[chapters]"}"\n' in cell.source


def test_a_notebook_that_cannot_be_copied_is_a_warning_that_fails_the_build(build):
    path, warnings = build("# First\n\n{rfc}`1`")
    assert "no copy for readers: first, cell 1 (# First): {rfc} is a role" in warnings
    assert not path.exists()


@pytest.mark.parametrize(
    ("repository", "address"),
    [
        ("https://github.com/A/b", "https://a.github.io/b/"),
        ("https://github.com/A/a.github.io", "https://a.github.io/"),
        (None, ""),
    ],
)
def test_the_address_of_the_site_follows_from_the_repository(repository, address):
    assert site_address(repository) == address
