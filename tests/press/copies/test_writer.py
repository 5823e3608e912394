"""Roles and directives in plain Markdown."""

import pytest
from markdown_it import MarkdownIt

from gapbook.exceptions import PressError
from gapbook.press.copies.markdown import render

SITE = "https://example.org/book/"
# the place of a part, in a copy that has no links
OTHER = "[*Another chapter*]"
PART = "[*Another chapter: A section*]"


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("{glue:text}`ch01.gap:.2f`", "0.85"),
        ("{glue:text}`ch01.gap:+.1%`", "+85.1%"),
        ("{glue:text}`ch01.n`", "1072"),
        ("{glue:text}`ch01.name`", r"a\_b\*c"),
        ("{glue}`ch01.n`", "1072"),
        ("{glue:text}`02.ipynb::ch02.share:.0%`", "26%"),
        ("{glue:text}`02.ipynb::ch02.share`", "0.256"),
    ],
)
def test_values_are_written_in_their_format(writer, source, plain):
    assert render(source, writer) == plain


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("{cite}`liang`", "([Liang et al., 2022](https://doi.org/10.1/gap))"),
        ("{cite:p}`wang`", "([Wang and Isola, 2020](https://example.org/wang))"),
        ("{cite:t}`liang`", "[Liang et al. (2022)](https://doi.org/10.1/gap)"),
        ("{cite:ts}`liang`", "[Liang, Zhang and Kwon (2022)](https://doi.org/10.1/gap)"),
        ("{cite:p}`cho, wang`", "(Cho, 2009; [Wang and Isola, 2020](https://example.org/wang))"),
        ("{cite:p}`{see}cho{page 3}`", "(see Cho, 2009, page 3)"),
        ("{cite:author}`wang`", "[Wang and Isola](https://example.org/wang)"),
        ("{cite:year}`cho`", "2009"),
        ("{cite:p}`undated`", "([The Team](https://example.org/team))"),
    ],
)
def test_citations_name_author_and_year(writer, source, plain):
    assert render(source, writer) == plain


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("{term}`gap`", f"[gap]({SITE}glossary.html#term-gap)"),
        ("{term}`gaps <gap>`", f"[gaps]({SITE}glossary.html#term-gap)"),
        ("{ref}`sec`", f"[A section]({SITE}02.html#sec)"),
        ("{ref}`there <sec>`", f"[there]({SITE}02.html#sec)"),
        ("{doc}`02`", f"[Another chapter]({SITE}02.html)"),
        ("{numref}`fig`", "Figure 3"),
        ("{numref}`Fig. %s <fig>`", "Fig. 3"),
        ("{numref}`fig-elsewhere`", f"[Figure 2.1]({SITE}02.html#fig-elsewhere)"),
        ("{numref}`Fig. %s <fig-elsewhere>`", f"[Fig. 2.1]({SITE}02.html#fig-elsewhere)"),
        ("{eq}`loss`", "(2)"),
        ("{func}`~gapbook.geometry.gap`", f"[`gap`]({SITE}api.html#gapbook.geometry.gap)"),
        ("{py:class}`numpy.ndarray`", "`numpy.ndarray`"),
        ("[next](02)", f"[next]({SITE}02.html)"),
        ("[next](../02.ipynb#sec)", f"[next]({SITE}02.html#sec)"),
        ("[](02.ipynb#sec)", f"[A section]({SITE}02.html#sec)"),
        ("[*so* {glue:text}`ch01.n`](02)", f"[*so* 1072]({SITE}02.html)"),
        ("[out](https://example.com/a_b)", "[out](https://example.com/a_b)"),
    ],
)
def test_references_are_full_links(writer, source, plain):
    assert render(source, writer) == plain


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("{term}`gaps <gap>`", "gaps"),
        ("{ref}`its rate <sec>` or {ref}`sec`", f"its rate {PART} or A section {OTHER}"),
        ("{numref}`fig-elsewhere`", "Figure 2.1"),
        ("see [the *next* one](02) now", "see the *next* one now"),
        ("[](02.ipynb#sec) or [*so*](02#sec)", f"A section {OTHER} or *so* {PART}"),
        ("see [above](#sec)", "see above [*A section*]"),
        ("| a |\n| --- |\n| b [c](02#sec) |", f"| a |\n| --- |\n| b c {PART} |"),
        ("{func}`gapbook.gap`", "`gapbook.gap`"),
    ],
)
def test_without_an_address_references_are_text_that_names_the_place_of_parts(
    writer_without_site, source, plain
):
    assert render(source, writer_without_site) == plain


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("({ref}`its rate <sec>`)", "(its rate: see *Another chapter: A section*)"),
        ("(\n{doc}`02`)", "(\nsee *Another chapter*)"),
        ("({numref}`fig-elsewhere`)", "(Figure 2.1: see *Another chapter*)"),
        ("({term}`gap`)", "(gap: see *Glossary*)"),
        ("([*so*](02))", "(*so*: see *Another chapter*)"),
        ("([](02))", "(see *Another chapter*)"),
        ("([](02.ipynb#sec))", "(A section: see *Another chapter*)"),
        ("| a |\n| --- |\n| b ([c](02)) |", "| a |\n| --- |\n| b (c: see *Another chapter*) |"),
        ("([above](#sec))", "(above: see *A section*)"),
        # words that say enough: a figure, or with an address
        ("({numref}`fig`)", "(Figure 3)"),
        ("([out](https://example.com))", "([out](https://example.com))"),
    ],
)
def test_without_an_address_a_parenthesis_of_one_reference_names_its_page(
    writer_without_site, source, plain
):
    assert render(source, writer_without_site) == plain


