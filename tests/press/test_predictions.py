"""Predictions: a question with answers to click, readable without a script."""

import re

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from playwright.sync_api import expect

QUESTION = """:::{predict} Did training make the *gap*?
- [ ] Training made it,
      and keeps it.
- [x] It was there before.
- [ ] There is none.

Untrained, it is {glue:text}`ch01.gap:.2f`.

And so it stays.
:::"""


def record():
    kind = "application/papermill.record/text/plain"
    metadata = {"scrapbook": {"name": "ch01.gap", "mime_prefix": "application/papermill.record/"}}
    output = new_output("display_data", data={kind: "1.2345"}, metadata=metadata)
    return new_code_cell("record()", outputs=[output], metadata={"tags": ["remove-cell"]})


@pytest.fixture
def url(build_pages, tmp_path):
    _, warnings = build_pages(one=[record(), new_markdown_cell(QUESTION)])
    assert not warnings
    return (tmp_path / "out" / "one.html").as_uri()


def test_a_prediction_is_readable_without_a_script(browser, url):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(url)
    box = page.locator(".gap-predict")
    expect(box.locator("ol > li")).to_have_text(
        ["Training made it, and keeps it.", "It was there before.", "There is none."]
    )
    answer = box.get_by_text("Untrained, it is 1.23.")
    expect(answer).to_be_hidden()
    box.locator("summary").click()
    expect(answer).to_have_text("b. Untrained, it is 1.23.")
    context.close()


def test_a_click_says_what_is_right_and_shows_why(browser, url):
    page = browser.new_page()
    page.goto(url)
    group = page.get_by_role("group", name="Did training make the gap?")
    buttons = group.get_by_role("button")
    expect(buttons).to_have_count(3)
    answer = page.get_by_text("Untrained, it is 1.23.")
    expect(answer).to_be_hidden()
    buttons.nth(0).click()
    verdict = page.locator("[aria-live=polite]")
    expect(verdict).to_have_text("✗ Not a: b is right.")
    expect(answer).to_be_visible()
    expect(buttons.nth(0)).to_have_attribute("aria-pressed", "true")
    # by keyboard
    buttons.nth(0).press("Tab")
    page.keyboard.press("Enter")
    expect(verdict).to_have_text("✓ b is right.")
    expect(buttons.nth(0)).to_have_attribute("aria-pressed", "false")
    page.close()


def test_on_paper_the_answer_is_shown(browser, url):
    for with_script in (True, False):
        context = browser.new_context(java_script_enabled=with_script)
        page = context.new_page()
        page.goto(url)
        assert b"%PDF" in page.pdf()
        page.emulate_media(media="print")
        if with_script:
            page.evaluate("dispatchEvent(new Event('beforeprint'))")
        assert page.get_by_text("Untrained, it is 1.23.").bounding_box()["height"] > 0
        context.close()


@pytest.mark.parametrize(
    ("content", "got"),
    [
        ("- [ ] a\n- [ ] b\n\nBecause.", "got 2 answers, 0 of them right"),
        ("- [x] a\n- [x] b\n\nBecause.", "got 2 answers, 2 of them right"),
        ("- [x] a\n\nBecause.", "got 1 answers, 1 of them right"),
        ("- [x] a\n- [ ] b", "and then a reason; got 2 answers, 1 of them right"),
    ],
)
def test_what_is_no_prediction_is_refused(build_pages, content, got):
    _, warnings = build_pages(one=[new_markdown_cell(f":::{{predict}} Why?\n{content}\n:::")])
    assert re.search(got, warnings)