def test_with_an_address_a_parenthesis_of_one_reference_stays_a_link(writer):
    assert render("({ref}`its rate <sec>`)", writer) == f"([its rate]({SITE}02.html#sec))"
    assert render("([so](02))", writer) == f"([so]({SITE}02.html))"


@pytest.mark.parametrize(
    ("source", "plain"),
    [
        ("{math}`a^2`", "$a^2$"),
        ("{sub}`2`", "<sub>2</sub>"),
        ("{abbr}`SVD (singular value decomposition)`", None),
        ("{kbd}`Tab`", "<kbd>Tab</kbd>"),
        ("{code}`x = 1`", "`x = 1`"),
    ],
)
def test_other_roles_have_a_form(writer, source, plain):
    if plain is None:
        plain = '<abbr title="singular value decomposition">SVD</abbr>'
    assert render(source, writer) == plain


def test_boxes_are_quotations_with_a_bold_title(writer):
    source = ":::{admonition} So {glue:text}`ch01.n`\n:class: tip\nOne.\n\nTwo.\n:::"
    assert render(source, writer) == "> **So 1072**\n>\n> One.\n>\n> Two."
    assert render(":::{tip}\nOne.\n:::", writer) == "> **Tip**\n>\n> One."
    assert render("```{margin}\nAside.\n```", writer) == "> Aside."
    assert render("```{margin} Title\nAside.\n```", writer) == "> **Title**\n>\n> Aside."
    assert render("```{seealso}\nIt.\n```", writer) == "> **See also**\n>\n> It."


def test_dropdowns_fold(writer):
    folded = "<details>\n<summary><b>Why <em>so</em> $a_b$</b></summary>\n\n1072.\n\n</details>"
    body = "{glue:text}`ch01.n`."
    assert render(f"```{{dropdown}} Why *so* $a_b$\n{body}\n```", writer) == folded
    assert render(f"```{{note}} Why\n:class: dropdown\n{body}\n```", writer).startswith("<details>")


def test_directives_nest(writer):
    source = "````{admonition} Outer\n{cite:t}`cho`\n\n```{dropdown} Inner\n{term}`gap`\n```\n````"
    expected = f"""\
> **Outer**
>
> Cho (2009)
>
> <details>
> <summary><b>Inner</b></summary>
>
> [gap]({SITE}glossary.html#term-gap)
>
> </details>"""
    assert render(source, writer) == expected


def test_directives_in_lists_and_quotations_stay_there(writer):
    listed = render("- one\n\n  ```{note}\n  {glue:text}`ch01.n`\n  ```\n- two", writer)
    assert listed == "- one\n\n  > **Note**\n  >\n  > 1072\n- two"
    assert render("> ```{note}\n> Text.\n> ```", writer) == "> > **Note**\n> >\n> > Text."


def test_figures_carry_image_and_caption(writer):
    source = (
        "```{figure} a.png\n:alt: Two\n  clouds\n:name: fig\n\nA gap of {glue:text}`ch01.n`.\n```"
    )
    image = "![Two clouds](data:image/png;base64,AAAA)"
    assert render(source, writer) == f"{image}\n\n**Figure 3.** A gap of 1072."
    assert render("```{image} a.png\n:alt: One\n```", writer) == image.replace("Two clouds", "One")
    assert render("![One](a.png)", writer) == image.replace("Two clouds", "One")


def test_tables_of_directives_are_tables_of_markdown(writer):
    table = "| a | b |\n| --- | --- |\n| 1072 | x, y |"
    rows = 'a, b\n{glue:text}`ch01.n`, "x, y"'
    assert render(f"```{{csv-table}}\n{rows}\n```", writer) == table
    header, _, body = rows.partition("\n")
    assert render(f"```{{csv-table}}\n:header: {header}\n{body}\n```", writer) == table
    listed = "* - a\n  - b\n* - {glue:text}`ch01.n`\n  - x, y"
    assert render(f"```{{list-table}}\n{listed}\n```", writer) == table
    titled = render(f"```{{table}} Title\n:name: tab\n{table}\n```", writer)
    assert titled == f"**Table 1.1.** Title\n\n{table}"


def test_captions_of_outputs_carry_their_numbers(writer):
    text = "The gap is {glue:text}`ch01.gap:.2f`.\n\nPairs of {term}`gap`."
    body = f"The gap is 0.85.\n\nPairs of [gap]({SITE}glossary.html#term-gap)."
    assert render(f":::{{caption}} fig-a\n{text}\n:::", writer) == f"**Figure 3.** {body}"
    assert render(f":::{{caption}} tab-a\n{text}\n:::", writer) == f"**Table 1.1.** {body}"
    shown = render(":::{caption} fig-a\nIt.\n:::\n\nSee {numref}`fig-a`.", writer)
    assert shown == "**Figure 3.** It.\n\nSee Figure 3."


PREDICTION = """\
:::{predict} Is {math}`g` of all {glue:text}`ch01.n` *zero*?
- [ ] Yes,
      at last.
- [x] No, {glue:text}`ch01.gap:.1f`.
- [ ] It has no {term}`gap`.

It is {glue:text}`ch01.gap:.2f`.

$$
g > 0
$$
:::"""


def test_predictions_fold_their_answer(writer):
    expected = f"""\
> **Predict**
>
> Is $g$ of all 1072 *zero*?
>
> - a. Yes, at last.
> - b. No, 0.9.
> - c. It has no [gap]({SITE}glossary.html#term-gap).
>
> <details>
> <summary><b>Answer</b></summary>
>
> **b.** It is 0.85.
>
> $$
> g > 0
> $$
>
> </details>"""
    assert render(PREDICTION, writer) == expected


def test_answers_of_a_prediction_are_a_list_for_markdown(writer):
    page = MarkdownIt("commonmark").render(render(PREDICTION, writer))
    assert page.count("<li>") == 3
    assert "<li>b. No, 0.9.</li>" in page
    assert "<p><strong>b.</strong> It is 0.85.</p>" in page


def test_definitions_are_a_list(writer):
    text = "gap\n: The {term}`distance`.\n\n  More.\n\n{glue:text}`ch01.n`\n: A number.\n\nText."
    expected = f"""\
* **gap**: The [distance]({SITE}glossary.html#term-distance).

  More.
* **1072**: A number.

Text."""
    assert render(text, writer) == expected


def test_footnotes_are_small_letters(writer):
    text = "A claim.[^a]\n\n[^a]: Says {cite:t}`cho`."
    assert render(text, writer) == "A claim.<sup>a</sup>\n\n<sup>a</sup> Says Cho (2009)."


def test_equations_are_numbered(writer):
    numbered = "$$\na = b\n\\tag{2}\n$$"
    assert render("$$\na = b\n$$ (loss)", writer) == numbered
    assert render("```{math}\n:label: loss\na = b\n```", writer) == numbered
    assert r"\begin{aligned}" in render("```{math}\na &= b \\\\\nc &= d\n```", writer)


def test_what_a_page_shows_beside_its_text_goes(writer):
    assert render("(label)=\n# Title\n\n% a comment\n\n+++\n\nText.", writer).split() == [
        "#",
        "Title",
        "Text.",
    ]
    assert render("```{tableofcontents}\n```\n\nText.", writer).strip() == "Text."
    assert render("{.wide}\nText with [a span]{.small}.", writer).strip() == "Text with a span."


def test_code_and_formulas_are_not_touched(writer):
    text = (
        "`{term}` and ``{glue:text}`a` `` and $x_{gap}$\n\n"
        "```python\nf'{term}`gap`'\n# (label)=\n```\n\n"
        "    {cite}`code`\n\n$$\n{a}`b`\n$$\n\n\\{term}`gap`"
    )
    assert render(text, writer) == text


def test_a_role_after_the_same_text_in_code_is_the_one_that_changes(writer):
    text = "``{glue:text}`ch01.n` `` is {glue:text}`ch01.n`, and again {glue:text}`ch01.n`"
    assert render(text, writer) == "``{glue:text}`ch01.n` `` is 1072, and again 1072"


def test_roles_in_tables_keep_the_columns(writer):
    text = (
        "| a \\| b | {glue:text}`ch01.n` |\n| --- | --- |\n"
        "| {glue:text}`ch01.n` | {glue:text}`ch01.n` $\\|x\\|$ {term}`gap` |"
    )
    expected = (
        "| a \\| b | 1072 |\n| --- | --- |\n"
        f"| 1072 | 1072 $\\|x\\|$ [gap]({SITE}glossary.html#term-gap) |"
    )
    assert render(text, writer) == expected


def test_a_number_that_begins_a_line_begins_no_list(writer):
    assert render("{glue:text}`ch01.n`. The end", writer) == "1072\\. The end"


def test_a_role_over_two_lines_is_one(writer):
    assert render("* See {cite:p}`cho,\n  wang`, twice", writer) == (
        "* See (Cho, 2009; [Wang and Isola, 2020](https://example.org/wang)), twice"
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{unheard}`of`", r"\{unheard\} is a role that has no form"),
        ("```{unheard} of\n```", r"\{unheard\} is a directive that has no form"),
        ("{glue:text}`ch01.gpa:.2f`", "01 has no record 'ch01.gpa'.*ch01.gap"),
        ("{glue:text}`03.ipynb::ch03.gap`", "no notebook '03'"),
        ("{glue:text}`ch01.name:.2f`", "ch01.name cannot be written as '.2f'"),
        ("{cite}`lang`", "the bibliography has no 'lang'.*liang"),
        ("{cite:x}`liang`", "no citation has the form 'x'"),
        ("{ref}`nowhere`", "no label 'nowhere'"),
        ("text {{ name }}", "is a substitution"),
        (":::{predict} Why?\n- [x] a\n- [x] b\n\nSo.\n:::", "got 2 answers, 2 of them right"),
        (":::{predict} Why?\n- [x] a\n- [ ] b\n:::", "Expected two answers .* then a reason"),
    ],
)
def test_what_has_no_form_is_named(writer, source, message):
    with pytest.raises(PressError, match=message):
        render(source, writer)
